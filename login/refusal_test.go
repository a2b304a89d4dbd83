package login_test

import (
	"context"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// indistinguishable lists sign-ins whose responses must be equal.
var indistinguishable = []string{
	wrong,
	`{"email":"nobody@example.com","password":"not Ada's password"}`,
	`{"email":"` + evesEmail + `","password":"not Ada's password"}`,
	`{"email":"ada","password":"not Ada's password"}`,
}

func TestLogin_AnswersDoNotRevealAccounts(t *testing.T) {
	rows := []struct {
		name   string
		delays [4]time.Duration // delays of the answers of Stytch
		want   time.Duration
	}{
		{"184 at once", [4]time.Duration{}, 500 * time.Millisecond},
		{"184 an unknown address sooner", [4]time.Duration{400 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 0}, 500 * time.Millisecond},
		{"184 a slow Stytch", [4]time.Duration{900 * time.Millisecond, 501 * time.Millisecond, 700 * time.Millisecond, 999 * time.Millisecond}, time.Second},
	}
	for _, row := range rows {
		for _, form := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var first string
					for i, body := range indistinguishable {
						s := newEnv(t)
						old := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
						s.hold(old.Token, old.JWT)
						s.SetFault(pathPassword, stytchtest.Fault{Delay: row.delays[i]})
						began := time.Now()
						resp := s.postJSON("/login", body)
						if form {
							began = time.Now()
							resp = s.postForm("/login", asForm(body))
						}
						if took := time.Since(began); took != row.want {
							t.Errorf("%s: got an answer after %v, want %v", body, took, row.want)
						}
						s.wantProblem(resp, 401, "sign-in-refused")
						s.wantUntouched(resp)
						dump, err := httputil.DumpResponse(resp, true)
						if err != nil {
							t.Fatal(err)
						}
						if first == "" {
							first = string(dump)
						}
						if string(dump) != first {
							t.Errorf("%s: got\n%s\nwant, as for a wrong password,\n%s", body, dump, first)
						}
						if strings.Contains(string(dump), "ada") || strings.Contains(string(dump), "nobody") {
							t.Errorf("got something of the request in\n%s", dump)
						}
					}
				})
			})
		}
	}
}

func TestLogin_CanceledRequestIsNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.want(s.postJSON("/login", right), 200)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		// The response is the same as if Stytch had not answered yet: see
		// TestLogin_ClientThatHangsUp.
		s.want(s.do(newRequest("POST", "/login", wrong, jsonType).WithContext(ctx)), 503)
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("got an end after %v, want when the client left", took)
		}
	})
}

func TestLogin_WrongSecretIsNoWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.Secret = "secret-test-of-another-project" })
		s.LockThreshold = -1
		for i := range 60 {
			body := []string{wrong, right}[i%2]
			resp := s.postJSON("/login", body)
			s.wantProblem(resp, 503, "unavailable")
			s.wantUntouched(resp)
			time.Sleep(999 * time.Millisecond)
		}
		s.WantCalls(pathPassword, 60)
		s.WantCalls(pathPolicy, 1)
		s.wantErrors(1)
		time.Sleep(time.Second)
		s.want(s.postJSON("/login", right), 503)
		s.WantCalls(pathPolicy, 2)
		s.wantErrors(2)
	})
}

func TestLogin_SecretIsTrustedAfterOneGoodAnswer(t *testing.T) {
	rows := []struct {
		name string
		do   func(*env, stytchtest.Session)
	}{
		{"to a sign-in", func(s *env, _ stytchtest.Session) { s.want(s.postJSON("/login", right), 200) }},
		{"about a token", func(s *env, session stytchtest.Session) {
			s.want(s.other().get("/me", "Authorization: Bearer "+session.Token), 200)
		}},
		{"about a token that does not exist", func(s *env, _ stytchtest.Session) {
			s.want(s.other().get("/me", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"), 401)
		}},
		{"about a user", func(s *env, session stytchtest.Session) {
			s.want(s.other().get("/me", "Authorization: Bearer "+session.JWT), 200)
		}},
		{"to a revocation", func(s *env, session stytchtest.Session) {
			if err := s.Auth.Revoke(s.T.Context(), session.ID); err != nil {
				s.T.Error(err)
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
				no := stytchtest.Fault{Status: 401, ErrorType: "unauthorized_credentials"}
				s.SetFault("", no)
				s.want(s.postJSON("/login", wrong), 503)
				s.SetFault("", stytchtest.Fault{})
				row.do(s, session)
				s.SetFault(pathPolicy, no)
				s.wantProblem(s.postJSON("/login", wrong), 401, "sign-in-refused")
				s.WantCalls(pathPolicy, 1)
			})
		})
	}
}

func TestLogin_SecretIsCheckedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.LockThreshold = -1
		s.SetFault(pathPolicy, stytchtest.Fault{Delay: 200 * time.Millisecond})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { s.wantProblem(s.other().postJSON("/login", wrong), 401, "sign-in-refused") })
		}
		wg.Wait()
		s.want(s.postJSON("/login", wrong), 401)
		s.WantCalls(pathPolicy, 1)
		s.wantErrors(0)
	})
}

func TestLogin_SecretCannotBeChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault(pathPolicy, stytchtest.Fault{Status: 500})
		s.wantProblem(s.postJSON("/login", wrong), 503, "unavailable")
		s.SetFault(pathPolicy, stytchtest.Fault{})
		s.want(s.postJSON("/login", wrong), 503) // the policy is not fetched again yet
		s.wantErrors(0)
		time.Sleep(time.Minute)
		s.wantProblem(s.postJSON("/login", wrong), 401, "sign-in-refused")
	})
}

func TestLogin_CanceledRequestDoesNotAffectOthers(t *testing.T) {
	for _, later := range []time.Duration{100 * time.Millisecond, 5 * time.Second} { // before and after the answer with the policy arrives
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			s.SetFault(pathPolicy, stytchtest.Fault{Delay: time.Second})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			s.want(s.do(newRequest("POST", "/login", wrong, jsonType).WithContext(ctx)), 503)
			time.Sleep(later)
			s.wantProblem(s.other().postJSON("/login", wrong), 401, "sign-in-refused")
			s.WantCalls(pathPolicy, 1)
		})
	}
}

// asForm converts a JSON body to a form.
func asForm(body string) string {
	return strings.NewReplacer(`{"email":"`, "email=", `","password":"`, "&password=", `"}`, "", "@", "%40", " ", "+").Replace(body)
}
