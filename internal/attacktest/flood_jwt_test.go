package attacktest

import (
	"encoding/base64"
	"fmt"
	"net/http"
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
	forgedGap = 100 * time.Microsecond // between two forged JWTs, all clients together

	// The flood comes in rounds, and before each the users have a fifth of its
	// time for themselves: what else the machine does meets both.
	forgedRounds = 10
	forgedBefore = 5
)

// forgeries are what strangers make of a good JWT; n makes each another one.
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

// A jwtFlood is a million JWTs of 100 clients, a hundredth of them with key ids
// that nobody has. A whole flood is in real time: it shows how long users wait.
// The small one of every run of the tests is in simulated time.
type jwtFlood struct {
	*authtest.Env
	invented        atomic.Int64
	users           []stytchtest.Session
	memory          memory
	strangers, work tally

	before, during []time.Duration // the 99th percentile of each round
}

func TestFloodOfForgedJWTs(t *testing.T) {
	size, users, full := floodSize(t)
	if full {
		floodOfForgedJWTs(t, size, users, full)
		return
	}
	synctest.Test(t, func(t *testing.T) { floodOfForgedJWTs(t, size, users, full) })
}

func floodOfForgedJWTs(t *testing.T, size, users int, full bool) {
	began := time.Now()
	size -= size % forgedRounds
	f := &jwtFlood{}
	f.Env = newFloodStage(t, func(s *authtest.Env) {
		s.JWTLifetime, s.Config.CacheTTL = time.Hour, time.Hour // nobody's time is up before the test's
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
		f.strangers.total(), f.strangers.statuses, floodClients, f.invented.Load(), f.work.total(), users, f.work.hitRate(), f.work.wrong,
		f.Calls(authtest.PathAuthenticate)-authenticated, f.Calls(authtest.PathUser)-loaded, f.Calls(authtest.PathKeySet), before, during, &f.memory, took.Round(time.Millisecond))
	f.work.wantHits(t)
	f.strangers.wantRefused(t, size)
	f.WantCalls(authtest.PathAuthenticate, authenticated)
	f.WantCalls(authtest.PathUser, loaded)
	if got, most := f.Calls(authtest.PathKeySet), 1+int(took/(30*time.Second)); got > most {
		t.Errorf("got %d fetches of the key set in %v, want at most %d", got, took, most)
	}
	f.memory.wantFlat(t, 512<<10, full) // nothing is remembered of them
	// The rest of the machine may take the processors away at any time: this is
	// for a quiet one, and so not for every run of all tests.
	if full && during > 2*before {
		t.Errorf("got a p99 of %v during the flood, want at most twice the %v before it", during, before)
	}
}

// working lets the users work while run does, and gives the 99th percentile of
// the time that their requests take, by the handler's account: how long they wait
// for a processor before that is the machine's doing.
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
				f.work.judge(f.T, v, f.users[i%len(f.users)], sessionauth.Cache)
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

// attack sends n forged JWTs, beginning with the from-th, at a rate that leaves
// the processors some room: nobody can promise anything of a machine that a flood
// has taken whole.
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

// forge sends the i-th forged JWT. Every hundredth names a key that nobody has,
// and while the key set may not be fetched again that cannot be known.
func (f *jwtFlood) forge(v *visitor, good []string, i int) {
	n := fmt.Sprintf("%012d", i)
	if i%100 == i/100%100 { // each time by another client
		header, claims := f.Header(), f.Claims(f.users[0].ID)
		header["kid"] = "jwk-invented-" + n
		f.invented.Add(1)
		v.send(authtest.Bearer(authtest.ForgedJWT(header, claims)))
		if v.status == http.StatusServiceUnavailable {
			f.strangers.refuse(f.T, v, 503, sessionauth.ReasonNoKeySet)
			return
		}
		f.strangers.refuse(f.T, v, 401, sessionauth.ReasonUnknownKey)
		return
	}
	kind := forgeries[i%len(forgeries)]
	v.send(authtest.Bearer(kind.forge(good[0], good[1], good[2], n)))
	f.strangers.refuse(f.T, v, 401, kind.reason)
}
