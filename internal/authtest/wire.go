package authtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// A Wire is the HTTP transport between the Authenticator and Stytch.
type Wire struct {
	Next http.RoundTripper

	mu     sync.Mutex
	prefix string
	tap    Tap
}

// A Tap answers a call instead of Stytch. It may forward the call to stytch.
type Tap func(r *http.Request, stytch http.RoundTripper) (*http.Response, error)

// Tap makes tap answer the calls whose path has this prefix, such as /v1/. If tap is nil, Stytch
// answers them again.
func (e *Env) Tap(prefix string, tap Tap) {
	e.Wire.mu.Lock()
	defer e.Wire.mu.Unlock()
	e.Wire.prefix, e.Wire.tap = prefix, tap
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	prefix, tap := w.prefix, w.tap
	w.mu.Unlock()
	if tap == nil || !strings.HasPrefix(r.URL.Path, prefix) {
		return w.Next.RoundTrip(r)
	}
	return tap(r, w.Next)
}

// Reply returns a response with a status, a body and header fields.
func Reply(status int, body string, fields ...string) *http.Response {
	w := httptest.NewRecorder()
	AddFields(w.Header(), fields...)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
	return w.Result()
}

// EditAnswers returns a Tap that edits the JSON body of each answer of Stytch.
func EditAnswers(edit func(answer map[string]any)) Tap {
	return func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		resp, err := stytch.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		answer := map[string]any{}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return nil, err
		}
		edit(answer)
		return Reply(resp.StatusCode, string(JSON(answer))), nil
	}
}

// DelayAnswers returns a Tap that delivers each answer of Stytch some time after Stytch made it.
func DelayAnswers(delay time.Duration) Tap {
	return func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		resp, err := stytch.RoundTrip(r)
		time.Sleep(delay)
		return resp, err
	}
}
