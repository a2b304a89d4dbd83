package stytchtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

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
	srv.Calls("") // no lock is held after a panic
}

func TestServer_AddFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(10 * time.Minute)
		totp := stytch.AuthenticationFactor{
			Type: "totp", DeliveryMethod: "authenticator_app",
			AuthenticatorAppFactor: &stytch.AuthenticatorAppFactor{TOTPID: "totp-test-1"},
		}
		srv.AddFactor(session.ID, totp)
		const first = `{"created_at":"2000-01-01T00:00:00Z","delivery_method":"knowledge","last_authenticated_at":"2000-01-01T00:00:00Z","type":"password","updated_at":"2000-01-01T00:00:00Z"}`
		list := get(t, srv, "/v1/sessions?user_id="+session.UserID)
		equal(t, "factors", list.at("sessions", 0, "authentication_factors"), `[`+first+`,{"authenticator_app_factor":{"totp_id":"totp-test-1"},"created_at":"2000-01-01T00:10:00Z",`+
			`"delivery_method":"authenticator_app","last_authenticated_at":"2000-01-01T00:10:00Z","type":"totp","updated_at":"2000-01-01T00:10:00Z"}]`)
		equal(t, "access", list.at("sessions", 0, "last_accessed_at"), `"2000-01-01T00:10:00Z"`)
		equal(t, "end", list.at("sessions", 0, "expires_at"), `"2000-01-01T01:00:00Z"`)
		_, claims := verified(t, srv, srv.JWT(session.ID))
		equal(t, "claim", claims["https://stytch.com/session"].(map[string]any)["authentication_factors"].([]any)[1],
			`{"authenticator_app_factor":{"totp_id":"totp-test-1"},"delivery_method":"authenticator_app","last_authenticated_at":"2000-01-01T00:10:00Z","type":"totp"}`)

		time.Sleep(10 * time.Minute)
		srv.AddFactor(session.ID, totp)
		a := post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
		equal(t, "fresh", []any{a.at("session", "authentication_factors", 1, "created_at"), a.at("session", "authentication_factors", 1, "last_authenticated_at")},
			`["2000-01-01T00:10:00Z","2000-01-01T00:20:00Z"]`)
		totp.AuthenticatorAppFactor.TOTPID = "totp-test-2"
		srv.AddFactor(session.ID, totp)
		srv.AddFactor(session.ID, stytch.AuthenticationFactor{Type: "password", DeliveryMethod: "knowledge", LastAuthenticatedAt: time.Now().Add(-time.Minute)})
		a = post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
		equal(t, "another app is another factor", a.at("session", "authentication_factors", 2, "authenticator_app_factor", "totp_id"), `"totp-test-2"`)
		equal(t, "its time may be set", a.at("session", "authentication_factors", 0, "last_authenticated_at"), `"2000-01-01T00:19:00Z"`)
		equal(t, "no further factor", a.at("session", "authentication_factors", 3), `null`)
		panics(t, "an unknown session", func() { srv.AddFactor("session-test-nothing", totp) })
		srv.Calls("") // no lock is held after a panic
	})
}
