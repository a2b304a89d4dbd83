package upstream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

func TestBreaker_OpensAfterTenFaultsInARow(t *testing.T) {
	for _, call := range withBreaker {
		t.Run(call.Endpoint, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				u.fail(call, openAfter-1)
				u.want(u.do(call, nil), nil) // a success, so that the failures are not consecutive
				u.fail(call, openAfter-1)
				u.wantOpen()
				u.wantLogged("circuit breaker", 0)
				u.fail(call, 1)
				u.wantOpen(call.Endpoint)
				u.wantLogged(`state=open`, 1)

				calls := u.calls.Load()
				u.wantReason(u.do(call, nil), BreakerOpen, openFor)
				time.Sleep(openFor - 500*time.Millisecond)
				u.wantReason(u.do(call, nil), BreakerOpen, time.Second) // RetryAfter is at least one second
				time.Sleep(500*time.Millisecond - 1)
				u.wantReason(u.do(call, nil), BreakerOpen, time.Second)
				u.wantCalls(calls)
				time.Sleep(time.Nanosecond)
				u.want(u.do(call, nil), nil)
				u.wantOpen()
				u.wantLogged(`state=half-open`, 1)
				u.wantLogged(`state=closed`, 1)
				u.fail(call, openAfter-1) // the failures are counted from zero again
				u.wantOpen()
			})
		})
	}
}

func TestBreaker_IsOfOneEndpoint(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		u.fail(IntrospectUnverified, openAfter)
		for _, call := range []Call{Introspect, IntrospectLive, Extend, LoadUser, Revoke, SignIn, LoadKeySet, LoadPolicy} {
			u.want(u.do(call, nil), nil)
		}
		u.wantReason(u.do(ExtendUnverified, nil), BreakerOpen, openFor) // this class calls the same endpoint
		u.fail(Revoke, openAfter)
		u.wantOpen("revoke", "unverified sessions")
	})
}

func TestBreaker_NoneForRareCalls(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for _, call := range []Call{LoadKeySet, LoadPolicy} {
			u.fail(call, 3*openAfter)
			u.want(u.do(call, nil), nil)
		}
		u.wantOpen()
	})
}

func TestBreaker_HalfOpen(t *testing.T) {
	// halfOpened opens a breaker and waits until it lets one call through.
	halfOpened := func(u *testUpstream) {
		u.fail(Introspect, openAfter)
		time.Sleep(openFor)
	}
	t.Run("one call only", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			halfOpened(u)
			done := make(chan error)
			go func() {
				_, err := Do(t.Context(), u.Upstream, Introspect, func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return 0, nil
				})
				done <- err
			}()
			synctest.Wait()
			calls := u.calls.Load()
			u.wantReason(u.do(Introspect, nil), BreakerOpen, time.Second)
			u.wantCalls(calls)
			u.wantOpen("sessions")
			u.want(<-done, nil)
			u.want(u.do(Introspect, nil), nil)
			u.wantOpen()
		})
	})
	t.Run("a failure opens it again", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			halfOpened(u)
			u.fail(Introspect, 1)
			u.wantReason(u.do(Introspect, nil), BreakerOpen, openFor)
			time.Sleep(openFor)
			u.fail(Introspect, 1)
			u.wantOpen("sessions")
			time.Sleep(openFor)
			u.want(u.do(Introspect, nil), nil)
			u.wantOpen()
		})
	})
	t.Run("a caller that disconnects does not end it", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			halfOpened(u)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := Do(ctx, u.Upstream, Introspect, func(ctx context.Context) (int, error) {
				time.Sleep(100 * time.Millisecond)
				return 0, ctx.Err()
			})
			u.wantReason(err, Canceled, 0)
			u.wantOpen("sessions")
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			u.wantOpen()
			u.want(u.do(Introspect, nil), nil)
		})
	})
	t.Run("a panic is no failure of the endpoint", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			halfOpened(u)
			_, err := Do(t.Context(), u.Upstream, Introspect, func(context.Context) (int, error) { panic("x") })
			u.want(err, ErrPanic)
			u.wantOpen()
			u.want(u.do(Introspect, nil), nil)
		})
	})
}

