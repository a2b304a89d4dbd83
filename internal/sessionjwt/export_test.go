package sessionjwt

import (
	"crypto/rsa"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// The tests use these functions where Verify cannot show the result. Verify accepts only times near
// the present and signatures of session JWTs, and it does not return all claims.

var (
	NumericDate  = numericDate
	IsROCA       = isROCA
	IsIdentifier = isIdentifier
	IsCustom     = isCustom
)

// VerifySignature reports whether token is well formed and signed by one of keys.
// It ignores the payload, which in most published test vectors is not JSON.
func VerifySignature(keys map[string]*rsa.PublicKey, token string) bool {
	c, err := parseCompact(token, nil)
	if err != nil {
		return false
	}
	key := keys[c.keyID]
	return key != nil && c.verify(key) == nil
}

// VerifyRS256 reports whether signature is the signature of input.
func VerifyRS256(key *rsa.PublicKey, input, signature []byte) bool {
	c := compact{signingInput: string(input), signature: signature}
	return c.verify(key) == nil
}

// ParseHeader returns the error of parsing a JOSE header.
func ParseHeader(header []byte) error {
	_, err := parseHeader(header)
	return err
}

// Claims contains parsed claims.
type Claims struct {
	Issuer                         string
	Audience                       []string
	IssuedAt, ExpiresAt, NotBefore time.Time
	UserID, SessionID              string
	Custom                         []byte
	Unreadable                     bool // the session claim has an unknown form
}

// ParseClaims parses the members of a payload.
func ParseClaims(payload []strictjson.Member) (*Claims, error) {
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	return &Claims{
		c.issuer, c.audience, c.issuedAt, c.expiresAt, c.notBefore,
		c.session.UserID, c.session.ID, c.session.CustomClaims, c.unreadable,
	}, nil
}
