package upstream

import (
	"sync"
	"time"
)

// capacity limits how many calls are in progress. Every class except Unverified
// has places reserved for it. All classes share the remaining places.
type capacity struct {
	reserved [classCount]int
	shared   int

	mu       sync.Mutex
	inFlight [classCount]int
	limits   limits
}

// newCapacity distributes maxInFlight places. maxInFlight must be at least 4.
func newCapacity(maxInFlight int) *capacity {
	c := &capacity{shared: maxInFlight}
	c.reserved[Verified] = max(1, maxInFlight/8)
	c.reserved[Live] = max(1, maxInFlight/16)
	c.reserved[SignIns] = max(1, maxInFlight/16)
	for _, n := range c.reserved {
		c.shared -= n
	}
	c.limits = newLimits(maxInFlight)
	return c
}

// enter takes a place for a call or returns an *Error. It never waits, because
// a queue would only grow while Stytch is slow. The caller must pass the record
// to leave. The record is nil if the call has no bound.
func (c *capacity) enter(call Call, now time.Time) (*record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.limits.check(call, now)
	if err != nil {
		return nil, err
	}
	if !c.hasPlace(call.Class) {
		return nil, errOverloaded
	}
	c.inFlight[call.Class]++
	if r != nil {
		r.underWay[call.Class]++
	}
	return r, nil
}

// hasPlace reports whether a place for the class is free. The caller must hold
// mu.
func (c *capacity) hasPlace(class Class) bool {
	if c.inFlight[class] < c.reserved[class] {
		return true
	}
	taken := 0
	for class, n := range c.inFlight {
		taken += max(0, n-c.reserved[class])
	}
	return taken < c.shared
}

// leave frees the place of a call and records its result for later calls.
func (c *capacity) leave(call Call, r *record, began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight[call.Class]--
	if r != nil {
		r.underWay[call.Class]--
		if isCounted(call, err) {
			r.add(began)
		}
	}
	c.limits.observe(call, err, time.Now())
}

// paused returns the endpoints that are paused for a class after a 429.
func (c *capacity) paused(now time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for g, p := range c.limits.groups {
		if p.until.After(now) {
			names = append(names, g.endpoint)
		}
	}
	return names
}
