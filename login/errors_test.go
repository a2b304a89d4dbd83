package login_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// An errorRow is an error of the passwords endpoint and the expected response.
type errorRow struct {
	name       string // the type of the error
	status     int    // status of the answer of Stytch
	retryAfter string // Retry-After of the answer of Stytch

	want       int
	kind       string
	wantsAfter string // expected Retry-After of the response
}

// documented lists the documented errors that this endpoint may return. Some of them occur only
// because of a proxy or a change at Stytch.
var documented = []errorRow{
	{"email_not_found", 404, "", 401, "sign-in-refused", ""},
	{"unauthorized_credentials", 401, "", 401, "sign-in-refused", ""},
	{"no_user_password", 400, "", 401, "sign-in-refused", ""},
	{"invalid_email", 400, "", 401, "sign-in-refused", ""},
	{"user_not_found", 404, "", 401, "sign-in-refused", ""},

	{"reset_password", 400, "", 403, "reset-password", ""},

	{"user_lock_limit_reached", 429, "", 429, "too-many-attempts", "1"},
	{"user_lock_limit_reached", 429, "60", 429, "too-many-attempts", "60"},
	{"too_many_requests", 429, "7", 429, "too-many-attempts", "7"},
	{"too_many_requests", 429, "Sat, 01 Jan 2000 00:00:30 GMT", 429, "too-many-attempts", "30"},
	{"too_many_requests", 429, "1000000000", 429, "too-many-attempts", "60"},
	{"too_many_requests", 429, "-7", 429, "too-many-attempts", "1"},
	{"too_many_requests", 429, "soon", 429, "too-many-attempts", "1"},
	{"captcha_failed", 429, "", 429, "too-many-attempts", "1"},
	{"too_few_tokens_authenticated", 429, "", 429, "too-many-attempts", "1"},

	{"bad_request", 400, "", 503, "unavailable", "1"},
	{"too_many_session_arguments", 400, "", 503, "unavailable", "1"},
	{"no_session_arguments", 400, "", 503, "unavailable", "1"},
	{"invalid_session_duration_minutes", 400, "", 503, "unavailable", "1"},
	{"invalid_session_duration", 400, "", 503, "unavailable", "1"},
	{"custom_claims_too_large", 400, "", 503, "unavailable", "1"},
	{"reserved_claims_in_custom_claims", 400, "", 503, "unavailable", "1"},
	{"stytch_claims_in_custom_claims", 400, "", 503, "unavailable", "1"},
	{"unable_to_represent_custom_claims_json", 400, "", 503, "unavailable", "1"},
	{"weak_password", 400, "", 503, "unavailable", "1"},
	{"breached_password", 400, "", 503, "unavailable", "1"},
	{"duplicate_email", 400, "", 503, "unavailable", "1"},
	{"consumer_session_authorization_error", 403, "", 503, "unavailable", "1"},
	{"member_reset_password", 400, "", 503, "unavailable", "1"},
	{"member_password_not_found", 404, "", 503, "unavailable", "1"},
	{"organization_not_found", 404, "", 503, "unavailable", "1"},
	{"route_not_found", 404, "", 503, "unavailable", "1"},
	{"method_not_allowed", 405, "", 503, "unavailable", "1"},
	{"client_closed_request", 499, "", 503, "unavailable", "1"},
	{"internal_server_error", 500, "", 503, "unavailable", "1"},
	{"server_unavailable", 503, "", 503, "unavailable", "1"},
	{"an_unknown_error", 418, "", 503, "unavailable", "1"},
}

// misconfigured lists errors that only the operator can resolve.
var misconfigured = []errorRow{
	{"unauthorized_credentials_homepage", 401, "", 503, "unavailable", "1"},
	{"invalid_project_id_authentication", 400, "", 503, "unavailable", "1"},
	{"invalid_secret_authentication", 401, "", 503, "unavailable", "1"},
	{"invalid_authorization_header", 400, "", 503, "unavailable", "1"},
	{"unauthorized_project_id_live", 401, "", 503, "unavailable", "1"},
	{"unauthorized_project_id_test", 401, "", 503, "unavailable", "1"},
	{"wrong_stack_live", 400, "", 503, "unavailable", "1"},
	{"wrong_stack_test", 400, "", 503, "unavailable", "1"},
	{"live_id_used_in_test_environment", 400, "", 503, "unavailable", "1"},
	{"test_id_used_in_live_environment", 400, "", 503, "unavailable", "1"},
	{"invalid_consumer_endpoint", 400, "", 503, "unavailable", "1"},
	{"use_https", 403, "", 503, "unavailable", "1"},
}

// aboutTheSession lists errors about the session in the call. A step-up sends a session that was
// just verified, so the password probably belongs to another user. A sign-in sends no session, so
// for a sign-in such an answer is invalid.
var (
	aboutTheSession = []errorRow{
		{"session_not_found", 404, "", 401, "sign-in-refused", ""},
		{"invalid_session_token", 400, "", 401, "sign-in-refused", ""},
		{"unable_to_parse_session_jwt", 400, "", 401, "sign-in-refused", ""},
	}
	aboutNoSession = []errorRow{
		{"session_not_found", 404, "", 503, "unavailable", "1"},
		{"invalid_session_token", 400, "", 503, "unavailable", "1"},
		{"unable_to_parse_session_jwt", 400, "", 503, "unavailable", "1"},
	}
)

func TestLogin_Errors(t *testing.T) {
	testErrors(t, "/login", slices.Concat(documented, aboutNoSession))
}

func TestStepUp_Errors(t *testing.T) {
	testErrors(t, "/step-up", slices.Concat(documented, aboutTheSession))
}

