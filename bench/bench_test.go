package main

import (
	"math"
	"net/http"
	"sync"
	"testing"

	"github.com/sessionauth/sessionauth"
)

// BenchmarkRequest has the cases of the command as Go benchmarks:
//
//	go test -bench 'Request/.*warm' -cpu 1,2 -cpuprofile cpu.prof
func BenchmarkRequest(b *testing.B) {
	p := newProvider(0)
	defer p.socket.Close()
	all, err := cases(p)
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range all {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			if !w.parallel {
				w.start()(b.N)
				return
			}
			var mu sync.Mutex // start is for one goroutine at a time
			b.RunParallel(func(pb *testing.PB) {
				mu.Lock()
				run := w.start()
				mu.Unlock()
				for pb.Next() {
					run(1)
				}
			})
		})
	}
}

// Every case must measure what its name says.
func TestCases(t *testing.T) {
	p := newProvider(0)
	defer p.socket.Close()
	all, err := cases(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := fillCache(p, handlerOf(all, warmHeader), 3); err != nil {
		t.Fatal(err)
	}
}

func TestWarmAndFirstSight(t *testing.T) {
	p := newProvider(0)
	defer p.socket.Close()
	auth, err := newAuthenticator(p, func(c *sessionauth.Config) { c.CacheSize = firstSightCache })
	if err != nil {
		t.Fatal(err)
	}
	decided := func(r *http.Request) sessionauth.Decider {
		id, err := auth.Authenticate(r)
		if err != nil {
			t.Fatal(err)
		}
		return id.DecidedBy
	}
	session := p.signIn()
	for _, r := range []*http.Request{bearer(session.JWT), bearer(session.Token)} {
		decided(r)
		if got := decided(r); got != sessionauth.Cache {
			t.Errorf("a second time: got %q, want %q", got, sessionauth.Cache)
		}
	}
	requests := make([]*http.Request, firstSights)
	for i := range requests {
		requests[i] = bearer(p.signIn().JWT)
	}
	for i := range 2 * firstSights {
		if got := decided(requests[i%firstSights]); got != sessionauth.Local {
			t.Fatalf("request %d: got %q, want %q", i, got, sessionauth.Local)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, row := range []struct {
		name string
		got  verdict
		want bool
	}{
		{"at the limit", atMost("", "", "", 2, []float64{1, 2, 9}), true},
		{"above it", atMost("", "", "", 2, []float64{1, 2.1, 9}), false},
		{"at the least", atLeast("", "", "", 2, []float64{1, 2, 9}), true},
		{"below it", atLeast("", "", "", 2, []float64{1, 1.9, 9}), false},
		{"nothing measured", atMost("", "", "", 2, nil), false},
	} {
		if row.got.Pass != row.want {
			t.Errorf("%s: got %v, want %v", row.name, row.got.Pass, row.want)
		}
	}
}

func TestSumsAndFastestGoRoundByRound(t *testing.T) {
	fs := figures{"a": {ns: []float64{1, 10}}, "b": {ns: []float64{2, 5}}}
	sum := fs.sumOf(map[string]float64{"a": 2, "b": 1})
	if sum[0] != 4 || sum[1] != 25 {
		t.Errorf("sum: got %v, want [4 25]", sum)
	}
	least := fs.fastest([]string{"a", "b"})
	if least[0] != 1 || least[1] != 5 {
		t.Errorf("fastest: got %v, want [1 5]", least)
	}
	if fs["a"].ns[1] != 10 {
		t.Error("fastest changed what it was given")
	}
}

func TestShort(t *testing.T) {
	for _, row := range []struct {
		x    float64
		want string
	}{{0.1234, "0.12"}, {9.994, "9.99"}, {12.34, "12.3"}, {1234.5, "1234"}, {math.NaN(), "NaN"}} {
		if got := short(row.x); got != row.want {
			t.Errorf("%v: got %s, want %s", row.x, got, row.want)
		}
	}
}

func TestForgeKeepsTheForm(t *testing.T) {
	p := newProvider(0)
	defer p.socket.Close()
	jwt := p.signIn().JWT
	if got := forge(jwt); got == jwt || len(got) != len(jwt) {
		t.Errorf("got %d bytes, same: %v; want %d other bytes", len(got), got == jwt, len(jwt))
	}
}
