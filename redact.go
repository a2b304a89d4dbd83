package sessionauth

import (
	"fmt"
	"io"
)

// Whatever holds a secret or a credential prints itself as its type name,
// whatever the verb, and the same as JSON and in slog: a debug line must not
// become a leak.

func redact(w io.Writer, name string) { _, _ = io.WriteString(w, "sessionauth."+name+"{redacted}") }

// Format prints no credential.
func (Credential) Format(s fmt.State, _ rune) { redact(s, "Credential") }

// MarshalJSON writes no credential.
func (Credential) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Credential{redacted}"`), nil
}

// Format prints no secret.
func (Config) Format(s fmt.State, _ rune) { redact(s, "Config") }

// MarshalJSON writes no secret.
func (Config) MarshalJSON() ([]byte, error) { return []byte(`"sessionauth.Config{redacted}"`), nil }

// Format prints no secret.
func (*Authenticator) Format(s fmt.State, _ rune) { redact(s, "Authenticator") }

// MarshalJSON writes no secret.
func (*Authenticator) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Authenticator{redacted}"`), nil
}

// Format prints no credential, and neither the context it was made of.
func (*requestContext) Format(s fmt.State, _ rune) { redact(s, "Context") }

// String is what a context made of this one prints.
func (*requestContext) String() string { return "sessionauth.Context{redacted}" }

// MarshalJSON writes no credential.
func (*requestContext) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Context{redacted}"`), nil
}

// Format prints the ids and no credential.
func (id Identity) Format(s fmt.State, _ rune) {
	session, user := "", ""
	if id.Session != nil {
		session, user = id.Session.ID, id.Session.UserID
	}
	_, _ = fmt.Fprintf(s, "sessionauth.Identity{%s %s redacted}", session, user)
}
