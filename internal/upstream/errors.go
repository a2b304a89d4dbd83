package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A Reason is why a call was not made, or why its result was not waited for.
type Reason string

// The reasons.
const (
	Overloaded  Reason = "overloaded"   // the class has no free place
	RateLimited Reason = "rate_limited" // paused after a 429, or the subject has caused too many calls
	BreakerOpen Reason = "breaker_open" // the endpoint failed many times in a row
	Canceled    Reason = "canceled"     // the caller's own context ended
	Unreachable Reason = "unreachable"  // the call did not return
)

// An Error says that there is no result for a reason that lies in this process.
type Error struct {
	Reason     Reason
	RetryAfter time.Duration // zero if unknown
	Cause      error         // the context's error with Canceled, what opened the breaker with BreakerOpen, else nil
}

func (e *Error) Error() string { return "upstream: " + string(e.Reason) }

// Unwrap returns Cause, unless that is the failure of an earlier call: what is
// asked about this call must not be answered about that one.
func (e *Error) Unwrap() error {
	if e.Reason == BreakerOpen {
		return nil
	}
	return e.Cause
}

var errOverloaded = &Error{Reason: Overloaded}

// errAborted stands for a call that ended its goroutine.
var errAborted = &Error{Reason: Unreachable}

// ErrPanic stands for a panic during a call. The panic was logged; the text
// reveals nothing.
var ErrPanic = errors.New("sessionauth: internal error")

// CanceledBy returns the Error for a request whose own context ended with
// cause. It says nothing about Stytch.
func CanceledBy(cause error) *Error { return &Error{Reason: Canceled, Cause: cause} }

// IsSessionRejected reports whether Stytch says that a session does not exist.
// The error type decides, whatever the status.
func IsSessionRejected(err error) bool {
	switch errorType(err) {
	case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeInvalidSessionTokenDocs,
		stytch.TypeUnableToParseSessionJWT, stytch.TypeIncompatibleSessionType:
		return true
	}
	return false
}

// IsUserRejected reports whether Stytch says that a user does not exist.
func IsUserRejected(err error) bool { return errorType(err) == stytch.TypeUserNotFound }

// IsSessionNotFound reports whether Stytch says that a session of this
// well-formed credential does not exist.
func IsSessionNotFound(err error) bool { return errorType(err) == stytch.TypeSessionNotFound }

// IsNotMutable reports whether Stytch says that a live session cannot be
// extended.
func IsNotMutable(err error) bool { return errorType(err) == "session_not_mutable" }

// IsForbidden reports whether Stytch says that a live session may not do what
// the call's authorization check names.
func IsForbidden(err error) bool { return errorType(err) == stytch.TypeSessionAuthorization }

func errorType(err error) string {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return ""
	}
	return se.Type
}

// isAnswered reports whether Stytch answered as it should: with success, or
// with a rejection.
func isAnswered(err error) bool {
	return err == nil || IsSessionRejected(err) || IsUserRejected(err)
}

// isRetryable reports whether a retry may succeed: no answer came, or one with
// a status that says so (RFC 9110, sections 15.6.3 to 15.6.5). It is never true
// for a 429.
func isRetryable(err error) bool {
	var se *stytch.Error
	if errors.As(err, &se) {
		return !isAnswered(err) && (se.StatusCode == 502 || se.StatusCode == 503 || se.StatusCode == 504)
	}
	var none *stytch.NoAnswerError
	return errors.As(err, &none) && !none.Begun
}

// isFault reports whether an error is a failure of the endpoint as a whole: no
// answer, a 5xx, or garbage. A 4xx, or an answer that is refused because of
// what one user stored, must not open the breaker for others.
func isFault(err error) bool {
	if err == errAborted {
		return true
	}
	var se *stytch.Error
	if errors.As(err, &se) {
		return se.StatusCode >= 500 && !isAnswered(err)
	}
	return isGarbage(err) || errors.As(err, new(*stytch.NoAnswerError))
}

// isGarbage reports whether an answer is not what the endpoint sends. One user's
// data may still be the cause.
func isGarbage(err error) bool {
	var invalid *stytch.InvalidAnswerError
	return errors.As(err, &invalid) && invalid.Garbled
}

// isCanceled reports whether an error only says that the caller left.
func isCanceled(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == Canceled
}

// isMisconfigured reports whether Stytch refused the project's own credentials.
// For a password, unauthorized_credentials also means that it is wrong.
func isMisconfigured(call Call, err error) bool {
	var se *stytch.Error
	return errors.As(err, &se) && se.Misconfigured() &&
		!(call.Personal && se.Type == stytch.TypeUnauthorizedCredentials)
}

// callError returns a call's error, or a Canceled one if parent has ended: no
// breaker may open because a client left.
func callError(parent context.Context, err error) error {
	if err != nil && parent.Err() != nil {
		return CanceledBy(parent.Err())
	}
	return err
}
