package remote_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
)

const (
	refreshAfter = 5 * time.Minute
	maxAge       = time.Hour
)

var errDown = errors.New("down")

type key struct{}

// source is a remote.Value whose value is the number of fetches so far.
type source struct {
	remote.Value[int]
	t *testing.T

	mu    sync.Mutex
	calls int
	err   error
	delay time.Duration
	old   *remote.Snapshot[int] // argument of the last fetch: the old snapshot
	value any                   // value in the context of the last fetch
	ended error                 // error of the context when the last fetch ended
}

func newSource(t *testing.T) *source {
	s := &source{t: t}
	s.Fetch, s.RefreshAfter, s.MaxAge = s.fetch, refreshAfter, maxAge
	return s
}

func (s *source) fetch(ctx context.Context, old *remote.Snapshot[int]) (int, error) {
	s.mu.Lock()
	s.calls++
	n, err, delay := s.calls, s.err, s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.old, s.value, s.ended = old, ctx.Value(key{}), ctx.Err()
	return n, err
}

func (s *source) set(err error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.delay = err, delay
}

// want fails the test unless Get returns the value of this fetch, or this error.
func (s *source) want(value int, failure error) {
	s.t.Helper()
	got, err := s.Get(s.t.Context())
	switch {
	case !errors.Is(err, failure) || (err != nil) != (failure != nil):
		s.t.Errorf("got %v, want %v", err, failure)
	case (got != nil) != (failure == nil):
		s.t.Errorf("got snapshot %v and error %v, want exactly one of them", got, err)
	case got != nil && got.Value != value:
		s.t.Errorf("got the value of fetch %d, want %d", got.Value, value)
	}
}

func (s *source) wantCalls(n int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != n {
		s.t.Errorf("got %d fetches, want %d", s.calls, n)
	}
}

func bubble(t *testing.T, test func(*source)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(newSource(t))
		time.Sleep(time.Minute) // until a fetch in progress has ended
	})
}

func TestGet_FetchesWhenNeeded(t *testing.T) {
	bubble(t, func(s *source) {
		time.Sleep(time.Hour)
		if s.Usable(time.Now()) != nil || s.Latest() != nil {
			t.Error("got a snapshot before the first fetch, want nil")
		}
		s.wantCalls(0)
		s.set(nil, time.Second)
		began := time.Now()
		s.want(1, nil)
		s.want(1, nil)
		s.wantCalls(1)
		if got := s.Latest(); got == nil || got.Value != 1 || !got.AsOf.Equal(began) || s.Usable(time.Now()) != got {
			t.Errorf("got %+v, want value 1 as of %v, when the fetch began", got, began)
		}
		if s.Usable(began.Add(maxAge)) != nil {
			t.Error("got a snapshot of age MaxAge, want nil")
		}
		if s.old != nil {
			t.Errorf("got old %v in the first fetch, want nil", s.old)
		}
	})
}

func TestGet_SharesFetch(t *testing.T) {
	bubble(t, func(s *source) {
		s.set(nil, time.Second)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { s.want(1, nil) })
		}
		wg.Wait()
		s.wantCalls(1)
		time.Sleep(30 * time.Second)
		for range 64 {
			wg.Go(func() {
				if err := s.Refresh(s.t.Context(), s.Latest()); err != nil {
					t.Errorf("got %v, want nil", err)
				}
			})
		}
		wg.Wait()
		s.want(2, nil)
		s.wantCalls(2)
	})
}

func TestGet_SharesFailure(t *testing.T) {
	bubble(t, func(s *source) {
		s.set(errDown, time.Second)
		var wg sync.WaitGroup
		defer s.wantCalls(1)
		defer wg.Wait()
		for range 64 {
			wg.Go(func() { s.want(0, errDown) })
		}
	})
}

