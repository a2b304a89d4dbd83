package sessionauth_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func adasSignIn(password string) stytch.AuthenticatePasswordParams {
	return stytch.AuthenticatePasswordParams{Email: "ada@example.com", Password: password, SessionDuration: time.Hour}
}

// strangers sends so many invented tokens at once and counts what became of
// them.
func strangers(s *stage, n, from int) map[int]int {
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

func TestStrangersHaveALaneOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly, func(c *sessionauth.Config) { c.MaxInFlight = 16 })
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		jwts := oldJWTs(s)
		s.Expire()
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})

		// crowd sends strangers, and then signed-in users, who find room.
		crowd := func(from, room int, jwts []string) {
			t.Helper()
			var wg sync.WaitGroup
			wg.Go(func() {
				got := strangers(s, 100, from)
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
		crowd(0, 8, jwts[:8]) // half of 16
		time.Sleep(2 * time.Second)

		s.SetFault(pathAuthenticate, stytchtest.Fault{})
		for i := range 101 {
			s.Want(s.Get(bearer(inventedToken+strconv.Itoa(1000+i))), 401)
		}
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		crowd(2000, 2, jwts[8:22]) // an eighth
		time.Sleep(2 * time.Second)
		crowd(3000, 8, jwts[22:30])
		s.WantIdle()
	})
}

func TestA429QuietsItsLaneOnly(t *testing.T) {
	rows := []struct {
		name         string
		shut, others func(s *stage, i int) string
	}{
		{"strangers", breakerKinds[1].field, breakerKinds[0].field},
		{"signed-in users", breakerKinds[0].field, breakerKinds[1].field},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			t.Run("174 "+row.name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					shut := func(s *stage, i int) string { return by.Carry(row.shut(s, i)) }
					quietsItsLane(t, shut, func(s *stage, i int) string { return by.Carry(row.others(s, i)) })
				})
			})
		}
	}
}

func quietsItsLane(t *testing.T, shut, others func(*stage, int) string) {
	s := newStage(t, sessionOnly)
	sessions(s)
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.Expire()
	s.SetFault(pathAuthenticate, tooMany("7"))
	resp := s.Get(shut(s, 0))
	s.WantAnswer(resp, want503r)
	s.WantRetry(resp, "7")
	s.WantCalls(pathAuthenticate, 1)
	s.SetFault(pathAuthenticate, stytchtest.Fault{})
	time.Sleep(2500 * time.Millisecond)
	s.WantRetry(s.Get(shut(s, 1)), "5")
	s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200) // a JWT that is fresh asks nobody
	s.Want(s.Get(jwtCookie(s.JWT(s.Session.ID))), 200)
	s.WantCalls(pathAuthenticate, 1)
	s.Want(s.Get(others(s, 10)), 200)
	time.Sleep(4500*time.Millisecond - 1)
	s.WantRetry(s.Get(shut(s, 1)), "1")
	s.WantCalls(pathAuthenticate, 2)
	time.Sleep(time.Nanosecond)
	s.Want(s.Get(shut(s, 1)), 200)
}

func TestWhatIsSafeIsAskedTwice(t *testing.T) {
	extends := func(c *sessionauth.Config) { c.SessionDuration = time.Hour }
	rows := []struct {
		name   string
		w      stytchtest.Fault
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
				s := newStage(t, row.change)
				s.SetFault(pathAuthenticate, row.w)
				s.Want(s.Get(bearer(s.Session.Token)), 503)
				s.WantCalls(pathAuthenticate, row.calls)
			})
		})
	}
	t.Run("the second answer counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			for _, ask := range authtest.NeedsCall {
				ask.Prepare(s)
				s.SetFault(ask.Path, status(503).For(1))
				before := s.Calls(ask.Path)
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, before+2)
				s.Auth.Forget(s.Session.ID, s.Session.UserID)
				s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{})
			}
		})
	})
	t.Run("never a sign-in, never a revocation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.SetFault("", status(503))
			if _, err := s.Auth.SignIn(t.Context(), adasSignIn(authtest.Password)); err == nil {
				t.Error("got a sign-in, want ErrUnavailable")
			}
			if err := s.Auth.Revoke(t.Context(), s.Session.ID); err == nil {
				t.Error("got no error, want ErrUnavailable")
			}
			s.WantCalls("/v1/passwords/authenticate", 1)
			s.WantCalls(pathRevoke, 1)
		})
	})
}

