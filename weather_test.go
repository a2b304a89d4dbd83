package sessionauth_test

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

// A fault is one row of the fault matrix: the fault of all of Stytch, and what
// becomes of a request that needs an answer of Stytch's. The zero value of the
// other fields is the usual: one call, then 503 at once with a Retry-After of a
// second.
type fault struct {
	name   string
	fault  stytchtest.Fault
	status int           // if zero, 503
	calls  int           // if zero, 1; 2 where it is safe to ask again
	retry  string        // if empty, "1"
	takes  time.Duration // if zero, less than half a second
	quiet  bool          // the lane is closed afterwards: the next request costs no call
	alarms int           // errors in the log
	at     string        // the endpoint that has the fault; if empty, all
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

func status(code int) stytchtest.Fault { return stytchtest.Fault{Status: code} }

func tooMany(retryAfter string) stytchtest.Fault {
	return stytchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {retryAfter}}}
}

func refusedAs(code int, kind string) stytchtest.Fault {
	return stytchtest.Fault{Status: code, ErrorType: kind}
}

var noSuchHost = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "stytch.invalid", IsNotFound: true}}

var faults = []fault{
	{name: "500", fault: status(500)},
	{name: "502", fault: status(502), calls: 2},
	{name: "503", fault: status(503), calls: 2},
	{name: "504", fault: status(504), calls: 2},
	{name: "502 and HTML", fault: stytchtest.HTML(502), calls: 2},
	{name: "429 with seconds", fault: tooMany("7"), retry: "7", quiet: true},
	{name: "429 with a date next year", fault: tooMany("Mon, 01 Jan 2001 00:00:00 GMT"), retry: "60", quiet: true},
	{name: "429 without Retry-After", fault: status(429), quiet: true},
	{name: "429 with an absurd Retry-After", fault: tooMany("1000000000"), retry: "60", quiet: true},
	{name: "401 unauthorized_credentials", fault: refusedAs(401, "unauthorized_credentials"), alarms: 1},
	{name: "404 session_not_found", fault: refusedAs(404, "session_not_found"), status: 401},
	{name: "404 route_not_found", fault: refusedAs(404, "route_not_found")},
	{name: "404 and HTML", fault: stytchtest.HTML(404)},
	{name: "connection refused", fault: stytchtest.Refuse(), calls: 2},
	{name: "no such host", fault: stytchtest.Fail(noSuchHost), calls: 2},
	{name: "a certificate of nobody's", fault: stytchtest.Fail(x509.UnknownAuthorityError{}), calls: 2},
	{name: "taken, then silence", fault: stytchtest.Hang(), takes: 3 * time.Second},
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
	{name: "200 with every name twice", fault: stytchtest.RepeatedNames()},
	{name: "204", fault: stytchtest.Raw(204, "")},
	{name: "302 to another host", fault: stytchtest.Redirect(302, "https://bait.example/")},
	{name: "307 to another port", fault: stytchtest.Redirect(307, "https://stytch.invalid:8443/")},
	{name: "308 to http", fault: stytchtest.Redirect(308, "http://stytch.invalid/")},
}

// A kind is a column of the fault matrix: how a request stands to the caches.
type kind struct {
	name    string
	asks    bool // Stytch must be asked
	prepare func(*stage)
	field   func(*stage) string
}

var kinds = []kind{
	{"a valid JWT", false, func(s *stage) {
		s.Want(s.Get(bearer(s.Session.JWT)), 200) // key set and user are known from now on
		time.Sleep(time.Second)
		s.Session.JWT = s.JWT(s.Session.ID)
	}, jwtOf},
	{"an expired JWT", true, func(s *stage) {
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Expire()
	}, jwtOf},
	{"a cached token", false, func(s *stage) {
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		time.Sleep(time.Minute - 10*time.Second)
	}, tokenOf},
	{"a token cached until now", true, func(s *stage) {
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		time.Sleep(time.Minute)
	}, tokenOf},
	{"a new token", true, func(*stage) {}, tokenOf},
}

func jwtOf(s *stage) string   { return bearer(s.Session.JWT) }
func tokenOf(s *stage) string { return bearer(s.Session.Token) }

