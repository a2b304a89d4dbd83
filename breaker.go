package sessionauth

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/sessionauth/sessionauth/stytch"
)

const (
	breakAfter = 10              // failures in a row
	breakFor   = 5 * time.Second // then one call finds out whether Stytch is back
)

// A breaker stops asking an endpoint that does not answer, so that requests
// fail at once instead of after Timeout, and Stytch is left to recover.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	opened  atomic.Int64                    // Unix nanoseconds; zero while it is not open
	news    atomic.Pointer[gobreaker.State] // a change that is to be logged
	log     func(gobreaker.State)
}

func newBreaker(r route, open *atomic.Int64, logger func() *slog.Logger) *breaker {
	b := &breaker{}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         r.name,
		Timeout:      breakFor,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
		IsSuccessful: func(err error) bool { return !isFault(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, ErrUnavailable) }, // canceled: it says nothing
		OnStateChange: func(_ string, from, to gobreaker.State) {
			// Half open is still open for all but one call.
			switch {
			case to == gobreaker.StateOpen:
				b.opened.Store(time.Now().UnixNano())
			case to == gobreaker.StateClosed:
				b.opened.Store(0)
			}
			if from == gobreaker.StateClosed {
				open.Add(1)
			} else if to == gobreaker.StateClosed {
				open.Add(-1)
			}
			b.news.Store(&to) // logged later: gobreaker holds its lock now
		},
	})
	b.log = func(s gobreaker.State) {
		defer func() { _ = recover() }() // the Logger's own
		logger().Warn("sessionauth: circuit breaker", "endpoint", r.name, "state", s.String())
	}
	return b
}

// do makes a call unless the breaker is open.
func (b *breaker) do(call func() error) error {
	_, err := b.circuit.Execute(func() (struct{}, error) { return struct{}{}, call() })
	if s := b.news.Swap(nil); s != nil {
		b.log(*s)
	}
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return b.refusal()
	}
	return err
}

func (b *breaker) refusal() error {
	return &Error{Kind: ErrUnavailable, Reason: ReasonBreakerOpen, RetryAfter: b.retryAfter()}
}

// isFault reports whether an error is one of the endpoint as a whole: no answer,
// 5xx, nonsense. What somebody can provoke, a 4xx or an answer that is refused
// for what they wrote into their own data, must not shut the door for others.
func isFault(err error) bool {
	var se *stytch.Error
	if errors.As(err, &se) {
		return se.StatusCode >= 500 && !isNo(err) && !isNoUser(err)
	}
	var invalid *stytch.InvalidAnswerError
	if errors.As(err, &invalid) {
		return invalid.Garbled
	}
	return errors.As(err, new(*stytch.NoAnswerError))
}

// retryAfter is how long the breaker stays open.
func (b *breaker) retryAfter() time.Duration {
	opened := b.opened.Load()
	return min(breakFor, max(time.Second, time.Until(time.Unix(0, opened).Add(breakFor)))) // whoever sets the clock back
}

func (b *breaker) isOpen() bool { return b.opened.Load() != 0 }

// isShut reports whether the breaker lets no call through now, not even the one
// that finds out whether Stytch is back.
func (b *breaker) isShut(now time.Time) bool {
	since := now.UnixNano() - b.opened.Load() // decades if it is not open, negative if the clock was set back
	return 0 <= since && since < int64(breakFor)
}
