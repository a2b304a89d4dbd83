package sessionauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The token cookie and the JWT cookie of a request may belong to different sessions: see pair.go.
func TestRequire_TwoCookies(t *testing.T) {
	var (
		fresh = func(*env) {}
		stale = (*env).Expire
	)
	rows := []struct {
		name    string
		before  func(*env)
		token   func(*env, pairSessions) string
		then    func(*env, pairSessions) // runs after the cookies were chosen
		status  int
		session func(pairSessions) stytchtest.Session // the session that passes
		calls   int                                   // calls of sessions/authenticate for three requests
	}{
		{"one session", fresh, pairTokenOf("ada"), nil, 200, func(s pairSessions) stytchtest.Session { return s.ada }, 1},
		{"one session, stale JWT", stale, pairTokenOf("ada"), nil, 200, func(s pairSessions) stytchtest.Session { return s.ada }, 1},
		{"two users", fresh, pairTokenOf("bob"), nil, 400, nil, 1},
		{"two users, stale JWT", stale, pairTokenOf("bob"), nil, 400, nil, 2},
		{"a newer session of the user", fresh, pairTokenOf("newer"), nil, 200, func(s pairSessions) stytchtest.Session { return s.newer }, 1},
		{"a newer session of the user, stale JWT", stale, pairTokenOf("newer"), nil, 200, func(s pairSessions) stytchtest.Session { return s.newer }, 2},
		{"an invented token", fresh, func(*env, pairSessions) string { return inventedToken }, nil, 200, func(s pairSessions) stytchtest.Session { return s.ada }, 1},
		{"an invented token, stale JWT", stale, func(*env, pairSessions) string { return inventedToken }, nil, 200, func(s pairSessions) stytchtest.Session { return s.ada }, 2},
		{"not the form of a token", fresh, func(*env, pairSessions) string { return "short" }, nil, 200, func(s pairSessions) stytchtest.Session { return s.ada }, 0},
		{"a dead session beside a live token, stale JWT", stale, pairTokenOf("bob"), func(s *env, x pairSessions) { s.RevokeSession(x.ada.ID) }, 200,
			func(s pairSessions) stytchtest.Session { return s.bob }, 2},
		{"a token of a session that was revoked here", fresh, pairTokenOf("bob"), func(s *env, x pairSessions) {
			if err := s.Auth.Revoke(s.T.Context(), x.bob.ID); err != nil {
				s.T.Error(err)
			}
		}, 200, func(s pairSessions) stytchtest.Session { return s.ada }, 1},
		{"a JWT of a session that was revoked here", fresh, pairTokenOf("bob"), func(s *env, x pairSessions) {
			if err := s.Auth.Revoke(s.T.Context(), x.ada.ID); err != nil {
				s.T.Error(err)
			}
		}, 200, func(s pairSessions) stytchtest.Session { return s.bob }, 1},
		{"an outage", fresh, pairTokenOf("bob"), func(s *env, _ pairSessions) { s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500}) }, 200,
			func(s pairSessions) stytchtest.Session { return s.ada }, 3},
		{"a 429", fresh, pairTokenOf("bob"), func(s *env, _ pairSessions) { s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 429}) }, 503, nil, 1},
		{"an outage, stale JWT", stale, pairTokenOf("bob"), func(s *env, _ pairSessions) { s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500}) }, 503, nil, 3},
	}
	for _, row := range rows {
		t.Run("57 "+row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				x := pairSessions{ada: s.Session}
				time.Sleep(time.Second)
				x.newer, x.bob = s.StartSession(s.User.ID, stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{})
				s.Want(s.Get(jwtCookie(x.ada.JWT)), 200) // fetches the key set and the user
				row.before(s)
				cookies := bothCookies(row.token(s, x), x.ada.JWT)
				if row.then != nil {
					row.then(s, x)
				}
				passed := len(s.Passed())
				for range 3 {
					s.Want(s.Get(cookies), row.status)
				}
				s.WantCalls(pathAuthenticate, row.calls)
				if row.session == nil {
					return
				}
				winner := row.session(x)
				s.WantPassed(passed+3, winner.ID)
				var want sessionauth.Credential // what belongs to that session
				if winner.ID == x.ada.ID {
					want.JWT = x.ada.JWT
				}
				if token := row.token(s, x); token == winner.Token {
					want.Token = token
				}
				if got, err := s.Auth.Credential(s.Last()); err != nil || got.Token != want.Token || got.JWT != want.JWT {
					t.Errorf("got a credential with token: %t, JWT: %t, want token: %t, JWT: %t (%v)",
						got.Token != "", got.JWT != "", want.Token != "", want.JWT != "", err)
				}
			})
		})
	}
}