func TestFaultMatrix(t *testing.T) {
	rows := append(faults[:len(faults):len(faults)],
		// One more for who asks by token: the answer says which token it is of.
		fault{name: "200 with another user", fault: stytchtest.OtherUser(), at: pathAuthenticate},
		fault{name: "200 with another session", fault: stytchtest.OtherSession(), at: pathAuthenticate})
	for _, f := range rows {
		for _, k := range kinds {
			t.Run(f.name+": "+k.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { f.complete().befall(t, k) })
			})
		}
	}
}

// befall sends one request of a kind into a fault, and one after it.
func (f fault) befall(t *testing.T, k kind) {
	var log authtest.Log
	s := newStage(t, log.Record)
	k.prepare(s)
	s.SetFault(f.at, f.fault)
	before, began := s.Calls(""), time.Now()
	resp := s.Get(k.field(s))
	took, calls := time.Since(began), s.Calls("")-before
	if !k.asks {
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
	if f.quiet {
		s.Want(s.Get(k.field(s)), 503)
		s.WantCalls("", before+f.calls)
	}
	if f.at != "" && k.name == "an expired JWT" {
		f.alarms = 1 // a JWT that we verified, and another session's answer: somebody should look
	}
	log.WantErrors(t, f.alarms)
	if unexpected := s.UnexpectedCalls(); unexpected != nil {
		t.Errorf("got calls of %v, want none", unexpected)
	}
	s.SetFault(f.at, stytchtest.Fault{})
	time.Sleep(f.wait())
	want := 200
	if f.status == 401 && k.name == "an expired JWT" {
		want = 401 // the id in it is the session's own, and Stytch says that it has ended
	}
	s.Want(s.Get(k.field(s)), want)
	s.WantIdle()
}

// wait is how long the answer told the client to stay away.
func (f fault) wait() time.Duration {
	switch {
	case f.status == 401:
		return 10 * time.Second // a rejection is remembered
	case f.quiet:
		d, _ := time.ParseDuration(f.retry + "s")
		return d
	}
	return 0
}

// The key set's faults. A set that was good stays; without one a JWT decides
// nothing, and a token is not affected.
func TestFaultMatrixOfTheKeySet(t *testing.T) {
	rows := append(faults[:len(faults):len(faults)],
		fault{name: "an empty set", fault: stytchtest.KeySet(stytchtest.NoKeys)},
		fault{name: "no usable key", fault: stytchtest.KeySet(stytchtest.OnlyBadKeys)},
		fault{name: "10,000 keys", fault: stytchtest.KeySet(stytchtest.ManyKeys)},
		fault{name: "10 MiB", fault: stytchtest.KeySet(stytchtest.HugeKeys)},
		fault{name: "every key id twice", fault: stytchtest.KeySet(stytchtest.DuplicateKeyIDs)},
		fault{name: "keys with the exponent 1", fault: stytchtest.KeySet(stytchtest.ExponentOne)})
	for _, f := range rows {
		if f.fault.Delay > 0 || f.name == "200 with every name twice" {
			continue // a slow set is TestASlowKeySetHoldsNobodyUp's
		}
		t.Run(f.name+": at the start", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, sessionOnly)
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
			synctest.Test(t, func(t *testing.T) { keepsItsKeys(t, f.fault) })
		})
	}
}

// keepsItsKeys sends JWTs for an hour while the key set cannot be refreshed.
func keepsItsKeys(t *testing.T, w stytchtest.Fault) {
	s := newStage(t, sessionOnly)
	s.Session = s.SignIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.SetFault(pathKeySet, w)
	for range 12 {
		time.Sleep(5 * time.Minute)
		began := time.Now()
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
		if took := time.Since(began); took > 0 {
			t.Errorf("got an answer after %v, want it at once", took)
		}
	}
	s.SetFault(pathKeySet, stytchtest.Fault{})
	time.Sleep(time.Minute) // the longest quiet period
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

func TestBadKeysAmongGoodOnesDoNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		s.SetFault(pathKeySet, stytchtest.KeySet(stytchtest.BadKeys))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
	})
}

func TestARolledBackKeySetRefusesTheNewKeyUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
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

func TestASlowKeySetHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
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
