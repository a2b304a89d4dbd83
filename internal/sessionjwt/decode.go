package sessionjwt

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

// The functions in this file decode single values. Each takes the raw text of a
// value that strictjson has checked, and reports false for a value of another
// type.

// base64url is the encoding of RFC 7515, section 2. Strict refuses trailing
// bits that are not zero, because with them one token could have several
// encodings.
var base64url = base64.RawURLEncoding.Strict()

// stringArray decodes an array of strings. The result for an empty array is not
// nil.
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

// numericDate decodes a NumericDate (RFC 7519, section 2). This is a number of
// seconds that may have a fraction. It must be after 1970 and before the year
// 10000.
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

// isIdentifier reports whether s consists of the characters of Stytch ids and
// is short. Such a string is safe in a URL or a log line.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 256
}

// decodeTime decodes an RFC 3339 time. For the empty string, which Stytch sends
// for some members that are not set, it does not change to.
func decodeTime(to *time.Time, value []byte) bool {
	return string(value) == `""` || value[0] == '"' && to.UnmarshalJSON(value) == nil
}

// decode sets to from value. to is a string, a time, or a struct of these.
// Unlike encoding/json, decode matches member names exactly and needs a fifth
// of the allocations. It ignores unknown members. If value is null, decode does
// not change to.
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
		return decodeTime(at, value)
	}
	if value[0] != '{' {
		return false
	}
	fields := fieldsByName[to.Type()]
	for name, v := range strictjson.Members(value) {
		if i, known := fields[string(name)]; known && !decode(v, to.Field(i)) {
			return false
		}
	}
	return true
}

// fieldsByName maps the struct types that decode handles to the indexes of their
// fields by JSON name.
var fieldsByName = func() map[reflect.Type]map[string]int {
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