// pairSessions are the sessions of TestRequire_TwoCookies. ada and newer belong to the same user.
type pairSessions struct{ ada, newer, bob stytchtest.Session }

func pairTokenOf(name string) func(*env, pairSessions) string {
	return func(_ *env, s pairSessions) string {
		return map[string]string{"ada": s.ada.Token, "newer": s.newer.Token, "bob": s.bob.Token}[name]
	}
}

// No other host can set a cookie whose name begins with __Host-, and an extractor that reads only
// one cookie has no pair. In both cases Require needs no call to check that the cookies belong
// together.
func TestRequire_CookiesThatNeedNoBinding(t *testing.T) {
	host := func(c *sessionauth.Config) {
		c.Cookies.Token, c.Cookies.JWT = "__Host-token", "__Host-jwt"
	}
	for name, row := range map[string]struct {
		change func(*sessionauth.Config)
		cookie func(stytchtest.Session) string
	}{
		"__Host- names": {host, func(s stytchtest.Session) string { return "Cookie: __Host-token=" + s.Token + "; __Host-jwt=" + s.JWT }},
		"one cookie": {func(c *sessionauth.Config) { c.Extractor = sessionauth.FromCookies("", "stytch_session_jwt") },
			func(s stytchtest.Session) string { return bothCookies(s.Token, s.JWT) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly, row.change)
				s.Want(s.Get(row.cookie(s.Session)), 200)
				s.WantCalls(pathAuthenticate, 0)
			})
		})
	}
}

// The newer session of a user wins, whichever cookie it is in.
func TestRequire_OlderTokenBesideAJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		time.Sleep(time.Second)
		newer := s.StartSession(s.User.ID, stytchtest.SessionOptions{})
		s.Want(s.Get(bothCookies(s.Session.Token, newer.JWT)), 200)
		s.WantPassed(1, newer.ID)
		if cred, err := s.Auth.Credential(s.Last()); err != nil || cred.Token != "" || cred.JWT != newer.JWT {
			t.Errorf("got a credential with the token: %t, want the JWT only (%v)", cred.Token != "", err)
		}
	})
}

// The token does not win because the JWT could not be checked.
func TestRequire_UndecidedJWTBesideAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		bob := s.SignIn(stytchtest.SessionOptions{})
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		s.Expire()
		s.Want(s.Get(tokenCookie(bob.Token)), 200)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500})
		s.Want(s.Get(bothCookies(bob.Token, s.Session.JWT)), 503)
		s.WantPassed(2, bob.ID)
	})
}