// An answer may be garbage because of the data of one user. Several such answers about the same
// user count as one failure.
func TestBreaker_GarbageCountsOnceForEachSubject(t *testing.T) {
	garbage, odd := &stytch.InvalidAnswerError{Garbled: true}, &stytch.InvalidAnswerError{}
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for range 3 * openAfter {
			u.want(u.do(about(LoadUser, 1), garbage), garbage)
		}
		u.wantOpen()
		for i := range openAfter - 1 {
			u.want(u.do(about(LoadUser, 2+i), garbage), garbage)
		}
		u.wantOpen("users") // the endpoint sends garbage about many users, so the circuit breaker is open
		time.Sleep(openFor)
		u.want(u.do(about(LoadUser, 2), garbage), garbage) // does not keep the circuit breaker open
		u.want(u.do(about(LoadUser, 99), nil), nil)
		u.wantOpen()
		for range 2 * openAfter {
			u.want(u.do(about(LoadUser, 1), garbage), garbage)
			u.want(u.do(about(LoadUser, 1), odd), odd)
		}
		u.wantOpen()
	})
}

// The result of a call that began before the breaker changed its state must not undo that change.
func TestBreaker_LateResults(t *testing.T) {
	// slow starts a call that returns a result after some time.
	slow := func(u *testUpstream, after time.Duration, result error) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := Do(u.t.Context(), u.Upstream, Extend, func(context.Context) (int, error) {
				time.Sleep(after)
				return 0, result
			})
			done <- err
		}()
		synctest.Wait()
		return done
	}
	t.Run("success while open", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			late := slow(u, time.Second, nil)
			u.fail(Extend, openAfter)
			u.want(<-late, nil)
			u.wantOpen("sessions")
			u.wantReason(u.do(Extend, nil), BreakerOpen, openFor-time.Second)
		})
	})
	t.Run("failure while open", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			late := slow(u, time.Second, err500)
			u.fail(Extend, openAfter)
			u.want(<-late, err500)
			u.wantReason(u.do(Extend, nil), BreakerOpen, openFor-time.Second) // the late result does not extend the time
			u.wantLogged("state=open", 1)
		})
	})
	t.Run("failure while half open", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			late := slow(u, openFor+time.Second, err500)
			u.fail(Extend, openAfter)
			time.Sleep(openFor)
			probe := slow(u, 2*time.Second, nil)
			u.want(<-late, err500)
			u.wantReason(u.do(Extend, nil), BreakerOpen, time.Second) // the other call is still the only one allowed
			u.want(<-probe, nil)
			u.wantOpen()
		})
	})
}

func TestIsFault(t *testing.T) {
	rows := []struct {
		name string
		err  error
		want bool
	}{
		{"success", nil, false},
		{"500", err500, true},
		{"503", err503, true},
		{"400", &stytch.Error{StatusCode: 400}, false},
		{"404", &stytch.Error{StatusCode: 404}, false},
		{"429", err429(0), false},
		{"a rejection", errRejected, false},
		{"a rejection with 500", &stytch.Error{StatusCode: 500, Type: stytch.TypeSessionNotFound}, false},
		{"a deleted user with 500", &stytch.Error{StatusCode: 500, Type: stytch.TypeUserNotFound}, false},
		{"no answer", &stytch.NoAnswerError{}, true},
		{"an answer that had begun", &stytch.NoAnswerError{Begun: true}, true},
		{"garbage", &stytch.InvalidAnswerError{Garbled: true}, true},
		{"an invalid user", &stytch.InvalidAnswerError{}, false},
		{"wrapped", fmt.Errorf("x: %w", err500), true},
		{"an error of another kind", errors.New("x"), false},
		{"a panic", ErrPanic, false},
		{"a canceled caller", CanceledBy(context.Canceled), false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := isFault(row.err); got != row.want {
				t.Errorf("got %t, want %t", got, row.want)
			}
		})
	}
}

// The call that tests the endpoint may end its goroutine or never return. The circuit breaker must
// still allow another call later.
func TestBreaker_ProbeThatDoesNotReturn(t *testing.T) {
	for name, probe := range map[string]func(context.Context) (struct{}, error){
		"ends its goroutine": func(context.Context) (struct{}, error) { runtime.Goexit(); return struct{}{}, nil },
		"never returns":      func(context.Context) (struct{}, error) { time.Sleep(time.Hour); return struct{}{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				u.fail(Revoke, openAfter)
				time.Sleep(openFor)
				go func() { _, _ = Do(context.Background(), u.Upstream, Revoke, probe) }()
				synctest.Wait()
				if u.do(Revoke, nil) == nil {
					t.Error("got no error during the probe, want the breaker open")
				}
				time.Sleep(probeFor)
				u.want(u.do(Revoke, nil), nil)
				u.wantOpen()
				time.Sleep(time.Hour)
			})
		})
	}
}
