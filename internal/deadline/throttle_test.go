package deadline_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

func TestThrottle_Allow(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var throttle deadline.Throttle
	for _, step := range []struct {
		name     string
		at       time.Duration
		interval time.Duration
		want     bool
	}{
		{"the first event", 0, time.Minute, true},
		{"at the same time", 0, time.Minute, false},
		{"just within the interval", time.Minute - 1, time.Minute, false},
		{"after the interval", time.Minute, time.Minute, true},
		{"within the interval that began then", 2*time.Minute - 1, time.Minute, false},
		{"long after", time.Hour, time.Minute, true},
		{"clock set back", time.Hour - 1, time.Minute, true},
		{"in the interval after that", time.Hour, time.Minute, false},
		{"clock set back by a year", -365 * 24 * time.Hour, time.Minute, true},
		{"and on", -365*24*time.Hour + time.Minute - 1, time.Minute, false},
		{"a shorter interval", -365*24*time.Hour + time.Second, time.Second, true},
		{"no interval", -365*24*time.Hour + time.Second, 0, true},
	} {
		if got := throttle.Allow(start.Add(step.at), step.interval); got != step.want {
			t.Errorf("%s: got %t, want %t", step.name, got, step.want)
		}
	}
}

func TestThrottle_ManyGoroutines(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var throttle deadline.Throttle
	for minute := range 200 {
		now := start.Add(time.Duration(minute) * time.Minute)
		var allowed atomic.Int64
		var ready, together sync.WaitGroup
		ready.Add(1)
		for range 16 {
			together.Go(func() {
				ready.Wait()
				if throttle.Allow(now, time.Minute) {
					allowed.Add(1)
				}
			})
		}
		ready.Done()
		together.Wait()
		if got := allowed.Load(); got != 1 {
			t.Fatalf("got %d events in an interval, want 1", got)
		}
	}
}

func TestDeadline_EarlierAt(t *testing.T) {
	now := time.Now()
	wall := now.Round(0)
	inAMinute := deadline.In(now, time.Minute)
	for _, row := range []struct {
		name string
		at   time.Time
		want time.Duration
	}{
		{"zero", time.Time{}, time.Minute},
		{"earlier", wall.Add(time.Second), time.Second},
		{"earlier, in another zone", wall.Add(time.Second).In(time.FixedZone("", 3600)), time.Second},
		{"later", wall.Add(time.Hour), time.Minute},
		{"the same", wall.Add(time.Minute), time.Minute},
		{"in the past", wall.Add(-time.Hour), -time.Hour},
		{"far ahead", time.Unix(253402300799, 0), time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := inAMinute.EarlierAt(now, row.at)
			if got := d.Time(); !got.Equal(wall.Add(row.want)) {
				t.Errorf("got a deadline at %v, want %v", got, wall.Add(row.want))
			}
			if at := now.Add(row.want); d.Passed(at.Add(-1)) || !d.Passed(at) {
				t.Errorf("got a deadline that does not pass exactly after %v", row.want)
			}
			// Both clocks count, so a deadline also passes while the machine is suspended.
			if suspended := jump(t, now.Add(row.want), -row.want+time.Nanosecond); !d.Passed(suspended) {
				t.Error("got a deadline that ignores the wall clock")
			}
		})
	}
}
