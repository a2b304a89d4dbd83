package sessionauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// confirmOnly is a Tap that confirms revocations but does not forward them to Stytch. A refusal
// therefore shows that this process remembers the revocation.
func confirmOnly(*http.Request, http.RoundTripper) (*http.Response, error) {
	return authtest.Reply(200, "{}"), nil
}

func TestRevoke_AtOnce(t *testing.T) {
	rows := []struct {
		name    string
		prepare func(*env) (field string)
		calls   int // calls after the revocation: one if only Stytch knows the session of the token
	}{
		{"168 a cached token", func(s *env) string { s.Want(s.Get(bearer(s.Session.Token)), 200); return bearer(s.Session.Token) }, 0},
		{"168 a cached JWT", func(s *env) string { s.Want(s.Get(bearer(s.Session.JWT)), 200); return bearer(s.Session.JWT) }, 0},
		{"168 a JWT that is not cached", func(s *env) string { return bearer(s.Session.JWT) }, 0},
		{"168 a token that is not cached", func(s *env) string { return tokenCookie(s.Session.Token) }, 1},
		{"168 an old JWT that is cached", func(s *env) string {
			s.Expire()
			s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
			return jwtCookie(s.Session.JWT)
		}, 0},
		{"169 the JWT of a refresh", func(s *env) string {
			s.Expire()
			return bearer(s.Authenticate(jwtCookie(s.Session.JWT)).Refreshed.JWT)
		}, 0},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			for _, only := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s, SessionOnly %t", row.name, by.Name, only), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newEnv(t, func(c *sessionauth.Config) { c.SessionOnly = only })
						refusedOnceRevoked(s, by.Carry(row.prepare(s)), row.calls)
					})
				})
			}
		}
	}
	t.Run("168 both cookies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			refusedOnceRevoked(s, bothCookies(s.Session.Token, s.Session.JWT), 1)
		})
	})
}

func refusedOnceRevoked(s *env, field string, calls int) {
	s.T.Helper()
	other := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{})
	before, asked := len(s.Passed()), s.Calls(pathAuthenticate)
	s.Tap(pathRevoke, confirmOnly)
	if err := s.Auth.Revoke(s.T.Context(), s.Session.ID); err != nil {
		s.T.Fatal(err)
	}
	s.WantAnswer(s.Get(field), want401i)
	s.WantAnswer(s.Get(field), want401i)
	time.Sleep(time.Minute)
	s.WantAnswer(s.Get(field), want401i)
	s.WantCalls(pathAuthenticate, asked+calls)
	s.WantAnswer(s.Get(bearer(s.JWT(s.Session.ID))), want401i) // a later JWT of the session
	s.WantPassed(before, s.Session.ID)
	s.Want(s.Get(bearer(s.JWT(other.ID))), 200)
}

// An outage must not revive an answer about a session that was revoked before.
func TestRevoke_IsKeptForTheLifeOfAStaleAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.StaleIfError = 10 * time.Hour })
		long := s.SignIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
		s.Want(s.Get(bearer(long.Token)), 200)
		s.Tap(pathRevoke, confirmOnly)
		if err := s.Auth.Revoke(t.Context(), long.ID); err != nil {
			t.Fatal(err)
		}
		s.SetFault("", stytchtest.Fault{Status: 500})
		for range 10 {
			time.Sleep(time.Hour)
			s.Want(s.Get(bearer(long.Token)), 401)
		}
	})
}

func TestRevoke_IsKeptForTheLifeOfAJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.JWTLifetime = time.Hour
		long := s.SignIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
		s.Tap(pathRevoke, confirmOnly)
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

func TestRevoke_DuringACall(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, writeBack)
				ask.Prepare(s)
				revoked := make(chan error, 1)
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second)) // Stytch answers before the revocation, and the answer arrives after it
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

