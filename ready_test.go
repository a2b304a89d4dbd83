package sessionauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// wantReady asks how the Authenticator does, and holds it against what the Event
// of a request says of the same moment.
func (s *stage) wantReady(events *[]sessionauth.Event, want sessionauth.Readiness) {
	s.t.Helper()
	got, err := s.auth.Ready(s.t.Context())
	if err != nil {
		s.t.Errorf("got %v, want it to be ready", err)
	}
	if !slices.Equal(got.Degraded, want.Degraded) || !slices.Equal(got.OpenBreakers, want.OpenBreakers) ||
		got.KeySetAge != want.KeySetAge || got.PolicyAge != want.PolicyAge || got.PendingRevocations != want.PendingRevocations {
		s.t.Errorf("got %+v, want %+v", got, want)
	}
	s.get() // without a credential: it changes nothing
	e := (*events)[len(*events)-1]
	if e.KeySetAge != want.KeySetAge || e.OpenBreakers != len(want.OpenBreakers) || e.PendingRevocations != want.PendingRevocations {
		s.t.Errorf("got an event with %v, %d and %d, want those of %+v", e.KeySetAge, e.OpenBreakers, e.PendingRevocations, want)
	}
}

func TestReadyNamesWhatIsDegraded(t *testing.T) {
	rows := []struct {
		name string
		do   func(s *stage)
		want sessionauth.Readiness
	}{
		{"nothing", func(*stage) {}, sessionauth.Readiness{}},
		{"a key set of some age", func(*stage) { time.Sleep(10 * time.Minute) }, sessionauth.Readiness{KeySetAge: 10 * time.Minute}},
		{"a key set that cannot be refreshed", func(s *stage) {
			s.SetFault(pathKeySet, status(500))
			time.Sleep(16 * time.Minute)
			s.want(s.get(bearer(s.JWT(s.session.ID))), 200)
			synctest.Wait()
		}, sessionauth.Readiness{KeySetAge: 16 * time.Minute, Degraded: []string{"key_set"}}},
		{"a key set that is refreshed again", func(s *stage) {
			s.SetFault(pathKeySet, status(500))
			time.Sleep(16 * time.Minute)
			s.want(s.get(bearer(s.JWT(s.session.ID))), 200)
			synctest.Wait()
			s.SetFault(pathKeySet, stytchtest.Fault{})
			time.Sleep(30 * time.Second)
			s.want(s.get(bearer(s.JWT(s.session.ID))), 200)
			synctest.Wait()
		}, sessionauth.Readiness{}},
		{"a breaker of strangers", func(s *stage) {
			s.SetFault(pathAuthenticate, status(500))
			for _, token := range s.freshTokens()[:10] {
				s.want(s.get(bearer(token)), 503)
			}
		}, sessionauth.Readiness{OpenBreakers: []string{"unverified sessions"}, Degraded: []string{"breaker: unverified sessions"}}},
		{"a breaker that is half open", func(s *stage) {
			s.SetFault(pathAuthenticate, status(500))
			for _, token := range s.freshTokens()[:10] {
				s.want(s.get(bearer(token)), 503)
			}
			time.Sleep(5*time.Second + 1)
			s.want(s.get(bearer(s.freshTokens()[11])), 503)
		}, sessionauth.Readiness{KeySetAge: 5*time.Second + 1, OpenBreakers: []string{"unverified sessions"}, Degraded: []string{"breaker: unverified sessions"}}},
		{"a breaker that is closed again", func(s *stage) {
			s.SetFault(pathAuthenticate, status(500))
			for _, token := range s.freshTokens()[:10] {
				s.want(s.get(bearer(token)), 503)
			}
			s.SetFault(pathAuthenticate, stytchtest.Fault{})
			time.Sleep(5*time.Second + 1)
			s.want(s.get(bearer(s.freshTokens()[11])), 200)
		}, sessionauth.Readiness{KeySetAge: 5*time.Second + 1}},
		{"revocations to be confirmed", func(s *stage) {
			s.SetFault(pathRevoke, status(500))
			for _, session := range s.sessions()[:3] {
				if err := s.auth.Revoke(s.t.Context(), session.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
					s.t.Errorf("got %v, want ErrUnavailable", err)
				}
			}
		}, sessionauth.Readiness{PendingRevocations: 3, Degraded: []string{"revocations"}}},
		{"revocations confirmed in passing", func(s *stage) {
			s.SetFault(pathRevoke, status(500))
			_ = s.auth.Revoke(s.t.Context(), s.session.ID)
			s.SetFault(pathRevoke, stytchtest.Fault{})
			s.want(s.get(bearer(s.freshTokens()[0])), 200)
			synctest.Wait()
		}, sessionauth.Readiness{}},
		{"a policy of some age", func(s *stage) {
			s.checkPermission(nil)
			time.Sleep(time.Minute)
		}, sessionauth.Readiness{KeySetAge: time.Minute, PolicyAge: time.Minute}},
		{"a policy that cannot be had", func(s *stage) {
			s.SetFault(pathPolicy, status(500))
			s.checkPermission(sessionauth.ErrUnavailable)
		}, sessionauth.Readiness{Degraded: []string{"policy"}}},
		{"all at once", func(s *stage) {
			s.checkPermission(nil)
			time.Sleep(16 * time.Minute)
			s.SetFault("", status(500))
			s.checkPermission(nil) // refreshes in passing
			_ = s.auth.Revoke(s.t.Context(), s.session.ID)
			for _, token := range s.freshTokens()[:10] {
				s.want(s.get(bearer(token)), 503)
			}
			synctest.Wait()
		}, sessionauth.Readiness{
			KeySetAge: 16 * time.Minute, PolicyAge: 16 * time.Minute, PendingRevocations: 1,
			OpenBreakers: []string{"unverified sessions"},
			Degraded:     []string{"key_set", "policy", "breaker: unverified sessions", "revocations"},
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []sessionauth.Event
				s := newStage(t, sessionOnly, watch(&events))
				s.SetPolicy(office)
				s.want(s.get(bearer(s.session.JWT)), 200)
				row.do(s)
				s.wantReady(&events, row.want)
				s.wantIdle()
			})
		})
	}
}

