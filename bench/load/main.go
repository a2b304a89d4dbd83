package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/bench/internal/cpu"
	"github.com/sessionauth/sessionauth/bench/internal/report"
	"github.com/sessionauth/sessionauth/bench/internal/stats"
	"github.com/sessionauth/sessionauth/stytchtest"
)

var (
	connections = flag.Int("connections", 32, "kept-alive connections")
	length      = flag.Duration("length", 10*time.Second, "duration of the run with a rotation; each of the three servers and each outage runs twice as long")
	sliceCount  = flag.Int("slices", 60, "number of slices for each of the three servers")
	docs        = flag.String("docs", "../docs", "folder of performance.md; if empty, do not write it")
	results     = flag.String("json", "load.json", "file for the figures as JSON; if empty, do not write it")
)

// keySetPause is longer than the time that sessionauth waits between two fetches of the key set.
// The rotation begins after this pause, as in a process that has been running for a long time.
const keySetPause = 31 * time.Second

const sessions = 256

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// An outcome holds all results.
type outcome struct {
	Date        string         `json:"date"`
	Machine     report.Machine `json:"machine"`
	Connections int            `json:"connections"`
	Length      string         `json:"length"`
	Share       float64        `json:"share"` // requests per second with Require, divided by those without
	Low         float64        `json:"low"`   // first quartile of the slices
	High        float64        `json:"high"`  // third quartile of the slices
	Pass        bool           `json:"pass"`
	CPUShare    float64        `json:"cpu_share"` // processor time per request without Require, divided by that with it

	// The same three figures for the server that does the work by hand.
	ByHandShare    float64 `json:"by_hand_share"`
	ByHandCPUShare float64 `json:"by_hand_cpu_share"`

	Plain    []summary `json:"plain"`
	Rotation []summary `json:"rotation"`
	Outages  []summary `json:"outages"`
}

func run() error {
	o := &outcome{Date: time.Now().UTC().Format(time.DateOnly), Machine: report.ThisMachine(), Connections: *connections, Length: length.String()}
	steady, err := newEnv(sessions, nil)
	if err != nil {
		return err
	}
	defer steady.close()
	if err := o.compare(steady); err != nil {
		return err
	}
	if err := o.rotate(steady); err != nil {
		return err
	}
	for _, outage := range []struct {
		name  string
		fault stytchtest.Fault
	}{
		{"Stytch answers 503", stytchtest.Fault{Status: 503}},
		{"Stytch hangs", stytchtest.Fault{Delay: time.Minute}},
	} {
		if err := o.outage(outage.name, outage.fault); err != nil {
			return err
		}
	}
	return o.write()
}

// compare measures three servers in turn: one without Require, one that does the same work by hand,
// and one with Require.
func (o *outcome) compare(s *env) error {
	servers := []struct {
		name    string
		handler http.Handler
	}{{"without Require", hello}, {"by hand: SHA-256 of the signature, clone, two header fields", byHand}, {"with Require", s.auth.Require(hello)}}
	addrs := make([]string, len(servers))
	for i, server := range servers {
		var err error
		if addrs[i], err = s.serve(server.handler); err != nil {
			return err
		}
	}
	requests := make([][]byte, len(s.sessions))
	for i := range requests {
		requests[i] = request(s.sessions[i].JWT)
	}
	turn := make([]int, *connections)
	next := func(c int, _ time.Duration) []byte {
		turn[c]++
		return requests[(c*31+turn[c])%len(requests)]
	}
	slice := 2 * *length / time.Duration(*sliceCount)
	var rates, perRequest [3][]float64
	var all [3][]sample
	for n := -1; n < *sliceCount; n++ { // the first slice warms the caches and is not counted
		say("slice %d of %d", n+1, *sliceCount)
		for _, which := range rand.Perm(len(addrs)) {
			used := cpu.Time()
			samples, err := drive(addrs[which], *connections, slice, next)
			if err != nil {
				return err
			}
			used = cpu.Time() - used
			if n >= 0 {
				perRequest[which] = append(perRequest[which], float64(used)/float64(len(samples)))
				rates[which] = append(rates[which], float64(len(samples))/slice.Seconds())
				all[which] = append(all[which], samples...)
			}
		}
	}
	for i, server := range servers {
		sum := summarize(server.name, all[i], 0, slice)
		sum.PerSecond = stats.Median(rates[i])
		o.Plain = append(o.Plain, sum)
	}
	share := func(i int) float64 { return stats.Median(stats.Ratios(rates[i], rates[0])) }
	cpuShare := func(i int) float64 { return stats.Median(stats.Ratios(perRequest[0], perRequest[i])) }
	o.ByHandShare, o.Share = share(1), share(2)
	shares := stats.Ratios(rates[2], rates[0])
	o.Low, o.High = stats.Quantile(shares, 0.25), stats.Quantile(shares, 0.75)
	o.ByHandCPUShare, o.CPUShare = cpuShare(1), cpuShare(2)
	o.Pass = o.Share >= 0.95
	return nil
}