func TestRevoke_BeforeACookieIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *env
		revoke := false
		s = newEnv(t, writeBack, func(c *sessionauth.Config) {
			c.Observe = func(ctx context.Context, _ sessionauth.Event) { // runs after authentication and before the response
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

func TestRevoke_WhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		other := s.SignIn(stytchtest.SessionOptions{Duration: 48 * time.Hour})
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		err := s.Auth.Revoke(t.Context(), s.Session.ID)
		if !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		s.Want(s.Get(bearer(s.Session.JWT)), 401) // this process refuses the session
		s.Want(s.Get(bearer(s.Session.Token)), 401)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
		synctest.Wait()

		time.Sleep(20 * time.Second) // later requests retry the revocation, at most once a second
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
			t.Error("got a live session at Stytch, want it revoked")
		}
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(other.Token)), 200)
		synctest.Wait()
		s.WantCalls(pathRevoke, before+2) // the revocation is confirmed, so it is not retried
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401)
	})
}

func TestRevoke_IsKeptUntilConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		long := s.SignIn(stytchtest.SessionOptions{Duration: 300 * 24 * time.Hour})
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		if err := s.Auth.Revoke(t.Context(), long.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		time.Sleep(200 * 24 * time.Hour)
		s.Want(s.Get(bearer(long.Token)), 401) // Stytch would still accept this token
		s.Want(s.Get(bearer(s.JWT(long.ID))), 401)
		synctest.Wait()
	})
}

func TestRevoke_AgainDoesNotShorten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Tap(pathRevoke, confirmOnly)
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

func TestRevoke_InvalidID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
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
			t.Errorf("got %v for a session that does not exist, want nil", err)
		}
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		synctest.Wait()
		s.WantCalls(pathRevoke, 3) // an empty id causes no call, and nothing is retried
	})
}

func TestRevoke_UnverifiedJWTDeniesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 404, ErrorType: stytch.TypeSessionNotFound})
		forged := s.Session.JWT[:len(s.Session.JWT)-8] + "AAAAAAAA"
		s.Want(s.Get(jwtCookie(forged)), 401)
		s.Want(s.Get(bothCookies(inventedToken, forged)), 401)
		s.Expire()
		s.Want(s.Get(bothCookies(inventedToken, forged)), 401)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
	})
}

func TestRevoke_FullDenylist(t *testing.T) {
	authtest.SkipIfShort(t) // adding a million revocations takes seconds
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		innocent, pending := s.SignIn(stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{})
		slow, slowUser := s.SignIn(stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{})
		s.Want(s.Get(bearer(innocent.JWT)), 200)
		s.Want(s.Get(bearer(innocent.Token)), 200)

		// Stytch confirms all revocations but one. It delays all other answers.
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

		// Two calls are in progress while their sessions are revoked.
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
		sessionauth.FillDenylist(s.Auth, 1_000_000)
		for range 2 {
			if got := <-late; got == 200 {
				t.Error("got a pass from a call that started before the revocation")
			}
		}
		before := s.Calls(pathAuthenticate)
		s.Want(s.Get(bearer(s.Session.JWT)), 401) // the entry was purged, so Require asks Stytch, which rejects the JWT
		s.Want(s.Get(bearer(innocent.JWT)), 200)  // Stytch accepts this session
		s.Want(s.Get(bearer(innocent.Token)), 200)
		s.WantCalls(pathAuthenticate, before+3)
		s.Want(s.Get(bearer(s.JWT(pending.ID))), 401) // an unconfirmed revocation is not purged
		time.Sleep(time.Second)
		s.Want(s.Get(bearer(s.JWT(innocent.ID))), 200) // JWTs that were issued later need no call
		s.Want(s.Get(bearer(innocent.Token)), 200)
		s.WantCalls(pathAuthenticate, before+3)
		s.WantPassed(6, innocent.ID)
	})
}

