//go:build !unix

package cpu

import "time"

var began = time.Now()

// Time is wall clock time where processor time is not to be had.
func Time() time.Duration { return time.Since(began) }
