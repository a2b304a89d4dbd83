package attacktest

import (
	"fmt"
	"io"
	"net/http"
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
	floodDelay = 50 * time.Millisecond // delay of the answers of Stytch
	floodDue   = 100                   // number of users whose token must be checked, and of users whose JWT has expired
)

// A tokenFlood is a flood of invented tokens from 100 clients while users send requests. It runs in
// simulated time, so that its timing does not depend on the machine.
type tokenFlood struct {
	*authtest.Env
	size              int
	lasts             time.Duration // less than CacheTTL, so that no entry of a working user expires
	working, due, old []stytchtest.Session
	began             time.Time
	lasted            time.Duration
	loaded            int // calls that loaded users before the flood
	memory            memory

	unverified, work, checks, refreshes tally

	// Calls to /v1/sessions/authenticate for known and for invented tokens.
	known, invented atomic.Int64
	running         atomic.Int64 // calls in progress for invented tokens
	most            atomic.Int64 // maximum of running
}

func TestFlood_InventedTokens(t *testing.T) {
	authtest.SlowOnly(t)
	t.Run("166 invented tokens", floodOfInventedTokens)
}

func floodOfInventedTokens(t *testing.T) {
	size, users, full := floodSize(t)
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		f := &tokenFlood{size: size, lasts: 15 * time.Second}
		if full {
			f.lasts = 40 * time.Second
		}
		// The cache has room for twice the users and for little else.
		f.Env = newFloodEnv(t, func(s *authtest.Env) { s.Config.CacheSize = 2 * (users + 2*floodDue) })
		f.prepare(users)
		f.run()
		f.report()
		f.wantLimits(full)
		f.WantIdle()
	})
	t.Logf("took %v", time.Since(began).Round(time.Millisecond))
}

// prepare signs the users in. Users in old have expired JWTs. The cache entries of the users in due
// expire one by one during the flood. The entries of the users in working expire after it.
func (f *tokenFlood) prepare(users int) {
	f.old = f.SignInMany(floodDue)
	f.Expire()
	f.due, f.working = f.SignInMany(floodDue), f.SignInMany(users)
	f.began = time.Now().Add(time.Minute) // when the first entry expires: after CacheTTL
	v := newVisitor(f.Handler)
	for i, s := range f.due {
		f.wait(i, floodDue, -time.Minute)
		v.send(authtest.Bearer(s.Token))
		f.checks.pass(f.T, v, s, sessionauth.Stytch)
	}
	f.wait(0, 1, -5*time.Second)
	for i := range f.working {
		v.send(alternating(f.working, i))
	}
	f.checks, f.loaded = tally{}, f.Calls(authtest.PathUser)
	f.SetFault(authtest.PathAuthenticate, stytchtest.Fault{Delay: floodDelay})
	f.Tap(authtest.PathAuthenticate, f.watch)
	f.wait(0, 1, 0)
}

// wait waits until event i of n is due. The events are spread evenly over the flood.
func (f *tokenFlood) wait(i, n int, late time.Duration) {
	time.Sleep(time.Until(f.began.Add(f.lasts*time.Duration(i)/time.Duration(n) + late)))
}

// watch is a Tap that counts calls.
func (f *tokenFlood) watch(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(text), `"invented-`) {
		f.known.Add(1)
		return stytch.RoundTrip(r)
	}
	f.invented.Add(1)
	n := f.running.Add(1)
	defer f.running.Add(-1)
	raise(&f.most, n)
	return stytch.RoundTrip(r)
}

func raise(most *atomic.Int64, n int64) {
	for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}

func (f *tokenFlood) run() {
	const hands = 20
	f.memory.begin()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range floodClients {
		wg.Go(func() { f.invent(&next) })
	}
	for hand := range hands {
		wg.Go(func() { f.use(hand, hands) })
	}
	wg.Go(f.check)
	wg.Go(f.refresh)
	wg.Go(func() {
		for i := range 40 {
			f.wait(i, 40, 0)
			f.memory.look()
		}
	})
	wg.Wait()
	f.lasted = time.Since(f.began)
	f.memory.end()
}

