package upstream

import (
	"testing"
	"time"
)

func TestCapacity_PlacesOfEachClass(t *testing.T) {
	rows := []struct {
		name         string
		maxInFlight  int
		first, then  Call
		admitted     int // of many first calls
		admittedThen int // of many calls after them
	}{
		{"verified calls take every place", 16, Introspect, Introspect, 16, 0},
		{"live calls take half", 16, IntrospectLive, Introspect, 8, 8},
		{"unverified tokens take half", 16, IntrospectUnverified, Introspect, 8, 8},
		{"sign-ins take half", 16, SignIn, Introspect, 8, 8},
		{"sign-ins share with unverified tokens", 16, IntrospectUnverified, SignIn, 8, 0},
		{"unverified tokens share with sign-ins", 16, SignIn, IntrospectUnverified, 8, 0},
		{"live calls do not share with unverified tokens", 16, IntrospectUnverified, IntrospectLive, 8, 8},
		{"no class exceeds the sum", 16, Introspect, IntrospectLive, 16, 0},
		{"the key set takes the same places", 16, Introspect, LoadKeySet, 16, 0},
		{"one place: live", 1, IntrospectLive, Introspect, 1, 0},
		{"one place: unverified", 1, IntrospectUnverified, Introspect, 1, 0},
		{"three places", 3, IntrospectUnverified, Introspect, 1, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, row.maxInFlight, func(t *testing.T, u *testUpstream) {
				for range 2 { // places are free again after the calls
					admitted, release := u.hold(row.first, 40)
					then, releaseThen := u.hold(row.then, 40)
					if admitted != row.admitted || then != row.admittedThen {
						t.Errorf("got %d and then %d calls admitted, want %d and %d", admitted, then, row.admitted, row.admittedThen)
					}
					release()
					releaseThen()
				}
			})
		})
	}
}

// More than a hundred rejections of unverified tokens in a second leave their
// class an eighth of the places, for this second and the next one.
func TestCapacity_WhileTokensAreGuessed(t *testing.T) {
	places := func(u *testUpstream, want int) {
		u.t.Helper()
		for _, call := range []Call{IntrospectUnverified, SignIn} {
			admitted, release := u.hold(call, 40)
			release()
			if admitted != want {
				u.t.Errorf("got %d places, want %d", admitted, want)
			}
		}
	}
	inBubble(t, 16, func(t *testing.T, u *testUpstream) {
		for range manyRejections {
			u.want(u.do(IntrospectUnverified, errRejected), errRejected)
			u.want(u.do(Introspect, errRejected), errRejected)       // not counted
			u.want(u.do(IntrospectUnverified, errNoUser), errNoUser) // nor this
		}
		places(u, 8)
		u.want(u.do(IntrospectUnverified, errRejected), errRejected)
		places(u, 2)
		time.Sleep(time.Second)
		places(u, 2)
		time.Sleep(time.Second - 1)
		places(u, 2)
		time.Sleep(1)
		places(u, 8)
		for range manyRejections {
			u.want(u.do(IntrospectUnverified, errRejected), errRejected)
		}
		time.Sleep(time.Second)
		u.want(u.do(IntrospectUnverified, errRejected), errRejected) // in another second
		places(u, 8)
		for range manyRejections {
			u.want(u.do(IntrospectUnverified, errRejected), errRejected)
		}
		places(u, 2)
		time.Sleep(2 * time.Second)
		places(u, 8)
	})
}

func TestCapacity_PauseAfter429(t *testing.T) {
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
				_ = u.do(Introspect, err429(row.retryAfter))
				u.wantReason(u.do(Introspect, nil), RateLimited, row.want)
				u.wantReason(u.do(IntrospectLive, nil), RateLimited, row.want) // the same endpoint
				for _, call := range []Call{IntrospectUnverified, LoadUser, LoadKeySet, Revoke, SignIn} {
					u.want(u.do(call, nil), nil)
				}
				time.Sleep(row.want - 1)
				u.wantReason(u.do(Introspect, nil), RateLimited, 1)
				time.Sleep(1)
				u.want(u.do(Introspect, nil), nil)
				u.wantOpen()
			})
		})
	}
	for _, call := range []Call{SignIn, LoadKeySet, LoadPolicy} {
		t.Run("none for "+call.Endpoint, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				_ = u.do(call, err429(time.Minute))
				u.want(u.do(call, nil), nil)
			})
		})
	}
}
