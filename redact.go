package sessionauth

import (
	"fmt"
	"io"
)

// Types that hold a secret or a credential print and marshal as their name for
// every verb, so that logging a value does not leak it.

func redact(w io.Writer, name string) { _, _ = io.WriteString(w, "sessionauth."+name+"{redacted}") }

// Format implements fmt.Formatter. It redacts the credential.
func (Credential) Format(s fmt.State, _ rune) { redact(s, "Credential") }

// MarshalJSON implements json.Marshaler. It redacts the credential.
func (Credential) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Credential{redacted}"`), nil
}

// Format implements fmt.Formatter. It redacts the secret.
func (Config) Format(s fmt.State, _ rune) { redact(s, "Config") }

// MarshalJSON implements json.Marshaler. It redacts the secret.
func (Config) MarshalJSON() ([]byte, error) { return []byte(`"sessionauth.Config{redacted}"`), nil }

// Format implements fmt.Formatter. It redacts the secret.
func (*Authenticator) Format(s fmt.State, _ rune) { redact(s, "Authenticator") }

// MarshalJSON implements json.Marshaler. It redacts the secret.
func (*Authenticator) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Authenticator{redacted}"`), nil
}

// Format implements fmt.Formatter. It redacts the credential and the parent
// context.
func (*requestContext) Format(s fmt.State, _ rune) { redact(s, "Context") }

// String implements fmt.Stringer. Contexts derived from this one print it.
func (*requestContext) String() string { return "sessionauth.Context{redacted}" }

// MarshalJSON implements json.Marshaler. It redacts the credential.
func (*requestContext) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Context{redacted}"`), nil
}

// Format implements fmt.Formatter. It prints the ids and redacts everything
// else.
func (id Identity) Format(s fmt.State, _ rune) {
	session, user := "", ""
	if id.Session != nil {
		session, user = id.Session.ID, id.Session.UserID
	}
	_, _ = fmt.Fprintf(s, "sessionauth.Identity{%s %s redacted}", session, user)
}

// Format redacts the cookies.
func (*lateCookies) Format(s fmt.State, _ rune) { redact(s, "ResponseWriter") }

// MarshalJSON redacts the cookies.
func (*lateCookies) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.ResponseWriter{redacted}"`), nil
}
