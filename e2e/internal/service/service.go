// Package service is a small service for tests with proxies and browsers. It has
// an in-memory Stytch and listens on a loopback address without TLS, as services
// behind a proxy do.
package service

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The users, and their common password. Their session JWTs differ in size.
const (
	Ada      = "ada@example.com"   // about 1 KB
	Full     = "full@example.com"  // just fits in a cookie
	Large    = "large@example.com" // about 5 KB, too large for a cookie
	Password = "correct horse battery staple"
)

// The names of the session cookies.
const (
	TokenCookie = "stytch_session"
	JWTCookie   = "stytch_session_jwt"
)

// Host is the public host name of the service.
const Host = "app.example.com"

// claimSize is the size of the custom claim in the sessions of a user.
var claimSize = map[string]int{Full: 2040, Large: 3000}

// A Service is a running service.
type Service struct {
	URL     string // http://127.0.0.1:port
	Handler http.Handler
	Stytch  *stytchtest.Server

	users map[string]string // e-mail address → user id
	slow  slow

	mu      sync.Mutex
	reasons []sessionauth.Reason // reasons for which requests were refused
}

// Start starts a service that stops when the test ends.
func Start(t testing.TB) *Service {
	t.Helper()
	return start(t, "")
}

// StartBelow starts a service that its proxy publishes below a prefix. The proxy removes the prefix
// from the path, and the service puts it back.
func StartBelow(t testing.TB, prefix string) *Service {
	t.Helper()
	return start(t, prefix)
}

func start(t testing.TB, prefix string) *Service {
	t.Helper()
	s := &Service{Stytch: stytchtest.NewServer(), users: map[string]string{}, slow: slow{make(chan struct{}), make(chan struct{})}}
	for _, email := range []string{Ada, Full, Large} {
		s.users[email] = s.Stytch.AddUser(stytchtest.User{Email: email, Password: Password}).ID
	}
	auth, down := s.authenticator(t, s.Stytch.Client(), prefix), s.authenticator(t, &http.Client{Transport: unreachable{}}, prefix)
	h, err := login.New(login.Config{Auth: auth, Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = below(prefix, s.routes(auth, down, h))
	srv := httptest.NewServer(s.Handler)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// below puts back a prefix that a proxy has removed from the path.
func below(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context()) // copies the request
		r.RequestURI = prefix + r.RequestURI
		next.ServeHTTP(w, r)
	})
}

func (s *Service) authenticator(t testing.TB, client *http.Client, prefix string) *sessionauth.Authenticator {
	t.Helper()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: s.Stytch.ProjectID, Secret: s.Stytch.Secret, BaseURL: s.Stytch.URL, HTTPClient: client,
		Cookies:      sessionauth.Cookies{WriteBack: true},
		ErrorHandler: login.RedirectTo(prefix + "/login"),
		Observe:      s.observe,
	})
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// unreachable is an HTTP transport that cannot reach Stytch.
type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

// claims returns the custom claims of the sessions of a user.
func claims(_ *http.Request, u *stytch.User) map[string]any {
	size := claimSize[u.Emails[0].Email]
	if size == 0 {
		return nil
	}
	return map[string]any{"claim": strings.Repeat("x", size)}
}

// Session starts a session of a user who does not sign in through the service.
func (s *Service) Session(email string) stytchtest.Session {
	options := stytchtest.SessionOptions{}
	if size := claimSize[email]; size > 0 {
		options.CustomClaims = map[string]any{"claim": strings.Repeat("x", size)}
	}
	return s.Stytch.StartSession(s.users[email], options)
}

// ExpiredJWT returns an expired JWT of a live session. Require refreshes it.
func (s *Service) ExpiredJWT(t testing.TB, sessionID string) string {
	t.Helper()
	return s.expired(t, s.Stytch.Claims(sessionID))
}

// SmallExpiredJWT returns an expired JWT from before the session had custom claims.
func (s *Service) SmallExpiredJWT(t testing.TB, sessionID string) string {
	t.Helper()
	claims := s.Stytch.Claims(sessionID)
	delete(claims, "claim")
	return s.expired(t, claims)
}

func (s *Service) expired(t testing.TB, claims map[string]any) string {
	t.Helper()
	for _, name := range []string{"iat", "nbf", "exp"} {
		claims[name] = claims[name].(int64) - int64(10*time.Minute/time.Second)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	header, err := json.Marshal(s.Stytch.Header())
	if err != nil {
		t.Fatal(err)
	}
	return s.Stytch.Sign(header, payload)
}