// invent is one client. A client that is not waiting for a response sends the next token.
func (f *tokenFlood) invent(next *atomic.Int64) {
	v := newVisitor(f.Handler)
	for i := next.Add(1); i <= int64(f.size); i = next.Add(1) {
		f.wait(int(i), f.size, 0)
		v.send(authtest.Bearer(fmt.Sprintf("invented-%035d", i))) // as long as a session token of Stytch
		f.unverified.add(v)
	}
}

// use sends requests of the working users in turn. Together the goroutines send one request for
// every five invented tokens.
func (f *tokenFlood) use(hand, hands int) {
	v := newVisitor(f.Handler)
	for i := hand; i < f.size/5; i += hands {
		f.wait(i, f.size/5, 0)
		who := i % len(f.working)
		v.send(alternating(f.working, who))
		f.work.pass(f.T, v, f.working[who], sessionauth.Cache)
	}
}

// check sends the tokens of the users in due, each shortly after its entry has expired.
func (f *tokenFlood) check() {
	v := newVisitor(f.Handler)
	for i, s := range f.due {
		f.wait(i, floodDue, 100*time.Millisecond)
		v.send(authtest.Bearer(s.Token))
		f.checks.pass(f.T, v, s, sessionauth.Stytch)
	}
}

// refresh sends the expired JWTs. Every second one comes with a token that is not cached.
func (f *tokenFlood) refresh() {
	v := newVisitor(f.Handler)
	for i, s := range f.old {
		f.wait(i, floodDue, 120*time.Millisecond)
		field := authtest.JWTCookie(s.JWT)
		if i%2 == 0 {
			field = authtest.BothCookies(s.Token, s.JWT)
		}
		v.send(field)
		f.refreshes.pass(f.T, v, s, sessionauth.Stytch)
	}
}

func (f *tokenFlood) report() {
	f.T.Logf("%d tokens %v of %d clients in %v; %d requests of %d users, hit rate %.3f %%, %d wrong; %d re-checks, %d wrong; %d refreshes, %d wrong; "+
		"calls: unverified %d (at most %d), at one time %d, known %d, users %d; %v",
		f.unverified.total(), f.unverified.statuses, floodClients, f.lasted.Round(time.Millisecond), f.work.total(), len(f.working), f.work.hitRate(), f.work.wrong,
		f.checks.total(), f.checks.wrong, f.refreshes.total(), f.refreshes.wrong,
		f.invented.Load(), f.ration(), f.most.Load(), f.known.Load(), f.Calls(authtest.PathUser)-f.loaded, &f.memory)
}

// shared is the number of the 64 places that are reserved for no class. Calls for unverified
// credentials can take no others.
const shared = 48

// ration returns the number of calls that unverified credentials may cause during the flood.
func (f *tokenFlood) ration() int64 { return shared * (1 + int64(f.lasted/floodDelay)) }

func (f *tokenFlood) wantLimits(full bool) {
	f.work.wantHits(f.T)
	f.unverified.wantRefused(f.T, f.size)
	for name, c := range map[string]*tally{"re-checks of known tokens": &f.checks, "refreshes of expired JWTs": &f.refreshes} {
		if c.wrong > 0 || c.misses > 0 || c.total() != floodDue {
			f.T.Errorf("got %d %s, %d wrong, %d not by Stytch; want %d, all by Stytch", c.total(), name, c.wrong, c.misses, floodDue)
		}
	}
	calls, ration := f.invented.Load(), f.ration()
	if calls > ration || calls < ration*9/10 { // fewer calls mean that there was no flood
		f.T.Errorf("got %d calls for unverified credentials, want about %d and no more", calls, ration)
	}
	if most := f.most.Load(); most > shared {
		f.T.Errorf("got %d calls for unverified credentials at one time, want at most %d", most, shared)
	}
	if got := f.known.Load(); got != 2*floodDue {
		f.T.Errorf("got %d calls for users, want %d", got, 2*floodDue)
	}
	f.WantCalls(authtest.PathUser, f.loaded)
	// The heap may grow by the cache of rejections, which has a bound, and by the entries of the
	// users.
	f.memory.wantFlat(f.T, 4096*320+2*floodDue*4096, full)
}
