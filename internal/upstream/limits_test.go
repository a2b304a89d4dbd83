package upstream

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// subject returns the subject with number n.
func subject(n int) (s Subject) {
	binary.LittleEndian.PutUint64(s[:], uint64(n)+1)
	return s
}

// about returns a call about the subject with number n. The call has no bound.
func about(call Call, n int) Call { return call.About(subject(n), NoBound) }

func TestLimits_429PausesItsSubject(t *testing.T) {
	rows := []struct {
		name       string
		retryAfter time.Duration
		want       time.Duration
	}{
		{"seven seconds", 7 * time.Second, 7 * time.Second},
		{"none", 0, time.Second},
		{"negative", -time.Hour, time.Second},
		{"absurd", 1000 * time.Hour, time.Minute},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				_ = u.do(about(Introspect, 1), err429(row.retryAfter))
				u.wantReason(u.do(about(Introspect, 1), nil), RateLimited, row.want)
				u.wantReason(u.do(about(IntrospectLive, 1), nil), RateLimited, row.want) // another class, for the same session
				for _, call := range []Call{Introspect, IntrospectLive, IntrospectUnverified, LoadUser, LoadKeySet, Revoke, SignIn} {
					u.want(u.do(about(call, 2), nil), nil)
				}
				time.Sleep(row.want - 1)
				u.wantReason(u.do(about(Introspect, 1), nil), RateLimited, 1)
				time.Sleep(time.Nanosecond)
				u.want(u.do(about(Introspect, 1), nil), nil)
				u.wantOpen()
			})
		})
	}
	for _, call := range []Call{SignIn, StepUp, LoadKeySet, LoadPolicy} {
		t.Run("none for "+call.Endpoint, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				for i := range 2 * pauseAfter {
					_ = u.do(about(call, i), err429(time.Minute))
				}
				u.want(u.do(about(call, 0), nil), nil)
			})
		})
	}
}

func TestLimits_ThreeSubjectsPauseTheClass(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		too := func(n int) { t.Helper(); _ = u.do(about(Introspect, n), err429(7*time.Second)) }
		for range 5 { // one user alone does not pause the class for others
			too(1)
			time.Sleep(8 * time.Second)
			too(2)
			time.Sleep(8 * time.Second)
		}
		time.Sleep(pausePeriod)
		too(1)
		too(2)
		u.want(u.do(about(Introspect, 9), nil), nil)
		time.Sleep(pausePeriod)
		too(3) // the first two were too long ago to count
		u.want(u.do(about(Introspect, 9), nil), nil)
		too(4)
		too(5)
		u.wantReason(u.do(about(Introspect, 9), nil), RateLimited, 7*time.Second)
		u.wantReason(u.do(Introspect, nil), RateLimited, 7*time.Second)
		for _, call := range []Call{IntrospectLive, IntrospectUnverified, LoadUser, Revoke, SignIn, StepUp, LoadKeySet, LoadPolicy} {
			u.want(u.do(about(call, 9), nil), nil) // these calls are of another class or to another endpoint
		}
		time.Sleep(7*time.Second - 1)
		u.wantReason(u.do(about(Introspect, 9), nil), RateLimited, 1)
		time.Sleep(time.Nanosecond)
		u.want(u.do(about(Introspect, 9), nil), nil)
		u.wantOpen()
	})
}

func TestLimits_OneSubjectPausesNoClass(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for range 2 * pauseAfter { // within pausePeriod
			_ = u.do(about(Introspect, 1), err429(time.Second))
			u.want(u.do(about(Introspect, 2), nil), nil)
			time.Sleep(time.Second)
		}
	})
}

