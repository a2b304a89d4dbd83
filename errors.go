package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
)

// The kinds of errors. Every error of this package is one of these by
// errors.Is; an *Error carries the details.
var (
	ErrNoCredential   = errors.New("sessionauth: no credential")              // 401, without an error code
	ErrInvalidRequest = errors.New("sessionauth: invalid request")            // 400: the request itself is wrong
	ErrInvalidSession = errors.New("sessionauth: credential refused")         // 401: forged, expired, revoked or malformed
	ErrCrossOrigin    = errors.New("sessionauth: cross-origin request")       // 403: a page of another site sent the cookie
	ErrForbidden      = errors.New("sessionauth: not allowed")                // 403: role or permission missing
	ErrStepUp         = errors.New("sessionauth: step-up required")           // 401: RFC 9470
	ErrUnavailable    = errors.New("sessionauth: cannot decide at this time") // 503: Stytch cannot be reached; never a refusal

	ErrSignIn          = errors.New("sessionauth: sign-in refused")        // 401: wrong e-mail address or password; nothing tells which
	ErrResetPassword   = errors.New("sessionauth: password must be reset") // 403: Stytch requires a new password first
	ErrTooManyAttempts = errors.New("sessionauth: too many attempts")      // 429: user locked, or too many requests
)

// An Error says why a request was not let in. Its text contains nothing of the
// request and nothing of Stytch's answer.
type Error struct {
	Kind   error  // one of the sentinels
	Reason Reason // why, from a closed set

	Status     int           // with ErrInvalidRequest: another 4xx, such as 405 or 413; zero is 400, with a challenge
	RetryAfter time.Duration // with ErrUnavailable and ErrTooManyAttempts: when to try again
	MaxAge     time.Duration // with ErrStepUp: the greatest age of a factor; zero if age does not matter
	ACRValues  []string      // with ErrStepUp: the factors that would do
	Resource   string        // with ErrForbidden: the missing permission
	Action     string

	cause     error
	policyAge time.Duration // of the policy that refused
	reported  bool          // to Config.Observe and Config.Logger
}

// Error returns the kind and the reason.
func (e *Error) Error() string {
	text := "sessionauth: internal error"
	if e.Kind != nil {
		text = e.Kind.Error()
	}
	if words := strings.ReplaceAll(string(e.Reason), "_", " "); words == "" || strings.Contains(strings.ReplaceAll(text, "-", " "), words) {
		return text // the kind says it already
	}
	return text + ": " + string(e.Reason)
}

// Format prints what Error returns. The verb %+v adds the cause, unless that may
// contain a credential; then it adds its type.
func (e *Error) Format(s fmt.State, verb rune) {
	_, _ = io.WriteString(s, e.Error())
	if cause := causeText(e); verb == 'v' && s.Flag('+') && cause != "" {
		_, _ = io.WriteString(s, " ("+cause+")")
	}
}

// Is reports whether target is the kind.
func (e *Error) Is(target error) bool { return e.Kind != nil && errors.Is(e.Kind, target) }

// Unwrap returns the cause, or nil: an error of package stytch, of the transport,
// such as an x509.UnknownAuthorityError, of the Extractor, or of the context. Its
// text may contain what must not be logged: log the Error itself with %+v.
func (e *Error) Unwrap() error { return e.cause }

// causeText returns the text of the cause of an error, for logs, or "".
func causeText(err error) string {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return ""
	case errors.Is(e.cause, remote.ErrTooSoon):
		return remote.ErrTooSoon.Error()
	}
	return upstream.CauseText(e.cause)
}

// A Reason says why a request was not let in.
type Reason string

