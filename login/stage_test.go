package login_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/lookout"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	pathPassword     = "/v1/passwords/authenticate"
	pathAuthenticate = "/v1/sessions/authenticate"
	pathRevoke       = "/v1/sessions/revoke"
	pathPolicy       = "/v1/rbac/policy"

	adasEmail    = "ada@example.com"
	adasPassword = "correct horse battery staple"
	bobsEmail    = "bob@example.com"
	bobsPassword = "tr0ub4dor&3 and more"
	evesEmail    = "eve@example.com" // has no password

	tokenName = "stytch_session"
	jwtName   = "stytch_session_jwt"

	jsonType = "Content-Type: application/json"
	formType = "Content-Type: application/x-www-form-urlencoded"

	right   = `{"email":"` + adasEmail + `","password":"` + adasPassword + `"}`
	wrong   = `{"email":"` + adasEmail + `","password":"not Ada's password"}`
	problem = "https://github.com/sessionauth/sessionauth#"
)

var rightForm = url.Values{"email": {adasEmail}, "password": {adasPassword}}.Encode()

// A setup is what a test may change before the stage is built.
type setup struct {
	auth  sessionauth.Config
	login login.Config
}

// A stage is a Stytch, a site with the three handlers, and a browser on it.
type stage struct {
	*stytchtest.Server
	*browser
	t    *testing.T
	wire *wire
	log  *lookout.Log
	auth *sessionauth.Authenticator

	lookout lookout.Lookout

	ada, bob stytch.User
}

func newStage(t *testing.T, changes ...func(*setup)) *stage {
	t.Helper()
	s := &stage{Server: stytchtest.NewServer(), t: t, log: &lookout.Log{}}
	s.wire = &wire{next: s.Client().Transport}
	c := setup{auth: sessionauth.Config{
		ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: &http.Client{Transport: s.wire},
		Cookies: sessionauth.Cookies{WriteBack: true}, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}}
	for _, change := range changes {
		change(&c)
	}
	s.lookout.Over(&c.auth)
	t.Cleanup(func() { s.lookout.Report(t) })
	var err error
	if s.auth, err = sessionauth.New(c.auth); err != nil {
		t.Fatal(err)
	}
	c.login.Auth = s.auth
	h, err := login.New(c.login)
	if err != nil {
		t.Fatal(err)
	}
	s.browser = newBrowser(s.lookout.Before(s.mount(h)))
	s.ada = s.AddUser(stytchtest.User{Email: adasEmail, Password: adasPassword, Name: stytch.Name{FirstName: "Ada"}})
	s.bob = s.AddUser(stytchtest.User{Email: bobsEmail, Password: bobsPassword})
	s.AddUser(stytchtest.User{Email: evesEmail})
	for _, secret := range []string{adasEmail, adasPassword, bobsEmail, bobsPassword, evesEmail} {
		s.lookout.Keep(secret)
	}
	return s
}

// mount mounts the handlers as their package doc says; /bare is StepUp without
// Require in front, /fresh wants a factor of the last ten minutes.
func (s *stage) mount(h *login.Handlers) http.Handler {
	me := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := sessionauth.SessionFromContext(r.Context())
		_ = json.NewEncoder(w).Encode(session)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/login", h.Login)
	mux.HandleFunc("/logout", h.Logout)
	mux.Handle("/step-up", s.auth.Require(http.HandlerFunc(h.StepUp)))
	mux.HandleFunc("/bare", h.StepUp)
	mux.Handle("/me", s.auth.Require(me))
	mux.Handle("/fresh", s.auth.Require(guard.Fresh(10*time.Minute)(me)))
	return mux
}

// A browser keeps the cookies of https://app.example.com.
type browser struct {
	site http.Handler
	jar  *cookiejar.Jar
}

var home = &url.URL{Scheme: "https", Host: "app.example.com", Path: "/"}

func newBrowser(site http.Handler) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	return &browser{site, jar}
}

// other gives a browser of somebody else's on the same site.
func (b *browser) other() *browser { return newBrowser(b.site) }

func (b *browser) do(r *http.Request) *http.Response {
	for _, c := range b.jar.Cookies(home) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.site.ServeHTTP(w, r)
	resp := w.Result()
	b.jar.SetCookies(home, resp.Cookies())
	return resp
}

// send sends header fields ("Name: value") and, unless it is empty, a body.
func (b *browser) send(method, path, body string, fields ...string) *http.Response {
	return b.do(newRequest(method, path, body, fields...))
}

func (b *browser) get(path string, fields ...string) *http.Response {
	return b.send("GET", path, "", fields...)
}

func (b *browser) postJSON(path, body string, fields ...string) *http.Response {
	return b.send("POST", path, body, append(fields, jsonType)...)
}

func (b *browser) postForm(path, body string, fields ...string) *http.Response {
	return b.send("POST", path, body, append(fields, formType)...)
}

