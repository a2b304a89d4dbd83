package stytchtest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestAuthenticatePassword_Shape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		user := srv.AddUser(stytchtest.User{Email: email, Password: password, Roles: []string{"admin"}})
		a := post(t, srv, "/v1/passwords/authenticate", `{`+credentials+`,"session_duration_minutes":240,"session_custom_claims":{"a":1}}`)
		a.want(t, 200, "")
		equal(t, "answer", names(a.body), `["request_id","session","session_jwt","session_token","status_code","user","user_device","user_id"]`)
		equal(t, "user_id", a.body["user_id"], `"`+user.ID+`"`)
		equal(t, "user_device", a.body["user_device"], `null`)
		equal(t, "end", a.at("session", "expires_at"), `"2000-01-01T04:00:00Z"`)
		equal(t, "claims", a.at("session", "custom_claims"), `{"a":1}`)
		equal(t, "roles", a.at("session", "roles"), `["stytch_user","admin"]`)
		equal(t, "factor", a.at("session", "authentication_factors", 0, "type"), `"password"`)
		verified(t, srv, a.body["session_jwt"].(string))
		post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+a.body["session_token"].(string)+`"}`).want(t, 200, "")
	})
}

func TestAuthenticatePassword_WithoutDuration(t *testing.T) {
	srv, user, session := setup(t)
	srv.RevokeSession(session.ID)
	a := post(t, srv, "/v1/passwords/authenticate", `{`+credentials+`,"session_custom_claims":{"a":1}}`)
	a.want(t, 200, "")
	equal(t, "session", a.body["session"], `null`)
	equal(t, "token", a.body["session_token"], `""`)
	equal(t, "JWT", a.body["session_jwt"], `""`)
	equal(t, "user", a.at("user", "user_id"), `"`+user.ID+`"`)
	equal(t, "sessions", get(t, srv, "/v1/sessions?user_id="+user.ID).body["sessions"], `[]`)
	got, err := typed(t, srv).AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: email, Password: password})
	if err != nil || got.Session != nil {
		t.Errorf("typed: got session %v and error %v, want neither", got, err)
	}
}

func TestAuthenticatePassword_Rejections(t *testing.T) {
	srv, _, session := setup(t)
	srv.AddUser(stytchtest.User{Email: "bare@example.com"})
	other := srv.StartSession(srv.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{})
	for _, tt := range []struct {
		name, body string
		status     int
		errorType  string
	}{
		{"correct", credentials, 200, ""},
		{"e-mail in another case", `"email":"ADA@example.com","password":"` + password + `"`, 200, ""},
		{"wrong password", `"email":"` + email + `","password":"wrong"`, 401, "unauthorized_credentials"},
		{"password in another case", `"email":"` + email + `","password":"` + strings.ToUpper(password) + `"`, 401, "unauthorized_credentials"},
		{"unknown e-mail", `"email":"nobody@example.com","password":"` + password + `"`, 404, "email_not_found"},
		{"user without password", `"email":"bare@example.com","password":"` + password + `"`, 400, "no_user_password"},
		{"no e-mail", `"password":"` + password + `"`, 400, "invalid_email"},
		{"an invalid e-mail", `"email":"ada","password":"` + password + `"`, 400, "invalid_email"},
		{"an e-mail with a name", `"email":"Ada <ada@example.com>","password":"` + password + `"`, 400, "invalid_email"},
		{"no password", `"email":"` + email + `"`, 400, "bad_request"},
		{"a password that is a number", `"email":"` + email + `","password":1`, 400, "bad_request"},
		{"both session credentials", credentials + `,"session_token":"a","session_jwt":"b"`, 400, "too_many_session_arguments"},
		{"4 minutes", credentials + `,"session_duration_minutes":4`, 400, "invalid_session_duration_minutes"},
		{"claims in the namespace of Stytch", credentials + `,"session_duration_minutes":5,"session_custom_claims":{"https://stytch.com/x":1}`, 400, "stytch_claims_in_custom_claims"},
		{"claims too large", credentials + `,"session_duration_minutes":5,"session_custom_claims":{"x":"` + strings.Repeat("x", 5000) + `"}`, 400, "custom_claims_too_large"},
		{"an invalid token", credentials + `,"session_token":"short"`, 400, "invalid_session_token"},
		{"an unknown token", credentials + `,"session_token":"` + strings.Repeat("a", 44) + `"`, 404, "session_not_found"},
		{"an invalid JWT", credentials + `,"session_jwt":"x"`, 400, "unable_to_parse_session_jwt"},
		{"another user's session", credentials + `,"session_token":"` + other.Token + `"`, 404, "session_not_found"},
		{"a wrong password with a good session", `"email":"` + email + `","password":"wrong","session_token":"` + session.Token + `"`, 401, "unauthorized_credentials"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			post(t, srv, "/v1/passwords/authenticate", `{`+tt.body+`}`).want(t, tt.status, tt.errorType)
		})
	}
}

