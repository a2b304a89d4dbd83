package sessionjwt

import (
	"crypto/rsa"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/stytch"
)

// A Token is a verified session JWT: its signature is valid, and its issuer,
// audience and times are those of the project. It may be past ExpiresAt. A Token
// is never changed.
type Token struct {
	Session   *stytch.Session // with UserID from sub and CustomClaims from the further claims
	IssuedAt  time.Time       // iat, by Stytch's clock
	ExpiresAt time.Time       // exp of the JWT, not the end of the session

	// ThirdParty is true if only Stytch can decide whether the token belongs to a
	// session. It carries client_id, or scope and another mark of an access token,
	// which may be custom claims or those of a Connected App; or its session claim
	// cannot be read. In the last case Session contains UserID and CustomClaims, ID
	// if that can be read, and nothing else.
	ThirdParty bool

	header, payload string // the segments as sent; without the signature they are no credential

	keyID string
	key   *rsa.PublicKey
	set   *remote.Snapshot[keys] // contained key when the token was verified
}

// Matches reports whether signingInput, the part of a JWT before its last dot, is
// that of t, byte for byte. A JWT with the same signature is then the same JWT.
func (t *Token) Matches(signingInput string) bool {
	n := len(t.header)
	return len(signingInput) == n+1+len(t.payload) &&
		signingInput[:n] == t.header && signingInput[n] == '.' && signingInput[n+1:] == t.payload
}

// Size returns the number of bytes that t retains in addition to its session. It
// includes the header, although most tokens of one key share it.
func (t *Token) Size() int { return len(t.header) + len(t.payload) }
