package outagetest

import (
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A fault is a row of the fault matrix: a fault of Stytch, and the expected response to a request
// that needs a call. The zero values of the other fields mean one call and an immediate 503 with
// Retry-After: 1.
type fault struct {
	name   string
	fault  stytchtest.Fault
	status int           // zero means 503
	calls  int           // number of calls; zero means 1. It is 2 if a retry may succeed
	retry  string        // Retry-After; empty means "1"
	takes  time.Duration // time until the response; zero means less than half a second
	paused bool          // the class makes no calls for a while
	alarms int           // number of errors in the log
	at     string        // the endpoint that has the fault; empty means all
}

func (f fault) complete() fault {
	if f.status == 0 {
		f.status = 503
	}
	if f.calls == 0 {
		f.calls = 1
	}
	if f.retry == "" {
		f.retry = "1"
	}
	return f
}

var noSuchHost = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "stytch.invalid", IsNotFound: true}}

var faults = []fault{
	{name: "500", fault: status(500)},
	{name: "502", fault: status(502), calls: 2},
	{name: "503", fault: status(503), calls: 2},
	{name: "504", fault: status(504), calls: 2},
	{name: "502 and HTML", fault: stytchtest.HTML(502), calls: 2},
	{name: "429 with seconds", fault: tooMany("7"), retry: "7", paused: true},
	{name: "429 with a date next year", fault: tooMany("Mon, 01 Jan 2001 00:00:00 GMT"), retry: "60", paused: true},
	{name: "429 without Retry-After", fault: status(429), paused: true},
	{name: "429 with an absurd Retry-After", fault: tooMany("1000000000"), retry: "60", paused: true},
	{name: "401 unauthorized_credentials", fault: errorOf(401, "unauthorized_credentials"), alarms: 1},
	{name: "404 session_not_found", fault: errorOf(404, "session_not_found"), status: 401},
	{name: "404 route_not_found", fault: errorOf(404, "route_not_found")},
	{name: "404 and HTML", fault: stytchtest.HTML(404)},
	{name: "connection refused", fault: stytchtest.Refuse(), calls: 2},
	{name: "no such host", fault: stytchtest.Fail(noSuchHost), calls: 2},
	{name: "a certificate of an unknown authority", fault: stytchtest.Fail(x509.UnknownAuthorityError{}), calls: 2},
	{name: "accepted, then silence", fault: stytchtest.Hang(), takes: 3 * time.Second},
	{name: "a good answer after 30 seconds", fault: stytchtest.Fault{Delay: 30 * time.Second}, takes: 3 * time.Second},
	{name: "a byte a second", fault: stytchtest.Trickle(time.Second), takes: 3 * time.Second},
	{name: "reset half-way", fault: stytchtest.Reset()},
	{name: "closed half-way", fault: stytchtest.BrokenOff()},
	{name: "truncated", fault: stytchtest.Truncated()},
	{name: "without end", fault: stytchtest.Endless()},
	{name: "a gzip bomb", fault: stytchtest.GzipBomb()},
	{name: "JSON 100,000 deep", fault: stytchtest.Raw(200, strings.Repeat(`{"a":`, 100_000))},
	{name: "200 and HTML", fault: stytchtest.HTML(200)},
	{name: "200 and nothing", fault: stytchtest.Raw(200, "")},
	{name: "200 and null", fault: stytchtest.Raw(200, "null")},
	{name: "200 and a list", fault: stytchtest.Raw(200, "[]")},
	{name: "200 and an empty object", fault: stytchtest.Raw(200, "{}")},
	{name: "200 without ids", fault: stytchtest.WithoutIDs()},
	{name: "200 with repeated names", fault: stytchtest.RepeatedNames()},
	{name: "204", fault: stytchtest.Raw(204, "")},
	{name: "302 to another host", fault: stytchtest.Redirect(302, "https://bait.example/")},
	{name: "307 to another port", fault: stytchtest.Redirect(307, "https://stytch.invalid:8443/")},
	{name: "308 to http", fault: stytchtest.Redirect(308, "http://stytch.invalid/")},
}

// A kind is a column of the fault matrix: a request, and what the cache contains for it.
type kind struct {
	name      string
	needsCall bool
	prepare   func(*env)
	field     func(*env) string
}

var kinds = []kind{
	{"a valid JWT", false, func(s *env) {
		s.Want(s.Get(bearer(s.Session.JWT)), 200) // fetches the key set and the user
		time.Sleep(time.Second)
		s.Session.JWT = s.JWT(s.Session.ID)
	}, jwtOf},
	{"an expired JWT", true, func(s *env) {
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Expire()
	}, jwtOf},
	{"a cached token", false, func(s *env) {
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		time.Sleep(time.Minute - 10*time.Second)
	}, tokenOf},
	{"a token whose entry has just ended", true, func(s *env) {
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		time.Sleep(time.Minute)
	}, tokenOf},
	{"a new token", true, func(*env) {}, tokenOf},
}

func TestFaults_AllOfStytch(t *testing.T) {
	authtest.SkipIfShort(t)
	rows := append(faults[:len(faults):len(faults)],
		// These faults occur at one endpoint only.
		fault{name: "200 with another user", fault: stytchtest.OtherUser(), at: pathAuthenticate},
		fault{name: "200 with another session", fault: stytchtest.OtherSession(), at: pathAuthenticate})
	for _, f := range rows {
		for _, k := range kinds {
			t.Run(f.name+": "+k.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { f.complete().check(t, k) })
			})
		}
	}
}

