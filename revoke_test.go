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
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// deafTo answers revocations with success and keeps them from Stytch: what is
// refused then is refused here.
func deafTo(*http.Request, http.RoundTripper) (*http.Response, error) {
	return authtest.Reply(200, "{}"), nil
}

func TestRevokeHoldsAtOnceHere(t *testing.T) {
	rows := []struct {
		name    string
		prepare func(*stage) (field string)
		calls   int // of three requests after it: one, where only Stytch knows whose token it is
	}{
		{"168 a cached token", func(s *stage) string { s.Want(s.Get(bearer(s.Session.Token)), 200); return bearer(s.Session.Token) }, 0},
		{"168 a cached JWT", func(s *stage) string { s.Want(s.Get(bearer(s.Session.JWT)), 200); return bearer(s.Session.JWT) }, 0},
		{"168 a JWT never seen", func(s *stage) string { return bearer(s.Session.JWT) }, 0},
		{"168 a token never seen", func(s *stage) string { return tokenCookie(s.Session.Token) }, 1},
		{"168 an old JWT whose answer is cached", func(s *stage) string {
			s.Expire()
			s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
			return jwtCookie(s.Session.JWT)
		}, 0},
		{"169 the JWT of a refresh", func(s *stage) string {
			s.Expire()
			return bearer(s.Authenticate(jwtCookie(s.Session.JWT)).Refreshed.JWT)
		}, 0},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			for _, only := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s, SessionOnly %t", row.name, by.Name, only), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(t, func(c *sessionauth.Config) { c.SessionOnly = only })
						refusedOnceRevoked(s, by.Carry(row.prepare(s)), row.calls)
					})
				})
			}
		}
	}
	t.Run("168 both cookies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			refusedOnceRevoked(s, bothCookies(s.Session.Token, s.Session.JWT), 1)
		})
	})
}

func refusedOnceRevoked(s *stage, field string, calls int) {
	s.T.Helper()
	other := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{})
	before, asked := len(s.Passed()), s.Calls(pathAuthenticate)
	s.Tap(pathRevoke, deafTo)
	if err := s.Auth.Revoke(s.T.Context(), s.Session.ID); err != nil {
		s.T.Fatal(err)
	}
	s.WantAnswer(s.Get(field), want401i)
	s.WantAnswer(s.Get(field), want401i)
	time.Sleep(time.Minute)
	s.WantAnswer(s.Get(field), want401i)
	s.WantCalls(pathAuthenticate, asked+calls)
	s.WantAnswer(s.Get(bearer(s.JWT(s.Session.ID))), want401i) // a later JWT of the session too
	s.WantPassed(before, s.Session.ID)
	s.Want(s.Get(bearer(s.JWT(other.ID))), 200)
}

func TestARevocationIsKeptAsLongAsAJWTCanLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.JWTLifetime = time.Hour
		long := s.SignIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
		s.Tap(pathRevoke, deafTo)
		if err := s.Auth.Revoke(t.Context(), long.ID); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			s.Want(s.Get(bearer(long.JWT)), 401)
			time.Sleep(time.Minute)
		}
		time.Sleep(5*time.Second - time.Millisecond)
		s.Want(s.Get(bearer(long.JWT)), 401)
		s.WantCalls(pathAuthenticate, 0)
	})
}

func TestASessionRevokedWhileACallIsUnderWayStaysRevoked(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, writeBack)
				ask.Prepare(s)
				revoked := make(chan error, 1)
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second)) // Stytch says alive, before it is revoked
				time.AfterFunc(500*time.Millisecond, func() {
					s.RevokeSession(s.Session.ID)
					revoked <- s.Auth.Revoke(t.Context(), s.Session.ID)
				})
				resp := s.Get(ask.Field(s))
				s.Want(resp, 401)
				if err := <-revoked; err != nil || len(resp.Header["Set-Cookie"]) > 0 {
					t.Errorf("got error %v and cookies %v, want neither", err, resp.Header["Set-Cookie"])
				}
				s.Tap("", nil)
				s.Want(s.Get(ask.Field(s)), 401)
				s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
				s.WantPassed(0, "")
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
					_ = s.Auth.Revoke(ctx, s.Session.ID)
				}
			}
		})
		s.Expire()
		if resp := s.Get(jwtCookie(s.Session.JWT)); len(resp.Header["Set-Cookie"]) != 1 {
			t.Errorf("got cookies %v, want one", resp.Header["Set-Cookie"])
		}
		revoke = true
		if resp := s.Get(jwtCookie(s.Session.JWT)); len(resp.Header["Set-Cookie"]) != 0 {
			t.Errorf("got cookies %v, want none", resp.Header["Set-Cookie"])
		}
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 401)
	})
}

func TestRevokeWhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		other := s.SignIn(stytchtest.SessionOptions{Duration: 48 * time.Hour})
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		err := s.Auth.Revoke(t.Context(), s.Session.ID)
		if !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		s.Want(s.Get(bearer(s.Session.JWT)), 401) // refused here all the same
		s.Want(s.Get(bearer(s.Session.Token)), 401)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
		synctest.Wait()

		time.Sleep(20 * time.Second) // later calls try again in passing, once a second at most
		before := s.Calls(pathRevoke)
		for range 5 {
			s.Auth.Forget(other.ID)
			s.Want(s.Get(bearer(other.Token)), 200)
			synctest.Wait()
		}
		s.WantCalls(pathRevoke, before+1)

		s.SetFault(pathRevoke, stytchtest.Fault{})
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(other.Token)), 200)
		synctest.Wait()
		s.WantCalls(pathRevoke, before+2)
		if _, err := s.Auth.Client().AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: s.Session.Token}); err == nil {
			t.Error("Stytch says the session is alive, want it revoked there")
		}
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(other.Token)), 200)
		synctest.Wait()
		s.WantCalls(pathRevoke, before+2) // confirmed: not tried again
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
	})
}

