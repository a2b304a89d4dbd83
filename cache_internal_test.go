package sessionauth

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// First requests with several JWTs of one session all wait for its user and wake
// at once: they must find one ring.
func TestJWTsOfOneSessionAddedAtOnce(t *testing.T) {
	e := &entry{session: &stytch.Session{ID: "session-test-1"}}
	var keys [64]digest
	for i := range keys {
		keys[i] = digestOf(fmt.Sprint(i))
	}
	for range 300 { // whether two meet is chance
		c := newCaches(&Config{CacheSize: 1000, CacheBytes: 1 << 30})
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
		kept := 0
		for _, key := range keys {
			if _, ok := c.jwts.get(key, time.Now()); ok {
				kept++
			}
		}
		if kept != ringSize {
			t.Fatalf("got %d JWTs of one session in the cache, want %d", kept, ringSize)
		}
	}
}

// Whoever asks while a full list drops its marks must meet its floor instead.
func TestARevokedSessionStaysRefusedWhileTheListIsEmptied(t *testing.T) {
	for range 5 {
		l := &revokedList{keep: time.Hour}
		a := &Authenticator{revoked: l, config: &Config{}}
		now := time.Now()
		for i := range maxRevoked {
			l.confirm(fmt.Sprint(i), now)
		}
		e := &entry{session: &stytch.Session{ID: "1"}, vouchedAt: now.Add(-time.Minute)}
		begun, emptied, done := make(chan struct{}), make(chan struct{}), make(chan int)
		go func() {
			passed := 0
			close(begun)
			for more := true; more; {
				select {
				case <-emptied:
					more = false
				default:
				}
				for range 100 {
					if !a.isRevoked(e, now) {
						passed++
					}
				}
			}
			done <- passed
		}()
		<-begun
		l.confirm("one more", time.Now())
		close(emptied)
		if passed := <-done; passed > 0 {
			t.Fatalf("a revoked session was let in %d times", passed)
		}
	}
}

// What an entry keeps alive counts against CacheBytes: the text of its JWT, too.
func TestAnEntryCountsTheTextItKeeps(t *testing.T) {
	srv := stytchtest.NewServer()
	a, err := New(Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	user := srv.AddUser(stytchtest.User{Email: "ada@example.com"})
	token, err := a.verifier.Verify(t.Context(), srv.StartSession(user.ID, stytchtest.SessionOptions{}).JWT)
	if err != nil {
		t.Fatal(err)
	}
	e := &entry{session: token.Session}
	bare := e.size()
	e.token = token
	if got := e.size() - bare; got < 900 {
		t.Errorf("a JWT counts %d bytes, want its header and payload, of about 1,000", got)
	}
}
