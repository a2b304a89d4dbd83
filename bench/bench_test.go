package main

import (
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
)

// BenchmarkRequest runs the cases of the command as Go benchmarks:
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
			var mu sync.Mutex // start is not safe for concurrent use
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

// TestCases runs cases, which checks the status of every request that it measures.
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

func TestCases_WarmAndFirstSight(t *testing.T) {
	p := newProvider(0)
	defer p.socket.Close()
	auth, err := newAuthenticator(p, func(c *sessionauth.Config) { c.CacheSize = firstSightCache })
	if err != nil {
		t.Fatal(err)
	}
	decider := func(r *http.Request) sessionauth.Decider {
		id, err := auth.Authenticate(r)
		if err != nil {
			t.Fatal(err)
		}
		return id.DecidedBy
	}
	session := p.signIn()
	for _, r := range []*http.Request{bearer(session.JWT), bearer(session.Token)} {
		decider(r)
		if got := decider(r); got != sessionauth.Cache {
			t.Errorf("second request: got %q, want %q", got, sessionauth.Cache)
		}
	}
	requests := make([]*http.Request, firstSights)
	for i := range requests {
		requests[i] = bearer(p.signIn().JWT)
	}
	for i := range 2 * firstSights {
		if got := decider(requests[i%firstSights]); got != sessionauth.Local {
			t.Fatalf("request %d: got %q, want %q", i, got, sessionauth.Local)
		}
	}
}

// The comparison is meaningless if a peer passes a credential that it should refuse, or refuses one
// that it should pass.
func TestPeers(t *testing.T) {
	p := newProvider(0)
	defer p.socket.Close()
	jwt := p.signIn().JWT
	for _, peer := range peers {
		h, err := peer.wire(p)
		if err != nil {
			t.Fatalf("%s: %v", peer.name, err)
		}
		for _, row := range []struct {
			name    string
			request *http.Request
			passes  bool
		}{
			{"a valid JWT", bearer(jwt), true},
			{"a forged JWT", bearer(forge(jwt)), false},
			{"an expired JWT", bearer(p.expiredJWT()), false},
			{"no JWT", get("", ""), false},
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, row.request)
			if passes := w.Code == http.StatusOK; passes != row.passes {
				t.Errorf("%s: %s: got status %d, want it to pass: %t", peer.name, row.name, w.Code, row.passes)
			}
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
		{"at the lower limit", atLeast("", "", "", 2, []float64{1, 2, 9}), true},
		{"below it", atLeast("", "", "", 2, []float64{1, 1.9, 9}), false},
		{"nothing measured", atMost("", "", "", 2, nil), false},
	} {
		if row.got.Pass != row.want {
			t.Errorf("%s: got %v, want %v", row.name, row.got.Pass, row.want)
		}
	}
}

func TestFigures_SumOfAndFastest(t *testing.T) {
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
		t.Error("fastest changed its figures")
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

// expiredJWT returns a session JWT that expired ten minutes ago.
func (p *provider) expiredJWT() string {
	claims := p.stytch.Claims(p.signIn().ID)
	claims["exp"] = time.Now().Add(-10 * time.Minute).Unix()
	return p.stytch.Sign(mustJSON(p.stytch.Header()), mustJSON(claims))
}

func TestForge_KeepsTheLength(t *testing.T) {
	p := newProvider(0)
	defer p.socket.Close()
	jwt := p.signIn().JWT
	if got := forge(jwt); got == jwt || len(got) != len(jwt) {
		t.Errorf("got %d bytes, unchanged: %v; want %d other bytes", len(got), got == jwt, len(jwt))
	}
}
