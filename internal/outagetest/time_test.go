package outagetest

import (
	"context"
	"net/http"
	"strconv"
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

// With the build tag slow, every fault runs with every StaleIfError. Otherwise each fault and each
// StaleIfError runs at least once.
func TestOutage_SixHours(t *testing.T) {
	authtest.SkipIfShort(t)
	outages := []fault{
		{name: "500", fault: status(500)},
		{name: "connection refused", fault: stytchtest.Refuse()},
		{name: "silence", fault: stytchtest.Hang()},
		{name: "HTML", fault: stytchtest.HTML(200)},
		{name: "the credentials of the project refused", fault: errorOf(401, "unauthorized_credentials")},
	}
	for _, f := range outages {
		for _, stale := range []time.Duration{0, time.Hour, 6 * time.Hour} {
			if f.name != "500" && stale != time.Hour && !authtest.Slow {
				continue
			}
			t.Run(f.name+", StaleIfError "+stale.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { survivesOutage(t, f.fault, stale) })
			})
		}
	}
}

func survivesOutage(t *testing.T, f stytchtest.Fault, stale time.Duration) {
	s := newEnv(t, sessionOnly, staleFor(stale))
	keepSignedIn(s)
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.Want(s.Get(bearer(s.Session.Token)), 200)
	stored := time.Now()
	s.SetFault("", f)
	jwt, passed, kept := "", 0, 0
	for minute := range 6 * 60 {
		if minute%5 == 0 {
			jwt = s.JWT(s.Session.ID)
		}
		began := time.Now()
		if resp := s.Get(bearer(jwt)); resp.StatusCode == 200 {
			passed++
		}
		if took := time.Since(began); took > 0 {
			t.Fatalf("got an answer to a JWT after %v, want it at once", took)
		}
		want := 503
		if time.Since(stored) < time.Minute+stale {
			want = 200
			kept++
		}
		s.Want(s.Get(bearer(s.Session.Token)), want)
		time.Sleep(time.Minute - time.Since(began))
	}
	if passed != 360 {
		t.Errorf("got %d of 360 JWTs through, want all", passed)
	}
	s.SetFault("", stytchtest.Fault{})
	time.Sleep(5*time.Second + time.Millisecond) // the circuit breaker is open for 5 s
	s.Want(s.Get(bearer(s.Session.Token)), 200)
	s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
	s.WantIdle()
	t.Logf("passed: %d of 360 JWTs, %d tokens", passed, kept)
}

func TestOutage_KeySetForADay(t *testing.T) {
	authtest.SkipIfShort(t)
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		keepSignedIn(s)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.SetFault(pathKeySet, stytchtest.Refuse())
		jwt, fresh := "", everyOf(5, 1)
		for minute := range 24*60 - 1 {
			time.Sleep(time.Minute)
			if minute%fresh == 0 {
				jwt = s.JWT(s.Session.ID)
			}
			s.Want(s.Get(bearer(jwt)), 200)
		}
		fetches := s.Calls(pathKeySet)
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 503)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetFault(pathKeySet, stytchtest.Fault{})
		time.Sleep(30 * time.Second)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
		s.WantIdle()
		t.Logf("1,439 of 1,439 JWTs passed, with %d fetches tried", fetches-1)
	})
}

