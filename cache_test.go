package sessionauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// mustDecide asks for a decision and returns it.
func (s *stage) mustDecide(field string) *sessionauth.Identity {
	s.t.Helper()
	id, err := s.auth.Authenticate(newRequest("GET", field))
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func TestWhatIsCachedEndsToTheMillisecond(t *testing.T) {
	type change = func(*sessionauth.Config)
	jwt := func(s *stage) string { return bearer(s.session.JWT) }
	token := func(s *stage) string { return bearer(s.session.Token) }
	tokenInCookie := func(s *stage) string { return tokenCookie(s.session.Token) }
	both := func(s *stage) string { return bothCookies(s.session.Token, s.session.JWT) }
	invented := func(*stage) string { return bearer(inventedToken) }
	bent := func(name string, value any) func(*stage) string {
		return func(s *stage) string { return bearer(s.sign(func(_, c map[string]any) { c[name] = value })) }
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
		session time.Duration // its length
		field   func(*stage) string
		age     time.Duration // of the credential when it is first sent
		path    string        // what is called
		end     time.Duration // after it was first sent
		status  int           // before the end and after
		after   int
		calls   int // after the end; one before it if something was asked at first
	}{
		{"a JWT at exp and the default leeway", sessionOnly, 0, jwt, 0, pathAuthenticate, 5*m + 5*s, 200, 200, 1},
		{"a JWT at exp and a leeway of a minute", leeway(m), 0, jwt, 0, pathAuthenticate, 6 * m, 200, 200, 1},
		{"a JWT at exp without leeway", leeway(-1), 0, jwt, 0, pathAuthenticate, 5 * m, 200, 200, 1},
		{"a JWT at exp, seen late", sessionOnly, 0, jwt, 4 * m, pathAuthenticate, m + 5*s, 200, 200, 1},
		{"a JWT at its session's end", sessionOnly, 2 * m, jwt, 0, pathAuthenticate, 2 * m, 200, 401, 0},
		{"a JWT and token at the session's end", sessionOnly, 2 * m, both, 0, pathAuthenticate, 2 * m, 200, 401, 1},
		{"a JWT at MaxTokenAge", maxAge(90 * s), 0, jwt, 0, pathAuthenticate, 90 * s, 200, 200, 1},
		{"a JWT at MaxTokenAge, seen late", maxAge(90 * s), 0, jwt, 30 * s, pathAuthenticate, m, 200, 200, 1},
		{"a JWT whose user is kept for a minute", nil, 0, jwt, 0, pathUser, m, 200, 200, 2},
		{"a JWT whose user is kept for ten seconds", ttl(10 * s), 0, jwt, 0, pathUser, 10 * s, 200, 200, 2},
		{"a token at the default CacheTTL", nil, 0, token, 0, pathAuthenticate, m, 200, 200, 2},
		{"a token at CacheTTL", ttl(7 * s), 0, token, 0, pathAuthenticate, 7 * s, 200, 200, 2},
		{"162 a token at its session's end", nil, 40 * s, token, 0, pathAuthenticate, 40 * s, 200, 401, 2},
		{"162 a token in a cookie at its session's end", nil, 40 * s, tokenInCookie, 0, pathAuthenticate, 40 * s, 200, 401, 2},
		{"an old JWT's answer", nil, 0, jwt, 6 * m, pathAuthenticate, 30 * s, 200, 200, 2},
		{"an old JWT's answer, by the token", nil, 0, both, 6 * m, pathAuthenticate, 30 * s, 200, 200, 2},
		{"an old JWT's answer at CacheTTL", ttl(10 * s), 0, jwt, 6 * m, pathAuthenticate, 10 * s, 200, 200, 2},
		{"an old JWT's answer at MaxTokenAge", maxAge(20 * s), 0, jwt, m, pathAuthenticate, 20 * s, 200, 200, 2},
		{"an old JWT's answer, all of them", both10s, 0, both, m, pathAuthenticate, 10 * s, 200, 200, 2},
		{"an old JWT's answer at its session's end", nil, 370 * s, jwt, 6 * m, pathAuthenticate, 10 * s, 200, 401, 1},
		{"the answer about a JWT with scope", nil, 0, bent("scope", "x"), 0, pathAuthenticate, 30 * s, 200, 200, 2},
		{"152 a rejected token", nil, 0, invented, 0, pathAuthenticate, 10 * s, 401, 401, 2},
		{"a rejected user", nil, 0, bent("sub", "user-test-unknown"), 0, pathUser, 10 * s, 401, 401, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, func(c *sessionauth.Config) {
					if row.change != nil {
						row.change(c)
					}
				})
				s.session = s.StartSession(s.session.UserID, stytchtest.SessionOptions{Duration: row.session})
				field := row.field(s)
				time.Sleep(row.age)
				verdicts := map[int]ruling{200: {status: 200}, 401: want401i}
				s.wantVerdict(s.get(field), verdicts[row.status])
				first := s.Calls(row.path)
				for range 2 { // a hit never extends
					time.Sleep(row.end/2 - time.Millisecond/2)
					s.wantVerdict(s.get(field), verdicts[row.status])
				}
				s.wantCalls(row.path, first)
				time.Sleep(time.Millisecond)
				s.wantVerdict(s.get(field), verdicts[row.after])
				s.wantCalls(row.path, row.calls)
			})
		})
	}
}

