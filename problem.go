package sessionauth

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An answer is the HTTP response to one kind of error. The body follows RFC
// 9457, and the challenge follows RFC 6750, section 3.1.
type answer struct {
	kind      error
	status    int
	problem   string // last part of the problem type URI
	title     string
	challenge string // error code of the Bearer challenge

	header string // value of WWW-Authenticate for an error without details
	body   string // body for an error without details
}

var answers = []answer{
	prebuilt(answer{kind: ErrUnavailable, status: http.StatusServiceUnavailable, problem: "unavailable", title: "Cannot decide at this time"}),
	prebuilt(answer{kind: ErrCrossOrigin, status: http.StatusForbidden, problem: "cross-origin", title: "Cross-origin request"}),
	prebuilt(answer{kind: ErrInvalidRequest, status: http.StatusBadRequest, problem: "invalid-request", title: "Ambiguous or malformed request", challenge: "invalid_request"}),
	prebuilt(answer{kind: ErrForbidden, status: http.StatusForbidden, problem: "forbidden", title: "Not allowed", challenge: "insufficient_scope"}),
	prebuilt(answer{kind: ErrStepUp, status: http.StatusUnauthorized, problem: "step-up", title: "Fresh authentication required", challenge: "insufficient_user_authentication"}),
	prebuilt(answer{kind: ErrInvalidSession, status: http.StatusUnauthorized, problem: "invalid-session", title: "Invalid session", challenge: "invalid_token"}),
	prebuilt(answer{kind: ErrSignIn, status: http.StatusUnauthorized, problem: "sign-in-refused", title: "Wrong e-mail address or password"}),
	prebuilt(answer{kind: ErrResetPassword, status: http.StatusForbidden, problem: "reset-password", title: "The password must be reset"}),
	prebuilt(answer{kind: ErrTooManyAttempts, status: http.StatusTooManyRequests, problem: "too-many-attempts", title: "Too many attempts"}),
	prebuilt(answer{kind: ErrNoCredential, status: http.StatusUnauthorized, problem: "no-credential", title: "Authentication required"}),
}

// internal is the response to any other error.
var internal = prebuilt(answer{status: http.StatusInternalServerError, problem: "internal", title: "Internal error"})

// prebuilt sets the texts that are the same for every error of the kind.
// Building them once keeps a flood of bad requests cheap.
func prebuilt(a answer) answer {
	a.header, a.body = a.challengeHeader(&Error{}), a.problemBody(a.status, &Error{})
	return a
}

// answerTo returns the answer to err. It compares the kind directly before it
// calls errors.Is, because errors are seldom wrapped, and calling errors.Is for
// ten kinds would take most of the time of a rejection.
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

// problemType is the prefix of the problem type URIs. The README explains them.
const problemType = "https://github.com/sessionauth/sessionauth#"

// WriteError responds to a request with an error of this package. It sends the
// status, the challenge and an application/problem+json body with fixed texts.
// The status for any other error is 500. WriteError is the default of
// Config.ErrorHandler.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	a := answerTo(err)
	e := details(err)
	status := a.status
	refinesStatus := a.kind == ErrInvalidRequest && 400 <= e.Status && e.Status < 500
	if refinesStatus {
		status = e.Status
	}
	h := w.Header()
	values := []string{"application/problem+json", "no-store", "nosniff", "", ""} // one allocation for all values
	h["Content-Type"] = values[0:1:1]
	h["Cache-Control"] = values[1:2:2]
	h["X-Content-Type-Options"] = values[2:3:3]
	if status == http.StatusUnauthorized || a.challenge != "" && !refinesStatus {
		values[3] = a.header
		if e.MaxAge > 0 || len(e.ACRValues) > 0 {
			values[3] = a.challengeHeader(e)
		}
		h["Www-Authenticate"] = values[3:4:4]
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		values[4] = strconv.FormatInt(max(1, wholeSeconds(e.RetryAfter)), 10)
		h["Retry-After"] = values[4:5:5]
	}
	delete(h, "Content-Length")
	w.WriteHeader(status)
	body := a.body
	if refinesStatus || e.Resource != "" || e.Action != "" {
		body = a.problemBody(status, e)
	}
	_, _ = io.WriteString(w, body)
}

// details returns the *Error in err, or an empty *Error if there is none.
func details(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	e := &Error{}
	errors.As(err, &e)
	return e
}

// problemBody returns the problem details (RFC 9457, section 3).
func (a *answer) problemBody(status int, e *Error) string {
	body, _ := json.Marshal(struct { // cannot fail for strings and a number
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Resource string `json:"resource,omitempty"`
		Action   string `json:"action,omitempty"`
	}{problemType + a.problem, a.title, status, e.Resource, e.Action})
	return string(body) + "\n"
}

// wholeSeconds rounds up, because a client that retries too early fails again.
func wholeSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}

// challengeHeader returns the Bearer challenge (RFC 6750, section 3, and for a
// step-up RFC 9470, section 3).
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

// markPrivate marks the response as private to one user. It is called before
// the handler, which may replace Cache-Control. vary lists the header fields
// that credentials are read from. values provides the memory for the header
// values. It must belong to this request alone, because a handler may change
// the values.
func markPrivate(h http.Header, vary string, values *[2]string) {
	values[0], values[1] = vary, "private"
	if others := h["Vary"]; len(others) > 0 {
		h["Vary"] = append(others, values[0])
	} else {
		h["Vary"] = values[0:1:1] // capacity 1, so that appending copies the slice
	}
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = values[1:2:2]
	}
}
