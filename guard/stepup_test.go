package guard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	wantsPassword = stepUp + `, acr_values="password"`
	wantsFresh    = stepUp + `, max_age="120"`
)

// A stepUpRow is a guard that asks for a password, which Ada has not shown, or
// not lately.
type stepUpRow struct {
	name      string
	guard     middleware
	challenge string
}

var stepUpRows = []stepUpRow{
	{"Factor", guard.Factor("password"), wantsPassword},
	{"Fresh", guard.Fresh(2 * time.Minute), wantsFresh},
}

// eachStepUp runs a test for Factor and for Fresh, with Ada signed in by a code
// three minutes ago.
func eachStepUp(t *testing.T, test func(s *stage, row stepUpRow), changes ...func(*sessionauth.Config)) {
	for _, row := range stepUpRows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, changes...)
				s.session = s.StartSession(s.user.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "otp"}}})
				time.Sleep(3 * time.Minute)
				test(s, row)
			})
		})
	}
}

// stepUp shows Ada's password somewhere else.
func (s *stage) stepUp() {
	s.t.Helper()
	client, err := stytch.NewClient(stytch.Config{ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: s.Client()})
	if err != nil {
		s.t.Fatal(err)
	}
	p := stytch.AuthenticatePasswordParams{Email: "ada@example.com", Password: password, SessionToken: s.session.Token}
	if _, err := client.AuthenticatePassword(context.Background(), p); err != nil {
		s.t.Fatal(err)
	}
}

func TestStytchIsAskedOnceBeforeAStepUp(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 100 * time.Millisecond})
		for _, resp := range together(64, h, bearer(s.session.JWT)) {
			s.want(resp, 401, row.challenge)
		}
		s.wantCalls(pathAuthenticate, 1)
		time.Sleep(5*time.Second - 101*time.Millisecond)
		s.want(get(h, bearer(s.session.JWT)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 1)
		time.Sleep(time.Millisecond) // five seconds after the question
		s.want(get(h, bearer(s.session.JWT)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 2)
		s.wantReached(0)
	})
}

func TestOneQuestionServesSeveralGuards(t *testing.T) {
	eachStepUp(t, func(s *stage, _ stepUpRow) {
		s.want(get(s.behind(guard.Factor("password")), bearer(s.session.JWT)), 401)
		s.want(get(s.behind(guard.Fresh(time.Second)), bearer(s.session.JWT)), 401)
		s.want(get(s.behind(guard.Factor("totp", "webauthn")), bearer(s.session.JWT)), 401)
		s.wantCalls(pathAuthenticate, 1)
	})
}

// The JWT or the cache does not know yet that the user stepped up elsewhere.
func TestWhoSteppedUpElsewherePassesAtOnce(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		s.stepUp()
		s.want(get(h, bearer(s.session.JWT)), 200)
		s.want(get(h, bearer(s.session.JWT)), 200)
		s.wantCalls(pathAuthenticate, 1)
		s.wantReached(2)
	})
	t.Run("with a cached token", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.want(get(s.behind(), bearer(s.session.Token)), 200)
			s.stepUp()
			s.want(get(s.behind(row.guard), bearer(s.session.Token)), 200)
			s.wantCalls(pathAuthenticate, 2)
		})
	})
}

func TestWhoStepsUpAfterARefusalPassesWithinFiveSeconds(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		s.want(get(h, bearer(s.session.JWT)), 401)
		time.Sleep(time.Second)
		s.stepUp()
		s.want(get(h, bearer(s.JWT(s.session.ID))), 200) // a JWT minted since says it itself
		time.Sleep(4 * time.Second)
		s.want(get(h, bearer(s.session.JWT)), 200)
		s.wantCalls(pathAuthenticate, 2)
	})
}

