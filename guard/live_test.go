package guard_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// eachLive runs a test for both guards that ask Stytch for each request.
func eachLive(t *testing.T, test func(s *stage, live middleware), changes ...func(*sessionauth.Config)) {
	for name, live := range map[string]middleware{"Live": guard.Live(), "PermissionLive": guard.PermissionLive("documents", "write")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newStage(t, changes...), live) })
		})
	}
}

func (s *stage) jwtOnly() string   { return bearer(s.session.JWT) }
func (s *stage) tokenOnly() string { return bearer(s.session.Token) }
func (s *stage) bothCookies() string {
	return "Cookie: stytch_session=" + s.session.Token + "; stytch_session_jwt=" + s.session.JWT
}

// An answer under way may be older than the request, so nobody shares one.
func TestLiveAsksForEachRequest(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		h := s.behind(live)
		get(s.behind(), s.jwtOnly())
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 100 * time.Millisecond})
		for _, resp := range together(16, h, s.jwtOnly()) {
			s.want(resp, 200)
		}
		s.wantCalls(pathAuthenticate, 16)
		s.want(get(h, s.jwtOnly()), 200)
		s.wantCalls(pathAuthenticate, 17)
		s.want(get(s.behind(live, live), s.jwtOnly()), 200)
		s.wantCalls(pathAuthenticate, 19)
	})
}

// What a request began before something changed is no answer to one after it.
func TestLiveDoesNotJoinAnOlderQuestion(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		h := s.behind(live)
		get(s.behind(), s.jwtOnly())
		s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			time.Sleep(time.Second)
			return resp, err
		})
		var wg sync.WaitGroup
		wg.Go(func() { s.want(get(h, s.jwtOnly()), 200) })
		time.Sleep(100 * time.Millisecond) // so that it also ends before the other
		s.RevokeSession(s.session.ID)
		wg.Go(func() { s.want(get(h, s.jwtOnly()), 401, invalidToken) })
		wg.Wait()
	})
}

func TestLiveRefusesASessionRevokedElsewhere(t *testing.T) {
	for name, fields := range map[string]func(*stage) string{"JWT": (*stage).jwtOnly, "both cookies": (*stage).bothCookies, "token": (*stage).tokenOnly} {
		t.Run(name, func(t *testing.T) {
			eachLive(t, func(s *stage, live middleware) {
				s.want(get(s.behind(live), fields(s)), 200)
				s.RevokeSession(s.session.ID)
				s.want(get(s.behind(live), fields(s)), 401, invalidToken)
				s.wantReached(1)
			})
		})
	}
	// What was asked about is the session's own, so that its JWT is refused too.
	for name, fields := range map[string]func(*stage) string{"JWT": (*stage).jwtOnly, "token": (*stage).tokenOnly} {
		t.Run(name+", and everything else from then on", func(t *testing.T) {
			eachLive(t, func(s *stage, live middleware) {
				s.want(get(s.behind(), s.jwtOnly()), 200)
				s.want(get(s.behind(), fields(s)), 200)
				s.RevokeSession(s.session.ID)
				s.want(get(s.behind(live), fields(s)), 401, invalidToken)
				s.want(get(s.behind(), s.jwtOnly()), 401, invalidToken)
			})
		})
	}
}

// Stytch's no to a JWT of another kind, such as a Connected App's, says nothing of the
// session: whose it is must not be signed out by that.
func TestLiveOfAJWTOfAnotherKind(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		claims := s.Claims(s.session.ID)
		claims["client_id"] = "connected-app-test-1"
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		header, err := json.Marshal(s.Header())
		if err != nil {
			t.Fatal(err)
		}
		foreign := s.Sign(header, payload)
		s.want(get(s.behind(), s.jwtOnly()), 200)
		storm := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 404, ErrorType: "session_not_found"})
				next.ServeHTTP(w, r)
			})
		}
		for _, row := range []struct {
			name, fields string
			pause        time.Duration
		}{
			{"a token came along", "Cookie: stytch_session=" + s.session.Token + "; stytch_session_jwt=" + foreign, 0},
			{"alone, known from the answer about the token", bearer(foreign), 0},
			{"alone", bearer(foreign), 31 * time.Second},
		} {
			time.Sleep(row.pause)
			s.want(get(s.behind(live, live), row.fields), 200)
			for _, guards := range [][]middleware{{storm, live}, {live, storm, live}} {
				s.want(get(s.behind(guards...), row.fields), 401, invalidToken)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
			}
			if resp := get(s.behind(), s.jwtOnly()); resp.StatusCode != 200 {
				t.Errorf("%s: got %d for the session's own JWT, want 200", row.name, resp.StatusCode)
			}
		}
	})
}

