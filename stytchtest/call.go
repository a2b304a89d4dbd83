package stytchtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

const (
	minSessionMinutes = 5
	maxSessionMinutes = 527040 // 366 days
)

// A call is a request that may be answered.
type call struct {
	*http.Request
	header http.Header // of the answer

	raw    []byte // what was sent
	rawErr error  // why it could not be read to its end

	body  map[string]json.RawMessage // of a POST
	wrong bool                       // a member of body had another type than documented
}

// read decodes a member of the body. Names match exactly. A member that is
// absent or null leaves v as it is.
func (c *call) read(name string, v any) {
	raw, ok := c.body[name]
	if !ok || string(raw) == "null" {
		return
	}
	if decode(raw, v) != nil {
		c.wrong = true
	}
}

// decode is json.Unmarshal, but keeps numbers of type any as they are written.
func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

// sessionFields are the members that all calls about a session share.
type sessionFields struct {
	token, jwt string
	minutes    int    // zero if not given
	claims     object // nil if not given
}

// sessionFields reads them and checks what can be checked without looking
// anything up: types, then the number of credentials, then the duration.
func (c *call) sessionFields(credentialRequired bool) (f sessionFields, fail *failure) {
	var minutes *int32
	c.read("session_token", &f.token)
	c.read("session_jwt", &f.jwt)
	c.read("session_duration_minutes", &minutes)
	c.read("session_custom_claims", &f.claims)
	if c.wrong {
		return f, errBadRequest
	}
	// An empty string counts as absent, as with the SDKs that leave it out.
	if f.token != "" && f.jwt != "" {
		return f, errTooManySessionArguments
	}
	if credentialRequired && f.token == "" && f.jwt == "" {
		return f, errNoSessionArguments
	}
	if minutes != nil {
		if *minutes < minSessionMinutes || *minutes > maxSessionMinutes {
			return f, errInvalidSessionDuration
		}
		f.minutes = int(*minutes)
	}
	return f, nil
}

// tokenForm reports whether a session token is one by its form. Stytch's are
// 44 characters; the bounds here are a guess.
func tokenForm(token string) bool {
	text := strings.TrimRight(token, "=")
	if len(token) < 16 || len(token) > 256 || len(token)-len(text) > 2 {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
