package sessionauth_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestOptionalDiffersInTwoAnswersOnly(t *testing.T) {
	anonymous := func(*stage) string { return "" }
	known := func(s *stage) string { return s.Session.ID }
	rows := []struct {
		name   string
		fields func(*stage) []string
		status int
		who    func(*stage) string // nil if next is not called
	}{
		{"no credential", func(*stage) []string { return nil }, 200, anonymous},
		{"another scheme", func(*stage) []string { return []string{"Authorization: Basic YTpi"} }, 200, anonymous},
		{"an empty cookie", func(*stage) []string { return []string{"Cookie: stytch_session="} }, 200, anonymous},
		{"a good JWT", func(s *stage) []string { return []string{bearer(s.Session.JWT)} }, 200, known},
		{"a good token cookie", func(s *stage) []string { return []string{tokenCookie(s.Session.Token)} }, 200, known},
		{"a cookie Stytch refuses", func(*stage) []string { return []string{tokenCookie(inventedToken)} }, 200, anonymous},
		{"a JWT cookie we refuse", func(*stage) []string { return []string{jwtCookie("a.b.c")} }, 200, anonymous},
		{"a malformed cookie", func(*stage) []string { return []string{tokenCookie("short")} }, 200, anonymous},
		{"two cookies that are both refused", func(*stage) []string {
			return []string{"Cookie: stytch_session=" + inventedToken + "; stytch_session=x" + inventedToken}
		}, 200, anonymous},
		{"a header Stytch refuses", func(*stage) []string { return []string{bearer(inventedToken)} }, 401, nil},
		{"a header we refuse", func(*stage) []string { return []string{bearer("a.b.c")} }, 401, nil},
		{"a refused header with a good cookie", func(s *stage) []string { return []string{bearer("a.b.c"), tokenCookie(s.Session.Token)} }, 401, nil},
		{"a malformed header", func(*stage) []string { return []string{"Authorization: Bearer"} }, 400, nil},
		{"two headers", func(s *stage) []string { return []string{bearer(s.Session.JWT), bearer(s.Session.JWT)} }, 400, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.Handler = s.Auth.Optional(s.Next())
				s.Want(s.Get(row.fields(s)...), row.status)
				if row.who == nil {
					s.WantPassed(0, "")
					return
				}
				s.WantPassed(1, row.who(s))
			})
		})
	}
}

func TestOptionalAnswersWhatCannotBeDecidedWith503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.Handler = s.Auth.Optional(s.Next())
		s.SetFault("", stytchtest.Fault{Status: 500})
		for _, field := range []string{
			bearer(s.Session.Token), tokenCookie(s.Session.Token), bearer(s.Session.JWT), jwtCookie(s.Session.JWT),
			bothCookies(s.Session.Token, s.Session.JWT), bothCookies(s.Session.Token, "a.b.c"),
		} {
			s.Want(s.Get(field), 503)
		}
		s.Tap("", func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("x") })
		s.Want(s.Get(tokenCookie(s.Session.Token)), 500)
		s.WantPassed(0, "")
		s.Want(s.Get(), 200)
		s.WantCalls(pathRevoke, 0)
	})
}

func TestOptionalRefusesACookieSentAlongByAnotherSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.Handler = s.Auth.Optional(s.Next())
		for _, cookie := range []string{tokenCookie(s.Session.Token), tokenCookie(inventedToken), jwtCookie("a.b.c")} {
			s.Want(s.Send("POST", cookie, "Sec-Fetch-Site: cross-site"), 403)
		}
		s.Want(s.Send("POST", "Sec-Fetch-Site: cross-site"), 200)
		s.WantPassed(1, "")
	})
}

func TestRequireBehindOptionalReusesItsDecision(t *testing.T) {
	rows := []struct {
		name   string
		field  func(*stage) string
		status int
		calls  int
	}{
		{"a token", func(s *stage) string { return bearer(s.Session.Token) }, 200, 1},
		{"a refused cookie", func(*stage) string { return tokenCookie(inventedToken) }, 401, 1},
		{"no credential", func(*stage) string { return "X: y" }, 401, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events := 0
				s := newStage(t, func(c *sessionauth.Config) {
					c.CacheTTL = -1 // or a second decision would not show
					c.Observe = func(context.Context, sessionauth.Event) { events++ }
				})
				s.Handler = s.Auth.Optional(s.Auth.Optional(s.Auth.Require(s.Auth.Require(s.Next()))))
				resp := s.Get(row.field(s))
				s.Want(resp, row.status)
				s.WantCalls(pathAuthenticate, row.calls)
				if events != 1 {
					t.Errorf("got %d events, want 1", events)
				}
				if got := resp.Header["Vary"]; len(got) != 1 {
					t.Errorf("got Vary %q, want it once", got)
				}
				if row.status == 200 {
					s.WantPassed(1, s.Session.ID)
				} else {
					s.WantPassed(0, "")
				}
			})
		})
	}
}

func TestAnotherAuthenticatorDecidesForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := newStage(t), newStage(t) // the same project at another Stytch: their sessions are not ours
		for _, wrap := range []func(http.Handler) http.Handler{ours.Auth.Require, ours.Auth.Optional} {
			ours.Handler = wrap(theirs.Auth.Require(theirs.Next()))
			ours.Want(ours.Get(bearer(ours.Session.Token)), 401)
			ours.Handler = wrap(theirs.Auth.Optional(theirs.Next()))
			ours.Want(ours.Get(tokenCookie(ours.Session.Token)), 200)
		}
		theirs.WantPassed(2, "") // anonymous there
		theirs.WantCalls(pathAuthenticate, 1)

		ours.Handler = theirs.Auth.Optional(ours.Auth.Require(ours.Next()))
		ours.Want(ours.Get(tokenCookie(ours.Session.Token)), 200)
		ours.Want(ours.Get(tokenCookie(theirs.Session.Token)), 401)
		ours.WantPassed(1, ours.Session.ID)
	})
}

func TestRequireNeverTrustsNewContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		id := &sessionauth.Identity{
			Session:   &stytch.Session{ID: s.Session.ID, UserID: s.Session.UserID, ExpiresAt: time.Now().Add(time.Hour)},
			DecidedBy: sessionauth.Stytch,
		}
		forged := newRequest("GET")
		forged = forged.WithContext(sessionauth.NewContext(forged.Context(), id))
		if session, ok := sessionauth.SessionFromContext(forged.Context()); !ok || session.ID != s.Session.ID {
			t.Error("got no session from NewContext, want it")
		}
		s.Want(s.Do(forged), 401)
		s.WantPassed(0, "")
		s.Handler = s.Auth.Optional(s.Next())
		s.Want(s.Do(forged), 200)
		s.WantPassed(1, "")
		if _, err := s.Auth.Authenticate(forged); err == nil {
			t.Error("got an identity from Authenticate, want an error")
		}

		// And not where a real decision came first.
		s.Handler = s.Auth.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Auth.Require(s.Next()).ServeHTTP(w, r.WithContext(sessionauth.NewContext(r.Context(), id)))
		}))
		s.Want(s.Get(), 401)
		s.WantPassed(1, "")
	})
}
