package outagetest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Short names for identifiers that most tests of this package use.
const (
	pathAuthenticate = authtest.PathAuthenticate
	pathKeySet       = authtest.PathKeySet
	pathPassword     = authtest.PathPassword
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

	want503r = authtest.Unavailable
)

func jwtOf(s *env) string   { return bearer(s.Session.JWT) }
func tokenOf(s *env) string { return bearer(s.Session.Token) }

// Functions that return a fault with parameters.

func status(code int) stytchtest.Fault { return stytchtest.Fault{Status: code} }

func tooMany(retryAfter string) stytchtest.Fault {
	return stytchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {retryAfter}}}
}

func errorOf(code int, errorType string) stytchtest.Fault {
	return stytchtest.Fault{Status: code, ErrorType: errorType}
}

// staleFor returns a change that sets Config.StaleIfError.
func staleFor(d time.Duration) func(*sessionauth.Config) {
	return func(c *sessionauth.Config) { c.StaleIfError = d }
}

// keepSignedIn replaces Env.Session by a session that outlives the test.
func keepSignedIn(s *env) {
	s.Session = s.SignIn(stytchtest.SessionOptions{Duration: 60 * 24 * time.Hour})
}

func signInOf(password string) stytch.AuthenticatePasswordParams {
	return stytch.AuthenticatePasswordParams{Email: authtest.Email, Password: password, SessionDuration: time.Hour}
}

// everyOf returns short, and long with the build tag slow. Tests use it to sign fewer JWTs, because
// signing takes most of their time.
func everyOf(short, long int) int {
	if authtest.Slow {
		return long
	}
	return short
}

var crowds sync.Map // maps *env to []stytchtest.Session

// sessions returns thirty live sessions of thirty users. It returns the same sessions for each
// call.
func sessions(s *env) []stytchtest.Session {
	if crowd, ok := crowds.Load(s); ok {
		return crowd.([]stytchtest.Session)
	}
	crowd := s.SignInMany(30)
	crowds.Store(s, crowd)
	s.T.Cleanup(func() { crowds.Delete(s) })
	return crowd
}

// An endpointUser is a request that causes one call of an endpoint that has a circuit breaker.
type endpointUser struct {
	name, path string
	field      func(s *env, i int) string // header field of the request of session i
}

var endpointUsers = []endpointUser{
	{"sessions", pathAuthenticate, func(s *env, i int) string { return bearer(sessions(s)[i].JWT) }},
	{"unverified sessions", pathAuthenticate, func(s *env, i int) string { return bearer(sessions(s)[i].Token) }},
	{"users", pathUser, func(s *env, i int) string { return bearer(s.JWT(sessions(s)[i].ID)) }},
}

// wantNot200 checks that a request did not pass.
func wantNot200(t *testing.T, resp *http.Response, problem string) {
	t.Helper()
	if resp.StatusCode == http.StatusOK {
		t.Errorf("got status 200: %s", problem)
	}
}