// A revocation here is known before Stytch's answer is in.
func TestLiveOfASessionRevokedMeanwhile(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		get(s.behind(), s.jwtOnly())
		s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			time.Sleep(time.Second)
			return resp, err
		})
		var wg sync.WaitGroup
		wg.Go(func() { s.want(get(s.behind(live), s.jwtOnly()), 401, invalidToken) })
		synctest.Wait()
		if err := s.auth.Revoke(s.t.Context(), s.session.ID); err != nil {
			s.t.Error(err)
		}
		wg.Wait()
		s.wantReached(1)
	})
}

func TestLiveWhileStytchCannotBeAsked(t *testing.T) {
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
		{"the project's credentials refused", stytchtest.Fault{Status: 401, ErrorType: "unauthorized_credentials"}, sessionauth.ReasonMisconfigured},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			eachLive(t, func(s *stage, live middleware) {
				get(s.behind(), s.jwtOnly())
				s.SetFault(pathAuthenticate, row.fault)
				s.want(get(s.behind(live), s.jwtOnly()), 503, "")
				if e := s.events[len(s.events)-1]; e.Outcome != sessionauth.Unavailable || e.Reason != row.reason {
					s.t.Errorf("got event %+v, want unavailable because of %s", e, row.reason)
				}
				s.wantReached(1)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Second) // a 429 closes the lane for as long
				s.want(get(s.behind(live), s.jwtOnly()), 200)
			})
		})
	}
}

// A proxy, or Stytch on a bad day, says no to a permission nobody asked about.
func TestLiveToldOfAPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		get(s.behind(), s.jwtOnly())
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 403, ErrorType: stytch.TypeSessionAuthorization})
		defer func() {
			if v := recover(); v != nil {
				t.Errorf("got panic %v, want 503", v)
			}
		}()
		s.want(get(s.behind(guard.Live()), s.jwtOnly()), 503)
	})
}

func TestLiveWithoutRoomForACall(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		get(s.behind(), s.jwtOnly())
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		passed := 0
		for _, resp := range together(8, s.behind(live), s.jwtOnly()) {
			if resp.StatusCode == 200 {
				passed++
				continue
			}
			s.want(resp, 503)
		}
		if passed != 4 {
			s.t.Errorf("got %d requests through, want 4, the place of live guards and those for everyone", passed)
		}
	}, func(c *sessionauth.Config) { c.MaxInFlight = 6 })
}

// Whoever asks for what costs a call each time leaves room for the others.
func TestLiveLeavesRoomForTheSignedIn(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		get(s.behind(), s.jwtOnly())
		bob := s.StartSession(s.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{})
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { together(100, s.behind(live), s.jwtOnly()) })
		time.Sleep(time.Millisecond)
		s.want(get(s.behind(), bearer(bob.JWT)), 200)
		wg.Wait()
	})
}

