package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sessionauth/sessionauth/stytch"
)

// An upstream is the way to Stytch: every call goes through share or run.
type upstream struct {
	timeout time.Duration
	slots   chan struct{} // one for each call under way
	flights singleflight.Group
	logger  func() *slog.Logger

	succeeded func() // told after each call that Stytch answered

	// trusted is set once a call with the project's secret has succeeded.
	trusted   atomic.Bool
	lastAlarm atomic.Int64 // Unix nanoseconds
}

// errOverloaded says that as many calls are under way as may be.
var errOverloaded = &Error{Kind: ErrUnavailable, Reason: ReasonOverloaded}

// A panicError is a panic caught on a goroutine of ours, where it would have
// ended the process. It was logged; its text says nothing.
type panicError struct{}

func (panicError) Error() string { return "sessionauth: internal error" }

// share runs call, which sends the secret, once for all who ask for the same key
// at the same time. The call goes on when the request that began it goes away, and each caller waits
// no longer than its own ctx.
func share[T any](ctx context.Context, u *upstream, key string, call func(context.Context) (T, error)) (T, error) {
	detached := context.WithoutCancel(ctx)
	results := u.flights.DoChan(key, func() (any, error) {
		answer, err := run(detached, u, call)
		if err == nil || isNo(err) {
			u.trusted.Store(true)
		}
		return answer, err
	})
	select {
	case r := <-results:
		answer, _ := r.Val.(T)
		return answer, r.Err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// run makes one call: within Timeout, if there is room, and never panicking.
func run[T any](ctx context.Context, u *upstream, call func(context.Context) (T, error)) (answer T, err error) {
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	default:
		return answer, errOverloaded
	}
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			u.logPanic(v)
			err = panicError{}
		}
	}()
	answer, err = call(ctx)
	if err == nil {
		u.succeeded()
	}
	return answer, err
}

// logPanic writes a panic's stack, and its value only if that is an error of
// the runtime: any other value may hold what the code was working on.
func (u *upstream) logPanic(v any) {
	text := fmt.Sprintf("%T", v)
	if err, ok := v.(interface {
		error
		RuntimeError()
	}); ok {
		text = err.Error()
	}
	u.logger().Error("sessionauth: panic", "value", text, "stack", string(debug.Stack()))
}

// isNo reports whether err is Stytch's own word that the session, or the user,
// is not there. The type decides, whatever the status: only these become a 401.
func isNo(err error) bool {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return false
	}
	switch se.Type {
	case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeUnableToParseSessionJWT, stytch.TypeUserNotFound:
		return true
	}
	return false
}

// isNotFound reports whether Stytch says that there is no such session.
func isNotFound(err error) bool {
	var se *stytch.Error
	return errors.As(err, &se) && se.Type == stytch.TypeSessionNotFound
}

// isForbidden reports whether Stytch says that the session may not do what the
// call asked about. The session itself is alive.
func isForbidden(err error) bool {
	var se *stytch.Error
	return errors.As(err, &se) && se.Type == stytch.TypeSessionAuthorization
}

// unavailable turns everything else into "cannot decide": our own credentials
// refused, an outage, nonsense. A panic stays what it is.
func (u *upstream) unavailable(err error) error {
	var se *stytch.Error
	var invalid *stytch.InvalidAnswerError
	var ours *Error
	switch {
	case errors.As(err, new(panicError)):
		return panicError{}
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, context.Canceled):
		return &Error{Kind: ErrUnavailable, Reason: ReasonCanceled, cause: err}
	case errors.As(err, &se) && se.Misconfigured():
		u.alarm("Stytch refuses the project's credentials: check ProjectID, Secret and BaseURL", se)
		return &Error{Kind: ErrUnavailable, Reason: ReasonMisconfigured, cause: err}
	case se != nil && se.StatusCode == 429:
		return &Error{Kind: ErrUnavailable, Reason: ReasonRateLimited, RetryAfter: clampRetryAfter(se.RetryAfter), cause: err}
	case se != nil, errors.As(err, &invalid):
		return &Error{Kind: ErrUnavailable, Reason: ReasonStytchFailing, cause: err}
	}
	return &Error{Kind: ErrUnavailable, Reason: ReasonUnreachable, cause: err}
}

// clampRetryAfter keeps an absurd Retry-After from shutting anybody out.
func clampRetryAfter(d time.Duration) time.Duration {
	return min(max(d, time.Second), time.Minute)
}

// alarm logs what an operator must mend, at most once a minute.
func (u *upstream) alarm(problem string, err error) {
	now := time.Now().UnixNano()
	last := u.lastAlarm.Load()
	if last != 0 && now-last < int64(time.Minute) || !u.lastAlarm.CompareAndSwap(last, now) {
		return
	}
	u.logger().Error("sessionauth: "+problem, "error", err)
}
