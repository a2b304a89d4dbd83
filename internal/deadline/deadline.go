// Package deadline says when something ends by whichever clock gets there
// first: the wall clock, which jumps when somebody sets it, or the monotonic
// clock, which stands still while the machine is suspended. Trusting one alone
// would keep a dead session alive through a clock set back or a long sleep. A Clock
// reads both more cheaply.
package deadline

import (
	"sync/atomic"
	"time"
)

// A Deadline is a moment by both clocks. The zero value has passed.
type Deadline struct{ at time.Time }

// At makes the deadline of a wall-clock time such as a JWT's exp, seen at now.
// now must come from time.Now or a Clock.
func At(now, wall time.Time) Deadline { return Deadline{now.Add(wall.Round(0).Sub(now.Round(0)))} }

// In makes the deadline that is d after now. now must come from time.Now.
func In(now time.Time, d time.Duration) Deadline { return Deadline{now.Add(d)} }

// Passed reports whether either clock has reached the deadline. now must come
// from time.Now or a Clock.
func (d Deadline) Passed(now time.Time) bool {
	return !now.Before(d.at) || !now.Round(0).Before(d.at)
}

// PassedByAll reports whether both clocks have reached the deadline: for what
// must not end too early, such as a revocation.
func (d Deadline) PassedByAll(now time.Time) bool {
	return !now.Before(d.at) && !now.Round(0).Before(d.at)
}

// Time returns the moment by the wall clock.
func (d Deadline) Time() time.Time { return d.at.Round(0) }

// Earlier returns the deadline that comes first.
func (d Deadline) Earlier(other Deadline) Deadline {
	if other.at.Before(d.at) {
		return other
	}
	return d
}

// A Clock is time.Now for a busy process: it reads the wall clock once a millisecond
// at most, and in between lets the monotonic one carry it on. Below a thousand calls
// a second it costs more than time.Now: both readings, and 24 bytes. A wall clock that
// was set, or that went on while the machine was suspended, is noticed up to a
// millisecond late. The zero value is ready, also for several goroutines.
type Clock struct{ read atomic.Pointer[time.Time] }

const readAfter = time.Millisecond

// Now returns the time by both clocks.
func (c *Clock) Now() time.Time {
	if read := c.read.Load(); read != nil {
		// Below zero in a synctest bubble, if the reading is from outside.
		if since := time.Since(*read); 0 <= since && since < readAfter {
			return read.Add(since)
		}
	}
	return c.look()
}

// look stands apart because of its variable on the heap, which would cost each Now.
func (c *Clock) look() time.Time {
	now := time.Now()
	c.read.Store(&now)
	return now
}
