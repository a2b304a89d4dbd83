package guard_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Short names for identifiers that most tests of this package use.
const (
	pathAuthenticate = authtest.PathAuthenticate
	pathPolicy       = authtest.PathPolicy
)

var (
	bearer      = authtest.Bearer
	sessionOnly = authtest.SessionOnly
)

// policy is the RBAC policy of every env.
var policy = stytch.Policy{Roles: []stytch.Role{
	{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"read"}}}},
	{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read", "write"}}}},
	{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"*"}}}},
}}

type middleware = func(http.Handler) http.Handler

// An env is an authtest.Env whose user is an editor and has just signed in with a password.
type env struct {
	*authtest.Env
	checked int // number of passes that wantAnswer has counted

	mu     sync.Mutex
	events []sessionauth.Event // events that Observe received
}

func newEnv(t *testing.T, changes ...func(*sessionauth.Config)) *env {
	t.Helper()
	s := &env{}
	observe := func(c *sessionauth.Config) {
		c.Observe = func(_ context.Context, e sessionauth.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		}
	}
	s.Env = authtest.New(t, append([]func(*sessionauth.Config){observe}, changes...)...)
	s.SetPolicy(policy)
	s.SetRoles(s.User.ID, "editor")
	s.Session = s.StartSession(s.User.ID, stytchtest.SessionOptions{})
	return s
}

// seen returns the context of the last request that passed.
func (s *env) seen() context.Context { return s.Last().Context() }

// get sends a GET request for a document.
func (s *env) get(h http.Handler, fields ...string) *http.Response {
	return s.DoTo(h, newRequest(fields...))
}

func newRequest(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example.com/documents/1", nil)
	authtest.AddFields(r.Header, fields...)
	return r
}

// carriers are the two ways in which a client sends a credential.
var carriers = []struct {
	name       string
	token, jwt func(credential string) string
}{
	{"header", bearer, bearer},
	{"cookie", authtest.TokenCookie, authtest.JWTCookie},
}

// want checks the status of a response, its Retry-After, and, if one is given, its challenge.
func (s *env) want(resp *http.Response, status int, challenge ...string) {
	s.T.Helper()
	got := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != status {
		s.T.Errorf("got status %d (%s), want %d", resp.StatusCode, got, status)
	}
	if len(challenge) > 0 && got != challenge[0] {
		s.T.Errorf("got challenge %q, want %q", got, challenge[0])
	}
	if retry := resp.Header.Get("Retry-After"); (retry != "") != (status == 503) {
		s.T.Errorf("got Retry-After %q with %d", retry, status)
	}
}

// wantPasses checks how many requests have passed so far.
func (s *env) wantPasses(n int) {
	s.T.Helper()
	if got := len(s.Passed()); got != n {
		s.T.Errorf("got %d requests passed, want %d", got, n)
	}
}

// replyWith returns a Tap that responds with status 200 and a body.
func replyWith(body string) authtest.Tap {
	return func(*http.Request, http.RoundTripper) (*http.Response, error) { return authtest.Reply(200, body), nil }
}

// everyGuard returns a guard of each kind. The user of an env passes all of them.
func everyGuard() map[string]middleware {
	return map[string]middleware{
		"Role":           guard.Role("editor"),
		"Permission":     guard.Permission("documents", "write"),
		"PermissionLive": guard.PermissionLive("documents", "write"),
		"Factor":         guard.Factor("password"),
		"Fresh":          guard.Fresh(10 * time.Minute),
		"Live":           guard.Live(),
	}
}

const (
	noCredential = `Bearer realm="api"`
	invalidToken = `Bearer realm="api", error="invalid_token"`
	forbidden    = `Bearer realm="api", error="insufficient_scope"`
	stepUp       = `Bearer realm="api", error="insufficient_user_authentication"`
)

