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
	known := func(s *stage) string { return s.session.ID }
	rows := []struct {
		name   string
		fields func(*stage) []string
		status int
		who    func(*stage) string // nil if next is not called
	}{
		{"no credential", func(*stage) []string { return nil }, 200, anonymous},
		{"another scheme", func(*stage) []string { return []string{"Authorization: Basic YTpi"} }, 200, anonymous},
		{"an empty cookie", func(*stage) []string { return []string{"Cookie: stytch_session="} }, 200, anonymous},
		{"a good JWT", func(s *stage) []string { return []string{bearer(s.session.JWT)} }, 200, known},
		{"a good token cookie", func(s *stage) []string { return []string{tokenCookie(s.session.Token)} }, 200, known},
		{"a cookie Stytch refuses", func(*stage) []string { return []string{tokenCookie(inventedToken)} }, 200, anonymous},
		{"a JWT cookie we refuse", func(*stage) []string { return []string{jwtCookie("a.b.c")} }, 200, anonymous},
		{"a malformed cookie", func(*stage) []string { return []string{tokenCookie("short")} }, 200, anonymous},
		{"two cookies that are both refused", func(*stage) []string {
			return []string{"Cookie: stytch_session=" + inventedToken + "; stytch_session=x" + inventedToken}
		}, 200, anonymous},
		{"a header Stytch refuses", func(*stage) []string { return []string{bearer(inventedToken)} }, 401, nil},
		{"a header we refuse", func(*stage) []string { return []string{bearer("a.b.c")} }, 401, nil},
		{"a refused header with a good cookie", func(s *stage) []string { return []string{bearer("a.b.c"), tokenCookie(s.session.Token)} }, 401, nil},
		{"a malformed header", func(*stage) []string { return []string{"Authorization: Bearer"} }, 400, nil},
		{"two headers", func(s *stage) []string { return []string{bearer(s.session.JWT), bearer(s.session.JWT)} }, 400, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.handler = s.auth.Optional(s.next())
				s.want(s.get(row.fields(s)...), row.status)
				if row.who == nil {
					s.wantThrough(0, "")
					return
				}
				s.wantThrough(1, row.who(s))
			})
		})
	}
}

func TestOptionalAnswersWhatCannotBeDecidedWith503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.handler = s.auth.Optional(s.next())
		s.SetFault("", stytchtest.Fault{Status: 500})
		for _, field := range []string{
			bearer(s.session.Token), tokenCookie(s.session.Token), bearer(s.session.JWT), jwtCookie(s.session.JWT),
			bothCookies(s.session.Token, s.session.JWT), bothCookies(s.session.Token, "a.b.c"),
		} {
			s.want(s.get(field), 503)
		}
		s.tap("", func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("x") })
		s.want(s.get(tokenCookie(s.session.Token)), 500)
		s.wantThrough(0, "")
		s.want(s.get(), 200)
		s.wantCalls(pathRevoke, 0)
	})
}

func TestOptionalRefusesACookieSentAlongByAnotherSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.handler = s.auth.Optional(s.next())
		for _, cookie := range []string{tokenCookie(s.session.Token), tokenCookie(inventedToken), jwtCookie("a.b.c")} {
			s.want(s.send("POST", cookie, "Sec-Fetch-Site: cross-site"), 403)
		}
		s.want(s.send("POST", "Sec-Fetch-Site: cross-site"), 200)
		s.wantThrough(1, "")
	})
}

func TestRequireBehindOptionalReusesItsDecision(t *testing.T) {
	rows := []struct {
		name   string
		field  func(*stage) string
		status int
		calls  int
	}{
		{"a token", func(s *stage) string { return bearer(s.session.Token) }, 200, 1},
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
				s.handler = s.auth.Optional(s.auth.Optional(s.auth.Require(s.auth.Require(s.next()))))
				resp := s.get(row.field(s))
				s.want(resp, row.status)
				s.wantCalls(pathAuthenticate, row.calls)
				if events != 1 {
					t.Errorf("got %d events, want 1", events)
				}
				if got := resp.Header["Vary"]; len(got) != 1 {
					t.Errorf("got Vary %q, want it once", got)
				}
				if row.status == 200 {
					s.wantThrough(1, s.session.ID)
				} else {
					s.wantThrough(0, "")
				}
			})
		})
	}
}

func TestAnotherAuthenticatorDecidesForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := newStage(t), newStage(t) // the same project at another Stytch: their sessions are not ours
		for _, wrap := range []func(http.Handler) http.Handler{ours.auth.Require, ours.auth.Optional} {
			ours.handler = wrap(theirs.auth.Require(theirs.next()))
			ours.want(ours.get(bearer(ours.session.Token)), 401)
			ours.handler = wrap(theirs.auth.Optional(theirs.next()))
			ours.want(ours.get(tokenCookie(ours.session.Token)), 200)
		}
		theirs.wantThrough(2, "") // anonymous there
		theirs.wantCalls(pathAuthenticate, 1)

		ours.handler = theirs.auth.Optional(ours.auth.Require(ours.next()))
		ours.want(ours.get(tokenCookie(ours.session.Token)), 200)
		ours.want(ours.get(tokenCookie(theirs.session.Token)), 401)
		ours.wantThrough(1, ours.session.ID)
	})
}

func TestRequireNeverTrustsNewContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		id := &sessionauth.Identity{
			Session:   &stytch.Session{ID: s.session.ID, UserID: s.session.UserID, ExpiresAt: time.Now().Add(time.Hour)},
			DecidedBy: sessionauth.Stytch,
		}
		forged := newRequest("GET")
		forged = forged.WithContext(sessionauth.NewContext(forged.Context(), id))
		if session, ok := sessionauth.SessionFromContext(forged.Context()); !ok || session.ID != s.session.ID {
			t.Error("got no session from NewContext, want it")
		}
		s.want(s.do(forged), 401)
		s.wantThrough(0, "")
		s.handler = s.auth.Optional(s.next())
		s.want(s.do(forged), 200)
		s.wantThrough(1, "")
		if _, err := s.auth.Authenticate(forged); err == nil {
			t.Error("got an identity from Authenticate, want an error")
		}

		// And not where a real decision came first.
		s.handler = s.auth.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.auth.Require(s.next()).ServeHTTP(w, r.WithContext(sessionauth.NewContext(r.Context(), id)))
		}))
		s.want(s.get(), 401)
		s.wantThrough(1, "")
	})
}
