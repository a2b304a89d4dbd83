package guard_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	wantsPassword = stepUp + `, acr_values="password"`
	wantsFresh    = stepUp + `, max_age="120"`
)

// A stepUpRow is a guard that requires a password. The session of the test has no password factor,
// or an old one.
type stepUpRow struct {
	name      string
	guard     middleware
	challenge string
}

var stepUpRows = []stepUpRow{
	{"Factor", guard.Factor("password"), wantsPassword},
	{"Fresh", guard.Fresh(2 * time.Minute), wantsFresh},
}

// eachStepUp runs a test for Factor and for Fresh. The user signed in with a code three minutes
// ago.
func eachStepUp(t *testing.T, test func(s *env, row stepUpRow), changes ...func(*sessionauth.Config)) {
	for _, row := range stepUpRows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, changes...)
				s.Session = s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "otp"}}})
				time.Sleep(3 * time.Minute)
				test(s, row)
			})
		})
	}
}

// stepUp adds a password factor to the session at Stytch, so the Authenticator does not know it
// yet.
func (s *env) stepUp() {
	s.T.Helper()
	client, err := stytch.NewClient(stytch.Config{ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: s.Client()})
	if err != nil {
		s.T.Fatal(err)
	}
	p := stytch.AuthenticatePasswordParams{Email: authtest.Email, Password: authtest.Password, SessionToken: s.Session.Token}
	if _, err := client.AuthenticatePassword(context.Background(), p); err != nil {
		s.T.Fatal(err)
	}
}

func TestStepUp_OneCallBeforeARefusal(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 100 * time.Millisecond})
		for _, resp := range s.TogetherFrom(64, h, bearer(s.Session.JWT)) {
			s.want(resp, 401, row.challenge)
		}
		s.WantCalls(pathAuthenticate, 1)
		time.Sleep(5*time.Second - 101*time.Millisecond)
		s.want(s.get(h, bearer(s.Session.JWT)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 1)
		time.Sleep(time.Millisecond) // five seconds have passed since the call
		s.want(s.get(h, bearer(s.Session.JWT)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 2)
		s.wantPasses(0)
	})
}

func TestStepUp_GuardsShareACall(t *testing.T) {
	eachStepUp(t, func(s *env, _ stepUpRow) {
		s.want(s.get(s.Behind(guard.Factor("password")), bearer(s.Session.JWT)), 401)
		s.want(s.get(s.Behind(guard.Fresh(time.Second)), bearer(s.Session.JWT)), 401)
		s.want(s.get(s.Behind(guard.Factor("totp", "webauthn")), bearer(s.Session.JWT)), 401)
		s.WantCalls(pathAuthenticate, 1)
	})
}

// A step-up in another process passes immediately, although the JWT and the cache are older: the
// guard calls Stytch before it refuses.
func TestStepUp_ElsewhereHasAnImmediateEffect(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		s.stepUp()
		s.want(s.get(h, bearer(s.Session.JWT)), 200)
		s.want(s.get(h, bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 1)
		s.wantPasses(2)
	})
	t.Run("with a cached token", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.want(s.get(s.Behind(), bearer(s.Session.Token)), 200)
			s.stepUp()
			s.want(s.get(s.Behind(row.guard), bearer(s.Session.Token)), 200)
			s.WantCalls(pathAuthenticate, 2)
		})
	})
}

func TestStepUp_AfterARefusalHasAnEffectWithinFiveSeconds(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		s.want(s.get(h, bearer(s.Session.JWT)), 401)
		time.Sleep(time.Second)
		s.stepUp()
		s.want(s.get(h, bearer(s.JWT(s.Session.ID))), 200) // this JWT contains the factor
		time.Sleep(4 * time.Second)
		s.want(s.get(h, bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 2)
	})
}

// A refusal is remembered for five seconds. Forget ends this, so that the next request causes a
// call. Package login calls Forget after a step-up.
func TestStepUp_ForgetEndsTheFiveSeconds(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		s.want(s.get(h, bearer(s.Session.JWT)), 401)
		s.stepUp()
		s.Auth.Forget(s.Session.ID)
		s.want(s.get(h, bearer(s.Session.JWT)), 200)
	})
	t.Run("with the call under way", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			h := s.Behind(row.guard)
			s.get(s.Behind(), bearer(s.Session.JWT))
			s.Tap(pathAuthenticate, authtest.DelayAnswers(time.Second))
			var wg sync.WaitGroup
			wg.Go(func() { s.want(s.get(h, bearer(s.Session.JWT)), 401) })
			synctest.Wait() // Stytch has answered, and the answer is on its way
			s.stepUp()
			s.Auth.Forget(s.Session.ID)
			wg.Wait()
			s.want(s.get(h, bearer(s.Session.JWT)), 200)
		})
	})
}