func TestStaleIfErrorHasItsEnd(t *testing.T) {
	const ttl, stale = time.Minute, 10 * time.Minute
	down := func(s *stage) { s.SetFault("", status(500)) }
	up := func(s *stage) { s.SetFault("", stytchtest.Fault{}) }
	rows := []struct {
		name   string
		length time.Duration // of the session
		do     func(s *stage)
	}{
		{"CacheTTL and StaleIfError", time.Hour, func(s *stage) {
			down(s)
			time.Sleep(ttl + stale - time.Millisecond)
			s.Want(s.Get(tokenOf(s)), 200)
			time.Sleep(time.Millisecond)
			s.Want(s.Get(tokenOf(s)), 503)
		}},
		{"use does not extend it", time.Hour, func(s *stage) {
			down(s)
			for range 11*60 - 1 {
				time.Sleep(time.Second)
				s.Want(s.Get(tokenOf(s)), 200)
			}
			time.Sleep(time.Second)
			s.Want(s.Get(tokenOf(s)), 503)
		}},
		{"the session's own end", 5 * time.Minute, func(s *stage) {
			down(s)
			time.Sleep(5*time.Minute - time.Millisecond)
			s.Want(s.Get(tokenOf(s)), 200)
			time.Sleep(time.Millisecond)
			if resp := s.Get(tokenOf(s)); resp.StatusCode == 200 {
				s.T.Error("got a session that has ended")
			}
		}},
		{"revoked here while Stytch is down", time.Hour, func(s *stage) {
			down(s)
			time.Sleep(2 * ttl)
			s.Want(s.Get(tokenOf(s)), 200)
			_ = s.Auth.Revoke(s.T.Context(), s.Session.ID)
			if resp := s.Get(tokenOf(s)); resp.StatusCode == 200 {
				s.T.Error("got a session that was revoked here")
			}
		}},
		{"signed out here by its JWT", time.Hour, func(s *stage) {
			down(s)
			time.Sleep(2 * ttl)
			_ = s.Auth.SignOut(s.T.Context(), sessionauth.Credential{JWT: s.Session.JWT})
			if resp := s.Get(tokenOf(s)); resp.StatusCode == 200 {
				s.T.Error("got a session that was signed out here")
			}
		}},
		{"signed out here by its token", time.Hour, func(s *stage) {
			down(s)
			time.Sleep(2 * ttl)
			_ = s.Auth.SignOut(s.T.Context(), sessionauth.Credential{Token: s.Session.Token})
			if resp := s.Get(tokenOf(s)); resp.StatusCode == 200 {
				s.T.Error("got a session that was signed out here")
			}
		}},
		{"Stytch has said no since", time.Hour, func(s *stage) {
			s.RevokeSession(s.Session.ID)
			time.Sleep(ttl)
			s.Want(s.Get(tokenOf(s)), 401)
			down(s)
			s.Want(s.Get(tokenOf(s)), 401) // remembered
			time.Sleep(10 * time.Second)
			if resp := s.Get(tokenOf(s)); resp.StatusCode == 200 {
				s.T.Error("got a session through that Stytch has said is none")
			}
		}},
		{"Stytch has said no to its old JWT since", time.Hour, func(s *stage) {
			s.RevokeSession(s.Session.ID)
			time.Sleep(6 * time.Minute)
			s.Want(s.Get(jwtOf(s)), 401)
			down(s)
			if resp := s.Get(tokenOf(s)); resp.StatusCode == 200 {
				s.T.Error("got a session through that Stytch has said is none")
			}
		}},
		{"a no that is none of Stytch's ends nothing", time.Hour, func(s *stage) {
			time.Sleep(ttl)
			for _, w := range []stytchtest.Fault{status(404), stytchtest.HTML(404), tooMany("1"), stytchtest.OtherUser(), refusedAs(401, "unauthorized_credentials")} {
				s.SetFault(pathAuthenticate, w)
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
				s := newStage(t, staleFor(stale))
				s.Session = s.SignIn(stytchtest.SessionOptions{Duration: row.length})
				s.Want(s.Get(bearer(s.Session.JWT)), 200) // the key set, and the user
				s.Want(s.Get(tokenOf(s)), 200)
				row.do(s)
				s.WantIdle()
			})
		})
	}
}

// A user whom Stytch has said is gone does not come back in an outage.
func TestStaleIfErrorBringsNoDeletedUserBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, staleFor(time.Hour))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(time.Minute)
		s.SetFault(pathUser, refusedAs(404, "user_not_found"))
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
		s.SetFault(pathUser, status(500))
		time.Sleep(10 * time.Second)
		if resp := s.Get(bearer(s.Session.JWT)); resp.StatusCode == http.StatusOK {
			t.Error("got a user through whom Stytch has said is gone")
		}
	})
}
