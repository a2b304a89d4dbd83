// Package remote holds something that Stytch publishes and rarely changes, such as
// the key set: fetched when it is first needed, refreshed in passing, kept while
// it cannot be refreshed, and replaced whole.
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
	// minInterval lies between two fetches while we hold something, whatever
	// requests ask for.
	minInterval = 30 * time.Second

	// Holding nothing we can decide nothing, so we ask more often.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = time.Second
)

var errTooOld = errors.New("it was too old by the time it came")

// ErrTooSoon says that it was asked for a moment ago.
var ErrTooSoon = errors.New("it was asked for a moment ago")

// A Value is what is kept. The exported fields are set before first use.
type Value[T any] struct {
	// Fetch gets it, bounds its own time and does not panic. old is what is
	// held, or nil.
	Fetch func(ctx context.Context, old *Snapshot[T]) (T, error)

	RefreshAfter time.Duration // from this age on it is refreshed in passing
	MaxAge       time.Duration // older, with every refresh failing, it decides nothing

	current atomic.Pointer[Snapshot[T]]

	mu       sync.Mutex
	flight   *flight   // the fetch under way, or nil
	next     time.Time // no fetch begins before
	failures int       // in a row
}

// A flight is one fetch that several requests may wait for.
type flight struct {
	done chan struct{}
	err  error // written before done is closed
}

// A Snapshot is what one fetch brought. It never changes.
type Snapshot[T any] struct {
	Value T
	AsOf  time.Time // when the fetch began: what is missing did not exist then

	refresh deadline.Deadline
	end     deadline.Deadline
}

// Usable returns what may decide now, or nil. What has grown old is refreshed in
// passing: nobody waits for it.
func (v *Value[T]) Usable(now time.Time) *Snapshot[T] {
	s := v.current.Load()
	if s == nil || s.end.Passed(now) {
		return nil
	}
	if s.refresh.Passed(now) {
		_, _ = v.start(context.Background(), now) // too soon now is soon enough later
	}
	return s
}

// IsFailing reports whether the last fetch failed.
func (v *Value[T]) IsFailing() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failures > 0
}

// Latest returns what was fetched last, however old, or nil.
func (v *Value[T]) Latest() *Snapshot[T] { return v.current.Load() }

// Get returns what may decide now, and waits for it if need be, as long as ctx
// allows.
func (v *Value[T]) Get(ctx context.Context) (*Snapshot[T], error) {
	if s := v.Usable(time.Now()); s != nil {
		return s, nil
	}
	err := v.Refresh(ctx)
	if ended := ctx.Err(); ended != nil {
		return nil, ended // whoever left is not answered by chance
	}
	if s := v.Usable(time.Now()); s != nil {
		return s, nil
	}
	if err == nil {
		err = errTooOld
	}
	return nil, err
}

// Refresh fetches and waits, as long as ctx allows. Whoever comes while a fetch
// is under way waits for the same one.
func (v *Value[T]) Refresh(ctx context.Context) error {
	f, err := v.start(ctx, time.Now())
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RetryAfter returns how long it takes until it may be asked for again: at
// least a second.
func (v *Value[T]) RetryAfter() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return max(time.Second, time.Until(v.next))
}

// start joins the fetch under way or begins one. The fetch does not end with
// the request that happened to begin it.
func (v *Value[T]) start(ctx context.Context, now time.Time) (*flight, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.flight != nil {
		return v.flight, nil
	}
	if now.Before(v.next) {
		return nil, ErrTooSoon
	}
	v.next = now.Add(minInterval)
	f := &flight{done: make(chan struct{})}
	v.flight = f
	go v.run(context.WithoutCancel(ctx), f, now)
	return f, nil
}

func (v *Value[T]) run(ctx context.Context, f *flight, began time.Time) {
	var value T
	err := errNoFetch
	defer func() { v.land(f, began, value, err) }()
	value, err = v.Fetch(ctx, v.current.Load())
}

// errNoFetch is the outcome of a Fetch that ended its goroutine.
var errNoFetch = errors.New("the fetch did not end")

// land takes what a fetch brought and lets go who waits for it.
func (v *Value[T]) land(f *flight, began time.Time, value T, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.failures = 0
		v.current.Store(&Snapshot[T]{
			Value:   value,
			AsOf:    began,
			refresh: deadline.In(began, v.RefreshAfter),
			end:     deadline.In(began, v.MaxAge),
		})
	} else {
		v.failures++
		if s := v.current.Load(); s == nil || s.end.Passed(time.Now()) {
			v.next = time.Now().Add(backoff(v.failures))
		}
	}
	v.flight = nil
	f.err = err
	close(f.done)
}

func backoff(failures int) time.Duration {
	return min(firstBackoff<<min(failures-1, 8), lastBackoff)
}
