package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const timeout = 3 * time.Second

// The results that calls return in the tests.
var (
	err500      = &stytch.Error{StatusCode: 500}
	err503      = &stytch.Error{StatusCode: 503}
	errRejected = &stytch.Error{StatusCode: 404, Type: stytch.TypeSessionNotFound}
	errNoUser   = &stytch.Error{StatusCode: 404, Type: stytch.TypeUserNotFound}
	errForbids  = &stytch.Error{StatusCode: 401, Type: stytch.TypeUnauthorizedCredentials}
)

func err429(retryAfter time.Duration) error {
	return &stytch.Error{StatusCode: 429, RetryAfter: retryAfter}
}

// A testUpstream is an Upstream that counts its calls and stores its log.
type testUpstream struct {
	*Upstream
	t     *testing.T
	calls atomic.Int64
	log   logBuffer
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newTestUpstream(t *testing.T, maxInFlight int, changes ...func(*Config)) *testUpstream {
	u := &testUpstream{t: t}
	logger := slog.New(slog.NewTextHandler(&u.log, nil))
	c := Config{Timeout: timeout, MaxInFlight: maxInFlight, Logger: func() *slog.Logger { return logger }}
	for _, change := range changes {
		change(&c)
	}
	u.Upstream = New(c)
	return u
}

// do makes a call. Each attempt returns the next of these results, and further attempts return the
// last one.
func (u *testUpstream) do(call Call, results ...error) error {
	attempt := -1
	_, err := Do(u.t.Context(), u.Upstream, call, func(context.Context) (int, error) {
		u.calls.Add(1)
		attempt++
		return 0, results[min(attempt, len(results)-1)]
	})
	return err
}

// hold makes n calls that last until release is called. It returns how many were admitted.
func (u *testUpstream) hold(call Call, n int) (admitted int, release func()) {
	u.t.Helper()
	done, over := make(chan struct{}), sync.WaitGroup{}
	var inside, refused atomic.Int64
	for range n {
		over.Go(func() {
			_, err := Do(u.t.Context(), u.Upstream, call, func(context.Context) (int, error) {
				inside.Add(1)
				<-done
				return 0, nil
			})
			if err != nil {
				u.wantReason(err, Overloaded, 0)
				refused.Add(1)
			}
		})
	}
	synctest.Wait()
	if got := inside.Load() + refused.Load(); got != int64(n) {
		u.t.Errorf("got %d of %d calls either made or refused at once", got, n)
	}
	return int(inside.Load()), func() { close(done); over.Wait() }
}

// fail makes n calls that fail.
func (u *testUpstream) fail(call Call, n int) {
	u.t.Helper()
	for range n {
		if err := u.do(call, err500); err != err500 {
			u.t.Errorf("got %v, want the error of the call", err)
		}
	}
}

// wantReason checks that err is an Error with this reason and RetryAfter.
func (u *testUpstream) wantReason(err error, reason Reason, retryAfter time.Duration) {
	u.t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason != reason || e.RetryAfter != retryAfter {
		u.t.Errorf("got %v (%+v), want %s and a retry after %v", err, e, reason, retryAfter)
	}
}

func (u *testUpstream) want(got, want error) {
	u.t.Helper()
	if got != want {
		u.t.Errorf("got %v, want %v", got, want)
	}
}

func (u *testUpstream) wantCalls(n int64) {
	u.t.Helper()
	if got := u.calls.Load(); got != n {
		u.t.Errorf("got %d calls, want %d", got, n)
	}
}

func (u *testUpstream) wantOpen(names ...string) {
	u.t.Helper()
	if got := u.OpenBreakers(); !slices.Equal(got, names) || u.CountOpenBreakers() != len(names) {
		u.t.Errorf("got the open breakers %q (%d), want %q", got, u.CountOpenBreakers(), names)
	}
}

// wantLogged checks how many lines of the log contain a text.
func (u *testUpstream) wantLogged(text string, n int) {
	u.t.Helper()
	if got := strings.Count(u.log.String(), text); got != n {
		u.t.Errorf("got %d times %q in the log, want %d:\n%s", got, text, n, u.log.String())
	}
}

// inBubble runs a test in a synctest bubble.
func inBubble(t *testing.T, maxInFlight int, test func(t *testing.T, u *testUpstream)) {
	synctest.Test(t, func(t *testing.T) { test(t, newTestUpstream(t, maxInFlight)) })
}

func TestDo_Retry(t *testing.T) {
	noAnswer := &stytch.NoAnswerError{}
	begun := &stytch.NoAnswerError{Begun: true}
	rows := []struct {
		name    string
		call    Call
		results []error
		calls   int64
	}{
		{"success", Introspect, []error{nil}, 1},
		{"502", Introspect, []error{&stytch.Error{StatusCode: 502}, nil}, 2},
		{"503", Introspect, []error{err503, nil}, 2},
		{"504", Introspect, []error{&stytch.Error{StatusCode: 504}, nil}, 2},
		{"503 twice", Introspect, []error{err503}, 2},
		{"503, then another error", Introspect, []error{err503, err500}, 2},
		{"no answer", LoadUser, []error{noAnswer, nil}, 2},
		{"no answer, wrapped", LoadUser, []error{fmt.Errorf("x: %w", noAnswer), nil}, 2},
		{"an answer that had begun", LoadUser, []error{begun}, 1},
		{"500", Introspect, []error{err500}, 1},
		{"429", Introspect, []error{err429(0)}, 1},
		{"a rejection", Introspect, []error{errRejected}, 1},
		{"a rejection with 503", Introspect, []error{&stytch.Error{StatusCode: 503, Type: stytch.TypeSessionNotFound}}, 1},
		{"another error", Introspect, []error{context.DeadlineExceeded}, 1},
		{"a call without a breaker", LoadPolicy, []error{err503, nil}, 2},
		{"not idempotent: sign-in", SignIn, []error{err503}, 1},
		{"not idempotent: extension", Extend, []error{err503}, 1},
		{"not idempotent: revocation", Revoke, []error{noAnswer}, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				began := time.Now()
				err := u.do(row.call, row.results...)
				u.wantCalls(row.calls)
				if last := row.results[min(int(row.calls), len(row.results))-1]; err != last {
					t.Errorf("got %v, want %v", err, last)
				}
				if took := time.Since(began); row.calls == 2 && (took < 50*time.Millisecond || took >= 150*time.Millisecond) || row.calls == 1 && took != 0 {
					t.Errorf("got the result after %v, want a pause of 50 to 150 ms before a retry only", took)
				}
			})
		})
	}
	t.Run("not if the time is up", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			_, err := Do(t.Context(), u.Upstream, Introspect, func(context.Context) (int, error) {
				u.calls.Add(1)
				time.Sleep(timeout - time.Millisecond)
				return 0, err503
			})
			u.want(err, err503)
			u.wantCalls(1)
		})
	})
	t.Run("not after the circuit breaker has opened", func(t *testing.T) {
		inBubble(t, 8, func(t *testing.T, u *testUpstream) {
			u.fail(Introspect, openAfter-1)
			var e *Error
			if err := u.do(Introspect, err503); !errors.As(err, &e) || e.Reason != BreakerOpen || e.RetryAfter >= openFor {
				t.Errorf("got %v, want %s", err, BreakerOpen)
			}
			u.wantCalls(openAfter)
		})
	})
}

