package main

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/bench/internal/cpu"
	"github.com/sessionauth/sessionauth/bench/internal/stats"
)

// A figure holds the results of one workload. Times are nanoseconds for one
// request, with one value for each round.
type figure struct {
	name   string
	ns     []float64
	two    []float64 // throughput of two goroutines divided by that of one; empty if not measured
	inUse  []float64 // the same quotients with a full cache
	allocs float64
	bytes  float64
}

// A clock selects how times are measured.
type clock int

const (
	processor clock = iota // processor time of this process
	wall
)

type figures map[string]*figure

// measure runs every workload in every round for about one slice.
func measure(all []workload, rounds int, slice time.Duration, progress func(round int)) figures {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	found := figures{}
	counts := make([]int, len(all))
	for i, w := range all {
		f := &figure{name: w.name}
		counts[i] = calibrate(w, slice)
		f.allocs, f.bytes = allocations(w)
		found[w.name] = f
	}
	for round := range rounds {
		progress(round)
		for _, i := range rand.Perm(len(all)) {
			w, f := all[i], found[all[i].name]
			f.ns = append(f.ns, timed(w, processor, 1, counts[i]))
		}
	}
	return found
}

// longer is the factor by which slices of two goroutines are longer. In such a slice the garbage
// collector runs several times even if the heap is larger.
const longer = 20

// speedups compares two goroutines with one.
func (fs figures) speedups(all []workload, rounds int, slice time.Duration, progress func(round int)) map[string][]float64 {
	found := map[string][]float64{}
	if runtime.NumCPU() < 2 {
		return found
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for round := range rounds {
		progress(round)
		for _, i := range rand.Perm(len(all)) {
			if w := all[i]; w.parallel {
				n := max(1, int(float64(longer*slice)/fs[w.name].median()))
				found[w.name] = append(found[w.name], speedup(w, n))
			}
		}
	}
	return found
}

// measureTwo measures each workload with two goroutines, first with an empty cache
// and again after fill has filled it. It returns the size of the heap in bytes in
// both cases.
func (fs figures) measureTwo(all []workload, rounds int, slice time.Duration, fill func() error, progress func(round int)) (before, after float64, err error) {
	before = heap()
	for name, two := range fs.speedups(all, rounds, slice, progress) {
		fs[name].two = two
	}
	if err := fill(); err != nil {
		return 0, 0, err
	}
	after = heap()
	for name, two := range fs.speedups(all, rounds, slice, progress) {
		fs[name].inUse = two
	}
	return before, after, nil
}

// speedup returns the throughput of two goroutines divided by that of one.
func speedup(w workload, n int) float64 {
	one := timed(w, wall, 1, n)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	return one / timed(w, wall, 2, n)
}

// timed runs a workload n times on each goroutine and returns the time for one run. For one
// goroutine it measures processor time, including garbage collection. For two goroutines it
// measures wall clock time, because only that includes the time that they wait for each other.
func timed(w workload, clock clock, goroutines, n int) float64 {
	runs := make([]func(int), goroutines)
	for i := range runs {
		runs[i] = w.start()
		runs[i](1) // warms the caches
	}
	runtime.GC()
	if goroutines == 1 && clock == processor {
		began := cpu.Time()
		runs[0](n)
		return float64(cpu.Time()-began) / float64(n)
	}
	var ready, done sync.WaitGroup
	barrier := make(chan struct{})
	for _, run := range runs {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-barrier
			run(n)
		})
	}
	ready.Wait()
	began := time.Now()
	close(barrier)
	done.Wait()
	return float64(time.Since(began)) / float64(n*goroutines)
}

// calibrate returns how many runs fit into a slice.
func calibrate(w workload, slice time.Duration) int {
	run := w.start()
	for n := 1; ; n *= 2 {
		began := cpu.Time()
		run(n)
		if took := cpu.Time() - began; took >= slice/4 || n >= 1<<24 {
			return max(1, int(float64(n)*float64(slice)/float64(max(took, 1))))
		}
	}
}

// allocations returns the heap allocations of one request and their bytes.
func allocations(w workload) (allocs, bytes float64) {
	const n = 1000
	run := w.start()
	run(n) // let buffers and maps reach their final size
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run(n)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / n, float64(after.TotalAlloc-before.TotalAlloc) / n
}

func (f *figure) median() float64 { return stats.Median(f.ns) }

// sumOf returns the weighted sum of figures for each round.
func (fs figures) sumOf(weights map[string]float64) []float64 {
	var sum []float64
	for name, weight := range weights {
		ns := fs[name].ns
		if sum == nil {
			sum = make([]float64, len(ns))
		}
		for i := range sum {
			sum[i] += weight * ns[i]
		}
	}
	return sum
}

// fastest returns the smallest of the named figures for each round.
func (fs figures) fastest(names []string) []float64 {
	var least []float64
	for _, name := range names {
		ns := fs[name].ns
		if least == nil {
			least = append(least, ns...)
		}
		for i := range least {
			least[i] = min(least[i], ns[i])
		}
	}
	return least
}
