package upstream

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

func TestShare_OneCall(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, u *testUpstream) {
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				got, err := Share(t.Context(), u.Upstream, Introspect, "k", func(context.Context) (string, error) {
					u.calls.Add(1)
					time.Sleep(time.Second)
					return "answer", nil
				})
				if got != "answer" || err != nil {
					t.Errorf("got %q, %v, want the answer", got, err)
				}
			})
		}
		callers.Wait()
		u.wantCalls(1)
	})
}

func TestShare_KeysAreSeparate(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		var callers sync.WaitGroup
		for _, key := range []string{"a", "b", "a", "b"} {
			callers.Go(func() {
				got, err := Share(t.Context(), u.Upstream, Introspect, key, func(context.Context) (string, error) {
					u.calls.Add(1)
					time.Sleep(time.Second)
					return key, nil
				})
				if got != key || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, key)
				}
			})
		}
		callers.Wait()
		u.wantCalls(2)
	})
}

func TestShare_FirstCallerCanceled(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		do := func(ctx context.Context) (int, error) {
			u.calls.Add(1)
			if ctx.Value(key{}) != "value" {
				t.Error("got a context without the values of the caller")
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Second):
				return 7, nil
			}
		}
		var callers sync.WaitGroup
		callers.Go(func() {
			_, err := Share(ctx, u.Upstream, Introspect, "k", do)
			u.wantReason(err, Canceled, 0)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			if got, err := Share(t.Context(), u.Upstream, Introspect, "k", do); got != 7 || err != nil {
				t.Errorf("got %d, %v, want 7", got, err)
			}
		})
		synctest.Wait()
		cancel()
		callers.Wait()
		u.wantCalls(1)
	})
}

func TestShare_CallNeverReturns(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		over := make(chan struct{})
		began := time.Now()
		_, err := Share(t.Context(), u.Upstream, LoadKeySet, "k", func(context.Context) (int, error) {
			<-over
			return 1, nil
		})
		u.wantReason(err, Unreachable, 0)
		if took := time.Since(began); took != timeout+time.Second {
			t.Errorf("got the result after %v, want %v", took, timeout+time.Second)
		}
		got, err := Share(t.Context(), u.Upstream, LoadKeySet, "k", func(context.Context) (int, error) { return 2, nil })
		if got != 2 || err != nil {
			t.Errorf("got %d, %v, want the result of a new call, 2", got, err)
		}
		close(over)
	})
}

func TestShare_BreakerOpen(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		u.fail(Introspect, openAfter)
		before := runtime.NumGoroutine()
		_, err := Share(t.Context(), u.Upstream, Introspect, "k", func(context.Context) (int, error) {
			t.Error("got a call, want none")
			return 0, nil
		})
		u.wantReason(err, BreakerOpen, openFor)
		_, release := u.hold(LoadUser, 8) // all places are taken, and Do would report that instead of the open breaker
		_, err = Share(t.Context(), u.Upstream, Introspect, "k", func(context.Context) (int, error) { return 0, nil })
		u.wantReason(err, BreakerOpen, openFor)
		release()
		if got := runtime.NumGoroutine(); got != before {
			t.Errorf("got %d goroutines, want %d", got, before)
		}
		time.Sleep(openFor)
		if got, err := Share(t.Context(), u.Upstream, Introspect, "k", func(context.Context) (int, error) { return 1, nil }); got != 1 || err != nil {
			t.Errorf("got %d, %v, want the call that tests whether Stytch is back", got, err)
		}
		u.wantOpen()
	})
}

// A caller may join a call that is about to time out. It must still be able to wait for its own
// full timeout, so Share makes a second call if there is enough time for one.
func TestShare_JoinedLate(t *testing.T) {
	// hangs returns a call that hangs the first n times.
	hangs := func(u *testUpstream, n int64) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			if u.calls.Add(1) > n {
				time.Sleep(100 * time.Millisecond)
				return 7, nil
			}
			<-ctx.Done()
			return 0, &stytch.NoAnswerError{}
		}
	}
	rows := []struct {
		name         string
		hangs, calls int64
		joined       time.Duration // time after the first caller
		took         time.Duration // how long the callers who joined waited
		ok           bool
	}{
		{"100 ms left", 1, 2, timeout - 100*time.Millisecond, 200 * time.Millisecond, true},
		{"a nanosecond left", 1, 2, timeout - 1, 100*time.Millisecond + 1, true},
		{"half of the time left", 1, 2, timeout / 2, timeout/2 + 100*time.Millisecond, true},
		{"less time left than a second call takes", 1, 2, 50 * time.Millisecond, timeout, false},
		{"the second call hangs too", 2, 2, timeout - time.Second, timeout, false},
		{"joined immediately", 1, 1, 0, timeout, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 4, func(t *testing.T, u *testUpstream) {
				do := hangs(u, row.hangs)
				var callers sync.WaitGroup
				callers.Go(func() {
					if _, err := Share(t.Context(), u.Upstream, Extend, "k", do); err == nil {
						t.Error("got an answer for the first caller, want none")
					}
				})
				synctest.Wait()
				time.Sleep(row.joined)
				for range 20 {
					callers.Go(func() {
						began := time.Now()
						got, err := Share(t.Context(), u.Upstream, Extend, "k", do)
						if (got == 7) != row.ok || (err == nil) != row.ok {
							t.Errorf("got %d, %v, want an answer: %t", got, err, row.ok)
						}
						if took := time.Since(began); took != row.took {
							t.Errorf("got the result after %v, want %v", took, row.took)
						}
					})
				}
				callers.Wait()
				u.wantCalls(row.calls)
				time.Sleep(timeout)
				u.want(u.do(Extend, nil), nil)
			})
		})
	}
	t.Run("a failure that is no lack of time", func(t *testing.T) {
		inBubble(t, 4, func(t *testing.T, u *testUpstream) {
			do := func(context.Context) (int, error) {
				u.calls.Add(1)
				time.Sleep(time.Second)
				return 0, err500
			}
			var callers sync.WaitGroup
			for i := range 2 {
				callers.Go(func() {
					time.Sleep(time.Duration(i) * 900 * time.Millisecond)
					if _, err := Share(t.Context(), u.Upstream, Extend, "k", do); err != err500 {
						t.Errorf("got %v, want %v", err, err500)
					}
				})
			}
			callers.Wait()
			u.wantCalls(1)
		})
	})
}