func TestAuthenticatePassword_UpdatesTheFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(20 * time.Minute)
		a := post(t, srv, "/v1/passwords/authenticate", `{`+credentials+`,"session_jwt":"`+session.JWT+`","session_custom_claims":{"a":1}}`)
		a.want(t, 200, "")
		equal(t, "id", a.at("session", "session_id"), `"`+session.ID+`"`)
		equal(t, "token", a.body["session_token"], `"`+session.Token+`"`)
		equal(t, "factors", a.at("session", "authentication_factors"), `[{"created_at":"2000-01-01T00:00:00Z","delivery_method":"knowledge",`+
			`"last_authenticated_at":"2000-01-01T00:20:00Z","type":"password","updated_at":"2000-01-01T00:20:00Z"}]`)
		equal(t, "end without duration", a.at("session", "expires_at"), `"2000-01-01T01:00:00Z"`)
		equal(t, "claims", a.at("session", "custom_claims"), `{"a":1}`)

		a = post(t, srv, "/v1/passwords/authenticate", `{`+credentials+`,"session_token":"`+session.Token+`","session_duration_minutes":60}`)
		a.want(t, 200, "")
		equal(t, "end with duration", a.at("session", "expires_at"), `"2000-01-01T01:20:00Z"`)
	})
}

func TestAuthenticatePassword_AddsTheFactor(t *testing.T) {
	srv, user, _ := setup(t)
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "magic_link", DeliveryMethod: "email"}}})
	a := post(t, srv, "/v1/passwords/authenticate", `{`+credentials+`,"session_token":"`+session.Token+`"}`)
	a.want(t, 200, "")
	equal(t, "first", a.at("session", "authentication_factors", 0, "type"), `"magic_link"`)
	equal(t, "second", a.at("session", "authentication_factors", 1, "type"), `"password"`)
}

func TestCreatePassword(t *testing.T) {
	srv := stytchtest.NewServer()
	a := post(t, srv, "/v1/passwords", `{`+credentials+`,"session_duration_minutes":60,"name":{"first_name":"Ada"},"trusted_metadata":{"plan":"pro"}}`)
	a.want(t, 200, "")
	equal(t, "answer", names(a.body), `["email_id","request_id","session","session_jwt","session_token","status_code","user","user_device","user_id"]`)
	equal(t, "email_id", a.body["email_id"], `"`+a.at("user", "emails", 0, "email_id").(string)+`"`)
	equal(t, "verified", a.at("user", "emails", 0, "verified"), `false`)
	equal(t, "name", a.at("user", "name"), `{"first_name":"Ada","last_name":"","middle_name":""}`)
	equal(t, "metadata", a.at("user", "trusted_metadata"), `{"plan":"pro"}`)
	if a.at("session", "session_id") == nil {
		t.Error("got no session, want one")
	}
	b := post(t, srv, "/v1/passwords/authenticate", `{`+credentials+`}`)
	b.want(t, 200, "")
	equal(t, "user", b.body["user_id"], `"`+a.body["user_id"].(string)+`"`)
}