// While Stytch is down, a client can sign out its session again and again. The session must stay
// refused while its entry in the denylist is replaced.
func TestRevoke_AgainWhileRequestsArrive(t *testing.T) {
	authtest.SkipIfShort(t)
	s := newEnv(t)
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

// A session is signed out while one of its requests waits for the key set. The request is refused.
func TestSignOut_DuringARequest(t *testing.T) {
	authtest.SkipIfShort(t)
	for range 500 { // repeated, because either goroutine may run first
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, func(c *sessionauth.Config) { c.SessionOnly = true })
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

// A request with a signed-out token causes no call to authenticate it. It causes a retry of the
// revocation, because there may be no other requests.
func TestSignOut_IsRetriedWithoutOtherTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		if err := s.Auth.SignOut(t.Context(), sessionauth.Credential{Token: s.Session.Token}); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrUnavailable)
		}
		s.SetFault(pathRevoke, stytchtest.Fault{})
		for range 3 {
			time.Sleep(10 * time.Second)
			s.Want(s.Get(bearer(s.Session.Token)), 401)
			synctest.Wait()
		}
		s.WantCalls(pathAuthenticate, 1)
		s.WantCalls(pathRevoke, 2)
		wantElsewhere(s, s.Session.Token, sessionauth.ErrInvalidSession)
	})
}

// wantElsewhere checks how a new Authenticator, as in another process, authenticates a token.
func wantElsewhere(s *env, token string, want error) {
	s.T.Helper()
	other, err := sessionauth.New(s.Config)
	if err != nil {
		s.T.Fatal(err)
	}
	if _, err := other.Verify(s.T.Context(), sessionauth.Credential{Token: token}); !errors.Is(err, want) {
		s.T.Errorf("got %v in another process, want %v", err, want)
	}
}

// A revocation that Stytch never confirms does not delay other revocations.
func TestRevoke_NeverConfirmedDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		busy, other := s.SignIn(stytchtest.SessionOptions{}), s.SignIn(stytchtest.SessionOptions{})
		s.Tap(pathRevoke, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(body), "poison") {
				return authtest.Reply(400, `{"status_code":400,"error_type":"bad_request","request_id":"r","error_message":"m"}`), nil
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			return stytch.RoundTrip(r)
		})
		if err := s.Auth.Revoke(t.Context(), "session-poison"); err == nil {
			t.Error("got no error, want one")
		}
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		if err := s.Auth.Revoke(t.Context(), other.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrUnavailable)
		}
		s.SetFault(pathRevoke, stytchtest.Fault{})
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 503})
		if err := s.Auth.SignOut(t.Context(), sessionauth.Credential{Token: s.Session.Token}); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrUnavailable)
		}
		s.SetFault(pathAuthenticate, stytchtest.Fault{})
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(busy.Token)), 200)
		synctest.Wait()
		wantElsewhere(s, s.Session.Token, sessionauth.ErrInvalidSession)
		wantElsewhere(s, other.Token, sessionauth.ErrInvalidSession)
	})
}

// If a sign-out needs two entries in the denylist and only one fits, SignOut returns an error.
func TestSignOut_ReportsWhatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		if err := s.Auth.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := s.SignIn(stytchtest.SessionOptions{}).JWT
		s.SetFault("", stytchtest.Fault{Status: 503})
		for i := range 50_000 { // fills the denylist
			_ = s.Auth.SignOut(t.Context(), sessionauth.Credential{Token: fmt.Sprintf("%s%06d", inventedToken, i)})
		}
		repeated, err := s.Auth.Credential(newRequest("POST", bothCookies(s.Session.Token, other)+"; stytch_session_jwt="+s.Session.JWT))
		if err != nil {
			t.Fatal(err)
		}
		for name, cred := range map[string]sessionauth.Credential{
			"alone": {Token: s.Session.Token}, "with a JWT of another session": {Token: s.Session.Token, JWT: other}, "repeated": repeated,
		} {
			err := s.Auth.SignOut(t.Context(), cred)
			var e *sessionauth.Error
			if !errors.As(err, &e) || e.Reason != sessionauth.ReasonNotKept {
				t.Errorf("%s: got %v, want %s", name, err, sessionauth.ReasonNotKept)
			}
		}
	})
}

