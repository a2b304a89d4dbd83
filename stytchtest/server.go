package stytchtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest/internal/api"
	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
	"github.com/sessionauth/sessionauth/stytchtest/internal/wire"
)

// A Server is an in-memory Stytch for one consumer project. Use NewServer to
// create a Server; the zero Server is not usable. A Server is safe for
// concurrent use by multiple goroutines. It starts no goroutine and holds no
// resource, so it has no Close method.
//
// Change the exported fields only before the first request and the first
// session. LockThreshold and LockDuration may also be changed between requests.
type Server struct {
	// ProjectID is the id of the project, and the user name with which calls
	// authenticate. If it begins with "project-live-", ids are those of the
	// live environment, and the sandbox values of Stytch are unknown. Otherwise
	// ids are those of the test environment.
	ProjectID string

	// Secret is the secret of the project, and the password with which calls
	// authenticate. The default is public, so it protects nothing.
	Secret string

	// URL is the base URL at which Client reaches the server, without a
	// trailing slash. The default has a host name that never resolves (RFC
	// 2606, section 2). If the server also listens on a socket, set URL to its
	// address.
	URL string

	// Issuer is the iss claim of session JWTs. If empty, it is
	// "stytch.com/<ProjectID>", as in JWTs that were minted through the API
	// hosts. In JWTs that were minted through a custom domain, iss is the URL
	// of that domain (confirmed by recorded JWTs).
	Issuer string

	// JWTLifetime is the time from the iat to the exp of a session JWT. A
	// fraction of a second is dropped. If zero, it is 5 minutes, the only
	// lifetime that Stytch uses (confirmed). If negative, JWTs are already
	// expired when they are minted.
	JWTLifetime time.Duration

	// LockThreshold is the number of consecutive wrong passwords that locks a
	// user. If zero, users are never locked. Stytch documents 10 as the default
	// of a project.
	LockThreshold int

	// LockDuration is how long a user stays locked. If zero, it is 1 hour, the
	// default that Stytch documents.
	LockDuration time.Duration

	mux       *http.ServeMux
	project   *state.Project
	api       *api.API
	traffic   traffic
	transport *wire.Transport
}

// NewServer returns a Server without users. Its policy contains only the role
// "stytch_user".
func NewServer() *Server {
	s := &Server{
		ProjectID: "project-test-7b9e4c52-3f0d-4a86-9d21-5e8c6f1a0b37",
		Secret:    "secret-test-kJ3vQ8xW2nR5tY7uB9mD4fG6hL1pS0aZ",
		URL:       "https://stytch.invalid",
		mux:       http.NewServeMux(),
	}
	s.project = state.New(s.settings)
	s.api = api.New(s.project, func() api.Credentials { return api.Credentials{ProjectID: s.ProjectID, Secret: s.Secret} })
	s.transport = &wire.Transport{Handler: s, BaseURL: func() string { return s.URL }}
	patterns := s.api.Patterns()
	s.traffic = newTraffic(patterns)
	for _, pattern := range patterns {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, pattern) })
	}
	s.mux.HandleFunc("/", s.notFound)
	return s
}

// settings returns the fields that the project depends on.
func (s *Server) settings() state.Settings {
	return state.Settings{
		ProjectID:     s.ProjectID,
		Issuer:        s.Issuer,
		JWTLifetime:   s.JWTLifetime,
		LockThreshold: s.LockThreshold,
		LockDuration:  s.LockDuration,
	}
}

// ServeHTTP responds to one call as Stytch would. See Calls for the endpoints.
// If a Fault needs a connection and the ResponseWriter has none, as with an
// httptest.ResponseRecorder, ServeHTTP panics.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Clean(r.URL.Path) != r.URL.Path || r.RequestURI == "*" {
		// The mux would respond with a redirect, or with an error that is not
		// JSON.
		s.notFound(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, pattern string) {
	fault := s.traffic.arrive(pattern)
	call := s.api.Receive(pattern, w, r)
	fault.reply(s.project, call).Send(w, r)
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.traffic.arrive("")
	s.api.NotFound().Send(w, r)
}

// Calls returns the number of calls of an endpoint that have arrived, whatever
// the response. The endpoint is named by its pattern:
//
//	/v1/sessions
//	/v1/sessions/authenticate
//	/v1/sessions/revoke
//	/v1/sessions/jwks/{project_id}
//	/v1/public/{project_id}/.well-known/jwks.json
//	/.well-known/jwks.json
//	/v1/passwords
//	/v1/passwords/authenticate
//	/v1/users/{user_id}
//	/v1/rbac/policy
//
// The empty pattern stands for all calls, including those of unknown paths.
// Calls panics if the pattern is unknown, because a test with a misspelt
// pattern could not fail.
func (s *Server) Calls(path string) int { return s.traffic.count(path) }

// SetFault sets the Fault for calls of an endpoint that arrive from now on,
// until the next SetFault for this endpoint. The endpoint is named by its
// pattern, as in Calls. The empty pattern stands for every endpoint that has no
// Fault of its own. The zero Fault removes the Fault of the pattern.
//
// SetFault panics if the pattern is unknown, if f contradicts itself, such as
// Hang with a Status, or if f cannot apply to the endpoint.
func (s *Server) SetFault(path string, f Fault) { s.traffic.set(path, f) }

// SetClock sets how far the server's clock is ahead of the system clock. If
// offset is negative, the clock is behind. If it is zero, the default, the
// clock shows the system time. The server uses its clock for sessions, JWTs and
// locks. Existing ones keep their times, so changing the clock may end a
// session or make it live again. The delays of a Fault do not depend on the
// clock.
func (s *Server) SetClock(offset time.Duration) { s.project.SetClock(offset) }

// Client returns an HTTP client that reaches this server at URL. Its transport
// calls ServeHTTP on the goroutine of the caller and opens no socket. A call to
// another scheme or host fails as if the name did not exist, and
// UnexpectedCalls lists it. If the context of a call ends first, the call fails
// with the error of the context.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.transport} }

// UnexpectedCalls returns the calls of Client to other hosts, in the form "POST
// https://bait.example/path". All of them failed. Such a call means that a
// client followed a redirect or has a wrong base URL.
func (s *Server) UnexpectedCalls() []string { return s.transport.Unexpected() }

// Format prints the project id only, because the other fields may change
// concurrently.
func (s *Server) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "stytchtest.Server{%s}", s.ProjectID)
}

// MarshalJSON returns what Format prints.
func (s *Server) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }
