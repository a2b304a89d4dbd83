package upstream

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestShare_OneCall(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, u *testUpstream) {
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
		_, release := u.hold(LoadUser, 8) // no place is left, which Do would report
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
