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

// A quiet is a ResponseWriter that keeps the header only.
type quiet struct{ header http.Header }

func (q quiet) Header() http.Header         { return q.header }
func (q quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q quiet) WriteHeader(int)             {}

// WriteString is what the server's own has, too.
func (q quiet) WriteString(s string) (int, error) { return len(s), nil }

// What a request allocates in all of Require: two are the request's copy and the
// decision in its context. Cookies are net/http's own.
func TestAllocations(t *testing.T) {
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

// A JWT is verified once, also where the answer about its user has ended and no
// newer one can be had. Finding that out takes 21 allocations; verifying the JWT
// would be 27 more, and a goroutine to learn that the breaker is open as many again.
func TestAJWTIsVerifiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) {
			c.Observe, c.Logger, c.CacheTTL, c.StaleIfError = nil, slog.New(slog.DiscardHandler), time.Second, time.Hour
		})
		h := s.Auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(2 * time.Second)
		s.SetFault("", stytchtest.Fault{Status: 500})
		r, w := newRequest(http.MethodGet, bearer(s.Session.JWT)), quiet{http.Header{}}
		got := testing.AllocsPerRun(200, func() { // the first ones open the breaker
			clear(w.header)
			h.ServeHTTP(w, r)
		})
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		if got > 30 {
			t.Errorf("got %v allocations, want 30 at most", got)
		}
	})
}
