package sessionauth_test

import (
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A quiet is a ResponseWriter that stores the header and discards the rest.
type quiet struct{ header http.Header }

func (q quiet) Header() http.Header         { return q.header }
func (q quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q quiet) WriteHeader(int)             {}

// WriteString implements io.StringWriter, as the ResponseWriter of net/http does.
func (q quiet) WriteString(s string) (int, error) { return len(s), nil }

// The limits apply to a request that Require handles from the cache. Two of the allocations are the
// copy of the request and the result in its context. Reading cookies allocates in net/http.
func TestRequire_Allocations(t *testing.T) {
	s := newEnv(t, func(c *sessionauth.Config) { c.Observe, c.Logger = nil, nil })
	h := s.Auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.Want(s.Get(bearer(s.Session.Token)), 200)
	for _, row := range []struct {
		name  string
		field string
		most  float64
	}{
		{"a JWT in a header", bearer(s.Session.JWT), 2},
		{"a token in a header", bearer(s.Session.Token), 2},
		{"a JWT and a token in cookies", bothCookies(s.Session.Token, s.Session.JWT), 5},
		{"a token in a cookie", tokenCookie(s.Session.Token), 4},
		{"no credential", "Accept: */*", 4},
		{"garbage", bearer("garbage"), 3},
		{"garbage of the form of a JWT", bearer("a.b.c"), 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, w := newRequest(http.MethodGet, row.field), quiet{http.Header{}}
			got := testing.AllocsPerRun(200, func() {
				clear(w.header)
				h.ServeHTTP(w, r)
			})
			if got > row.most {
				t.Errorf("got %v allocations, want %v at most", got, row.most)
			}
		})
	}
}

// The result of verifying a JWT is cached. The test shows that Require does not verify the JWT
// again when the entry of its user has expired and Stytch is down. That request takes 21
// allocations. Verifying the JWT would take 27 more, and starting a goroutine for a call that the
// open circuit breaker prevents would take as many again.
func TestRequire_JWTIsVerifiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) {
			c.Observe, c.Logger, c.CacheTTL, c.StaleIfError = nil, slog.New(slog.DiscardHandler), time.Second, time.Hour
		})
		h := s.Auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(2 * time.Second)
		s.SetFault("", stytchtest.Fault{Status: 500})
		r, w := newRequest(http.MethodGet, bearer(s.Session.JWT)), quiet{http.Header{}}
		got := testing.AllocsPerRun(200, func() { // the first runs open the circuit breaker
			clear(w.header)
			h.ServeHTTP(w, r)
		})
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		if got > 30 {
			t.Errorf("got %v allocations, want 30 at most", got)
		}
	})
}
