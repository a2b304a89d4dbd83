package state

import (
	"bytes"
	"encoding/json"
	"time"
)

// An Object is a JSON object. encoding/json sorts its names, as Stytch does.
type Object = map[string]any

// Encode returns the JSON of v without the HTML escapes of json.Marshal. Other
// languages do not write these escapes, and the escapes would count towards the
// size limit of custom claims.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Decode is like json.Unmarshal, except that a number decoded into an any keeps
// all its digits.
func Decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

// mustEncode is like Encode, for values that always have a JSON form.
func mustEncode(v any) []byte {
	b, err := Encode(v)
	if err != nil {
		panic("stytchtest: " + err.Error())
	}
	return b
}

// copyObject returns a deep copy of o that is never nil.
func copyObject(o Object) Object {
	c := Object{}
	if len(o) > 0 && Decode(mustEncode(o), &c) != nil {
		panic("stytchtest: cannot decode an object that was just encoded")
	}
	return c
}

// timestamp formats a time as Stytch does: RFC 3339 in UTC, with a fraction
// only if t has one.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func timestampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timestamp(t)
}

func stringOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
