package sessionjwt

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

const (
	stytchPrefix = "https://stytch.com/"
	sessionClaim = stytchPrefix + "session"
)

// claims are the decoded claims of a session JWT (RFC 7519, section 4). Their
// types have been checked, their values have not: see Verifier.validateClaims.
type claims struct {
	issuer     string
	audience   []string
	issuedAt   time.Time
	expiresAt  time.Time
	notBefore  time.Time // zero if absent
	thirdParty bool      // scope or client_id is present: see Token.ThirdParty
	session    *stytch.Session
}

// parseClaims decodes the members of a payload. It compares names exactly:
// encoding/json would let "EXP" override "exp". The error is a *RefusedError.
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
			c.thirdParty = true
			custom = appendMember(custom, name, value)
		default:
			if !strings.HasPrefix(string(name), stytchPrefix) {
				custom = appendMember(custom, name, value)
			}
		}
		ok = ok && valid
	}
	// The tokens of B2B members and organizations have other subjects; those of
	// machines and Connected Apps have no session claim. None of them may pass as
	// a session JWT (RFC 8725, section 3.12).
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

// audience decodes both forms of aud: a string and an array of strings (RFC
// 7519, section 4.1.3).
func audience(value []byte) ([]string, bool) {
	if s, ok := strictjson.String(value); ok {
		return []string{s}, true
	}
	return stringArray(value)
}

// appendMember appends a member to an object without its closing brace. A nil
// object is a new one.
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

// appendName appends name as a JSON string. Names that need no escape, nearly
// all, do not allocate.
func appendName(object, name []byte) []byte {
	for _, c := range name {
		if c < ' ' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(string(name)) // never fails for a string
			return append(object, quoted...)
		}
	}
	object = append(object, '"')
	object = append(object, name...)
	return append(object, '"')
}

// unverifiedIssuedAt returns iat from a payload whose signature has not been
// verified. The value must only be used to decide whether a key set is recent
// enough to refuse the token.
func unverifiedIssuedAt(payload []strictjson.Member) (time.Time, bool) {
	for _, m := range payload {
		if string(m.Name) == "iat" {
			return numericDate(m.Value)
		}
	}
	return time.Time{}, false
}
