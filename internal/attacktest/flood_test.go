package attacktest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The floods send invented credentials while signed-in users send requests. The variable FLOOD sets
// the number of credentials. The default is 20,000, and 5,000 with the race detector.

const floodClients = 100

// floodSize returns the number of credentials and of users. full is true if the test may also check
// limits that need an idle machine.
func floodSize(t *testing.T) (size, users int, full bool) {
	text := os.Getenv("FLOOD")
	if text == "" && authtest.UnderRace() {
		return 5_000, 200, false // the race detector makes each request ten times slower
	}
	if text == "" {
		return 20_000, 200, false
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 20_000 {
		t.Fatalf("FLOOD is %q, want a number of credentials from 20000 on", text)
	}
	return size, 1000, true
}

// A visitor sends one request after the other and stores the last result. It is a ResponseWriter
// that makes no allocation.
type visitor struct {
	header  http.Header
	handler http.Handler
	request *http.Request
	status  int
	user    string            // user whose request passed
	event   sessionauth.Event // event that Observe received
}

type visitorKey struct{}

func newVisitor(h http.Handler) *visitor {
	v := &visitor{handler: h, header: http.Header{}}
	r := authtest.NewRequest(http.MethodGet)
	v.request = r.WithContext(context.WithValue(r.Context(), visitorKey{}, v))
	return v
}

func (v *visitor) Header() http.Header         { return v.header }
func (v *visitor) Write(b []byte) (int, error) { return len(b), nil }
func (v *visitor) WriteHeader(status int)      { v.status = status }

// send sends a request with one header field ("Name: value").
func (v *visitor) send(field string) {
	name, value, _ := strings.Cut(field, ": ")
	v.request.Header[name] = []string{value}
	clear(v.header)
	v.status, v.user, v.event = http.StatusOK, "", sessionauth.Event{}
	v.handler.ServeHTTP(v, v.request)
	delete(v.request.Header, name)
}

// newFloodEnv returns an environment for visitors. It has no leak check, because that would distort
// the measurement.
func newFloodEnv(t *testing.T, change func(*authtest.Env)) *authtest.Env {
	s := &authtest.Env{Server: stytchtest.NewServer(), T: t}
	s.Wire = &authtest.Wire{Next: s.Client().Transport}
	s.Config = sessionauth.Config{
		ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: &http.Client{Transport: s.Wire},
		Logger:  slog.New(slog.DiscardHandler),
		Observe: func(ctx context.Context, e sessionauth.Event) { ctx.Value(visitorKey{}).(*visitor).event = e },
	}
	change(s)
	auth, err := sessionauth.New(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	s.Auth = auth
	s.Handler = auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := sessionauth.SessionFromContext(r.Context())
		if user, _ := sessionauth.UserFromContext(r.Context()); user.ID == session.UserID {
			w.(*visitor).user = user.ID
		}
	}))
	return s
}

// alternating returns the header field of user i: a token for every second user, and a JWT for the
// others.
func alternating(users []stytchtest.Session, i int) string {
	if i%2 == 0 {
		return authtest.Bearer(users[i].Token)
	}
	return authtest.Bearer(users[i].JWT)
}

// A tally counts responses. It is safe for concurrent use by multiple goroutines.
type tally struct {
	mu       sync.Mutex
	statuses map[int]int
	wrong    int
	misses   int // requests of users that the cache did not answer
}

// add counts a response.
func (c *tally) add(v *visitor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.statuses == nil {
		c.statuses = map[int]int{}
	}
	c.statuses[v.status]++
}

// refuse counts a response to an invented credential. The request must be refused with this status
// and reason.
func (c *tally) refuse(t *testing.T, v *visitor, status int, reason sessionauth.Reason) {
	c.add(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.status != status || v.event.Reason != reason {
		c.complain(t, v, fmt.Sprintf("%d (%s)", status, reason))
	}
}

// pass counts a response to a user. The request must pass with the session of that user.
func (c *tally) pass(t *testing.T, v *visitor, who stytchtest.Session, by sessionauth.Decider) {
	c.add(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.event.Decider != by {
		c.misses++
	}
	if v.status != http.StatusOK || v.user != who.UserID {
		c.complain(t, v, "200 as "+who.UserID)
	}
}

// complain reports the first few wrong responses. The caller holds mu.
func (c *tally) complain(t *testing.T, v *visitor, want string) {
	if c.wrong++; c.wrong <= 5 {
		t.Errorf("got status %d (%s) as %q, want %s", v.status, v.event.Reason, v.user, want)
	}
}

func (c *tally) total() (n int) {
	for _, count := range c.statuses {
		n += count
	}
	return n
}

// hitRate returns the percentage of the requests of users that caused no call.
func (c *tally) hitRate() float64 { return 100 * (1 - float64(c.misses)/float64(c.total())) }

// wantHits checks that the flood did not affect the users.
func (c *tally) wantHits(t *testing.T) {
	t.Helper()
	if c.wrong > 0 {
		t.Errorf("got %d wrong answers to %d requests of users, want none", c.wrong, c.total())
	}
	if rate := c.hitRate(); rate < 99.9 {
		t.Errorf("got a hit rate of %.3f %%, want at least 99.9 %%", rate)
	}
}

// wantRefused checks that n invented credentials were sent and none passed.
func (c *tally) wantRefused(t *testing.T, n int) {
	t.Helper()
	if refused := c.statuses[401] + c.statuses[503]; refused != n || c.total() != n {
		t.Errorf("got answers %v, want %d times 401 or 503", c.statuses, n)
	}
}

// A memory records how much memory is in use before and after a flood, and at the peak.
type memory struct {
	live, rss         [2]uint64 // before and after the flood, after a garbage collection
	peakHeap, peakRSS uint64
}

func (m *memory) begin() {
	debug.FreeOSMemory()
	m.live[0], m.rss[0] = authtest.LiveHeap(), residentSet()
}

func (m *memory) look() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.peakHeap, m.peakRSS = max(m.peakHeap, stats.HeapAlloc), max(m.peakRSS, residentSet())
}

func (m *memory) end() {
	m.look()
	debug.FreeOSMemory()
	m.live[1], m.rss[1] = authtest.LiveHeap(), residentSet()
}

// wantFlat checks that the live heap grew by at most more bytes. If full is set, no other test runs
// in the process, and garbage that has not been collected counts too.
func (m *memory) wantFlat(t *testing.T, more uint64, full bool) {
	t.Helper()
	if m.live[1] > m.live[0]+more {
		t.Errorf("got %d KiB more of live heap, want at most %d", (m.live[1]-m.live[0])>>10, more>>10)
	}
	const headroom = 32 << 20
	if full && m.peakRSS > m.rss[0]+headroom {
		t.Errorf("got %d KiB more of resident memory, want at most %d", (m.peakRSS-m.rss[0])>>10, headroom>>10)
	}
}

func (m *memory) String() string {
	return fmt.Sprintf("live heap %d KiB before, %d KiB after, heap at most %d KiB; resident %d KiB before, at most %d KiB, %d KiB after",
		m.live[0]>>10, m.live[1]>>10, m.peakHeap>>10, m.rss[0]>>10, m.peakRSS>>10, m.rss[1]>>10)
}

// residentSet returns the resident memory of this process on Linux, and 0 on other
// systems.
func residentSet() uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	n, _ := strconv.ParseUint(kib, 10, 64)
	return n << 10
}