// rotate makes Stytch sign with a new key in the middle of a run. From then on,
// half of the connections send JWTs signed with the new key.
func (o *outcome) rotate(s *env) error {
	say("waiting until the key set may be fetched again")
	time.Sleep(time.Until(s.warmedAt.Add(keySetPause)))
	addr, err := s.serve(s.auth.Require(hello))
	if err != nil {
		return err
	}
	old := make([][]byte, len(s.sessions))
	for i := range old {
		old[i] = request(s.sessions[i].JWT)
	}
	s.stytch.RotateKeys() // no JWT with the new key has been sent yet
	rotated := make([][]byte, len(s.sessions))
	for i := range rotated {
		rotated[i] = request(s.stytch.JWT(s.sessions[i].ID))
	}
	half := *length / 2
	turn := make([]int, *connections)
	say("rotation")
	samples, err := drive(addr, *connections, *length, func(c int, at time.Duration) []byte {
		turn[c]++
		list := old
		if at >= half && c%2 == 0 {
			list = rotated
		}
		return list[(c*31+turn[c])%len(list)]
	})
	if err != nil {
		return err
	}
	o.Rotation = []summary{
		summarize("before the rotation", samples, 0, half),
		summarize("the second after it", samples, half, half+time.Second),
		summarize("later", samples, half+time.Second, *length),
	}
	return nil
}

// outage makes Stytch fail during the middle half of a run with opaque tokens and
// JWTs. CacheTTL is short, so that Stytch is called often, and StaleIfError is set.
func (o *outcome) outage(name string, fault stytchtest.Fault) error {
	s, err := newEnv(sessions, func(c *sessionauth.Config) {
		c.CacheTTL, c.StaleIfError = time.Second, time.Minute
	})
	if err != nil {
		return err
	}
	defer s.close()
	addr, err := s.serve(s.auth.Require(hello))
	if err != nil {
		return err
	}
	var requests [][]byte
	for _, session := range s.sessions {
		requests = append(requests, request(session.Token), request(session.JWT))
	}
	turn := make([]int, *connections)
	next := func(c int, _ time.Duration) []byte {
		turn[c]++ // connections do not share users, because they would wait for the same call
		return requests[(c+*connections*turn[c])%len(requests)]
	}
	say("%s", name)
	if _, err := drive(addr, *connections, 2*time.Second, next); err != nil { // this run fills the cache
		return err
	}
	length := 2 * *length // longer, because a call that hangs takes seconds to fail
	quarter := length / 4
	begins := time.AfterFunc(quarter, func() { s.stytch.SetFault("", fault) })
	ends := time.AfterFunc(3*quarter, func() { s.stytch.SetFault("", stytchtest.Fault{}) })
	defer begins.Stop()
	defer ends.Stop()
	samples, err := drive(addr, *connections, length, next)
	if err != nil {
		return err
	}
	o.Outages = append(o.Outages,
		summarize(name+": before", samples, 0, quarter),
		summarize(name+": during", samples, quarter, 3*quarter),
		summarize(name+": after", samples, 3*quarter, length),
	)
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...) }

func table(list []summary) string {
	var rows [][]string
	for _, s := range list {
		var statuses []string
		for _, code := range slices.Sorted(maps.Keys(s.Status)) {
			statuses = append(statuses, fmt.Sprintf("%d × %d", s.Status[code], code))
		}
		rows = append(rows, []string{
			s.Name, fmt.Sprintf("%.0f", s.PerSecond), fmt.Sprintf("%.0f", s.P50), fmt.Sprintf("%.0f", s.P99),
			fmt.Sprintf("%.0f", s.P999), strings.Join(statuses, ", "),
		})
	}
	return report.Table([]string{"", ":requests/s", ":p50 µs", ":p99 µs", ":p99.9 µs", "responses"}, rows)
}

func (o *outcome) markdown() string {
	mark := "MISS"
	if o.Pass {
		mark = "PASS"
	}
	return strings.Join([]string{
		fmt.Sprintf("Measured on %s (%s) with %d connections. Each of the three servers ran for %s in %d slices. The run with the rotation took %s, and each run with an outage took %s.", o.Date, o.Machine, o.Connections, 2*(*length), *sliceCount, *length, 2*(*length)),
		fmt.Sprintf("With Require, the server handles %.1f %% of the requests per second that it handles without Require (quartiles of the measurements: %.1f to %.1f %%; target: at least 95 %%): %s.", o.Share*100, o.Low*100, o.High*100, mark),
		fmt.Sprintf("Measured by processor time per request, the share is %.1f %%. Processor time includes the load generator and does not depend on other processes.", o.CPUShare*100),
		fmt.Sprintf("A server that computes the SHA-256 of the signature, clones the request and sets two header fields by hand handles %.1f %% (by processor time: %.1f %%).", o.ByHandShare*100, o.ByHandCPUShare*100),
		table(o.Plain),
		"### A key rotation during the run", table(o.Rotation),
		"### An outage of Stytch during the run, with CacheTTL 1 s and StaleIfError", table(o.Outages),
	}, "\n\n")
}

func (o *outcome) write() error {
	say("")
	text := o.markdown()
	fmt.Println(text)
	if *results != "" {
		b, err := json.MarshalIndent(o, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*results, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if *docs == "" {
		return nil
	}
	return report.SpliceFile(filepath.Join(*docs, "performance.md"), "load", text)
}
