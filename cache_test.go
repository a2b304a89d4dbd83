package sessionauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestCache_EndsToTheMillisecond(t *testing.T) {
	type change = func(*sessionauth.Config)
	jwt := func(s *env) string { return bearer(s.Session.JWT) }
	token := func(s *env) string { return bearer(s.Session.Token) }
	tokenInCookie := func(s *env) string { return tokenCookie(s.Session.Token) }
	both := func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) }
	invented := func(*env) string { return bearer(inventedToken) }
	bent := func(name string, value any) func(*env) string {
		return func(s *env) string { return bearer(s.SignJWT(func(_, c map[string]any) { c[name] = value })) }
	}
	ttl := func(d time.Duration) change { return func(c *sessionauth.Config) { c.CacheTTL = d } }
	leeway := func(d time.Duration) change {
		return func(c *sessionauth.Config) { c.SessionOnly, c.Leeway = true, d }
	}
	maxAge := func(d time.Duration) change { return func(c *sessionauth.Config) { c.MaxTokenAge = d } }
	both10s := func(c *sessionauth.Config) { c.CacheTTL, c.MaxTokenAge = 10*time.Second, 10*time.Second }
	const s, m = time.Second, time.Minute
	rows := []struct {
		name    string
		change  change
		session time.Duration // length of the session
		field   func(*env) string
		age     time.Duration // age of the credential when the first request sends it
		path    string        // endpoint of the counted calls
		end     time.Duration // time from the first request to the end of its entry
		status  int           // status before the end and after it
		after   int
		calls   int // number of calls in the whole test
	}{
		{"a JWT at exp and the default leeway", sessionOnly, 0, jwt, 0, pathAuthenticate, 5*m + 5*s, 200, 200, 1},
		{"a JWT at exp and a leeway of a minute", leeway(m), 0, jwt, 0, pathAuthenticate, 6 * m, 200, 200, 1},
		{"a JWT at exp without leeway", leeway(-1), 0, jwt, 0, pathAuthenticate, 5 * m, 200, 200, 1},
		{"a JWT at exp, seen late", sessionOnly, 0, jwt, 4 * m, pathAuthenticate, m + 5*s, 200, 200, 1},
		{"a JWT at the end of its session", sessionOnly, 2 * m, jwt, 0, pathAuthenticate, 2 * m, 200, 401, 0},
		{"a JWT and token at the end of the session", sessionOnly, 2 * m, both, 0, pathAuthenticate, 2 * m, 200, 401, 2},
		{"a JWT at MaxTokenAge", maxAge(90 * s), 0, jwt, 0, pathAuthenticate, 90 * s, 200, 200, 1},
		{"a JWT at MaxTokenAge, seen late", maxAge(90 * s), 0, jwt, 30 * s, pathAuthenticate, m, 200, 200, 1},
		{"a JWT whose user is cached for a minute", nil, 0, jwt, 0, pathUser, m, 200, 200, 2},
		{"a JWT whose user is cached for ten seconds", ttl(10 * s), 0, jwt, 0, pathUser, 10 * s, 200, 200, 2},
		{"a token at the default CacheTTL", nil, 0, token, 0, pathAuthenticate, m, 200, 200, 2},
		{"a token at CacheTTL", ttl(7 * s), 0, token, 0, pathAuthenticate, 7 * s, 200, 200, 2},
		{"162 a token at the end of its session", nil, 40 * s, token, 0, pathAuthenticate, 40 * s, 200, 401, 2},
		{"162 a token in a cookie at the end of its session", nil, 40 * s, tokenInCookie, 0, pathAuthenticate, 40 * s, 200, 401, 2},
		{"the entry of an old JWT", nil, 0, jwt, 6 * m, pathAuthenticate, 30 * s, 200, 200, 2},
		{"the entry of an old JWT, by the token", nil, 0, both, 6 * m, pathAuthenticate, 30 * s, 200, 200, 2},
		{"the entry of an old JWT at CacheTTL", ttl(10 * s), 0, jwt, 6 * m, pathAuthenticate, 10 * s, 200, 200, 2},
		{"the entry of an old JWT at MaxTokenAge", maxAge(20 * s), 0, jwt, m, pathAuthenticate, 20 * s, 200, 200, 2},
		{"the entry of an old JWT, all limits", both10s, 0, both, m, pathAuthenticate, 10 * s, 200, 200, 2},
		{"the entry of an old JWT at the end of its session", nil, 370 * s, jwt, 6 * m, pathAuthenticate, 10 * s, 200, 401, 1},
		{"the entry of a JWT with client_id", nil, 0, bent("client_id", "x"), 0, pathAuthenticate, 30 * s, 200, 200, 2},
		{"152 a rejected token", nil, 0, invented, 0, pathAuthenticate, 10 * s, 401, 401, 2},
		{"a rejected user", nil, 0, bent("sub", "user-test-unknown"), 0, pathUser, 10 * s, 401, 401, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) {
					if row.change != nil {
						row.change(c)
					}
				})
				s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{Duration: row.session})
				field := row.field(s)
				time.Sleep(row.age)
				verdicts := map[int]authtest.Answer{200: {Status: 200}, 401: want401i}
				s.WantAnswer(s.Get(field), verdicts[row.status])
				first := s.Calls(row.path)
				for range 2 { // a cache hit does not extend the entry
					time.Sleep(row.end/2 - time.Millisecond/2)
					s.WantAnswer(s.Get(field), verdicts[row.status])
				}
				s.WantCalls(row.path, first)
				time.Sleep(time.Millisecond)
				s.WantAnswer(s.Get(field), verdicts[row.after])
				s.WantCalls(row.path, row.calls)
			})
		})
	}
}

