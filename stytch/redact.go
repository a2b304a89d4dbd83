package stytch

import (
	"fmt"
	"io"
)

// Whatever holds a secret, a credential or a password prints itself as its
// type name, whatever the verb, and the same as JSON and in slog: a debug line
// must not become a leak.

func redact(w io.Writer, name string) { _, _ = io.WriteString(w, name+"{redacted}") }

// Format prints no secret.
func (Config) Format(s fmt.State, _ rune) { redact(s, "stytch.Config") }

// MarshalJSON writes no secret.
func (Config) MarshalJSON() ([]byte, error) { return []byte(`"stytch.Config{redacted}"`), nil }

// Format prints no secret.
func (*Client) Format(s fmt.State, _ rune) { redact(s, "stytch.Client") }

// MarshalJSON writes no secret.
func (*Client) MarshalJSON() ([]byte, error) { return []byte(`"stytch.Client{redacted}"`), nil }

// Format prints no credential.
func (AuthenticateSessionParams) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticateSessionParams")
}

// MarshalJSON writes no credential.
func (AuthenticateSessionParams) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticateSessionParams{redacted}"`), nil
}

// Format prints no credential.
func (AuthenticateSessionResponse) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticateSessionResponse")
}

// MarshalJSON writes no credential.
func (AuthenticateSessionResponse) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticateSessionResponse{redacted}"`), nil
}

// Format prints no credential.
func (RevokeSessionParams) Format(s fmt.State, _ rune) { redact(s, "stytch.RevokeSessionParams") }

// MarshalJSON writes no credential.
func (RevokeSessionParams) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.RevokeSessionParams{redacted}"`), nil
}

// Format prints no password.
func (AuthenticatePasswordParams) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticatePasswordParams")
}

// MarshalJSON writes no password.
func (AuthenticatePasswordParams) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticatePasswordParams{redacted}"`), nil
}

// Format prints no credential.
func (AuthenticatePasswordResponse) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticatePasswordResponse")
}

// MarshalJSON writes no credential.
func (AuthenticatePasswordResponse) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticatePasswordResponse{redacted}"`), nil
}
