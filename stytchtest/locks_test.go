package stytchtest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	right = `{` + credentials + `}`
	wrong = `{"email":"` + email + `","password":"wrong"}`
)

func TestServer_LockThreshold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, user, session := setup(t)
		srv.AddUser(stytchtest.User{Email: "bob@example.com", Password: password})
		srv.LockThreshold = 3
		time.Sleep(time.Minute)
		for range 3 {
			post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
		}
		post(t, srv, signInPath, right).want(t, 429, "user_lock_limit_reached")
		post(t, srv, signInPath, wrong).want(t, 429, "user_lock_limit_reached")
		post(t, srv, signInPath, strings.ReplaceAll(right, "ada@", "bob@")).want(t, 200, "")
		a := post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
		a.want(t, 200, "") // existing sessions stay alive
		for _, shown := range []any{get(t, srv, "/v1/users/"+user.ID).body, a.body["user"]} {
			shown := shown.(map[string]any)
			equal(t, "locked", []any{shown["is_locked"], shown["lock_created_at"], shown["lock_expires_at"]},
				`[true,"2000-01-01T00:01:00Z","2000-01-01T01:01:00Z"]`)
		}

		time.Sleep(time.Hour - time.Nanosecond)
		post(t, srv, signInPath, right).want(t, 429, "user_lock_limit_reached")
		time.Sleep(time.Nanosecond)
		shown := get(t, srv, "/v1/users/"+user.ID).body
		equal(t, "unlocked", []any{shown["is_locked"], shown["lock_created_at"], shown["lock_expires_at"]}, `[false,null,null]`)
		for range 2 {
			post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
		}
		post(t, srv, signInPath, right).want(t, 200, "")
	})
}

func TestServer_LockThreshold_CountsInARow(t *testing.T) {
	srv, _, session := setup(t)
	srv.LockThreshold = 2
	for range 5 {
		post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
		post(t, srv, signInPath, right).want(t, 200, "")
	}
	srv.SetFault(signInPath, stytchtest.Fault{Status: 401})
	for range 5 {
		post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
	}
	srv.SetFault(signInPath, stytchtest.Fault{})
	for range 5 {
		post(t, srv, signInPath, `{`+credentials+`,"session_token":"x"}`).want(t, 400, "invalid_session_token")
		post(t, srv, signInPath, wrong[:len(wrong)-1]+`,"session_duration_minutes":1}`).want(t, 400, "invalid_session_duration_minutes")
		post(t, srv, authenticatePath, `{"session_token":"`+strings.Repeat("a", 44)+`"}`).want(t, 404, "session_not_found")
	}
	post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
	post(t, srv, signInPath, `{`+credentials+`,"session_token":"`+session.Token+`"}`).want(t, 200, "")
}

func TestServer_LockDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, _ := setup(t)
		srv.LockThreshold, srv.LockDuration = 1, 5*time.Minute
		post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
		srv.SetClock(5*time.Minute - time.Second)
		post(t, srv, signInPath, right).want(t, 429, "user_lock_limit_reached")
		srv.SetClock(5 * time.Minute)
		post(t, srv, signInPath, right).want(t, 200, "")
	})
}

func TestServer_LockThreshold_Zero(t *testing.T) {
	srv, _, _ := setup(t)
	for range 50 {
		post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
	}
	post(t, srv, signInPath, right).want(t, 200, "")
}

func TestUser_RequiresReset(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.LockThreshold = 2
	user := srv.AddUser(stytchtest.User{Email: email, Password: password, RequiresReset: true})
	if user.Password == nil || !user.Password.RequiresReset {
		t.Errorf("got %+v, want a password that requires a reset", user.Password)
	}
	post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
	a := post(t, srv, signInPath, `{`+credentials+`,"session_duration_minutes":60}`)
	a.want(t, 400, "reset_password")
	equal(t, "message", a.body["error_message"], `"user must reset their password"`)
	post(t, srv, signInPath, wrong).want(t, 401, "unauthorized_credentials")
	post(t, srv, signInPath, right).want(t, 429, "user_lock_limit_reached")
	equal(t, "sessions", get(t, srv, "/v1/sessions?user_id="+user.ID).body["sessions"], `[]`)
}

// The rows are the errors that Stytch documents for POST /v1/passwords/authenticate.
func TestAuthenticatePassword_DocumentedErrors(t *testing.T) {
	busy := func(kind string) func(*stytchtest.Server) {
		return func(srv *stytchtest.Server) {
			srv.SetFault(signInPath, stytchtest.Fault{Status: 429, ErrorType: kind})
		}
	}
	for _, tt := range []struct {
		name      string
		prepare   func(*stytchtest.Server)
		body      string
		status    int
		errorType string
	}{
		{"not JSON", nil, `{`, 400, "bad_request"},
		{"an invalid address", nil, `{"email":"ada@","password":"x"}`, 400, stytch.TypeInvalidEmail},
		{"an unknown address", nil, `{"email":"eve@example.com","password":"x"}`, 404, stytch.TypeEmailNotFound},
		{"a user without password", nil, `{"email":"bare@example.com","password":"x"}`, 400, stytch.TypeNoUserPassword},
		{"a wrong password", nil, wrong, 401, stytch.TypeUnauthorizedCredentials},
		{"a password from a breach", nil, `{"email":"breach@example.com","password":"` + password + `"}`, 400, stytch.TypeResetPassword},
		{"a locked user", func(srv *stytchtest.Server) { srv.LockThreshold = 1; post(t, srv, signInPath, wrong) }, right, 429, stytch.TypeUserLockLimitReached},
		{"a wrong secret", func(srv *stytchtest.Server) { srv.SetFault(signInPath, stytchtest.Fault{Status: 401}) }, right, 401, stytch.TypeUnauthorizedCredentials},
		{"too many requests", busy(""), right, 429, "too_many_requests"},
		{"a failed captcha", busy("captcha_failed"), right, 429, "captcha_failed"},
		{"too short a session", nil, `{` + credentials + `,"session_duration_minutes":4}`, 400, "invalid_session_duration_minutes"},
		{"two sessions", nil, `{` + credentials + `,"session_token":"a","session_jwt":"b"}`, 400, "too_many_session_arguments"},
		{"an invalid token", nil, `{` + credentials + `,"session_token":"a"}`, 400, "invalid_session_token"},
		{"an invalid JWT", nil, `{` + credentials + `,"session_jwt":"a"}`, 400, "unable_to_parse_session_jwt"},
		{"a session that has ended", nil, `{` + credentials + `,"session_token":"` + strings.Repeat("a", 44) + `"}`, 404, stytch.TypeSessionNotFound},
		{"an internal error", func(srv *stytchtest.Server) { srv.SetFault("", stytchtest.Fault{Status: 500}) }, right, 500, "internal_server_error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, _, _ := setup(t)
			srv.AddUser(stytchtest.User{Email: "bare@example.com"})
			srv.AddUser(stytchtest.User{Email: "breach@example.com", Password: password, RequiresReset: true})
			if tt.prepare != nil {
				tt.prepare(srv)
			}
			post(t, srv, signInPath, tt.body).want(t, tt.status, tt.errorType)
		})
	}
}