// Answers that are none: about somebody else, without a verdict, or with a no
// in what calls itself a yes.
func TestLiveAnswersThatMakeNoSense(t *testing.T) {
	rows := []struct {
		name   string
		bend   func(answer map[string]any)
		status int // of PermissionLive
		live   int // of Live
	}{
		{"another session", func(a map[string]any) { a["session"].(map[string]any)["session_id"] = "session-test-1" }, 401, 401},
		{"another user", func(a map[string]any) {
			a["session"].(map[string]any)["user_id"], a["user"].(map[string]any)["user_id"] = "user-test-1", "user-test-1"
		}, 401, 401},
		{"no session", func(a map[string]any) { delete(a, "session") }, 503, 503},
		{"no verdict", func(a map[string]any) { delete(a, "verdict") }, 503, 200},
		{"a verdict that is null", func(a map[string]any) { a["verdict"] = nil }, 503, 200},
		{"a verdict without a word", func(a map[string]any) { a["verdict"] = map[string]any{} }, 503, 200},
		{"a verdict that does not authorize", func(a map[string]any) {
			a["verdict"] = map[string]any{"authorized": false, "granting_roles": []string{"editor"}}
		}, 503, 200},
		{"a session that has ended", func(a map[string]any) { a["session"].(map[string]any)["expires_at"] = "1999-01-01T00:00:00Z" }, 401, 401},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				get(s.behind(), s.jwtOnly())
				s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
					resp, err := stytch.RoundTrip(r)
					if err != nil || resp.StatusCode != 200 {
						return resp, err
					}
					answer := map[string]any{}
					if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
						return nil, err
					}
					row.bend(answer)
					bent, err := json.Marshal(answer)
					if err != nil {
						return nil, err
					}
					return reply(string(bent))(r, stytch)
				})
				s.want(get(s.behind(guard.PermissionLive("documents", "write")), s.jwtOnly()), row.status)
				s.want(get(s.behind(guard.Live()), s.jwtOnly()), row.live)
			})
		})
	}
}

// Nobody can say which of two cookies Stytch should be asked about.
func TestLiveOfRepeatedCookies(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		for _, repeated := range []string{
			"Cookie: stytch_session_jwt=" + s.session.JWT + "; stytch_session_jwt=a.b.c",
			"Cookie: stytch_session=" + s.session.Token + "; stytch_session=abcdefghijklmnopqrstuvwxyz",
		} {
			s.want(get(s.behind(), repeated), 200)
			calls := s.Calls(pathAuthenticate)
			s.want(get(s.behind(live), repeated), 400, `Bearer realm="api", error="invalid_request"`)
			s.wantCalls(pathAuthenticate, calls)
		}
		s.wantReached(2)
	})
}

// Nobody can say which of them is meant, whatever an Extractor adds.
func TestLiveOfRepeatedCookiesAndWhatAnExtractorAdds(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		gone := s.StartSession(s.user.ID, stytchtest.SessionOptions{})
		s.RevokeSession(gone.ID)
		repeated := "Cookie: stytch_session=" + s.session.Token + "; stytch_session=abcdefghijklmnopqrstuvwxyz"
		for _, extra := range []string{gone.JWT, gone.Token, "x"} {
			s.want(get(s.behind(live), repeated, "X-Extra: "+extra), 400, `Bearer realm="api", error="invalid_request"`)
			s.want(get(s.behind(), "Cookie: stytch_session="+s.session.Token), 200)
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

// The token beside the JWT is what Stytch is asked about: it must be of the same
// session.
func TestLiveOfTwoSessions(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		other := s.StartSession(s.AddUser(stytchtest.User{Roles: []string{"admin"}}).ID, stytchtest.SessionOptions{})
		mixed := "Cookie: stytch_session=" + other.Token + "; stytch_session_jwt=" + s.session.JWT
		s.want(get(s.behind(live), mixed), 401, invalidToken)
		s.wantReached(0)

		// What Stytch says of that token it does not say of the JWT's session.
		s.RevokeSession(other.ID)
		s.want(get(s.behind(live), mixed), 401, invalidToken)
		s.want(get(s.behind(), mixed), 200)
		s.want(get(s.behind(live), s.jwtOnly()), 200)

		// What cannot be a token is as if it had not come along.
		s.want(get(s.behind(live), "Cookie: stytch_session=short; stytch_session_jwt="+s.session.JWT), 200)
	})
}

