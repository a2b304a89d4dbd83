package login_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestLogin_Claims(t *testing.T) {
	rows := []struct {
		name   string
		claims map[string]any
		calls  int // of the session check that sets them
		status int
	}{
		{"none", nil, 0, 200},
		{"empty", map[string]any{}, 0, 200},
		{"some", map[string]any{"tenant": "engines", "list": []any{"a"}}, 1, 200},
		{"of 4096 bytes", map[string]any{"x": strings.Repeat("x", 4096-len(`{"x":""}`))}, 1, 200},
		{"of 4097 bytes", map[string]any{"x": strings.Repeat("x", 4097-len(`{"x":""}`))}, 0, 500},
		{"that are not JSON", map[string]any{"x": func() {}}, 0, 500},
		{"that Stytch refuses", map[string]any{"https://stytch.com/session": "x"}, 1, 503},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var called []string
				s := newEnv(t, func(c *setup) {
					c.login.Claims = func(r *http.Request, u *stytch.User) map[string]any {
						called = append(called, r.URL.Path+" "+u.ID)
						u.ID = "user-test-changed" // a copy
						return row.claims
					}
				})
				token := s.takesToken()
				resp := s.postJSON("/login", right)
				s.want(resp, row.status)
				if strings.Contains(peek(resp), "user-test-changed") {
					t.Error("got an answer with a change by the hook")
				}
				s.WantCalls(pathAuthenticate, row.calls)
				if !reflect.DeepEqual(called, []string{"/login " + s.ada.ID}) {
					t.Errorf("got calls of Claims for %v, want one for Ada", called)
				}
				if row.status != 200 {
					s.wantUntouched(resp)
					s.wantAlive(*token, false)
					return
				}
				got := map[string]any{}
				if err := s.session(s.get("/me")).Claims(&got); err != nil {
					t.Fatal(err)
				}
				if len(got) != len(row.claims) || len(got) > 0 && !reflect.DeepEqual(got, row.claims) {
					t.Errorf("got the claims %v in the next request's session, want %v", got, row.claims)
				}
			})
		})
	}
}

// takesToken records the session token of the next sign-in.
func (s *env) takesToken() *string {
	var token string
	s.Tap(pathPassword, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		resp, err := stytch.RoundTrip(r)
		if err == nil {
			_, rest, _ := strings.Cut(peek(resp), `"session_token":"`)
			token, _, _ = strings.Cut(rest, `"`)
		}
		return resp, err
	})
	return &token
}

func TestLogin_ClaimsAreInTheJWTAndTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) {
			c.auth.SessionOnly = true
			c.login.Claims = func(*http.Request, *stytch.User) map[string]any { return map[string]any{"tenant": "engines"} }
		})
		resp := s.postJSON("/login", right)
		if !strings.Contains(peek(resp), `"custom_claims":{"tenant":"engines"}`) {
			t.Errorf("got %s, want the claims in it", peek(resp))
		}
		claims := struct {
			Tenant string `json:"tenant"`
		}{}
		if err := s.session(s.other().get("/me", "Authorization: Bearer "+s.cookie(jwtName))).Claims(&claims); err != nil || claims.Tenant != "engines" {
			t.Errorf("got %v (%v), want the claim in the JWT", claims, err)
		}
		s.WantCalls(pathAuthenticate, 1) // to set them
	})
}

func TestLogin_ClaimsCannotBeSet(t *testing.T) {
	for _, status := range []int{429, 500, 503, 404} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, func(c *setup) {
				c.login.Claims = func(*http.Request, *stytch.User) map[string]any { return map[string]any{"tenant": "engines"} }
			})
			token := s.takesToken()
			s.SetFault(pathAuthenticate, stytchtest.Fault{Status: status})
			resp := s.postJSON("/login", right)
			s.wantProblem(resp, 503, "unavailable")
			s.wantUntouched(resp)
			refused := *token
			s.SetFault(pathAuthenticate, stytchtest.Fault{})
			// A 429 pauses all calls about verified sessions: the revocation comes later.
			time.Sleep(2 * time.Second)
			s.want(s.postJSON("/login", right), 200)
			synctest.Wait()
			s.wantAlive(refused, false)
		})
	}
}

func TestLogin_ClaimsOfAnotherSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) {
			c.login.Claims = func(*http.Request, *stytch.User) map[string]any { return map[string]any{"tenant": "engines"} }
		})
		other := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			_, id, _ := strings.Cut(peek(resp), `"session_id":"`)
			id, _, _ = strings.Cut(id, `"`)
			return authtest.Reply(200, strings.ReplaceAll(peek(resp), id, other.ID)), err
		})
		resp := s.postJSON("/login", right)
		s.wantProblem(resp, 503, "unavailable")
		s.wantUntouched(resp)
		s.wantAlive(other.Token, true)
	})
}

