//go:build unix

// Package cpu measures the processor time of this process.
package cpu

import (
	"syscall"
	"time"
)

// Time returns the processor time that this process has used. Unlike the wall
// clock, it does not depend on other processes.
func Time() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("cpu: getrusage: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
