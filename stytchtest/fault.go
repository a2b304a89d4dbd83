package stytchtest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest/internal/api"
	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
	"github.com/sessionauth/sessionauth/stytchtest/internal/wire"
)

// A Fault describes how an endpoint misbehaves. With the zero Fault, the
// endpoint responds at once and correctly.
//
// The fields describe errors that Stytch itself may return. For other failures
// between Stytch and its caller, functions return a Fault:
//
//	Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}
//	HTML(502)
//	Hang()
//	Reset().For(1)
//	Trickle(time.Second).After(time.Minute)
//
// Every Fault works with Server.Client, inside and outside of a
// testing/synctest bubble, and on a socket. No goroutine of the server outlives
// a call. If the context of the caller ends, or the caller closes the body, the
// call ends.
type Fault struct {
	// Delay is the time that passes before anything else happens. The response
	// is the correct one for the time after the delay, unless another field or
	// function changes it. If the caller gives up earlier, it receives no
	// response, and the call has no effect. If zero, there is no delay.
	Delay time.Duration

	// Status, from 400 to 599, is the status of an error in the form of the
	// Stytch API. The error is the response to every call, whatever its body
	// and its secret. If zero, the response is correct, or is the one of the
	// function that returned this Fault.
	Status int

	// ErrorType is the error_type of the error. If empty, it is the type that
	// Stytch documents for the status: "internal_server_error" for 500,
	// "server_unavailable" for 503, "too_many_requests" for 429, and so on.
	ErrorType string

	// Header is added to the header of the response and replaces fields of the
	// same name. Use it for example for Retry-After. If nil, nothing is added.
	Header http.Header

	// Calls is the number of calls to which this Fault applies before it is
	// removed. If zero, it applies until SetFault changes it.
	Calls int

	effect *effect // set by the function that returned the Fault; nil if none did
}

// An effect is the part of a Fault that the fields cannot express. It never
// changes.
type effect struct {
	name   string   // name of the function that returns the Fault, for panics
	paths  []string // endpoints to which the Fault may apply; nil for all
	silent bool     // there is no response to which a Header could be added

	reply func(*state.Project, *api.Call) wire.Reply
}

// For returns this Fault with Calls set, so that it applies only to the next
// calls.
func (f Fault) For(calls int) Fault {
	f.Calls = calls
	return f
}

// After returns this Fault with Delay set.
func (f Fault) After(delay time.Duration) Fault {
	f.Delay = delay
	return f
}

func (f Fault) healthy() bool {
	return f.Delay == 0 && f.Status == 0 && len(f.Header) == 0 && f.effect == nil
}

// check panics if the Fault contradicts itself or cannot apply to the path.
func (f Fault) check(path string) {
	switch {
	case f.Delay < 0:
		panic("stytchtest: Fault.Delay is negative")
	case f.Calls < 0:
		panic("stytchtest: Fault.Calls is negative")
	case f.Calls > 0 && f.healthy():
		panic("stytchtest: Fault.Calls is set in a healthy Fault")
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		panic("stytchtest: Fault.Status is not between 400 and 599")
	case f.ErrorType != "" && f.Status == 0:
		panic("stytchtest: Fault.ErrorType needs Fault.Status")
	case f.effect != nil:
		f.effect.check(f, path)
	}
}

func (e *effect) check(f Fault, path string) {
	switch {
	case f.Status != 0:
		panic("stytchtest: Fault.Status and " + e.name + " exclude each other")
	case e.silent && len(f.Header) > 0:
		panic("stytchtest: Fault.Header needs an answer, and " + e.name + " has none")
	case e.paths != nil && !slices.Contains(e.paths, path):
		panic("stytchtest: " + e.name + " applies to these endpoints only: " + strings.Join(e.paths, ", "))
	}
}

// reply returns the reply to a call to which the Fault applies.
func (f Fault) reply(p *state.Project, c *api.Call) wire.Reply {
	if err := wire.Wait(c.Context(), f.Delay); err != nil {
		return wire.Reply{Err: err} // the caller has given up
	}
	var reply wire.Reply
	switch {
	case f.effect != nil:
		reply = f.effect.reply(p, c)
	case f.Status != 0:
		reply = c.Fail(f.Status, f.ErrorType)
	default:
		reply = c.Answer()
	}
	if reply.Err == nil {
		maps.Copy(reply.Header, f.Header.Clone())
	}
	return reply
}

// traffic counts the calls of each endpoint and returns the Fault that applies.
type traffic struct {
	mu     sync.Mutex
	calls  map[string]int // by pattern; "" for unknown paths
	faults map[string]Fault
}

// newTraffic returns a traffic for the endpoints with these patterns.
func newTraffic(patterns []string) traffic {
	calls := map[string]int{}
	for _, pattern := range patterns {
		calls[pattern] = 0
	}
	return traffic{calls: calls, faults: map[string]Fault{}}
}

// mustKnow panics if no endpoint has this pattern. The caller must hold t.mu.
func (t *traffic) mustKnow(pattern string) {
	if _, known := t.calls[pattern]; !known && pattern != "" {
		panic("stytchtest: no endpoint has the pattern " + strconv.Quote(pattern))
	}
}

// count implements Server.Calls.
func (t *traffic) count(pattern string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mustKnow(pattern)
	if pattern != "" {
		return t.calls[pattern]
	}
	all := 0
	for _, n := range t.calls {
		all += n
	}
	return all
}

// set implements Server.SetFault.
func (t *traffic) set(pattern string, f Fault) {
	f.check(pattern)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mustKnow(pattern)
	if f.healthy() {
		delete(t.faults, pattern)
		return
	}
	f.Header = f.Header.Clone()
	t.faults[pattern] = f
}

// arrive counts a call and returns the Fault that applies to it.
func (t *traffic) arrive(pattern string) Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[pattern]++
	f, ok := t.faults[pattern]
	if !ok {
		pattern = ""
		f = t.faults[pattern]
	}
	if f.Calls > 0 {
		left := f
		if left.Calls--; left.Calls > 0 {
			t.faults[pattern] = left
		} else {
			delete(t.faults, pattern)
		}
	}
	return f
}
