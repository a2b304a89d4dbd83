// Package authtest is the environment in which the tests of this module run. It consists of an
// in-memory Stytch, an Authenticator, a handler that records which requests passed, and a user who
// is signed in.
//
//	env := authtest.New(t)
//	env.Want(env.Get(authtest.Bearer(env.Session.JWT)), 200)
//	env.WantPassed(1, env.Session.ID)
//
// Header fields of requests are written as "Name: value". At the end of each test the environment
// checks that no secret was logged or observed.
package authtest

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The email address and the password of Env.User.
const (
	Email    = "ada@example.com"
	Password = "correct horse battery staple"
)

// The endpoints of Stytch, as used by Server.Calls and Server.SetFault.
const (
	PathAuthenticate = "/v1/sessions/authenticate"
	PathKeySet       = "/v1/sessions/jwks/{project_id}"
	PathPassword     = "/v1/passwords/authenticate"
	PathPolicy       = "/v1/rbac/policy"
	PathRevoke       = "/v1/sessions/revoke"
	PathUser         = "/v1/users/{user_id}"
)

// An Env is an in-memory Stytch, an Authenticator that uses it, and a session.
type Env struct {
	*stytchtest.Server
	T       *testing.T
	Config  sessionauth.Config // as passed to sessionauth.New
	Auth    *sessionauth.Authenticator
	Handler http.Handler // receives the requests; Require in front of Next, unless a test replaces it
	User    stytch.User  // has Email and Password
	Session stytchtest.Session
	Wire    *Wire
	Leaks   LeakCheck

	mu     sync.Mutex
	passed []string // session ids, in order
	last   *http.Request
}

// New returns a new Env. Each change edits the Config before it is passed to
// sessionauth.New.
func New(t *testing.T, changes ...func(*sessionauth.Config)) *Env {
	t.Helper()
	e := &Env{Server: stytchtest.NewServer(), T: t}
	e.Wire = &Wire{Next: e.Client().Transport}
	e.Config = sessionauth.Config{
		ProjectID: e.ProjectID, Secret: e.Secret, BaseURL: e.URL, HTTPClient: &http.Client{Transport: e.Wire},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&e.Config)
	}
	e.Leaks.Watch(&e.Config)
	t.Cleanup(func() { e.Leaks.Report(t) })
	e.Auth = e.newAuthenticator()
	e.Handler = e.Auth.Require(e.Next())
	e.SignInAs(stytchtest.User{Email: Email, Password: Password})
	return e
}

func (e *Env) newAuthenticator() *sessionauth.Authenticator {
	e.T.Helper()
	auth, err := sessionauth.New(e.Config)
	if err != nil {
		e.T.Fatal(err)
	}
	return auth
}

// SignInAs adds a user and starts a session. They become Env.User and Env.Session.
func (e *Env) SignInAs(u stytchtest.User) {
	e.User = e.AddUser(u)
	e.Session = e.StartSession(e.User.ID, stytchtest.SessionOptions{})
	for _, secret := range []string{u.Email, u.Password, e.Session.Token, e.Session.JWT} {
		e.Leaks.AddSecret(secret)
	}
}

// SignIn starts a session of another user, who has neither an email address nor
// a password.
func (e *Env) SignIn(opts stytchtest.SessionOptions) stytchtest.Session {
	return e.StartSession(e.AddUser(stytchtest.User{}).ID, opts)
}

// SignInMany starts n sessions, each for another user.
func (e *Env) SignInMany(n int) []stytchtest.Session {
	list := make([]stytchtest.Session, n)
	for i := range list {
		list[i] = e.SignIn(stytchtest.SessionOptions{})
	}
	return list
}

// Next returns a handler that records which session passed: the id of the session of the request,
// or "" if the request has none.
func (e *Env) Next() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id := ""
		if session, ok := sessionauth.SessionFromContext(r.Context()); ok {
			id = session.ID
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.passed, e.last = append(e.passed, id), r
	})
}

// Behind returns Next behind Require and these middlewares. The first middleware is the outermost.
func (e *Env) Behind(middlewares ...func(http.Handler) http.Handler) http.Handler {
	return e.Auth.Require(e.Wrap(middlewares...))
}

// Wrap returns Next behind these middlewares. The first middleware is the outermost.
func (e *Env) Wrap(middlewares ...func(http.Handler) http.Handler) http.Handler {
	h := e.Next()
	for _, m := range slices.Backward(middlewares) {
		h = m(h)
	}
	return h
}

// Fresh returns Next behind Require of a new Authenticator, whose cache is empty.
func (e *Env) Fresh() http.Handler {
	e.T.Helper()
	return e.newAuthenticator().Require(e.Next())
}

// Passed returns the ids of the sessions that reached Next, in order.
func (e *Env) Passed() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.passed)
}

// Last returns the last request that reached Next.
func (e *Env) Last() *http.Request {
	e.T.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.T.Fatal("got no request through, want one")
	}
	return e.last
}

// Expire waits until the JWT of Env.Session has expired and the leeway has passed. It must be
// called in a synctest bubble.
func (e *Env) Expire() { time.Sleep(6 * time.Minute) }

// SignJWT signs a JWT of Env.Session whose header and claims edit has changed.
func (e *Env) SignJWT(edit func(header, claims map[string]any)) string {
	header, claims := e.Header(), e.Claims(e.Session.ID)
	edit(header, claims)
	return e.Sign(JSON(header), JSON(claims))
}

// UnknownKeyJWT signs a JWT that was issued some time ago and names a key that does not exist.
func (e *Env) UnknownKeyJWT(kid string, ago time.Duration) string {
	return e.SignJWT(func(header, claims map[string]any) {
		issued := time.Now().Add(-ago)
		header["kid"] = kid
		claims["iat"], claims["nbf"], claims["exp"] = issued.Unix(), issued.Unix(), issued.Add(5*time.Minute).Unix()
	})
}

// ForgedJWT returns a JWT with a signature of zero bytes.
func ForgedJWT(header, claims map[string]any) string {
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(JSON(header)) + "." + b64.EncodeToString(JSON(claims)) + "." + b64.EncodeToString(make([]byte, 256))
}

// JSON encodes v, and panics if that fails.
func JSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// SessionOnly sets Config.SessionOnly.
func SessionOnly(c *sessionauth.Config) { c.SessionOnly = true }

// WriteBack sets Config.Cookies.WriteBack.
func WriteBack(c *sessionauth.Config) { c.Cookies.WriteBack = true }

// SlowOnly skips a test unless the build tag slow is set. Floods and simulated days take as long as
// hundreds of other tests.
func SlowOnly(t *testing.T) {
	t.Helper()
	if !Slow {
		t.Skip("takes long; run go test -tags slow")
	}
}

// SkipIfShort skips a test if the flag -short is set.
func SkipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
}