func TestGuards_Answers(t *testing.T) {
	const (
		problem = `{"type":"https://github.com/sessionauth/sessionauth#`
		denied  = problem + `forbidden","title":"Not allowed","status":403`
		tooOld  = problem + `step-up","title":"Fresh authentication required","status":401}`
	)
	list := func(guards ...middleware) []middleware { return guards }
	rows := []struct {
		name      string
		guards    []middleware
		challenge string // empty if the request passes
		body      string
	}{
		{"a role the user has", list(guard.Role("editor")), "", ""},
		{"one of several roles", list(guard.Role("admin", "editor")), "", ""},
		{"a role every user has", list(guard.Role("stytch_user")), "", ""},
		{"193 a role the user lacks", list(guard.Role("admin")), forbidden, denied + `}`},
		{"193 several roles the user lacks", list(guard.Role("admin", "owner")), forbidden, denied + `}`},
		{"a permission the user has", list(guard.Permission("documents", "write")), "", ""},
		{"a permission of the default role", list(guard.Permission("notes", "read")), "", ""},
		{"a permission the user lacks", list(guard.Permission("documents", "delete")), forbidden, denied + `,"resource":"documents","action":"delete"}`},
		{"an unknown resource", list(guard.Permission("planets", "read")), forbidden, denied + `,"resource":"planets","action":"read"}`},
		{"a permission the user has, live", list(guard.PermissionLive("documents", "write")), "", ""},
		{"a permission the user lacks, live", list(guard.PermissionLive("documents", "delete")), forbidden, denied + `,"resource":"documents","action":"delete"}`},
		{"a factor the user has shown", list(guard.Factor("password")), "", ""},
		{"one of several factors", list(guard.Factor("totp", "password")), "", ""},
		{"a factor the user has not shown", list(guard.Factor("totp")), stepUp + `, acr_values="totp"`, tooOld},
		{"several factors the user has not shown", list(guard.Factor("totp", "webauthn")), stepUp + `, acr_values="totp webauthn"`, tooOld},
		{"a factor that is fresh", list(guard.Fresh(3 * time.Minute)), "", ""},
		{"a factor that is exactly as old as allowed, with Leeway", list(guard.Fresh(2*time.Minute - 5*time.Second)), "", ""},
		{"a factor that is too old", list(guard.Fresh(2*time.Minute - 6*time.Second)), stepUp + `, max_age="114"`, tooOld},
		{"a factor that is too old by less than a second", list(guard.Fresh(2*time.Minute - 5*time.Second - 1)), stepUp + `, max_age="115"`, tooOld},
		{"live", list(guard.Live()), "", ""},

		{"all that pass", list(guard.Live(), guard.Role("editor"), guard.Permission("documents", "read"), guard.PermissionLive("documents", "read"), guard.Factor("password"), guard.Fresh(time.Hour)), "", ""},
		{"the first of two refuses", list(guard.Role("admin"), guard.Fresh(time.Second)), forbidden, denied + `}`},
		{"the second of two refuses", list(guard.Permission("documents", "write"), guard.Fresh(time.Minute)), stepUp + `, max_age="60"`, tooOld},
		{"the last of many refuses", list(guard.Live(), guard.Role("editor"), guard.PermissionLive("documents", "read"), guard.Permission("documents", "delete")), forbidden, denied + `,"resource":"documents","action":"delete"}`},
	}
	for _, row := range rows {
		for wiring, wired := range wirings {
			t.Run(row.name+", "+wiring, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					h := wired(s, row.guards)
					time.Sleep(2 * time.Minute)
					for _, by := range carriers {
						s.wantAnswer(s.get(h, by.jwt(s.Session.JWT)), row.challenge, row.body)
						s.wantAnswer(s.get(h, by.token(s.Session.Token)), row.challenge, row.body)
					}
					s.want(s.get(h), 401, noCredential)
					s.want(s.get(h, bearer("a.b.c")), 401, invalidToken)
				})
			})
		}
	}
}

// wantAnswer checks a whole response. If the challenge is empty, the request must pass.
func (s *env) wantAnswer(resp *http.Response, challenge, body string) {
	s.T.Helper()
	raw, _ := io.ReadAll(resp.Body)
	if got := strings.TrimSpace(string(raw)); got != body {
		s.T.Errorf("got body %s, want %s", got, body)
	}
	passed := len(s.Passed())
	got := passed - s.checked
	s.checked = passed
	if challenge == "" {
		s.want(resp, 200, "")
		if got != 1 {
			s.T.Errorf("got %d requests passed, want 1", got)
		}
		return
	}
	status := 401
	if challenge == forbidden {
		status = 403
	}
	s.want(resp, status, challenge)
	if got != 0 {
		s.T.Errorf("got %d requests passed, want none", got)
	}
	if h := resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/problem+json" || h.Get("Vary") == "" {
		s.T.Errorf("got %v, want a problem that is not cacheable", h)
	}
}

// wirings are the ways to put guards in front of a route.
var wirings = map[string]func(*env, []middleware) http.Handler{
	"chi": func(s *env, guards []middleware) http.Handler {
		r := chi.NewRouter()
		r.Use(s.Auth.Require)
		r.With(guards...).Get("/documents/{id}", s.Next().ServeHTTP)
		return r
	},
	"chi, in a group": func(s *env, guards []middleware) http.Handler {
		r := chi.NewRouter()
		r.Group(func(r chi.Router) {
			r.Use(s.Auth.Require)
			r.Route("/documents", func(r chi.Router) {
				r.Use(guards...)
				r.Get("/{id}", s.Next().ServeHTTP)
			})
		})
		return r
	},
	"net/http": func(s *env, guards []middleware) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /documents/{id}", s.Wrap(guards...))
		return s.Auth.Require(mux)
	},
	"net/http, on the route alone": func(s *env, guards []middleware) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /documents/{id}", s.Behind(guards...))
		return mux
	},
	"behind Optional": func(s *env, guards []middleware) http.Handler {
		return s.Auth.Optional(s.Behind(guards...))
	},
}
