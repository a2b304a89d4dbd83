package guard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/lookout"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	pathAuthenticate = "/v1/sessions/authenticate"
	pathPolicy       = "/v1/rbac/policy"
	password         = "correct horse battery staple"
)

// policy is what the stage begins with. Ada is an editor.
var policy = stytch.Policy{Roles: []stytch.Role{
	{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"read"}}}},
	{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read", "write"}}}},
	{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"*"}}}},
}}

type middleware = func(http.Handler) http.Handler

// A stage is an in-memory Stytch, an Authenticator, and Ada, who signed in with
// her password a moment ago.
type stage struct {
	*stytchtest.Server
	t       *testing.T
	auth    *sessionauth.Authenticator
	user    stytch.User
	session stytchtest.Session
	wire    *wire
	lookout lookout.Lookout

	mu      sync.Mutex
	reached int // how many requests got through
	last    *http.Request
	events  []sessionauth.Event
}

func newStage(t *testing.T, changes ...func(*sessionauth.Config)) *stage {
	t.Helper()
	s := &stage{Server: stytchtest.NewServer(), t: t}
	s.SetPolicy(policy)
	s.wire = &wire{next: s.Client().Transport}
	config := sessionauth.Config{
		ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: &http.Client{Transport: s.wire},
		Logger: slog.New(slog.DiscardHandler),
		Observe: func(_ context.Context, e sessionauth.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	}
	for _, change := range changes {
		change(&config)
	}
	s.lookout.Over(&config)
	t.Cleanup(func() { s.lookout.Report(t) })
	extractor := config.Extractor
	if extractor == nil {
		extractor = sessionauth.FirstOf(sessionauth.FromBearer, sessionauth.FromCookies("stytch_session", "stytch_session_jwt"))
	}
	config.Extractor = func(r *http.Request) (sessionauth.Credential, error) {
		s.lookout.Sent(r.Header)
		return extractor(r)
	}
	auth, err := sessionauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.auth = auth
	s.user = s.AddUser(stytchtest.User{Email: "ada@example.com", Password: password, Roles: []string{"editor"}})
	s.session = s.StartSession(s.user.ID, stytchtest.SessionOptions{})
	for _, secret := range []string{"ada@example.com", password, s.session.Token, s.session.JWT} {
		s.lookout.Keep(secret)
	}
	return s
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached++
	s.last = r
}

// seen is the context of the request that got through last.
func (s *stage) seen() context.Context {
	s.t.Helper()
	if s.last == nil {
		s.t.Fatal("got nobody through, want somebody")
	}
	return s.last.Context()
}

// guarded is the stage's own handler behind these guards, the first outermost.
func (s *stage) guarded(guards ...middleware) http.Handler {
	var h http.Handler = http.HandlerFunc(s.ServeHTTP)
	for _, g := range slices.Backward(guards) {
		h = g(h)
	}
	return h
}

// behind is guarded behind the Authenticator's Require.
func (s *stage) behind(guards ...middleware) http.Handler {
	return s.auth.Require(s.guarded(guards...))
}

func get(h http.Handler, fields ...string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, newRequest(fields...))
	return w.Result()
}

func newRequest(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example.com/documents/1", nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func bearer(credential string) string { return "Authorization: Bearer " + credential }

// carriers are the two ways in which a credential travels.
var carriers = []struct {
	name       string
	token, jwt func(credential string) string
}{
	{"header", bearer, bearer},
	{"cookie", func(token string) string { return "Cookie: stytch_session=" + token }, func(jwt string) string { return "Cookie: stytch_session_jwt=" + jwt }},
}

// together sends the same request n times at once.
func together(n int, h http.Handler, fields ...string) []*http.Response {
	answers := make([]*http.Response, n)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = get(h, fields...) })
	}
	wg.Wait()
	return answers
}

// want checks an answer's status, and its challenge if one is given.
func (s *stage) want(resp *http.Response, status int, challenge ...string) {
	s.t.Helper()
	got := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != status {
		s.t.Errorf("got status %d (%s), want %d", resp.StatusCode, got, status)
	}
	if len(challenge) > 0 && got != challenge[0] {
		s.t.Errorf("got challenge %q, want %q", got, challenge[0])
	}
	if retry := resp.Header.Get("Retry-After"); (retry != "") != (status == 503) {
		s.t.Errorf("got Retry-After %q with %d", retry, status)
	}
}

