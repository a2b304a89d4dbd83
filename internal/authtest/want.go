package authtest

import (
	"bytes"
	"net/http"
	"runtime"
	"strings"
	"testing/synctest"
)

// An Answer is an expected response. hostile.md in internal/attacktest lists the short names below.
type Answer struct {
	Status    int
	Challenge string // value of WWW-Authenticate
	As        string // name of the user whose request passes; WantAnswer ignores it
}

var (
	Pass           = Answer{Status: 200}
	NoCredential   = Answer{Status: 401, Challenge: `Bearer realm="api"`}                          // 401n
	InvalidToken   = Answer{Status: 401, Challenge: `Bearer realm="api", error="invalid_token"`}   // 401i
	InvalidRequest = Answer{Status: 400, Challenge: `Bearer realm="api", error="invalid_request"`} // 400r
	CrossOrigin    = Answer{Status: 403}                                                           // 403c
	Unavailable    = Answer{Status: 503}                                                           // 503r
)

// Want checks the status of a response.
func (e *Env) Want(resp *http.Response, status int) {
	e.T.Helper()
	if resp.StatusCode != status {
		e.T.Errorf("got status %d (%s), want %d", resp.StatusCode, resp.Header.Get("WWW-Authenticate"), status)
	}
}

// WantAnswer checks the status and the challenge of a response. If the status is not 200, the
// response must also have Cache-Control: no-store and no Set-Cookie. It must have Retry-After if
// and only if the status is 503.
func (e *Env) WantAnswer(resp *http.Response, want Answer) {
	e.T.Helper()
	h := resp.Header
	if got := h.Get("WWW-Authenticate"); resp.StatusCode != want.Status || got != want.Challenge {
		e.T.Errorf("got %d %q, want %d %q", resp.StatusCode, got, want.Status, want.Challenge)
	}
	if want.Status == http.StatusOK {
		return
	}
	if got := h.Get("Cache-Control"); got != "no-store" || h["Set-Cookie"] != nil {
		e.T.Errorf("got Cache-Control %q and %d cookies, want no-store and none", got, len(h["Set-Cookie"]))
	}
	if got := h.Get("Retry-After"); (got != "") != (want.Status == http.StatusServiceUnavailable) {
		e.T.Errorf("got %d with Retry-After %q, want one with 503 only", resp.StatusCode, got)
	}
}

// WantNothingOf checks that a response is not cacheable, sets no cookie and contains no segment of
// a credential.
func (e *Env) WantNothingOf(credential string, resp *http.Response) {
	e.T.Helper()
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		e.T.Errorf("got Cache-Control %q, want no-store", got)
	}
	if got := resp.Header.Values("Set-Cookie"); got != nil {
		e.T.Errorf("got Set-Cookie %q, want none", got)
	}
	var answer bytes.Buffer
	if err := resp.Write(&answer); err != nil {
		e.T.Fatal(err)
	}
	for part := range strings.SplitSeq(credential, ".") {
		if len(part) > 16 && strings.Contains(answer.String(), part[:16]) {
			e.T.Errorf("got an answer with a part of the credential, want none: %s", answer.String())
		}
	}
}

// WantRetry checks that a response is a 503 with this Retry-After.
func (e *Env) WantRetry(resp *http.Response, seconds string) {
	e.T.Helper()
	e.Want(resp, http.StatusServiceUnavailable)
	if got := resp.Header.Get("Retry-After"); got != seconds {
		e.T.Errorf("got Retry-After %q, want %q", got, seconds)
	}
}

// WantCalls checks how often an endpoint of Stytch was called so far. The path "" stands for all
// endpoints.
func (e *Env) WantCalls(path string, n int) {
	e.T.Helper()
	if got := e.Calls(path); got != n {
		e.T.Errorf("got %d calls of %s, want %d", got, path, n)
	}
}

// WantPassed checks how many requests have reached Next so far, and the id of the session of the
// last one.
func (e *Env) WantPassed(n int, last string) {
	e.T.Helper()
	passed := e.Passed()
	if len(passed) != n || n > 0 && passed[n-1] != last {
		e.T.Errorf("got %d requests passed (%v), want %d, the last of session %s", len(passed), passed, n, last)
	}
}

// WantIdle checks that no goroutine of this module is running. It must be called in a synctest
// bubble.
func (e *Env) WantIdle() {
	e.T.Helper()
	synctest.Wait()
	stacks := make([]byte, 1<<20)
	for goroutine := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		for _, ours := range []string{"sessionauth/sessionauth.", "internal/sessionjwt.", "internal/upstream.", "internal/remote.", "singleflight."} {
			if strings.Contains(goroutine, ours) {
				e.T.Errorf("got a running goroutine, want none:\n%s", goroutine)
				break
			}
		}
	}
}

// WantPanic checks that Env.Handler panics with this value.
func (e *Env) WantPanic(value any, fields ...string) {
	e.T.Helper()
	defer func() {
		if got := recover(); got != value {
			e.T.Errorf("got panic %v, want %v", got, value)
		}
	}()
	e.Get(fields...)
}
