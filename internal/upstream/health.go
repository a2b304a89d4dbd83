package upstream

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/stytch"
)

// failingAfter is how many calls in a row must fail before an endpoint counts as
// failing.
const failingAfter = 10

// A health is what the results of calls say about Stytch as a whole.
type health struct {
	lastSuccess    atomic.Int64 // Unix nanoseconds
	secretAccepted atomic.Bool
	everAccepted   atomic.Bool

	mu             sync.Mutex
	secretRefused  error          // by the last call that sent the secret and shows it
	projectRefused error          // by the last call that did not send it, likewise
	failures       map[string]int // in a row, by endpoint

	rareAlarms deadline.Throttle
}

// observe records the result of a call.
func (h *health) observe(call Call, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures == nil {
		h.failures = map[string]int{}
	}
	switch {
	case isAnswered(err):
		h.lastSuccess.Store(now.UnixNano())
		h.failures[call.Endpoint], h.projectRefused = 0, nil
		if !call.Public {
			h.secretRefused = nil
			h.secretAccepted.Store(true)
			h.everAccepted.Store(true)
		}
	case isMisconfigured(call, err):
		if call.Public {
			h.projectRefused = withoutMessage(err)
			return
		}
		h.secretRefused = withoutMessage(err)
		h.secretAccepted.Store(false)
	case isUnexpected(call, err):
		h.failures[call.Endpoint]++
	}
}

// isUnexpected reports whether a call failed in a way that says something about
// the endpoint, and not about what was sent.
func isUnexpected(call Call, err error) bool {
	var se *stytch.Error
	switch {
	case isGarbage(err) && call.Subject != (Subject{}): // which one user's data may cause
		return false
	case isFault(err):
		return true
	case !errors.As(err, &se) || se.StatusCode == 429 || IsForbidden(err) || IsNotMutable(err):
		return false
	case se.Type == "": // not an answer of the API, but for example of a proxy
		return true
	}
	return call.Endpoint != SignIn.Endpoint && call.Endpoint != Revoke.Endpoint // whose parameters a client or the application chose
}

// withoutMessage returns a copy of an error of Stytch to keep: the message may
// repeat what one user sent.
func withoutMessage(err error) error {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return err
	}
	kept := *se
	kept.Message = ""
	return &kept
}

// Misconfigured returns the last error by which Stytch refused the project's
// credentials or environment, or nil if a call has shown since that it accepts
// them.
func (u *Upstream) Misconfigured() error {
	u.health.mu.Lock()
	defer u.health.mu.Unlock()
	if u.health.secretRefused != nil {
		return u.health.secretRefused
	}
	return u.health.projectRefused
}

// Failing returns the endpoints whose last calls failed and that have no open
// circuit breaker, sorted: Stytch or a proxy answers with an error that opens
// none.
func (u *Upstream) Failing() []string {
	u.health.mu.Lock()
	defer u.health.mu.Unlock()
	var names []string
	for name, n := range u.health.failures {
		if b := u.breakers[name]; n >= failingAfter && (b == nil || !b.isOpen()) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Paused returns the endpoints that are not called at the moment because of a 429,
// sorted.
func (u *Upstream) Paused(now time.Time) []string {
	names := u.capacity.paused(now)
	slices.Sort(names)
	return slices.Compact(names)
}

// LastSuccess returns when Stytch last answered as it should.
func (u *Upstream) LastSuccess() time.Time { return time.Unix(0, u.health.lastSuccess.Load()) }

// SecretAccepted reports whether Stytch has accepted the project's secret, and
// has not refused it since.
func (u *Upstream) SecretAccepted() bool { return u.health.secretAccepted.Load() }

// EverAccepted reports whether Stytch has ever accepted the project's secret.
func (u *Upstream) EverAccepted() bool { return u.health.everAccepted.Load() }