// Invented key ids use up the fetches of the key set: four are allowed in a row, and then one per
// 30 seconds. If a new key is published 30 seconds before it signs, as Stytch does, its first JWT
// always passes. If a key signs immediately, its JWTs may get a 503 until the next fetch, unless
// the request also has a token.
//
// With the build tag slow, ten JWTs with an invented key id are signed per second. Otherwise most
// of them have an invalid signature, and JWTs are refreshed less often.
func TestKeySet_RotationUnderLoad(t *testing.T) {
	authtest.SkipIfShort(t)
	rows := []struct {
		name     string
		invented bool
		ahead    time.Duration // how long the new key is published before it signs a JWT
		token    bool          // true if requests also have the token
		late     bool          // true if 503 is allowed for at most 30 s after each rotation
	}{
		{"at once", false, 0, false, false},
		{"at once, with tokens", true, 0, true, false},
		{"published ahead, with invented keys", true, 31 * time.Second, false, false},
		{"at once, with invented keys", true, 0, false, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				keepSignedIn(s)
				var jwt string
				good, undecided, began := 0, 0, time.Now()
				rotated := began
				for tick := range 3000 { // five minutes
					if tick%950 == 400 {
						s.RotateKeys()
						rotated = time.Now()
					}
					if tick%everyOf(20, 10) == 0 && (time.Since(rotated) >= row.ahead || rotated.Equal(began)) {
						jwt = s.JWT(s.Session.ID)
					}
					if row.invented {
						kid := "invented-" + strconv.Itoa(tick)
						wantNot200(t, s.Get(bearer(inventedKeyJWT(s, kid, tick%everyOf(50, 1) == 0))), "no such key exists")
					}
					field := bearer(jwt)
					if row.token {
						field = bothCookies(s.Session.Token, jwt)
					}
					resp := s.Get(field)
					good++
					switch {
					case resp.StatusCode == 503 && row.late && time.Since(rotated) < 30*time.Second:
						undecided++
					case resp.StatusCode != 200:
						t.Fatalf("got status %d at %v, want 200", resp.StatusCode, time.Since(began))
					}
					time.Sleep(100 * time.Millisecond)
				}
				fetches := s.Calls(pathKeySet)
				if most := 4 + int(time.Since(began)/(30*time.Second)); fetches > most {
					t.Errorf("got %d fetches of the key set, want at most %d", fetches, most)
				}
				t.Logf("%d good requests, %d of them undecided, %d fetches", good, undecided, fetches)
			})
		})
	}
}

// inventedKeyJWT returns a JWT with the id of a key that does not exist.
func inventedKeyJWT(s *env, kid string, signed bool) string {
	if signed {
		return s.SignJWT(func(header, _ map[string]any) { header["kid"] = kid })
	}
	header := s.Header()
	header["kid"] = kid
	return authtest.ForgedJWT(header, s.Claims(s.Session.ID))
}

// countConcurrent counts the calls to a path that are in progress. It returns the maximum.
func countConcurrent(s *env, prefix string) *atomic.Int64 {
	var now, most atomic.Int64
	s.Tap(prefix, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		return stytch.RoundTrip(r)
	})
	return &most
}

func TestOutage_AnswersAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly, func(c *sessionauth.Config) { c.MaxInFlight = 8 })
		expired := make([]string, 100)
		for i := range expired {
			expired[i] = s.SignIn(stytchtest.SessionOptions{}).JWT
			s.Want(s.Get(bearer(expired[i])), 200)
		}
		s.Expire()
		s.SetFault("", stytchtest.Fault{Delay: 30 * time.Second})
		most := countConcurrent(s, "")
		var wg sync.WaitGroup
		var slowest atomic.Int64
		send := func(field string, deadline time.Duration) {
			wg.Go(func() {
				began := time.Now()
				r := newRequest(http.MethodGet, field)
				ctx, cancel := context.WithTimeout(r.Context(), deadline)
				defer cancel()
				s.Want(s.Do(r.WithContext(ctx)), 503)
				took := time.Since(began)
				if took > min(deadline, 3*time.Second) {
					t.Errorf("got an answer after %v, want it within %v", took, min(deadline, 3*time.Second))
				}
				slowest.Store(max(slowest.Load(), int64(took)))
			})
		}
		for i, jwt := range expired {
			send(bearer(jwt), time.Duration(1+i%5)*time.Second)
			send(bearer(inventedToken+strconv.Itoa(i)), time.Duration(1+i%5)*time.Second)
		}
		wg.Wait()
		if got := most.Load(); got > 8 {
			t.Errorf("got %d calls at one time, want at most 8", got)
		}
		s.Tap("", nil)
		s.SetFault("", stytchtest.Fault{})
		time.Sleep(5 * time.Second)
		s.Want(s.Get(bearer(expired[0])), 200)
		s.WantIdle()
		t.Logf("200 requests, at most %d calls at one time, slowest answer after %v", most.Load(), time.Duration(slowest.Load()))
	})
}

