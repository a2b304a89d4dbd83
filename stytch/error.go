package stytch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Values of Error.Type that callers may need to distinguish. The API has many
// more.
// See https://stytch.com/docs/api/errors.
const (
	TypeSessionNotFound         = "session_not_found"           // the session does not exist, has expired or was revoked
	TypeInvalidSessionToken     = "invalid_session_token"       // the token is malformed
	TypeInvalidSessionTokenDocs = "invalid_session_token_docs"  // the token is an example of the documentation
	TypeIncompatibleSessionType = "incompatible_session_type"   // the credential belongs to another kind of session
	TypeUnableToParseSessionJWT = "unable_to_parse_session_jwt" // the JWT is malformed, or its signature is invalid
	TypeInvalidSessionID        = "invalid_session_id"
	TypeUserNotFound            = "user_not_found"
	TypeEmailNotFound           = "email_not_found"
	TypeInvalidEmail            = "invalid_email"
	TypeNoUserPassword          = "no_user_password"
	TypeResetPassword           = "reset_password"
	TypeUserLockLimitReached    = "user_lock_limit_reached"
	TypeSessionAuthorization    = "consumer_session_authorization_error"

	// TypeUnauthorizedCredentials means that the project id or secret is wrong. From
	// AuthenticatePassword it may also mean that the password is wrong.
	TypeUnauthorizedCredentials = "unauthorized_credentials"
)

// An Error is a response without a success status.
// See https://stytch.com/docs/api/errors.
type Error struct {
	StatusCode int    // HTTP status
	Type       string // error_type, such as "session_not_found"; empty if the body is not the JSON of the API
	Message    string // error_message, for developers; may contain data of the request, and is not part of Error()
	RequestID  string // request_id, for support by Stytch; empty if absent
	URL        string // error_url, the documentation of Type; empty if absent

	RetryAfter time.Duration // the Retry-After header; zero if absent
}

// Error returns a text with the status, the type and the request id. The text
// contains neither data of the request nor Message.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stytch: status %d", e.StatusCode)
	if e.Type != "" {
		fmt.Fprintf(&b, " %s", e.Type)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (%s)", e.RequestID)
	}
	return b.String()
}

// Format writes the text of e.Error for every verb, so that no verb prints Message.
func (e Error) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.Error()) }

// MarshalJSON returns the text of e.Error as a JSON string.
func (e Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.Error()) }

// Misconfigured reports whether the request was refused because of the
// project's credentials, environment or workspace. Such an error does not mean
// that the session is invalid.
func (e *Error) Misconfigured() bool {
	switch e.Type {
	case TypeUnauthorizedCredentials, "unauthorized_credentials_homepage",
		"invalid_project_id_authentication", "invalid_secret_authentication", "invalid_authorization_header",
		"unauthorized_project_id_live", "unauthorized_project_id_test",
		"wrong_stack_live", "wrong_stack_test",
		"live_id_used_in_test_environment", "test_id_used_in_live_environment",
		"invalid_consumer_endpoint", "invalid_b2b_endpoint", "use_https",
		"organization_suspended", // the workspace at Stytch
		"cname_required_for_http_only_cookies", "cname_invalid_for_http_only_cookies":
		return true
	}
	return false
}

// A ParamError reports an invalid parameter. No request was made.
type ParamError struct {
	Field   string // the name in the API, such as "session_token"
	Problem string // a fixed text such as "is required"
}

func (e *ParamError) Error() string { return "stytch: " + e.Field + " " + e.Problem }

func field(name, problem string) error { return &ParamError{name, problem} }

// An InvalidAnswerError reports a response that has a success status but an
// unusable body. The body is not strict JSON, is too large, or lacks an id.
type InvalidAnswerError struct {
	Problem string // a fixed text, such as "session.session_id is missing"

	// Garbled reports whether the body is not a JSON object, which suggests
	// that the endpoint is broken. If false, the data of a single user may be
	// the cause.
	Garbled bool
}

func (e *InvalidAnswerError) Error() string { return "stytch: invalid answer: " + e.Problem }

// A NoAnswerError reports that a call got no response, or a truncated one.
type NoAnswerError struct {
	Begun bool // a response began, which proves that the request reached the server

	cause error
}

func (e *NoAnswerError) Error() string { return "stytch: no answer: " + e.cause.Error() }

// Unwrap returns the error of the transport or of the context.
func (e *NoAnswerError) Unwrap() error { return e.cause }

// noAnswer returns a *NoAnswerError for err. It removes every *url.Error,
// because a *url.Error contains the URL.
func noAnswer(err error, begun bool) error {
	for ue := (*url.Error)(nil); errors.As(err, &ue); { // a transport that wraps an http.Client adds another one
		err = ue.Err
	}
	return &NoAnswerError{begun, err}
}

// identifier returns s if it has the form of the types and ids of the API, and
// "" otherwise. A response can therefore not inject lines into a log or reflect
// a credential.
func identifier(s string) string {
	if len(s) > 100 {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '-' {
			return ""
		}
	}
	return s
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