func TestCache_TokenAtTheEndOfItsSession(t *testing.T) {
	for i, by := range []func(string) string{bearer, tokenCookie} {
		t.Run("161 by "+authtest.Carriers[i].Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				short := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{Duration: 30 * time.Second})
				s.Want(s.Get(by(short.Token)), 200)
				s.Want(s.Get(by(s.Session.Token)), 200)
				_, err := s.Auth.Client().AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{
					SessionToken: short.Token, SessionDuration: time.Hour,
				})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(30*time.Second - time.Millisecond)
				s.Want(s.Get(by(short.Token)), 200)
				s.WantCalls(pathAuthenticate, 3)
				time.Sleep(time.Millisecond)
				s.Want(s.Get(by(short.Token)), 200) // a cache miss; the session is still alive
				s.WantCalls(pathAuthenticate, 4)
			})
		})
	}
}

func TestCache_JWTEndsWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly) // without users, so that the entry does not expire with the user's
		first := s.KeyID()
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.RotateKeys()
		time.Sleep(40 * time.Second)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200) // this fetch gets both keys
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WithdrawKey(first)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.RotateKeys()
		time.Sleep(40 * time.Second)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
		s.WantCalls(pathKeySet, 3)
		s.WantCalls(pathAuthenticate, 0)
	})
}

func TestCache_IdentityTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		began := time.Now()
		check := func(what, field string, by sessionauth.Decider, at, until time.Duration) {
			t.Helper()
			id := s.Authenticate(field)
			if id.DecidedBy != by || !id.VerifiedAt.Equal(began.Add(at)) || !id.ExpiresAt.Equal(began.Add(until)) {
				t.Errorf("%s: got %s, %v to %v, want %s, %v to %v", what, id.DecidedBy,
					id.VerifiedAt.Sub(began), id.ExpiresAt.Sub(began), by, at, until)
			}
		}
		const s1, m = time.Second, time.Minute
		time.Sleep(10 * time.Second)
		check("a JWT", bearer(s.Session.JWT), sessionauth.Local, 0, 5*m)
		check("a JWT again", bearer(s.Session.JWT), sessionauth.Cache, 0, 5*m)
		check("a token", bearer(s.Session.Token), sessionauth.Stytch, 10*s1, 70*s1)
		time.Sleep(5 * time.Second)
		check("a token again", bearer(s.Session.Token), sessionauth.Cache, 10*s1, 70*s1)
		if id := s.Authenticate(bearer(s.Session.Token)); id.Refreshed.JWT != "" {
			t.Error("got a JWT from the cache of tokens, want none, credentials are not stored")
		}
		time.Sleep(6*time.Minute - 15*time.Second)
		check("an old JWT", bearer(s.Session.JWT), sessionauth.Stytch, 6*m, 6*m+30*s1)
		check("an old JWT again", bearer(s.Session.JWT), sessionauth.Cache, 6*m, 6*m+30*s1)
	})
}

func TestCache_NegativeTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.CacheTTL = -time.Hour })
		for range 3 {
			s.Want(s.Get(bearer(s.Session.Token)), 200)
			s.Want(s.Get(bearer(s.Session.JWT)), 200)
		}
		s.WantCalls(pathAuthenticate, 3)
		s.WantCalls(pathUser, 3)
		if id := s.Authenticate(bearer(s.Session.Token)); id.ExpiresAt.Before(time.Now().Add(-time.Second)) {
			t.Errorf("got an identity that ended %v ago", time.Since(id.ExpiresAt))
		}
		s.Expire()
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 6)
	})
}

