package sessionauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// deafTo answers revocations with success and keeps them from Stytch: what is
// refused then is refused here.
func deafTo(*http.Request, http.RoundTripper) (*http.Response, error) { return reply(200, "{}"), nil }

func TestRevokeHoldsAtOnceHere(t *testing.T) {
	rows := []struct {
		name    string
		prepare func(*stage) (field string)
		calls   int // of three requests after it: one, where only Stytch knows whose token it is
	}{
		{"168 a cached token", func(s *stage) string { s.want(s.get(bearer(s.session.Token)), 200); return bearer(s.session.Token) }, 0},
		{"168 a cached JWT", func(s *stage) string { s.want(s.get(bearer(s.session.JWT)), 200); return bearer(s.session.JWT) }, 0},
		{"168 a JWT never seen", func(s *stage) string { return bearer(s.session.JWT) }, 0},
		{"168 a token never seen", func(s *stage) string { return tokenCookie(s.session.Token) }, 1},
		{"168 an old JWT whose answer is cached", func(s *stage) string {
			s.expire()
			s.want(s.get(jwtCookie(s.session.JWT)), 200)
			return jwtCookie(s.session.JWT)
		}, 0},
		{"169 the JWT of a refresh", func(s *stage) string {
			s.expire()
			return bearer(s.mustDecide(jwtCookie(s.session.JWT)).Refreshed.JWT)
		}, 0},
	}
	for _, row := range rows {
		for _, by := range carriers {
			for _, only := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s, SessionOnly %t", row.name, by.name, only), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(t, func(c *sessionauth.Config) { c.SessionOnly = only })
						s.refusedOnceRevoked(by.carry(row.prepare(s)), row.calls)
					})
				})
			}
		}
	}
	t.Run("168 both cookies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.refusedOnceRevoked(bothCookies(s.session.Token, s.session.JWT), 1)
		})
	})
}

func (s *stage) refusedOnceRevoked(field string, calls int) {
	s.t.Helper()
	other := s.StartSession(s.session.UserID, stytchtest.SessionOptions{})
	before, asked := len(s.passed), s.Calls(pathAuthenticate)
	s.tap(pathRevoke, deafTo)
	if err := s.auth.Revoke(s.t.Context(), s.session.ID); err != nil {
		s.t.Fatal(err)
	}
	s.wantVerdict(s.get(field), want401i)
	s.wantVerdict(s.get(field), want401i)
	time.Sleep(time.Minute)
	s.wantVerdict(s.get(field), want401i)
	s.wantCalls(pathAuthenticate, asked+calls)
	s.wantVerdict(s.get(bearer(s.JWT(s.session.ID))), want401i) // a later JWT of the session too
	s.wantThrough(before, s.session.ID)
	s.want(s.get(bearer(s.JWT(other.ID))), 200)
}

func TestARevocationIsKeptAsLongAsAJWTCanLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.JWTLifetime = time.Hour
		long := s.signIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
		s.tap(pathRevoke, deafTo)
		if err := s.auth.Revoke(t.Context(), long.ID); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			s.want(s.get(bearer(long.JWT)), 401)
			time.Sleep(time.Minute)
		}
		time.Sleep(5*time.Second - time.Millisecond)
		s.want(s.get(bearer(long.JWT)), 401)
		s.wantCalls(pathAuthenticate, 0)
	})
}

func TestASessionRevokedWhileACallIsUnderWayStaysRevoked(t *testing.T) {
	for _, ask := range asking {
		t.Run(ask.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, writeBack)
				ask.prepare(s)
				revoked := make(chan error, 1)
				s.tap(ask.prefix, lateAnswers(time.Second)) // Stytch says alive, before it is revoked
				time.AfterFunc(500*time.Millisecond, func() {
					s.RevokeSession(s.session.ID)
					revoked <- s.auth.Revoke(t.Context(), s.session.ID)
				})
				resp := s.get(ask.field(s))
				s.want(resp, 401)
				if err := <-revoked; err != nil || len(resp.Header["Set-Cookie"]) > 0 {
					t.Errorf("got error %v and cookies %v, want neither", err, resp.Header["Set-Cookie"])
				}
				s.tap("", nil)
				s.want(s.get(ask.field(s)), 401)
				s.want(s.get(bearer(s.JWT(s.session.ID))), 401)
				s.wantThrough(0, "")
			})
		})
	}
}