// A token and a JWT from elsewhere than cookies are sent by one client, which may
// still confuse two sessions: the JWT decides.
func TestVerify_TokenOfAnotherSession(t *testing.T) {
	for _, row := range []struct {
		name    string
		before  func(s *env, bob stytchtest.Session)
		token   func(bob stytchtest.Session) string
		want    error // nil if the JWT is accepted
		jwtGood bool  // whether the session of the JWT is alive afterwards
	}{
		{"alive", func(*env, stytchtest.Session) {}, func(bob stytchtest.Session) string { return bob.Token }, sessionauth.ErrInvalidSession, true},
		{"revoked at Stytch", func(s *env, bob stytchtest.Session) { s.RevokeSession(bob.ID); time.Sleep(2 * time.Minute) }, func(bob stytchtest.Session) string { return bob.Token }, sessionauth.ErrInvalidSession, true},
		{"invented", func(*env, stytchtest.Session) {}, func(stytchtest.Session) string { return inventedToken }, nil, true},
		{"an outage", func(s *env, _ stytchtest.Session) {
			time.Sleep(2 * time.Minute)
			s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500})
		}, func(bob stytchtest.Session) string { return bob.Token }, sessionauth.ErrUnavailable, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) { c.StaleIfError = 10 * time.Minute })
				bob := s.SignIn(stytchtest.SessionOptions{})
				s.Expire()
				s.Want(s.Get(bearer(bob.Token)), 200)
				row.before(s, bob)
				id, err := s.Auth.Verify(t.Context(), sessionauth.Credential{Token: row.token(bob), JWT: s.Session.JWT})
				if !errors.Is(err, row.want) || err == nil && id.Session.ID != s.Session.ID {
					t.Errorf("got %v, want %v and no other session than that of the JWT", err, row.want)
				}
				if row.jwtGood {
					s.Want(s.Get(bearer(s.Session.JWT)), 200)
				}
			})
		})
	}
}

// A dead token is no reason to refuse a JWT that cannot be checked.
func TestVerify_DeadTokenWithoutAKeySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
		_, err := s.Auth.Verify(t.Context(), sessionauth.Credential{Token: inventedToken, JWT: s.Session.JWT})
		if !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrUnavailable)
		}
	})
}

// A token vouches for its own session, and not for the third-party JWT beside it.
func TestVerify_ThirdPartyJWTBesideAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		thirdParty := s.SignJWT(func(_, claims map[string]any) { claims["client_id"] = "connected-app-test-1" })
		s.Leaks.AddSecret(thirdParty)
		s.Want(s.Get(bothCookies(s.Session.Token, thirdParty)), 200)
		if cred, err := s.Auth.Credential(s.Last()); err != nil || cred.Token != s.Session.Token || cred.JWT != "" {
			t.Errorf("got a credential with the JWT: %t, want the token only (%v)", cred.JWT != "", err)
		}
		if _, err := s.Auth.Verify(t.Context(), sessionauth.Credential{Token: s.Session.Token, JWT: thirdParty}); err != nil {
			t.Fatal(err)
		}
		s.WantCalls(pathAuthenticate, 1) // the token is cached
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 404, ErrorType: "session_not_found"})
		if _, err := s.Auth.Verify(t.Context(), sessionauth.Credential{JWT: thirdParty}); !errors.Is(err, sessionauth.ErrInvalidSession) {
			t.Errorf("got %v for the JWT alone, want %v", err, sessionauth.ErrInvalidSession)
		}
	})
}

// The session of the token is revoked while Stytch is called with the JWT.
func TestRequire_RevokeDuringTheCallAboutTheJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		time.Sleep(time.Second)
		newer := s.StartSession(s.User.ID, stytchtest.SessionOptions{})
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		s.Expire()
		s.Want(s.Get(tokenCookie(newer.Token)), 200)
		s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			if err := s.Auth.Revoke(context.Background(), newer.ID); err != nil {
				t.Error(err)
			}
			return stytch.RoundTrip(r)
		})
		s.Want(s.Get(bothCookies(newer.Token, s.Session.JWT)), 401)
		s.WantPassed(2, newer.ID)
	})
}

// One name with __Host- does not protect the cookie of the other name.
func TestRequire_OneHostPrefix(t *testing.T) {
	for _, names := range [][2]string{{"__Host-token", "jwt"}, {"token", "__Host-jwt"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, func(c *sessionauth.Config) { c.Cookies.Token, c.Cookies.JWT = names[0], names[1] })
			bob := s.SignIn(stytchtest.SessionOptions{})
			s.Want(s.Get("Cookie: "+names[0]+"="+bob.Token+"; "+names[1]+"="+s.Session.JWT), 400)
		})
	}
}