func TestATokenIsAskedAgainWhenItsSessionShouldHaveEnded(t *testing.T) {
	for i, by := range []func(string) string{bearer, tokenCookie} {
		t.Run("161 by "+carriers[i].name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				short := s.StartSession(s.session.UserID, stytchtest.SessionOptions{Duration: 30 * time.Second})
				s.want(s.get(by(short.Token)), 200)
				s.want(s.get(by(s.session.Token)), 200)
				_, err := s.auth.Client().AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{
					SessionToken: short.Token, SessionDuration: time.Hour,
				})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(30*time.Second - time.Millisecond)
				s.want(s.get(by(short.Token)), 200)
				s.wantCalls(pathAuthenticate, 3)
				time.Sleep(time.Millisecond)
				s.want(s.get(by(short.Token)), 200) // a miss, not a no
				s.wantCalls(pathAuthenticate, 4)
			})
		})
	}
}

func TestAVerifiedJWTDiesWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly) // or the JWT would end with its user
		first := s.KeyID()
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.RotateKeys()
		time.Sleep(40 * time.Second)
		s.want(s.get(bearer(s.JWT(s.session.ID))), 200) // makes us fetch both keys
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.WithdrawKey(first)
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.RotateKeys()
		time.Sleep(40 * time.Second)
		s.want(s.get(bearer(s.JWT(s.session.ID))), 200)
		s.want(s.get(bearer(s.session.JWT)), 401)
		s.wantCalls(pathKeySet, 3)
		s.wantCalls(pathAuthenticate, 0)
	})
}

func TestIdentitySaysWhoDecidedAndUntilWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		began := time.Now()
		check := func(what, field string, by sessionauth.Decider, at, until time.Duration) {
			t.Helper()
			id := s.mustDecide(field)
			if id.DecidedBy != by || !id.VerifiedAt.Equal(began.Add(at)) || !id.ExpiresAt.Equal(began.Add(until)) {
				t.Errorf("%s: got %s, %v to %v, want %s, %v to %v", what, id.DecidedBy,
					id.VerifiedAt.Sub(began), id.ExpiresAt.Sub(began), by, at, until)
			}
		}
		const s1, m = time.Second, time.Minute
		time.Sleep(10 * time.Second)
		check("a JWT", bearer(s.session.JWT), sessionauth.Local, 0, 5*m)
		check("a JWT again", bearer(s.session.JWT), sessionauth.Cache, 0, 5*m)
		check("a token", bearer(s.session.Token), sessionauth.Stytch, 10*s1, 70*s1)
		time.Sleep(5 * time.Second)
		check("a token again", bearer(s.session.Token), sessionauth.Cache, 10*s1, 70*s1)
		if id := s.mustDecide(bearer(s.session.Token)); id.Refreshed.JWT != "" {
			t.Error("got a JWT from the cache of tokens, want no raw credential kept there")
		}
		time.Sleep(6*time.Minute - 15*time.Second)
		check("an old JWT", bearer(s.session.JWT), sessionauth.Stytch, 6*m, 6*m+30*s1)
		check("an old JWT again", bearer(s.session.JWT), sessionauth.Cache, 6*m, 6*m+30*s1)
	})
}

func TestNegativeCacheTTLAsksForEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.CacheTTL = -time.Hour })
		for range 3 {
			s.want(s.get(bearer(s.session.Token)), 200)
			s.want(s.get(bearer(s.session.JWT)), 200)
		}
		s.wantCalls(pathAuthenticate, 3)
		s.wantCalls(pathUser, 3)
		if id := s.mustDecide(bearer(s.session.Token)); id.ExpiresAt.Before(time.Now().Add(-time.Second)) {
			t.Errorf("got an identity that ended %v ago", time.Since(id.ExpiresAt))
		}
		s.expire()
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.wantCalls(pathAuthenticate, 6)
	})
}

func TestTheLeastRecentlyUsedMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly, func(c *sessionauth.Config) { c.CacheSize = 2 })
		a, b, c := s.signIn(stytchtest.SessionOptions{}), s.signIn(stytchtest.SessionOptions{}), s.session
		for _, sent := range []stytchtest.Session{a, b, a, c, a, c} {
			s.want(s.get(bearer(sent.Token)), 200)
			time.Sleep(time.Second) // uses within one second are one use
		}
		s.wantCalls(pathAuthenticate, 3)
		for _, sent := range []stytchtest.Session{a, b, c} { // JWTs have a cache of their own
			s.want(s.get(bearer(sent.JWT)), 200)
			s.want(s.get(tokenCookie(inventedToken+sent.ID[len(sent.ID)-8:])), 401) // and so have rejections
		}
		s.wantCalls(pathAuthenticate, 6)
		s.want(s.get(bearer(a.Token)), 200)
		s.want(s.get(bearer(c.Token)), 200)
		s.wantCalls(pathAuthenticate, 6)
		s.want(s.get(bearer(b.Token)), 200) // had to go
		s.wantCalls(pathAuthenticate, 7)
	})
}

func TestACacheOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.CacheSize = 1 })
		other := s.signIn(stytchtest.SessionOptions{})
		for i, sent := range []stytchtest.Session{s.session, s.session, other, other, s.session} {
			s.want(s.get(bearer(sent.Token)), 200)
			s.wantCalls(pathAuthenticate, []int{1, 1, 2, 2, 3}[i])
		}
		s.expire()
		for i, credential := range []string{s.session.Token, s.session.JWT, s.session.Token} { // an old JWT's answer is kept elsewhere
			s.want(s.get(bearer(credential)), 200)
			s.wantCalls(pathAuthenticate, []int{4, 5, 5}[i])
		}
	})
}

func TestSpellingsOfACachedCredentialAreOtherCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		token, jwt := s.session.Token, s.session.JWT
		s.want(s.get(bearer(token)), 200)
		s.want(s.get(bearer(jwt)), 200)
		p := strings.Split(jwt, ".")
		q := strings.Split(s.sign(func(_, c map[string]any) { c["admin"] = true }), ".")
		for _, other := range []string{
			token[:len(token)-1], token + "A", token + "=", swapCase(token), token[1:] + "AA",
			p[0] + "." + q[1] + "." + p[2], jwt[:len(jwt)-1], jwt + "A", jwt + "=", strings.ToLower(jwt), swapCase(jwt), jwt[:len(jwt)/2] + ".x.y",
		} {
			s.want(s.get(bearer(other)), 401)
			s.want(s.get(bearer(other)), 401)
		}
		s.wantThrough(2, s.session.ID)
		s.wantCalls(pathAuthenticate, 1+5) // once for each token
	})
}

func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ToUpper(string(r)) == string(r) {
			return []rune(strings.ToLower(string(r)))[0]
		}
		return []rune(strings.ToUpper(string(r)))[0]
	}, text)
}