func TestStepUp_NoCallIfTheJWTHasTheFactor(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		s.stepUp()
		s.want(s.get(s.Behind(row.guard), bearer(s.JWT(s.Session.ID))), 200)
		s.WantCalls(pathAuthenticate, 0)
	})
}

// A request causes at most one call: the guards use the answer that Require or another guard of
// this request received.
func TestStepUp_OneCallForARequest(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		s.want(s.get(s.Behind(row.guard), bearer(s.Session.Token)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 1)
		s.want(s.get(s.Behind(guard.Live(), row.guard), bearer(s.Session.JWT)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 2)
		s.want(s.get(s.Behind(guard.PermissionLive("documents", "delete"), row.guard), bearer(s.Session.JWT)), 403)
		s.want(s.get(s.Behind(guard.PermissionLive("documents", "read"), row.guard), bearer(s.Session.JWT)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 4)
		time.Sleep(3 * time.Minute) // the JWT has expired, so Require makes a call
		s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 5)
	})
}

func TestStepUp_WhileStytchIsDown(t *testing.T) {
	rows := []struct {
		name  string
		fault stytchtest.Fault
	}{
		{"500", stytchtest.Fault{Status: 500}},
		{"503", stytchtest.Fault{Status: 503}},
		{"429", stytchtest.Fault{Status: 429}},
		{"slow", stytchtest.Fault{Delay: time.Minute}},
		{"403 of a proxy", stytchtest.Fault{Status: 403, ErrorType: "forbidden"}},
		{"the credentials of the project refused", stytchtest.Fault{Status: 401, ErrorType: "unauthorized_credentials"}},
		{"the refusal of a permission that the call did not name", stytchtest.Fault{Status: 403, ErrorType: "consumer_session_authorization_error"}},
	}
	for _, fault := range rows {
		t.Run(fault.name, func(t *testing.T) {
			eachStepUp(t, func(s *env, row stepUpRow) {
				h := s.Behind(row.guard)
				s.get(s.Behind(), bearer(s.Session.JWT)) // fetches the key set
				s.stepUp()
				s.SetFault(pathAuthenticate, fault.fault)
				s.want(s.get(h, bearer(s.Session.JWT)), 503, "")
				s.wantPasses(1)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Second) // a 429 pauses the class for a second
				s.want(s.get(h, bearer(s.Session.JWT)), 200)
			})
		})
	}
}

func TestStepUp_RevokedSession(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		s.stepUp()
		s.RevokeSession(s.Session.ID)
		s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 401, invalidToken)
		s.wantPasses(0)
	})
	t.Run("one call for many requests", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.RevokeSession(s.Session.ID)
			for range 10 {
				s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 401, invalidToken)
			}
			s.WantCalls(pathAuthenticate, 1)
		})
	})
	t.Run("one call for many requests with both cookies", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.RevokeSession(s.Session.ID)
			for range 10 {
				s.want(s.get(s.Behind(row.guard), s.bothCookies()), 401, invalidToken)
			}
			s.WantCalls(pathAuthenticate, 2) // one call for the token and one for the JWT
		})
	})
	t.Run("refused everywhere afterwards", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.want(s.get(s.Behind(), bearer(s.Session.JWT)), 200)
			s.RevokeSession(s.Session.ID)
			s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 401, invalidToken)
			s.want(s.get(s.Behind(), bearer(s.Session.JWT)), 401, invalidToken)
		})
	})
	t.Run("by Revoke during the call", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.stepUp()
			s.get(s.Behind(), bearer(s.Session.JWT))
			s.Tap(pathAuthenticate, authtest.DelayAnswers(time.Second))
			var wg sync.WaitGroup
			wg.Go(func() { s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 401, invalidToken) })
			synctest.Wait()
			if err := s.Auth.Revoke(s.T.Context(), s.Session.ID); err != nil {
				t.Error(err)
			}
			wg.Wait()
			s.wantPasses(1)
		})
	})
	t.Run("by Revoke between Require and the guard", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.stepUp()
			s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 200)
			revokes := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if err := s.Auth.Revoke(r.Context(), s.Session.ID); err != nil {
						t.Error(err)
					}
					next.ServeHTTP(w, r)
				})
			}
			s.want(s.get(s.Behind(revokes, row.guard), bearer(s.Session.JWT)), 401, invalidToken)
		})
	})
	t.Run("by Revoke after it passed", func(t *testing.T) {
		eachStepUp(t, func(s *env, row stepUpRow) {
			s.stepUp()
			s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 200)
			if err := s.Auth.Revoke(s.T.Context(), s.Session.ID); err != nil {
				t.Error(err)
			}
			s.want(s.get(s.Behind(row.guard), bearer(s.Session.JWT)), 401, invalidToken)
		})
	})
}