func TestAnUnconfirmedRevocationHoldsUntilItIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		long := s.SignIn(stytchtest.SessionOptions{Duration: 300 * 24 * time.Hour})
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		if err := s.Auth.Revoke(t.Context(), long.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		time.Sleep(200 * 24 * time.Hour)
		s.Want(s.Get(bearer(long.Token)), 401) // alive, says Stytch
		s.Want(s.Get(bearer(s.JWT(long.ID))), 401)
		synctest.Wait()
	})
}

func TestRevokingAgainDoesNotShortenARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.Tap(pathRevoke, deafTo)
		for _, status := range []int{200, 503} {
			if status != 200 {
				s.Tap(pathRevoke, func(*http.Request, http.RoundTripper) (*http.Response, error) {
					return authtest.Reply(status, "{}"), nil
				})
			}
			_ = s.Auth.Revoke(t.Context(), s.Session.ID)
			s.Want(s.Get(bearer(s.Session.JWT)), 401)
			time.Sleep(time.Minute)
		}
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
	})
}

func TestRevokeOfWhatIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, id := range []string{"", "nonsense", s.Session.Token} {
			err := s.Auth.Revoke(t.Context(), id)
			if err == nil || errors.Is(err, sessionauth.ErrUnavailable) {
				t.Errorf("Revoke(%q): got %v, want an error that is not ErrUnavailable", id, err)
			}
			if err != nil && id != "" && strings.Contains(err.Error(), id) {
				t.Errorf("got %q, want an error without the id", err)
			}
		}
		if err := s.Auth.Revoke(t.Context(), "session-test-unknown"); err != nil {
			t.Errorf("got %v for a session that is gone, want nil", err)
		}
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		synctest.Wait()
		s.WantCalls(pathRevoke, 3) // "" needs no call; none is tried again
	})
}

func TestASessionIDFromAnUnverifiedJWTIsNeverDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 404, ErrorType: stytch.TypeSessionNotFound})
		forged := s.Session.JWT[:len(s.Session.JWT)-8] + "AAAAAAAA"
		s.Want(s.Get(jwtCookie(forged)), 401)
		s.Want(s.Get(bothCookies(inventedToken, forged)), 401)
		s.Expire()
		s.Want(s.Get(bothCookies(inventedToken, forged)), 401)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
	})
}

func TestAFullRevokedListLetsNobodyIn(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 revocations take seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		innocent, pending := s.SignIn(stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{})
		slow, slowUser := s.SignIn(stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{})
		s.Want(s.Get(bearer(innocent.JWT)), 200)
		s.Want(s.Get(bearer(innocent.Token)), 200)

		// Stytch takes all revocations but one, and answers the rest after delay.
		stytchWith := func(delay time.Duration) authtest.Tap {
			return func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
				if r.URL.Path != pathRevoke {
					return authtest.DelayAnswers(delay)(r, stytch)
				}
				body, _ := io.ReadAll(r.Body)
				if strings.Contains(string(body), pending.ID) {
					return nil, errors.New("connection refused")
				}
				return authtest.Reply(200, "{}"), nil
			}
		}
		s.Tap("", stytchWith(0))
		_ = s.Auth.Revoke(t.Context(), pending.ID)
		if err := s.Auth.Revoke(t.Context(), s.Session.ID); err != nil {
			t.Fatal(err)
		}
		s.RevokeSession(s.Session.ID)
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
		s.WantCalls(pathAuthenticate, 1)

		// Two calls are under way, about sessions that are revoked then.
		s.Tap("", stytchWith(2*time.Second))
		late := make(chan int, 2)
		go func() { late <- s.Get(bearer(slow.Token)).StatusCode }()
		go func() { late <- s.Get(bearer(slowUser.JWT)).StatusCode }()
		time.Sleep(time.Second)
		s.Tap("", stytchWith(0))
		for _, id := range []string{slow.ID, slowUser.ID} {
			if err := s.Auth.Revoke(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			s.RevokeSession(id)
		}
		for i := range 100_000 {
			if err := s.Auth.Revoke(t.Context(), fmt.Sprint("session-test-", i)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if got := <-late; got == 200 {
				t.Error("got a pass from a call that was under way when its session was revoked")
			}
		}
		before := s.Calls(pathAuthenticate)
		s.Want(s.Get(bearer(s.Session.JWT)), 401) // forgotten here: Stytch says no
		s.Want(s.Get(bearer(innocent.JWT)), 200)  // and of this one yes
		s.Want(s.Get(bearer(innocent.Token)), 200)
		s.WantCalls(pathAuthenticate, before+3)
		s.Want(s.Get(bearer(s.JWT(pending.ID))), 401) // what was not confirmed was not dropped
		time.Sleep(time.Second)
		s.Want(s.Get(bearer(s.JWT(innocent.ID))), 200) // newer JWTs speak for themselves
		s.Want(s.Get(bearer(innocent.Token)), 200)
		s.WantCalls(pathAuthenticate, before+3)
		s.WantPassed(6, innocent.ID)
	})
}
