package remote_test

import (
	"context"
	"errors"
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

// A source is where a number is fetched from: how many fetches there were.
type source struct {
	remote.Value[int]
	t *testing.T

	mu    sync.Mutex
	calls int
	err   error
	delay time.Duration
	old   *remote.Snapshot[int] // what the last fetch was given
	value any                   // what its context carried
	ended error                 // its context's error when it was done
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

// want checks what Get gives: the number of a fetch, or an error.
func (s *source) want(value int, failure error) {
	s.t.Helper()
	got, err := s.Get(s.t.Context())
	switch {
	case !errors.Is(err, failure) || (err != nil) != (failure != nil):
		s.t.Errorf("got %v, want %v", err, failure)
	case (got != nil) != (failure == nil):
		s.t.Errorf("got %v together with %v, want one of them", got, err)
	case got != nil && got.Value != value:
		s.t.Errorf("got that of fetch %d, want %d", got.Value, value)
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
		time.Sleep(time.Minute) // a fetch that nobody waits for ends, too
	})
}

func TestItIsFetchedWhenNeeded(t *testing.T) {
	bubble(t, func(s *source) {
		time.Sleep(time.Hour)
		if s.Usable(time.Now()) != nil || s.Latest() != nil {
			t.Error("got something before the first fetch, want nil")
		}
		s.wantCalls(0)
		s.set(nil, time.Second)
		began := time.Now()
		s.want(1, nil)
		s.want(1, nil)
		s.wantCalls(1)
		if got := s.Latest(); got == nil || got.Value != 1 || !got.AsOf.Equal(began) || s.Usable(time.Now()) != got {
			t.Errorf("got %+v, want the first as of %v, when the fetch began", got, began)
		}
		if s.Usable(began.Add(maxAge)) != nil {
			t.Error("got something as old as MaxAge, want nil")
		}
		if s.old != nil {
			t.Errorf("got old %v in the first fetch, want nil", s.old)
		}
	})
}

func TestOneFetchForAll(t *testing.T) {
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
				if err := s.Refresh(s.t.Context()); err != nil {
					t.Errorf("got %v, want nil", err)
				}
			})
		}
		wg.Wait()
		s.want(2, nil)
		s.wantCalls(2)
	})
}

func TestOneFailureForAll(t *testing.T) {
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

func TestAWaiterKeepsItsOwnDeadline(t *testing.T) {
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
		// What the context carried goes along; that it ended does not.
		if s.value != "first" || s.ended != nil {
			t.Errorf("got %v and %v in the fetch, want the value of who began it, and no end", s.value, s.ended)
		}
	})
}

func TestAContextThatHasEnded(t *testing.T) {
	bubble(t, func(s *source) {
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		s.set(nil, time.Second)
		if got, err := s.Get(ctx); got != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v, want %v", got, err, context.Canceled)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, err := s.Get(ctx); err != nil || got.Value != 1 { // nobody has to wait for what is held
			t.Errorf("got %v, %v, want what is held", got, err)
		}
	})
}

func TestItIsRefreshedInPassing(t *testing.T) {
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
			t.Errorf("got waiting for %v, want none", took)
		}
		synctest.Wait()
		s.wantCalls(2)
		first := s.Latest()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.want(2, nil)
		if s.old != first {
			t.Errorf("got old %v in the fetch, want what was held", s.old)
		}
		if first.Value != 1 || s.Latest().AsOf != began {
			t.Errorf("got %+v and %+v, want snapshots that stay as they are", first, s.Latest())
		}
		// Its age counts from when the fetch began.
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

func TestItIsKeptWhileItCannotBeRefreshed(t *testing.T) {
	bubble(t, func(s *source) {
		s.want(1, nil)
		fetched := time.Now()
		s.set(errDown, 0)
		for time.Since(fetched) < maxAge-time.Second {
			time.Sleep(time.Second)
			s.want(1, nil)
			synctest.Wait()
		}
		s.wantCalls(1 + int((maxAge-refreshAfter)/(30*time.Second))) // one in 30 s, and no more
		time.Sleep(time.Second - 1)
		s.want(1, nil)
		time.Sleep(time.Nanosecond) // an hour old
		s.want(0, errDown)
		if s.Usable(time.Now()) != nil {
			t.Error("got something to decide by, want nil: it is too old")
		}
		if got := s.Latest(); got == nil || got.Value != 1 {
			t.Errorf("got %v, want what was fetched last, however old", got)
		}
		// Holding nothing it is asked for every second.
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

func TestAnOutageIsForgotten(t *testing.T) {
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
		time.Sleep(250 * time.Millisecond) // the first backoff
		s.want(0, errDown)
		s.wantCalls(8)
	})
}

func TestThePaceOfFetches(t *testing.T) {
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
		for range 100 { // an outage of any length
			time.Sleep(time.Second)
			s.want(0, errDown)
		}
		s.set(nil, 0)
		time.Sleep(time.Second)
		s.want(107, nil)

		// Holding something: half a minute between two, whoever asks, and
		// whether or not the last one worked.
		for _, err := range []error{nil, errDown, nil} {
			s.set(err, 0)
			time.Sleep(30*time.Second - 1)
			if err := s.Refresh(s.t.Context()); !errors.Is(err, remote.ErrTooSoon) {
				t.Errorf("got %v, want %v", err, remote.ErrTooSoon)
			}
			time.Sleep(time.Nanosecond)
			if got := s.Refresh(s.t.Context()); !errors.Is(got, err) {
				t.Errorf("got %v, want %v", got, err)
			}
		}
		s.wantCalls(110)
		s.want(110, nil)
	})
}

// The backoff counts from the end of a fetch: a slow failure is no reason to ask
// again at once.
func TestTheBackoffOfASlowFailure(t *testing.T) {
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
		wantRetry(time.Second) // at once, but nobody is told less than a second
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

// What is too old by the time it has come decides nothing.
func TestAFetchThatTakesLongerThanItsValueIsGood(t *testing.T) {
	bubble(t, func(s *source) {
		s.RefreshAfter, s.MaxAge = time.Minute, time.Minute
		s.set(nil, time.Minute)
		got, err := s.Get(s.t.Context())
		if got != nil || err == nil {
			t.Errorf("got %v, %v, want an error", got, err)
		}
	})
}

// Who comes after the end waits for the refresh that is under way.
func TestAFetchUnderWayAtTheEnd(t *testing.T) {
	bubble(t, func(s *source) {
		s.RefreshAfter = maxAge - time.Second
		s.want(1, nil)
		s.set(nil, 3*time.Second)
		time.Sleep(maxAge - time.Second)
		s.want(1, nil) // begins to refresh
		time.Sleep(time.Second)
		began := time.Now()
		s.want(2, nil)
		s.wantCalls(2)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("got an answer after %v, want 2s", took)
		}
	})
}

func TestAWarmValueDoesNotAllocate(t *testing.T) {
	s := newSource(t)
	s.want(1, nil)
	if n := testing.AllocsPerRun(100, func() { s.Usable(time.Now()) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
