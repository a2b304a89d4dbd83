package login_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
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
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Short names for identifiers that most tests of this package use.
const (
	pathPassword     = authtest.PathPassword
	pathAuthenticate = authtest.PathAuthenticate
	pathRevoke       = authtest.PathRevoke
	pathPolicy       = authtest.PathPolicy

	adasEmail    = authtest.Email
	adasPassword = authtest.Password
	bobsEmail    = "bob@example.com"
	bobsPassword = "tr0ub4dor&3 and more"
	evesEmail    = "eve@example.com" // Eve has no password

	tokenName = "stytch_session"
	jwtName   = "stytch_session_jwt"

	jsonType = "Content-Type: application/json"
	formType = "Content-Type: application/x-www-form-urlencoded"

	right   = `{"email":"` + adasEmail + `","password":"` + adasPassword + `"}`
	wrong   = `{"email":"` + adasEmail + `","password":"not Ada's password"}`
	problem = "https://github.com/sessionauth/sessionauth#"
)

var rightForm = url.Values{"email": {adasEmail}, "password": {adasPassword}}.Encode()

// A setup is the configuration that a test may change before the Authenticator and the Handlers are
// made.
type setup struct {
	auth  sessionauth.Config
	login login.Config
}

// An env is an authtest.Env together with a site that has the three handlers, and a browser.
// Env.User is Ada.
type env struct {
	*authtest.Env
	*browser
	log      authtest.Log
	requests passwordRequests
	ada, bob stytch.User
}

func newEnv(t *testing.T, changes ...func(*setup)) *env {
	t.Helper()
	var s env
	var c setup
	s.Env = authtest.New(t, func(config *sessionauth.Config) {
		config.Cookies.WriteBack = true
		s.log.Record(config)
		s.requests.next = config.HTTPClient.Transport
		config.HTTPClient = &http.Client{Transport: &s.requests}
		c.auth = *config
		for _, change := range changes {
			change(&c)
		}
		*config = c.auth
	})
	c.login.Auth = s.Auth
	h, err := login.New(c.login)
	if err != nil {
		t.Fatal(err)
	}
	s.browser = newBrowser(s.Leaks.Middleware(s.mount(h)))
	s.ada = s.User
	s.bob = s.AddUser(stytchtest.User{Email: bobsEmail, Password: bobsPassword})
	s.AddUser(stytchtest.User{Email: evesEmail})
	for _, secret := range []string{bobsEmail, bobsPassword, evesEmail} {
		s.Leaks.AddSecret(secret)
	}
	return &s
}

// mount mounts the handlers as the package documentation shows. /bare is StepUp without Require.
// /fresh requires a factor from the last ten minutes.
func (s *env) mount(h *login.Handlers) http.Handler {
	me := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := sessionauth.SessionFromContext(r.Context())
		_ = json.NewEncoder(w).Encode(session)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/login", h.Login)
	mux.HandleFunc("/logout", h.Logout)
	mux.Handle("/step-up", s.Auth.Require(http.HandlerFunc(h.StepUp)))
	mux.HandleFunc("/bare", h.StepUp)
	mux.Handle("/me", s.Auth.Require(me))
	mux.Handle("/fresh", s.Auth.Require(guard.Fresh(10*time.Minute)(me)))
	return mux
}

// A browser stores the cookies of https://app.example.com.
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

// other returns another browser on the same site.
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

// send sends a request with header fields ("Name: value"). If body is not empty, the request has
// this body.
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

// hold stores the cookies of a session in the browser. An empty value is not stored.
func (b *browser) hold(token, jwt string) {
	for name, value := range map[string]string{tokenName: token, jwtName: jwt} {
		if value != "" {
			b.jar.SetCookies(home, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
		}
	}
}

// cookie returns the value of a cookie of the browser, or "".
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
	authtest.AddFields(r.Header, fields...)
	return r
}

// want checks the status of a response.
func (s *env) want(resp *http.Response, status int) {
	s.T.Helper()
	if resp.StatusCode != status {
		s.T.Errorf("got status %d, want %d: %s", resp.StatusCode, status, peek(resp))
	}
}

