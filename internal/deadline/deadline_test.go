package deadline_test

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

func TestPassed(t *testing.T) {
	now := time.Now()
	wall := now.Round(0)
	for _, row := range []struct {
		name string
		d    deadline.Deadline
		at   time.Time
		want bool
	}{
		{"zero value", deadline.Deadline{}, now, true},
		{"at a wall time, a nanosecond before", deadline.At(now, wall.Add(time.Minute)), now.Add(time.Minute - 1), false},
		{"at a wall time, then", deadline.At(now, wall.Add(time.Minute)), now.Add(time.Minute), true},
		{"at a wall time, after", deadline.At(now, wall.Add(time.Minute)), now.Add(time.Hour), true},
		{"at a wall time in another zone", deadline.At(now, wall.Add(time.Minute).In(time.FixedZone("", 3600))), now.Add(time.Minute - 1), false},
		{"at a wall time long ago", deadline.At(now, wall.AddDate(-200, 0, 0)), now, true},
		{"at the end of the year 9999", deadline.At(now, time.Unix(253402300799, 0)), now.AddDate(200, 0, 0), false},
		{"at a wall time far ahead", deadline.At(now, wall.AddDate(200, 0, 0)), now, false},
		{"at a time of another clock reading", deadline.At(now, now.Add(time.Minute)), now.Add(time.Minute - 1), false},
		{"in a minute, a nanosecond before", deadline.In(now, time.Minute), now.Add(time.Minute - 1), false},
		{"in a minute, then", deadline.In(now, time.Minute), now.Add(time.Minute), true},
		{"in no time", deadline.In(now, 0), now, true},
		{"in less than no time", deadline.In(now, -time.Minute), now, true},
		{"the wall clock set forward, the monotonic one not", deadline.In(now, time.Minute), wall.Add(time.Minute), true},
		{"seen without a monotonic clock", deadline.At(wall, wall.Add(time.Minute)), now.Add(time.Minute), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.d.Passed(row.at); got != row.want {
				t.Errorf("got passed %t, want %t", got, row.want)
			}
		})
	}
}

// jump returns the time that would be read if the monotonic clock had advanced by d more than the
// wall clock. No API can set the monotonic clock, so jump changes the field of time.Time.
func jump(t *testing.T, now time.Time, d time.Duration) time.Time {
	t.Helper()
	jumped := now
	(*struct {
		wall uint64
		ext  int64 // the monotonic reading, if there is one
	})(unsafe.Pointer(&jumped)).ext += int64(d)
	if !jumped.Round(0).Equal(now.Round(0)) || jumped.Sub(now) != d {
		t.Fatal("got another time.Time than this test knows")
	}
	return jumped
}

// A deadline has passed as soon as it has passed by one of the two clocks.
func TestPassed_ClocksDisagree(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		name            string
		wall, monotonic time.Duration // time that passed by each clock
		want            bool
	}{
		{"neither clock has reached it", 59 * time.Second, 59 * time.Second, false},
		{"both clocks have reached it", 60 * time.Second, 60 * time.Second, true},
		{"wall clock set back an hour", -time.Hour, 60 * time.Second, true},
		{"wall clock set back, neither clock has reached it", -time.Hour, 59 * time.Second, false},
		{"wall clock set forward an hour", time.Hour, time.Second, true},
		{"machine suspended for a day", 24 * time.Hour, time.Second, true},
		{"wall clock a nanosecond behind", 60*time.Second - 1, 60 * time.Second, true},
		{"monotonic clock a nanosecond behind", 60 * time.Second, 60*time.Second - 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			later := jump(t, now.Add(row.wall), row.monotonic-row.wall)
			for name, d := range map[string]deadline.Deadline{
				"In":      deadline.In(now, time.Minute),
				"At":      deadline.At(now, now.Round(0).Add(time.Minute)),
				"Earlier": deadline.In(now, time.Hour).Earlier(deadline.In(now, time.Minute)),
			} {
				if got := d.Passed(later); got != row.want {
					t.Errorf("%s: got passed %t, want %t", name, got, row.want)
				}
				byAll := row.wall >= time.Minute && row.monotonic >= time.Minute
				if got := d.PassedByAll(later); got != byAll {
					t.Errorf("%s: got passed by all %t, want %t", name, got, byAll)
				}
			}
		})
	}
}

// PassedByAll returns true only if the deadline has passed by both clocks. This holds for Deadline
// and for Compact.
func TestPassedByAll_ClocksDisagree(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		name            string
		wall, monotonic time.Duration // time that passed by each clock
		want            bool
	}{
		{"neither clock has reached it", 59 * time.Second, 59 * time.Second, false},
		{"both clocks have reached it", 60 * time.Second, 60 * time.Second, true},
		{"wall clock set back an hour", -time.Hour, 60 * time.Second, false},
		{"wall clock set forward an hour", time.Hour, time.Second, false},
		{"wall clock set forward, both clocks have reached it", time.Hour, 60 * time.Second, true},
		{"machine suspended for a day", 24 * time.Hour, time.Second, false},
		{"wall clock a nanosecond behind", 60*time.Second - 1, 60 * time.Second, false},
		{"monotonic clock a nanosecond behind", 60 * time.Second, 60*time.Second - 1, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			later := jump(t, now.Add(row.wall), row.monotonic-row.wall)
			epoch := jump(t, now.Add(-time.Hour), time.Minute)
			for name, d := range map[string]deadline.Deadline{
				"In":      deadline.In(now, time.Minute),
				"At":      deadline.At(now, now.Round(0).Add(time.Minute)),
				"Earlier": deadline.In(now, time.Hour).Earlier(deadline.In(now, time.Minute)),
			} {
				if got := d.PassedByAll(later); got != row.want {
					t.Errorf("%s: got passed %t, want %t", name, got, row.want)
				}
				if got := d.Compact(epoch).PassedByAll(epoch, later); got != row.want {
					t.Errorf("%s, compact: got passed %t, want %t", name, got, row.want)
				}
			}
		})
	}
}

func TestCompact(t *testing.T) {
	now := time.Now()
	epoch := now.Add(-time.Hour)
	in := func(wall, monotonic time.Duration) deadline.Compact {
		return deadline.In(jump(t, now.Add(wall), monotonic-wall), 0).Compact(epoch)
	}
	if got, want := in(time.Second, time.Minute).Latest(in(time.Minute, time.Second)), in(time.Minute, time.Minute); got != want {
		t.Errorf("got %v as the latest, want %v", got, want)
	}
	far := deadline.At(now, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)).Compact(epoch)
	if far.PassedByAll(epoch, now) {
		t.Error("got passed for the year 9999, want not")
	}
	if !(deadline.Compact{}).PassedByAll(epoch, now) {
		t.Error("got not passed for the zero value")
	}
	for _, row := range []struct {
		name string
		t    time.Time
		want bool
	}{
		{"then", now, false},
		{"a nanosecond after", now.Add(1), true},
		{"then, on the wall clock", now.Round(0), false},
		{"a nanosecond after, on the wall clock", now.Round(0).Add(1), true},
		{"after, with the wall clock set back", jump(t, now.Add(-time.Hour), time.Hour+1), true},
		{"before, with the wall clock set forward", jump(t, now.Add(time.Hour), -time.Hour-1), false},
	} {
		if got := in(0, 0).IsBefore(epoch, row.t); got != row.want {
			t.Errorf("%s: got before %t, want %t", row.name, got, row.want)
		}
	}
}

// While time passes normally, a deadline does not pass early.
func TestPassed_TimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, at := deadline.In(time.Now(), time.Minute), deadline.At(time.Now(), time.Now().Round(0).Add(time.Minute))
		time.Sleep(time.Minute - time.Nanosecond)
		if now := time.Now(); in.Passed(now) || at.Passed(now) {
			t.Errorf("got passed %t and %t a nanosecond before, want neither", in.Passed(now), at.Passed(now))
		}
		time.Sleep(time.Nanosecond)
		if now := time.Now(); !in.Passed(now) || !at.Passed(now) {
			t.Errorf("got passed %t and %t, want both", in.Passed(now), at.Passed(now))
		}
	})
}

func TestEarlier(t *testing.T) {
	now := time.Now()
	soon, late := deadline.In(now, time.Second), deadline.At(now, now.Round(0).Add(time.Minute))
	for _, row := range []struct {
		name           string
		got, otherwise deadline.Deadline
		want           time.Time
	}{
		{"of two", soon.Earlier(late), late.Earlier(soon), now.Add(time.Second)},
		{"of one and itself", soon.Earlier(soon), soon, now.Add(time.Second)},
		{"of one and the zero value", soon.Earlier(deadline.Deadline{}), deadline.Deadline{}.Earlier(soon), time.Time{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if !row.got.Time().Equal(row.want) || !row.otherwise.Time().Equal(row.want) {
				t.Errorf("got %v and %v, want %v", row.got.Time(), row.otherwise.Time(), row.want)
			}
		})
	}
}

// At uses the wall clock of its argument, even if that also has a monotonic reading.
func TestAt_TimeWithMonotonicReading(t *testing.T) {
	now := time.Now()
	end := jump(t, now.Add(time.Minute), time.Hour)
	if got, want := deadline.At(now, end).Time(), now.Round(0).Add(time.Minute); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Time returns only the wall clock time, so that it can be printed and compared.
func TestTime(t *testing.T) {
	now := time.Now()
	wall := time.Date(now.Year()+1, 5, 6, 7, 8, 9, 10, time.UTC)
	if got := deadline.At(now, wall).Time(); !got.Equal(wall) || got != got.Round(0) {
		t.Errorf("got %v, want %v without a monotonic reading", got, wall)
	}
	if got := deadline.In(now, time.Hour).Time(); !got.Equal(now.Round(0).Add(time.Hour)) || got != got.Round(0) {
		t.Errorf("got %v, want %v without a monotonic reading", got, now.Round(0).Add(time.Hour))
	}
	if got := (deadline.Deadline{}).Time(); !got.IsZero() {
		t.Errorf("got %v, want the zero time", got)
	}
}
