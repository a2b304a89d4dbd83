package sessionjwt

import (
	"reflect"

	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

// parseSession decodes the value of the session claim. The caller sets UserID
// and CustomClaims, which come from other claims. A member that is null counts
// as absent. If the claim is null or has no valid id, the session is nil. If
// anything else has an unknown form, unreadable is true, and the session
// contains only the id, or nothing if the claim is not an object.
func parseSession(value []byte) (s *stytch.Session, unreadable bool) {
	if value[0] != '{' {
		if string(value) == "null" {
			return nil, false
		}
		return &stytch.Session{}, true
	}
	s = &stytch.Session{}
	for name, v := range strictjson.Members(value) {
		if string(v) == "null" {
			continue
		}
		valid := true
		switch string(name) {
		case "id":
			s.ID, _ = strictjson.String(v)
		case "started_at":
			valid = decodeTime(&s.StartedAt, v)
		case "last_accessed_at":
			valid = decodeTime(&s.LastAccessedAt, v)
		case "expires_at":
			valid = decodeTime(&s.ExpiresAt, v)
		case "roles":
			s.Roles, valid = stringArray(v)
		case "attributes":
			valid = decode(v, reflect.ValueOf(&s.Attributes).Elem())
		case "authentication_factors":
			s.Factors, valid = parseFactors(v)
		}
		unreadable = unreadable || !valid
	}
	if !isIdentifier(s.ID) {
		return nil, false
	}
	if unreadable {
		s = &stytch.Session{ID: s.ID}
	}
	return s, unreadable
}

func parseFactors(value []byte) ([]stytch.AuthenticationFactor, bool) {
	if value[0] != '[' {
		return nil, false
	}
	factors := []stytch.AuthenticationFactor{}
	for element := range strictjson.Elements(value) {
		factors = append(factors, stytch.AuthenticationFactor{})
		if !decode(element, reflect.ValueOf(&factors[len(factors)-1]).Elem()) {
			return nil, false
		}
	}
	return factors, true
}
