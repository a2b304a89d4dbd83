package deadline

import "time"

// SetRead makes t what the clocks showed when c last read them.
func (c *Clock) SetRead(t time.Time) { c.read.Store(&t) }