// A JWT that cannot be trusted is not a part of the credential: the rejection of
// the token beside it denies the session.
func TestCheckLive_TokenBesideABadJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Want(s.Get(bothCookies(s.Session.Token, authtest.OtherSignature(s.Session.JWT))), 200)
		s.RevokeSession(s.Session.ID)
		if _, err := sessionauth.CheckLive(s.Last().Context()); err == nil {
			t.Error("got no error for a session that was revoked, want one")
		}
		s.Want(s.Get(bearer(s.Session.Token)), 401) // although it is cached
	})
}

// If a cookie is repeated, the value that Require accepted is the credential of the request. Guards
// use it, and so does the refresh of a JWT.
func TestRequire_RepeatedCookieGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		s.Handler = s.Behind(requireFresh(time.Hour), requireLive)
		dead := s.SignIn(stytchtest.SessionOptions{})
		s.RevokeSession(dead.ID)
		s.Expire()
		cookies := []string{
			"stytch_session_jwt=" + dead.JWT, "stytch_session_jwt=" + s.Session.JWT, "stytch_session=" + dead.Token, "stytch_session=" + s.Session.Token,
		}
		resp := s.Get("Cookie: " + strings.Join(cookies, "; "))
		s.Want(resp, 200)
		if set := resp.Header["Set-Cookie"]; len(set) != 1 || !strings.HasPrefix(set[0], "stytch_session_jwt=") {
			t.Errorf("got %q, want a refreshed JWT", set)
		}
		s.WantPassed(1, s.Session.ID)
	})
}

func requireFresh(maxAge time.Duration) func(http.Handler) http.Handler {
	return check(func(r *http.Request) error { return sessionauth.CheckFresh(r.Context(), maxAge) })
}

func requireLive(next http.Handler) http.Handler {
	return check(func(r *http.Request) error { _, err := sessionauth.CheckLive(r.Context()); return err })(next)
}

func check(f func(*http.Request) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := f(r); err != nil {
				sessionauth.Reject(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// A request may be made in the context of another one. Require and the guards authenticate it by
// its own credential.
func TestRequire_RequestInTheContextOfAnother(t *testing.T) {
	for name, inner := range map[string]func(s *env) http.Handler{
		"Require": func(s *env) http.Handler { return s.Behind(s.Auth.Require) },
		"CheckRequest": func(s *env) http.Handler {
			return check(sessionauth.CheckRequest)(check(func(r *http.Request) error {
				return sessionauth.CheckRole(r.Context(), "stytch_user")
			})(s.Next()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				bob := s.SignIn(stytchtest.SessionOptions{})
				batch := inner(s)
				var fields []string
				var method string
				s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					part := newRequest(method, fields...)
					batch.ServeHTTP(w, part.WithContext(r.Context()))
				}))
				ada := tokenCookie(s.Session.Token)
				for _, row := range []struct {
					name, method string
					fields       []string
					status       int
				}{
					{"the same credential", "GET", []string{ada}, 200},
					{"no credential", "GET", nil, 401},
					{"an invented token", "GET", []string{tokenCookie(inventedToken)}, 401},
					{"from another site", "POST", []string{ada, "Sec-Fetch-Site: cross-site"}, 403},
				} {
					method, fields = row.method, row.fields
					if resp := s.Get(ada); resp.StatusCode != row.status {
						t.Errorf("%s: got %d, want %d", row.name, resp.StatusCode, row.status)
					}
				}
				if method, fields = "GET", []string{tokenCookie(bob.Token)}; name == "Require" {
					s.Want(s.Get(ada), 200)
					s.WantPassed(2, bob.ID)
				} else {
					s.Want(s.Get(ada), 401)
				}
			})
		})
	}
}