func TestNoCookieIsWrittenForASessionRevokedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *stage
		revoke := false
		s = newStage(t, writeBack, func(c *sessionauth.Config) {
			c.Observe = func(ctx context.Context, _ sessionauth.Event) { // after the decision, before the answer
				if revoke {
					_ = s.auth.Revoke(ctx, s.session.ID)
				}
			}
		})
		s.expire()
		if resp := s.get(jwtCookie(s.session.JWT)); len(resp.Header["Set-Cookie"]) != 1 {
			t.Errorf("got cookies %v, want one", resp.Header["Set-Cookie"])
		}
		revoke = true
		if resp := s.get(jwtCookie(s.session.JWT)); len(resp.Header["Set-Cookie"]) != 0 {
			t.Errorf("got cookies %v, want none", resp.Header["Set-Cookie"])
		}
		s.want(s.get(jwtCookie(s.session.JWT)), 401)
	})
}

func TestRevokeWhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		other := s.signIn(stytchtest.SessionOptions{Duration: 48 * time.Hour})
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.want(s.get(bearer(s.session.Token)), 200)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		err := s.auth.Revoke(t.Context(), s.session.ID)
		if !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		s.want(s.get(bearer(s.session.JWT)), 401) // refused here all the same
		s.want(s.get(bearer(s.session.Token)), 401)
		s.want(s.get(bearer(s.JWT(s.session.ID))), 401)
		synctest.Wait()

		time.Sleep(20 * time.Second) // later calls try again in passing, once a second at most
		before := s.Calls(pathRevoke)
		for range 5 {
			s.auth.Forget(other.ID)
			s.want(s.get(bearer(other.Token)), 200)
			synctest.Wait()
		}
		s.wantCalls(pathRevoke, before+1)

		s.SetFault(pathRevoke, stytchtest.Fault{})
		time.Sleep(time.Minute)
		s.want(s.get(bearer(other.Token)), 200)
		synctest.Wait()
		s.wantCalls(pathRevoke, before+2)
		if _, err := s.auth.Client().AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: s.session.Token}); err == nil {
			t.Error("Stytch says the session is alive, want it revoked there")
		}
		time.Sleep(time.Minute)
		s.want(s.get(bearer(other.Token)), 200)
		synctest.Wait()
		s.wantCalls(pathRevoke, before+2) // confirmed: not tried again
		s.want(s.get(bearer(s.JWT(s.session.ID))), 401)
	})
}

func TestAnUnconfirmedRevocationHoldsUntilItIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		long := s.signIn(stytchtest.SessionOptions{Duration: 300 * 24 * time.Hour})
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		if err := s.auth.Revoke(t.Context(), long.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		time.Sleep(200 * 24 * time.Hour)
		s.want(s.get(bearer(long.Token)), 401) // alive, says Stytch
		s.want(s.get(bearer(s.JWT(long.ID))), 401)
		synctest.Wait()
	})
}

func TestRevokingAgainDoesNotShortenARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.tap(pathRevoke, deafTo)
		for _, status := range []int{200, 503} {
			if status != 200 {
				s.tap(pathRevoke, func(*http.Request, http.RoundTripper) (*http.Response, error) { return reply(status, "{}"), nil })
			}
			_ = s.auth.Revoke(t.Context(), s.session.ID)
			s.want(s.get(bearer(s.session.JWT)), 401)
			time.Sleep(time.Minute)
		}
		s.want(s.get(bearer(s.session.JWT)), 401)
	})
}

func TestRevokeOfWhatIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, id := range []string{"", "nonsense", s.session.Token} {
			err := s.auth.Revoke(t.Context(), id)
			if err == nil || errors.Is(err, sessionauth.ErrUnavailable) {
				t.Errorf("Revoke(%q): got %v, want an error that is not ErrUnavailable", id, err)
			}
			if err != nil && id != "" && strings.Contains(err.Error(), id) {
				t.Errorf("got %q, want an error without the id", err)
			}
		}
		if err := s.auth.Revoke(t.Context(), "session-test-unknown"); err != nil {
			t.Errorf("got %v for a session that is gone, want nil", err)
		}
		s.want(s.get(bearer(s.session.Token)), 200)
		s.want(s.get(bearer(s.session.JWT)), 200)
		synctest.Wait()
		s.wantCalls(pathRevoke, 3) // "" needs no call; none is tried again
	})
}

func TestASessionIDFromAnUnverifiedJWTIsNeverDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 404, ErrorType: stytch.TypeSessionNotFound})
		forged := s.session.JWT[:len(s.session.JWT)-8] + "AAAAAAAA"
		s.want(s.get(jwtCookie(forged)), 401)
		s.want(s.get(bothCookies(inventedToken, forged)), 401)
		s.expire()
		s.want(s.get(bothCookies(inventedToken, forged)), 401)
		s.want(s.get(bearer(s.JWT(s.session.ID))), 200)
	})
}

func TestAFullRevokedListLetsNobodyIn(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 revocations take seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		innocent, pending := s.signIn(stytchtest.SessionOptions{}), s.signIn(stytchtest.SessionOptions{})
		slow, slowUser := s.signIn(stytchtest.SessionOptions{}), s.signIn(stytchtest.SessionOptions{})
		s.want(s.get(bearer(innocent.JWT)), 200)
		s.want(s.get(bearer(innocent.Token)), 200)

		// Stytch takes all revocations but one, and answers the rest after delay.
		stytchWith := func(delay time.Duration) tap {
			return func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
				if r.URL.Path != pathRevoke {
					return lateAnswers(delay)(r, stytch)
				}
				body, _ := io.ReadAll(r.Body)
				if strings.Contains(string(body), pending.ID) {
					return nil, errors.New("connection refused")
				}
				return reply(200, "{}"), nil
			}
		}
		s.tap("", stytchWith(0))
		_ = s.auth.Revoke(t.Context(), pending.ID)
		if err := s.auth.Revoke(t.Context(), s.session.ID); err != nil {
			t.Fatal(err)
		}
		s.RevokeSession(s.session.ID)
		s.want(s.get(bearer(s.session.JWT)), 401)
		s.wantCalls(pathAuthenticate, 1)

		// Two calls are under way, about sessions that are revoked then.
		s.tap("", stytchWith(2*time.Second))
		late := make(chan int, 2)
		go func() { late <- s.get(bearer(slow.Token)).StatusCode }()
		go func() { late <- s.get(bearer(slowUser.JWT)).StatusCode }()
		time.Sleep(time.Second)
		s.tap("", stytchWith(0))
		for _, id := range []string{slow.ID, slowUser.ID} {
			if err := s.auth.Revoke(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			s.RevokeSession(id)
		}
		for i := range 100_000 {
			if err := s.auth.Revoke(t.Context(), fmt.Sprint("session-test-", i)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if got := <-late; got == 200 {
				t.Error("got a pass from a call that was under way when its session was revoked")
			}
		}
		before := s.Calls(pathAuthenticate)
		s.want(s.get(bearer(s.session.JWT)), 401) // forgotten here: Stytch says no
		s.want(s.get(bearer(innocent.JWT)), 200)  // and of this one yes
		s.want(s.get(bearer(innocent.Token)), 200)
		s.wantCalls(pathAuthenticate, before+3)
		s.want(s.get(bearer(s.JWT(pending.ID))), 401) // what was not confirmed was not dropped
		time.Sleep(time.Second)
		s.want(s.get(bearer(s.JWT(innocent.ID))), 200) // newer JWTs speak for themselves
		s.want(s.get(bearer(innocent.Token)), 200)
		s.wantCalls(pathAuthenticate, before+3)
		s.wantThrough(6, innocent.ID)
	})
}