// A JWT is refused while its iat is more than Leeway ahead of the local clock. It expires at its
// exp plus Leeway.
func TestClock_StytchAheadOrBehind(t *testing.T) {
	for _, leeway := range []time.Duration{-1, 5 * time.Second, time.Minute} {
		for _, ahead := range []time.Duration{-2 * time.Minute, -time.Minute, -5 * time.Second, 0, 5 * time.Second, 6 * time.Second, time.Minute, 61 * time.Second, 2 * time.Minute} {
			t.Run("Leeway "+leeway.String()+", Stytch ahead by "+ahead.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t, sessionOnly, func(c *sessionauth.Config) { c.Leeway = leeway })
					s.Want(s.Get(bearer(s.Session.JWT)), 200)
					s.SetClock(ahead)
					session := s.SignIn(stytchtest.SessionOptions{})
					allowed := max(0, leeway)
					if ahead > allowed {
						s.Want(s.Get(bearer(session.JWT)), 401)
						s.Want(s.Get(bothCookies(session.Token, session.JWT)), 200) // authenticated with the token
						time.Sleep(ahead - allowed - time.Millisecond)
						s.Want(s.Get(bearer(session.JWT)), 401)
						time.Sleep(time.Millisecond)
					}
					s.Want(s.Get(bearer(session.JWT)), 200)
					exp := time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC).Add(ahead)
					calls := s.Calls(pathAuthenticate)
					if left := time.Until(exp.Add(allowed)); left > 0 {
						time.Sleep(left - time.Millisecond)
						s.Want(s.Get(bearer(session.JWT)), 200)
						s.WantCalls(pathAuthenticate, calls)
						time.Sleep(time.Millisecond)
					}
					s.RevokeSession(session.ID)
					s.Want(s.Get(bearer(session.JWT)), 401) // the JWT has expired, and Stytch rejects its session
					s.WantCalls(pathAuthenticate, calls+1)
				})
			})
		}
	}
}

func TestClock_StytchJumpsByAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly) // the session lasts an hour
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetClock(time.Hour) // by the clock of Stytch, the session expires
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(s.Session.Token)), 401)
		s.SetClock(0) // the clock is set back, so the session is alive again
		time.Sleep(10 * time.Second)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetClock(-time.Hour) // by the clock of Stytch the session lives an hour longer, but Require uses its ExpiresAt
		time.Sleep(59 * time.Minute)
		s.Want(s.Get(bearer(s.Session.Token)), 401)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
	})
}

func TestBreaker_OpensAfterTenFaultsInARow(t *testing.T) {
	for b, kind := range endpointUsers {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				sessions(s)
				s.Want(s.Get(bearer(s.Session.JWT)), 200) // fetches the key set
				s.Expire()
				fail := func(n, from int) {
					s.SetFault(kind.path, status(500))
					for i := range n {
						s.Want(s.Get(kind.field(s, from+i)), 503)
					}
				}
				fail(9, 0)
				s.SetFault(kind.path, stytchtest.Fault{})
				s.Want(s.Get(kind.field(s, 0)), 200) // a success, so that the failures are not consecutive
				fail(9, 1)
				calls := s.Calls(kind.path)
				s.WantRetry(s.Get(kind.field(s, 10)), "1")
				s.WantCalls(kind.path, calls+1) // the tenth consecutive failure
				s.WantRetry(s.Get(kind.field(s, 11)), "5")
				time.Sleep(2500 * time.Millisecond)
				s.WantRetry(s.Get(kind.field(s, 11)), "3")
				time.Sleep(2500*time.Millisecond - 1)
				s.WantRetry(s.Get(kind.field(s, 11)), "1")
				s.WantCalls(kind.path, calls+1)
				time.Sleep(2 * time.Nanosecond)
				s.WantRetry(s.Get(kind.field(s, 11)), "1") // one call checks whether Stytch is available again
				s.WantRetry(s.Get(kind.field(s, 12)), "5")
				s.WantCalls(kind.path, calls+2)
				s.SetFault(kind.path, stytchtest.Fault{})
				for other, k := range endpointUsers { // the circuit breakers of other endpoints stayed closed
					if other != b {
						s.Want(s.Get(k.field(s, 20+other)), 200)
					}
				}
				s.WantRetry(s.Get(kind.field(s, 13)), "5")
				time.Sleep(5*time.Second + 1)
				s.Want(s.Get(kind.field(s, 13)), 200)
				s.Want(s.Get(kind.field(s, 14)), 200)
				s.WantIdle()
			})
		})
	}
}

