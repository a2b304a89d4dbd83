package deadline_test

import (
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

func TestThrottle(t *testing.T) {
	start := time.Now()
	steps := []struct {
		name string
		at   time.Duration // after start
		want bool
	}{
		{"the first event", 0, true},
		{"the same moment", 0, false},
		{"before the interval has passed", time.Second - 1, false},
		{"when the interval has passed", time.Second, true},
		{"a refused event does not extend it", 2*time.Second - 1, false},
		{"a clock that was set back", -time.Hour, true},
		{"the interval after that", -time.Hour + time.Second - 1, false},
		{"the end of the interval after that", -time.Hour + time.Second, true},
	}
	var throttle deadline.Throttle
	for _, step := range steps {
		if got := throttle.Allow(start.Add(step.at), time.Second); got != step.want {
			t.Errorf("%s: got %v, want %v", step.name, got, step.want)
		}
	}
}