func TestCache_LeastRecentlyUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly, func(c *sessionauth.Config) { c.CacheSize = 2 })
		a, b, c := s.SignIn(stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{}), s.Session
		for _, sent := range []stytchtest.Session{a, b, a, c, a, c} {
			s.Want(s.Get(bearer(sent.Token)), 200)
			time.Sleep(time.Second) // two uses within a second may count as one
		}
		s.WantCalls(pathAuthenticate, 3)
		for _, sent := range []stytchtest.Session{a, b, c} { // JWTs have their own cache
			s.Want(s.Get(bearer(sent.JWT)), 200)
			s.Want(s.Get(tokenCookie(inventedToken+sent.ID[len(sent.ID)-8:])), 401) // rejections have their own cache
		}
		s.WantCalls(pathAuthenticate, 6)
		s.Want(s.Get(bearer(a.Token)), 200)
		s.Want(s.Get(bearer(c.Token)), 200)
		s.WantCalls(pathAuthenticate, 6)
		s.Want(s.Get(bearer(b.Token)), 200) // this token was evicted
		s.WantCalls(pathAuthenticate, 7)
	})
}

func TestCache_SizeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.CacheSize = 1 })
		other := s.SignIn(stytchtest.SessionOptions{})
		for i, sent := range []stytchtest.Session{s.Session, s.Session, other, other, s.Session} {
			s.Want(s.Get(bearer(sent.Token)), 200)
			s.WantCalls(pathAuthenticate, []int{1, 1, 2, 2, 3}[i])
		}
		s.Expire()
		for i, credential := range []string{s.Session.Token, s.Session.JWT, s.Session.Token} { // expired JWTs have their own cache
			s.Want(s.Get(bearer(credential)), 200)
			s.WantCalls(pathAuthenticate, []int{4, 5, 5}[i])
		}
	})
}

func TestCache_OtherSpellings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		token, jwt := s.Session.Token, s.Session.JWT
		s.Want(s.Get(bearer(token)), 200)
		s.Want(s.Get(bearer(jwt)), 200)
		p := strings.Split(jwt, ".")
		q := strings.Split(s.SignJWT(func(_, c map[string]any) { c["admin"] = true }), ".")
		for _, other := range []string{
			token[:len(token)-1], token + "A", token + "=", authtest.SwapCase(token), token[1:] + "AA",
			p[0] + "." + q[1] + "." + p[2], jwt[:len(jwt)-1], jwt + "A", jwt + "=", strings.ToLower(jwt), authtest.SwapCase(jwt), jwt[:len(jwt)/2] + ".x.y",
		} {
			s.Want(s.Get(bearer(other)), 401)
			s.Want(s.Get(bearer(other)), 401)
		}
		s.WantPassed(2, s.Session.ID)
		s.WantCalls(pathAuthenticate, 1+5) // one call for the session and one for each other token
	})
}

func TestCache_AuthenticatorsShareNothing(t *testing.T) {
	otherProject := func(c *sessionauth.Config) { c.ProjectID = "project-test-00000000-0000-4000-8000-000000000000" }
	for name, change := range map[string]func(*sessionauth.Config){
		"158 another project": otherProject, "159 the same project at another URL": func(c *sessionauth.Config) { c.BaseURL = "https://two.invalid" },
	} {
		for _, by := range authtest.Carriers {
			t.Run(name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { sharesNothing(t, change, by.Carry) })
			})
		}
	}
}

func sharesNothing(t *testing.T, change func(*sessionauth.Config), carry func(string) string) {
	first := newEnv(t)
	second := stytchtest.NewServer()
	config := sessionauth.Config{ProjectID: second.ProjectID, Secret: second.Secret}
	change(&config)
	second.ProjectID = config.ProjectID
	if config.BaseURL != "" {
		second.URL = config.BaseURL
	}
	config.BaseURL, config.HTTPClient = second.URL, second.Client()
	auth, err := sessionauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	token, jwt := carry(bearer(first.Session.Token)), carry(bearer(first.Session.JWT))
	first.Want(first.Get(token), 200)
	first.Handler = auth.Require(first.Next())
	first.WantAnswer(first.Get(token), want401i)
	first.WantCalls(pathAuthenticate, 1)
	if got := second.Calls(pathAuthenticate); got != 1 {
		t.Errorf("got %d calls of the second Stytch, want 1", got)
	}
	first.WantAnswer(first.Get(jwt), want401i)
	first.WantPassed(1, first.Session.ID)
}

