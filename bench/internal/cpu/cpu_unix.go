//go:build unix

// Package cpu tells how much processor time this process has used.
package cpu

import (
	"syscall"
	"time"
)

// Time is the processor time this process has used. Other processes on the
// machine do not count in it, as they do on the wall clock.
func Time() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("cpu: getrusage: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
