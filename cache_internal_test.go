package sessionauth

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/lru"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Several first requests, each with another JWT of one session, wait for the same user and continue
// at the same time. The limit on the JWTs of a session holds.
func TestCaches_JWTsOfOneSessionAtOnce(t *testing.T) {
	e := &entry{session: &stytch.Session{ID: "session-test-1"}}
	var keys [64]digest
	for i := range keys {
		keys[i] = digestOf(fmt.Sprint(i))
	}
	for range 300 { // repeated, because the goroutines do not always meet
		c := newCaches(1000, 1<<30)
		var all sync.WaitGroup
		start := make(chan struct{})
		for _, key := range keys {
			all.Go(func() {
				<-start
				c.addJWT(key, e, time.Now())
			})
		}
		close(start)
		all.Wait()
		cached := 0
		for _, key := range keys {
			if _, ok := c.jwts.Get(key, time.Now()); ok {
				cached++
			}
		}
		if cached != maxJWTs {
			t.Fatalf("got %d JWTs of one session in the cache, want %d", cached, maxJWTs)
		}
	}
}

// The size of an entry includes everything that the entry keeps in memory, such as the text of its
// JWT, so that CacheBytes limits the real memory.
func TestEntry_SizeCountsTheJWT(t *testing.T) {
	srv := stytchtest.NewServer()
	a, err := New(Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	user := srv.AddUser(stytchtest.User{Email: "ada@example.com"})
	token, err := a.sessions.verifier.Verify(t.Context(), srv.StartSession(user.ID, stytchtest.SessionOptions{}).JWT)
	if err != nil {
		t.Fatal(err)
	}
	e := &entry{session: token.Session}
	bare := e.size()
	e.token = token
	if got := e.size() - bare; got < 900 {
		t.Errorf("got %d bytes for a JWT, want those of its header and payload, about 1,000", got)
	}
}

// A digest of a text that is longer than the buffer on the stack must be the same SHA-256.
// Each entry keeps its user in memory.
func TestEntry_SizeCountsTheUser(t *testing.T) {
	e := &entry{session: &stytch.Session{}}
	bare := e.size()
	e.user = &stytch.User{TrustedMetadata: make(stytch.Object, 4000), UntrustedMetadata: make(stytch.Object, 4000)}
	if got := e.size() - bare; got < 8000 {
		t.Errorf("got %d bytes for a user, want those of its metadata, 8,000", got)
	}
}

// The default sizes hold 10,000 sessions with a JWT, a token and a user of ordinary size.
func TestCaches_DefaultSizes(t *testing.T) {
	srv := stytchtest.NewServer()
	a, err := New(Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	srvUser := srv.AddUser(stytchtest.User{Email: "ada@example.com"})
	token, err := a.sessions.verifier.Verify(t.Context(), srv.StartSession(srvUser.ID, stytchtest.SessionOptions{}).JWT)
	if err != nil {
		t.Fatal(err)
	}
	now, n := time.Now(), a.config.CacheSize
	user := &stytch.User{Emails: make([]stytch.Email, 1), Roles: make([]string, 1)}
	c := a.sessions.caches
	var jwts, tokens, users int
	for i := range n {
		session := *token.Session
		session.ID = fmt.Sprint(i)
		session.Factors = make([]stytch.AuthenticationFactor, 1)
		key := digestOf(session.ID)
		c.jwts.Add(key, &entry{session: &session, token: token, user: user}, now)
		c.tokens.Add(key, &entry{session: &session, user: user}, now)
		c.users.Add(key, &userEntry{user: user}, now)
	}
	for i := range n {
		key := digestOf(fmt.Sprint(i))
		for count, found := range map[*int]bool{
			&jwts: has(c.jwts, key, now), &tokens: has(c.tokens, key, now), &users: has(c.users, key, now),
		} {
			if found {
				*count++
			}
		}
	}
	// The shards fill unevenly.
	if least := n * 9 / 10; jwts < least || tokens < least || users < least {
		t.Errorf("got %d JWTs, %d tokens and %d users in the caches, want %d each at least", jwts, tokens, users, least)
	}
}

func has[V any](c *lru.Cache[V], key digest, now time.Time) bool {
	_, ok := c.Get(key, now)
	return ok
}

func TestDigestOf(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 513, 16 << 10} {
		s := string(make([]byte, n))
		if got, want := digestOf(s), sum(s); got != want {
			t.Errorf("%d bytes: got %x, want %x", n, got, want)
		}
	}
}

func sum(s string) digest { return sha256.Sum256([]byte(s)) }

// fullCaches returns caches with n sessions. Each session has its own user, a token and a JWT.
func fullCaches(n int) *caches {
	c, now := newCaches(2*n, 1<<30), time.Now() // the size is twice n, because shards fill unevenly
	for i := range n {
		e := &entry{session: &stytch.Session{ID: fmt.Sprint("session-test-", i), UserID: fmt.Sprint("user-test-", i)}}
		c.tokens.Add(digestOf(fmt.Sprint("token ", i)), e, now)
		c.addJWT(digestOf(fmt.Sprint("JWT ", i)), e, now)
		u := &userEntry{user: &stytch.User{ID: e.session.UserID}}
		c.users.Add(userKey(u.user.ID), u, now)
	}
	return c
}

// The iat of a JWT is of the clock of Stytch, which may be ahead by Leeway: a JWT
// that seems newer than a purge may be older.
func TestUsable_JWTOfAClockAhead(t *testing.T) {
	srv := stytchtest.NewServer()
	a, err := New(Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(), Leeway: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a.sessions.denied.DenyUserBefore("user-test-1", now, now)
	for _, row := range []struct {
		name   string
		token  *sessionjwt.Token
		after  time.Duration
		purged bool
	}{
		{"a JWT within Leeway", &sessionjwt.Token{}, 5 * time.Second, true},
		{"a JWT after Leeway", &sessionjwt.Token{}, 5*time.Second + 1, false},
		{"a response of Stytch", nil, 1, false},
	} {
		e := &entry{session: &stytch.Session{ID: "session-test-1", UserID: "user-test-1"}, token: row.token, vouchedAt: now.Add(row.after)}
		if err := a.sessions.usable(e, digest{}, now); (err == errPurged) != row.purged {
			t.Errorf("%s: got %v, want errPurged: %t", row.name, err, row.purged)
		}
	}
}

// A call may begin before many things are forgotten: its answer is stored if it is
// about none of them.
func TestCaches_StoreAfterManyForgets(t *testing.T) {
	about := func(id string) *entry { return &entry{session: &stytch.Session{ID: id}} }
	for _, n := range []int{0, maxForgotten - 1, maxForgotten, maxForgotten + 1} {
		c := newCaches(1000, 1<<30)
		generation := c.generation()
		c.forget([]string{"forgotten"})
		for i := range n {
			c.forget([]string{fmt.Sprint(i)})
		}
		for id, want := range map[string]bool{"forgotten": false, "another": true} {
			stored := false
			c.store(generation, about(id), func() { stored = true })
			if stored != want {
				t.Errorf("%s, with %d forgotten after it: got stored: %t, want %t", id, n, stored, want)
			}
		}
	}
}

// Forget takes no longer when many entries are cached. Searching all of them would take
// milliseconds.
func TestCaches_ForgetWithManyEntries(t *testing.T) {
	c := fullCaches(10_000)
	best := time.Hour
	for i := range 200 {
		began := time.Now()
		c.forget([]string{fmt.Sprint("user-test-", i)})
		best = min(best, time.Since(began))
	}
	if best > 50*time.Microsecond {
		t.Errorf("got %v, want less than 50 µs", best)
	}
	for _, i := range []int{0, 199, 200} {
		_, token := c.tokens.Get(digestOf(fmt.Sprint("token ", i)), time.Now())
		_, jwt := c.jwts.Get(digestOf(fmt.Sprint("JWT ", i)), time.Now())
		_, user := c.users.Get(userKey(fmt.Sprint("user-test-", i)), time.Now())
		if want := i >= 200; token != want || jwt != want || user != want {
			t.Errorf("user %d: got token %t, JWT %t and user %t in the caches, want %t", i, token, jwt, user, want)
		}
	}
}

func BenchmarkCaches_Forget(b *testing.B) {
	c := fullCaches(10_000)
	ids := []string{"user-test-another"}
	b.ReportAllocs()
	for b.Loop() {
		c.forget(ids)
	}
}

// FillDenylist adds n confirmed revocations of sessions that no test uses.
func FillDenylist(a *Authenticator, n int) {
	for i := range n {
		a.sessions.denied.Confirm(fmt.Sprint("session-test-", i), time.Now())
	}
}

// A retry stops at an error that the next call would probably have too.
func TestEndsRetry(t *testing.T) {
	for reason, want := range map[Reason]bool{
		ReasonOverloaded: true, ReasonRateLimited: true, ReasonBreakerOpen: true, ReasonUnreachable: true,
		ReasonNotKept:       true, // how signOutOne reports a full class
		ReasonStytchFailing: false, ReasonMisconfigured: false,
	} {
		if got := endsRetry(&Error{Kind: ErrUnavailable, Reason: reason}); got != want {
			t.Errorf("%s: got %t, want %t", reason, got, want)
		}
	}
}
