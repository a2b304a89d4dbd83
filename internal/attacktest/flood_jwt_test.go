package attacktest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	forgedGap = 100 * time.Microsecond // time between two forged JWTs from any client

	// The flood comes in rounds. Before each round the users send requests alone for a fifth of the
	// duration of the round. Other load on the machine therefore affects both measurements.
	forgedRounds = 10
	forgedBefore = 5
)

// forgeries are ways to forge a JWT from a good one. n makes each forged JWT distinct.
var forgeries = []struct {
	reason sessionauth.Reason
	forge  func(header, payload, signature, n string) string
}{
	{sessionauth.ReasonBadSignature, func(header, payload, signature, n string) string {
		return header + "." + payload + "." + signature[:100] + n + signature[100+len(n):]
	}},
	{sessionauth.ReasonBadSignature, func(header, payload, signature, n string) string {
		claims, _ := base64.RawURLEncoding.DecodeString(payload)
		more := append(claims[:len(claims)-1], `,"n":"`+n+`"}`...)
		return header + "." + base64.RawURLEncoding.EncodeToString(more) + "." + signature
	}},
	{sessionauth.ReasonBadHeader, func(_, payload, _, n string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","n":"`+n+`"}`)) + "." + payload + "."
	}},
	{sessionauth.ReasonMalformed, func(header, payload, signature, n string) string {
		return header + "." + payload[:100] + n + "." + signature
	}},
}

// A jwtFlood is a flood of forged JWTs from 100 clients. One in a hundred names a key that does not
// exist. A flood of a million runs in real time and measures how long users wait. A small flood
// runs in simulated time.
type jwtFlood struct {
	*authtest.Env
	invented         atomic.Int64
	users            []stytchtest.Session
	memory           memory
	unverified, work tally

	before, during []time.Duration // 99th percentile of each round
}

func TestFlood_ForgedJWTs(t *testing.T) {
	authtest.SlowOnly(t)
	t.Run("166 forged JWTs", func(t *testing.T) {
		size, users, full := floodSize(t)
		if full {
			floodOfForgedJWTs(t, size, users, full)
			return
		}
		synctest.Test(t, func(t *testing.T) { floodOfForgedJWTs(t, size, users, full) })
	})
}

func floodOfForgedJWTs(t *testing.T, size, users int, full bool) {
	began := time.Now()
	size -= size % forgedRounds
	f := &jwtFlood{}
	f.Env = newFloodEnv(t, func(s *authtest.Env) {
		s.JWTLifetime, s.Config.CacheTTL = time.Hour, time.Hour // long enough that no entry expires during the test
	})
	f.users = f.SignInMany(users)
	v := newVisitor(f.Handler)
	for i := range f.users {
		v.send(alternating(f.users, i))
	}
	f.SetFault("", stytchtest.Fault{Delay: 50 * time.Millisecond})
	authenticated, loaded := f.Calls(authtest.PathAuthenticate), f.Calls(authtest.PathUser)

	f.memory.begin()
	for round := range forgedRounds {
		n := size / forgedRounds
		f.before = append(f.before, f.working(func() { time.Sleep(time.Duration(n) * forgedGap / forgedBefore) }))
		f.during = append(f.during, f.working(func() { f.attack(round*n, n) }))
	}
	f.memory.end()

	took := time.Since(began)
	before, during := median(f.before), median(f.during)
	t.Logf("%d forged JWTs %v of %d clients, with %d invented key ids; %d requests of %d users, hit rate %.3f %%, %d wrong; "+
		"calls: sessions %d, users %d, key set %d; p99 (median of the rounds) %v before, %v during; %v; took %v",
		f.unverified.total(), f.unverified.statuses, floodClients, f.invented.Load(), f.work.total(), users, f.work.hitRate(), f.work.wrong,
		f.Calls(authtest.PathAuthenticate)-authenticated, f.Calls(authtest.PathUser)-loaded, f.Calls(authtest.PathKeySet), before, during, &f.memory, took.Round(time.Millisecond))
	f.work.wantHits(t)
	f.unverified.wantRefused(t, size)
	f.WantCalls(authtest.PathAuthenticate, authenticated)
	f.WantCalls(authtest.PathUser, loaded)
	if got, most := f.Calls(authtest.PathKeySet), 4+int(took/(30*time.Second)); got > most {
		t.Errorf("got %d fetches of the key set in %v, want at most %d", got, took, most)
	}
	f.memory.wantFlat(t, 512<<10, full) // a forged JWT must not stay in memory
	// Other load on the machine also delays requests, so this check needs an idle machine.
	if full && during > 2*before {
		t.Errorf("got a p99 of %v during the flood, want at most twice the %v before it", during, before)
	}
}

