package guard_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// eachLive runs a test for Live and for PermissionLive, the guards that call Stytch for each
// request.
func eachLive(t *testing.T, test func(s *env, live middleware), changes ...func(*sessionauth.Config)) {
	for name, live := range map[string]middleware{"Live": guard.Live(), "PermissionLive": guard.PermissionLive("documents", "write")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newEnv(t, changes...), live) })
		})
	}
}

func (s *env) jwtOnly() string     { return bearer(s.Session.JWT) }
func (s *env) tokenOnly() string   { return bearer(s.Session.Token) }
func (s *env) bothCookies() string { return authtest.BothCookies(s.Session.Token, s.Session.JWT) }

// Live guards do not share calls, because a call in progress may have started before the request
// arrived.
func TestLive_OneCallForEachRequest(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		h := s.Behind(live)
		s.get(s.Behind(), s.jwtOnly())
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 100 * time.Millisecond})
		for _, resp := range s.TogetherFrom(16, h, s.jwtOnly()) {
			s.want(resp, 200)
		}
		s.WantCalls(pathAuthenticate, 16)
		s.want(s.get(h, s.jwtOnly()), 200)
		s.WantCalls(pathAuthenticate, 17)
		s.want(s.get(s.Behind(live, live), s.jwtOnly()), 200)
		s.WantCalls(pathAuthenticate, 19)
	})
}

// The result of a call that started before a request arrived must not decide that request.
func TestLive_DoesNotShareAnOlderCall(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		h := s.Behind(live)
		s.get(s.Behind(), s.jwtOnly())
		s.Tap(pathAuthenticate, authtest.DelayAnswers(time.Second))
		var wg sync.WaitGroup
		wg.Go(func() { s.want(s.get(h, s.jwtOnly()), 200) })
		time.Sleep(100 * time.Millisecond) // so that this call also ends before the next one
		s.RevokeSession(s.Session.ID)
		wg.Go(func() { s.want(s.get(h, s.jwtOnly()), 401, invalidToken) })
		wg.Wait()
	})
}

// The token is sent, which has the session whether or not the JWT is still good.
func TestLive_SendsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		h := s.Behind(guard.Live())
		s.want(s.get(h, authtest.BothCookies(s.Session.Token, s.Session.JWT)), 200)
		sent := 0
		s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(body), `"session_token"`) {
				sent++
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			return stytch.RoundTrip(r)
		})
		s.want(s.get(h, authtest.BothCookies(s.Session.Token, s.Session.JWT)), 200)
		if sent != 1 {
			t.Errorf("got %d calls with the token, want 1", sent)
		}
	})
}

func TestLive_SessionRevokedAtStytch(t *testing.T) {
	for name, fields := range map[string]func(*env) string{"JWT": (*env).jwtOnly, "both cookies": (*env).bothCookies, "token": (*env).tokenOnly} {
		t.Run(name, func(t *testing.T) {
			eachLive(t, func(s *env, live middleware) {
				s.want(s.get(s.Behind(live), fields(s)), 200)
				s.RevokeSession(s.Session.ID)
				s.want(s.get(s.Behind(live), fields(s)), 401, invalidToken)
				s.wantPasses(1)
			})
		})
	}
	// Stytch rejected a credential of the session itself, so the other credentials of the session
	// are refused too.
	for name, fields := range map[string]func(*env) string{"JWT": (*env).jwtOnly, "token": (*env).tokenOnly} {
		t.Run(name+", and everything else afterwards", func(t *testing.T) {
			eachLive(t, func(s *env, live middleware) {
				s.want(s.get(s.Behind(), s.jwtOnly()), 200)
				s.want(s.get(s.Behind(), fields(s)), 200)
				s.RevokeSession(s.Session.ID)
				s.want(s.get(s.Behind(live), fields(s)), 401, invalidToken)
				s.want(s.get(s.Behind(), s.jwtOnly()), 401, invalidToken)
			})
		})
	}
}

// A third-party JWT, such as one of a Connected App, may be rejected while the session is alive.
// The rejection must not sign the session out.
func TestLive_ThirdPartyJWT(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		claims := s.Claims(s.Session.ID)
		claims["client_id"] = "connected-app-test-1"
		thirdParty := s.signed(claims)
		s.want(s.get(s.Behind(), s.jwtOnly()), 200)
		rejecting := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 404, ErrorType: "session_not_found"})
				next.ServeHTTP(w, r)
			})
		}
		for _, row := range []struct {
			name, fields string
			pause        time.Duration
		}{
			{"first", bearer(thirdParty), 0},
			{"cached", bearer(thirdParty), 6 * time.Second},
			{"again", bearer(thirdParty), 31 * time.Second},
		} {
			time.Sleep(row.pause)
			s.want(s.get(s.Behind(live, live), row.fields), 200)
			for _, guards := range [][]middleware{{rejecting, live}, {live, rejecting, live}} {
				s.want(s.get(s.Behind(guards...), row.fields), 401, invalidToken)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
			}
			if resp := s.get(s.Behind(), s.jwtOnly()); resp.StatusCode != 200 {
				t.Errorf("%s: got %d for the JWT of the session, want 200", row.name, resp.StatusCode)
			}
		}
	})
}