// Clients without a session cannot cause anything that affects signed-in users.
func TestClasses_UnverifiedClientsDoNotAffectUsers(t *testing.T) {
	authtest.SkipIfShort(t)
	const many = 40
	unverified := func(s *env, f stytchtest.Fault) {
		s.SetFault(pathAuthenticate, f)
		for i := range many {
			s.Get(bearer(inventedToken + strconv.Itoa(i)))
		}
	}
	rows := []struct {
		name string
		do   func(s *env)
	}{
		{"invented tokens", func(s *env) { unverified(s, stytchtest.Fault{}) }},
		{"400s", func(s *env) { unverified(s, errorOf(400, "bad_request")) }},
		{"a 429 in their class", func(s *env) { unverified(s, tooMany("60")) }},
		{"odd answers", func(s *env) { unverified(s, stytchtest.WithoutIDs()) }},
		{"answers about others", func(s *env) { unverified(s, stytchtest.OtherUser()) }},
		{"repeated names", func(s *env) { unverified(s, stytchtest.RepeatedNames()) }},
		{"faults of the endpoint for unverified tokens", func(s *env) { unverified(s, status(500)) }},
		{"a user whose data are invalid", func(s *env) {
			s.SetFault(pathUser, stytchtest.WithoutIDs())
			own := s.SignIn(stytchtest.SessionOptions{})
			for range many {
				s.Want(s.Get(bearer(own.JWT)), 503)
			}
		}},
		{"canceled requests", func(s *env) {
			s.SetFault("", stytchtest.Fault{Delay: time.Second})
			for i := range many {
				r := newRequest(http.MethodGet, bearer(inventedToken+strconv.Itoa(i)))
				ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
				s.Want(s.Do(r.WithContext(ctx)), 503)
				cancel()
			}
			time.Sleep(2 * time.Second)
		}},
		{"canceled sign-ins", func(s *env) {
			s.SetFault("", stytchtest.Fault{Delay: time.Second})
			for range many {
				ctx, cancel := context.WithTimeout(s.T.Context(), time.Millisecond)
				if _, err := s.Auth.SignIn(ctx, signInOf("wrong")); err == nil {
					s.T.Error("got a sign-in, want none")
				}
				cancel()
			}
			time.Sleep(2 * time.Second)
		}},
		{"wrong passwords", func(s *env) {
			for range many {
				_, _ = s.Auth.SignIn(s.T.Context(), signInOf("wrong"))
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []sessionauth.Event
				s := newEnv(t, authtest.RecordEvents(&events))
				sessions(s)
				for _, session := range sessions(s) {
					s.Want(s.Get(bearer(session.JWT)), 200)
				}
				s.Expire()
				row.do(s)
				for _, path := range []string{"", pathAuthenticate, pathUser} {
					s.SetFault(path, stytchtest.Fault{})
				}
				for i, session := range sessions(s)[:10] {
					s.Want(s.Get(bearer(session.JWT)), 200)
					s.Want(s.Get(bearer(s.JWT(sessions(s)[20+i].ID))), 200)
				}
				ownEndpoint := strings.HasPrefix(row.name, "faults")
				if got := events[len(events)-1].OpenBreakers; got != 0 && !ownEndpoint {
					t.Errorf("got %d breakers open, want none", got)
				}
				if _, err := s.Auth.SignIn(t.Context(), signInOf(authtest.Password)); err != nil {
					t.Errorf("got %v, want a sign-in", err)
				}
				s.WantIdle()
			})
		})
	}
}