func TestDo_Timeout(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, u *testUpstream) {
		began := time.Now()
		_, err := Do(t.Context(), u.Upstream, Introspect, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		u.want(err, context.DeadlineExceeded)
		if took := time.Since(began); took != timeout {
			t.Errorf("got the result after %v, want %v", took, timeout)
		}
		u.want(u.do(Introspect, nil), nil) // the place is free again
	})
}

func TestDo_CanceledCaller(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for range 2 * openAfter {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := Do(ctx, u.Upstream, SignIn, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, &stytch.NoAnswerError{}
			})
			cancel()
			u.wantReason(err, Canceled, 0)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the error of the context", err)
			}
		}
		u.wantOpen()
		u.want(u.do(SignIn, nil), nil)
	})
}

func TestDo_Panic(t *testing.T) {
	const secret = "a secret token"
	var list []int
	rows := []struct {
		name  string
		panic func()
		text  string // how the log describes the value
	}{
		{"a string", func() { panic(secret) }, `type=string value="14 bytes, not logged`},
		{"an error", func() { panic(errors.New(secret)) }, `type=*errors.errorString value="error of type`},
		{"an error with an error of the runtime inside", func() {
			defer func() { panic(fmt.Errorf("%s: %w", secret, recover().(error))) }()
			_ = list[len(secret)]
		}, `type=*fmt.wrapError value="runtime error: index out of range`},
		{"an error of Stytch", func() { panic(&stytch.Error{StatusCode: 500, Message: secret}) }, `type=*stytch.Error value="stytch: status 500"`},
		{"http.ErrAbortHandler", func() { panic(http.ErrAbortHandler) }, `value="net/http: abort Handler"`},
		{"a number", func() { panic(42) }, "type=int value=\"not logged"},
		{"a runtime error", func() { _ = list[len(secret)] }, "type=runtime.boundsError value=\"runtime error: index out of range"},
		{"nil", func() { panic(nil) }, "panic called with nil argument"},
	}
	for _, row := range rows {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shared %t", row.name, shared), func(t *testing.T) {
				inBubble(t, 4, func(t *testing.T, u *testUpstream) {
					do := func(context.Context) (int, error) { row.panic(); return 0, nil }
					var err error
					if shared {
						_, err = Share(t.Context(), u.Upstream, Introspect, "k", do)
					} else {
						_, err = Do(t.Context(), u.Upstream, Introspect, do)
					}
					u.want(err, ErrPanic)
					u.wantLogged("level=ERROR", 1)
					u.wantLogged(row.text, 1)
					u.wantLogged(secret, 0)
					if !strings.Contains(u.log.String(), "upstream_test.go") {
						t.Errorf("got the log %q, want the stack", u.log.String())
					}
					synctest.Wait()
					u.want(u.do(Introspect, nil), nil) // the place is free again
				})
			})
		}
	}
}

