package stytch

import (
	"fmt"
	"io"
)

// Types that contain a secret, a credential or a password implement fmt.Formatter
// and json.Marshaler, so that neither fmt, nor encoding/json, nor slog writes it.

// redact writes the name of a type in place of a value.
func redact(w io.Writer, name string) { _, _ = io.WriteString(w, name+"{redacted}") }

// Format writes the type name and no secret, for every verb.
func (Config) Format(s fmt.State, _ rune) { redact(s, "stytch.Config") }

// MarshalJSON returns the type name and no secret.
func (Config) MarshalJSON() ([]byte, error) { return []byte(`"stytch.Config{redacted}"`), nil }

// Format writes the type name and no secret, for every verb.
func (*Client) Format(s fmt.State, _ rune) { redact(s, "stytch.Client") }

// MarshalJSON returns the type name and no secret.
func (*Client) MarshalJSON() ([]byte, error) { return []byte(`"stytch.Client{redacted}"`), nil }

// Format writes the type name and no credential, for every verb.
func (AuthenticateSessionParams) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticateSessionParams")
}

// MarshalJSON returns the type name and no credential.
func (AuthenticateSessionParams) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticateSessionParams{redacted}"`), nil
}

// Format writes the type name and no credential, for every verb.
func (AuthenticateSessionResponse) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticateSessionResponse")
}

// MarshalJSON returns the type name and no credential.
func (AuthenticateSessionResponse) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticateSessionResponse{redacted}"`), nil
}

// Format writes the type name and no credential, for every verb.
func (RevokeSessionParams) Format(s fmt.State, _ rune) { redact(s, "stytch.RevokeSessionParams") }

// MarshalJSON returns the type name and no credential.
func (RevokeSessionParams) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.RevokeSessionParams{redacted}"`), nil
}

// Format writes the type name and no password, for every verb.
func (AuthenticatePasswordParams) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticatePasswordParams")
}

// MarshalJSON returns the type name and no password.
func (AuthenticatePasswordParams) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticatePasswordParams{redacted}"`), nil
}

// Format writes the type name and no credential, for every verb.
func (AuthenticatePasswordResponse) Format(s fmt.State, _ rune) {
	redact(s, "stytch.AuthenticatePasswordResponse")
}

// MarshalJSON returns the type name and no credential.
func (AuthenticatePasswordResponse) MarshalJSON() ([]byte, error) {
	return []byte(`"stytch.AuthenticatePasswordResponse{redacted}"`), nil
}