// Forget promises that the next request asks again: package login calls it
// after a step-up.
func TestForgetEndsTheFiveSeconds(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		s.want(get(h, bearer(s.session.JWT)), 401)
		s.stepUp()
		s.auth.Forget(s.session.ID)
		s.want(get(h, bearer(s.session.JWT)), 200)
	})
	t.Run("with the question under way", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			h := s.behind(row.guard)
			get(s.behind(), bearer(s.session.JWT))
			s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
				resp, err := stytch.RoundTrip(r)
				time.Sleep(time.Second)
				return resp, err
			})
			var wg sync.WaitGroup
			wg.Go(func() { s.want(get(h, bearer(s.session.JWT)), 401) })
			synctest.Wait() // the answer is made, and on its way
			s.stepUp()
			s.auth.Forget(s.session.ID)
			wg.Wait()
			s.want(get(h, bearer(s.session.JWT)), 200)
		})
	})
}

func TestStepUpIsNotAskedAboutWhenItIsKnown(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		s.stepUp()
		s.want(get(s.behind(row.guard), bearer(s.JWT(s.session.ID))), 200)
		s.wantCalls(pathAuthenticate, 0)
	})
}

// What Stytch said of this very request is not asked again.
func TestStepUpIsNotAskedAboutTwice(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		s.want(get(s.behind(row.guard), bearer(s.session.Token)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 1)
		s.want(get(s.behind(guard.Live(), row.guard), bearer(s.session.JWT)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 2)
		s.want(get(s.behind(guard.PermissionLive("documents", "delete"), row.guard), bearer(s.session.JWT)), 403)
		s.want(get(s.behind(guard.PermissionLive("documents", "read"), row.guard), bearer(s.session.JWT)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 4)
		time.Sleep(3 * time.Minute) // the JWT is past its exp: Require asks
		s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 5)
	})
}

func TestStepUpWhileStytchCannotBeAsked(t *testing.T) {
	rows := []struct {
		name  string
		fault stytchtest.Fault
	}{
		{"500", stytchtest.Fault{Status: 500}},
		{"503", stytchtest.Fault{Status: 503}},
		{"429", stytchtest.Fault{Status: 429}},
		{"slow", stytchtest.Fault{Delay: time.Minute}},
		{"403 of a proxy", stytchtest.Fault{Status: 403, ErrorType: "forbidden"}},
		{"the project's credentials refused", stytchtest.Fault{Status: 401, ErrorType: "unauthorized_credentials"}},
		{"a permission refused that nobody asked for", stytchtest.Fault{Status: 403, ErrorType: "consumer_session_authorization_error"}},
	}
	for _, fault := range rows {
		t.Run(fault.name, func(t *testing.T) {
			eachStepUp(t, func(s *stage, row stepUpRow) {
				h := s.behind(row.guard)
				get(s.behind(), bearer(s.session.JWT)) // the key set is known
				s.stepUp()
				s.SetFault(pathAuthenticate, fault.fault)
				s.want(get(h, bearer(s.session.JWT)), 503, "")
				s.wantReached(1)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Second) // a 429 closes the lane for as long
				s.want(get(h, bearer(s.session.JWT)), 200)
			})
		})
	}
}

func TestStepUpOfASessionThatIsGone(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		s.stepUp()
		s.RevokeSession(s.session.ID)
		s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 401, invalidToken)
		s.wantReached(0)
	})
	t.Run("and costs no call for each request", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.RevokeSession(s.session.ID)
			for range 10 {
				s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 401, invalidToken)
			}
			s.wantCalls(pathAuthenticate, 1)
		})
	})
	t.Run("and costs no call for each request with both cookies", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.RevokeSession(s.session.ID)
			for range 10 {
				s.want(get(s.behind(row.guard), s.bothCookies()), 401, invalidToken)
			}
			s.wantCalls(pathAuthenticate, 1)
		})
	})
	t.Run("and is refused everywhere from then on", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.want(get(s.behind(), bearer(s.session.JWT)), 200)
			s.RevokeSession(s.session.ID)
			s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 401, invalidToken)
			s.want(get(s.behind(), bearer(s.session.JWT)), 401, invalidToken)
		})
	})
	t.Run("revoked here while Stytch is asked", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.stepUp()
			get(s.behind(), bearer(s.session.JWT))
			s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
				resp, err := stytch.RoundTrip(r)
				time.Sleep(time.Second)
				return resp, err
			})
			var wg sync.WaitGroup
			wg.Go(func() { s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 401, invalidToken) })
			synctest.Wait()
			if err := s.auth.Revoke(s.t.Context(), s.session.ID); err != nil {
				t.Error(err)
			}
			wg.Wait()
			s.wantReached(1)
		})
	})
	t.Run("revoked here between Require and the guard", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.stepUp()
			s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 200)
			revokes := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if err := s.auth.Revoke(r.Context(), s.session.ID); err != nil {
						t.Error(err)
					}
					next.ServeHTTP(w, r)
				})
			}
			s.want(get(s.behind(revokes, row.guard), bearer(s.session.JWT)), 401, invalidToken)
		})
	})
	t.Run("revoked here after it passed", func(t *testing.T) {
		eachStepUp(t, func(s *stage, row stepUpRow) {
			s.stepUp()
			s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 200)
			if err := s.auth.Revoke(s.t.Context(), s.session.ID); err != nil {
				t.Error(err)
			}
			s.want(get(s.behind(row.guard), bearer(s.session.JWT)), 401, invalidToken)
		})
	})
}