// The handler, and the guards behind, see the session as Stytch knows it now.
func TestWhatLiveShowsTheHandler(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		s.want(get(s.behind(), s.jwtOnly()), 200)
		before, _ := sessionauth.FromContext(s.seen())
		time.Sleep(time.Second)
		s.stepUp()
		asked := time.Now()
		s.want(get(s.behind(live, guard.Fresh(time.Second)), s.jwtOnly()), 200)
		s.wantCalls(pathAuthenticate, 1)
		id, ok := sessionauth.FromContext(s.seen())
		if !ok || id.DecidedBy != sessionauth.Stytch || !id.VerifiedAt.Equal(asked) || id.User == nil || id.User.ID != s.user.ID {
			s.t.Errorf("got %+v, want what Stytch said now", id)
		}
		if before.Session.LastFactorAt().Equal(id.Session.LastFactorAt()) {
			s.t.Error("got the factor of the JWT, want the fresh one")
		}
	})
	t.Run("without a user", func(t *testing.T) {
		eachLive(t, func(s *stage, live middleware) {
			s.want(get(s.behind(live), s.jwtOnly()), 200)
			if id, _ := sessionauth.FromContext(s.seen()); id.User != nil {
				s.t.Error("got a user, want none with SessionOnly")
			}
		}, sessionOnly)
	})
}

func TestTheVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		user := s.AddUser(stytchtest.User{Roles: []string{"admin", "editor"}})
		s.session = s.StartSession(user.ID, stytchtest.SessionOptions{})
		verdict := func(guards ...middleware) (stytch.Verdict, bool) {
			t.Helper()
			s.want(get(s.behind(guards...), s.jwtOnly()), 200)
			return sessionauth.VerdictFromContext(s.seen())
		}
		v, ok := verdict(guard.PermissionLive("documents", "write"), guard.Live(), mayWrite)
		if !ok || !v.Authorized || !slices.Equal(v.GrantingRoles, []string{"editor", "admin"}) {
			t.Errorf("got %+v, %t, want it granted by editor and admin", v, ok)
		}
		v.GrantingRoles[0] = "x"
		if again, _ := sessionauth.VerdictFromContext(s.seen()); !slices.Equal(again.GrantingRoles, []string{"editor", "admin"}) {
			t.Errorf("got %v, want a copy of its own for each caller", again)
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

// A denial says nothing about the session, and a verdict nothing about the next
// request.
func TestADenialIsNoRejection(t *testing.T) {
	denied := guard.PermissionLive("documents", "delete")
	noCache := func(c *sessionauth.Config) { c.CacheTTL = -1 }
	for name, fields := range map[string]func(*stage) string{"JWT": (*stage).jwtOnly, "both cookies": (*stage).bothCookies, "token": (*stage).tokenOnly} {
		for caching, change := range map[string]func(*sessionauth.Config){"cached": sessionOnly, "not cached": noCache} {
			t.Run(name+", "+caching, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, change)
					for range 12 { // more than the breaker bears of failures
						s.want(get(s.behind(denied), fields(s)), 403, forbidden)
					}
					s.want(get(s.behind(), fields(s)), 200)
					s.want(get(s.behind(), s.tokenOnly()), 200)
					s.want(get(s.behind(), s.jwtOnly()), 200)
					s.want(get(s.behind(guard.PermissionLive("documents", "write")), fields(s)), 200)
					s.want(get(s.behind(guard.Factor("totp")), fields(s)), 401)
					time.Sleep(6 * time.Minute) // past the JWT's exp
					s.want(get(s.behind(denied), fields(s)), 403, forbidden)
					s.want(get(s.behind(), fields(s)), 200)
				})
			})
		}
	}
}

func TestAVerdictIsNoIdentity(t *testing.T) {
	eachLive(t, func(s *stage, live middleware) {
		// Stytch is asked about the token; the JWT has let the request in.
		s.want(get(s.behind(live), s.bothCookies()), 200)
		s.wantCalls(pathAuthenticate, 1)
		s.want(get(s.behind(), bearer(s.session.Token)), 200)
		s.wantCalls(pathAuthenticate, 2)
		id, _ := sessionauth.FromContext(s.seen())
		if id.DecidedBy != sessionauth.Stytch {
			s.t.Errorf("got decided by %s, want Stytch: nothing of a live answer is kept", id.DecidedBy)
		}
		s.stepUp()
		s.want(get(s.behind(live), s.jwtOnly()), 200)
		s.want(get(s.behind(), s.jwtOnly()), 200)
		if id, _ := sessionauth.FromContext(s.seen()); id.DecidedBy != sessionauth.Cache || id.Refreshed.JWT != "" {
			s.t.Errorf("got %+v, want what the JWT said", id)
		}
	})
}
