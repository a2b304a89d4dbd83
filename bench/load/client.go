package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/bench/internal/stats"
)

// A sample is one response.
type sample struct {
	at     time.Duration // time from the start of the run to sending the request
	took   time.Duration
	status int
}

// drive sends requests on several connections for the given time. next returns the
// bytes of the next request of a connection; at is the time since the start.
func drive(addr string, connections int, length time.Duration, next func(connection int, at time.Duration) []byte) ([]sample, error) {
	var group sync.WaitGroup
	samples := make([][]sample, connections)
	errs := make([]error, connections)
	began := time.Now()
	for i := range connections {
		group.Go(func() { samples[i], errs[i] = connection(addr, began, length, i, next) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(samples...), nil
}

func connection(addr string, began time.Time, length time.Duration, i int, next func(int, time.Duration) []byte) ([]sample, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	responses := bufio.NewReader(conn)
	samples := make([]sample, 0, 1<<16)
	for {
		sent := time.Now()
		at := sent.Sub(began)
		if at >= length {
			return samples, nil
		}
		if _, err := conn.Write(next(i, at)); err != nil {
			return nil, err
		}
		status, err := readResponse(responses)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample{at, time.Since(sent), status})
	}
}

// readResponse reads one HTTP/1.1 response with a Content-Length.
func readResponse(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("not a response: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("a response without a Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return status, err
}

// A summary describes a part of a run. Times are microseconds.
type summary struct {
	Name      string      `json:"name"`
	PerSecond float64     `json:"requests_per_second"`
	P50       float64     `json:"p50"`
	P99       float64     `json:"p99"`
	P999      float64     `json:"p99_9"`
	Status    map[int]int `json:"status"`
}

// summarize describes the requests sent at or after from and before to.
func summarize(name string, samples []sample, from, to time.Duration) summary {
	s := summary{Name: name, Status: map[int]int{}}
	var took []int64
	for _, x := range samples {
		if from <= x.at && x.at < to {
			took = append(took, int64(x.took))
			s.Status[x.status]++
		}
	}
	slices.Sort(took)
	µs := func(q float64) float64 { return float64(stats.Percentile(took, q)) / 1000 }
	s.PerSecond = float64(len(took)) / (to - from).Seconds()
	s.P50, s.P99, s.P999 = µs(0.5), µs(0.99), µs(0.999)
	return s
}