func TestRevoke_DuringACallInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.CacheTTL, c.StaleIfError = time.Minute, time.Hour })
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		time.Sleep(2 * time.Minute)
		s.Tap("", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			if r.URL.Path == pathRevoke {
				return confirmOnly(r, stytch)
			}
			time.Sleep(time.Second)
			return nil, errors.New("connection refused")
		})
		s.Want(s.Get(bearer(s.Session.Token)), 200) // passes because of StaleIfError
		late := make(chan int)
		go func() { late <- s.Get(bearer(s.Session.Token)).StatusCode }()
		time.Sleep(1500 * time.Millisecond) // the retry is in progress
		if err := s.Auth.Revoke(t.Context(), s.Session.ID); err != nil {
			t.Fatal(err)
		}
		if got := <-late; got == 200 {
			t.Error("got a pass by StaleIfError for a session that was revoked during the call")
		}
	})
}

func TestSignOut_WhileStytchIsDown(t *testing.T) {
	for name, cred := range map[string]func(*env) sessionauth.Credential{
		"a token that is not cached": func(s *env) sessionauth.Credential { return sessionauth.Credential{Token: s.Session.Token} },
		"a JWT without a key set":    func(s *env) sessionauth.Credential { return sessionauth.Credential{JWT: s.Session.JWT} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.Tap("", func(*http.Request, http.RoundTripper) (*http.Response, error) {
					return nil, errors.New("connection refused")
				})
				c := cred(s)
				s.Want(s.Get(bearer(c.Token+c.JWT)), 503)
				if err := s.Auth.SignOut(t.Context(), c); !errors.Is(err, sessionauth.ErrUnavailable) {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
				s.Want(s.Get(bearer(c.Token+c.JWT)), 401) // this process refuses the credential
			})
		})
	}
}

// A sign-out ends the sessions of both cookies, also of the one that was not
// accepted.
func TestSignOut_OfTwoSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		time.Sleep(time.Second)
		newer := s.StartSession(s.User.ID, stytchtest.SessionOptions{})
		s.Want(s.Get(bothCookies(newer.Token, s.Session.JWT)), 200)
		s.WantPassed(1, newer.ID)
		cred, err := s.Auth.Credential(s.Last())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Auth.SignOut(t.Context(), cred); err != nil {
			t.Fatal(err)
		}
		for _, credential := range []string{newer.Token, newer.JWT, s.Session.Token, s.Session.JWT} {
			s.Want(s.Get(bearer(credential)), 401)
		}
	})
}

// The session of a request that another Authenticator let in proves nothing: a
// password for a token beside it has no place of the verified sessions.
func TestSignIn_InTheContextOfAnotherAuthenticator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := newEnv(t), newEnv(t)
		theirs.Want(theirs.Get(bearer(theirs.Session.Token)), 200)
		ours.Leaks.AddSecret(inventedToken)
		for range 6 {
			_, err := ours.Auth.SignIn(theirs.Last().Context(), stytch.AuthenticatePasswordParams{
				Email: authtest.Email, Password: authtest.Password, SessionToken: inventedToken,
			})
			if !errors.Is(err, sessionauth.ErrInvalidSession) {
				t.Errorf("got %v, want %v", err, sessionauth.ErrInvalidSession)
			}
		}
		ours.WantCalls(authtest.PathPassword, 6)
	})
}

// If Revoke is called twice while Stytch is down, the second call is not taken for a confirmation
// of the first.
func TestRevoke_TwiceWhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		for range 2 {
			if err := s.Auth.Revoke(t.Context(), s.Session.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		}
		s.SetFault(pathRevoke, stytchtest.Fault{})
		for range 2 {
			if err := s.Auth.Revoke(t.Context(), s.Session.ID); err != nil {
				t.Errorf("got %v once Stytch is back, want nil", err)
			}
		}
		s.WantCalls(pathRevoke, 3)
	})
}