func TestGet_WaitsUntilItsOwnDeadline(t *testing.T) {
	bubble(t, func(s *source) {
		s.set(nil, 3*time.Second)
		var wg sync.WaitGroup
		waits := func(d time.Duration, want error) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.WithValue(s.t.Context(), key{}, "first"), d)
				defer cancel()
				began := time.Now()
				got, err := s.Get(ctx)
				if !errors.Is(err, want) || (got == nil) != (want != nil) || time.Since(began) != min(d, 3*time.Second) {
					t.Errorf("got %v, %v after %v, want %v", got, err, time.Since(began), want)
				}
			})
			synctest.Wait()
		}
		waits(time.Second, context.DeadlineExceeded)
		waits(2*time.Second, context.DeadlineExceeded)
		waits(time.Minute, nil)
		wg.Wait()
		s.wantCalls(1)
		// The context of the fetch has the values of the context of the first caller, but not its
		// deadline.
		if s.value != "first" || s.ended != nil {
			t.Errorf("got value %v and error %v from the context of the fetch, want first and nil", s.value, s.ended)
		}
	})
}

func TestGet_CanceledContext(t *testing.T) {
	bubble(t, func(s *source) {
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		s.set(nil, time.Second)
		if got, err := s.Get(ctx); got != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v, want %v", got, err, context.Canceled)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, err := s.Get(ctx); err != nil || got.Value != 1 { // the value is there, so Get does not wait
			t.Errorf("got %v, %v, want value 1", got, err)
		}
	})
}

func TestUsable_RefreshesInBackground(t *testing.T) {
	bubble(t, func(s *source) {
		s.want(1, nil)
		s.set(nil, 10*time.Second)
		time.Sleep(refreshAfter - 1)
		s.want(1, nil)
		synctest.Wait()
		s.wantCalls(1)
		time.Sleep(time.Nanosecond)
		began := time.Now()
		for range 64 {
			s.want(1, nil)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("got a wait of %v, want none", took)
		}
		synctest.Wait()
		s.wantCalls(2)
		first := s.Latest()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.want(2, nil)
		if s.old != first {
			t.Errorf("got old %v, want the previous snapshot", s.old)
		}
		if first.Value != 1 || s.Latest().AsOf != began {
			t.Errorf("got %+v and %+v, want an unchanged old snapshot and a new one as of the beginning of its fetch", first, s.Latest())
		}
		// The age of a snapshot is counted from the beginning of its fetch.
		time.Sleep(refreshAfter - 10*time.Second - 1)
		s.want(2, nil)
		synctest.Wait()
		s.wantCalls(2)
		time.Sleep(time.Nanosecond)
		s.want(2, nil)
		synctest.Wait()
		s.wantCalls(3)
	})
}

func TestUsable_UntilMaxAgeWhileRefreshesFail(t *testing.T) {
	bubble(t, func(s *source) {
		s.want(1, nil)
		fetched := time.Now()
		s.set(errDown, 0)
		for time.Since(fetched) < maxAge-time.Second {
			time.Sleep(time.Second)
			s.want(1, nil)
			synctest.Wait()
		}
		s.wantCalls(1 + int((maxAge-refreshAfter)/(30*time.Second))) // one fetch per 30 s
		time.Sleep(time.Second - 1)
		s.want(1, nil)
		time.Sleep(time.Nanosecond) // the snapshot is one hour old
		s.want(0, errDown)
		if s.Usable(time.Now()) != nil {
			t.Error("got a snapshot older than MaxAge, want nil")
		}
		if got := s.Latest(); got == nil || got.Value != 1 {
			t.Errorf("got %v, want value 1, whatever its age", got)
		}
		// Without a usable snapshot there is at most one fetch per second.
		calls := s.calls
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			_, _ = s.Get(s.t.Context())
		}
		s.wantCalls(calls + 60)
		s.set(nil, 0)
		time.Sleep(time.Second)
		s.want(calls+61, nil)
	})
}

func TestGet_BackoffResets(t *testing.T) {
	bubble(t, func(s *source) {
		s.set(errDown, 0)
		for range 5 {
			_, _ = s.Get(s.t.Context())
			time.Sleep(time.Second)
		}
		s.set(nil, 0)
		s.want(6, nil)
		time.Sleep(2 * maxAge)
		s.set(errDown, 0)
		s.want(0, errDown)
		time.Sleep(250 * time.Millisecond) // the first pause between two fetches
		s.want(0, errDown)
		s.wantCalls(8)
	})
}

