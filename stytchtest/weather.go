package stytchtest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Weather is how an endpoint misbehaves. The zero Weather is fair: the endpoint
// answers at once and as it should.
//
// What Stytch itself may say is made by the fields. What else can go wrong, on
// the way or behind a proxy, is made by a function that returns the Weather:
//
//	Weather{Status: 429, Header: http.Header{"Retry-After": {"7"}}}
//	HTML(502)
//	Hang()
//	Reset().For(1)
//	Trickle(time.Second).After(time.Minute)
//
// All of it works with Server.Client, inside a testing/synctest bubble or not,
// and on a socket. No goroutine of the server's outlives a call, and a caller
// whose context ends, or who closes the body, waits no longer.
type Weather struct {
	// Delay passes before anything else happens; in otherwise fair weather the
	// endpoint then answers as it should, by the clock of then. A caller that
	// gives up meanwhile gets no answer. If zero, there is no delay.
	Delay time.Duration

	// Status, 400 to 599, is what every call is answered with, in Stytch's JSON,
	// whatever it asks and whatever secret it carries. If zero, calls are
	// answered as they should, or as the function that made this Weather says.
	Status int

	// ErrorType is the error_type that goes with Status. If empty, it is the
	// one that Stytch documents for the status: "internal_server_error" for
	// 500, "server_unavailable" for 503, "too_many_requests" for 429 …
	ErrorType string

	// Header is added to the answer, such as Retry-After.
	Header http.Header

	// Calls is how many calls meet this weather, before it is taken away. If
	// zero, all do until SetWeather says otherwise.
	Calls int

	fault *fault // of the function that made the Weather; nil if none did
}

// A fault is what a call meets in Weather that its fields cannot express. It is
// never changed.
type fault struct {
	name   string   // of the function that makes it, for panics
	paths  []string // of the endpoints that can have it; if nil, all can
	silent bool     // there is no answer that could have a Header

	reply func(*Server, *call, endpoint) reply
}

// For returns this weather for the next calls only. See Weather.Calls.
func (w Weather) For(calls int) Weather {
	w.Calls = calls
	return w
}

// After returns this weather with a delay before it. See Weather.Delay.
func (w Weather) After(delay time.Duration) Weather {
	w.Delay = delay
	return w
}

// SetWeather changes the weather of an endpoint, named by its pattern as in
// Server.Calls, for the calls that arrive from now on, until it is set again.
// The empty pattern stands for every endpoint that has no weather of its own,
// and the zero Weather takes a pattern's weather away. An unknown pattern
// panics, and so does what cannot be together, such as a Status and a Hang: it
// would be a test of something else.
func (s *Server) SetWeather(path string, w Weather) {
	w.check(path)
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
	return w.Delay == 0 && w.Status == 0 && len(w.Header) == 0 && w.fault == nil
}

// check panics if the weather contradicts itself or does not fit the path.
func (w Weather) check(path string) {
	switch {
	case w.Delay < 0:
		panic("stytchtest: Weather.Delay is negative")
	case w.Calls < 0:
		panic("stytchtest: Weather.Calls is negative")
	case w.Calls > 0 && w.fair():
		panic("stytchtest: Weather.Calls counts calls in fair weather")
	case w.Status != 0 && (w.Status < 400 || w.Status > 599):
		panic("stytchtest: Weather.Status is not between 400 and 599")
	case w.ErrorType != "" && w.Status == 0:
		panic("stytchtest: Weather.ErrorType needs a Status")
	case w.fault != nil:
		w.fault.check(w, path)
	}
}

func (f *fault) check(w Weather, path string) {
	switch {
	case w.Status != 0:
		panic("stytchtest: Weather.Status and " + f.name + " are two answers to one call")
	case f.silent && len(w.Header) > 0:
		panic("stytchtest: " + f.name + " gives no answer that Weather.Header could be added to")
	case f.paths != nil && !slices.Contains(f.paths, path):
		panic("stytchtest: " + f.name + " is for these endpoints only: " + strings.Join(f.paths, ", "))
	}
}

// arrive counts a call and returns the weather it meets.
func (s *Server) arrive(pattern string) Weather {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[pattern]++
	w, ok := s.weather[pattern]
	if !ok {
		pattern = ""
		w = s.weather[pattern]
	}
	if w.Calls > 0 {
		left := w
		if left.Calls--; left.Calls > 0 {
			s.weather[pattern] = left
		} else {
			delete(s.weather, pattern)
		}
	}
	return w
}

// wait lets time pass. It ends early, with ctx's error, if ctx does.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w Weather) failure() *failure {
	f := *failureOf(w.Status)
	if w.ErrorType != "" {
		f.kind = w.ErrorType
	}
	return &f
}
