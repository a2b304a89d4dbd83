package sessionjwt

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

const (
	stytchPrefix = "https://stytch.com/"
	sessionClaim = stytchPrefix + "session"

	// maxLifetime is what may lie between iat and exp. Stytch mints 5 minutes;
	// a longer life would outlive the revoked list.
	maxLifetime = time.Hour
)

// claims are the claims of a session JWT, decoded but not yet judged.
type claims struct {
	issuer    string
	audience  []string
	issuedAt  time.Time
	expiresAt time.Time
	notBefore time.Time // zero if absent
	foreign   bool      // carries scope or client_id, as other kinds of token do
	session   *stytch.Session
}

// parseClaims decodes a payload that strictjson.CheckObject has accepted. Names
// are compared exactly: encoding/json would let "EXP" override "exp".
func parseClaims(payload []byte) (claims, error) {
	var c claims
	var subject string
	var custom []byte
	ok := true
	for name, value := range strictjson.Members(payload) {
		valid := true
		switch string(name) {
		case "iss":
			c.issuer, valid = strictjson.String(value)
		case "aud":
			c.audience, valid = audience(value)
		case "sub":
			subject, valid = strictjson.String(value)
		case "exp":
			c.expiresAt, valid = numericDate(value)
		case "iat":
			c.issuedAt, valid = numericDate(value)
		case "nbf":
			c.notBefore, valid = numericDate(value)
		case "jti":
		case sessionClaim:
			c.session, valid = parseSession(value)
		case "scope", "client_id":
			c.foreign = true
			custom = appendMember(custom, name, value)
		default:
			if !strings.HasPrefix(string(name), stytchPrefix) {
				custom = appendMember(custom, name, value)
			}
		}
		ok = ok && valid
	}
	// Members and organizations of B2B projects have other subjects; a machine
	// or a Connected App has no session claim (RFC 8725, section 3.12).
	if !ok || c.session == nil || !strings.HasPrefix(subject, "user-") || !isIdentifier(subject) {
		return claims{}, refused(BadClaims)
	}
	if c.expiresAt.IsZero() || c.issuedAt.IsZero() {
		return claims{}, refused(BadTime)
	}
	c.session.UserID = subject
	if custom != nil {
		c.session.CustomClaims = append(custom, '}')
	}
	return c, nil
}

// audience takes both forms of RFC 7519, section 4.1.3.
func audience(value []byte) ([]string, bool) {
	if s, ok := strictjson.String(value); ok {
		return []string{s}, true
	}
	return stringArray(value)
}

func stringArray(value []byte) ([]string, bool) {
	if len(value) == 0 || value[0] != '[' {
		return nil, false
	}
	list := []string{}
	for element := range strictjson.Elements(value) {
		s, ok := strictjson.String(element)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// numericDate reads a NumericDate (RFC 7519, section 2) from its text: a number
// after 1970 and before the year 10000, fractions allowed.
func numericDate(value []byte) (time.Time, bool) {
	const endOfYear9999 = 253402300800
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return time.Unix(n, 0).UTC(), 0 < n && n < endOfYear9999
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 1 || f >= endOfYear9999 {
		return time.Time{}, false
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)).UTC(), true
}

// parseSession decodes the session claim. User id and custom claims stand
// beside it and are filled in by the caller.
func parseSession(value []byte) (*stytch.Session, bool) {
	if value[0] != '{' {
		return nil, false
	}
	s := &stytch.Session{}
	for name, v := range strictjson.Members(value) {
		valid := true
		switch string(name) {
		case "id":
			s.ID, valid = strictjson.String(v)
		case "started_at":
			valid = s.StartedAt.UnmarshalJSON(v) == nil
		case "last_accessed_at":
			valid = s.LastAccessedAt.UnmarshalJSON(v) == nil
		case "expires_at":
			// A null would leave the zero time, which stands for "not stated".
			valid = v[0] == '"' && s.ExpiresAt.UnmarshalJSON(v) == nil
		case "roles":
			s.Roles, valid = stringArray(v)
		case "attributes":
			valid = json.Unmarshal(v, &s.Attributes) == nil
		case "authentication_factors":
			valid = json.Unmarshal(v, &s.Factors) == nil
		}
		if !valid {
			return nil, false
		}
	}
	return s, isIdentifier(s.ID)
}

// isIdentifier reports whether s is made of what Stytch's ids are made of, so
// that it can stand in a URL or a log line.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 256
}

// appendMember adds a claim to the object of custom claims that is being built.
func appendMember(object, name, value []byte) []byte {
	if object == nil {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	quoted, _ := json.Marshal(string(name)) // a string always can be written
	object = append(object, quoted...)
	object = append(object, ':')
	return append(object, value...)
}

// issuedAt reads iat from a payload whose signature is not known to be good.
// It only ever decides whether a key set is new enough to refuse the token.
func issuedAt(payload []byte) (time.Time, bool) {
	for name, value := range strictjson.Members(payload) {
		if string(name) == "iat" {
			return numericDate(value)
		}
	}
	return time.Time{}, false
}
