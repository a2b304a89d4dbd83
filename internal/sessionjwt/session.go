package sessionjwt

import (
	"reflect"

	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

// parseSession decodes the value of the session claim. The caller sets UserID
// and CustomClaims, which stand in other claims. It reports false if the id is
// missing or a member has the wrong type.
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
			// UnmarshalJSON ignores null, which would leave the zero time: a session
			// without an end.
			valid = v[0] == '"' && s.ExpiresAt.UnmarshalJSON(v) == nil
		case "roles":
			s.Roles, valid = stringArray(v)
		case "attributes":
			valid = decode(v, reflect.ValueOf(&s.Attributes).Elem())
		case "authentication_factors":
			s.Factors, valid = parseFactors(v)
		}
		if !valid {
			return nil, false
		}
	}
	return s, isIdentifier(s.ID)
}

func parseFactors(value []byte) ([]stytch.AuthenticationFactor, bool) {
	if string(value) == "null" {
		return nil, true
	}
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
