package stytchtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

const (
	claimNamespace = "https://stytch.com/" // of claims that only Stytch may make
	sessionClaim   = claimNamespace + "session"

	defaultJWTLifetime = 5 * time.Minute
)

// JWT returns a session JWT of a session, minted now. As with Stytch, the text
// is new only if something in it is: iat counts whole seconds. An ended session
// gets one too, which Stytch would not give: a test may want to show it. An
// unknown session panics.
func (s *Server) JWT(sessionID string) string {
	return s.unsigned(sessionID).compact()
}

func (s *Server) unsigned(sessionID string) jws {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mint(s.mustSession(sessionID))
}

// Claims returns what JWT would sign now, for a test to bend and Sign. The
// caller owns the map: aud is a []string, exp, iat and nbf are int64, the
// session claim is a map[string]any, and times in it are RFC 3339 strings.
func (s *Server) Claims(sessionID string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims(s.mustSession(sessionID))
}

// Header returns the header that JWT would sign now, for a test to bend. The
// caller owns the map; all values are strings.
func (s *Server) Header() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joseHeader()
}

// Sign returns a JWS in compact form (RFC 7515, section 7.1), signed with RS256
// by the current key over exactly these bytes, whatever they are: the header
// may name another algorithm, and neither needs to be JSON.
func (s *Server) Sign(header, payload []byte) string {
	s.mu.Lock()
	key := s.current
	s.mu.Unlock()
	return jws{key.private, header, payload}.compact()
}

// A jws is a JWS that waits for its signature. Signing is slow and is put off
// until no lock is held; as a member of an answer, until the answer is written.
type jws struct {
	key             *rsa.PrivateKey
	header, payload []byte
}

func (j jws) compact() string {
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString(j.header) + "." + b64.EncodeToString(j.payload)
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, j.key, crypto.SHA256, sum[:])
	if err != nil {
		panic("stytchtest: signing a JWT: " + err.Error())
	}
	return input + "." + b64.EncodeToString(sig)
}

// MarshalJSON writes the compact form.
func (j jws) MarshalJSON() ([]byte, error) { return json.Marshal(j.compact()) }

// mint makes a session's JWT. s.mu is held.
func (s *Server) mint(sess *session) jws {
	return jws{s.current.private, mustEncode(s.joseHeader()), mustEncode(s.claims(sess))}
}

func (s *Server) joseHeader() object {
	return object{"alg": "RS256", "kid": s.kid(s.current), "typ": "JWT"}
}

// claims makes the payload of a session's JWT. s.mu is held.
func (s *Server) claims(sess *session) object {
	lifetime := s.JWTLifetime
	if lifetime == 0 {
		lifetime = defaultJWTLifetime
	}
	iat := s.clock().Unix()
	claims := copyObject(sess.claims)
	claims["iss"] = s.issuer()
	claims["sub"] = sess.user.id
	claims["aud"] = []string{s.ProjectID}
	claims["iat"], claims["nbf"] = iat, iat
	claims["exp"] = iat + int64(lifetime/time.Second)
	factors := []object{}
	for _, f := range sess.factors {
		factors = append(factors, f.claim())
	}
	claims[sessionClaim] = object{
		"id":                     sess.id,
		"started_at":             timestamp(sess.startedAt),
		"last_accessed_at":       timestamp(sess.accessedAt),
		"expires_at":             timestamp(sess.expiresAt),
		"attributes":             sess.attributes(),
		"authentication_factors": factors,
		"roles":                  sess.user.allRoles(),
	}
	return claims
}

// verify returns the session id of a session JWT that a key of the key set has
// signed for this project. Its times do not matter here: an expired JWT of a
// live session is good for a new one. s.mu is held.
func (s *Server) verify(jwt string) (sessionID string, ok bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 || strings.ContainsAny(jwt, "\r\n") {
		return "", false
	}
	var segments [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return "", false
		}
		segments[i] = b
	}
	// Maps, because names match exactly there.
	var header, claims object
	if json.Unmarshal(segments[0], &header) != nil || header["alg"] != "RS256" {
		return "", false
	}
	i := slices.IndexFunc(s.served, func(k *signingKey) bool { return s.kid(k) == header["kid"] })
	if i < 0 {
		return "", false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&s.served[i].private.PublicKey, crypto.SHA256, sum[:], segments[2]) != nil {
		return "", false
	}
	if json.Unmarshal(segments[1], &claims) != nil || !s.isAudience(claims["aud"]) {
		return "", false
	}
	claim, _ := claims[sessionClaim].(object)
	sessionID, ok = claim["id"].(string)
	return sessionID, ok
}

func (s *Server) isAudience(aud any) bool {
	list, ok := aud.([]any)
	if !ok {
		return aud == s.ProjectID
	}
	return slices.Contains(list, any(s.ProjectID))
}

// mustEncode is encode for what is JSON by construction.
func mustEncode(v any) []byte {
	b, err := encode(v)
	if err != nil {
		panic("stytchtest: " + err.Error())
	}
	return b
}

// copyObject returns a deep copy that is never nil.
func copyObject(o object) object {
	c := object{}
	if len(o) > 0 && decode(mustEncode(o), &c) != nil {
		panic("stytchtest: an object that cannot be read again")
	}
	return c
}

// timestamp writes a time as Stytch does: UTC, fractions only where there are.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
