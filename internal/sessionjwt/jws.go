package sessionjwt

import (
	"crypto/rsa"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// MaxSize is the maximum length of a JWT in bytes. Longer JWTs are refused
// without being parsed. Most session JWTs have about 1.3 KB. With many roles,
// several factors and the 4 KB of custom claims that Stytch allows, they exceed
// 12 KB.
const MaxSize = 16 << 10

// compact is a JWS in compact serialization (RFC 7515, section 7.1) whose form
// and header are valid. Its signature has not been verified.
type compact struct {
	header, payload string // the segments as sent
	signingInput    string // header and payload as sent, with the dot between them

	keyID          string
	decodedPayload []byte
	signature      []byte // decoded
}

// knownHeader is the header segment of a token whose signature was valid. Most
// tokens have the same segment, so that it need not be parsed again.
type knownHeader struct{ segment, keyID string }

// parseCompact parses a JWS. It accepts only one encoding of a token, because
// another encoding would not match the entries of caches and denylists. known
// may be nil. The error is a *RefusedError.
func parseCompact(raw string, known *knownHeader) (compact, error) {
	if len(raw) > MaxSize {
		return compact{}, refused(Malformed)
	}
	// The base64 decoder ignores line breaks, which RFC 7515, section 2,
	// forbids.
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 {
		return compact{}, refused(Malformed)
	}
	header, rest, _ := strings.Cut(raw, ".")
	payload, signature, ok := strings.Cut(rest, ".") // base64url refuses a third dot
	if !ok {
		return compact{}, refused(Malformed)
	}
	buffer := make([]byte, base64url.DecodedLen(len(raw)))
	decodedHeader, buffer, ok1 := decodeSegment(buffer, header)
	decodedPayload, buffer, ok2 := decodeSegment(buffer, payload)
	decodedSignature, _, ok3 := decodeSegment(buffer, signature)
	if !ok1 || !ok2 || !ok3 {
		return compact{}, refused(Malformed)
	}
	c := compact{
		header: header, payload: payload, signingInput: raw[:len(header)+1+len(payload)],
		decodedPayload: decodedPayload, signature: decodedSignature,
	}
	if known != nil && known.segment == header {
		c.keyID = known.keyID
		return c, nil
	}
	var err error
	if c.keyID, err = parseHeader(decodedHeader); err != nil {
		return compact{}, err
	}
	return c, nil
}

// decodeSegment decodes a segment into the beginning of buffer and returns the
// rest of buffer for the next segment. Decode may write more bytes than it
// reports, so the segments must be decoded in order.
func decodeSegment(buffer []byte, segment string) (decoded, rest []byte, ok bool) {
	n, err := base64url.Decode(buffer, []byte(segment))
	return buffer[:n:n], buffer[n:], err == nil
}

// parseHeader returns the key id of a JOSE header. It refuses each parameter
// that could select another algorithm, another key or another meaning of the
// payload, and ignores jku, jwk, x5u and x5c, which would let the sender choose
// the key (RFC 8725, sections 3.1 and 3.10).
func parseHeader(header []byte) (keyID string, err error) {
	var few [8]strictjson.Member // Stytch sends three; if there are more, the slice grows
	members, err := strictjson.Object(header, few[:0], nil)
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

// verify verifies the signature with RS256 (RSASSA-PKCS1-v1_5 with SHA-256) and
// no other algorithm. The error is a *RefusedError.
func (c *compact) verify(key *rsa.PublicKey) error {
	if jwt.SigningMethodRS256.Verify(c.signingInput, c.signature, key) != nil {
		return refused(BadSignature)
	}
	return nil
}