// checkPermission asks for a permission inside a handler; want is nil where the
// policy could be asked.
func (s *stage) checkPermission(want error) {
	s.t.Helper()
	s.auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := s.auth.Allowed(r.Context(), "documents", "read")
		if !errors.Is(err, want) {
			s.t.Errorf("got %v, want %v", err, want)
		}
	})).ServeHTTP(httptest.NewRecorder(), newRequest(http.MethodGet, bearer(s.JWT(s.session.ID))))
}

func TestReadyFailsOnlyWhereNothingCanBeDecided(t *testing.T) {
	rows := []struct {
		name    string
		do      func(s *stage)
		healthy bool
	}{
		{"a cold start while Stytch is down", func(s *stage) { s.SetFault("", status(500)) }, false},
		{"a cold start while it is up", func(*stage) {}, true},
		{"no key set, but tokens are answered", func(s *stage) {
			s.SetFault(pathKeySet, status(500))
			s.want(s.get(tokenOf(s)), 200)
			time.Sleep(time.Minute - time.Millisecond)
		}, true},
		{"no key set, and no answer for a minute", func(s *stage) {
			s.SetFault(pathKeySet, status(500))
			s.want(s.get(tokenOf(s)), 200)
			s.SetFault("", status(500))
			time.Sleep(time.Minute)
		}, false},
		{"Stytch is down, and the key set known", func(s *stage) {
			s.want(s.get(bearer(s.session.JWT)), 200)
			s.SetFault("", stytchtest.Refuse())
			time.Sleep(6 * time.Hour)
		}, true},
		{"the key set is a day old", func(s *stage) {
			s.want(s.get(bearer(s.session.JWT)), 200)
			s.SetFault("", stytchtest.Refuse())
			time.Sleep(24 * time.Hour)
		}, false},
		{"the key set is a day old, because nobody came", func(s *stage) {
			s.want(s.get(bearer(s.session.JWT)), 200)
			time.Sleep(48 * time.Hour)
		}, true},
		{"our own credentials are refused", func(s *stage) {
			s.want(s.get(bearer(s.session.JWT)), 200)
			s.SetFault("", refusedAs(401, "unauthorized_credentials"))
			s.want(s.get(tokenOf(s)), 503)
		}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, sessionOnly)
				row.do(s)
				r, err := s.auth.Ready(t.Context())
				if row.healthy && err != nil || !row.healthy && !errors.Is(err, sessionauth.ErrUnavailable) {
					t.Errorf("got %v with %+v, want healthy %t", err, r, row.healthy)
				}
				if !row.healthy && !slices.Contains(r.Degraded, "key_set") {
					t.Errorf("got %+v, want key_set among what is degraded", r)
				}
				s.SetFault("", stytchtest.Fault{})
				s.SetFault(pathKeySet, stytchtest.Fault{})
				time.Sleep(time.Second)
				if r, err := s.auth.Ready(t.Context()); err != nil {
					t.Errorf("got %v with %+v a second after the end, want it to be ready", err, r)
				}
				s.wantIdle()
			})
		})
	}
}

func TestReadyWaitsNoLongerThanItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.SetFault("", stytchtest.Hang())
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.auth.Ready(ctx); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("got an answer after %v, want 1s", took)
		}
		time.Sleep(2 * time.Second)
		s.wantIdle()
	})
}
