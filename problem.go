package sessionauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
)

// The decisions a caller can make. Every error of this package is one of these,
// by errors.Is; *Error carries what else is known.
var (
	ErrNoCredential   = errors.New("sessionauth: no credential")              // 401, without an error code
	ErrInvalidRequest = errors.New("sessionauth: ambiguous or malformed")     // 400: the request itself is wrong
	ErrInvalidSession = errors.New("sessionauth: session refused")            // 401: forged, expired, revoked or malformed
	ErrCrossOrigin    = errors.New("sessionauth: cross-origin request")       // 403: another site's page sent the cookie along
	ErrForbidden      = errors.New("sessionauth: not allowed")                // 403: known user, role or permission missing
	ErrStepUp         = errors.New("sessionauth: fresh factor required")      // 401: RFC 9470
	ErrUnavailable    = errors.New("sessionauth: cannot decide at this time") // 503: Stytch cannot be asked; never a no

	ErrSignIn          = errors.New("sessionauth: sign-in refused")        // 401: wrong e-mail address or password, and nobody says which
	ErrResetPassword   = errors.New("sessionauth: password must be reset") // 403: Stytch asks for a new password first
	ErrTooManyAttempts = errors.New("sessionauth: too many attempts")      // 429: user locked, or too many requests
)

// An Error is a decision other than yes. Its text holds nothing of the request
// and nothing of Stytch's answer.
type Error struct {
	Kind   error  // one of the sentinels
	Reason Reason // why, from a closed set

	Status     int           // with ErrInvalidRequest: another 4xx, such as 405 or 413; zero is 400, with a challenge
	RetryAfter time.Duration // with ErrUnavailable and ErrTooManyAttempts: when it is worth asking again
	MaxAge     time.Duration // with ErrStepUp: how fresh a factor must be; zero if that is not asked
	ACRValues  []string      // with ErrStepUp: which factors would do
	Resource   string        // with ErrForbidden: the missing permission
	Action     string

	cause     error
	policyAge time.Duration // of the policy that refused
}

// Error names the kind and the reason.
func (e *Error) Error() string {
	text := internal.title
	if e.Kind != nil {
		text = e.Kind.Error()
	}
	if e.Reason != "" {
		text += ": " + string(e.Reason)
	}
	return text
}

// Format prints what Error gives, whatever the verb: a cause may know more than
// may be printed.
func (e *Error) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.Error()) }

// Unwrap gives the kind, and the cause if there is one.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// own gives the caller an error to keep and change: those built once are shared
// by all requests.
func own(err error) error {
	if e, ok := err.(*Error); ok {
		c := *e
		return &c
	}
	return err
}

// missing says that the key set or the policy cannot be had, and why. It raises
// the alarm where only an operator can help.
func (a *Authenticator) missing(reason Reason, retryAfter time.Duration, cause error) error {
	if cause != nil && !errors.Is(cause, remote.ErrTooSoon) {
		if cause == context.Canceled || cause == context.DeadlineExceeded {
			return canceled(cause) // the request's own end, while it waited
		}
		var e *Error
		if !errors.As(a.upstream.unavailable(cause), &e) {
			return panicError{}
		}
		if e.Reason == ReasonMisconfigured {
			return e
		}
	}
	return &Error{Kind: ErrUnavailable, Reason: reason, RetryAfter: retryAfter, cause: cause}
}

// reasonOf gives the reason of an error for an Event.
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

// An answer is how one kind of error is put to the client: RFC 9457 for the
// body, RFC 6750 section 3.1 for the challenge.
type answer struct {
	kind      error
	outcome   Outcome
	status    int
	problem   string // last part of the problem's type
	title     string
	challenge string // error code of the Bearer challenge

	header string // WWW-Authenticate, where the error adds nothing
	body   string // the same of the body
}

