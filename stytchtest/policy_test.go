package stytchtest_test

import (
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func samplePolicy() stytch.Policy {
	return stytch.Policy{
		Roles: []stytch.Role{
			{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read"}}}},
			{ID: "editor", Description: "may write", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read", "write"}}}},
			{ID: "owner", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"*"}}, {ResourceID: "*", Actions: []string{"read"}}}},
			{ID: "nothing"},
			{ID: "owner", Permissions: []stytch.Permission{{ResourceID: "images", Actions: []string{"crop"}}}},
		},
		Resources: []stytch.Resource{{ID: "documents", Actions: []string{"read", "write", "delete"}}},
		Scopes:    []stytch.Scope{{Scope: "read:documents", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"erase"}}}}},
	}
}

func TestServer_SetPolicy(t *testing.T) {
	srv := stytchtest.NewServer()
	a := get(t, srv, "/v1/rbac/policy")
	equal(t, "answer", names(a.body), `["policy","request_id","status_code"]`)
	equal(t, "default", a.body["policy"], `{"resources":[],"roles":[{"description":"","permissions":[],"role_id":"stytch_user"}],"scopes":[]}`)

	p := samplePolicy()
	srv.SetPolicy(p)
	p.Roles[0].Permissions[0].Actions[0] = "changed later"
	equal(t, "set", get(t, srv, "/v1/rbac/policy").body["policy"],
		`{"resources":[{"actions":["read","write","delete"],"description":"","resource_id":"documents"}],`+
			`"roles":[{"description":"","permissions":[{"actions":["read"],"resource_id":"documents"}],"role_id":"stytch_user"},`+
			`{"description":"may write","permissions":[{"actions":["read","write"],"resource_id":"documents"}],"role_id":"editor"},`+
			`{"description":"","permissions":[{"actions":["*"],"resource_id":"documents"},{"actions":["read"],"resource_id":"*"}],"role_id":"owner"},`+
			`{"description":"","permissions":[],"role_id":"nothing"},`+
			`{"description":"","permissions":[{"actions":["crop"],"resource_id":"images"}],"role_id":"owner"}],`+
			`"scopes":[{"description":"","permissions":[{"actions":["erase"],"resource_id":"documents"}],"scope":"read:documents"}]}`)
	if _, err := typed(t, srv).Policy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAuthenticateSession_AuthorizationCheck(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.SetPolicy(samplePolicy())
	for _, tt := range []struct {
		name             string
		roles            []string
		resource, action string
		granting         string // empty if the permission is refused
	}{
		{"by the default role", nil, "documents", "read", `["stytch_user"]`},
		{"not by the default role", nil, "documents", "write", ""},
		{"by an explicit role", []string{"editor"}, "documents", "write", `["editor"]`},
		{"by a wildcard action", []string{"owner"}, "documents", "delete", `["owner"]`},
		{"by all roles that grant it", []string{"owner", "editor"}, "documents", "read", `["stytch_user","editor","owner"]`},
		{"by a role that the user has twice", []string{"editor", "editor"}, "documents", "write", `["editor"]`},
		{"by a role that the policy has twice", []string{"owner"}, "images", "crop", `["owner"]`},
		{"an unknown role grants nothing", []string{"admin"}, "documents", "write", ""},
		{"a role without permissions grants nothing", []string{"nothing"}, "documents", "write", ""},
		{"a wildcard does not apply to resources", []string{"owner"}, "images", "read", ""},
		{"a resource may be named *", []string{"owner"}, "*", "read", `["owner"]`},
		{"a check of the action * needs that action", []string{"editor"}, "documents", "*", ""},
		{"roles match with their case", []string{"Owner"}, "documents", "delete", ""},
		{"resources match with their case", []string{"owner"}, "Documents", "delete", ""},
		{"actions match with their case", nil, "documents", "Read", ""},
		{"a scope grants nothing to sessions", nil, "documents", "erase", ""},
		{"the actions of a resource grant nothing", nil, "documents", "delete", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := srv.AddUser(stytchtest.User{Roles: tt.roles})
			session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
			a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`","authorization_check":{"resource_id":"`+tt.resource+`","action":"`+tt.action+`"}}`)
			if tt.granting == "" {
				a.want(t, 403, "consumer_session_authorization_error")
				return
			}
			a.want(t, 200, "")
			equal(t, "verdict", a.body["verdict"], `{"authorized":true,"granting_roles":`+tt.granting+`}`)
		})
	}
}

func TestAuthenticateSession_Verdict(t *testing.T) {
	srv, _, session := setup(t)
	srv.SetPolicy(samplePolicy())
	got, err := typed(t, srv).AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{
		SessionToken: session.Token, AuthorizationCheck: &stytch.AuthorizationCheck{ResourceID: "documents", Action: "read"},
	})
	if err != nil || got.Verdict == nil || !got.Verdict.Authorized {
		t.Errorf("got %v and error %v, want a verdict", got, err)
	}
}

func TestServer_SetRoles(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.SetPolicy(samplePolicy())
	user := srv.AddUser(stytchtest.User{ExternalID: "ada-1", Roles: []string{"nothing"}})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
	may := `{"session_token":"` + session.Token + `","authorization_check":{"resource_id":"documents","action":"write"}}`
	for _, tt := range []struct {
		name   string
		roles  []string
		want   string
		status int
	}{
		{"added", []string{"editor"}, `["stytch_user","editor"]`, 200},
		{"the default role is not repeated", []string{"stytch_user", "editor", "editor"}, `["stytch_user","editor"]`, 200},
		{"removed", nil, `["stytch_user"]`, 403},
		{"unknown to the policy", []string{"admin"}, `["stytch_user","admin"]`, 403},
		{"added again", []string{"owner", "editor"}, `["stytch_user","owner","editor"]`, 200},
	} {
		srv.SetRoles("ada-1", tt.roles...)
		if tt.roles != nil {
			tt.roles[0] = "changed later"
		}
		_, claims := verified(t, srv, srv.JWT(session.ID))
		equal(t, tt.name+", JWT", claims["https://stytch.com/session"].(map[string]any)["roles"], tt.want)
		a := post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
		equal(t, tt.name+", session", a.at("session", "roles"), tt.want)
		equal(t, tt.name+", user", a.at("user", "roles"), tt.want)
		equal(t, tt.name+", list", get(t, srv, "/v1/sessions?user_id="+user.ID).at("sessions", 0, "roles"), tt.want)
		errorType := ""
		if tt.status == 403 {
			errorType = "consumer_session_authorization_error"
		}
		post(t, srv, authenticatePath, may).want(t, tt.status, errorType)
	}
	_, claims := verified(t, srv, session.JWT)
	equal(t, "a JWT never changes", claims["https://stytch.com/session"].(map[string]any)["roles"], `["stytch_user","nothing"]`)
	panics(t, "an unknown user", func() { srv.SetRoles("user-test-nobody", "editor") })
	panics(t, "the sandbox user", func() { srv.SetRoles("user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd", "editor") })
	srv.Calls("") // would hang if a panic had left a lock held
}
