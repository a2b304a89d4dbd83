package outagetest

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// sendInvented sends n invented tokens at the same time and counts the responses by status.
func sendInvented(s *env, n, from int) map[int]int {
	statuses := map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			resp := s.Get(bearer(inventedToken + strconv.Itoa(from+i)))
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
		})
	}
	wg.Wait()
	return statuses
}

func TestClasses_UnverifiedTokensLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		var jwts []string
		for _, session := range sessions(s) {
			jwts = append(jwts, session.JWT)
		}
		s.Expire()
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})

		// crowd sends invented tokens, for which there is the given number of places, and then JWTs
		// of signed-in users.
		crowd := func(from, room int, jwts []string) {
			t.Helper()
			var wg sync.WaitGroup
			wg.Go(func() {
				got := sendInvented(s, 100, from)
				if got[401] != room || got[503] != 100-room {
					t.Errorf("got %v, want %d times 401 and the others 503", got, room)
				}
			})
			synctest.Wait()
			for _, jwt := range jwts {
				wg.Go(func() { s.Want(s.Get(bearer(jwt)), 200) })
			}
			wg.Wait()
		}
		crowd(0, 48, jwts[:8])
		time.Sleep(2 * time.Second)

		s.SetFault(pathAuthenticate, stytchtest.Fault{})
		for i := range 500 { // rejections do not change the number of places
			s.Want(s.Get(bearer(inventedToken+strconv.Itoa(1000+i))), 401)
		}
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		crowd(2000, 48, jwts[8:16])
		s.WantIdle()
	})
}

func TestClasses_429PausesItsSubjectThenItsClass(t *testing.T) {
	rows := []struct {
		name           string
		paused, others func(s *env, i int) string
	}{
		{"unverified tokens", endpointUsers[1].field, endpointUsers[0].field},
		{"signed-in users", endpointUsers[0].field, endpointUsers[1].field},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			paused := func(s *env, i int) string { return by.Carry(row.paused(s, i)) }
			others := func(s *env, i int) string { return by.Carry(row.others(s, i)) }
			t.Run("174 "+row.name+"/one/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { pausesOneSubject(t, paused) })
			})
			t.Run("174 "+row.name+"/three/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { pausesOneClass(t, paused, others) })
			})
		}
	}
}

// rateLimited returns an env in which Stytch has answered 429 to n requests, one per second.
func rateLimited(t *testing.T, n int, field func(*env, int) string) *env {
	s := newEnv(t, sessionOnly)
	sessions(s)
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.Expire()
	s.SetFault(pathAuthenticate, tooMany("7"))
	for i := range n {
		resp := s.Get(field(s, i))
		s.WantAnswer(resp, want503r)
		s.WantRetry(resp, "7")
		s.WantCalls(pathAuthenticate, i+1)
		time.Sleep(time.Second)
	}
	s.SetFault(pathAuthenticate, stytchtest.Fault{})
	return s
}

func pausesOneSubject(t *testing.T, field func(*env, int) string) {
	s := rateLimited(t, 2, field)
	s.WantRetry(s.Get(field(s, 0)), "5")
	s.WantRetry(s.Get(field(s, 1)), "6")
	s.WantCalls(pathAuthenticate, 2)
	s.Want(s.Get(field(s, 2)), 200)
	time.Sleep(5*time.Second - 1)
	s.WantRetry(s.Get(field(s, 0)), "1")
	time.Sleep(time.Nanosecond)
	s.Want(s.Get(field(s, 0)), 200)
	s.WantRetry(s.Get(field(s, 1)), "1")
	s.WantCalls(pathAuthenticate, 4)
}

func pausesOneClass(t *testing.T, field, others func(*env, int) string) {
	s := rateLimited(t, 3, field)
	time.Sleep(1500 * time.Millisecond)
	s.WantRetry(s.Get(field(s, 3)), "5")
	s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200) // a valid JWT needs no call
	s.Want(s.Get(jwtCookie(s.JWT(s.Session.ID))), 200)
	s.WantCalls(pathAuthenticate, 3)
	s.Want(s.Get(others(s, 10)), 200)
	time.Sleep(4500*time.Millisecond - 1)
	s.WantRetry(s.Get(field(s, 3)), "1")
	s.WantCalls(pathAuthenticate, 4)
	time.Sleep(time.Nanosecond)
	s.Want(s.Get(field(s, 3)), 200)
}

func TestRetry_OnlyIfIdempotent(t *testing.T) {
	extends := func(c *sessionauth.Config) { c.SessionDuration = time.Hour }
	rows := []struct {
		name   string
		fault  stytchtest.Fault
		change func(*sessionauth.Config)
		calls  int
	}{
		{"502", status(502), sessionOnly, 2},
		{"503", status(503), sessionOnly, 2},
		{"504", status(504), sessionOnly, 2},
		{"connection refused", stytchtest.Refuse(), sessionOnly, 2},
		{"500", status(500), sessionOnly, 1},
		{"501", status(501), sessionOnly, 1},
		{"429", tooMany("1"), sessionOnly, 1},
		{"404", status(404), sessionOnly, 1},
		{"no time left", stytchtest.Hang(), sessionOnly, 1},
		{"an answer that had begun", stytchtest.Reset(), sessionOnly, 1},
		{"503, and SessionDuration set", status(503), extends, 1},
		{"connection refused, and SessionDuration set", stytchtest.Refuse(), extends, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, row.change)
				s.SetFault(pathAuthenticate, row.fault)
				s.Want(s.Get(bearer(s.Session.Token)), 503)
				s.WantCalls(pathAuthenticate, row.calls)
			})
		})
	}
	t.Run("the second answer counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			for _, needs := range authtest.NeedsCall {
				needs.Prepare(s)
				s.SetFault(needs.Path, status(503).For(1))
				before := s.Calls(needs.Path)
				s.Want(s.Get(needs.Field(s)), 200)
				s.WantCalls(needs.Path, before+2)
				s.Auth.Forget(s.Session.ID, s.Session.UserID)
				s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{})
			}
		})
	})
	t.Run("never a sign-in, never a revocation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			s.SetFault("", status(503))
			if _, err := s.Auth.SignIn(t.Context(), signInOf(authtest.Password)); err == nil {
				t.Error("got a sign-in, want ErrUnavailable")
			}
			if err := s.Auth.Revoke(t.Context(), s.Session.ID); err == nil {
				t.Error("got no error, want ErrUnavailable")
			}
			s.WantCalls(pathPassword, 1)
			s.WantCalls(pathRevoke, 1)
		})
	})
}