func TestCache_UsersAreNeverSwapped(t *testing.T) {
	t.Run("164 by header and by cookie", func(t *testing.T) { synctest.Test(t, neverSwapped) })
}

func neverSwapped(t *testing.T) {
	const users, rounds = 48, 6
	s := newEnv(t, func(c *sessionauth.Config) { c.CacheSize, c.CacheTTL, c.MaxInFlight = 20, 3*time.Second, 1000 })
	s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := sessionauth.FromContext(r.Context())
		if want := r.Header.Get("X-Want"); id.Session.UserID != want || id.User.ID != want {
			t.Errorf("got user %s and %s, want %s", id.Session.UserID, id.User.ID, want)
		}
	}))
	s.SetFault("", stytchtest.Fault{Delay: 100 * time.Millisecond})
	var wg sync.WaitGroup
	for i := range users {
		own := s.SignIn(stytchtest.SessionOptions{})
		bad := strings.Split(own.JWT, ".")
		good := []string{bearer(own.JWT), bearer(own.Token), jwtCookie(own.JWT), bothCookies(own.Token, own.JWT)}
		refused := []string{bearer(bad[0] + "." + bad[1] + "." + bad[2][1:] + "A"), tokenCookie(fmt.Sprintf("invented-token-%d", i)), jwtCookie(bad[1] + "." + bad[0] + "." + bad[2])}
		for range rounds {
			for _, field := range good {
				wg.Go(func() { s.Want(s.Get(field, "X-Want: "+own.UserID), 200) })
			}
			for _, field := range refused {
				wg.Go(func() { s.WantAnswer(s.Get(field, "X-Want: nobody"), want401i) })
			}
			time.Sleep(time.Second)
		}
	}
	wg.Wait()
}

func TestForget_DropsEntries(t *testing.T) {
	rows := []struct {
		name          string
		id            func(*env) string
		session, user int // calls after Forget
	}{
		{"session ID", func(s *env) string { return s.Session.ID }, 2, 1},
		{"user ID", func(s *env) string { return s.Session.UserID }, 2, 2},
		{"another session ID", func(*env) string { return "session-test-other" }, 1, 1},
		{"an empty ID", func(*env) string { return "" }, 1, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				other := s.SignIn(stytchtest.SessionOptions{})
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				s.Want(s.Get(bearer(s.Session.Token)), 200)
				s.Want(s.Get(bearer(other.Token)), 200)
				s.WantCalls(pathUser, 1)
				s.WantCalls(pathAuthenticate, 2)
				s.Auth.Forget("session-test-1", row.id(s))
				s.Want(s.Get(bearer(s.Session.JWT)), 200) // Forget does not refuse the session
				s.WantCalls(pathUser, row.user)
				s.Want(s.Get(bearer(s.Session.Token)), 200)
				s.Want(s.Get(bearer(other.Token)), 200)
				s.WantCalls(pathAuthenticate, row.session+1)
			})
		})
	}
}

func TestForget_OldJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Expire()
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		s.RevokeSession(s.Session.ID)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		s.Auth.Forget(s.Session.ID)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 401)
	})
}

func TestForget_VerifiesTheJWTAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		for _, want := range []sessionauth.Decider{sessionauth.Local, sessionauth.Cache} {
			if id := s.Authenticate(bearer(s.Session.JWT)); id.DecidedBy != want {
				t.Errorf("got %s, want %s", id.DecidedBy, want)
			}
		}
		s.Auth.Forget(s.Session.UserID)
		if id := s.Authenticate(bearer(s.Session.JWT)); id.DecidedBy != sessionauth.Local {
			t.Errorf("got %s, want %s", id.DecidedBy, sessionauth.Local)
		}
	})
}

func TestForget_DuringACallKeepsTheNewerAnswer(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				ask.Prepare(s)
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second))
				done := make(chan struct{})
				go func() {
					defer close(done)
					s.Want(s.Get(ask.Field(s)), 200) // this request arrives before Forget
				}()
				time.Sleep(500 * time.Millisecond)
				s.Auth.Forget(s.Session.UserID)
				s.Want(s.Get(ask.Field(s)), 200) // this request does not share the earlier call
				s.WantCalls(ask.Path, 2)
				<-done
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, 2) // the cache has the answer of the later call
			})
		})
	}
}