// A waiter keeps its own deadline, and who began the question may leave.
func TestStepUpOfAClientThatGoesAway(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		get(s.behind(), bearer(s.session.JWT))
		s.stepUp()
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 2 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			r := newRequest(bearer(s.session.JWT))
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			w, began := httptest.NewRecorder(), time.Now()
			h.ServeHTTP(w, r.WithContext(ctx))
			s.want(w.Result(), 503)
			if took := time.Since(began); took != time.Second {
				t.Errorf("got an answer after %v, want 1s", took)
			}
		})
		synctest.Wait()
		wg.Go(func() { s.want(get(h, bearer(s.session.JWT)), 200) })
		wg.Wait()
		s.wantCalls(pathAuthenticate, 1)
	})
}

// Nobody passes by what somebody else has shown.
func TestStepUpIsOfOneSession(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		other := s.StartSession(s.user.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "otp", LastAuthenticatedAt: time.Now().Add(-time.Hour)}}})
		s.stepUp()
		s.want(get(h, bearer(s.session.JWT)), 200)
		s.want(get(h, bearer(other.JWT)), 401, row.challenge)
		s.wantCalls(pathAuthenticate, 2)
		// The JWT is of one session, and the token beside it of another.
		s.want(get(h, "Cookie: stytch_session_jwt="+s.StartSession(s.user.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{Type: "otp", LastAuthenticatedAt: time.Now().Add(-time.Hour)}}}).JWT+"; stytch_session="+s.session.Token), 401, invalidToken)
		s.wantReached(1)
	})
}

// Requests of one session may bring different credentials: the answer to one of
// them is not the answer to the other.
func TestStepUpQuestionsByTwoCredentials(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		h := s.behind(row.guard)
		get(s.behind(), bearer(s.session.JWT))
		s.stepUp()
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { // the token beside the JWT is nobody's
			s.want(get(h, "Cookie: stytch_session_jwt="+s.session.JWT+"; stytch_session=abcdefghijklmnopqrstuvwxyz"), 401, invalidToken)
		})
		synctest.Wait()
		wg.Go(func() { s.want(get(h, bearer(s.session.JWT)), 200) })
		wg.Wait()
	})
}

// However they are scheduled, requests that come together are one question.
func TestStepUpUnderLoad(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, sessionOnly)
			get(s.behind(), bearer(s.session.JWT))
			together(16, s.behind(guard.Factor("totp")), bearer(s.session.JWT))
			s.wantCalls(pathAuthenticate, 1)
		})
	}
}

// Nobody can say which of two cookies Stytch should be asked about.
func TestStepUpOfRepeatedCookies(t *testing.T) {
	eachStepUp(t, func(s *stage, row stepUpRow) {
		repeated := "Cookie: stytch_session_jwt=" + s.session.JWT + "; stytch_session_jwt=a.b.c"
		s.want(get(s.behind(), repeated), 200)
		s.want(get(s.behind(row.guard), repeated), 400)
		s.stepUp()
		fresh := "Cookie: stytch_session_jwt=" + s.JWT(s.session.ID) + "; stytch_session_jwt=a.b.c"
		s.want(get(s.behind(row.guard), fresh), 200)
	})
}
