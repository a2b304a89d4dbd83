package stats_test

import (
	"math"
	"slices"
	"testing"

	"github.com/sessionauth/sessionauth/bench/internal/stats"
)

func TestQuantile(t *testing.T) {
	for _, row := range []struct {
		name   string
		values []float64
		q      float64
		want   float64
	}{
		{"one value is every quantile", []float64{7}, 0.9, 7},
		{"the middle of three, unsorted", []float64{9, 1, 2}, 0.5, 2},
		{"between the middle two of four", []float64{1, 2, 4, 9}, 0.5, 3},
		{"the least", []float64{3, 1, 2}, 0, 1},
		{"the greatest", []float64{3, 1, 2}, 1, 3},
		{"interpolated", []float64{0, 10}, 0.9, 9},
	} {
		if got := stats.Quantile(row.values, row.q); math.Abs(got-row.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
	if got := stats.Median(nil); !math.IsNaN(got) {
		t.Errorf("no values: got %v, want NaN", got)
	}
}

func TestMedian_KeepsTheOrder(t *testing.T) {
	values := []float64{3, 1, 2}
	stats.Median(values)
	if want := []float64{3, 1, 2}; !slices.Equal(values, want) {
		t.Errorf("got %v, want %v", values, want)
	}
}

// A slow round affects both values of a pair. It must not change the median of the ratios, although
// it would change the ratio of the medians.
func TestRatios_SlowRound(t *testing.T) {
	a := []float64{20, 200, 22, 24, 240}
	b := []float64{10, 100, 11, 12, 120}
	if got := stats.Median(stats.Ratios(a, b)); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
	if got := len(stats.Ratios(a, b[:2])); got != 2 {
		t.Errorf("got %d ratios, want 2", got)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i + 1)
	}
	for _, row := range []struct {
		q    float64
		want int64
	}{{0, 1}, {0.5, 50}, {0.99, 99}, {0.999, 100}, {1, 100}} {
		if got := stats.Percentile(hundred, row.q); got != row.want {
			t.Errorf("%v: got %d, want %d", row.q, got, row.want)
		}
	}
	if got := stats.Percentile([]int64(nil), 0.5); got != 0 {
		t.Errorf("no values: got %d, want 0", got)
	}
}