// check sends one request of a kind during a fault and one after it.
func (f fault) check(t *testing.T, k kind) {
	var log authtest.Log
	s := newEnv(t, log.Record)
	k.prepare(s)
	s.SetFault(f.at, f.fault)
	before, began := s.Calls(""), time.Now()
	resp := s.Get(k.field(s))
	took, calls := time.Since(began), s.Calls("")-before
	if !k.needsCall {
		f = fault{status: 200, at: f.at}
	}
	s.Want(resp, f.status)
	if calls != f.calls {
		t.Errorf("got %d calls, want %d", calls, f.calls)
	}
	if f.takes == 0 && took >= 500*time.Millisecond || f.takes != 0 && took != f.takes {
		t.Errorf("got an answer after %v, want %v", took, f.takes)
	}
	if got := resp.Header.Values("Set-Cookie"); got != nil {
		t.Errorf("got Set-Cookie %q, want none", got)
	}
	if f.status == 503 {
		s.WantRetry(resp, f.retry)
	}
	if f.paused {
		s.Want(s.Get(k.field(s)), 503)
		s.WantCalls("", before+f.calls)
	}
	if f.at != "" && k.name == "an expired JWT" {
		f.alarms = 1 // logged, because the answer contradicts a verified JWT
	}
	log.WantErrors(t, f.alarms)
	if unexpected := s.UnexpectedCalls(); unexpected != nil {
		t.Errorf("got calls of %v, want none", unexpected)
	}
	s.SetFault(f.at, stytchtest.Fault{})
	time.Sleep(f.wait())
	want := 200
	if f.status == 401 && k.name == "an expired JWT" {
		want = 401 // Stytch rejected the session, which stays denied
	}
	s.Want(s.Get(k.field(s)), want)
	s.WantIdle()
}

// wait returns how long a client must wait before it tries again.
func (f fault) wait() time.Duration {
	switch {
	case f.status == 401:
		return 10 * time.Second // a rejection is cached for ten seconds
	case f.paused:
		d, _ := time.ParseDuration(f.retry + "s")
		return d
	}
	return 0
}

// If the key set cannot be fetched, the last valid one stays in use. If there is none, a JWT is
// neither accepted nor rejected. Session tokens are not affected.
func TestFaults_OfTheKeySet(t *testing.T) {
	authtest.SkipIfShort(t)
	rows := append(faults[:len(faults):len(faults)],
		fault{name: "an empty set", fault: stytchtest.KeySet(stytchtest.NoKeys)},
		fault{name: "no usable key", fault: stytchtest.KeySet(stytchtest.OnlyBadKeys)},
		fault{name: "10,000 keys", fault: stytchtest.KeySet(stytchtest.ManyKeys)},
		fault{name: "10 MiB", fault: stytchtest.KeySet(stytchtest.HugeKeys)},
		fault{name: "every key id twice", fault: stytchtest.KeySet(stytchtest.DuplicateKeyIDs)},
		fault{name: "keys with the exponent 1", fault: stytchtest.KeySet(stytchtest.ExponentOne)})
	for _, f := range rows {
		if f.fault.Delay > 0 || f.name == "200 with repeated names" {
			continue // TestKeySet_Slow covers delays; a key set may contain repeated names
		}
		t.Run(f.name+": at the start", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				s.SetFault(pathKeySet, f.fault)
				resp := s.Get(bearer(s.Session.JWT))
				s.Want(resp, 503)
				s.Want(s.Get(bearer(s.Session.Token)), 200)
				s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 200)
				s.SetFault(pathKeySet, stytchtest.Fault{})
				time.Sleep(max(time.Second, retryAfterOf(t, resp)))
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				s.WantIdle()
			})
		})
		t.Run(f.name+": later", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { keepsKeys(t, f.fault) })
		})
	}
}

// keepsKeys sends JWTs for an hour while the key set cannot be refreshed. All of them must pass.
func keepsKeys(t *testing.T, w stytchtest.Fault) {
	s := newEnv(t, sessionOnly)
	s.Session = s.SignIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.SetFault(pathKeySet, w)
	step := time.Duration(everyOf(10, 5)) * time.Minute
	for range time.Hour / step {
		time.Sleep(step)
		began := time.Now()
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
		if took := time.Since(began); took > 0 {
			t.Errorf("got an answer after %v, want it at once", took)
		}
	}
	s.SetFault(pathKeySet, stytchtest.Fault{})
	time.Sleep(time.Minute) // the longest pause between two fetches
	s.RotateKeys()
	s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
	s.WantIdle()
}

func retryAfterOf(t *testing.T, resp *http.Response) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
	if err != nil {
		t.Errorf("got Retry-After %q, want seconds", resp.Header.Get("Retry-After"))
	}
	return d
}

func TestKeySet_BadKeysAmongGoodOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		s.SetFault(pathKeySet, stytchtest.KeySet(stytchtest.BadKeys))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
	})
}

func TestKeySet_RolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		old := s.Session.JWT
		s.RotateKeys()
		s.SetFault(pathKeySet, stytchtest.KeySet(stytchtest.RolledBack))
		s.Want(s.Get(bearer(old)), 200)
		time.Sleep(30 * time.Second)
		renewed := s.JWT(s.Session.ID)
		s.Want(s.Get(bearer(renewed)), 401)
		s.WantCalls(pathKeySet, 2)
		s.SetFault(pathKeySet, stytchtest.Fault{})
		time.Sleep(30 * time.Second)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
		s.Want(s.Get(bearer(old)), 200)
	})
}

func TestKeySet_Slow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(16 * time.Minute)
		s.SetFault(pathKeySet, stytchtest.Fault{Delay: 2 * time.Second})
		for range 10 {
			began := time.Now()
			s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
			if took := time.Since(began); took > 0 {
				t.Errorf("got an answer after %v, want it at once", took)
			}
			time.Sleep(time.Second)
		}
		s.WantCalls(pathKeySet, 2)
	})
}