// Revoke takes effect while the call of a live guard is in progress.
func TestLive_RevokeDuringTheCall(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		s.get(s.Behind(), s.jwtOnly())
		s.Tap(pathAuthenticate, authtest.DelayAnswers(time.Second))
		var wg sync.WaitGroup
		wg.Go(func() { s.want(s.get(s.Behind(live), s.jwtOnly()), 401, invalidToken) })
		synctest.Wait()
		if err := s.Auth.Revoke(s.T.Context(), s.Session.ID); err != nil {
			s.T.Error(err)
		}
		wg.Wait()
		s.wantPasses(1)
	})
}

func TestLive_WhileStytchIsDown(t *testing.T) {
	rows := []struct {
		name   string
		fault  stytchtest.Fault
		reason sessionauth.Reason
	}{
		{"500", stytchtest.Fault{Status: 500}, sessionauth.ReasonStytchFailing},
		{"503", stytchtest.Fault{Status: 503}, sessionauth.ReasonStytchFailing},
		{"429", stytchtest.Fault{Status: 429}, sessionauth.ReasonRateLimited},
		{"slow", stytchtest.Fault{Delay: time.Minute}, sessionauth.ReasonUnreachable},
		{"404 of a proxy", stytchtest.Fault{Status: 404, ErrorType: "not_found"}, sessionauth.ReasonStytchFailing},
		{"403 of a proxy", stytchtest.Fault{Status: 403, ErrorType: "forbidden"}, sessionauth.ReasonStytchFailing},
		{"the credentials of the project refused", stytchtest.Fault{Status: 401, ErrorType: "unauthorized_credentials"}, sessionauth.ReasonMisconfigured},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			eachLive(t, func(s *env, live middleware) {
				s.get(s.Behind(), s.jwtOnly())
				s.SetFault(pathAuthenticate, row.fault)
				s.want(s.get(s.Behind(live), s.jwtOnly()), 503, "")
				if e := s.events[len(s.events)-1]; e.Outcome != sessionauth.Unavailable || e.Reason != row.reason {
					s.T.Errorf("got event %+v, want unavailable because of %s", e, row.reason)
				}
				s.wantPasses(1)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Second) // a 429 pauses the class for a second
				s.want(s.get(s.Behind(live), s.jwtOnly()), 200)
			})
		})
	}
}

// Stytch may refuse a permission although the call named none. The guard must not treat this as a
// rejection of the session.
func TestLive_RefusalOfAPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.get(s.Behind(), s.jwtOnly())
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 403, ErrorType: stytch.TypeSessionAuthorization})
		defer func() {
			if v := recover(); v != nil {
				t.Errorf("got panic %v, want 503", v)
			}
		}()
		s.want(s.get(s.Behind(guard.Live()), s.jwtOnly()), 503)
	})
}

func TestLive_ClassIsFull(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		s.get(s.Behind(), s.jwtOnly())
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		passed := 0
		for _, resp := range s.TogetherFrom(8, s.Behind(live), s.jwtOnly()) {
			if resp.StatusCode == 200 {
				passed++
				continue
			}
			s.want(resp, 503)
		}
		if passed != 4 {
			s.T.Errorf("got %d requests through, want 4, the place of live guards and those for everyone", passed)
		}
	}, func(c *sessionauth.Config) { c.MaxInFlight = 6 })
}

// Live guards do not use all places for calls, so that other requests of signed-in users are
// served.
func TestLive_LeavesRoomForOtherCalls(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		s.get(s.Behind(), s.jwtOnly())
		bob := s.StartSession(s.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{})
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { s.TogetherFrom(100, s.Behind(live), s.jwtOnly()) })
		time.Sleep(time.Millisecond)
		s.want(s.get(s.Behind(), bearer(bob.JWT)), 200)
		wg.Wait()
	})
}