func TestStaleIfError_Ends(t *testing.T) {
	const ttl, stale = time.Minute, 10 * time.Minute
	down := func(s *env) { s.SetFault("", status(500)) }
	up := func(s *env) { s.SetFault("", stytchtest.Fault{}) }
	rows := []struct {
		name   string
		length time.Duration // length of the session
		do     func(s *env)
	}{
		{"CacheTTL and StaleIfError", time.Hour, func(s *env) {
			down(s)
			time.Sleep(ttl + stale - time.Millisecond)
			s.Want(s.Get(tokenOf(s)), 200)
			time.Sleep(time.Millisecond)
			s.Want(s.Get(tokenOf(s)), 503)
		}},
		{"use does not extend it", time.Hour, func(s *env) {
			down(s)
			for range 11*60 - 1 {
				time.Sleep(time.Second)
				s.Want(s.Get(tokenOf(s)), 200)
			}
			time.Sleep(time.Second)
			s.Want(s.Get(tokenOf(s)), 503)
		}},
		{"the end of the session", 5 * time.Minute, func(s *env) {
			down(s)
			time.Sleep(5*time.Minute - time.Millisecond)
			s.Want(s.Get(tokenOf(s)), 200)
			time.Sleep(time.Millisecond)
			wantNot200(s.T, s.Get(tokenOf(s)), "the session has ended")
		}},
		{"revoked by this process while Stytch is down", time.Hour, func(s *env) {
			down(s)
			time.Sleep(2 * ttl)
			s.Want(s.Get(tokenOf(s)), 200)
			_ = s.Auth.Revoke(s.T.Context(), s.Session.ID)
			wantNot200(s.T, s.Get(tokenOf(s)), "the session was revoked")
		}},
		{"signed out by its JWT", time.Hour, func(s *env) {
			down(s)
			time.Sleep(2 * ttl)
			_ = s.Auth.SignOut(s.T.Context(), sessionauth.Credential{JWT: s.Session.JWT})
			wantNot200(s.T, s.Get(tokenOf(s)), "the session was signed out")
		}},
		{"signed out by its token", time.Hour, func(s *env) {
			down(s)
			time.Sleep(2 * ttl)
			_ = s.Auth.SignOut(s.T.Context(), sessionauth.Credential{Token: s.Session.Token})
			wantNot200(s.T, s.Get(tokenOf(s)), "the session was signed out")
		}},
		{"rejected since", time.Hour, func(s *env) {
			s.RevokeSession(s.Session.ID)
			time.Sleep(ttl)
			s.Want(s.Get(tokenOf(s)), 401)
			down(s)
			s.Want(s.Get(tokenOf(s)), 401) // the rejection is cached
			time.Sleep(10 * time.Second)
			wantNot200(s.T, s.Get(tokenOf(s)), "Stytch rejected the session")
		}},
		{"its old JWT rejected since", time.Hour, func(s *env) {
			s.RevokeSession(s.Session.ID)
			time.Sleep(6 * time.Minute)
			s.Want(s.Get(jwtOf(s)), 401)
			down(s)
			wantNot200(s.T, s.Get(tokenOf(s)), "Stytch rejected the session")
		}},
		{"a 429 is no outage", time.Hour, func(s *env) {
			time.Sleep(ttl)
			s.RevokeSession(s.Session.ID)
			s.SetFault(pathAuthenticate, tooMany("60"))
			for range 54 {
				s.WantRetry(s.Get(tokenOf(s)), "60")
				time.Sleep(time.Minute)
			}
		}},
		{"an answer that is no rejection does not end it", time.Hour, func(s *env) {
			time.Sleep(ttl)
			for _, f := range []stytchtest.Fault{status(404), stytchtest.HTML(404), stytchtest.OtherUser(), errorOf(401, "unauthorized_credentials")} {
				s.SetFault(pathAuthenticate, f)
				s.Want(s.Get(tokenOf(s)), 200)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Second)
			}
			up(s)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, staleFor(stale))
				s.Session = s.SignIn(stytchtest.SessionOptions{Duration: row.length})
				s.Want(s.Get(bearer(s.Session.JWT)), 200) // fetches the key set and the user
				s.Want(s.Get(tokenOf(s)), 200)
				row.do(s)
				s.WantIdle()
			})
		})
	}
}

func TestStaleIfError_DeletedUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, staleFor(time.Hour))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(time.Minute)
		s.SetFault(pathUser, errorOf(404, "user_not_found"))
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
		s.SetFault(pathUser, status(500))
		time.Sleep(10 * time.Second)
		wantNot200(s.T, s.Get(bearer(s.Session.JWT)), "Stytch said that the user does not exist")
	})
}