func TestDo_LoggerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTestUpstream(t, 8, func(c *Config) { c.Logger = func() *slog.Logger { panic("no logger") } })
		_, err := Do(t.Context(), u.Upstream, Introspect, func(context.Context) (int, error) { panic("x") })
		u.want(err, ErrPanic)
		u.fail(Introspect, openAfter)
		u.wantOpen("sessions")
		u.want(u.do(LoadUser, errForbids), errForbids) // this error is logged
	})
}

func TestDo_OnSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u *testUpstream
		successes := 0
		u = newTestUpstream(t, 4, func(c *Config) {
			c.OnSuccess = func() {
				if successes++; successes == 1 {
					u.want(u.do(Introspect, nil), nil) // needs the only place, so it must be free already
				}
			}
		})
		u.want(u.do(Introspect, err500), err500)
		u.want(u.do(Introspect, errRejected), errRejected)
		if successes != 0 {
			t.Errorf("got %d successes, want none", successes)
		}
		u.want(u.do(Introspect, nil), nil)
		if successes != 2 {
			t.Errorf("got %d successes, want 2", successes)
		}
	})
}

// If a transport calls runtime.Goexit, the call fails and its place is free again.
func TestDo_Goexit(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, u *testUpstream) {
		var callers sync.WaitGroup
		callers.Go(func() {
			_, _ = Do(t.Context(), u.Upstream, Introspect, func(context.Context) (int, error) {
				runtime.Goexit()
				return 0, nil
			})
			t.Error("got a result, want none")
		})
		callers.Wait()
		u.want(u.do(Introspect, nil), nil)
	})
}

// During an outage Share starts no goroutine and no call.
func TestUpstream_LastSuccessAndSecretAccepted(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		var last time.Time
		step := func(call Call, err error, answered, accepted bool) {
			t.Helper()
			time.Sleep(time.Second)
			if _ = u.do(call, err); answered {
				last = time.Now()
			}
			if got := u.LastSuccess(); answered && !got.Equal(last) || !answered && got.After(last) && !last.IsZero() {
				t.Errorf("got the last success at %v, want %v", got, last)
			}
			if got := u.SecretAccepted(); got != accepted {
				t.Errorf("got secret accepted %t, want %t", got, accepted)
			}
		}
		step(LoadUser, err500, false, false)
		step(LoadKeySet, nil, true, false) // this does not show that the secret is accepted, because the key set is public
		step(Introspect, errRejected, true, true)
		step(SignIn, errForbids, false, true) // a wrong password, which says nothing about the secret
		step(LoadUser, errForbids, false, false)
		step(LoadUser, err500, false, false)
		step(LoadUser, errNoUser, true, true)
		u.wantLogged("level=ERROR", 1)
	})
}

func TestUpstream_AlarmOnceAMinute(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for range 60 {
			u.want(u.do(Introspect, errForbids), errForbids)
			time.Sleep(time.Second)
		}
		u.wantLogged("level=ERROR", 1)
		u.want(u.do(Introspect, errForbids), errForbids)
		u.wantLogged("level=ERROR", 2)
		u.wantOpen() // a 4xx does not count as a failure of the endpoint
	})
}
