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

// parseClaims decodes the members of a payload. Names are compared exactly:
// encoding/json would let "EXP" override "exp".
func parseClaims(payload []strictjson.Member) (claims, error) {
	var c claims
	var subject string
	var custom []byte
	ok := true
	for _, member := range payload {
		name, value := member.Name, member.Value
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

// appendMember adds a claim to the object of custom claims that is being built.
func appendMember(object, name, value []byte) []byte {
	if object == nil {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	object = appendName(object, name)
	object = append(object, ':')
	return append(object, value...)
}

// appendName writes a name as a JSON string: as it is, if no character of it
// needs an escape.
func appendName(object, name []byte) []byte {
	for _, c := range name {
		if c < ' ' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(string(name)) // a string always can be written
			return append(object, quoted...)
		}
	}
	object = append(object, '"')
	object = append(object, name...)
	return append(object, '"')
}

// issuedAt reads iat from a payload whose signature is not known to be good.
// It only ever decides whether a key set is new enough to refuse the token.
func issuedAt(payload []strictjson.Member) (time.Time, bool) {
	for _, m := range payload {
		if string(m.Name) == "iat" {
			return numericDate(m.Value)
		}
	}
	return time.Time{}, false
}
