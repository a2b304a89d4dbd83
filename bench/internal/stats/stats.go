// Package stats computes quantiles and ratios of benchmark figures.
package stats

import (
	"math"
	"slices"
)

// Quantile returns the q-quantile of values, with linear interpolation between
// neighbours. If there are no values, it returns NaN. It does not change the slice.
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

// Ratios divides a by b pair by pair. Each pair was measured at nearly the same
// time, so that a slow moment of the machine affects both values.
func Ratios(a, b []float64) []float64 {
	n := min(len(a), len(b))
	ratios := make([]float64, n)
	for i := range n {
		ratios[i] = a[i] / b[i]
	}
	return ratios
}

// Percentile returns the smallest of the sorted values for which at least a share q of the values
// is not above it. Unlike Quantile, it does not interpolate. If there are no values, it returns
// zero.
func Percentile[T int64 | float64](sorted []T, q float64) T {
	if len(sorted) == 0 {
		var none T
		return none
	}
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(0, min(at, len(sorted)-1))]
}
