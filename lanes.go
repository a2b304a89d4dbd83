package sessionauth

import (
	"errors"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A lane is who a call to Stytch is made for. What strangers can cause must not
// take the calls of signed-in users.
type lane int

const (
	known     lane = iota // good signatures, tokens seen alive, users, key set, policy
	live                  // what guards ask for every request: one user's could be many
	strangers             // tokens never seen alive
	signIns               // passwords
	laneCount
)

// lanes hold how many calls are under way, and in which lane.
type lanes struct {
	max int // MaxInFlight

	mu       sync.Mutex
	inFlight [laneCount]int
	quiet    map[string]time.Time // by endpoint and lane: after a 429 no call before

	// Rejections of strangers' tokens, counted by the second.
	second     time.Time
	rejections int
	lastSecond int
}

// manyRejections in a second look like somebody is trying tokens out.
const manyRejections = 100

// errOverloaded says that as many calls are under way as the lane may have.
var errOverloaded = &Error{Kind: ErrUnavailable, Reason: ReasonOverloaded}

// enter takes a place in a lane, or says why there is none. It never waits: a
// queue of requests behind a slow Stytch would only grow.
func (l *lanes) enter(r route, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	which := r.lane
	if wait := l.quiet[r.name].Sub(now); wait > 0 {
		return &Error{Kind: ErrUnavailable, Reason: ReasonRateLimited, RetryAfter: wait}
	}
	others := l.inFlight[strangers] + l.inFlight[signIns]
	switch {
	case others+l.inFlight[known]+l.inFlight[live] >= l.max,
		which == live && l.inFlight[live] >= max(1, l.max/2),
		(which == strangers || which == signIns) && others >= l.share(now):
		return errOverloaded
	}
	l.inFlight[which]++
	return nil
}

func (l *lanes) leave(which lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight[which]--
}

// quiets reports whether a 429 stops calls of this kind for a while. Of a sign-in
// it is about one user; key set and policy are asked for so rarely already that
// it would only delay the recovery.
func (r route) quiets() bool { return r.lane != signIns && r != loadKeys && r != loadPolicy }

// share is what strangers may have of the places: half, and an eighth while
// they try tokens out.
func (l *lanes) share(now time.Time) int {
	l.turn(now)
	if max(l.rejections, l.lastSecond) > manyRejections {
		return max(1, l.max/8)
	}
	return max(1, l.max/2)
}

// learn takes what a call's error says about its lane.
func (l *lanes) learn(r route, err error, now time.Time) {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case se.StatusCode == 429 && r.quiets():
		if l.quiet == nil {
			l.quiet = map[string]time.Time{}
		}
		l.quiet[r.name] = now.Add(clampRetryAfter(se.RetryAfter))
	case r.lane == strangers && isNo(err):
		l.turn(now)
		l.rejections++
	}
}

// turn begins a new second.
func (l *lanes) turn(now time.Time) {
	switch since := now.Sub(l.second); {
	case since >= 2*time.Second:
		l.second, l.lastSecond, l.rejections = now, 0, 0
	case since >= time.Second:
		l.second, l.lastSecond, l.rejections = now, l.rejections, 0
	}
}

// clampRetryAfter keeps an absurd Retry-After from shutting anybody out.
func clampRetryAfter(d time.Duration) time.Duration {
	return min(max(d, time.Second), time.Minute)
}

// A route is a kind of call: what is asked, and for whom.
type route struct {
	name       string
	lane       lane
	repeatable bool // asking twice does no more than asking once
}

// The kinds of calls.
var (
	askKnown    = route{name: "sessions", lane: known, repeatable: true}
	askStranger = route{name: "sessions of strangers", lane: strangers, repeatable: true}
	askForLive  = route{name: "sessions", lane: live, repeatable: true}
	extendKnown = route{name: "sessions", lane: known} // with SessionDuration
	extendOther = route{name: "sessions of strangers", lane: strangers}
	loadUser    = route{name: "users", lane: known, repeatable: true}
	loadKeys    = route{name: "key set", lane: known, repeatable: true}
	loadPolicy  = route{name: "policy", lane: known, repeatable: true}
	revoke      = route{name: "revoke", lane: known}
	signIn      = route{name: "passwords", lane: signIns}
)

// key is what a breaker goes by: the same endpoint for the same people.
func (r route) key() route {
	if r.lane == live {
		r.lane = known
	}
	return route{name: r.name, lane: r.lane}
}
