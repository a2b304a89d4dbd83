// Package remote caches a value that is fetched from a remote service.
//
// The key set and the RBAC policy are such values: Stytch publishes them, they
// seldom change, and requests need them. A [Value] is fetched when it is first
// needed and refreshed in the background once it is old. While refreshes fail,
// the old value remains in use. Concurrent callers share one fetch.
package remote

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

const (
	// interval is the time after which one more fetch is allowed while there is
	// a usable snapshot. It limits the calls that requests can cause.
	interval = 30 * time.Second

	// The pause after a failure doubles from firstBackoff up to lastBackoff. No
	// other limit applies while there is no usable snapshot, because requests
	// cannot be authenticated without one.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = time.Second
)

// ErrTooSoon means that no fetch is allowed yet, because the last one was too
// recent. RetryAfter returns the time until the next one is allowed.
var ErrTooSoon = errors.New("remote: fetched too recently to fetch again")

var (
	errTooOld  = errors.New("remote: the fetch took longer than the maximum age")
	errAborted = errors.New("remote: the fetch ended without a result") // Fetch panicked or called runtime.Goexit
)

// A Value is a remote value of type T. The exported fields must be set before
// the first call of a method and must not be changed afterwards. The methods
// are safe for concurrent use by multiple goroutines. The zero Value is not
// usable.
type Value[T any] struct {
	// Fetch loads the value. It must return in bounded time and must not panic.
	// ctx has the values of the context that caused the fetch, but not its
	// deadline or cancellation. old is the latest snapshot, or nil.
	Fetch func(ctx context.Context, old *Snapshot[T]) (T, error)

	RefreshAfter time.Duration // age after which Usable refreshes the snapshot in the background
	MaxAge       time.Duration // age after which a snapshot is no longer usable

	// Burst is the number of fetches that Refresh may begin at once while there
	// is a usable snapshot. One more is allowed every 30 seconds. If zero, it
	// is 1. Refreshes in the background are always at least 30 seconds apart.
	Burst int

	current atomic.Pointer[Snapshot[T]]

	mu       sync.Mutex
	pending  *fetch    // the fetch in progress, or nil
	began    time.Time // when the last fetch began
	full     time.Time // when Burst fetches are allowed again; each fetch adds interval
	next     time.Time // after a failure, no fetch begins before this time
	failures int       // consecutive failed fetches
	lastErr  error     // of the last fetch
}

// A fetch is one call of Fetch. Several callers may wait for it.
type fetch struct {
	done chan struct{}
	err  error // valid after done is closed
}

// A Snapshot is the result of one successful fetch. It is never changed.
type Snapshot[T any] struct {
	Value T
	AsOf  time.Time // when the fetch began; what Value lacks did not exist at that time

	refresh deadline.Deadline
	end     deadline.Deadline
}

// Usable returns the latest snapshot, or nil if there is none or it is older
// than MaxAge. If a refresh is due, Usable starts it but does not wait for it.
// now must come from time.Now.
func (v *Value[T]) Usable(now time.Time) *Snapshot[T] {
	s := v.current.Load()
	if s == nil || s.end.Passed(now) {
		return nil
	}
	if s.refresh.Passed(now) {
		_, _ = v.start(context.Background(), now, true, s) // on ErrTooSoon, a later call will start the refresh
	}
	return s
}

// IsFailing reports whether the last fetch failed.
func (v *Value[T]) IsFailing() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failures > 0
}

// LastError returns the error of the last fetch: nil if it succeeded, or if there
// was none.
func (v *Value[T]) LastError() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lastErr
}

// Latest returns the latest snapshot whatever its age, or nil.
func (v *Value[T]) Latest() *Snapshot[T] { return v.current.Load() }