func testErrors(t *testing.T, path string, rows []errorRow) {
	numbers := map[int]string{401: "184 ", 429: "188 ", 503: "187 "}
	for i, row := range slices.Concat(rows, misconfigured) {
		t.Run(numbers[row.want]+row.name+" "+row.retryAfter, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, session.JWT)
				fault := stytchtest.Fault{Status: row.status, ErrorType: row.name, Header: http.Header{}}
				if row.retryAfter != "" {
					fault.Header.Set("Retry-After", row.retryAfter)
				}
				s.SetFault(pathPassword, fault)
				began := time.Now()
				resp := s.postJSON(path, right)
				s.wantProblem(resp, row.want, row.kind)
				s.wantUntouched(resp)
				if got := resp.Header.Get("Retry-After"); got != row.wantsAfter {
					t.Errorf("got Retry-After %q, want %q", got, row.wantsAfter)
				}
				if took := time.Since(began); (took == 500*time.Millisecond) != (row.kind == "sign-in-refused") {
					t.Errorf("got an answer after %v, want half a second for a refused sign-in only", took)
				}
				s.WantCalls(pathPassword, 1) // one call: a password is not sent again
				alarms := 0
				if i >= len(rows) {
					alarms = 1
				}
				s.wantErrors(alarms)
				s.SetFault(pathPassword, stytchtest.Fault{})
				s.want(s.get("/me"), 200)
				s.want(s.postJSON(path, right), 200)
			})
		})
	}
}

func TestLogin_ErrorsOfTheInMemoryStytch(t *testing.T) {
	rows := []struct {
		name, body string
		want       int
		kind       string
	}{
		{"an unknown e-mail address", `{"email":"nobody@example.com","password":"x"}`, 401, "sign-in-refused"},
		{"a wrong password", wrong, 401, "sign-in-refused"},
		{"a user without a password", `{"email":"` + evesEmail + `","password":"x"}`, 401, "sign-in-refused"},
		{"an invalid e-mail address", `{"email":"ada","password":"x"}`, 401, "sign-in-refused"},
		{"another user's password", `{"email":"` + bobsEmail + `","password":"` + adasPassword + `"}`, 401, "sign-in-refused"},
		{"a password with a trailing space", `{"email":"` + adasEmail + `","password":"` + adasPassword + ` "}`, 401, "sign-in-refused"},
		{"an e-mail address in capitals", `{"email":"ADA@EXAMPLE.COM","password":"` + adasPassword + `"}`, 200, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				resp := s.postJSON("/login", row.body)
				if row.want == 200 {
					s.want(resp, 200)
					return
				}
				s.wantProblem(resp, row.want, row.kind)
				s.wantUntouched(resp)
			})
		})
	}
}

func TestLogin_LockedUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.LockThreshold, s.LockDuration = 3, 5*time.Minute
		for range 3 {
			s.wantProblem(s.postJSON("/login", wrong), 401, "sign-in-refused")
		}
		for _, body := range []string{wrong, right} {
			resp := s.postJSON("/login", body)
			s.wantProblem(resp, 429, "too-many-attempts")
			s.wantUntouched(resp)
			if resp.Header.Get("Retry-After") == "" {
				t.Error("got no Retry-After, want one")
			}
		}
		s.want(s.other().postJSON("/login", `{"email":"`+bobsEmail+`","password":"`+bobsPassword+`"}`), 200)
		time.Sleep(5 * time.Minute)
		s.want(s.postJSON("/login", right), 200)
	})
}

func TestLogin_PasswordMustBeReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.AddUser(stytchtest.User{Email: "mallory@example.com", Password: "123456", RequiresReset: true})
		resp := s.postJSON("/login", `{"email":"mallory@example.com","password":"123456"}`)
		s.wantProblem(resp, 403, "reset-password")
		s.wantUntouched(resp)
		if resp.Header.Get("WWW-Authenticate") != "" {
			t.Error("got a challenge, want none: signing in again does not help")
		}
		s.want(s.postJSON("/login", `{"email":"mallory@example.com","password":"1234567"}`), 401)
	})
}

func TestLogin_FailuresDoNotAffectSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.SetFault(pathPassword, stytchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}})
		for range 20 {
			s.wantProblem(s.postJSON("/login", right), 429, "too-many-attempts")
		}
		b := s.other()
		b.hold(session.Token, "")
		s.want(b.get("/me"), 200) // needs a call for an unverified token
		b.hold("", session.JWT)
		time.Sleep(6 * time.Minute)
		s.want(b.get("/me"), 200) // needs a call that refreshes the JWT
		s.SetFault(pathPassword, stytchtest.Fault{})
		s.want(s.postJSON("/login", right), 200) // the 429 was about one user, so it does not affect others
	})
}

func TestLogin_BreakerDoesNotAffectSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.SetFault(pathPassword, stytchtest.Fault{Status: 500})
		for range 12 {
			resp := s.postJSON("/login", right)
			s.wantProblem(resp, 503, "unavailable")
			s.wantUntouched(resp)
		}
		s.WantCalls(pathPassword, 10)
		b := s.other()
		b.hold(session.Token, "")
		s.want(b.get("/me"), 200)
		s.SetFault(pathPassword, stytchtest.Fault{})
		resp := s.postJSON("/login", right)
		if s.want(resp, 503); resp.Header.Get("Retry-After") != "5" {
			t.Errorf("got Retry-After %q, want 5", resp.Header.Get("Retry-After"))
		}
		time.Sleep(6 * time.Second)
		s.want(s.postJSON("/login", right), 200)
	})
}

func TestLogin_WrongPasswordsOpenNoBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.LockThreshold = -1
		for range 30 {
			s.want(s.postJSON("/login", wrong), 401)
		}
		s.want(s.postJSON("/login", right), 200)
	})
}
