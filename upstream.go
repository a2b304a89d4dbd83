package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sessionauth/sessionauth/stytch"
)

// An upstream is the way to Stytch: every call goes through share or run.
type upstream struct {
	timeout  time.Duration
	lanes    lanes
	breakers map[route]*breaker
	flights  singleflight.Group
	logger   func() *slog.Logger

	succeeded func() // told after each call that Stytch answered

	openBreakers atomic.Int64

	lastSuccess atomic.Int64 // Unix nanoseconds
	lastAlarm   atomic.Int64 // Unix nanoseconds

	// trusted is set once a call with the project's secret has succeeded.
	trusted atomic.Bool
}

func newUpstream(c *Config, logger func() *slog.Logger) *upstream {
	u := &upstream{timeout: c.Timeout, lanes: lanes{max: c.MaxInFlight}, logger: logger, breakers: map[route]*breaker{}}
	// Key set and policy have none: they are asked for so rarely that it would
	// only delay the recovery.
	for _, r := range []route{askKnown, askStranger, loadUser, revoke, signIn} {
		u.breakers[r.key()] = newBreaker(r, &u.openBreakers, logger)
	}
	return u
}

// A panicError is a panic caught on a goroutine of ours, where it would have
// ended the process. It was logged; its text says nothing.
type panicError struct{}

func (panicError) Error() string { return "sessionauth: internal error" }

// share runs call, which sends the secret, once for all who ask for the same key
// at the same time. The call goes on when the request that began it goes away,
// and each caller waits no longer than its own ctx.
func share[T any](ctx context.Context, u *upstream, r route, key string, call func(context.Context) (T, error)) (T, error) {
	var none T
	if b := u.breakers[r.key()]; b != nil && b.isShut(time.Now()) {
		return none, b.refusal() // as attempt would come to, without a goroutine: in an outage this is every miss
	}
	detached := context.WithoutCancel(ctx)
	results := u.flights.DoChan(key, func() (any, error) {
		answer, err := run(detached, u, r, call)
		if err == nil || isNo(err) || isNoUser(err) {
			u.trusted.Store(true)
		}
		return answer, err
	})
	// A transport that ends its goroutine would leave us waiting for ever.
	overdue := time.NewTimer(u.timeout + time.Second)
	defer overdue.Stop()
	select {
	case result := <-results:
		answer, _ := result.Val.(T)
		return answer, result.Err
	case <-ctx.Done():
		return none, canceled(ctx.Err())
	case <-overdue.C:
		u.flights.Forget(key)
		return none, &Error{Kind: ErrUnavailable, Reason: ReasonUnreachable}
	}
}

// canceled says that the request itself ended: its client went away, or its
// deadline passed. It says nothing of Stytch.
func canceled(cause error) error {
	return &Error{Kind: ErrUnavailable, Reason: ReasonCanceled, cause: cause}
}

// run makes one call, and tells of its success once the lane is left: what begins
// then needs a place, too.
func run[T any](ctx context.Context, u *upstream, r route, call func(context.Context) (T, error)) (T, error) {
	answer, err := inLane(ctx, u, r, call)
	if err == nil {
		u.succeeded()
	}
	return answer, err
}

// inLane makes one call: within Timeout, if its lane has room, never panicking,
// and a second time if that can help and does no harm.
func inLane[T any](ctx context.Context, u *upstream, r route, call func(context.Context) (T, error)) (T, error) {
	if err := u.lanes.enter(r, time.Now()); err != nil {
		var none T
		return none, err
	}
	defer u.lanes.leave(r.lane)
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	once := func(ctx context.Context) (T, error) {
		answer, err := call(ctx)
		if err != nil && parent.Err() != nil {
			err = canceled(parent.Err()) // no breaker may open because somebody left
		}
		return answer, err
	}
	answer, err := attempt(ctx, u, r, once)
	if r.repeatable && isPassing(err) && pause(ctx) {
		answer, err = attempt(ctx, u, r, once)
	}
	now := time.Now()
	u.lanes.learn(r, err, now)
	if err == nil || isNo(err) || isNoUser(err) {
		u.lastSuccess.Store(now.UnixNano())
	}
	return answer, err
}

