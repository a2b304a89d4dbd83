package main

import (
	"fmt"

	"github.com/sessionauth/sessionauth/bench/internal/report"
	"github.com/sessionauth/sessionauth/bench/internal/stats"
)

// A verdict is one target and its result.
type verdict struct {
	Path   string  `json:"path"`
	Target string  `json:"target"`
	Got    float64 `json:"got"`
	Low    float64 `json:"low,omitempty"`  // first quartile of the rounds
	High   float64 `json:"high,omitempty"` // third quartile of the rounds
	Unit   string  `json:"unit"`
	Pass   bool    `json:"pass"`
}

// atMost returns a verdict that passes if the median of the rounds is at most limit.
func atMost(path, target, unit string, limit float64, rounds []float64) verdict {
	v := newVerdict(path, target, unit, rounds)
	v.Pass = v.Got <= limit
	return v
}

// atLeast returns a verdict that passes if the median is at least limit.
func atLeast(path, target, unit string, limit float64, rounds []float64) verdict {
	v := newVerdict(path, target, unit, rounds)
	v.Pass = v.Got >= limit
	return v
}

func newVerdict(path, target, unit string, rounds []float64) verdict {
	return verdict{
		Path: path, Target: target, Unit: unit, Got: stats.Median(rounds),
		Low: stats.Quantile(rounds, 0.25), High: stats.Quantile(rounds, 0.75),
	}
}

// verdicts compares the figures with the targets.
func (fs figures) verdicts() []verdict {
	var rivals []string
	for _, p := range peers {
		rivals = append(rivals, p.caseName())
	}
	fastest := fs.fastest(rivals)
	ns := func(name string) []float64 { return fs[name].ns }
	warmFloor := fs.sumOf(map[string]float64{floorSHA: 1, floorClone: 1})
	cookieBound := fs.sumOf(map[string]float64{floorSHA: 1.3, floorClone: 1.3, floorCookies: 1.2})
	tokenFloor := fs.sumOf(map[string]float64{floorTokSHA: 1, floorClone: 1})
	list := []verdict{
		atMost("warm JWT, header", "at most 1.3 × (SHA-256 + request clone)", "×", 1.3, stats.Ratios(ns(warmHeader), warmFloor)),
		atMost("warm JWT, header", "at most 4 allocations", "allocations", 4, []float64{fs[warmHeader].allocs}),
		atLeast("warm JWT, header", "at least 30 × faster than the fastest peer", "× faster", 30, stats.Ratios(fastest, ns(warmHeader))),
		atMost("warm JWT, cookie", "at most 1.3 × (SHA-256 + request clone) + 1.2 × net/http's cookie parsing", "of the limit", 1, stats.Ratios(ns(warmCookie), cookieBound)),
		atMost("warm opaque token, header", "at most 2 × (its SHA-256 + request clone)", "×", 2, stats.Ratios(ns(opaqueHeader), tokenFloor)),
		atLeast("warm opaque token, cookie", "faster than scs with its in-memory store", "× faster", 1, stats.Ratios(ns(scsCookie), ns(opaqueCookie))),
		atMost("first sight of a JWT", "at most 1.4 × a bare RSA verification", "×", 1.4, stats.Ratios(ns(firstSight), ns(floorRSA))),
		atLeast("first sight of a JWT", "faster than every peer", "× faster", 1, stats.Ratios(fastest, ns(firstSight))),
		atMost("forged JWT", "at most 1.3 × a bare RSA verification", "×", 1.3, stats.Ratios(ns(forged), ns(floorRSA))),
		atMost("garbage, short", "at most 1 µs", "ns", 1000, ns(shortGarbage)),
		atMost("garbage as long as a JWT", "at most 1 µs", "ns", 1000, ns(longGarbage)),
		atMost("garbage of 18 KB", "at most 1 µs", "ns", 1000, ns(hugeGarbage)),
	}
	if f := fs[warmHeader]; len(f.inUse) > 0 {
		path := "two goroutines on two cores, warm, cache full (empty: " + short(stats.Median(f.two)) + " ×; SHA-256 alone: " + short(stats.Median(fs[floorSHA].inUse)) + " ×)"
		list = append(list, atLeast(path, "at least 1.8 × one goroutine", "×", 1.8, f.inUse))
	}
	return list
}

func (v verdict) mark() string {
	if v.Pass {
		return "PASS"
	}
	return "MISS"
}

func verdictTable(list []verdict) string {
	rows := make([][]string, len(list))
	for i, v := range list {
		spread := ""
		if v.Low != v.High {
			spread = fmt.Sprintf("%s to %s", short(v.Low), short(v.High))
		}
		rows[i] = []string{v.Path, v.Target, short(v.Got) + " " + v.Unit, spread, v.mark()}
	}
	return report.Table([]string{"path", "target", ":measured", ":quartiles", ""}, rows)
}

// short formats x with three significant digits.
func short(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
