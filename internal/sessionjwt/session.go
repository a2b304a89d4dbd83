package sessionjwt

import (
	"reflect"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

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

// decode fills what a factor is made of: strings, times, and structs of them.
// Names are compared exactly, which encoding/json does not, and for a fifth of
// its allocations; other members are passed over, and null leaves a field as it
// is. It reports false for a value of another type.
func decode(value []byte, to reflect.Value) bool {
	if string(value) == "null" {
		return true
	}
	switch to.Kind() {
	case reflect.String:
		s, ok := strictjson.String(value)
		to.SetString(s)
		return ok
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return decode(value, to.Elem())
	}
	if at, ok := to.Addr().Interface().(*time.Time); ok {
		return at.UnmarshalJSON(value) == nil
	}
	if value[0] != '{' {
		return false
	}
	fields := fieldsOf[to.Type()]
	for name, v := range strictjson.Members(value) {
		if i, known := fields[string(name)]; known && !decode(v, to.Field(i)) {
			return false
		}
	}
	return true
}

// fieldsOf are the indices of a struct's fields by their names in JSON.
var fieldsOf = func() map[reflect.Type]map[string]int {
	all := map[reflect.Type]map[string]int{}
	var add func(reflect.Type)
	add = func(t reflect.Type) {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || all[t] != nil || t == reflect.TypeFor[time.Time]() {
			return
		}
		all[t] = map[string]int{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			all[t][name] = i
			add(t.Field(i).Type)
		}
	}
	add(reflect.TypeFor[stytch.Attributes]())
	add(reflect.TypeFor[stytch.AuthenticationFactor]())
	return all
}()

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
