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

// A Server is an in-memory Stytch for one consumer project. NewServer returns
// one; the zero Server is not usable. A Server may be used by several goroutines
// at once. It starts no goroutine and holds no resource, so there is nothing to
// close.
//
// Change the exported fields before the first request and the first session
// only. LockThreshold and LockDuration may also be changed between requests.
type Server struct {
	// ProjectID is the id of the project, and the user name with which calls
	// authenticate. If it begins with "project-live-", all ids are those of
	// the live environment and the sandbox values of Stytch are
	// unknown; with any other id they are those of the test environment.
	ProjectID string

	// Secret is the secret of the project, and the password with which calls
	// authenticate. The default is public: it protects nothing.
	Secret string

	// URL is the base URL at which Client reaches the server, without a slash
	// at its end. The default has a host name that never resolves (RFC 2606,
	// section 2). If the server also listens on a socket, set URL to its
	// address.
	URL string

	// Issuer is the iss claim of session JWTs. If empty, it is
	// "stytch.com/<ProjectID>", as in JWTs minted through the API hosts. JWTs
	// minted through a custom domain have the URL of that domain instead
	// (confirmed by recorded JWTs).
	Issuer string

	// JWTLifetime is the time from the iat to the exp of a session JWT; a
	// fraction of a second is dropped. If zero, it is 5 minutes, the only
	// lifetime that Stytch has (confirmed). If negative, JWTs have expired when
	// they are minted.
	JWTLifetime time.Duration

	// LockThreshold is the number of wrong passwords in a row that locks a user.
	// If zero, no user is ever locked. Stytch documents 10 as the default of a
	// project; a Server locks only in tests that ask for it.
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

// NewServer returns a Server without users, whose policy has the role
// "stytch_user" and nothing else.
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

// ServeHTTP answers one call as Stytch would. See Calls for the endpoints.
// With a ResponseWriter that belongs to no connection, such as an
// httptest.ResponseRecorder, it panics if a Fault needs one.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Clean(r.URL.Path) != r.URL.Path || r.RequestURI == "*" {
		// The mux would answer with a redirect or an error, and not in JSON.
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
// their answer. The endpoint is named by its pattern:
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
// The empty pattern stands for all calls, including those of unknown paths. Any
// other pattern panics, because a test with a misspelt pattern could not fail.
func (s *Server) Calls(path string) int { return s.traffic.count(path) }

// SetFault sets the Fault that applies to the calls of an endpoint that arrive
// from now on, until SetFault sets another. The endpoint is named by its pattern
// as in Calls. The empty pattern stands for every endpoint without a Fault of
// its own. The zero Fault removes the Fault of the pattern.
//
// An unknown pattern panics, and so does a Fault that contradicts itself, such
// as Hang with a Status, or that cannot apply to the endpoint.
func (s *Server) SetFault(path string, f Fault) { s.traffic.set(path, f) }

// SetClock sets how far the server's clock is ahead of the system clock. If the
// offset is negative, the clock is behind; if zero, the default, it shows the
// system time. From now on the server uses this time for sessions, JWTs and
// locks. Existing ones keep their times, so changing the clock may end a session
// or make it live again. The delays of a Fault do not depend on the clock.
func (s *Server) SetClock(offset time.Duration) { s.project.SetClock(offset) }

// Client returns an HTTP client that reaches this server at URL, and nothing
// else. Its transport calls ServeHTTP on the goroutine of the caller and opens
// no socket. A call to another scheme or host fails as if the name did not
// exist, and UnexpectedCalls lists it. A call whose context ends first fails
// with the error of the context.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.transport} }

// UnexpectedCalls returns the calls of Client to other hosts, all of which have
// failed, as "POST https://bait.example/path". They show a redirect that a
// client followed, or a wrong base URL.
func (s *Server) UnexpectedCalls() []string { return s.transport.Unexpected() }

// Format prints the project id only, because the other fields may change
// concurrently.
func (s *Server) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "stytchtest.Server{%s}", s.ProjectID)
}

// MarshalJSON returns what Format prints.
func (s *Server) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }
