// Package deadline keeps the end of a lifetime by two clocks.
//
// The wall clock jumps when it is set, and the monotonic clock stands still
// while the machine is suspended. A lifetime that trusted one of them alone
// would be too long after a clock was set back, or after a suspend.
package deadline

import (
	"sync/atomic"
	"time"
)

// A Deadline is a moment on both clocks. The zero value has passed.
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
// lifetimes that must not be too short, such as that of a revocation.
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

// EarlierAt returns the earlier of d and a wall-clock time; if that is zero, it
// returns d. now must come from time.Now.
func (d Deadline) EarlierAt(now, wall time.Time) Deadline {
	if wall.IsZero() {
		return d
	}
	return d.Earlier(At(now, wall))
}

// A Compact is a Deadline in 16 bytes without a pointer: the garbage collector
// need not visit a map of millions. Its methods require the epoch that it was
// made with, which must come from time.Now. The zero value has passed.
type Compact struct {
	wall      int64 // Unix nanoseconds
	monotonic int64 // nanoseconds since the epoch
}

// Compact returns d as a Compact.
func (d Deadline) Compact(epoch time.Time) Compact {
	return Compact{int64(d.at.Round(0).Sub(time.Unix(0, 0))), int64(d.at.Sub(epoch))} // Sub does not overflow
}

// PassedByAll is Deadline.PassedByAll.
func (c Compact) PassedByAll(epoch, now time.Time) bool {
	return now.UnixNano() >= c.wall && int64(now.Sub(epoch)) >= c.monotonic
}

// Latest returns the later of c and other, on each clock.
func (c Compact) Latest(other Compact) Compact {
	return Compact{max(c.wall, other.wall), max(c.monotonic, other.monotonic)}
}

// IsBefore reports whether t is later than c. It compares as the package time
// does: by the monotonic clock if t has a reading of it, else by the wall clock.
func (c Compact) IsBefore(epoch, t time.Time) bool {
	if t == t.Round(0) {
		return t.UnixNano() > c.wall
	}
	return int64(t.Sub(epoch)) > c.monotonic
}

// A Throttle allows one event in each interval. The zero Throttle allows the
// first event. It is safe for use by several goroutines.
type Throttle struct{ last atomic.Int64 } // Unix nanoseconds

// Allow reports whether interval has passed since it last reported true. A
// clock that was set back counts as if it had.
func (t *Throttle) Allow(now time.Time, interval time.Duration) bool {
	at, last := now.UnixNano(), t.last.Load()
	since := at - last
	if 0 <= since && since < int64(interval) {
		return false
	}
	return t.last.CompareAndSwap(last, at)
}