// The reasons: a closed set, fit for the label of a metric.
const (
	ReasonNoCredential   Reason = "no_credential"
	ReasonMissingRequire Reason = "missing_require"            // a guard is not behind Require of an Authenticator
	ReasonMalformed      Reason = Reason(sessionjwt.Malformed) // the credential has the wrong form
	ReasonAmbiguous      Reason = "ambiguous"                  // several credentials, or those of two users
	ReasonCrossOrigin    Reason = "cross_origin"

	ReasonBadHeader     Reason = Reason(sessionjwt.BadHeader)     // JWT: algorithm, type or extension
	ReasonUnknownKey    Reason = Reason(sessionjwt.UnknownKey)    // JWT: the key is not in the project's key set
	ReasonBadSignature  Reason = Reason(sessionjwt.BadSignature)  // JWT: forged or damaged
	ReasonBadClaims     Reason = Reason(sessionjwt.BadClaims)     // JWT: not the session of a user
	ReasonMember        Reason = Reason(sessionjwt.Member)        // JWT: the session of a member of a B2B project, which this package does not support
	ReasonMachine       Reason = Reason(sessionjwt.Machine)       // JWT: the access token of a machine (M2M)
	ReasonAccessToken   Reason = Reason(sessionjwt.AccessToken)   // JWT: the access token of a Connected App
	ReasonWrongIssuer   Reason = Reason(sessionjwt.WrongIssuer)   // JWT: issued by someone else
	ReasonWrongAudience Reason = Reason(sessionjwt.WrongAudience) // JWT: for another project
	ReasonBadTime       Reason = Reason(sessionjwt.BadTime)       // JWT: not valid yet, or impossible times

	ReasonEnded        Reason = "ended"         // the session has ended
	ReasonRevoked      Reason = "revoked"       // revoked in this process
	ReasonRejected     Reason = "rejected"      // Stytch rejects the credential
	ReasonOtherSession Reason = "other_session" // token and JWT belong to two sessions

	ReasonRole         Reason = "role"         // none of the required roles
	ReasonImpersonated Reason = "impersonated" // someone else acts as the user
	ReasonPermission   Reason = "permission"   // the policy does not allow it
	ReasonFactor       Reason = "factor"       // none of the required factors
	ReasonRecency      Reason = "recency"      // no factor is recent enough

	ReasonNoPolicy      Reason = "no_policy"                  // there is no RBAC policy to decide by
	ReasonNoKeySet      Reason = "no_key_set"                 // there is no key to verify a JWT with
	ReasonUnreachable   Reason = Reason(upstream.Unreachable) // connection refused, reset or timed out
	ReasonStytchFailing Reason = "stytch_failing"             // Stytch answered with an error, or with nonsense
	ReasonRateLimited   Reason = Reason(upstream.RateLimited) // Stytch answered 429, or one session has caused too many calls
	ReasonMisconfigured Reason = "misconfigured"              // Stytch refuses the project's own credentials
	ReasonOverloaded    Reason = Reason(upstream.Overloaded)  // too many calls to Stytch are under way
	ReasonNotKept       Reason = "not_kept"                   // there is no room to remember a sign-out: try again
	ReasonBreakerOpen   Reason = Reason(upstream.BreakerOpen) // Stytch failed many times in a row; calls are suspended for some seconds
	ReasonRevocations   Reason = "revocations_dropped"        // the denylist was full a moment ago: try again
	ReasonCanceled      Reason = Reason(upstream.Canceled)    // the client went away, or its deadline passed
	ReasonInternal      Reason = "internal"                   // an error or a panic in this process
)

// The errors that carry nothing of a request are built once.
var (
	errMissingRequire   = &Error{Kind: ErrNoCredential, Reason: ReasonMissingRequire}
	errAmbiguous        = &Error{Kind: ErrInvalidRequest, Reason: ReasonAmbiguous} // RFC 6750, section 3.1
	errMalformed        = &Error{Kind: ErrInvalidRequest, Reason: ReasonMalformed}
	errCrossOrigin      = &Error{Kind: ErrCrossOrigin, Reason: ReasonCrossOrigin}
	errMalformedSession = &Error{Kind: ErrInvalidSession, Reason: ReasonMalformed}
	errEnded            = &Error{Kind: ErrInvalidSession, Reason: ReasonEnded}
	errRevoked          = &Error{Kind: ErrInvalidSession, Reason: ReasonRevoked}
	errRejected         = &Error{Kind: ErrInvalidSession, Reason: ReasonRejected}
	errOtherSession     = &Error{Kind: ErrInvalidSession, Reason: ReasonOtherSession}
	errPurged           = &Error{Kind: ErrUnavailable, Reason: ReasonRevocations}
	errNotKept          = &Error{Kind: ErrUnavailable, Reason: ReasonNotKept}
)

// errStale says that Stytch must be asked before an entry may be used. It never
// leaves this package.
var errStale = errors.New("sessionauth: stale")

// cloneError returns a copy of an error for the caller to keep and change:
// those built once are shared by all requests.
func cloneError(err error) error {
	if e, ok := err.(*Error); ok {
		c := *e
		return &c
	}
	return err
}

