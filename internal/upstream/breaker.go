package upstream

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	openAfter = 10              // consecutive failures
	openFor   = 5 * time.Second // then one call probes the endpoint

	// probeFor is how long the probe may take before another call is allowed. A
	// transport may never return.
	probeFor = time.Minute
)

// A breaker is a circuit breaker. It stops calls to an endpoint that fails, so
// that requests fail at once instead of after Timeout, and Stytch can recover.
// After openFor it allows one call, the probe. If the probe succeeds, the
// breaker closes.
type breaker struct {
	count *atomic.Int64 // number of breakers that are not closed

	mu       sync.Mutex
	failures int       // consecutive failures while closed
	opened   time.Time // zero while closed
	probed   time.Time // when the one call began; zero if none is under way
	garbage  []Subject // with an answer that is garbage since the last success, at most openAfter
	cause    error     // the failure that opened it
}

// A state is the state of a breaker in the log.
type state string

const (
	open     state = "open"
	halfOpen state = "half-open"
	closed   state = "closed"
)

// enter allows a call or returns an *Error. changed is the new state, or empty
// if the state does not change.
func (b *breaker) enter(now time.Time) (epoch time.Time, changed state, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened.IsZero() {
		return b.opened, "", nil
	}
	if b.isShut(now) || !b.probed.IsZero() && now.Sub(b.probed) < probeFor {
		return b.opened, "", b.refusal(now)
	}
	b.probed = now
	return b.opened, halfOpen, nil
}

// leave records the result of a call that enter allowed. It returns the new
// state, or "" if the state does not change. It ignores the result of a call
// that began before the last change of state. A garbage response counts only
// once for each subject, because the data of one user must neither open the
// breaker for others nor keep it open.
func (b *breaker) leave(epoch time.Time, subject Subject, err error, now time.Time) state {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !epoch.Equal(b.opened) {
		return ""
	}
	b.probed = time.Time{}
	switch {
	case isCanceled(err):
		return ""
	case isGarbage(err) && subject != (Subject{}):
		if slices.Contains(b.garbage, subject) {
			return ""
		}
		if len(b.garbage) == openAfter {
			b.garbage = slices.Delete(b.garbage, 0, 1)
		}
		b.garbage = append(b.garbage, subject)
	case !isFault(err):
		b.failures, b.garbage = 0, nil
		if b.opened.IsZero() {
			return ""
		}
		b.opened, b.cause = time.Time{}, nil
		b.count.Add(-1)
		return closed
	}
	if b.failures++; b.failures < openAfter {
		return ""
	}
	if b.opened.IsZero() {
		b.count.Add(1)
	}
	b.opened, b.cause = now, withoutMessage(err)
	return open
}

// refuse returns an *Error if enter would allow no call now, not even a probe.
func (b *breaker) refuse(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened.IsZero() || !b.isShut(now) {
		return nil
	}
	return b.refusal(now)
}

// isOpen reports whether the breaker has opened and has not closed since.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.opened.IsZero()
}

// isShut reports whether it is too early for a probe. The caller must hold mu.
func (b *breaker) isShut(now time.Time) bool { return now.Sub(b.opened) < openFor }

// refusal returns the error for a refused call. The caller must hold mu.
func (b *breaker) refusal(now time.Time) *Error {
	return &Error{Reason: BreakerOpen, RetryAfter: min(openFor, max(time.Second, b.opened.Add(openFor).Sub(now))), Cause: b.cause}
}
