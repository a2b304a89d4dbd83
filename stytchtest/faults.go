package stytchtest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is how an endpoint misbehaves. The zero Fault is fair: the endpoint
// answers at once and as it should.
//
// What Stytch itself may say is made by the fields. What else can go wrong, on
// the way or behind a proxy, is made by a function that returns the Fault:
//
//	Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}
//	HTML(502)
//	Hang()
//	Reset().For(1)
//	Trickle(time.Second).After(time.Minute)
//
// All of it works with Server.Client, inside a testing/synctest bubble or not,
// and on a socket. No goroutine of the server's outlives a call, and a caller
// whose context ends, or who closes the body, waits no longer.
type Fault struct {
	// Delay passes before anything else happens; in otherwise fair fault the
	// endpoint then answers as it should, by the clock of then. A caller that
	// gives up meanwhile gets no answer. If zero, there is no delay.
	Delay time.Duration

	// Status, 400 to 599, is what every call is answered with, in Stytch's JSON,
	// whatever it asks and whatever secret it carries. If zero, calls are
	// answered as they should, or as the function that made this Fault says.
	Status int

	// ErrorType is the error_type that goes with Status. If empty, it is the
	// one that Stytch documents for the status: "internal_server_error" for
	// 500, "server_unavailable" for 503, "too_many_requests" for 429 …
	ErrorType string

	// Header is added to the answer, such as Retry-After.
	Header http.Header

	// Calls is how many calls meet this fault, before it is taken away. If
	// zero, all do until SetFault says otherwise.
	Calls int

	effect *effect // of the function that made the Fault; nil if none did
}

// An effect is what a call meets in a Fault that its fields cannot express. It is
// never changed.
type effect struct {
	name   string   // of the function that makes it, for panics
	paths  []string // of the endpoints that can have it; if nil, all can
	silent bool     // there is no answer that could have a Header

	reply func(*Server, *call, endpoint) reply
}

// For returns this fault for the next calls only. See Fault.Calls.
func (w Fault) For(calls int) Fault {
	w.Calls = calls
	return w
}

// After returns this fault with a delay before it. See Fault.Delay.
func (w Fault) After(delay time.Duration) Fault {
	w.Delay = delay
	return w
}

// SetFault changes the fault of an endpoint, named by its pattern as in
// Server.Calls, for the calls that arrive from now on, until it is set again.
// The empty pattern stands for every endpoint that has no fault of its own,
// and the zero Fault takes a pattern's fault away. An unknown pattern
// panics, and so does what cannot be together, such as a Status and a Hang: it
// would be a test of something else.
func (s *Server) SetFault(path string, w Fault) {
	w.check(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustKnow(path)
	if w.fair() {
		delete(s.faults, path)
		return
	}
	w.Header = w.Header.Clone()
	s.faults[path] = w
}

func (w Fault) fair() bool {
	return w.Delay == 0 && w.Status == 0 && len(w.Header) == 0 && w.effect == nil
}

// check panics if the fault contradicts itself or does not fit the path.
func (w Fault) check(path string) {
	switch {
	case w.Delay < 0:
		panic("stytchtest: Fault.Delay is negative")
	case w.Calls < 0:
		panic("stytchtest: Fault.Calls is negative")
	case w.Calls > 0 && w.fair():
		panic("stytchtest: Fault.Calls counts calls in fair fault")
	case w.Status != 0 && (w.Status < 400 || w.Status > 599):
		panic("stytchtest: Fault.Status is not between 400 and 599")
	case w.ErrorType != "" && w.Status == 0:
		panic("stytchtest: Fault.ErrorType needs a Status")
	case w.effect != nil:
		w.effect.check(w, path)
	}
}

func (f *effect) check(w Fault, path string) {
	switch {
	case w.Status != 0:
		panic("stytchtest: Fault.Status and " + f.name + " are two answers to one call")
	case f.silent && len(w.Header) > 0:
		panic("stytchtest: " + f.name + " gives no answer that Fault.Header could be added to")
	case f.paths != nil && !slices.Contains(f.paths, path):
		panic("stytchtest: " + f.name + " is for these endpoints only: " + strings.Join(f.paths, ", "))
	}
}

// arrive counts a call and returns the fault it meets.
func (s *Server) arrive(pattern string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[pattern]++
	w, ok := s.faults[pattern]
	if !ok {
		pattern = ""
		w = s.faults[pattern]
	}
	if w.Calls > 0 {
		left := w
		if left.Calls--; left.Calls > 0 {
			s.faults[pattern] = left
		} else {
			delete(s.faults, pattern)
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

func (w Fault) failure() *failure {
	f := *failureOf(w.Status)
	if w.ErrorType != "" {
		f.kind = w.ErrorType
	}
	return &f
}
