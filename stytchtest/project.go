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

// User describes a user for AddUser. The zero value is a user without an e-mail
// address and a password, who can have sessions but cannot sign in.
type User struct {
	// ID is the user id. If empty, AddUser chooses a random id in the form
	// "user-test-<uuid>".
	ID string

	// ExternalID is the id of the user in the application. Stytch accepts it
	// wherever it accepts a user id. If empty, the user has no external id.
	ExternalID string

	// Email is a verified e-mail address. If empty, the user has no address. It
	// is an assumption that letter case does not matter.
	Email string

	// Password is a password of any strength. If empty, the user has none.
	Password string

	// Name is the name of the user. Each part may be empty.
	Name stytch.Name

	// Roles are the explicit roles of the user. Like every user of a consumer
	// project, the user also has the role "stytch_user". See SetRoles.
	Roles []string

	// RequiresReset makes the server reject the correct password with the error
	// reset_password. Stytch does so if the password is known to be breached,
	// or if the user has signed in without it.
	RequiresReset bool

	// TrustedMetadata and UntrustedMetadata are the metadata of the user. If
	// nil, they are empty objects.
	TrustedMetadata   map[string]any
	UntrustedMetadata map[string]any
}

// Format redacts the password and the e-mail address.
func (User) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "stytchtest.User{redacted}") }

// MarshalJSON returns what Format prints.
func (User) MarshalJSON() ([]byte, error) { return []byte(`"stytchtest.User{redacted}"`), nil }

// AddUser adds an active user and returns it as GET /v1/users/{user_id} does.
// It panics if the id, external id or e-mail address is already in use.
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
// The change appears in the next JWT and the next response about each session
// of the user. SetRoles panics if the user is unknown.
func (s *Server) SetRoles(userID string, roles ...string) { s.project.SetRoles(userID, roles) }

// SetPolicy replaces the RBAC policy by a copy of p. The default policy has the
// role "stytch_user" without permissions.
func (s *Server) SetPolicy(p stytch.Policy) { s.project.SetPolicy(p) }

// SessionOptions are the options of StartSession. The zero value describes a
// session of one hour whose only factor is a password.
type SessionOptions struct {
	// Duration is the duration of the session. If zero, it is 60 minutes. If
	// negative, the session has already ended.
	Duration time.Duration

	// CustomClaims are the custom claims of the session. As in
	// session_custom_claims, reserved names are ignored. StartSession panics if
	// Stytch would reject the claims. If nil, there are no custom claims.
	CustomClaims map[string]any

	// Factors are the authentication factors of the session. If
	// LastAuthenticatedAt is zero, it becomes the start of the session. If
	// Factors is nil, the session has one password factor.
	Factors []stytch.AuthenticationFactor
}

// A Session holds the ids and credentials of a started session.
type Session struct {
	ID, UserID string
	Token      string // session token
	JWT        string // session JWT minted at the start; Server.JWT returns newer ones
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

// RevokeSession revokes a session, as POST /v1/sessions/revoke does. It does
// nothing if the session has ended. It panics if the session is unknown.
func (s *Server) RevokeSession(id string) { s.project.EndSession(id) }

// AddFactor adds an authentication factor to a session, as a step-up on another
// device does. The factor appears in the next JWT and the next response. If the
// session has a factor of the same type, method and details, AddFactor updates
// its times instead. If LastAuthenticatedAt is zero, it becomes the current
// time. AddFactor panics if the session is unknown.
func (s *Server) AddFactor(sessionID string, f stytch.AuthenticationFactor) {
	s.project.AddFactor(sessionID, f)
}

// JWT mints and returns a session JWT. Within one second the result is the same
// unless the session changes. Unlike Stytch, JWT also mints JWTs of ended
// sessions, so that tests can send them. It panics if the session is unknown.
func (s *Server) JWT(sessionID string) string { return s.project.JWT(sessionID) }

// Claims returns the claims that JWT would sign now. A test can change them and
// pass them to Sign. The caller owns the map: aud is a []string; exp, iat and
// nbf are int64; the session claim is a map[string]any whose times are RFC 3339
// strings.
func (s *Server) Claims(sessionID string) map[string]any { return s.project.Claims(sessionID) }

// Header returns the header that JWT would sign now. A test can change it and
// pass it to Sign. The caller owns the map, whose values are strings.
func (s *Server) Header() map[string]any { return s.project.Header() }

// Sign returns a JWS in compact form (RFC 7515, section 7.1) over exactly these
// bytes, which need not be JSON. It signs with RS256 and Key, whatever the
// header says. The server accepts any form of session claim that contains the
// session id.
func (s *Server) Sign(header, payload []byte) string { return s.project.Sign(header, payload) }

// Key returns the private key that signs session JWTs now. The first keys are
// the same in every Server. They are public as part of the source of this
// module.
func (s *Server) Key() *rsa.PrivateKey { return s.project.Key() }

// KeyID returns the kid of Key.
func (s *Server) KeyID() string { return s.project.KeyID() }

// RotateKeys replaces the signing key and returns the new kid. The old keys
// stay in the key set until WithdrawKey. Stytch documents that they stay for a
// month.
func (s *Server) RotateKeys() string { return s.project.RotateKeys() }

// WithdrawKey removes a key from the key set. The server then rejects JWTs
// signed by this key. If the key is the current one, the server continues to
// sign with it until RotateKeys. WithdrawKey panics if the key is not in the
// key set.
func (s *Server) WithdrawKey(kid string) { s.project.WithdrawKey(kid) }