// Credential returns the credential in the headers of its request, even if the context
// of the request belongs to a request with another credential.
func TestCredential_RequestInTheContextOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		bob := s.SignIn(stytchtest.SessionOptions{})
		newer := s.StartSession(s.User.ID, stytchtest.SessionOptions{})
		for _, row := range []struct {
			name, context, field string
			session              string
		}{
			{"another token", bearer(s.Session.Token), bearer(bob.Token), bob.ID},
			{"another JWT", bearer(s.Session.JWT), bearer(bob.JWT), bob.ID},
			{"another JWT beside the same token", bothCookies(newer.Token, s.Session.JWT), bothCookies(newer.Token, newer.JWT), newer.ID},
			{"a cookie in the context of a header", bearer(s.Session.Token), tokenCookie(s.Session.Token), s.Session.ID},
			{"a header in the context of a cookie", tokenCookie(s.Session.Token), bearer(s.Session.Token), s.Session.ID},
			{"another token of a repeated cookie", "Cookie: stytch_session=" + inventedToken + "; stytch_session=" + s.Session.Token, "Cookie: stytch_session=" + inventedToken + "; stytch_session=" + bob.Token, bob.ID},
			{"another JWT of a repeated cookie", "Cookie: stytch_session_jwt=e.x.y; stytch_session_jwt=" + s.Session.JWT, "Cookie: stytch_session_jwt=e.x.y; stytch_session_jwt=" + bob.JWT, bob.ID},
			{"no longer a repeated cookie", "Cookie: stytch_session=" + s.Session.Token + "; stytch_session=" + inventedToken, tokenCookie(inventedToken), ""},
		} {
			s.Want(s.Get(row.context), 200)
			r := newRequest("GET", row.field)
			want, _ := s.Auth.Credential(r)
			r = r.WithContext(s.Last().Context())
			if got, err := s.Auth.Credential(r); err != nil || got.Token != want.Token || got.JWT != want.JWT || got.Header != want.Header {
				t.Errorf("%s: got another credential than that of the request, %v", row.name, err)
			}
			got := ""
			if id, err := s.Auth.Authenticate(r); err == nil {
				got = id.Session.ID
			}
			if got != row.session {
				t.Errorf("%s: got session %q, want %q", row.name, got, row.session)
			}
		}
	})
}

// Only a request without a credential is anonymous because its context is.
func TestOptional_RequestInTheContextOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Handler = s.Auth.Optional(s.Next())
		s.Want(s.Get(), 200)
		ctx := s.Last().Context()
		for _, row := range []struct {
			name, method string
			fields       []string
			status       int
		}{
			{"no credential", "GET", nil, 200},
			{"a malformed header", "GET", []string{"Authorization: Bearer"}, 400},
			{"from another site", "POST", []string{tokenCookie(s.Session.Token), "Sec-Fetch-Site: cross-site"}, 403},
			{"a header that Stytch rejects", "GET", []string{bearer(inventedToken)}, 401},
		} {
			if resp := s.Do(newRequest(row.method, row.fields...).WithContext(ctx)); resp.StatusCode != row.status {
				t.Errorf("%s: got %d, want %d", row.name, resp.StatusCode, row.status)
			}
		}
		s.WantPassed(2, "")
	})
}

// A context remains after its session is revoked. Checks with that context are refused.
func TestRequire_ContextAfterRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		field := bearer(s.Session.JWT)
		s.Want(s.Get(field), 200)
		kept := s.Last()
		again := func() int { return s.Do(newRequest("GET", field).WithContext(kept.Context())).StatusCode }
		role := func() error { return sessionauth.CheckRole(kept.Context(), "stytch_user") }
		if got, err := again(), role(); got != 200 || err != nil {
			t.Errorf("got %d, %v, want 200", got, err)
		}
		if err := s.Auth.Revoke(t.Context(), s.Session.ID); err != nil {
			t.Fatal(err)
		}
		if got, err := again(), role(); got != 401 || err == nil {
			t.Errorf("after Revoke: got %d, %v, want 401", got, err)
		}
	})
}