// If the clock of Stytch is ahead by Leeway, a JWT that was issued just before the revocation is
// accepted until twice Leeway after its lifetime of an hour. The revocation must be remembered that
// long.
func TestRevoke_JWTOfAClockAhead(t *testing.T) {
	for _, leeway := range []time.Duration{5 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, sessionOnly, func(c *sessionauth.Config) { c.Leeway = leeway })
			long := s.SignIn(stytchtest.SessionOptions{Duration: 24 * time.Hour})
			s.Session = long
			ahead := bearer(s.SignJWT(func(_, c map[string]any) {
				issued := time.Now().Add(leeway).Unix()
				c["iat"], c["nbf"], c["exp"] = issued, issued, issued+3600
			}))
			s.Want(s.Get(ahead), 200)
			s.Tap(pathRevoke, confirmOnly)
			if err := s.Auth.Revoke(t.Context(), long.ID); err != nil {
				t.Fatal(err)
			}
			for _, wait := range []time.Duration{time.Hour, leeway, leeway - time.Second, time.Second - time.Millisecond} {
				time.Sleep(wait)
				s.Want(s.Get(ahead), 401)
			}
			s.WantCalls(pathAuthenticate, 0)
		})
	}
}

// A sign-out that waits for a retry keeps its credential in memory, and nothing else of its
// request.
func TestSignOut_KeepsNoRequest(t *testing.T) {
	authtest.SkipIfShort(t)
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault("", stytchtest.Fault{Status: 503})
		before := authtest.LiveHeap()
		for i := range 300 {
			r := newRequest("POST", fmt.Sprintf("Cookie: filler=%s; stytch_session=%s%03d", strings.Repeat("x", 900<<10), inventedToken, i))
			cred, err := s.Auth.Credential(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Auth.SignOut(r.Context(), cred); !errors.Is(err, sessionauth.ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
		}
		if grown := int64(authtest.LiveHeap()) - int64(before); grown > 2<<20 {
			t.Errorf("the live heap has grown by %d KiB, want 2,048 at most", grown>>10)
		}
		if ready, _ := s.Auth.Ready(t.Context()); ready.PendingRevocations != 300 {
			t.Errorf("got %d pending, want 300", ready.PendingRevocations)
		}
	})
}

