package sessionauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Short names for identifiers that most tests of this package use.
const (
	pathAuthenticate = authtest.PathAuthenticate
	pathKeySet       = authtest.PathKeySet
	pathPolicy       = authtest.PathPolicy
	pathRevoke       = authtest.PathRevoke
	pathUser         = authtest.PathUser

	inventedToken = authtest.InventedToken
)

type env = authtest.Env

var (
	newEnv      = authtest.New
	newRequest  = authtest.NewRequest
	bearer      = authtest.Bearer
	jwtCookie   = authtest.JWTCookie
	tokenCookie = authtest.TokenCookie
	bothCookies = authtest.BothCookies
	sessionOnly = authtest.SessionOnly
	writeBack   = authtest.WriteBack

	want401n = authtest.NoCredential
	want401i = authtest.InvalidToken
	want503r = authtest.Unavailable
)

func TestRequire_FromSignInToRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		both := bothCookies(s.Session.Token, s.Session.JWT)
		s.Want(s.Get(), 401)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 0)
		s.Want(s.Get(both), 200) // this call checks that the cookies belong together
		s.WantCalls(pathAuthenticate, 1)
		s.WantCalls(pathKeySet, 1)
		s.WantCalls(pathUser, 1)

		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.WantCalls(pathAuthenticate, 1)

		time.Sleep(6 * time.Minute) // past the exp of the JWT
		s.Want(s.Get(both), 200)
		s.Want(s.Get(both), 200)
		s.WantCalls(pathAuthenticate, 2)

		s.RevokeSession(s.Session.ID)
		time.Sleep(31 * time.Second) // the entry of the old JWT has expired; that of the token has not
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 401)
		s.Want(s.Get(bearer(s.Session.Token)), 401) // the session is denied because Stytch rejected its JWT
	})
}

func TestRequire_OnChi(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		r := chi.NewRouter()
		r.Use(s.Auth.Require)
		r.Get("/notes/{id}", func(w http.ResponseWriter, r *http.Request) {
			user, ok := sessionauth.UserFromContext(r.Context())
			fmt.Fprint(w, ok, user.ID, chi.URLParam(r, "id"))
		})
		r.Mount("/public", s.Auth.Optional(s.Next())) // Optional inside Require does not let anyone else pass
		s.Handler = r
		for path, status := range map[string]int{"/notes/7": 200, "/nowhere": 404, "/public": 200} {
			r := httptest.NewRequest("GET", path, nil)
			s.Want(s.Do(r), 401)
			r.Header.Set("Authorization", "Bearer "+s.Session.JWT)
			resp := s.Do(r)
			s.Want(resp, status)
			if body, _ := io.ReadAll(resp.Body); path == "/notes/7" && string(body) != "true"+s.Session.UserID+"7" {
				t.Errorf("got %q", body)
			}
		}
	})
}

func TestOptional_DiffersInTwoAnswers(t *testing.T) {
	anonymous := func(*env) string { return "" }
	known := func(s *env) string { return s.Session.ID }
	rows := []struct {
		name   string
		fields func(*env) []string
		status int
		who    func(*env) string // nil if next is not called
	}{
		{"no credential", func(*env) []string { return nil }, 200, anonymous},
		{"another scheme", func(*env) []string { return []string{"Authorization: Basic YTpi"} }, 200, anonymous},
		{"an empty cookie", func(*env) []string { return []string{"Cookie: stytch_session="} }, 200, anonymous},
		{"a good JWT", func(s *env) []string { return []string{bearer(s.Session.JWT)} }, 200, known},
		{"a good token cookie", func(s *env) []string { return []string{tokenCookie(s.Session.Token)} }, 200, known},
		{"a cookie that Stytch rejects", func(*env) []string { return []string{tokenCookie(inventedToken)} }, 200, anonymous},
		{"a malformed JWT cookie", func(*env) []string { return []string{jwtCookie("a.b.c")} }, 200, anonymous},
		{"a malformed cookie", func(*env) []string { return []string{tokenCookie("short")} }, 200, anonymous},
		{"two cookies, both rejected", func(*env) []string {
			return []string{"Cookie: stytch_session=" + inventedToken + "; stytch_session=x" + inventedToken}
		}, 200, anonymous},
		{"a header that Stytch rejects", func(*env) []string { return []string{bearer(inventedToken)} }, 401, nil},
		{"a malformed JWT header", func(*env) []string { return []string{bearer("a.b.c")} }, 401, nil},
		{"a refused header with a good cookie", func(s *env) []string { return []string{bearer("a.b.c"), tokenCookie(s.Session.Token)} }, 401, nil},
		{"a malformed header", func(*env) []string { return []string{"Authorization: Bearer"} }, 400, nil},
		{"two headers", func(s *env) []string { return []string{bearer(s.Session.JWT), bearer(s.Session.JWT)} }, 400, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
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

func TestOptional_Unavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
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

func TestOptional_CrossOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Handler = s.Auth.Optional(s.Next())
		for _, cookie := range []string{tokenCookie(s.Session.Token), tokenCookie(inventedToken), jwtCookie("a.b.c")} {
			s.Want(s.Send("POST", cookie, "Sec-Fetch-Site: cross-site"), 403)
		}
		s.Want(s.Send("POST", "Sec-Fetch-Site: cross-site"), 200)
		s.WantPassed(1, "")
	})
}