// challenges lists the value of WWW-Authenticate for each problem. Other problems have no
// challenge, because another credential would not help.
var challenges = map[string]string{
	"no-credential":   `Bearer realm="api"`,
	"sign-in-refused": `Bearer realm="api"`,
	"invalid-session": `Bearer realm="api", error="invalid_token"`,
	"forbidden":       `Bearer realm="api", error="insufficient_scope"`,
}

// badCredential is the challenge for a malformed credential.
const badCredential = `Bearer realm="api", error="invalid_request"`

// wantProblem checks the status, the type and the challenge of a refusal. If no challenge is given,
// the one in challenges is expected.
func (s *env) wantProblem(resp *http.Response, status int, kind string, challenge ...string) {
	s.T.Helper()
	s.want(resp, status)
	var body struct {
		Type   string
		Status int
	}
	if err := json.Unmarshal([]byte(peek(resp)), &body); err != nil || body.Type != problem+kind || body.Status != status {
		s.T.Errorf("got problem %+v (%v), want %d %s", body, err, status, kind)
	}
	want := append(challenge, challenges[kind])[0]
	if got := resp.Header.Get("WWW-Authenticate"); got != want {
		s.T.Errorf("got %d with the challenge %q, want %q", status, got, want)
	}
	if got := resp.Header.Get("Retry-After"); (got != "") != (status == 503 || status == 429) {
		s.T.Errorf("got %d with Retry-After %q, want one with 503 and 429 only", status, got)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		s.T.Errorf("got Content-Type %q, want application/problem+json", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		s.T.Errorf("got Cache-Control %q, want no-store", got)
	}
}

// wantUntouched checks that a response neither sets nor removes a cookie.
func (s *env) wantUntouched(resp *http.Response) {
	s.T.Helper()
	if got := resp.Header["Set-Cookie"]; len(got) != 0 {
		s.T.Errorf("got Set-Cookie of %d cookies, want none", len(got))
	}
}

// wantCleared checks that a response removes both cookies, and that the browser has none
// afterwards.
func (s *env) wantCleared(b *browser, resp *http.Response) {
	s.T.Helper()
	if got := setCookies(resp); len(got) != 2 || b.cookie(tokenName) != "" || b.cookie(jwtName) != "" {
		s.T.Errorf("got %q and %v left, want both cookies cleared", got, b.jar.Cookies(home))
	}
}

// wantAlive checks whether Stytch still accepts a session.
func (s *env) wantAlive(token string, alive bool) {
	s.T.Helper()
	client, err := stytch.NewClient(stytch.Config{ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: s.Client()})
	if err != nil {
		s.T.Fatal(err)
	}
	_, err = client.AuthenticateSession(s.T.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
	if (err == nil) != alive {
		s.T.Errorf("got %v from Stytch, want a session alive: %t", err, alive)
	}
}

// session returns the session in a response of /me.
func (s *env) session(resp *http.Response) *stytch.Session {
	s.T.Helper()
	s.want(resp, 200)
	var session stytch.Session
	if err := json.Unmarshal([]byte(peek(resp)), &session); err != nil {
		s.T.Fatal(err)
	}
	return &session
}

// peek returns the body of a response. The body can be read again afterwards.
func peek(resp *http.Response) string {
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return string(b)
}

// setCookies returns the Set-Cookie fields of a response without the cookie values.
func setCookies(resp *http.Response) []string {
	var all []string
	for _, field := range resp.Header["Set-Cookie"] {
		name, rest, _ := strings.Cut(field, "=")
		_, attributes, _ := strings.Cut(rest, "; ")
		all = append(all, name+"; "+attributes)
	}
	return all
}

// passwordRequests is a transport that records the requests to the passwords endpoint.
type passwordRequests struct {
	next http.RoundTripper

	mu     sync.Mutex
	bodies []map[string]any
}

func (p *passwordRequests) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == pathPassword {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
		var body map[string]any
		if err := json.Unmarshal(raw, &body); err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.bodies = append(p.bodies, body)
		p.mu.Unlock()
	}
	return p.next.RoundTrip(r)
}

// sent returns the last request to the passwords endpoint, or nil if there was none.
func (s *env) sent() map[string]any {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	if len(s.requests.bodies) == 0 {
		return nil
	}
	return s.requests.bodies[len(s.requests.bodies)-1]
}

// wantErrors checks how many errors were logged so far.
func (s *env) wantErrors(n int) {
	s.T.Helper()
	s.log.WantErrors(s.T, n)
}
