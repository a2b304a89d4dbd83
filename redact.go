package sessionauth

import (
	"fmt"
	"io"
)

// A type that holds a secret or a credential prints and marshals as its name,
// whatever the verb: a debug line must not become a leak.

func redact(w io.Writer, name string) { _, _ = io.WriteString(w, "sessionauth."+name+"{redacted}") }

// Format redacts the credential.
func (Credential) Format(s fmt.State, _ rune) { redact(s, "Credential") }

// MarshalJSON redacts the credential.
func (Credential) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Credential{redacted}"`), nil
}

// Format redacts the secret.
func (Config) Format(s fmt.State, _ rune) { redact(s, "Config") }

// MarshalJSON redacts the secret.
func (Config) MarshalJSON() ([]byte, error) { return []byte(`"sessionauth.Config{redacted}"`), nil }

// Format redacts the secret.
func (*Authenticator) Format(s fmt.State, _ rune) { redact(s, "Authenticator") }

// MarshalJSON redacts the secret.
func (*Authenticator) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Authenticator{redacted}"`), nil
}

// Format redacts the credential, and the context that this one derives from.
func (*requestContext) Format(s fmt.State, _ rune) { redact(s, "Context") }

// String is printed by contexts that derive from this one.
func (*requestContext) String() string { return "sessionauth.Context{redacted}" }

// MarshalJSON redacts the credential.
func (*requestContext) MarshalJSON() ([]byte, error) {
	return []byte(`"sessionauth.Context{redacted}"`), nil
}

// Format prints the ids and redacts everything else.
func (id Identity) Format(s fmt.State, _ rune) {
	session, user := "", ""
	if id.Session != nil {
		session, user = id.Session.ID, id.Session.UserID
	}
	_, _ = fmt.Fprintf(s, "sessionauth.Identity{%s %s redacted}", session, user)
}
