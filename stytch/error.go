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

// Error types that callers decide on; Stytch knows many more.
// See https://stytch.com/docs/api/errors.
const (
	TypeSessionNotFound         = "session_not_found"           // unknown, expired or revoked
	TypeInvalidSessionToken     = "invalid_session_token"       // not the form of a token
	TypeUnableToParseSessionJWT = "unable_to_parse_session_jwt" // not a JWT, or not signed by Stytch
	TypeInvalidSessionID        = "invalid_session_id"
	TypeUserNotFound            = "user_not_found"
	TypeEmailNotFound           = "email_not_found"
	TypeInvalidEmail            = "invalid_email"
	TypeNoUserPassword          = "no_user_password"
	TypeResetPassword           = "reset_password"
	TypeUserLockLimitReached    = "user_lock_limit_reached"
	TypeSessionAuthorization    = "consumer_session_authorization_error"

	// TypeUnauthorizedCredentials is a wrong project secret; from
	// passwords/authenticate it is also a wrong password.
	TypeUnauthorizedCredentials = "unauthorized_credentials"
)

// An Error is any answer of Stytch other than success.
// See https://stytch.com/docs/api/errors.
type Error struct {
	StatusCode int    // of the HTTP answer
	Type       string // such as "session_not_found"; empty if the answer was not Stytch's JSON
	Message    string // Stytch's words for a developer; never shown to a user, and not part of Error()
	RequestID  string // Stytch's id of the call, for their support
	URL        string // documentation of the type

	RetryAfter time.Duration // the answer's Retry-After; zero if it named none
}

// Error names the status, the type and the request id: nothing in it comes
// from the request, and Stytch's message is left out.
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

// Format prints what Error gives, whatever the verb.
func (e Error) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.Error()) }

// MarshalJSON writes what Error gives.
func (e Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.Error()) }

// Misconfigured reports whether Stytch refused the project's own credentials or
// environment. It says nothing about the session that was asked about.
func (e *Error) Misconfigured() bool {
	switch e.Type {
	case TypeUnauthorizedCredentials, "unauthorized_credentials_homepage",
		"invalid_project_id_authentication", "invalid_secret_authentication", "invalid_authorization_header",
		"unauthorized_project_id_live", "unauthorized_project_id_test",
		"wrong_stack_live", "wrong_stack_test",
		"live_id_used_in_test_environment", "test_id_used_in_live_environment",
		"invalid_consumer_endpoint", "use_https":
		return true
	}
	return false
}

// A ParamError is a parameter that Stytch would refuse; no call was made.
type ParamError struct {
	Field   string // as the API names it, such as "session_token"
	Problem string // a fixed text
}

func (e *ParamError) Error() string { return "stytch: " + e.Field + " " + e.Problem }

func field(name, problem string) error { return &ParamError{name, problem} }

// An InvalidAnswerError says that Stytch answered with success, but the body
// cannot be trusted: it is not strict JSON, too long, or lacks an id.
type InvalidAnswerError struct {
	Problem string // a fixed text, such as "session.session_id is missing"

	// Garbled says that the answer is no JSON at all, or endless: the endpoint is
	// broken. Otherwise it may be about what one user wrote into their data.
	Garbled bool
}

func (e *InvalidAnswerError) Error() string { return "stytch: invalid answer: " + e.Problem }

// A NoAnswerError says that a call brought no answer: not a byte of one, or one
// that was cut off.
type NoAnswerError struct {
	Begun bool // an answer had begun: Stytch has seen the call

	cause error
}

func (e *NoAnswerError) Error() string { return "stytch: no answer: " + e.cause.Error() }
func (e *NoAnswerError) Unwrap() error { return e.cause }

// noAnswer takes the request out of a transport's error: a *url.Error prints
// the URL.
func noAnswer(err error, begun bool) error {
	for ue := (*url.Error)(nil); errors.As(err, &ue); { // a client behind the client has its own
		err = ue.Err
	}
	return &NoAnswerError{begun, err}
}

// identifier keeps what Stytch's own types and ids are made of, so that an
// answer cannot write lines into a log or reflect a credential.
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
