package upstream

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	openAfter = 10              // failures in a row
	openFor   = 5 * time.Second // then one call tests whether Stytch is back

	// probeFor is how long that call may take before another one is admitted: a
	// transport may never return.
	probeFor = time.Minute
)

// A breaker is a circuit breaker: it stops calls to an endpoint that fails, so
// that requests fail at once instead of after Timeout and Stytch can recover.
// After openFor it lets one call through, and closes if that succeeds.
type breaker struct {
	count *atomic.Int64 // of the breakers that are not closed

	mu       sync.Mutex
	failures int       // in a row, while closed
	opened   time.Time // zero while closed
	probed   time.Time // when the one call began; zero if none is under way
	garbage  []Subject // with an answer that is garbage since the last success, at most openAfter
	cause    error     // the failure that opened it
}

// A state is what a breaker does, as it is logged.
type state string

const (
	open     state = "open"
	halfOpen state = "half-open"
	closed   state = "closed"
)

// enter admits a call or returns an *Error. changed is the new state, or empty
// if it is the same.
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

// leave records the result of a call that enter admitted, and returns the new
// state or "". Results of calls from before the last change are ignored. An
// answer that is garbage counts once for each subject: one user's data must not
// open the breaker for others, nor keep it open.
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

// refuse returns an *Error if no call is admitted now, not even the one that
// tests whether Stytch is back.
func (b *breaker) refuse(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened.IsZero() || !b.isShut(now) {
		return nil
	}
	return b.refusal(now)
}

// isOpen reports whether the endpoint has failed and not succeeded since.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.opened.IsZero()
}

// isShut requires mu.
func (b *breaker) isShut(now time.Time) bool { return now.Sub(b.opened) < openFor }

// refusal requires mu.
func (b *breaker) refusal(now time.Time) *Error {
	return &Error{Reason: BreakerOpen, RetryAfter: min(openFor, max(time.Second, b.opened.Add(openFor).Sub(now))), Cause: b.cause}
}
