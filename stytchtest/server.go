package stytchtest

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A Server is an in-memory Stytch for one project. It is made by NewServer and
// may be used by several goroutines at once. It starts no goroutine and holds
// no resource: there is nothing to close.
//
// The exported fields may be changed before the first request and the first
// session, not later.
type Server struct {
	// ProjectID is the project the server speaks for. With a "project-live-…"
	// id all ids say "live", and the sandbox values are unknown.
	ProjectID string

	// Secret is the project's secret. It protects nothing.
	Secret string

	// URL is the base URL under which Client answers. The default is a name
	// reserved by RFC 2606: nothing real can be reached by mistake. Set it to
	// the real address when the server is served on a socket.
	URL string

	// Issuer is the iss claim of session JWTs. If empty, it is
	// "stytch.com/<ProjectID>", as in JWTs minted through Stytch's API hosts;
	// JWTs minted through a custom domain carry its URL instead.
	Issuer string

	// JWTLifetime is the time from a JWT's iat to its exp, in whole seconds. If
	// zero, it is Stytch's 5 minutes; if negative, JWTs are born expired.
	JWTLifetime time.Duration

	// LockThreshold is how many wrong passwords in a row lock a user. If zero,
	// nobody is ever locked: at Stytch it is a setting of the project, and a
	// test that did not set it would be surprised.
	LockThreshold int

	// LockDuration is how long a lock lasts, in whole seconds. If zero, it is
	// Stytch's hour.
	LockDuration time.Duration

	ahead atomic.Int64 // nanoseconds, see SetClock

	mux *http.ServeMux

	// mu guards all below. It is never held while a Fault delays an answer, a
	// password is hashed, a JWT is signed, or an answer is written.
	mu         sync.Mutex
	users      map[string]*user    // by user id
	emails     map[string]*user    // by folded e-mail address
	sessions   map[string]*session // by session id; ended ones too
	tokens     map[string]*session // by session token
	policy     policy
	current    *signingKey   // signs
	served     []*signingKey // are in the key set
	rotated    int           // how many keys have signed before current
	calls      map[string]int
	faults     map[string]Fault
	unexpected []string // calls of Client to elsewhere
	stranger   *user    // of OtherUser; nil until it is needed
}

// NewServer makes a Server without users, whose policy knows the default role
// and nothing else.
func NewServer() *Server {
	first := fixedKeys()[0]
	s := &Server{
		ProjectID: "project-test-7b9e4c52-3f0d-4a86-9d21-5e8c6f1a0b37",
		Secret:    "secret-test-kJ3vQ8xW2nR5tY7uB9mD4fG6hL1pS0aZ",
		URL:       "https://stytch.invalid",
		mux:       http.NewServeMux(),
		users:     map[string]*user{},
		emails:    map[string]*user{},
		sessions:  map[string]*session{},
		tokens:    map[string]*session{},
		policy:    newPolicy(stytch.Policy{Roles: []stytch.Role{{ID: defaultRole}}}),
		current:   first,
		served:    []*signingKey{first},
		calls:     map[string]int{},
		faults:    map[string]Fault{},
	}
	s.register()
	return s
}

// ServeHTTP answers one call as Stytch would. See Calls for the endpoints.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Clean(r.URL.Path) != r.URL.Path || r.RequestURI == "*" {
		// The mux would answer with a redirect or an error, and not in JSON.
		s.notFound(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Calls returns how many calls of an endpoint have arrived, those that were
// refused or met a Fault included. The endpoint is named by its pattern:
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
// The empty pattern counts all calls, those without an endpoint included. Any
// other pattern panics: a misspelt one would be a test that cannot fail.
func (s *Server) Calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustKnow(path)
	if path != "" {
		return s.calls[path]
	}
	all := 0
	for _, n := range s.calls {
		all += n
	}
	return all
}

// Format prints the project only: the rest changes while it is printed.
func (s *Server) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "stytchtest.Server{%s}", s.ProjectID)
}

// MarshalJSON writes the project only, as Format does.
func (s *Server) MarshalJSON() ([]byte, error) { return encode(fmt.Sprint(s)) }

// issuer returns the iss claim of the JWTs minted now.
func (s *Server) issuer() string {
	if s.Issuer != "" {
		return s.Issuer
	}
	return "stytch.com/" + s.ProjectID
}

// env is the part of every id that names the environment.
func (s *Server) env() string {
	if strings.HasPrefix(s.ProjectID, "project-live-") {
		return "live"
	}
	return "test"
}

// newID makes an id as Stytch's are: kind, environment, UUID.
func (s *Server) newID(kind string) string { return kind + "-" + s.env() + "-" + newUUID() }