func TestLive_InvalidAnswers(t *testing.T) {
	rows := []struct {
		name   string
		edit   func(answer map[string]any)
		status int // status with PermissionLive
		live   int // status with Live
	}{
		{"another session", func(a map[string]any) { a["session"].(map[string]any)["session_id"] = "session-test-1" }, 401, 401},
		{"another user", func(a map[string]any) {
			a["session"].(map[string]any)["user_id"], a["user"].(map[string]any)["user_id"] = "user-test-1", "user-test-1"
		}, 401, 401},
		{"no session", func(a map[string]any) { delete(a, "session") }, 503, 503},
		{"no verdict", func(a map[string]any) { delete(a, "verdict") }, 503, 200},
		{"a verdict that is null", func(a map[string]any) { a["verdict"] = nil }, 503, 200},
		{"an empty verdict", func(a map[string]any) { a["verdict"] = map[string]any{} }, 503, 200},
		{"a verdict that does not authorize", func(a map[string]any) {
			a["verdict"] = map[string]any{"authorized": false, "granting_roles": []string{"editor"}}
		}, 503, 200},
		{"a session that has ended", func(a map[string]any) { a["session"].(map[string]any)["expires_at"] = "1999-01-01T00:00:00Z" }, 401, 401},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.get(s.Behind(), s.jwtOnly())
				s.Tap(pathAuthenticate, authtest.EditAnswers(row.edit))
				s.want(s.get(s.Behind(guard.PermissionLive("documents", "write")), s.jwtOnly()), row.status)
				s.want(s.get(s.Behind(guard.Live()), s.jwtOnly()), row.live)
			})
		})
	}
}

// If a cookie is repeated, the guard introspects the value that Require accepted.
func TestLive_RepeatedCookies(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		for _, repeated := range []string{
			"Cookie: stytch_session_jwt=" + s.Session.JWT + "; stytch_session_jwt=a.b.c",
			"Cookie: stytch_session=" + s.Session.Token + "; stytch_session=abcdefghijklmnopqrstuvwxyz",
		} {
			s.want(s.get(s.Behind(), repeated), 200)
			calls := s.Calls(pathAuthenticate)
			s.want(s.get(s.Behind(live), repeated), 200)
			s.WantCalls(pathAuthenticate, calls+1)
		}
		s.wantPasses(4)
	})
}

// If a cookie is repeated and an Extractor adds another credential, the guard ignores the added
// credential.
func TestLive_RepeatedCookiesAndAnExtractor(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		gone := s.StartSession(s.User.ID, stytchtest.SessionOptions{})
		s.RevokeSession(gone.ID)
		repeated := "Cookie: stytch_session=" + s.Session.Token + "; stytch_session=abcdefghijklmnopqrstuvwxyz"
		for _, extra := range []string{gone.JWT, gone.Token, "x"} {
			s.want(s.get(s.Behind(live), repeated, "X-Extra: "+extra), 200)
			s.want(s.get(s.Behind(), "Cookie: stytch_session="+s.Session.Token), 200)
		}
	}, func(c *sessionauth.Config) {
		cookies := sessionauth.FromCookies("stytch_session", "stytch_session_jwt")
		c.Extractor = func(r *http.Request) (sessionauth.Credential, error) {
			cred, err := cookies(r)
			if err == nil && cred.Token == "" {
				cred.Token = r.Header.Get("X-Extra")
			}
			return cred, err
		}
	})
}

// If a request has a JWT and a token, both must belong to the same session. A token whose session
// has ended is ignored.
func TestLive_CookiesOfTwoSessions(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		other := s.StartSession(s.AddUser(stytchtest.User{Roles: []string{"admin"}}).ID, stytchtest.SessionOptions{})
		mixed := "Cookie: stytch_session=" + other.Token + "; stytch_session_jwt=" + s.Session.JWT
		s.want(s.get(s.Behind(live), mixed), 400, `Bearer realm="api", error="invalid_request"`)
		s.wantPasses(0)

		// A token whose session has ended is ignored, and its rejection does not affect the session
		// of the JWT.
		s.RevokeSession(other.ID)
		time.Sleep(time.Minute)
		s.want(s.get(s.Behind(live), mixed), 200)
		s.want(s.get(s.Behind(), mixed), 200)
		s.want(s.get(s.Behind(live), s.jwtOnly()), 200)

		// A malformed token is ignored.
		s.want(s.get(s.Behind(live), "Cookie: stytch_session=short; stytch_session_jwt="+s.Session.JWT), 200)
	})
}

// The handler and the guards behind a live guard see the session that Stytch returned.
func TestLive_ContextOfTheHandler(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		s.want(s.get(s.Behind(), s.jwtOnly()), 200)
		before, _ := sessionauth.FromContext(s.seen())
		time.Sleep(time.Second)
		s.stepUp()
		called := time.Now()
		s.want(s.get(s.Behind(live, guard.Fresh(time.Second)), s.jwtOnly()), 200)
		s.WantCalls(pathAuthenticate, 1)
		id, ok := sessionauth.FromContext(s.seen())
		if !ok || id.DecidedBy != sessionauth.Stytch || !id.VerifiedAt.Equal(called) || id.User == nil || id.User.ID != s.User.ID {
			s.T.Errorf("got %+v, want the answer of Stytch", id)
		}
		if before.Session.LastFactorAt().Equal(id.Session.LastFactorAt()) {
			s.T.Error("got the factor of the JWT, want the fresh one")
		}
	})
	t.Run("without a user", func(t *testing.T) {
		eachLive(t, func(s *env, live middleware) {
			s.want(s.get(s.Behind(live), s.jwtOnly()), 200)
			if id, _ := sessionauth.FromContext(s.seen()); id.User != nil {
				s.T.Error("got a user, want none with SessionOnly")
			}
		}, sessionOnly)
	})
}

func TestPermissionLive_Verdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		user := s.AddUser(stytchtest.User{Roles: []string{"admin", "editor"}})
		s.Session = s.StartSession(user.ID, stytchtest.SessionOptions{})
		verdict := func(guards ...middleware) (stytch.Verdict, bool) {
			t.Helper()
			s.want(s.get(s.Behind(guards...), s.jwtOnly()), 200)
			return sessionauth.VerdictFromContext(s.seen())
		}
		v, ok := verdict(guard.PermissionLive("documents", "write"), guard.Live(), mayWrite)
		if !ok || !v.Authorized || !slices.Equal(v.GrantingRoles, []string{"editor", "admin"}) {
			t.Errorf("got %+v, %t, want it granted by editor and admin", v, ok)
		}
		v.GrantingRoles[0] = "x"
		if again, _ := sessionauth.VerdictFromContext(s.seen()); !slices.Equal(again.GrantingRoles, []string{"editor", "admin"}) {
			t.Errorf("got %v, want a copy for each caller", again)
		}
		v, _ = verdict(guard.PermissionLive("documents", "write"), guard.PermissionLive("documents", "delete"))
		if !slices.Equal(v.GrantingRoles, []string{"admin"}) {
			t.Errorf("got %v, want that of the innermost guard", v)
		}
		for _, g := range []middleware{guard.Live(), mayWrite, guard.Role("admin")} {
			if v, ok := verdict(g); ok {
				t.Errorf("got %v, want no verdict", v)
			}
		}
	})
}

// Refusing a permission does not reject the session, and the verdict does not affect the next
// request.
func TestPermissionLive_RefusalIsNoRejection(t *testing.T) {
	denied := guard.PermissionLive("documents", "delete")
	noCache := func(c *sessionauth.Config) { c.CacheTTL = -1 }
	for name, fields := range map[string]func(*env) string{"JWT": (*env).jwtOnly, "both cookies": (*env).bothCookies, "token": (*env).tokenOnly} {
		for caching, change := range map[string]func(*sessionauth.Config){"cached": sessionOnly, "not cached": noCache} {
			t.Run(name+", "+caching, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t, change)
					for range 12 { // a circuit breaker opens after ten failures
						s.want(s.get(s.Behind(denied), fields(s)), 403, forbidden)
					}
					s.want(s.get(s.Behind(), fields(s)), 200)
					s.want(s.get(s.Behind(), s.tokenOnly()), 200)
					s.want(s.get(s.Behind(), s.jwtOnly()), 200)
					s.want(s.get(s.Behind(guard.PermissionLive("documents", "write")), fields(s)), 200)
					s.want(s.get(s.Behind(guard.Factor("totp")), fields(s)), 401)
					time.Sleep(6 * time.Minute) // past the exp of the JWT
					s.want(s.get(s.Behind(denied), fields(s)), 403, forbidden)
					s.want(s.get(s.Behind(), fields(s)), 200)
				})
			})
		}
	}
}

func TestLive_AnswersAreNotCached(t *testing.T) {
	eachLive(t, func(s *env, live middleware) {
		s.want(s.get(s.Behind(live), s.jwtOnly()), 200)
		s.WantCalls(pathAuthenticate, 1)
		s.want(s.get(s.Behind(), bearer(s.Session.Token)), 200)
		s.WantCalls(pathAuthenticate, 2)
		id, _ := sessionauth.FromContext(s.seen())
		if id.DecidedBy != sessionauth.Stytch {
			s.T.Errorf("got decided by %s, want Stytch: the answer to a live guard is not cached", id.DecidedBy)
		}
		s.stepUp()
		s.want(s.get(s.Behind(live), s.jwtOnly()), 200)
		s.want(s.get(s.Behind(), s.jwtOnly()), 200)
		if id, _ := sessionauth.FromContext(s.seen()); id.DecidedBy != sessionauth.Cache || id.Refreshed.JWT != "" {
			s.T.Errorf("got %+v, want the identity of the JWT", id)
		}
	})
}
