// Package deadline represents the end of a lifetime on two clocks.
//
// The wall clock jumps when it is set, and the monotonic clock stops while the
// machine is suspended. With the wall clock alone, a lifetime would be too long
// after the clock was set back. With the monotonic clock alone, it would be too
// long after a suspend.
package deadline

import (
	"sync/atomic"
	"time"
)

// A Deadline is a time on both clocks. The zero Deadline has passed.
type Deadline struct{ at time.Time }

// At returns the deadline at a wall-clock time, such as the exp claim of a JWT.
// now must come from time.Now.
func At(now, wall time.Time) Deadline { return Deadline{now.Add(wall.Round(0).Sub(now.Round(0)))} }

// In returns the deadline d after now. now must come from time.Now.
func In(now time.Time, d time.Duration) Deadline { return Deadline{now.Add(d)} }

// Passed reports whether either clock has reached the deadline. now must come
// from time.Now.
func (d Deadline) Passed(now time.Time) bool {
	return !now.Before(d.at) || !now.Round(0).Before(d.at)
}

// PassedByAll reports whether both clocks have reached the deadline. It is for
// lifetimes that must not be too short, such as that of a revocation. now must
// come from time.Now.
func (d Deadline) PassedByAll(now time.Time) bool {
	return !now.Before(d.at) && !now.Round(0).Before(d.at)
}

// Add returns the deadline d after this one.
func (d Deadline) Add(after time.Duration) Deadline { return Deadline{d.at.Add(after)} }

// Time returns the deadline on the wall clock.
func (d Deadline) Time() time.Time { return d.at.Round(0) }

// Earlier returns the earlier of two deadlines.
func (d Deadline) Earlier(other Deadline) Deadline {
	if other.at.Before(d.at) {
		return other
	}
	return d
}

// EarlierAt returns the earlier of d and a wall-clock time. If wall is zero, it
// returns d. now must come from time.Now.
func (d Deadline) EarlierAt(now, wall time.Time) Deadline {
	if wall.IsZero() {
		return d
	}
	return d.Earlier(At(now, wall))
}

// A Compact is a Deadline in 16 bytes without a pointer, so that the garbage
// collector need not scan a map with millions of them. The epoch that is passed
// to its methods must be the one that it was made with. An epoch must come from
// time.Now. The zero Compact has passed.
type Compact struct {
	wall      int64 // Unix nanoseconds
	monotonic int64 // nanoseconds since the epoch
}

// Compact returns d as a Compact.
func (d Deadline) Compact(epoch time.Time) Compact {
	return Compact{int64(d.at.Round(0).Sub(time.Unix(0, 0))), int64(d.at.Sub(epoch))} // Sub saturates instead of overflowing
}

// PassedByAll is like Deadline.PassedByAll.
func (c Compact) PassedByAll(epoch, now time.Time) bool {
	return now.UnixNano() >= c.wall && int64(now.Sub(epoch)) >= c.monotonic
}

// Latest returns the later of c and other on each clock.
func (c Compact) Latest(other Compact) Compact {
	return Compact{max(c.wall, other.wall), max(c.monotonic, other.monotonic)}
}

// IsBefore reports whether c is before t. Like package time, it compares on the
// monotonic clock if t has a monotonic reading, and on the wall clock
// otherwise.
func (c Compact) IsBefore(epoch, t time.Time) bool {
	if t == t.Round(0) {
		return t.UnixNano() > c.wall
	}
	return int64(t.Sub(epoch)) > c.monotonic
}

// A Throttle allows one event per interval. The zero Throttle allows the first
// event. It is safe for concurrent use by multiple goroutines.
type Throttle struct{ last atomic.Int64 } // Unix nanoseconds

// Allow reports whether the event is allowed: interval has passed since Allow
// last returned true, or the clock was set back.
func (t *Throttle) Allow(now time.Time, interval time.Duration) bool {
	at, last := now.UnixNano(), t.last.Load()
	since := at - last
	if 0 <= since && since < int64(interval) {
		return false
	}
	return t.last.CompareAndSwap(last, at)
}