var answers = []answer{
	prebuilt(answer{kind: ErrUnavailable, outcome: Unavailable, status: http.StatusServiceUnavailable, problem: "unavailable", title: "Cannot decide at this time"}),
	prebuilt(answer{kind: ErrCrossOrigin, outcome: Refused, status: http.StatusForbidden, problem: "cross-origin", title: "Cross-origin request"}),
	prebuilt(answer{kind: ErrInvalidRequest, outcome: Refused, status: http.StatusBadRequest, problem: "invalid-request", title: "Ambiguous or malformed request", challenge: "invalid_request"}),
	prebuilt(answer{kind: ErrForbidden, outcome: Refused, status: http.StatusForbidden, problem: "forbidden", title: "Not allowed", challenge: "insufficient_scope"}),
	prebuilt(answer{kind: ErrStepUp, outcome: Refused, status: http.StatusUnauthorized, problem: "step-up", title: "Fresh authentication required", challenge: "insufficient_user_authentication"}),
	prebuilt(answer{kind: ErrInvalidSession, outcome: Refused, status: http.StatusUnauthorized, problem: "invalid-session", title: "Invalid session", challenge: "invalid_token"}),
	prebuilt(answer{kind: ErrSignIn, outcome: Refused, status: http.StatusUnauthorized, problem: "sign-in-refused", title: "Wrong e-mail address or password"}),
	prebuilt(answer{kind: ErrResetPassword, outcome: Refused, status: http.StatusForbidden, problem: "reset-password", title: "The password must be reset"}),
	prebuilt(answer{kind: ErrTooManyAttempts, outcome: Refused, status: http.StatusTooManyRequests, problem: "too-many-attempts", title: "Too many attempts"}),
	prebuilt(answer{kind: ErrNoCredential, outcome: Refused, status: http.StatusUnauthorized, problem: "no-credential", title: "Authentication required"}),
}

// internal answers an error that is none of ours.
var internal = prebuilt(answer{outcome: Failed, status: http.StatusInternalServerError, problem: "internal", title: "Internal error"})

// prebuilt writes what is the same for every error of a kind: whoever floods a
// service is answered from it.
func prebuilt(a answer) answer {
	a.header, a.body = a.challengeHeader(&Error{}), a.problemBody(a.status, &Error{})
	return a
}

// answerTo looks for the kind itself before it asks errors.Is, which for ten
// kinds is most of a refusal's time: ours are seldom wrapped.
func answerTo(err error) *answer {
	kind := err
	if e, ok := err.(*Error); ok {
		kind = e.Kind
	}
	for i := range answers {
		if answers[i].kind == kind {
			return &answers[i]
		}
	}
	for i := range answers {
		if errors.Is(err, answers[i].kind) {
			return &answers[i]
		}
	}
	return &internal
}

// problemType is where the README explains each problem.
const problemType = "https://github.com/sessionauth/sessionauth#"

// WriteError answers an error of this package: status, challenge and
// application/problem+json with fixed texts. Any other error is a 500.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	a := answerTo(err)
	e := details(err)
	status := a.status
	refinesStatus := a.kind == ErrInvalidRequest && 400 <= e.Status && e.Status < 500
	if refinesStatus {
		status = e.Status
	}
	h := w.Header()
	values := []string{"application/problem+json", "no-store", "nosniff", "", ""} // one allocation for all
	h["Content-Type"] = only(values, 0)
	h["Cache-Control"] = only(values, 1)
	h["X-Content-Type-Options"] = only(values, 2)
	if status == http.StatusUnauthorized || a.challenge != "" && !refinesStatus {
		values[3] = a.header
		if e.MaxAge > 0 || len(e.ACRValues) > 0 {
			values[3] = a.challengeHeader(e)
		}
		h["Www-Authenticate"] = only(values, 3)
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		values[4] = strconv.FormatInt(max(1, wholeSeconds(e.RetryAfter)), 10)
		h["Retry-After"] = only(values, 4)
	}
	delete(h, "Content-Length")
	w.WriteHeader(status)
	body := a.body
	if refinesStatus || e.Resource != "" || e.Action != "" {
		body = a.problemBody(status, e)
	}
	_, _ = io.WriteString(w, body) // a copy of it, should w write into what it is given
}

// details gives the *Error in an error, or one without any.
func details(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	e := &Error{}
	errors.As(err, &e)
	return e
}

// problemBody writes the problem detail (RFC 9457, section 3).
func (a *answer) problemBody(status int, e *Error) string {
	body, _ := json.Marshal(struct { // strings and a number always can be written
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Resource string `json:"resource,omitempty"`
		Action   string `json:"action,omitempty"`
	}{problemType + a.problem, a.title, status, e.Resource, e.Action})
	return string(body) + "\n"
}

// wholeSeconds rounds up: a client that comes back early is refused again.
func wholeSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}

// challengeHeader builds the Bearer challenge: RFC 6750 section 3, and RFC 9470
// section 3 for a step-up.
func (a *answer) challengeHeader(e *Error) string {
	var b strings.Builder
	b.WriteString(`Bearer realm="api"`)
	if a.challenge != "" {
		b.WriteString(`, error="` + a.challenge + `"`)
	}
	if e.MaxAge > 0 {
		b.WriteString(`, max_age="` + strconv.FormatInt(wholeSeconds(e.MaxAge), 10) + `"`)
	}
	if len(e.ACRValues) > 0 {
		b.WriteString(`, acr_values="` + strings.Join(e.ACRValues, " ") + `"`)
	}
	return b.String()
}
