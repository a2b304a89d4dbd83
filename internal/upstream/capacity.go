package upstream

import (
	"errors"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// capacity limits how many calls are under way, by class.
type capacity struct {
	max int // of all classes together

	mu          sync.Mutex
	inFlight    [classCount]int
	pausedUntil map[string]time.Time // by endpoint, after a 429

	// Rejections of unverified tokens, counted by the second.
	second     time.Time
	rejections int
	lastSecond int
}

// manyRejections in one second indicate that tokens are being guessed.
const manyRejections = 100

// enter takes a place for a call, or returns an *Error. It never waits: a queue
// behind a slow Stytch would only grow.
func (c *capacity) enter(call Call, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.pausedUntil[call.Endpoint].Sub(now); wait > 0 {
		return &Error{Reason: RateLimited, RetryAfter: wait}
	}
	public := c.inFlight[Unverified] + c.inFlight[SignIns]
	switch {
	case public+c.inFlight[Verified]+c.inFlight[Live] >= c.max,
		call.Class == Live && c.inFlight[Live] >= max(1, c.max/2),
		(call.Class == Unverified || call.Class == SignIns) && public >= c.publicShare(now):
		return errOverloaded
	}
	c.inFlight[call.Class]++
	return nil
}

func (c *capacity) leave(class Class) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight[class]--
}

// publicShare is how many places unverified tokens and sign-ins may take
// together: half, and an eighth while tokens are being guessed.
func (c *capacity) publicShare(now time.Time) int {
	c.advance(now)
	if max(c.rejections, c.lastSecond) > manyRejections {
		return max(1, c.max/8)
	}
	return max(1, c.max/2)
}

// observe records what the result of a call means for later calls.
func (c *capacity) observe(call Call, err error, now time.Time) {
	var se *stytch.Error
	if !errors.As(err, &se) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case se.StatusCode == 429 && call.Class != SignIns && !call.Rare: // the 429 of a sign-in is about one user
		if c.pausedUntil == nil {
			c.pausedUntil = map[string]time.Time{}
		}
		c.pausedUntil[call.Endpoint] = now.Add(ClampRetryAfter(se.RetryAfter))
	case call.Class == Unverified && IsSessionRejected(err):
		c.advance(now)
		c.rejections++
	}
}

// advance starts a new second if the current one is over.
func (c *capacity) advance(now time.Time) {
	switch since := now.Sub(c.second); {
	case since >= 2*time.Second:
		c.second, c.lastSecond, c.rejections = now, 0, 0
	case since >= time.Second:
		c.second, c.lastSecond, c.rejections = now, c.rejections, 0
	}
}

// ClampRetryAfter limits a Retry-After to 1 to 60 seconds, so that an absurd
// value locks nobody out.
func ClampRetryAfter(d time.Duration) time.Duration {
	return min(max(d, time.Second), time.Minute)
}

// paused returns the endpoints that are paused after a 429.
func (c *capacity) paused(now time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name, until := range c.pausedUntil {
		if until.After(now) {
			names = append(names, name)
		}
	}
	return names
}