func TestGet_Intervals(t *testing.T) {
	bubble(t, func(s *source) {
		s.set(errDown, 0)
		s.want(0, errDown)
		for i, pause := range []time.Duration{250, 500, 1000, 1000, 1000} {
			time.Sleep(pause*time.Millisecond - 1)
			s.want(0, remote.ErrTooSoon)
			s.wantCalls(1 + i)
			time.Sleep(time.Nanosecond)
			s.want(0, errDown)
			s.wantCalls(2 + i)
		}
		for range 100 { // a long outage
			time.Sleep(time.Second)
			s.want(0, errDown)
		}
		s.set(nil, 0)
		time.Sleep(time.Second)
		s.want(107, nil)

		// With a usable snapshot there are 30 s between two fetches, whether or not the last fetch
		// failed.
		for _, err := range []error{nil, errDown, nil} {
			s.set(err, 0)
			time.Sleep(30*time.Second - 1)
			if err := s.Refresh(s.t.Context(), s.Latest()); !errors.Is(err, remote.ErrTooSoon) {
				t.Errorf("got %v, want %v", err, remote.ErrTooSoon)
			}
			time.Sleep(time.Nanosecond)
			if got := s.Refresh(s.t.Context(), s.Latest()); !errors.Is(got, err) {
				t.Errorf("got %v, want %v", got, err)
			}
		}
		s.wantCalls(110)
		s.want(110, nil)
	})
}

// The pause is counted from the end of a fetch, so that a slow failure is not retried immediately.
func TestGet_BackoffAfterSlowFailure(t *testing.T) {
	bubble(t, func(s *source) {
		s.set(errDown, 3*time.Second)
		s.want(0, errDown)
		s.want(0, remote.ErrTooSoon)
		time.Sleep(250*time.Millisecond - 1)
		s.want(0, remote.ErrTooSoon)
		time.Sleep(time.Nanosecond)
		s.want(0, errDown)
		s.wantCalls(2)
	})
}

