package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A Reason is the reason why a call was not made or has no result.
type Reason string

// The reasons.
const (
	Overloaded  Reason = "overloaded"   // the class has no free place
	RateLimited Reason = "rate_limited" // paused after a 429, or too many calls about the subject
	BreakerOpen Reason = "breaker_open" // the endpoint failed many times in a row
	Canceled    Reason = "canceled"     // the caller's own context is done
	Unreachable Reason = "unreachable"  // the call did not return
)

// An Error reports that a call was not made or has no result, for a reason
// within this process.
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

// errAborted is the error of a call that ended its goroutine.
var errAborted = &Error{Reason: Unreachable}

// ErrPanic reports a panic during a call. The panic was logged. The text
// contains no details.
var ErrPanic = errors.New("sessionauth: internal error")

// CanceledBy returns the Error for a request whose own context is done. cause
// is the error of the context.
func CanceledBy(cause error) *Error { return &Error{Reason: Canceled, Cause: cause} }

// IsSessionRejected reports whether err means that a session does not exist. It
// uses the error type and ignores the status.
func IsSessionRejected(err error) bool {
	switch errorType(err) {
	case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeInvalidSessionTokenDocs,
		stytch.TypeUnableToParseSessionJWT, stytch.TypeIncompatibleSessionType:
		return true
	}
	return false
}

// IsUserRejected reports whether err means that a user does not exist.
func IsUserRejected(err error) bool { return errorType(err) == stytch.TypeUserNotFound }

// IsSessionNotFound reports whether err means that the session of a well-formed
// credential does not exist.
func IsSessionNotFound(err error) bool { return errorType(err) == stytch.TypeSessionNotFound }

// IsNotMutable reports whether err means that a session is alive but cannot be
// extended.
func IsNotMutable(err error) bool { return errorType(err) == "session_not_mutable" }

// IsForbidden reports whether err means that a session is alive but lacks the
// permission of the authorization check.
func IsForbidden(err error) bool { return errorType(err) == stytch.TypeSessionAuthorization }

func errorType(err error) string {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return ""
	}
	return se.Type
}

// isAnswered reports whether Stytch responded normally: with a success or a
// rejection.
func isAnswered(err error) bool {
	return err == nil || IsSessionRejected(err) || IsUserRejected(err)
}

// isRetryable reports whether a retry may succeed. This is the case if there
// was no response, or if the status suggests a retry (RFC 9110, sections 15.6.3
// to 15.6.5). It is never the case for a 429.
func isRetryable(err error) bool {
	var se *stytch.Error
	if errors.As(err, &se) {
		return !isAnswered(err) && (se.StatusCode == 502 || se.StatusCode == 503 || se.StatusCode == 504)
	}
	var none *stytch.NoAnswerError
	return errors.As(err, &none) && !none.Begun
}

// isFault reports whether an error is a failure of the whole endpoint: no
// response, a 5xx, or a garbage response. A 4xx does not count, nor does a
// response that is invalid because of one user's data: they must not open the
// breaker for others.
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

// isGarbage reports whether a response is not a JSON object. Even then, one
// user's data may be the cause.
func isGarbage(err error) bool {
	var invalid *stytch.InvalidAnswerError
	return errors.As(err, &invalid) && invalid.Garbled
}

// isCanceled reports whether an error only means that the caller's context is
// done.
func isCanceled(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == Canceled
}

// isMisconfigured reports whether Stytch rejected the project's own
// credentials. In a call with a password, unauthorized_credentials may also
// mean that the password is wrong, so it does not count.
func isMisconfigured(call Call, err error) bool {
	var se *stytch.Error
	return errors.As(err, &se) && se.Misconfigured() &&
		!(call.Personal && se.Type == stytch.TypeUnauthorizedCredentials)
}

// callError returns err, or a Canceled error if parent is done. A client that
// disconnects must not open a breaker.
func callError(parent context.Context, err error) error {
	if err != nil && parent.Err() != nil {
		return CanceledBy(parent.Err())
	}
	return err
}
