package sessionauth_test

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

// The promises that take their time.

func staleFor(d time.Duration) func(*sessionauth.Config) {
	return func(c *sessionauth.Config) { c.StaleIfError = d }
}

// keepSignedIn gives the stage a session that outlives the test.
func keepSignedIn(s *stage) {
	s.Session = s.SignIn(stytchtest.SessionOptions{Duration: 60 * 24 * time.Hour})
}

func TestStytchIsDownForSixHours(t *testing.T) {
	outages := []fault{
		{name: "500", fault: status(500)},
		{name: "connection refused", fault: stytchtest.Refuse()},
		{name: "silence", fault: stytchtest.Hang()},
		{name: "HTML", fault: stytchtest.HTML(200)},
		{name: "our own credentials refused", fault: refusedAs(401, "unauthorized_credentials")},
	}
	for _, f := range outages {
		for _, stale := range []time.Duration{0, time.Hour, 6 * time.Hour} {
			t.Run(f.name+", StaleIfError "+stale.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { standsAnOutage(t, f.fault, stale) })
			})
		}
	}
}

func standsAnOutage(t *testing.T, w stytchtest.Fault, stale time.Duration) {
	s := newStage(t, sessionOnly, staleFor(stale))
	keepSignedIn(s)
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.Want(s.Get(bearer(s.Session.Token)), 200)
	asked := time.Now()
	s.SetFault("", w)
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
		if time.Since(asked) < time.Minute+stale {
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
	time.Sleep(5*time.Second + time.Millisecond) // the breaker's
	s.Want(s.Get(bearer(s.Session.Token)), 200)
	s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
	s.WantIdle()
	t.Logf("passed: %d of 360 JWTs, %d tokens", passed, kept)
}

func TestTheKeySetIsAwayForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		keepSignedIn(s)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.SetFault(pathKeySet, stytchtest.Refuse())
		for range 24*60 - 1 {
			time.Sleep(time.Minute)
			s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
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

// Whoever invents key ids takes the one fetch in 30 seconds. A key that has been
// published for as long before it signs, as Stytch does, is never missed; one
// that signs at once is waited for, or the token along decides.
func TestKeysAreRotatedUnderLoad(t *testing.T) {
	rows := []struct {
		name     string
		invented bool
		ahead    time.Duration // the new key is published for so long before its first JWT
		along    bool          // the token comes along
		late     bool          // 503 is allowed for at most 30 s after each rotation
	}{
		{"at once", false, 0, false, false},
		{"at once, with tokens along", true, 0, true, false},
		{"published ahead, with invented keys", true, 31 * time.Second, false, false},
		{"at once, with invented keys", true, 0, false, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, sessionOnly)
				keepSignedIn(s)
				var jwt string
				good, undecided, began := 0, 0, time.Now()
				rotated := began
				for tick := range 3000 { // five minutes
					if tick%950 == 400 {
						s.RotateKeys()
						rotated = time.Now()
					}
					if tick%10 == 0 && (time.Since(rotated) >= row.ahead || rotated.Equal(began)) {
						jwt = s.JWT(s.Session.ID)
					}
					if row.invented {
						kid := "invented-" + strconv.Itoa(tick)
						resp := s.Get(bearer(s.SignJWT(func(header, _ map[string]any) { header["kid"] = kid })))
						if resp.StatusCode == 200 {
							t.Fatal("got an invented key through")
						}
					}
					field := bearer(jwt)
					if row.along {
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
				if most := 1 + int(time.Since(began)/(30*time.Second)); fetches > most {
					t.Errorf("got %d fetches of the key set, want at most %d", fetches, most)
				}
				t.Logf("%d good requests, %d of them undecided, %d fetches", good, undecided, fetches)
			})
		})
	}
}