// attempt makes one exchange, if the breaker lets it.
func attempt[T any](ctx context.Context, u *upstream, r route, call func(context.Context) (T, error)) (answer T, err error) {
	exchange := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				u.logPanic(v)
				err = panicError{}
			}
		}()
		answer, err = call(ctx)
		return err
	}
	if b := u.breakers[r.key()]; b != nil {
		err = b.do(exchange)
		return answer, err
	}
	err = exchange()
	return answer, err
}

// isPassing reports whether asking again may help: no answer came, or one that
// says so (RFC 9110, sections 15.6.3 to 15.6.5). A 429 asks for the contrary.
func isPassing(err error) bool {
	var none *stytch.NoAnswerError
	var se *stytch.Error
	if errors.As(err, &se) {
		return !isNo(err) && !isNoUser(err) && (se.StatusCode == 502 || se.StatusCode == 503 || se.StatusCode == 504)
	}
	return errors.As(err, &none) && !none.Begun
}

// pause waits a random moment, so that processes that failed together do not
// come back together. It reports false when the call's time is over.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(50*time.Millisecond + rand.N(100*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// logPanic writes a panic's stack, and its value only if that is an error of
// the runtime: any other value may hold what the code was working on.
func (u *upstream) logPanic(v any) {
	text := fmt.Sprintf("%T", v)
	if err, ok := v.(runtime.Error); ok {
		text = err.Error()
	}
	u.logError("sessionauth: panic", "value", text, "stack", string(debug.Stack()))
}

// logError logs. A Logger that panics must not end the process on a goroutine of
// ours, nor turn a 503 into something else.
func (u *upstream) logError(text string, args ...any) {
	defer func() { _ = recover() }()
	u.logger().Error(text, args...)
}

// isNo reports whether err is Stytch's own word that a session is not there. The
// type decides, whatever the status: only these become a 401.
func isNo(err error) bool {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return false
	}
	switch se.Type {
	case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeUnableToParseSessionJWT:
		return true
	}
	return false
}

// isNoUser is isNo for a question about a user. A no to another question than
// the one that was asked is none.
func isNoUser(err error) bool {
	var se *stytch.Error
	return errors.As(err, &se) && se.Type == stytch.TypeUserNotFound
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

// isLaneShut reports whether a call was not made because of its lane.
func isLaneShut(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Reason == ReasonOverloaded || e.Reason == ReasonRateLimited || e.Reason == ReasonBreakerOpen)
}

// isRejected reports whether an error is Stytch's no, of now or a moment ago.
func isRejected(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == ErrInvalidSession && e.Reason == ReasonRejected
}

// isOutage reports whether Stytch cannot be asked through no fault of who asks.
// A client that goes away, or fills its lane, must not bring old answers back.
func isOutage(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Reason {
	case ReasonUnreachable, ReasonStytchFailing, ReasonBreakerOpen, ReasonRateLimited, ReasonMisconfigured:
		return true
	}
	return false
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
	case errors.As(err, &se) && se.Misconfigured():
		u.trusted.Store(false)
		u.alarm("Stytch refuses the project's credentials: check ProjectID, Secret and BaseURL", se)
		return &Error{Kind: ErrUnavailable, Reason: ReasonMisconfigured, cause: err}
	case se != nil && se.StatusCode == 429:
		return &Error{Kind: ErrUnavailable, Reason: ReasonRateLimited, RetryAfter: clampRetryAfter(se.RetryAfter), cause: err}
	case se != nil, errors.As(err, &invalid):
		return &Error{Kind: ErrUnavailable, Reason: ReasonStytchFailing, cause: err}
	}
	return &Error{Kind: ErrUnavailable, Reason: ReasonUnreachable, cause: err}
}

// alarm logs what an operator must mend, at most once a minute.
func (u *upstream) alarm(problem string, err error) {
	now := time.Now().UnixNano()
	last := u.lastAlarm.Load()
	if since := now - last; last != 0 && 0 <= since && since < int64(time.Minute) || !u.lastAlarm.CompareAndSwap(last, now) {
		return
	}
	u.logError("sessionauth: "+problem, "error", err)
}