func TestForget_DuringACallStoresNothing(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				ask.Prepare(s)
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second))
				time.AfterFunc(500*time.Millisecond, func() { s.Auth.Forget(s.Session.ID, s.Session.UserID) })
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, 1)
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, 2)
			})
		})
	}
}

// forgetEvery calls Forget repeatedly with the id of an unrelated user.
func forgetEvery(s *env, interval time.Duration, times int) {
	other := s.SignIn(stytchtest.SessionOptions{}).UserID
	go func() {
		for range times {
			time.Sleep(interval)
			s.Auth.Forget(other)
		}
	}()
}

func TestForget_AnotherUserDuringCalls(t *testing.T) {
	authtest.SkipIfShort(t)
	for name, rows := range map[string]struct{ sessions, requests int }{
		"200 live tokens, 50 requests each": {200, 50},
		"one token, 50 requests at once":    {1, 50},
		"two tokens, 500 requests for 5 s":  {2, 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) { c.MaxInFlight = 1000 })
				s.SetFault("", stytchtest.Fault{Delay: 100 * time.Millisecond})
				forgetEvery(s, 90*time.Millisecond, 60)
				var all sync.WaitGroup
				for _, session := range s.SignInMany(rows.sessions) {
					for i := range rows.requests {
						all.Go(func() {
							time.Sleep(time.Duration(i) * 10 * time.Millisecond)
							s.Want(s.Get(bearer(session.Token)), 200)
						})
					}
				}
				all.Wait()
				s.WantCalls(pathAuthenticate, rows.sessions)
				time.Sleep(5 * time.Second)
			})
		})
	}
}

// While a call is in progress, Forget remembers only a limited number of ids. If there are more,
// the answer of that call is not stored.
func TestForget_ManyDuringACallStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		time.AfterFunc(500*time.Millisecond, func() {
			s.Auth.Forget(s.Session.UserID)
			for i := range 5000 {
				s.Auth.Forget(fmt.Sprint("user-test-", i))
			}
		})
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.WantCalls(pathAuthenticate, 1)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.WantCalls(pathAuthenticate, 2)
	})
}

// Forget with a user id drops all sessions and credentials of that user and none of another user.
func TestForget_EverySessionOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.MaxInFlight = 1000 })
		sessions := s.SignInMany(50)
		for range 50 {
			sessions = append(sessions, s.StartSession(s.Session.UserID, stytchtest.SessionOptions{}))
		}
		get := func() {
			for _, session := range sessions {
				s.Want(s.Get(bearer(session.Token)), 200)
			}
		}
		get()
		get()
		s.WantCalls(pathAuthenticate, 100)
		s.Auth.Forget(s.Session.UserID)
		get()
		s.WantCalls(pathAuthenticate, 150)
		s.Auth.Forget(sessions[0].ID, sessions[99].ID)
		get()
		s.WantCalls(pathAuthenticate, 152)
	})
}

// A session has a limited number of cached JWTs. A new one evicts only JWTs of the same session.
func TestCache_EightJWTsOfOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		var jwts []string
		for range 16 {
			jwts = append(jwts, s.JWT(s.Session.ID))
			time.Sleep(time.Second)
		}
		for _, jwt := range jwts {
			s.Authenticate(bearer(jwt))
		}
		for i, jwt := range jwts[8:] {
			if by := s.Authenticate(bearer(jwt)).DecidedBy; by != sessionauth.Cache {
				t.Errorf("JWT %d: got decided by %s, want %s", 8+i, by, sessionauth.Cache)
			}
		}
		if by := s.Authenticate(bearer(jwts[7])).DecidedBy; by != sessionauth.Local {
			t.Errorf("the ninth newest JWT: got decided by %s, want %s", by, sessionauth.Local)
		}
	})
}

// A JWT that is verified a second time does not take a second place in the cache.
func TestCache_JWTVerifiedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.CacheTTL = 10 * time.Second })
		for range 7 {
			s.Authenticate(bearer(s.Session.JWT))
			time.Sleep(11 * time.Second)
		}
		s.Authenticate(bearer(s.Session.JWT))
		s.Authenticate(bearer(s.JWT(s.Session.ID)))
		if by := s.Authenticate(bearer(s.Session.JWT)).DecidedBy; by != sessionauth.Cache {
			t.Errorf("got decided by %s, want %s", by, sessionauth.Cache)
		}
	})
}
