package stytchtest

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
)

// User describes a user for AddUser. The zero value is a user without e-mail
// address and password, who can have sessions but cannot sign in.
type User struct {
	// ID is the user id. If empty, it is a random one in the form
	// "user-test-<uuid>".
	ID string

	// ExternalID is the id of the user in the application. Stytch accepts it
	// wherever it accepts a user id. If empty, the user has none.
	ExternalID string

	// Email is an e-mail address, and verified. If empty, the user has none.
	// That letter case does not matter is an assumption.
	Email string

	// Password is a password of any strength. If empty, the user has none.
	Password string

	// Name is the name of the user. Each part may be empty.
	Name stytch.Name

	// Roles are the explicit roles of the user. The user also has the role
	// "stytch_user", as every user of a consumer project. See SetRoles.
	Roles []string

	// RequiresReset makes the server reject the correct password with
	// reset_password, as Stytch does after a breach of the password or a
	// sign-in without it.
	RequiresReset bool

	// TrustedMetadata and UntrustedMetadata are the metadata of the user. If
	// nil, they are empty objects.
	TrustedMetadata   map[string]any
	UntrustedMetadata map[string]any
}

// Format redacts the user: it prints neither the password nor the e-mail
// address.
func (User) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "stytchtest.User{redacted}") }

// MarshalJSON returns what Format prints.
func (User) MarshalJSON() ([]byte, error) { return []byte(`"stytchtest.User{redacted}"`), nil }

// AddUser adds an active user and returns it as GET /v1/users/{user_id} does.
// It panics if the id, external id or e-mail address is taken. It stores a hash
// of the password.
func (s *Server) AddUser(u User) stytch.User {
	raw, err := state.Encode(s.project.AddUser(state.NewUser(u)))
	if err != nil {
		panic("stytchtest: " + err.Error())
	}
	var added stytch.User
	if err := state.Decode(raw, &added); err != nil {
		panic("stytchtest: stytch.User does not decode a user of the API: " + err.Error())
	}
	return added
}

// SetRoles replaces the explicit roles of the user with this id or external id.
// Without roles, it removes all of them. The next JWT and the next answer about
// each session of the user have the new roles and "stytch_user". It panics if
// the user is unknown.
func (s *Server) SetRoles(userID string, roles ...string) { s.project.SetRoles(userID, roles) }

// SetPolicy replaces the RBAC policy, which decides each authorization_check.
// The default policy has the role "stytch_user" without permissions. SetPolicy
// copies p.
func (s *Server) SetPolicy(p stytch.Policy) { s.project.SetPolicy(p) }

// SessionOptions are the options of StartSession. The zero value is a session of
// one hour whose only factor is a password.
type SessionOptions struct {
	// Duration is the time from the start to the end of the session. If zero,
	// it is 60 minutes; if negative, the session has already ended.
	Duration time.Duration

	// CustomClaims are the custom claims of the session, under the rules of
	// session_custom_claims: reserved names are ignored, and StartSession
	// panics on claims that Stytch rejects. If nil, there are none.
	CustomClaims map[string]any

	// Factors are the authentication factors of the session. A zero
	// LastAuthenticatedAt stands for the start of the session. If nil, the
	// session has one password factor.
	Factors []stytch.AuthenticationFactor
}

// A Session is a session that StartSession has started, and its credentials.
type Session struct {
	ID, UserID string
	Token      string // session token
	JWT        string // session JWT of the start; Server.JWT returns later ones
}

// Format prints the ids and redacts the credentials.
func (s Session) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "stytchtest.Session{"+s.ID+" "+s.UserID+" redacted}")
}

// MarshalJSON returns the ids without the credentials.
func (s Session) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"session_id": s.ID, "user_id": s.UserID})
}

// StartSession starts a session of the user with this id or external id. It
// panics if the user is unknown.
func (s *Server) StartSession(userID string, opts SessionOptions) Session {
	return Session(s.project.StartSession(userID, state.NewSession(opts)))
}

// RevokeSession ends a session, as POST /v1/sessions/revoke does. It does
// nothing if the session has ended, and panics if it is unknown.
func (s *Server) RevokeSession(id string) { s.project.EndSession(id) }

// AddFactor adds an authentication factor to a session, as a step-up on another
// device does: the session's next JWT and next answer have it. If the session
// has a factor of the same type, method and details, AddFactor updates its times
// instead. A zero LastAuthenticatedAt stands for now. AddFactor panics if the
// session is unknown.
func (s *Server) AddFactor(sessionID string, f stytch.AuthenticationFactor) {
	s.project.AddFactor(sessionID, f)
}

// JWT returns a session JWT that is minted now. Within one second the result is
// the same unless the session changes, because times are in whole seconds. It
// also mints JWTs of ended sessions, which Stytch does not, so that tests can
// send one. It panics if the session is unknown.
func (s *Server) JWT(sessionID string) string { return s.project.JWT(sessionID) }

// Claims returns the claims that JWT would sign now, for a test to change and to
// Sign. The caller owns the map: aud is a []string; exp, iat and nbf are int64;
// the session claim is a map[string]any whose times are RFC 3339 strings.
func (s *Server) Claims(sessionID string) map[string]any { return s.project.Claims(sessionID) }

// Header returns the header that JWT would sign now, for a test to change. The
// caller owns the map, whose values are strings.
func (s *Server) Header() map[string]any { return s.project.Header() }

// Sign returns a JWS in compact form (RFC 7515, section 7.1) over exactly these
// bytes. The signature is RS256 by Key whatever the header says; neither the
// header nor the payload needs to be JSON. The session claim may have another form
// than that of Claims: the server finds the session if the claim contains its id.
func (s *Server) Sign(header, payload []byte) string { return s.project.Sign(header, payload) }

// Key returns the private key that signs session JWTs now. The first keys of
// every Server are the same and public: they are part of this module's source.
func (s *Server) Key() *rsa.PrivateKey { return s.project.Key() }

// KeyID returns the kid of Key.
func (s *Server) KeyID() string { return s.project.KeyID() }

// RotateKeys makes a new key sign from now on and returns its kid. The old keys
// stay in the key set until WithdrawKey; Stytch documents a month.
func (s *Server) RotateKeys() string { return s.project.RotateKeys() }

// WithdrawKey removes a key from the key set. The server then rejects the JWTs
// that the key has signed. If the key is the current one, it goes on signing
// until RotateKeys. WithdrawKey panics if the key set has no such key.
func (s *Server) WithdrawKey(kid string) { s.project.WithdrawKey(kid) }
