// Package stats holds the little arithmetic that benchmark figures need.
package stats

import (
	"math"
	"slices"
)

// Quantile returns the value below which a share q of the values lies, by
// linear interpolation between neighbours. Without values it is NaN. The slice
// is not changed.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Median returns the middle value.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Ratios divides a by b, pair by pair: what was measured at nearly the same
// time is compared, so that a slow moment of the machine slows both.
func Ratios(a, b []float64) []float64 {
	n := min(len(a), len(b))
	ratios := make([]float64, n)
	for i := range n {
		ratios[i] = a[i] / b[i]
	}
	return ratios
}

// Percentile returns the value at or below which a share q of sorted values
// lies: one that really occurred. Without values it is the zero value.
func Percentile[T int64 | float64](sorted []T, q float64) T {
	if len(sorted) == 0 {
		var none T
		return none
	}
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(0, min(at, len(sorted)-1))]
}