func TestLogin_SessionRevokedWhileTheClaimsAreSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *env
		s = newEnv(t, func(c *setup) {
			c.login.OnSignIn = func(r *http.Request, id *sessionauth.Identity) error {
				return s.Auth.Revoke(r.Context(), id.Session.ID)
			}
		})
		s.wantUntouched(s.postJSON("/login", right))
	})
}

func TestLogin_UpdatesTheCachedUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.want(s.other().get("/me", "Authorization: Bearer "+session.JWT), 200) // caches the user
		s.SetRoles(s.ada.ID, "editor")
		s.want(s.postJSON("/login", right), 200)
		id, err := s.Auth.Authenticate(newRequest("GET", "/me", "", "Authorization: Bearer "+s.cookie(jwtName)))
		if err != nil || !strings.Contains(string(asJSON(id.User.Roles)), "editor") {
			t.Errorf("got %v (%v), want the user of the sign-in's answer", id, err)
		}
	})
}

func TestLogin_OnSignIn(t *testing.T) {
	rows := []struct {
		name   string
		err    error
		status int
		kind   string
	}{
		{"that returns nil", nil, 200, ""},
		{"that fails", errors.New("database of " + adasEmail), 500, "internal"},
		{"that forbids", sessionauth.ErrForbidden, 403, "forbidden"},
		{"that is unavailable", &sessionauth.Error{Kind: sessionauth.ErrUnavailable, RetryAfter: 7 * time.Second}, 503, "unavailable"},
		{"that refuses the sign-in", sessionauth.ErrSignIn, 401, "sign-in-refused"},
		{"that requires another password", sessionauth.ErrResetPassword, 403, "reset-password"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []*sessionauth.Identity
				s := newEnv(t, func(c *setup) {
					c.login.OnSignIn = func(_ *http.Request, id *sessionauth.Identity) error { got = append(got, id); return row.err }
				})
				old := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(old.Token, old.JWT)
				token := s.takesToken()
				resp := s.postJSON("/login", right)
				if len(got) != 1 {
					t.Fatalf("got %d calls, want one", len(got))
				}
				id := got[0]
				if id.User.ID != s.ada.ID || id.Session.UserID != s.ada.ID || id.DecidedBy != sessionauth.Stytch ||
					time.Since(id.VerifiedAt) > time.Second || !id.ExpiresAt.Equal(id.Session.ExpiresAt) || id.Session.ID == old.ID {
					t.Errorf("got %+v, want Ada's new session, decided by Stytch now", id)
				}
				s.wantAlive(*token, row.err == nil)
				s.wantAlive(old.Token, row.err != nil)
				if row.err == nil {
					s.want(resp, 200)
					return
				}
				s.wantProblem(resp, row.status, row.kind)
				s.wantUntouched(resp)
				if strings.Contains(peek(resp), adasEmail) {
					t.Error("got the error's text in the answer")
				}
				s.want(s.other().get("/me", "Authorization: Bearer "+s.JWT(id.Session.ID)), 401)
			})
		})
	}
}

func TestLogin_OnSignInAfterSuccessOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := newEnv(t, func(c *setup) {
			c.login.OnSignIn = func(_ *http.Request, id *sessionauth.Identity) error {
				calls++
				id.Session.ID, id.User.ID = "changed", "changed" // a copy
				return nil
			}
		})
		s.want(s.postJSON("/login", wrong), 401)
		resp := s.postJSON("/login", right)
		s.want(s.postJSON("/step-up", right), 200)
		if calls != 1 || strings.Contains(peek(resp), "changed") {
			t.Errorf("got %d calls, want one, and its changes kept from the answer", calls)
		}
	})
}

// A page that answers by itself is logged like any other refusal.
func TestLogin_RefusalIsLogged(t *testing.T) {
	for name, change := range map[string]func(*setup){
		"by the ErrorHandler": func(*setup) {},
		"by OnFailure": func(c *setup) {
			c.login.OnFailure = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(401) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, change)
				s.want(s.postJSON("/login", wrong), 401)
				const want = `level=DEBUG msg="sessionauth: refused" method=POST route=/login status=401 reason=rejected cause="stytch: status 401 unauthorized_credentials `
				if got := s.log.String(); strings.Count(got, "level=DEBUG") != 1 || !strings.Contains(got, want) {
					t.Errorf("got the log %q, want one line with %q", got, want)
				}
			})
		})
	}
}