// underWay counts the calls of a path that are under way at one time.
func underWay(s *stage, prefix string) *atomic.Int64 {
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

func TestStytchAnswersAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly, func(c *sessionauth.Config) { c.MaxInFlight = 8 })
		expired := make([]string, 100)
		for i := range expired {
			expired[i] = s.SignIn(stytchtest.SessionOptions{}).JWT
			s.Want(s.Get(bearer(expired[i])), 200)
		}
		s.Expire()
		s.SetFault("", stytchtest.Fault{Delay: 30 * time.Second})
		most := underWay(s, "")
		var wg sync.WaitGroup
		var slowest atomic.Int64
		ask := func(field string, deadline time.Duration) {
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
			ask(bearer(jwt), time.Duration(1+i%5)*time.Second)
			ask(bearer(inventedToken+strconv.Itoa(i)), time.Duration(1+i%5)*time.Second)
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

// Stytch's clock against ours: a fresh JWT is refused while it is from the
// future by more than Leeway, and one past exp + Leeway speaks for nobody.
func TestTheClockIsWrong(t *testing.T) {
	for _, leeway := range []time.Duration{-1, 5 * time.Second, time.Minute} {
		for _, ahead := range []time.Duration{-2 * time.Minute, -time.Minute, -5 * time.Second, 0, 5 * time.Second, 6 * time.Second, time.Minute, 61 * time.Second, 2 * time.Minute} {
			t.Run("Leeway "+leeway.String()+", Stytch ahead by "+ahead.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, sessionOnly, func(c *sessionauth.Config) { c.Leeway = leeway })
					s.Want(s.Get(bearer(s.Session.JWT)), 200)
					s.SetClock(ahead)
					session := s.SignIn(stytchtest.SessionOptions{})
					allowed := max(0, leeway)
					if ahead > allowed {
						s.Want(s.Get(bearer(session.JWT)), 401)
						s.Want(s.Get(bothCookies(session.Token, session.JWT)), 200) // the token decides
						time.Sleep(ahead - allowed - time.Millisecond)
						s.Want(s.Get(bearer(session.JWT)), 401)
						time.Sleep(time.Millisecond)
					}
					s.Want(s.Get(bearer(session.JWT)), 200)
					exp := time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC).Add(ahead)
					asked := s.Calls(pathAuthenticate)
					if left := time.Until(exp.Add(allowed)); left > 0 {
						time.Sleep(left - time.Millisecond)
						s.Want(s.Get(bearer(session.JWT)), 200)
						s.WantCalls(pathAuthenticate, asked)
						time.Sleep(time.Millisecond)
					}
					s.RevokeSession(session.ID)
					s.Want(s.Get(bearer(session.JWT)), 401) // dead: asked, and told so
					s.WantCalls(pathAuthenticate, asked+1)
				})
			})
		}
	}
}

func TestTheClockJumpsByAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly) // a session of an hour
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetClock(time.Hour) // its end, for Stytch
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(s.Session.Token)), 401)
		s.SetClock(0) // and back: it lives
		time.Sleep(10 * time.Second)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetClock(-time.Hour) // Stytch would let it live an hour longer; its own end is its end
		time.Sleep(59 * time.Minute)
		s.Want(s.Get(bearer(s.Session.Token)), 401)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
	})
}

// A breaker of the three that guard an endpoint for a kind of people, and a
// request that makes one call of it.
var breakerKinds = []struct {
	name, path string
	field      func(s *stage, i int) string
}{
	{"sessions", pathAuthenticate, func(s *stage, i int) string { return bearer(oldJWTs(s)[i]) }},
	{"unverified sessions", pathAuthenticate, func(s *stage, i int) string { return bearer(freshTokens(s)[i]) }},
	{"users", pathUser, func(s *stage, i int) string { return bearer(s.JWT(sessions(s)[i].ID)) }},
}

var crowds sync.Map // of sessions, by stage

// sessions are thirty live sessions of thirty users.
func sessions(s *stage) []stytchtest.Session {
	if crowd, ok := crowds.Load(s); ok {
		return crowd.([]stytchtest.Session)
	}
	crowd := make([]stytchtest.Session, 30)
	for i := range crowd {
		crowd[i] = s.SignIn(stytchtest.SessionOptions{})
	}
	crowds.Store(s, crowd)
	s.T.Cleanup(func() { crowds.Delete(s) })
	return crowd
}

func oldJWTs(s *stage) []string {
	var list []string
	for _, session := range sessions(s) {
		list = append(list, session.JWT)
	}
	return list
}

func freshTokens(s *stage) []string {
	var list []string
	for _, session := range sessions(s) {
		list = append(list, session.Token)
	}
	return list
}

