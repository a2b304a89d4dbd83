// Package upstream makes the calls to Stytch. It limits the calls in progress
// for each class of callers, shares a call among all requests that wait for the
// same result, retries a call once, and has a circuit breaker for each
// endpoint. It recovers panics.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

// Config configures an Upstream. All fields except OnSuccess are required.
type Config struct {
	Timeout     time.Duration // of one call, including its retry
	MaxInFlight int           // maximum number of calls in progress, at least 4
	Logger      func() *slog.Logger

	// OnSuccess is called after each successful call, when the call no longer
	// counts as in progress. If nil, it is not called.
	OnSuccess func()
}

// An Upstream makes calls with Do and Share. It is safe for concurrent use by
// multiple goroutines. Use New to create an Upstream.
type Upstream struct {
	config   Config
	capacity *capacity
	breakers map[string]*breaker // by endpoint
	flights  singleflight.Group

	openBreakers atomic.Int64
	health       health
	alarms       deadline.Throttle
}

// New returns an Upstream.
func New(c Config) *Upstream {
	u := &Upstream{config: c, capacity: newCapacity(c.MaxInFlight), breakers: map[string]*breaker{}}
	for _, call := range withBreaker {
		u.breakers[call.Endpoint] = &breaker{count: &u.openBreakers}
	}
	return u
}

// A shared is the outcome of a call that several callers may wait for.
type shared[T any] struct {
	answer    T
	began     time.Time
	outOfTime bool // the call failed because Timeout had passed
}

// Share is like Do, but makes one call for all callers that pass the same key
// at the same time. The call continues if the request that started it ends.
// Each caller waits only until its own ctx is done. If the call times out, a
// caller that joined late and has time left gets the result of another call.
func Share[T any](ctx context.Context, u *Upstream, call Call, key string, do func(context.Context) (T, error)) (T, error) {
	var none T
	arrived := time.Now()
	if b := u.breakers[call.Endpoint]; b != nil {
		if err := b.refuse(arrived); err != nil {
			return none, err // Do would return the same error, but needs a goroutine; during an outage every miss comes here
		}
	}
	// If a transport ends the goroutine of the call, the call never returns.
	overdue := time.NewTimer(u.config.Timeout + time.Second)
	defer overdue.Stop()
	detached := context.WithoutCancel(ctx)
	for late := false; ; late = true {
		results := u.flights.DoChan(key, func() (any, error) {
			began := time.Now()
			answer, outOfTime, err := perform(detached, u, call, do)
			return shared[T]{answer, began, outOfTime}, err
		})
		select {
		case result := <-results:
			outcome, _ := result.Val.(shared[T])
			if !outcome.outOfTime || !outcome.began.Before(arrived) {
				return outcome.answer, result.Err
			}
			overdue.Reset(time.Until(arrived.Add(u.config.Timeout)))
		case <-ctx.Done():
			return none, CanceledBy(ctx.Err())
		case <-overdue.C:
			if !late { // otherwise another caller may still wait for a later call
				u.flights.Forget(key)
			}
			return none, &Error{Reason: Unreachable}
		}
	}
}

// Do makes one call. It returns the error of do, an *Error if the call was not
// made, or ErrPanic.
func Do[T any](ctx context.Context, u *Upstream, call Call, do func(context.Context) (T, error)) (T, error) {
	answer, _, err := perform(ctx, u, call, do)
	return answer, err
}

// perform implements Do. outOfTime reports whether the call failed because
// Timeout had passed.
func perform[T any](ctx context.Context, u *Upstream, call Call, do func(context.Context) (T, error)) (answer T, outOfTime bool, err error) {
	answer, outOfTime, err = inPlace(ctx, u, call, do)
	if err == nil && u.config.OnSuccess != nil {
		u.config.OnSuccess()
	}
	return answer, outOfTime, err
}