// working lets the users send requests while run is running. It returns the 99th percentile of the
// time that the handler needs for their requests. The time that a request waits for a processor is
// not included.
func (f *jwtFlood) working(run func()) time.Duration {
	const hands = 8
	var over atomic.Bool
	var wg sync.WaitGroup
	var times [hands][]time.Duration
	for hand := range hands {
		wg.Go(func() {
			v := newVisitor(f.Handler)
			for i := hand; !over.Load(); i += hands {
				field := alternating(f.users, i%len(f.users))
				sent := time.Now()
				v.send(field)
				times[hand] = append(times[hand], time.Since(sent))
				f.work.pass(f.T, v, f.users[i%len(f.users)], sessionauth.Cache)
				time.Sleep(time.Millisecond)
			}
		})
	}
	run()
	over.Store(true)
	wg.Wait()
	f.memory.look()
	all := slices.Concat(times[:]...)
	slices.Sort(all)
	return all[len(all)*99/100]
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// attack sends n forged JWTs, numbered from from, at a rate that leaves some processor time to the
// users.
func (f *jwtFlood) attack(from, n int) {
	began := time.Now()
	good := strings.Split(f.users[0].JWT, ".")
	var wg sync.WaitGroup
	for client := range floodClients {
		wg.Go(func() {
			v := newVisitor(f.Handler)
			for i := client; i < n; i += floodClients {
				time.Sleep(time.Until(began.Add(time.Duration(i) * forgedGap)))
				f.forge(v, good, from+i)
			}
		})
	}
	wg.Wait()
}

// forge sends the forged JWT with number i. One in a hundred names a key that does not exist.
// Whether such a key exists is unknown while the key set must not be fetched again.
func (f *jwtFlood) forge(v *visitor, good []string, i int) {
	n := fmt.Sprintf("%012d", i)
	if i%100 == i/100%100 { // another client each time
		header, claims := f.Header(), f.Claims(f.users[0].ID)
		header["kid"] = "jwk-invented-" + n
		f.invented.Add(1)
		v.send(authtest.Bearer(authtest.ForgedJWT(header, claims)))
		if v.status == http.StatusServiceUnavailable {
			f.unverified.refuse(f.T, v, 503, sessionauth.ReasonNoKeySet)
			return
		}
		f.unverified.refuse(f.T, v, 401, sessionauth.ReasonUnknownKey)
		return
	}
	kind := forgeries[i%len(forgeries)]
	v.send(authtest.Bearer(kind.forge(good[0], good[1], good[2], n)))
	f.unverified.refuse(f.T, v, 401, kind.reason)
}

func TestFlood_BadJWTsCauseNoCall(t *testing.T) {
	authtest.SkipIfShort(t)
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t)
		other := stytchtest.NewServer()
		other.ProjectID, other.Issuer = "project-test-00000000-0000-4000-8000-000000000000", "stytch.com/"+s.ProjectID
		userID := other.AddUser(stytchtest.User{}).ID
		good := s.Session.JWT
		bad := []func(i int) string{
			func(i int) string { return good[:len(good)-10] + fmt.Sprintf("%08dAA", i) }, // invalid signature
			func(i int) string { return fmt.Sprintf("%s.%d.%s", good[:40], i, good) },    // malformed
			func(i int) string { return good[:20+i%len(good[20:])] },
			func(i int) string { return authtest.ForgedJWT(s.Header(), s.Claims(s.Session.ID)) },
		}
		for range 10 {
			foreign := other.StartSession(userID, stytchtest.SessionOptions{}).JWT
			bad = append(bad, func(int) string { return foreign })
		}
		for i := range 10_000 {
			jwt := bad[i%len(bad)](i)
			resp := s.Get(authtest.JWTCookie(jwt))
			if resp.StatusCode != 401 {
				t.Fatalf("got status %d for %.60s…, want 401", resp.StatusCode, jwt)
			}
		}
		s.WantPassed(0, "")
		s.WantCalls(authtest.PathAuthenticate, 0)
		s.WantCalls(authtest.PathUser, 0)
		s.WantCalls(authtest.PathKeySet, 1)
		s.Want(s.Get(authtest.JWTCookie(good)), 200)
	})
}

func TestFlood_UnknownKeysCauseFewFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t)
		s.SetFault(authtest.PathKeySet, stytchtest.Fault{Delay: 50 * time.Millisecond})
		began := time.Now()
		fetches := []time.Duration{}
		s.Tap("/v1/sessions/jwks/", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			fetches = append(fetches, time.Since(began))
			return stytch.RoundTrip(r)
		})
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				header, claims := s.Header(), s.Claims(s.Session.ID)
				header["kid"] = fmt.Sprint("jwk-", i)
				sent := time.Now()
				if status := s.Get(authtest.Bearer(authtest.ForgedJWT(header, claims))).StatusCode; status != 401 && status != 503 {
					t.Errorf("got status %d, want 401 or 503", status)
				}
				if took := time.Since(sent); took > 50*time.Millisecond {
					t.Errorf("waited %v, want at most the 50ms of the fetch", took)
				}
			})
			if i >= 500 { // the first half arrives at the same time
				time.Sleep(200 * time.Millisecond)
			}
			if i == 700 {
				sent := time.Now()
				s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200)
				if took := time.Since(sent); took > 0 {
					t.Errorf("a good JWT waited %v", took)
				}
			}
		}
		wg.Wait()
		for i := 4; i < len(fetches); i++ {
			if took := fetches[i] - fetches[i-4]; took < 30*time.Second {
				t.Errorf("got five fetches within %v, want 30s at least", took)
			}
		}
		if len(fetches) != 4+3 {
			t.Errorf("got fetches at %v, want 7 in 100s", fetches)
		}
		s.WantCalls(authtest.PathAuthenticate, 0)
		s.WantPassed(1, s.Session.ID)
	})
}

func TestFlood_EvictsNoGoodEntry(t *testing.T) {
	authtest.SkipIfShort(t)
	t.Run("167 invented tokens", floodEvictsNoGoodEntry)
}

func floodEvictsNoGoodEntry(t *testing.T) {
	s := authtest.New(t)
	var good []stytchtest.Session
	for range 100 {
		good = append(good, s.SignIn(stytchtest.SessionOptions{}))
		s.Want(s.Get(authtest.Bearer(good[len(good)-1].Token)), 200)
	}
	const flood = 5000 // more than the cache of rejections can hold
	r := authtest.NewRequest("GET")
	for i := range flood {
		r.Header.Set("Authorization", fmt.Sprintf("Bearer invented-token-%d", i))
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		if w.Code != 401 {
			t.Fatalf("got status %d, want 401", w.Code)
		}
	}
	for _, session := range good {
		s.Want(s.Get(authtest.Bearer(session.Token)), 200)
	}
	s.WantCalls(authtest.PathAuthenticate, len(good)+flood)
	began := time.Now()
	for i := range 300 {
		s.Want(s.Get(authtest.Bearer(s.UnknownKeyJWT(fmt.Sprint("jwk-", i), time.Minute))), 401)
		s.Want(s.Get(authtest.Bearer(s.Session.JWT[:len(s.Session.JWT)-8]+fmt.Sprintf("%08d", i))), 401)
		s.Want(s.Get(authtest.Bearer(fmt.Sprint(i, ".garbage."))), 401)
	}
	t.Logf("took %v for 900 bad JWTs", time.Since(began))
	s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200)
	s.WantCalls(authtest.PathAuthenticate, len(good)+flood)
}
