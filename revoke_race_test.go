package sessionauth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// While Stytch cannot confirm it, whoever holds a signed-out session can sign it
// out again and again: it must not be let in while its mark is replaced.
func TestARevokedSessionStaysRefusedWhileItIsRevokedAgain(t *testing.T) {
	s := newStage(t)
	credentials := []sessionauth.Credential{{JWT: s.Session.JWT}, {Token: s.Session.Token}}
	for _, c := range credentials {
		if _, err := s.Auth.Verify(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.SetFault("", stytchtest.Fault{Status: 500})
	if err := s.Auth.Revoke(t.Context(), s.Session.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var again sync.WaitGroup
	for range 2 {
		again.Go(func() {
			for ctx.Err() == nil {
				_ = s.Auth.Revoke(ctx, s.Session.ID)
			}
		})
	}
	passed := 0
	for range 20_000 {
		for _, c := range credentials {
			if _, err := s.Auth.Verify(t.Context(), c); err == nil {
				passed++
			}
		}
	}
	stop()
	again.Wait()
	if passed > 0 {
		t.Errorf("%d of 40,000 requests of a revoked session were let in", passed)
	}
}

// A request may wait for the key set while its credential is signed out.
func TestASignOutHoldsForARequestUnderWay(t *testing.T) {
	for range 500 { // which of the two wakes first is chance
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, func(c *sessionauth.Config) { c.SessionOnly = true })
			s.SetFault(pathKeySet, stytchtest.Fault{Delay: 2 * time.Second})
			cred := sessionauth.Credential{JWT: s.Session.JWT}
			waiting := make(chan error)
			go func() {
				_, err := s.Auth.Verify(t.Context(), cred)
				waiting <- err
			}()
			time.Sleep(time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Auth.SignOut(ctx, cred); !errors.Is(err, sessionauth.ErrUnavailable) {
				t.Fatalf("sign-out: got %v, want ErrUnavailable", err)
			}
			if err := <-waiting; !errors.Is(err, sessionauth.ErrInvalidSession) {
				t.Fatalf("got %v, want ErrInvalidSession", err)
			}
		})
	}
}

// The JWTs of one session drop each other and nobody else's.
func TestOneSessionKeepsEightJWTs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
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
			t.Errorf("the ninth from the end: got decided by %s, want %s", by, sessionauth.Local)
		}
	})
}

// A JWT that is verified again takes no second place.
func TestAJWTVerifiedAgainKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.CacheTTL = 10 * time.Second })
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
