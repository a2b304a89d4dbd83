package stytchtest

import (
	"context"
	"maps"
	"net/http"
	"time"
)

// Weather is how an endpoint misbehaves. The zero Weather is fair: the endpoint
// answers at once and as it should.
type Weather struct {
	// Delay passes before anything else happens; with Status zero the endpoint
	// then answers as it should, by the clock of then. A caller that gives up
	// meanwhile gets no answer. If zero, there is no delay.
	Delay time.Duration

	// Status, 400 to 599, is what every call is answered with, whatever it asks
	// and whatever secret it carries. If zero, calls are answered as they
	// should.
	Status int

	// ErrorType is the error_type that goes with Status. If empty, it is the
	// one that Stytch documents for the status: "internal_server_error" for
	// 500, "server_unavailable" for 503, "too_many_requests" for 429 …
	ErrorType string

	// Header is added to the answer with Status, such as Retry-After.
	Header http.Header
}

// SetWeather changes the weather of an endpoint, named by its pattern as in
// Calls, for the calls that arrive from now on, until it is set again. The
// empty pattern stands for every endpoint that has no weather of its own, and
// the zero Weather takes a pattern's weather away. An unknown pattern, or a
// status that is not an error's, panics.
func (s *Server) SetWeather(path string, w Weather) {
	if w.Status != 0 && (w.Status < 400 || w.Status > 599) {
		panic("stytchtest: Weather.Status is not between 400 and 599")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustKnow(path)
	if w.fair() {
		delete(s.weather, path)
		return
	}
	w.Header = w.Header.Clone()
	s.weather[path] = w
}

func (w Weather) fair() bool {
	return w.Delay == 0 && w.Status == 0 && w.ErrorType == "" && len(w.Header) == 0
}

// pass waits for the delay to end. It reports false if the caller gave up
// first.
func (w Weather) pass(ctx context.Context) bool {
	if w.Delay <= 0 {
		return true
	}
	t := time.NewTimer(w.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w Weather) setHeader(h http.Header) { maps.Copy(h, w.Header.Clone()) }

func (w Weather) failure() *failure {
	f := *failureOf(w.Status)
	if w.ErrorType != "" {
		f.kind = w.ErrorType
	}
	return &f
}