func TestRequire_BehindOptionalReusesTheResult(t *testing.T) {
	rows := []struct {
		name   string
		field  func(*env) string
		status int
		calls  int
	}{
		{"a token", func(s *env) string { return bearer(s.Session.Token) }, 200, 1},
		{"a refused cookie", func(*env) string { return tokenCookie(inventedToken) }, 401, 1},
		{"no credential", func(*env) string { return "X: y" }, 401, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events := 0
				s := newEnv(t, func(c *sessionauth.Config) {
					c.CacheTTL = -1 // so that authenticating a second time would cause a call
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

func TestRequire_OfAnotherAuthenticator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := newEnv(t), newEnv(t) // the same project at two servers with different sessions
		for _, wrap := range []func(http.Handler) http.Handler{ours.Auth.Require, ours.Auth.Optional} {
			ours.Handler = wrap(theirs.Auth.Require(theirs.Next()))
			ours.Want(ours.Get(bearer(ours.Session.Token)), 401)
			ours.Handler = wrap(theirs.Auth.Optional(theirs.Next()))
			ours.Want(ours.Get(tokenCookie(ours.Session.Token)), 200)
		}
		theirs.WantPassed(2, "") // both requests passed without a user
		theirs.WantCalls(pathAuthenticate, 1)

		ours.Handler = theirs.Auth.Optional(ours.Auth.Require(ours.Next()))
		ours.Want(ours.Get(tokenCookie(ours.Session.Token)), 200)
		ours.Want(ours.Get(tokenCookie(theirs.Session.Token)), 401)
		ours.WantPassed(1, ours.Session.ID)
	})
}

func TestAuthenticate_OfAnotherAuthenticator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := newEnv(t), newEnv(t)
		ours.Handler = ours.Auth.Require(ours.Next())
		ours.Want(ours.Get(bearer(ours.Session.Token)), 200)
		if id, err := theirs.Auth.Authenticate(ours.Last()); err == nil {
			t.Errorf("got session %s of another Authenticator, want an error", id.Session.ID)
		}
	})
}

func TestRequire_IgnoresNewContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
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

		// An identity from NewContext is not trusted behind Optional either.
		s.Handler = s.Auth.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Auth.Require(s.Next()).ServeHTTP(w, r.WithContext(sessionauth.NewContext(r.Context(), id)))
		}))
		s.Want(s.Get(), 401)
		s.WantPassed(1, "")
	})
}

func TestRequire_NilHandler(t *testing.T) {
	s := newEnv(t)
	for name, wrap := range map[string]func(http.Handler) http.Handler{"Require": s.Auth.Require, "Optional": s.Auth.Optional} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one")
				}
			}()
			wrap(nil)
		})
	}
}

func TestRequire_VaryAndCacheControl(t *testing.T) {
	const own = "Cookie, Authorization"
	header := func(pairs ...string) func(http.Header) {
		return func(h http.Header) {
			for i := 0; i < len(pairs); i += 2 {
				h.Set(pairs[i], pairs[i+1])
			}
		}
	}
	for _, row := range []struct {
		name          string
		before, after func(http.Header) // set the header in front of Require and in the handler
		vary          []string
		cacheControl  string
	}{
		{"the handler sets nothing", header(), header(), []string{own}, "private"},
		{"the handler sets public", header(), header("Cache-Control", "public, max-age=60"), []string{own}, "public, max-age=60"},
		{"the handler sets no-store", header(), header("Cache-Control", "no-store"), []string{own}, "no-store"},
		{"no-cache is set in front", header("Cache-Control", "no-cache"), header(), []string{own}, "no-cache"},
		{"Vary is set in front", header("Vary", "Accept-Encoding"), header(), []string{"Accept-Encoding", own}, "private"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newEnv(t)
			guarded := s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { row.after(w.Header()) }))
			s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				row.before(w.Header())
				guarded.ServeHTTP(w, r)
			})
			for _, fields := range [][]string{{bearer(s.Session.JWT)}, {}} {
				resp := s.Get(fields...)
				want := row.cacheControl
				if resp.StatusCode == 401 {
					want = "no-store"
				}
				if got := resp.Header.Get("Cache-Control"); got != want {
					t.Errorf("%d: got Cache-Control %q, want %q", resp.StatusCode, got, want)
				}
				if got := resp.Header.Values("Vary"); !slices.Equal(got, row.vary) {
					t.Errorf("%d: got Vary %q, want %q", resp.StatusCode, got, row.vary)
				}
			}
		})
	}
}

func TestRequire_VaryOnce(t *testing.T) {
	s := newEnv(t)
	s.Handler = s.Auth.Optional(s.Auth.Require(s.Next()))
	if got := s.Get(bearer(s.Session.JWT)).Header.Values("Vary"); !slices.Equal(got, []string{"Cookie, Authorization"}) {
		t.Errorf("got Vary %q, want it once", got)
	}
}