// hold puts the cookies of a session into the browser; empty ones are left out.
func (b *browser) hold(token, jwt string) {
	for name, value := range map[string]string{tokenName: token, jwtName: jwt} {
		if value != "" {
			b.jar.SetCookies(home, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
		}
	}
}

// cookie gives the value of the browser's cookie, or nothing.
func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(home) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func newRequest(method, path, body string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.TLS = home.Host, &tls.ConnectionState{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// want checks an answer's status.
func (s *stage) want(resp *http.Response, status int) {
	s.t.Helper()
	if resp.StatusCode != status {
		s.t.Errorf("got status %d, want %d: %s", resp.StatusCode, status, peek(resp))
	}
}

// challenges are what a client is asked for, by problem. A body that is malformed
// is no matter of credentials, and no other credential helps another site.
var challenges = map[string]string{
	"no-credential":   `Bearer realm="api"`,
	"sign-in-refused": `Bearer realm="api"`,
	"invalid-session": `Bearer realm="api", error="invalid_token"`,
	"forbidden":       `Bearer realm="api", error="insufficient_scope"`,
}

// badCredential is the challenge to a credential that is malformed.
const badCredential = `Bearer realm="api", error="invalid_request"`

// wantProblem checks status, type and challenge of a refusal. The challenge is
// the problem's, or the one that is given.
func (s *stage) wantProblem(resp *http.Response, status int, kind string, challenge ...string) {
	s.t.Helper()
	s.want(resp, status)
	var body struct {
		Type   string
		Status int
	}
	if err := json.Unmarshal([]byte(peek(resp)), &body); err != nil || body.Type != problem+kind || body.Status != status {
		s.t.Errorf("got problem %+v (%v), want %d %s", body, err, status, kind)
	}
	want := append(challenge, challenges[kind])[0]
	if got := resp.Header.Get("WWW-Authenticate"); got != want {
		s.t.Errorf("got %d with the challenge %q, want %q", status, got, want)
	}
	if got := resp.Header.Get("Retry-After"); (got != "") != (status == 503 || status == 429) {
		s.t.Errorf("got %d with Retry-After %q, want one with 503 and 429 only", status, got)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		s.t.Errorf("got Content-Type %q, want application/problem+json", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		s.t.Errorf("got Cache-Control %q, want no-store", got)
	}
}

// wantUntouched checks that an answer sets and clears no cookie.
func (s *stage) wantUntouched(resp *http.Response) {
	s.t.Helper()
	if got := resp.Header["Set-Cookie"]; len(got) != 0 {
		s.t.Errorf("got Set-Cookie of %d cookies, want none", len(got))
	}
}

// wantCleared checks that an answer removes both cookies, and the browser has
// none.
func (s *stage) wantCleared(b *browser, resp *http.Response) {
	s.t.Helper()
	if got := setCookies(resp); len(got) != 2 || b.cookie(tokenName) != "" || b.cookie(jwtName) != "" {
		s.t.Errorf("got %q and %v left, want both cookies cleared", got, b.jar.Cookies(home))
	}
}

// wantCalls checks how often an endpoint was called so far.
func (s *stage) wantCalls(path string, n int) {
	s.t.Helper()
	if got := s.Calls(path); got != n {
		s.t.Errorf("got %d calls of %s, want %d", got, path, n)
	}
}

// wantAlive checks whether Stytch would still accept a session.
func (s *stage) wantAlive(token string, alive bool) {
	s.t.Helper()
	client, err := stytch.NewClient(stytch.Config{ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: s.Client()})
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = client.AuthenticateSession(s.t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
	if (err == nil) != alive {
		s.t.Errorf("got %v from Stytch, want a session alive: %t", err, alive)
	}
}

// session reads the session out of an answer of /me.
func (s *stage) session(resp *http.Response) *stytch.Session {
	s.t.Helper()
	s.want(resp, 200)
	var session stytch.Session
	if err := json.Unmarshal([]byte(peek(resp)), &session); err != nil {
		s.t.Fatal(err)
	}
	return &session
}

// peek gives an answer's body and leaves it there.
func peek(resp *http.Response) string {
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return string(b)
}

// setCookies gives an answer's Set-Cookie fields, their values cut off.
func setCookies(resp *http.Response) []string {
	var all []string
	for _, field := range resp.Header["Set-Cookie"] {
		name, rest, _ := strings.Cut(field, "=")
		_, attributes, _ := strings.Cut(rest, "; ")
		all = append(all, name+"; "+attributes)
	}
	return all
}

// A wire carries the calls to Stytch. It keeps what was sent to the passwords
// endpoint, and a test may tap it.
type wire struct {
	next http.RoundTripper

	mu        sync.Mutex
	prefix    string
	tap       tap
	passwords []map[string]any
}

// A tap stands between the Authenticator and Stytch.
type tap func(r *http.Request, stytch http.RoundTripper) (*http.Response, error)

// tap puts f between for calls of paths with this prefix; nil takes it away.
func (s *stage) tap(prefix string, f tap) {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	s.wire.prefix, s.wire.tap = prefix, f
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	prefix, f := w.prefix, w.tap
	w.mu.Unlock()
	if r.URL.Path == pathPassword {
		w.keep(r)
	}
	if f == nil || !strings.HasPrefix(r.URL.Path, prefix) {
		return w.next.RoundTrip(r)
	}
	return f(r, w.next)
}

func (w *wire) keep(r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passwords = append(w.passwords, body)
}

// sent gives what the passwords endpoint was sent last, or nil.
func (s *stage) sent() map[string]any {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	if len(s.wire.passwords) == 0 {
		return nil
	}
	return s.wire.passwords[len(s.wire.passwords)-1]
}

// reply is an answer of nobody's: status, body, and header fields.
func reply(status int, body string, fields ...string) *http.Response {
	w := httptest.NewRecorder()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		w.Header().Add(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
	return w.Result()
}

// wantErrors checks how many errors were logged so far.
func (s *stage) wantErrors(n int) {
	s.t.Helper()
	text := s.log.String()
	if got := strings.Count(text, "level=ERROR"); got != n {
		s.t.Errorf("got %d errors in the log, want %d:\n%s", got, n, text)
	}
}