func TestLimits_BoundOfASession(t *testing.T) {
	odd := &stytch.InvalidAnswerError{}
	other := errors.New("another session")
	rows := []struct {
		name   string
		bound  Bound
		call   Call
		result error
		counts bool
	}{
		{"a rejection", BoundRejections, Introspect, errRejected, true},
		{"a rejection with 500", BoundRejections, Introspect, &stytch.Error{StatusCode: 500, Type: stytch.TypeSessionNotFound}, true},
		{"a rejection of a live guard", BoundRejections, IntrospectLive, errRejected, true},
		{"a wrong password", BoundRejections, StepUp, errForbids, true},
		{"success", BoundRejections, Introspect, nil, false},
		{"an odd answer", BoundRejections, Introspect, odd, false},
		{"the project's secret refused", BoundRejections, Introspect, errForbids, false},
		{"a missing permission", BoundRejections, IntrospectLive, &stytch.Error{StatusCode: 403, Type: stytch.TypeSessionAuthorization}, false},
		{"a 404 of a proxy", BoundRejections, Introspect, &stytch.Error{StatusCode: 404}, false},
		{"500", BoundRejections, Extend, err500, false},
		{"a success, of what the client chose", BoundCalls, Introspect, nil, true},
		{"an odd answer, of what the client chose", BoundCalls, Introspect, odd, true},
		{"another session, of what the client chose", BoundCalls, Introspect, other, true},
		{"a rejection, of what the client chose", BoundCalls, Introspect, errRejected, true},
		{"500, of what the client chose", BoundCalls, Extend, err500, false},
		{"garbage, of what the client chose", BoundCalls, Introspect, &stytch.InvalidAnswerError{Garbled: true}, false},
		{"no answer, of what the client chose", BoundCalls, Extend, &stytch.NoAnswerError{}, false},
		{"a rejection, without a bound", NoBound, Introspect, errRejected, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 64, func(t *testing.T, u *testUpstream) {
				call := row.call.About(subject(1), row.bound)
				for range boundCalls {
					u.want(u.do(call, row.result), row.result)
					time.Sleep(time.Second)
				}
				if !row.counts {
					u.want(u.do(call, row.result), row.result)
					return
				}
				u.wantReason(u.do(call, nil), RateLimited, time.Second)
				u.wantCalls(boundCalls)
				u.want(u.do(row.call.About(subject(2), row.bound), nil), nil) // another session is not limited
				time.Sleep(time.Second - 1)
				u.wantReason(u.do(call, nil), RateLimited, time.Second) // RetryAfter is at least one second
				time.Sleep(time.Nanosecond)
				u.want(u.do(call, row.result), row.result)
				u.wantReason(u.do(call, nil), RateLimited, time.Second)
			})
		})
	}
}

func TestLimits_CallsUnderWay(t *testing.T) {
	rows := []struct {
		name string
		call Call
		want int
	}{
		{"refreshes of one session", Introspect.About(subject(1), BoundRejections), 4},
		{"re-checks of one session", Introspect.About(subject(1), BoundCalls), 4},
		{"live guards of one session", IntrospectLive.About(subject(1), BoundRejections), 16},
		{"without a bound", about(Introspect, 1), 56},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 64, func(t *testing.T, u *testUpstream) {
				done := make(chan struct{})
				var inside atomic.Int64
				for range 100 {
					go func() {
						_, _ = Do(t.Context(), u.Upstream, row.call, func(context.Context) (int, error) {
							inside.Add(1)
							<-done
							return 0, nil
						})
					}()
				}
				synctest.Wait()
				if got := int(inside.Load()); got != row.want {
					t.Errorf("got %d calls under way, want %d", got, row.want)
				}
				if row.call.Bound != NoBound { // the bound of one session does not limit another
					u.want(u.do(row.call.About(subject(2), row.call.Bound), nil), nil)
				}
				close(done)
				synctest.Wait()
			})
		})
	}
}

// A hundred thousand subjects use no more memory than a few thousand.
func TestLimits_Memory(t *testing.T) {
	u := newTestUpstream(t, 64)
	limited, now := u.capacity, time.Now()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 100_000 {
		call := IntrospectUnverified.About(subject(i), NoBound)
		limited.limits.groups = map[group]*pause{} // otherwise the class would pause after three subjects
		limited.limits.observe(call, err429(time.Minute), now)
		bounded := Introspect.About(subject(-i-2), BoundRejections)
		r, err := limited.enter(bounded, now)
		if err != nil {
			t.Fatal(err)
		}
		limited.leave(bounded, r, now, errRejected)
	}
	if n := len(limited.limits.paused.young) + len(limited.limits.paused.old); n > 2*maxSubjects {
		t.Errorf("got %d paused subjects, want %d at most", n, 2*maxSubjects)
	}
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("got %d more bytes in use, want 8 MiB at most", grown)
	}
	runtime.KeepAlive(u)
}

// A user can have many sessions. Together they have as many calls of class Live in progress as one
// session.
func TestLimits_LiveCallsOfOneUser(t *testing.T) {
	inBubble(t, 64, func(t *testing.T, u *testUpstream) {
		by := func(session, user int) Call {
			return IntrospectLive.About(subject(session), BoundRejections).By(subject(1000 + user))
		}
		done := make(chan struct{})
		var calls sync.WaitGroup
		for i := range 16 {
			calls.Go(func() {
				_, err := Do(t.Context(), u.Upstream, by(i%4, 0), func(context.Context) (int, error) { <-done; return 0, nil })
				u.want(err, nil)
			})
		}
		synctest.Wait()
		u.wantReason(u.do(by(5, 0), nil), RateLimited, time.Second)
		u.want(u.do(by(6, 1), nil), nil)
		u.want(u.do(Introspect.About(subject(0), BoundRejections).By(subject(1000)), nil), nil) // another class
		close(done)
		calls.Wait()
		u.want(u.do(by(5, 0), nil), nil)
		for range boundCalls { // rejections count for their session alone
			u.want(u.do(by(7, 0), errRejected), errRejected)
		}
		u.want(u.do(by(5, 0), nil), nil)
	})
}
