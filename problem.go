package sessionauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
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
}

var answers = []answer{
	{ErrUnavailable, Unavailable, http.StatusServiceUnavailable, "unavailable", "Cannot decide at this time", ""},
	{ErrCrossOrigin, Refused, http.StatusForbidden, "cross-origin", "Cross-origin request", ""},
	{ErrInvalidRequest, Refused, http.StatusBadRequest, "invalid-request", "Ambiguous or malformed request", "invalid_request"},
	{ErrForbidden, Refused, http.StatusForbidden, "forbidden", "Not allowed", "insufficient_scope"},
	{ErrStepUp, Refused, http.StatusUnauthorized, "step-up", "Fresh authentication required", "insufficient_user_authentication"},
	{ErrInvalidSession, Refused, http.StatusUnauthorized, "invalid-session", "Invalid session", "invalid_token"},
	{ErrSignIn, Refused, http.StatusUnauthorized, "sign-in-refused", "Wrong e-mail address or password", ""},
	{ErrResetPassword, Refused, http.StatusForbidden, "reset-password", "The password must be reset", ""},
	{ErrTooManyAttempts, Refused, http.StatusTooManyRequests, "too-many-attempts", "Too many attempts", ""},
	{ErrNoCredential, Refused, http.StatusUnauthorized, "no-credential", "Authentication required", ""},
}

// internal answers an error that is none of ours.
var internal = answer{nil, Failed, http.StatusInternalServerError, "internal", "Internal error", ""}

func answerTo(err error) *answer {
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
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{}
	}
	status := a.status
	refinesStatus := a.kind == ErrInvalidRequest && 400 <= e.Status && e.Status < 500
	if refinesStatus {
		status = e.Status
	}
	h := w.Header()
	if status == http.StatusUnauthorized || a.challenge != "" && !refinesStatus {
		h.Set("WWW-Authenticate", a.challengeHeader(e))
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.FormatInt(max(1, wholeSeconds(e.RetryAfter)), 10))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	w.WriteHeader(status)
	body, _ := json.Marshal(struct { // strings and a number always can be written
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Resource string `json:"resource,omitempty"`
		Action   string `json:"action,omitempty"`
	}{problemType + a.problem, a.title, status, e.Resource, e.Action})
	_, _ = w.Write(append(body, '\n'))
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