func TestAuthenticatorsShareNothing(t *testing.T) {
	otherProject := func(c *sessionauth.Config) { c.ProjectID = "project-test-00000000-0000-4000-8000-000000000000" }
	for name, change := range map[string]func(*sessionauth.Config){
		"158 another project": otherProject, "159 the same project at another URL": func(c *sessionauth.Config) { c.BaseURL = "https://two.invalid" },
	} {
		for _, by := range carriers {
			t.Run(name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { sharesNothing(t, change, by.carry) })
			})
		}
	}
}

func sharesNothing(t *testing.T, change func(*sessionauth.Config), carry func(string) string) {
	first := newStage(t)
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
	token, jwt := carry(bearer(first.session.Token)), carry(bearer(first.session.JWT))
	first.want(first.get(token), 200)
	first.handler = auth.Require(first.next())
	first.wantVerdict(first.get(token), want401i)
	first.wantCalls(pathAuthenticate, 1)
	if got := second.Calls(pathAuthenticate); got != 1 {
		t.Errorf("got %d calls of the second Stytch, want 1", got)
	}
	first.wantVerdict(first.get(jwt), want401i)
	first.wantThrough(1, first.session.ID)
}

func TestUsersAreNeverSwapped(t *testing.T) {
	t.Run("164 by header and by cookie", func(t *testing.T) { synctest.Test(t, neverSwapped) })
}

func neverSwapped(t *testing.T) {
	const users, rounds = 48, 6
	s := newStage(t, func(c *sessionauth.Config) { c.CacheSize, c.CacheTTL, c.MaxInFlight = 20, 3*time.Second, 1000 })
	s.handler = s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := sessionauth.FromContext(r.Context())
		if want := r.Header.Get("X-Want"); id.Session.UserID != want || id.User.ID != want {
			t.Errorf("got user %s and %s, want %s", id.Session.UserID, id.User.ID, want)
		}
	}))
	s.SetFault("", stytchtest.Fault{Delay: 100 * time.Millisecond})
	var wg sync.WaitGroup
	for i := range users {
		own := s.signIn(stytchtest.SessionOptions{})
		bad := strings.Split(own.JWT, ".")
		good := []string{bearer(own.JWT), bearer(own.Token), jwtCookie(own.JWT), bothCookies(own.Token, own.JWT)}
		refused := []string{bearer(bad[0] + "." + bad[1] + "." + bad[2][1:] + "A"), tokenCookie(fmt.Sprintf("invented-token-%d", i)), jwtCookie(bad[1] + "." + bad[0] + "." + bad[2])}
		for range rounds {
			for _, field := range good {
				wg.Go(func() { s.want(s.get(field, "X-Want: "+own.UserID), 200) })
			}
			for _, field := range refused {
				wg.Go(func() { s.wantVerdict(s.get(field, "X-Want: nobody"), want401i) })
			}
			time.Sleep(time.Second)
		}
	}
	wg.Wait()
}

func TestAFloodOfBadCredentialsEvictsNobody(t *testing.T) {
	s := newStage(t) // the time it takes is real
	var good []stytchtest.Session
	for range 100 {
		good = append(good, s.signIn(stytchtest.SessionOptions{}))
		s.want(s.get(bearer(good[len(good)-1].Token)), 200)
	}
	const flood = 5000 // more than rejections are remembered
	r := newRequest("GET")
	for i := range flood {
		r.Header.Set("Authorization", fmt.Sprintf("Bearer invented-token-%d", i))
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != 401 {
			t.Fatalf("got status %d, want 401", w.Code)
		}
	}
	for _, session := range good {
		s.want(s.get(bearer(session.Token)), 200)
	}
	s.wantCalls(pathAuthenticate, len(good)+flood)
	began := time.Now()
	for i := range 300 {
		s.want(s.get(bearer(s.unknownKey(fmt.Sprint("jwk-", i), time.Minute))), 401)
		s.want(s.get(bearer(s.session.JWT[:len(s.session.JWT)-8]+fmt.Sprintf("%08d", i))), 401)
		s.want(s.get(bearer(fmt.Sprint(i, ".garbage."))), 401)
	}
	t.Logf("900 bad JWTs took %v", time.Since(began))
	s.want(s.get(bearer(s.session.JWT)), 200)
	s.wantCalls(pathAuthenticate, len(good)+flood)
}