func (s *stage) wantCalls(path string, n int) {
	s.t.Helper()
	if got := s.Calls(path); got != n {
		s.t.Errorf("got %d calls of %s, want %d", got, path, n)
	}
}

func (s *stage) wantReached(n int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reached != n {
		s.t.Errorf("got %d requests through, want %d", s.reached, n)
	}
}

// A wire carries the Authenticator's calls to Stytch. A test may tap it.
type wire struct {
	next http.RoundTripper

	mu  sync.Mutex
	tap tap
}

type tap func(r *http.Request, stytch http.RoundTripper) (*http.Response, error)

// tap puts f between for calls of this path; nil takes it away.
func (s *stage) tap(path string, f tap) {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	s.wire.tap = nil
	if f != nil {
		s.wire.tap = func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			if r.URL.Path != path {
				return stytch.RoundTrip(r)
			}
			return f(r, stytch)
		}
	}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	f := w.tap
	w.mu.Unlock()
	if f == nil {
		return w.next.RoundTrip(r)
	}
	return f(r, w.next)
}

func reply(body string) tap {
	return func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func sessionOnly(c *sessionauth.Config) { c.SessionOnly = true }

// everyGuard is one of each kind, and lets Ada pass.
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

func TestGuards(t *testing.T) {
	const (
		problem = `{"type":"https://github.com/sessionauth/sessionauth#`
		denied  = problem + `forbidden","title":"Not allowed","status":403`
		tooOld  = problem + `step-up","title":"Fresh authentication required","status":401}`
	)
	list := func(guards ...middleware) []middleware { return guards }
	rows := []struct {
		name      string
		guards    []middleware
		challenge string // empty for a pass
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
		{"a resource nobody has heard of", list(guard.Permission("planets", "read")), forbidden, denied + `,"resource":"planets","action":"read"}`},
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
					s := newStage(t)
					h := wired(s, row.guards)
					time.Sleep(2 * time.Minute)
					for _, by := range carriers {
						s.wantAnswer(get(h, by.jwt(s.session.JWT)), row.challenge, row.body)
						s.wantAnswer(get(h, by.token(s.session.Token)), row.challenge, row.body)
					}
					s.want(get(h), 401, noCredential)
					s.want(get(h, bearer("a.b.c")), 401, invalidToken)
				})
			})
		}
	}
}

// wantAnswer checks a whole answer: a pass if there is no challenge.
func (s *stage) wantAnswer(resp *http.Response, challenge, body string) {
	s.t.Helper()
	raw, _ := io.ReadAll(resp.Body)
	if got := strings.TrimSpace(string(raw)); got != body {
		s.t.Errorf("got body %s, want %s", got, body)
	}
	s.mu.Lock()
	got := s.reached
	s.reached = 0
	s.mu.Unlock()
	if challenge == "" {
		s.want(resp, 200, "")
		if got != 1 {
			s.t.Errorf("got %d requests through, want 1", got)
		}
		return
	}
	status := 401
	if challenge == forbidden {
		status = 403
	}
	s.want(resp, status, challenge)
	if got != 0 {
		s.t.Errorf("got %d requests through, want none", got)
	}
	if h := resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/problem+json" || h.Get("Vary") == "" {
		s.t.Errorf("got %v, want a problem that no cache keeps", h)
	}
}

// wirings are the ways to put guards in front of a route.
var wirings = map[string]func(*stage, []middleware) http.Handler{
	"chi": func(s *stage, guards []middleware) http.Handler {
		r := chi.NewRouter()
		r.Use(s.auth.Require)
		r.With(guards...).Get("/documents/{id}", s.ServeHTTP)
		return r
	},
	"chi, in a group": func(s *stage, guards []middleware) http.Handler {
		r := chi.NewRouter()
		r.Group(func(r chi.Router) {
			r.Use(s.auth.Require)
			r.Route("/documents", func(r chi.Router) {
				r.Use(guards...)
				r.Get("/{id}", s.ServeHTTP)
			})
		})
		return r
	},
	"net/http": func(s *stage, guards []middleware) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /documents/{id}", s.guarded(guards...))
		return s.auth.Require(mux)
	},
	"net/http, on the route alone": func(s *stage, guards []middleware) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /documents/{id}", s.behind(guards...))
		return mux
	},
	"behind Optional": func(s *stage, guards []middleware) http.Handler {
		return s.auth.Optional(s.behind(guards...))
	},
}