// Get returns a usable snapshot. If there is none, Get fetches the value. It
// stops waiting when ctx is done. The error is that of ctx, that of Fetch, or
// ErrTooSoon.
func (v *Value[T]) Get(ctx context.Context) (*Snapshot[T], error) {
	seen := v.Latest()
	if s := v.Usable(time.Now()); s != nil {
		return s, nil
	}
	err := v.Refresh(ctx, seen)
	if ended := ctx.Err(); ended != nil {
		return nil, ended // even if the fetch has completed, so that the result does not depend on which event is noticed first
	}
	if s := v.Usable(time.Now()); s != nil {
		return s, nil
	}
	if err == nil {
		err = errTooOld
	}
	return nil, err
}

// Refresh fetches the value. If a fetch is in progress, Refresh waits for that
// one. It stops waiting when ctx is done. seen is the result of Latest before
// the caller used the value. If there is a newer snapshot by now, Refresh does
// nothing. The error is that of ctx, that of Fetch, or ErrTooSoon.
func (v *Value[T]) Refresh(ctx context.Context, seen *Snapshot[T]) error {
	f, err := v.start(ctx, time.Now(), false, seen)
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RetryAfter returns the time until Refresh may begin the next fetch, at least
// one second.
func (v *Value[T]) RetryAfter() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	return max(time.Second, v.allowedAt(now).Sub(now))
}

// allowedAt returns when Refresh may begin the next fetch. The caller must hold
// mu.
func (v *Value[T]) allowedAt(now time.Time) time.Time {
	if !v.isUsable(now) {
		return v.next
	}
	at := v.full.Add(-time.Duration(max(v.Burst, 1)-1) * interval)
	if at.Before(v.next) { // one short failure must not use up the burst
		return v.next
	}
	return at
}

// isUsable reports whether there is a usable snapshot.
func (v *Value[T]) isUsable(now time.Time) bool {
	s := v.current.Load()
	return s != nil && !s.end.Passed(now)
}

// start returns the fetch in progress, or begins one. If the latest snapshot is
// not seen, it does neither and returns nil. The fetch continues after the
// request that caused it has ended, because other requests may wait for it.
func (v *Value[T]) start(ctx context.Context, now time.Time, background bool, seen *Snapshot[T]) (*fetch, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pending != nil {
		return v.pending, nil
	}
	if v.current.Load() != seen {
		return nil, nil
	}
	if now.Before(v.allowedAt(now)) || background && now.Before(v.began.Add(interval)) {
		return nil, ErrTooSoon
	}
	v.began = now
	if v.isUsable(now) {
		v.count(now)
	}
	f := &fetch{done: make(chan struct{})}
	v.pending = f
	go v.run(context.WithoutCancel(ctx), f, now)
	return f, nil
}

// count counts a fetch towards Burst. The caller must hold mu.
func (v *Value[T]) count(began time.Time) {
	if v.full.Before(began) {
		v.full = began
	}
	v.full = v.full.Add(interval)
}

// run calls Fetch. It defers finish, so that waiting callers continue even if
// Fetch ends the goroutine.
func (v *Value[T]) run(ctx context.Context, f *fetch, began time.Time) {
	var value T
	err := errAborted
	defer func() { v.finish(f, began, value, err) }()
	value, err = v.Fetch(ctx, v.current.Load())
}

// finish stores the result of a fetch and releases the callers that wait for it.
func (v *Value[T]) finish(f *fetch, began time.Time, value T, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.failures = 0
		if !v.isUsable(began) { // start did not count it
			v.count(began)
		}
		v.current.Store(&Snapshot[T]{
			Value:   value,
			AsOf:    began,
			refresh: deadline.In(began, v.RefreshAfter),
			end:     deadline.In(began, v.MaxAge),
		})
	} else {
		v.failures++
		v.next = time.Now().Add(backoff(v.failures))
	}
	v.pending = nil
	f.err, v.lastErr = err, err
	close(f.done)
}

func backoff(failures int) time.Duration {
	return min(firstBackoff<<min(failures-1, 8), lastBackoff)
}
