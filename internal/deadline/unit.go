package deadline

import (
	"fmt"
	"time"
)

// CheckUnit returns an error if d was probably written without a unit: a
// time.Duration counts nanoseconds, so that 3 means 3ns and not 3 seconds. No
// setting of this module makes sense between zero and a millisecond.
func CheckUnit(d time.Duration) error {
	switch {
	case d <= 0 || d >= time.Millisecond:
		return nil
	case d >= time.Microsecond:
		return fmt.Errorf("is %v, because a number without a unit counts nanoseconds: use %d * time.Millisecond", d, int64(d))
	}
	return fmt.Errorf("is %v, because a number without a unit counts nanoseconds: use %d * time.Second", d, int64(d))
}
