package sessionjwt

import (
	"crypto/rsa"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/stytch"
)

// A Token is a verified session JWT: its signature is valid, and its issuer,
// audience and times are accepted for the project. It may be past ExpiresAt. A
// Token is never changed.
type Token struct {
	Session   *stytch.Session // UserID is sub; CustomClaims holds the remaining claims
	IssuedAt  time.Time       // iat, from the clock of Stytch
	ExpiresAt time.Time       // exp of the JWT; the session itself may end later

	// ThirdParty reports whether only Stytch can decide if the token belongs to
	// a session. There are two cases. The token may be an access token: it has
	// client_id, or scope and another sign of an access token, which may be
	// custom claims or those of a Connected App. Or its session claim cannot be
	// read. In this case Session contains only UserID, CustomClaims, and ID if
	// it can be read.
	ThirdParty bool

	header, payload string // the segments as sent; not a credential without the signature

	keyID string
	key   *rsa.PublicKey
	set   *remote.Snapshot[keys] // the key set with which the token was verified; contains key
}

// Matches reports whether signingInput, the part of a JWT before its last dot,
// is equal to that of t. If the signatures are also equal, the JWTs are the
// same.
func (t *Token) Matches(signingInput string) bool {
	n := len(t.header)
	return len(signingInput) == n+1+len(t.payload) &&
		signingInput[:n] == t.header && signingInput[n] == '.' && signingInput[n+1:] == t.payload
}

// Size returns the number of bytes that t retains in addition to its session. It
// includes the header, although most tokens of one key share it.
func (t *Token) Size() int { return len(t.header) + len(t.payload) }