// reportedError is cloneError for an error that Observe and Logger have received,
// so that Reject does not report it again.
func reportedError(err error) error {
	if err == ErrNoCredential {
		return &Error{Kind: ErrNoCredential, Reason: ReasonNoCredential, reported: true}
	}
	err = cloneError(err)
	if e, ok := err.(*Error); ok {
		e.reported = true
	}
	return err
}

// translate turns an error from the packages below into one of this package.
// isRejection reports which of Stytch's answers reject what was asked about; if
// nil, none does. Everything else is ErrUnavailable: neither a yes nor a no. A
// panic stays upstream.ErrPanic.
func translate(err error, isRejection func(error) bool) error {
	var ours *Error
	var call *upstream.Error
	var se *stytch.Error
	var refused *sessionjwt.RefusedError
	var noKeys *sessionjwt.UnavailableError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, upstream.ErrPanic):
		return upstream.ErrPanic
	case errors.As(err, &ours):
		return ours
	case isRejection != nil && isRejection(err):
		return &Error{Kind: ErrInvalidSession, Reason: ReasonRejected, cause: err}
	case errors.As(err, &refused) && refused.Reason == sessionjwt.Malformed:
		return errMalformedSession
	case refused != nil:
		return &Error{Kind: ErrInvalidSession, Reason: Reason(refused.Reason)}
	case errors.As(err, &noKeys):
		return missing(ReasonNoKeySet, noKeys.RetryAfter, noKeys.Cause)
	case errors.As(err, &call):
		return &Error{Kind: ErrUnavailable, Reason: Reason(call.Reason), RetryAfter: call.RetryAfter, cause: call.Cause}
	case errors.As(err, &se):
		return unavailable(se, err)
	case errors.As(err, new(*stytch.InvalidAnswerError)):
		return &Error{Kind: ErrUnavailable, Reason: ReasonStytchFailing, cause: err}
	}
	return &Error{Kind: ErrUnavailable, Reason: ReasonUnreachable, cause: err}
}

// unavailable translates an error of Stytch that rejects nothing.
func unavailable(se *stytch.Error, cause error) *Error {
	e := &Error{Kind: ErrUnavailable, Reason: ReasonStytchFailing, cause: cause}
	switch {
	case se.Misconfigured():
		e.Reason = ReasonMisconfigured
	case se.StatusCode == 429:
		e.Reason, e.RetryAfter = ReasonRateLimited, upstream.ClampRetryAfter(se.RetryAfter)
	}
	return e
}

// missing says that there is no key set or no policy. The reason is that of the
// cause where only an operator can help, or where the request itself ended.
func missing(reason Reason, retryAfter time.Duration, cause error) error {
	if cause != nil && !errors.Is(cause, remote.ErrTooSoon) {
		if cause == context.Canceled || cause == context.DeadlineExceeded {
			return translate(upstream.CanceledBy(cause), nil)
		}
		e, ok := translate(cause, nil).(*Error)
		if !ok {
			return upstream.ErrPanic
		}
		if e.Reason == ReasonMisconfigured {
			return e
		}
	}
	return &Error{Kind: ErrUnavailable, Reason: reason, RetryAfter: retryAfter, cause: cause}
}

// reasonOf returns the reason of an error.
func reasonOf(err error) Reason {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Reason != "":
		return e.Reason
	case errors.Is(err, ErrNoCredential):
		return ReasonNoCredential
	}
	return ReasonInternal
}

// isRejected reports whether Stytch rejected a credential, now or a moment ago.
func isRejected(err error) bool {
	return errors.Is(err, ErrInvalidSession) && reasonOf(err) == ReasonRejected
}

// isRefusedByClass reports whether a call was not made because of other calls of
// its class, or about its subject.
func isRefusedByClass(err error) bool {
	switch reasonOf(err) {
	case ReasonOverloaded, ReasonRateLimited, ReasonBreakerOpen:
		return true
	}
	return false
}

// isOutage reports whether Stytch cannot be asked through no fault of the
// caller. A client that goes away, fills its class, or causes a 429 must not
// revive stale answers.
func isOutage(err error) bool {
	switch reasonOf(err) {
	case ReasonUnreachable, ReasonStytchFailing, ReasonBreakerOpen, ReasonMisconfigured:
		return true
	}
	return false
}