// inPlace makes a call within Timeout if the capacity allows it. It retries the
// call once if the call is idempotent and a retry may succeed.
func inPlace[T any](ctx context.Context, u *Upstream, call Call, do func(context.Context) (T, error)) (answer T, outOfTime bool, err error) {
	began := time.Now()
	record, err := u.capacity.enter(call, began)
	if err != nil {
		return answer, false, err
	}
	defer func() { u.capacity.leave(call, record, began, err) }()
	limited, cancel := context.WithTimeout(ctx, u.config.Timeout)
	defer cancel()
	once := func() (answer T, err error) {
		defer func() {
			if v := recover(); v != nil {
				u.LogPanic(v)
				err = ErrPanic
			}
		}()
		answer, err = do(limited)
		return answer, callError(ctx, err)
	}
	answer, err = throughBreaker(u, call, once)
	if call.Idempotent && isRetryable(err) && pauseBeforeRetry(limited) {
		answer, err = throughBreaker(u, call, once)
	}
	u.observe(call, err, time.Now())
	outOfTime = err != nil && (limited.Err() != nil || errors.Is(err, context.DeadlineExceeded))
	return answer, outOfTime, err
}

// throughBreaker makes one exchange if the circuit breaker of the endpoint
// allows it.
func throughBreaker[T any](u *Upstream, call Call, exchange func() (T, error)) (answer T, err error) {
	b := u.breakers[call.Endpoint]
	if b == nil {
		return exchange()
	}
	epoch, changed, err := b.enter(time.Now())
	if err != nil {
		return answer, err
	}
	u.logState(call, changed, nil)
	defer func() { u.logState(call, b.leave(epoch, call.Subject, err, time.Now()), err) }()
	err = errAborted // stays if a transport ends its goroutine
	answer, err = exchange()
	return answer, err
}

// pauseBeforeRetry waits for a random time, so that processes that failed at
// the same time do not retry at the same time. It returns false if ctx is done.
func pauseBeforeRetry(ctx context.Context) bool {
	timer := time.NewTimer(50*time.Millisecond + rand.N(100*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// observe records what the result of a call shows about Stytch.
func (u *Upstream) observe(call Call, err error, now time.Time) {
	u.health.observe(call, err, now)
	switch {
	case isMisconfigured(call, err):
		u.Alarm("Stytch refuses the project's credentials: check ProjectID, Secret and BaseURL", err)
	case call.Rare && isUnexpected(call, err) && u.health.rareAlarms.Allow(now, time.Minute):
		// No circuit breaker logs it.
		u.log(slog.LevelWarn, "sessionauth: call failed", "endpoint", call.Endpoint, "cause", CauseText(err))
	}
}

// OpenBreakers returns the endpoints whose circuit breaker is not closed, in
// sorted order.
func (u *Upstream) OpenBreakers() []string {
	var names []string
	for name, b := range u.breakers {
		if b.isOpen() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// CountOpenBreakers returns how many circuit breakers are not closed.
func (u *Upstream) CountOpenBreakers() int { return int(u.openBreakers.Load()) }

// logState logs a change of a circuit breaker; changed is empty if there is
// none. err is the failure that opened it.
func (u *Upstream) logState(call Call, changed state, err error) {
	switch changed {
	case "":
	case open:
		u.log(slog.LevelWarn, "sessionauth: circuit breaker", "endpoint", call.Endpoint, "state", string(changed), "cause", CauseText(err))
	default:
		u.log(slog.LevelWarn, "sessionauth: circuit breaker", "endpoint", call.Endpoint, "state", string(changed))
	}
}

// Alarm logs a problem that an operator must solve. It logs at most once a
// minute.
func (u *Upstream) Alarm(problem string, err error) {
	if u.alarms.Allow(time.Now(), time.Minute) {
		u.log(slog.LevelError, "sessionauth: "+problem, "error", CauseText(err))
	}
}

// LogPanic logs the stack of a panic. It logs the value only if the value is a
// runtime.Error, because any other value may contain a credential.
func (u *Upstream) LogPanic(v any) {
	text := "not logged: it may contain a credential"
	switch v := v.(type) {
	case error:
		text = CauseText(v)
	case string:
		text = fmt.Sprintf("%d bytes, not logged: they may contain a credential", len(v))
	}
	u.log(slog.LevelError, "sessionauth: panic", "type", fmt.Sprintf("%T", v), "value", text, "stack", string(debug.Stack()))
}

// log recovers a panic of the Logger, which must neither end the process nor
// change a response.
func (u *Upstream) log(level slog.Level, text string, args ...any) {
	defer func() { _ = recover() }()
	u.config.Logger().Log(context.Background(), level, text, args...)
}