func TestCreatePassword_Rejections(t *testing.T) {
	srv, _, session := setup(t)
	for _, tt := range []struct {
		name, body string
		status     int
		errorType  string
	}{
		{"an e-mail in use", credentials, 400, "duplicate_email"},
		{"an e-mail in use, in another case", `"email":"Ada@Example.com","password":"` + password + `"`, 400, "duplicate_email"},
		{"an invalid e-mail", `"email":"@","password":"` + password + `"`, 400, "invalid_email"},
		{"7 characters", `"email":"b@example.com","password":"ééééééé"`, 400, "weak_password"},
		{"no password", `"email":"b@example.com"`, 400, "weak_password"},
		{"4 minutes", `"email":"b@example.com","password":"` + password + `","session_duration_minutes":4`, 400, "invalid_session_duration_minutes"},
		{"claims too large leave no user behind", `"email":"b@example.com","password":"` + password + `","session_duration_minutes":5,"session_custom_claims":{"x":"` + strings.Repeat("x", 5000) + `"}`, 400, "custom_claims_too_large"},
		{"a name that is not an object", `"email":"b@example.com","password":"` + password + `","name":"Ada"`, 400, "bad_request"},
		{"a session token is ignored", `"email":"c@example.com","password":"` + password + `","session_token":"` + session.Token + `"`, 200, ""},
		{"8 characters", `"email":"b@example.com","password":"éééééééé"`, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			post(t, srv, "/v1/passwords", `{`+tt.body+`}`).want(t, tt.status, tt.errorType)
		})
	}
}

func TestSandbox(t *testing.T) {
	const (
		alive = `{"session_token":"WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"}`
		user  = `"user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd"`
	)
	srv := stytchtest.NewServer()
	client := typed(t, srv)
	for range 2 {
		a := post(t, srv, "/v1/sessions/authenticate", alive)
		a.want(t, 200, "")
		equal(t, "user", a.at("user", "user_id"), user)
		equal(t, "started", a.at("session", "started_at"), `"2021-08-28T00:41:58.935673Z"`)
		equal(t, "attributes", a.at("session", "attributes"), `null`)
		post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+a.body["session_jwt"].(string)+`"}`).want(t, 200, "")
		post(t, srv, "/v1/sessions/revoke", alive).want(t, 200, "")
		post(t, srv, "/v1/sessions/authenticate", `{"session_token":"59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw"}`).want(t, 404, "session_not_found")
		for _, path := range []string{"/v1/passwords", "/v1/passwords/authenticate"} {
			b := post(t, srv, path, `{"email":"sandbox@stytch.com","password":"x","session_duration_minutes":5}`)
			b.want(t, 200, "")
			equal(t, path, b.body["user_id"], user)
		}
	}
	got, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"})
	if err != nil || got.Session.Attributes != nil || got.Session.StartedAt.Nanosecond() != 935673000 {
		t.Errorf("typed: got %v, want the sandbox session", err)
	}
	get(t, srv, "/v1/users/user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd").want(t, 200, "")
	panics(t, "a user with the sandbox address", func() { srv.AddUser(stytchtest.User{Email: "Sandbox@stytch.com"}) })

	live := stytchtest.NewServer()
	live.ProjectID = "project-live-0e3b5a1c-6a0e-4b0f-8f51-1f0b5a0e9c11"
	post(t, live, "/v1/sessions/authenticate", alive).want(t, 404, "session_not_found")
	post(t, live, "/v1/passwords/authenticate", `{"email":"sandbox@stytch.com","password":"x"}`).want(t, 404, "email_not_found")
	get(t, live, "/v1/users/user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd").want(t, 404, "user_not_found")
}