// If the client closes the connection, the sign-out continues and needs no retry.
func TestSignOut_ClientHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.SetFault("", stytchtest.Fault{Delay: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		var all sync.WaitGroup
		all.Go(func() {
			if err := s.Auth.SignOut(ctx, sessionauth.Credential{JWT: s.Session.JWT}); err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
		for i := range 2000 {
			all.Go(func() {
				_ = s.Auth.SignOut(ctx, sessionauth.Credential{Token: fmt.Sprintf("%s%04d", inventedToken, i)})
			})
		}
		all.Wait()
		if ready, _ := s.Auth.Ready(t.Context()); ready.PendingRevocations != 0 {
			t.Errorf("got %d pending, want none", ready.PendingRevocations)
		}
		wantElsewhere(s, s.Session.Token, sessionauth.ErrInvalidSession)
	})
}

// A sign-out takes no longer while many others wait for a retry. The bound is far above the usual
// time and far below the time of a search through all of them.
func TestRevoke_ManyPending(t *testing.T) {
	authtest.SkipIfShort(t)
	s := newEnv(t)
	s.SetFault("", stytchtest.Fault{Status: 503})
	revoke := func(n int, name string) (err error) {
		for i := range n {
			err = s.Auth.Revoke(t.Context(), fmt.Sprint("session-test-", name, i))
		}
		return err
	}
	if err := revoke(100_000, "kept"); !errors.Is(err, sessionauth.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	sessionauth.FillDenylist(s.Auth, 50_000)
	began := time.Now()
	err := revoke(2000, "more")
	if took := time.Since(began) / 2000; took > 200*time.Microsecond {
		t.Errorf("got %v for each, want less than 200 µs", took)
	}
	var e *sessionauth.Error
	if !errors.As(err, &e) || e.Reason != sessionauth.ReasonNotKept {
		t.Errorf("got %v, want %s", err, sessionauth.ReasonNotKept)
	}
	if ready, _ := s.Auth.Ready(t.Context()); ready.PendingRevocations != 100_000 {
		t.Errorf("got %d pending, want 100,000", ready.PendingRevocations)
	}
}

// A request with a cached credential takes little longer while 150,000 revocations are remembered
// and 400 more arrive each second. The bound is far above the usual time, so that a busy machine
// does not fail the test.
func TestRequire_WhileSessionsAreRevoked(t *testing.T) {
	s := newEnv(t, func(c *sessionauth.Config) { c.Observe, c.Logger = nil, nil })
	s.Want(s.Get(bearer(s.Session.Token)), 200)
	h := s.Auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := newRequest("GET", bearer(s.Session.Token)), quiet{http.Header{}}
	best := func() time.Duration {
		best := time.Hour
		for range 200 {
			began := time.Now()
			for range 100 {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			best = min(best, time.Since(began))
		}
		return best / 100
	}
	before := best()
	sessionauth.FillDenylist(s.Auth, 150_000)
	ctx, stop := context.WithCancel(t.Context())
	var revoking sync.WaitGroup
	revoking.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = s.Auth.Revoke(t.Context(), fmt.Sprint("session-test-more-", i))
			time.Sleep(time.Second / 400)
		}
	})
	during := best()
	stop()
	revoking.Wait()
	t.Logf("%v before, %v during", before, during)
	if during > 3*before {
		t.Errorf("got %v, want less than three times %v", during, before)
	}
}

// BenchmarkRequire_WhileSessionsAreRevoked measures a request with a cached credential while
// 150,000 revocations are remembered. In the second row 400 more arrive each second.
func BenchmarkRequire_WhileSessionsAreRevoked(b *testing.B) {
	for _, row := range []struct {
		name  string
		known int
		every time.Duration
	}{{"none", 0, 0}, {"150,000", 150_000, 0}, {"150,000 and 400 a second", 150_000, time.Second / 400}} {
		b.Run(row.name, func(b *testing.B) {
			srv := stytchtest.NewServer()
			auth, err := sessionauth.New(sessionauth.Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client()})
			if err != nil {
				b.Fatal(err)
			}
			sessionauth.FillDenylist(auth, row.known)
			token := srv.StartSession(srv.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{}).Token
			h, r, w := auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), newRequest("GET", bearer(token)), quiet{http.Header{}}
			h.ServeHTTP(w, r)
			ctx, stop := context.WithCancel(b.Context())
			var revoking sync.WaitGroup
			if row.every > 0 {
				revoking.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						_ = auth.Revoke(ctx, fmt.Sprint("session-test-more-", i))
						time.Sleep(row.every)
					}
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			stop()
			revoking.Wait()
		})
	}
}

// A JWT that is not valid yet, because the clock of Stytch is ahead, can be signed out.
func TestSignOut_JWTOfAClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		ahead := s.SignJWT(func(_, c map[string]any) {
			issued := time.Now().Add(8 * time.Second).Unix()
			c["iat"], c["nbf"], c["exp"] = issued, issued, issued+300
		})
		s.Want(s.Get(bearer(ahead)), 401)
		if err := s.Auth.SignOut(t.Context(), sessionauth.Credential{JWT: ahead}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		s.Want(s.Get(bearer(ahead)), 401)
		s.WantCalls(pathRevoke, 1)
		wantElsewhere(s, s.Session.Token, sessionauth.ErrInvalidSession)
	})
}