func TestABreakerOpensAfterTenFaultsInARow(t *testing.T) {
	for b, kind := range breakerKinds {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				sessions(s)
				s.Want(s.Get(bearer(s.Session.JWT)), 200) // the key set
				s.Expire()
				fail := func(n, from int) {
					s.SetFault(kind.path, status(500))
					for i := range n {
						s.Want(s.Get(kind.field(s, from+i)), 503)
					}
				}
				fail(9, 0)
				s.SetFault(kind.path, stytchtest.Fault{})
				s.Want(s.Get(kind.field(s, 0)), 200) // not in a row
				fail(9, 1)
				calls := s.Calls(kind.path)
				s.WantRetry(s.Get(kind.field(s, 10)), "1")
				s.WantCalls(kind.path, calls+1) // the tenth
				s.WantRetry(s.Get(kind.field(s, 11)), "5")
				time.Sleep(2500 * time.Millisecond)
				s.WantRetry(s.Get(kind.field(s, 11)), "3")
				time.Sleep(2500*time.Millisecond - 1)
				s.WantRetry(s.Get(kind.field(s, 11)), "1")
				s.WantCalls(kind.path, calls+1)
				time.Sleep(2 * time.Nanosecond)
				s.WantRetry(s.Get(kind.field(s, 11)), "1") // one call finds out
				s.WantRetry(s.Get(kind.field(s, 12)), "5")
				s.WantCalls(kind.path, calls+2)
				s.SetFault(kind.path, stytchtest.Fault{})
				for other, k := range breakerKinds { // the others never were
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

// What a stranger can do must shut nobody out who is signed in.
func TestNothingAStrangerDoesShutsOutTheSignedIn(t *testing.T) {
	const many = 40
	stranger := func(s *stage, w stytchtest.Fault) {
		s.SetFault(pathAuthenticate, w)
		for i := range many {
			s.Get(bearer(inventedToken + strconv.Itoa(i)))
		}
	}
	rows := []struct {
		name string
		do   func(s *stage)
	}{
		{"invented tokens", func(s *stage) { stranger(s, stytchtest.Fault{}) }},
		{"400s", func(s *stage) { stranger(s, refusedAs(400, "bad_request")) }},
		{"a 429 in their lane", func(s *stage) { stranger(s, tooMany("60")) }},
		{"odd answers", func(s *stage) { stranger(s, stytchtest.WithoutIDs()) }},
		{"answers about others", func(s *stage) { stranger(s, stytchtest.OtherUser()) }},
		{"repeated names", func(s *stage) { stranger(s, stytchtest.RepeatedNames()) }},
		{"faults of their own endpoint", func(s *stage) { stranger(s, status(500)) }},
		{"a user whose data make no sense", func(s *stage) {
			s.SetFault(pathUser, stytchtest.WithoutIDs())
			own := s.SignIn(stytchtest.SessionOptions{})
			for range many {
				s.Want(s.Get(bearer(own.JWT)), 503)
			}
		}},
		{"requests that go away", func(s *stage) {
			s.SetFault("", stytchtest.Fault{Delay: time.Second})
			for i := range many {
				r := newRequest(http.MethodGet, bearer(inventedToken+strconv.Itoa(i)))
				ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
				s.Want(s.Do(r.WithContext(ctx)), 503)
				cancel()
			}
			time.Sleep(2 * time.Second)
		}},
		{"sign-ins that go away", func(s *stage) {
			s.SetFault("", stytchtest.Fault{Delay: time.Second})
			for range many {
				ctx, cancel := context.WithTimeout(s.T.Context(), time.Millisecond)
				if _, err := s.Auth.SignIn(ctx, adasSignIn("wrong")); err == nil {
					s.T.Error("got a sign-in, want none")
				}
				cancel()
			}
		}},
		{"wrong passwords", func(s *stage) {
			for range many {
				_, _ = s.Auth.SignIn(s.T.Context(), adasSignIn("wrong"))
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []sessionauth.Event
				s := newStage(t, authtest.RecordEvents(&events))
				sessions(s)
				for _, jwt := range oldJWTs(s) {
					s.Want(s.Get(bearer(jwt)), 200)
				}
				s.Expire()
				row.do(s)
				for _, path := range []string{"", pathAuthenticate, pathUser} {
					s.SetFault(path, stytchtest.Fault{})
				}
				for i, jwt := range oldJWTs(s)[:10] {
					s.Want(s.Get(bearer(jwt)), 200)
					s.Want(s.Get(bearer(s.JWT(sessions(s)[20+i].ID))), 200)
				}
				ownLane := strings.HasPrefix(row.name, "faults")
				if got := events[len(events)-1].OpenBreakers; got != 0 && !ownLane {
					t.Errorf("got %d breakers open, want none", got)
				}
				if _, err := s.Auth.SignIn(t.Context(), adasSignIn(authtest.Password)); err != nil {
					t.Errorf("got %v, want a sign-in", err)
				}
				s.WantIdle()
			})
		})
	}
}