// When the entry of a context has expired, CheckRole authenticates the context's credential again.
func TestCheckRole_LongRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		ctx := s.Last().Context()
		for i, row := range []struct {
			wait  time.Duration
			calls int
		}{{0, 1}, {time.Minute + 29*time.Second, 1}, {time.Second, 2}, {time.Minute - time.Second, 2}} {
			time.Sleep(row.wait)
			if err := sessionauth.CheckRole(ctx, "stytch_user"); err != nil {
				t.Errorf("%d: got %v, want no error", i, err)
			}
			s.WantCalls(pathAuthenticate, row.calls)
		}
		s.RevokeSession(s.Session.ID)
		time.Sleep(2 * time.Minute)
		if err := sessionauth.CheckRole(ctx, "stytch_user"); err == nil {
			t.Error("got no error after the session was revoked elsewhere, want one")
		}
	})
}

// Neither a revoked session nor one whose JWT has lost its key lasts as long as a
// request.
func TestCheckRole_RevokedDuringALongRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		time.Sleep(70 * time.Second) // past the end of the entry
		if err := sessionauth.CheckRole(s.Last().Context(), "stytch_user"); err != nil {
			t.Fatal(err)
		}
		if err := s.Auth.Revoke(t.Context(), s.Session.ID); err != nil {
			t.Fatal(err)
		}
		if err := sessionauth.CheckRole(s.Last().Context(), "stytch_user"); err == nil {
			t.Error("got no error after Revoke, want one")
		}
	})
}

func TestCheckRole_KeyWithdrawnDuringALongRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly, func(c *sessionauth.Config) { c.Cookies.Token, c.Cookies.JWT = "__Host-token", "__Host-jwt" })
		bob := s.SignIn(stytchtest.SessionOptions{})
		s.Want(s.Get("Cookie: __Host-token="+bob.Token+"; __Host-jwt="+s.Session.JWT), 200)
		s.WantPassed(1, s.Session.ID)
		ctx := s.Last().Context()
		time.Sleep(time.Second)
		old := s.KeyID()
		s.RotateKeys()
		s.WithdrawKey(old)
		s.Want(s.Get(bearer(s.JWT(bob.ID))), 200) // fetches the key set
		if err := sessionauth.CheckRole(ctx, "stytch_user"); err == nil {
			t.Error("got no error for a JWT of a withdrawn key beside the token of another session, want one")
		}
	})
}

// Require removes the header fields of an upgrade to h2c. After such an upgrade, the requests on
// the connection would bypass Require.
func TestRequire_UpgradeToH2C(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		for _, protocol := range []string{"h2c", "H2C", "websocket, h2c"} {
			r := newRequest("GET", bearer(s.Session.JWT), "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+protocol, "HTTP2-Settings: AAMAAABkAAQAAP__")
			s.Want(s.Do(r), 200)
			if h := s.Last().Header; h.Get("Upgrade") != "" || h.Get("HTTP2-Settings") != "" {
				t.Errorf("got Upgrade %q in the handler, want none", h.Get("Upgrade"))
			}
			if got := r.Header.Get("Upgrade"); got != protocol { // a middleware in front may read it afterwards
				t.Errorf("got Upgrade %q in front of Require, want %q", got, protocol)
			}
		}
		s.Want(s.Get(bearer(s.Session.JWT), "Connection: Upgrade", "Upgrade: websocket"), 200)
		if got := s.Last().Header.Get("Upgrade"); got != "websocket" {
			t.Errorf("got Upgrade %q in the handler, want websocket", got)
		}
	})
}

func TestAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		next := check(func(r *http.Request) error { return sessionauth.CheckRole(r.Context(), "stytch_user") })(s.Next())
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			attached, r, err := s.Auth.Attach(w, r)
			if err != nil {
				s.Auth.Reject(w, r, err)
				return
			}
			next.ServeHTTP(attached, r)
			attached.WriteHeader(204)
		})
		s.WantAnswer(s.Get(), want401n)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 204)
		s.Expire()
		resp := s.Get(jwtCookie(s.Session.JWT))
		s.Want(resp, 204)
		s.WantPassed(2, s.Session.ID)
		if h := resp.Header; len(h["Set-Cookie"]) != 1 || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie, Authorization" {
			t.Errorf("got %v, want a refreshed cookie and no-store", h)
		}
	})
}

func TestAttachContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		ctx, id, err := s.Auth.AttachContext(t.Context(), sessionauth.Credential{JWT: s.Session.JWT, Header: true})
		if err != nil || id.Session.ID != s.Session.ID {
			t.Fatalf("got %v, %v, want the session", id, err)
		}
		if err := sessionauth.CheckRole(ctx, "stytch_user"); err != nil {
			t.Errorf("CheckRole: got %v, want no error", err)
		}
		if user, ok := sessionauth.UserFromContext(ctx); !ok || user.ID != s.User.ID {
			t.Errorf("got user %v, want %s", user, s.User.ID)
		}
		for name, cred := range map[string]sessionauth.Credential{
			"not from a header": {JWT: s.Session.JWT}, "an invented token": {Token: authtest.InventedToken, Header: true}, "nothing": {Header: true},
		} {
			if ctx, id, err := s.Auth.AttachContext(t.Context(), cred); err == nil || id != nil || ctx != t.Context() {
				t.Errorf("%s: got %v, want an error", name, id)
			}
		}
	})
}

// The rows are the numbers of calls in docs/operations.md. A browser sends a request every ten
// seconds for an hour and uses each refreshed JWT.
func TestRequire_CallsPerHour(t *testing.T) {
	authtest.SkipIfShort(t)
	rows := []struct {
		name              string
		change            func(*sessionauth.Config)
		token, jwt        bool
		first, hour       int // calls of sessions/authenticate for the first request and for an hour
		firstUser, users  int // calls of users for the first request and for an hour
		restart           int // calls of both endpoints after a restart
		outage, outageOld int // status in an outage with a good JWT, and with an expired one
	}{
		{"token", nil, true, false, 1, 60, 0, 0, 1, 503, 503},
		{"JWT", nil, false, true, 0, 11, 1, 59, 1, 503, 503},
		{"both", nil, true, true, 1, 12, 0, 58, 1, 503, 503},
		{"token, SessionOnly", sessionOnly, true, false, 1, 60, 0, 0, 1, 503, 503},
		{"JWT, SessionOnly", sessionOnly, false, true, 0, 11, 0, 0, 0, 200, 503},
		{"both, SessionOnly", sessionOnly, true, true, 1, 12, 0, 0, 1, 200, 503},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				change := row.change
				if change == nil {
					change = func(*sessionauth.Config) {}
				}
				s := newEnv(t, writeBack, change)
				s.Session = s.StartSession(s.User.ID, stytchtest.SessionOptions{Duration: 24 * time.Hour})
				if err := s.Auth.Warm(t.Context()); err != nil {
					t.Fatal(err)
				}
				jwt := s.Session.JWT
				get := func(h http.Handler) *http.Response {
					var cookies []string
					if row.token {
						cookies = append(cookies, "stytch_session="+s.Session.Token)
					}
					if row.jwt {
						cookies = append(cookies, "stytch_session_jwt="+jwt)
					}
					return s.GetFrom(h, "Cookie: "+strings.Join(cookies, "; "))
				}
				for i := range 360 {
					resp := get(s.Handler)
					s.Want(resp, 200)
					for _, c := range resp.Cookies() {
						jwt = c.Value
					}
					if i == 0 {
						s.WantCalls(pathAuthenticate, row.first)
						s.WantCalls(pathUser, row.firstUser)
					}
					time.Sleep(10 * time.Second)
				}
				s.WantCalls(pathAuthenticate, row.hour)
				s.WantCalls(pathUser, row.users)
				jwt = s.JWT(s.Session.ID)
				before := s.Calls(pathAuthenticate) + s.Calls(pathUser)
				s.Want(get(s.Fresh()), 200)
				if got := s.Calls(pathAuthenticate) + s.Calls(pathUser) - before; got != row.restart {
					t.Errorf("after a restart: got %d calls, want %d", got, row.restart)
				}
				s.Want(get(s.Handler), 200)
				time.Sleep(2 * time.Minute) // the user's entry has expired, the JWT has not
				s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500})
				s.SetFault(pathUser, stytchtest.Fault{Status: 500})
				s.Want(get(s.Handler), row.outage)
				s.Expire()
				s.Want(get(s.Handler), row.outageOld)
			})
		})
	}
}

