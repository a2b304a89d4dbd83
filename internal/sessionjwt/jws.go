package sessionjwt

import (
	"crypto/rsa"
	"encoding/base64"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// MaxSize is the length in bytes above which a JWT is refused unread. Stytch
// mints about 1.3 KB, and 4 KB of custom claims at most.
const MaxSize = 8 << 10

// Parts are the segments of a compact JWT as they were sent: the signature, and
// what it covers.
type Parts struct{ Header, Payload, Signature string }

// Split cuts a JWT at its first two dots, and reports whether it has them. A third
// one stays in the signature, where no base64 has one.
func Split(raw string) (p Parts, ok bool) {
	var rest string
	p.Header, rest, _ = strings.Cut(raw, ".")
	p.Payload, p.Signature, ok = strings.Cut(rest, ".")
	return p, ok
}

// A compact is a JWS in compact serialization (RFC 7515, section 7.1) whose
// form and header are in order. Its signature has not been looked at.
type compact struct {
	sent      Parts
	signed    string // header and payload as they were sent, with the dot between
	keyID     string
	payload   []byte
	signature []byte
}

var base64url = base64.RawURLEncoding.Strict()

// A seenHeader is the header of a token whose signature was good: most tokens
// have the same, byte for byte, and it need not be read again.
type seenHeader struct{ segment, keyID string }

// parseCompact takes exactly one spelling of a JWS: a second spelling of the
// same token would slip past caches and denylists that go by its text.
func parseCompact(raw string, seen *seenHeader) (compact, error) {
	if len(raw) > MaxSize {
		return compact{}, refused(Malformed)
	}
	// The decoder passes over line breaks (RFC 7515, section 2 allows none).
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 {
		return compact{}, refused(Malformed)
	}
	sent, ok := Split(raw)
	if !ok {
		return compact{}, refused(Malformed)
	}
	buffer := make([]byte, base64url.DecodedLen(len(raw)))
	header, buffer, ok1 := decode64(buffer, sent.Header)
	payload, buffer, ok2 := decode64(buffer, sent.Payload)
	signature, _, ok3 := decode64(buffer, sent.Signature)
	if !ok1 || !ok2 || !ok3 {
		return compact{}, refused(Malformed)
	}
	signed := raw[:len(sent.Header)+1+len(sent.Payload)]
	c := compact{sent: sent, signed: signed, payload: payload, signature: signature}
	if seen != nil && seen.segment == sent.Header {
		c.keyID = seen.keyID
		return c, nil
	}
	var err error
	if c.keyID, err = parseHeader(header); err != nil {
		return compact{}, err
	}
	return c, nil
}

// decode64 decodes a segment to the beginning of buffer, and returns the rest of
// buffer for the next. Decode may write past what it returns, so the order counts.
func decode64(buffer []byte, segment string) (decoded, rest []byte, ok bool) {
	n, err := base64url.Decode(buffer, []byte(segment))
	return buffer[:n:n], buffer[n:], err == nil
}

// parseHeader returns the key id of a header we take. Whatever could choose
// another algorithm, another key or another meaning of the payload is refused
// or, as with jku, jwk, x5u and x5c, never read (RFC 8725, sections 3.1 and 3.10).
func parseHeader(header []byte) (keyID string, err error) {
	var few [8]strictjson.Member // Stytch writes three; more go to the heap
	members, err := strictjson.Object(header, few[:0])
	if err != nil {
		return "", refused(Malformed)
	}
	var alg string
	for _, m := range members {
		switch string(m.Name) {
		case "alg":
			alg, _ = strictjson.String(m.Value)
		case "kid":
			keyID, _ = strictjson.String(m.Value)
		case "typ":
			if typ, _ := strictjson.String(m.Value); typ != "JWT" {
				return "", refused(BadHeader)
			}
		case "crit", "b64", "zip", "cty":
			return "", refused(BadHeader)
		}
	}
	if alg != "RS256" || keyID == "" || len(keyID) > 256 {
		return "", refused(BadHeader)
	}
	return keyID, nil
}

// verify checks the signature: RSASSA-PKCS1-v1_5 with SHA-256 and nothing else.
func (c *compact) verify(key *rsa.PublicKey) error {
	if jwt.SigningMethodRS256.Verify(c.signed, c.signature, key) != nil {
		return refused(BadSignature)
	}
	return nil
}