// The call continues after the request that started it is canceled, because other requests may wait
// for it.
func TestStepUp_CanceledRequest(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		s.get(s.Behind(), bearer(s.Session.JWT))
		s.stepUp()
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 2 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			r := newRequest(bearer(s.Session.JWT))
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			began := time.Now()
			s.want(s.DoTo(h, r.WithContext(ctx)), 503)
			if took := time.Since(began); took != time.Second {
				t.Errorf("got an answer after %v, want 1s", took)
			}
		})
		synctest.Wait()
		wg.Go(func() { s.want(s.get(h, bearer(s.Session.JWT)), 200) })
		wg.Wait()
		s.WantCalls(pathAuthenticate, 1)
	})
}

// A step-up in one session has no effect on other sessions of the user.
func TestStepUp_AppliesToOneSession(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		other := s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "otp", LastAuthenticatedAt: time.Now().Add(-time.Hour)}}})
		s.stepUp()
		s.want(s.get(h, bearer(s.Session.JWT)), 200)
		s.want(s.get(h, bearer(other.JWT)), 401, row.challenge)
		s.WantCalls(pathAuthenticate, 2)
		// The JWT belongs to a new session and the token to an older one.
		s.want(s.get(h, "Cookie: stytch_session_jwt="+s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "otp", LastAuthenticatedAt: time.Now().Add(-time.Hour)}}}).JWT+"; stytch_session="+s.Session.Token), 401, row.challenge)
		s.wantPasses(1)
	})
}

// Calls for the same session with different credentials do not share an answer.
func TestStepUp_CallsByTwoCredentials(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		h := s.Behind(row.guard)
		s.get(s.Behind(), bearer(s.Session.JWT))
		s.stepUp()
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { // no session has this token
			s.want(s.get(h, "Cookie: stytch_session_jwt="+s.Session.JWT+"; stytch_session=abcdefghijklmnopqrstuvwxyz"), 200)
		})
		synctest.Wait()
		wg.Go(func() { s.want(s.get(h, bearer(s.Session.JWT)), 200) })
		wg.Wait()
	})
}

// What Stytch says of the session is not what it says of a third-party JWT.
func TestStepUp_ThirdPartyJWTHasAnAnswerOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		claims := s.Claims(s.Session.ID)
		claims["client_id"] = "connected-app-test-1"
		h, thirdParty := s.Behind(guard.Factor("totp")), bearer(s.signed(claims))
		s.want(s.get(s.Behind(), thirdParty), 200)
		time.Sleep(6 * time.Second)
		s.want(s.get(h, s.jwtOnly()), 401)
		before := s.Calls(pathAuthenticate)
		s.want(s.get(h, thirdParty), 401)
		if got := s.Calls(pathAuthenticate) - before; got != 1 {
			t.Errorf("got %d calls about the third-party JWT, want 1", got)
		}
	})
}

// Concurrent requests share one call, whatever their order.
func TestStepUp_UnderLoad(t *testing.T) {
	authtest.SkipIfShort(t)
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, sessionOnly)
			s.get(s.Behind(), bearer(s.Session.JWT))
			s.TogetherFrom(16, s.Behind(guard.Factor("totp")), bearer(s.Session.JWT))
			s.WantCalls(pathAuthenticate, 1)
		})
	}
}

// If a cookie is repeated, the guard introspects the value that Require accepted.
func TestStepUp_RepeatedCookies(t *testing.T) {
	eachStepUp(t, func(s *env, row stepUpRow) {
		repeated := "Cookie: stytch_session_jwt=" + s.Session.JWT + "; stytch_session_jwt=a.b.c"
		s.want(s.get(s.Behind(), repeated), 200)
		s.want(s.get(s.Behind(row.guard), repeated), 401, row.challenge)
		time.Sleep(5 * time.Second)
		s.stepUp()
		s.want(s.get(s.Behind(row.guard), repeated), 200)
		fresh := "Cookie: stytch_session_jwt=" + s.JWT(s.Session.ID) + "; stytch_session_jwt=a.b.c"
		s.want(s.get(s.Behind(row.guard), fresh), 200)
	})
}
