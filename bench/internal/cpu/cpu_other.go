//go:build !unix

package cpu

import "time"

var began = time.Now()

// Time returns wall clock time, because processor time is not available here.
func Time() time.Duration { return time.Since(began) }