func TestRetryAfter(t *testing.T) {
	bubble(t, func(s *source) {
		wantRetry := func(want time.Duration) {
			t.Helper()
			if got := s.RetryAfter(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		wantRetry(time.Second) // a fetch is allowed now, but RetryAfter is at least one second
		s.set(errDown, 0)
		s.want(0, errDown)
		wantRetry(time.Second)
		s.set(nil, 0)
		time.Sleep(time.Second)
		s.want(2, nil)
		wantRetry(30 * time.Second)
		time.Sleep(20 * time.Second)
		wantRetry(10 * time.Second)
		time.Sleep(time.Hour)
		wantRetry(time.Second)
	})
}

// If a fetch takes so long that its value is older than MaxAge at the end, the value is not usable.
func TestGet_FetchLongerThanMaxAge(t *testing.T) {
	bubble(t, func(s *source) {
		s.RefreshAfter, s.MaxAge = time.Minute, time.Minute
		s.set(nil, time.Minute)
		got, err := s.Get(s.t.Context())
		if got != nil || err == nil {
			t.Errorf("got %v, %v, want an error", got, err)
		}
	})
}

// If the snapshot becomes too old during a refresh, Get waits for that refresh.
func TestGet_RefreshInProgressAtMaxAge(t *testing.T) {
	bubble(t, func(s *source) {
		s.RefreshAfter = maxAge - time.Second
		s.want(1, nil)
		s.set(nil, 3*time.Second)
		time.Sleep(maxAge - time.Second)
		s.want(1, nil) // starts a refresh
		time.Sleep(time.Second)
		began := time.Now()
		s.want(2, nil)
		s.wantCalls(2)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("got an answer after %v, want 2s", took)
		}
	})
}

// If Fetch ends its goroutine, the callers receive an error instead of waiting forever.
func TestGet_FetchEndsItsGoroutine(t *testing.T) {
	bubble(t, func(s *source) {
		s.Fetch = func(context.Context, *remote.Snapshot[int]) (int, error) {
			runtime.Goexit()
			return 1, nil
		}
		if got, err := s.Get(s.t.Context()); got != nil || err == nil {
			t.Errorf("got %v, %v, want an error", got, err)
		}
	})
}

func TestIsFailing(t *testing.T) {
	bubble(t, func(s *source) {
		want := func(want bool) {
			t.Helper()
			if got := s.IsFailing(); got != want {
				t.Errorf("got %t, want %t", got, want)
			}
		}
		want(false)
		s.set(errDown, 0)
		s.want(0, errDown)
		want(true)
		s.set(nil, 0)
		time.Sleep(time.Second)
		s.want(2, nil)
		want(false)
	})
}

func TestUsable_Allocations(t *testing.T) {
	s := newSource(t)
	s.want(1, nil)
	if n := testing.AllocsPerRun(100, func() { s.Usable(time.Now()) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// With a usable snapshot, Refresh allows Burst fetches in a row and then one every 30 seconds.
// Background refreshes stay 30 seconds apart.
func TestRefresh_Burst(t *testing.T) {
	bubble(t, func(s *source) {
		s.Burst = 4
		refresh := func(want error) {
			t.Helper()
			if got := s.Refresh(s.t.Context(), s.Latest()); !errors.Is(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		s.want(1, nil)
		for range 3 {
			refresh(nil)
		}
		refresh(remote.ErrTooSoon)
		s.wantCalls(4)
		if got := s.RetryAfter(); got != 30*time.Second {
			t.Errorf("got %v, want 30s", got)
		}
		for range 3 {
			time.Sleep(30*time.Second - 1)
			refresh(remote.ErrTooSoon)
			time.Sleep(time.Nanosecond)
			refresh(nil)
			refresh(remote.ErrTooSoon)
		}
		s.wantCalls(7)
		time.Sleep(time.Minute)
		refresh(nil)
		refresh(nil)
		refresh(remote.ErrTooSoon)
		s.wantCalls(9)

		s.set(errDown, 0)
		time.Sleep(refreshAfter)
		for range 1000 {
			time.Sleep(100 * time.Millisecond)
			s.want(9, nil) // these refreshes run in the background
			synctest.Wait()
		}
		s.wantCalls(9 + 4)
	})
}

// Fetches that fail while there is no usable snapshot do not count for the burst.
func TestRefresh_BurstAfterFailures(t *testing.T) {
	bubble(t, func(s *source) {
		s.Burst = 4
		s.set(errDown, 0)
		for range 20 {
			s.want(0, errDown)
			time.Sleep(time.Second)
		}
		s.set(nil, 0)
		s.want(21, nil)
		for range 3 {
			if err := s.Refresh(s.t.Context(), s.Latest()); err != nil {
				t.Errorf("got %v, want nil", err)
			}
		}
		if err := s.Refresh(s.t.Context(), s.Latest()); !errors.Is(err, remote.ErrTooSoon) {
			t.Errorf("got %v, want %v", err, remote.ErrTooSoon)
		}
		// Once the snapshot is too old, the limit for bursts does not prevent a fetch.
		time.Sleep(maxAge)
		s.want(25, nil)
	})
}

// If MaxAge is below 30 seconds, there is no time in which the snapshot is too old but must not be
// fetched.
func TestGet_ShortMaxAge(t *testing.T) {
	bubble(t, func(s *source) {
		s.RefreshAfter, s.MaxAge = 10*time.Second, 10*time.Second
		s.want(1, nil)
		time.Sleep(10 * time.Second)
		s.want(2, nil)
	})
}

// A caller did not find what it needs in a snapshot that has been replaced since. Refresh makes no
// fetch, because the new snapshot may contain it.
func TestRefresh_ReplacedSnapshot(t *testing.T) {
	bubble(t, func(s *source) {
		s.Burst = 4
		s.want(1, nil)
		if err := s.Refresh(s.t.Context(), nil); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		s.wantCalls(1)
		first := s.Latest()
		if err := s.Refresh(s.t.Context(), first); err != nil || s.Latest() == first {
			t.Errorf("got %v, want a new snapshot", err)
		}
		if err := s.Refresh(s.t.Context(), first); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		s.wantCalls(2)
	})
}