// The holder of an access token must not gain a session by planting it as the JWT
// cookie in a browser that has a session token: what Stytch says about the token
// says nothing about the JWT.
func TestRequire_ThirdPartyJWTBesideAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		access := s.SignJWT(func(_, c map[string]any) { c["client_id"] = "connected-app-test-1" })
		s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(body), access) {
				return authtest.Reply(400, `{"status_code":400,"error_type":"unable_to_parse_session_jwt","request_id":"r","error_message":"m"}`), nil
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			return stytch.RoundTrip(r)
		})
		s.Want(s.Get(bearer(access)), 401)
		for range 3 {
			s.Want(s.Get(bothCookies(s.Session.Token, access)), 200)
			s.Want(s.Get(bearer(access)), 401)
			time.Sleep(10 * time.Second)
		}
	})
}

// A session that is revoked during any call of a request does not pass.
func TestRequire_RevokedDuringACall(t *testing.T) {
	rows := map[string]struct {
		change func(*sessionauth.Config)
		field  func(*env) string
		call   authtest.Tap
	}{
		"an invented token beside a good JWT": {sessionOnly, func(s *env) string { return bothCookies(inventedToken, s.Session.JWT) }, authtest.DelayAnswers(2 * time.Second)},
		"Stytch hangs": {sessionOnly, func(s *env) string { return bothCookies(inventedToken, s.Session.JWT) }, func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}},
		"a repeated cookie": {sessionOnly, func(s *env) string {
			return "Cookie: stytch_session_jwt=" + s.Session.JWT + "; stytch_session=" + inventedToken + "; stytch_session=" + strings.ToUpper(inventedToken)
		}, authtest.DelayAnswers(2 * time.Second)},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, row.change)
				s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
				s.Tap(pathAuthenticate, row.call)
				time.AfterFunc(500*time.Millisecond, func() {
					if err := s.Auth.Revoke(s.T.Context(), s.Session.ID); err != nil {
						s.T.Error(err)
					}
				})
				s.Want(s.Get(row.field(s)), 401)
				s.WantPassed(1, s.Session.ID)
			})
		})
	}
}

// Requests with the JWT alone use its cached entry while a request with both cookies is
// authenticated. The race detector checks that the entry is not changed.
func TestRequire_TwoCookiesBesideACachedJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { s.Authenticate(jwtCookie(s.Session.JWT)) })
		}
		all.Go(func() { s.Authenticate(bothCookies(s.Session.Token, s.Session.JWT)) })
		all.Wait()
		s.WantCalls(pathAuthenticate, 1)
	})
}

// The newer session of two cookies is revoked while Stytch is asked about the other.
func TestRequire_NewerSessionRevokedDuringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Expire()
		newer := s.StartSession(s.User.ID, stytchtest.SessionOptions{})
		s.Want(s.Get(bearer(newer.Token)), 200)
		s.Tap(pathAuthenticate, authtest.DelayAnswers(2*time.Second))
		time.AfterFunc(500*time.Millisecond, func() {
			if err := s.Auth.Revoke(s.T.Context(), newer.ID); err != nil {
				s.T.Error(err)
			}
		})
		s.Want(s.Get(bothCookies(newer.Token, s.Session.JWT)), 401)
		s.WantPassed(1, newer.ID)
	})
}

// The ResponseWriter of a request with a refreshed JWT holds credentials.
func TestRequire_ResponseWriterRedactsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack, func(c *sessionauth.Config) { c.SessionDuration = time.Hour })
		var text string
		s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text = fmt.Sprintf("%v %+v %#v", w, w, w)
		}))
		s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 200)
		s.Expire()
		s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 200)
		if strings.Contains(text, s.Session.Token) || strings.Contains(text, "eyJ") {
			t.Errorf("got %s, want no credential", text)
		}
	})
}
