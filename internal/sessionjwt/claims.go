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

	// sessionLifetime is the time between iat and exp of every session JWT. Access
	// tokens of Connected Apps usually live longer.
	sessionLifetime = 5 * time.Minute
)

// claims holds the decoded claims of a session JWT (RFC 7519, section 4). Their
// types have been checked. Verifier.validateClaims checks their values.
type claims struct {
	issuer    string
	audience  []string
	issuedAt  time.Time
	expiresAt time.Time
	notBefore time.Time // zero if absent
	session   *stytch.Session

	// unreadable reports whether the session claim has an unknown form. In this
	// case session contains only its id, if the id can be read.
	unreadable bool

	scope, clientID, jti bool // whether the token has these claims
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
			c.jti = true
		case sessionClaim:
			c.session, c.unreadable = parseSession(value)
		default:
			c.scope = c.scope || string(name) == "scope"
			c.clientID = c.clientID || string(name) == "client_id"
			if isCustom(name) {
				custom = appendMember(custom, name, value)
			}
		}
		ok = ok && valid
	}
	if !ok {
		return claims{}, refused(BadClaims)
	}
	if err := c.checkKind(subject); err != nil {
		return claims{}, err
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

// checkKind refuses tokens of other kinds that the project's keys sign (RFC
// 8725, section 3.12). An access token may contain a session claim. It has both
// scope and client_id, while each of these alone may be a custom claim.
func (c *claims) checkKind(subject string) error {
	switch {
	case c.scope && c.clientID:
		return refused(AccessToken)
	case strings.HasPrefix(subject, "member-"):
		return refused(Member)
	case strings.HasPrefix(subject, "m2m-client-"):
		return refused(Machine)
	case c.session == nil, !strings.HasPrefix(subject, "user-"), !isIdentifier(subject):
		return refused(BadClaims)
	}
	return nil
}

// isUndecided reports whether only Stytch can decide about the token. See
// Token.ThirdParty.
func (c *claims) isUndecided() bool {
	return c.unreadable || c.clientID || c.scope && (c.jti || c.expiresAt.Sub(c.issuedAt) > sessionLifetime)
}

// isCustom reports whether the application sets the claim: it is neither
// registered (RFC 7519, section 4.1) nor set by Stytch.
func isCustom(name []byte) bool {
	switch string(name) {
	case "iss", "aud", "sub", "exp", "iat", "nbf", "jti":
		return false
	}
	return !strings.HasPrefix(string(name), stytchPrefix)
}

// audience decodes both forms of aud: a string, or an array of strings (RFC
// 7519, section 4.1.3).
func audience(value []byte) ([]string, bool) {
	if s, ok := strictjson.String(value); ok {
		return []string{s}, true
	}
	return stringArray(value)
}

// appendMember appends a member to an object that lacks its closing brace. If
// object is nil, it starts a new one.
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

// appendName appends name as a JSON string. It does not allocate unless the
// name needs an escape, which is rare.
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

// UnverifiedSubject returns the subject of a JWT whose signature has not been
// verified, or "" if it has none. It must only be used to refuse a request.
func UnverifiedSubject(raw string) string {
	_, rest, _ := strings.Cut(raw, ".")
	segment, _, _ := strings.Cut(rest, ".")
	payload, err := base64url.DecodeString(segment)
	if len(raw) > MaxSize || err != nil {
		return ""
	}
	members, err := strictjson.Object(payload, nil, nil)
	if err != nil {
		return ""
	}
	for _, m := range members {
		if string(m.Name) == "sub" {
			subject, _ := strictjson.String(m.Value)
			return subject
		}
	}
	return ""
}
