package sessionauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// wantReady checks what Ready returns, and that the Event of a request at the same
// time agrees.
func wantReady(s *env, events *[]sessionauth.Event, want sessionauth.Readiness) {
	s.T.Helper()
	got, err := s.Auth.Ready(s.T.Context())
	if err != nil {
		s.T.Errorf("got %v, want nil", err)
	}
	if !slices.Equal(got.Degraded, want.Degraded) || !slices.Equal(got.OpenBreakers, want.OpenBreakers) ||
		got.KeySetAge != want.KeySetAge || got.PolicyAge != want.PolicyAge || got.PendingRevocations != want.PendingRevocations {
		s.T.Errorf("got %+v, want %+v", got, want)
	}
	s.Get() // without a credential, so it changes nothing
	e := (*events)[len(*events)-1]
	if e.KeySetAge != want.KeySetAge || e.OpenBreakers != len(want.OpenBreakers) || e.PendingRevocations != want.PendingRevocations {
		s.T.Errorf("got an event with %v, %d and %d, want those of %+v", e.KeySetAge, e.OpenBreakers, e.PendingRevocations, want)
	}
}

func TestReady_Degraded(t *testing.T) {
	rows := []struct {
		name string
		do   func(s *env)
		want sessionauth.Readiness
	}{
		{"nothing", func(*env) {}, sessionauth.Readiness{}},
		{"a key set of some age", func(*env) { time.Sleep(10 * time.Minute) }, sessionauth.Readiness{KeySetAge: 10 * time.Minute}},
		{"a key set that cannot be refreshed", func(s *env) {
			s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
			time.Sleep(16 * time.Minute)
			s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
			synctest.Wait()
		}, sessionauth.Readiness{KeySetAge: 16 * time.Minute, Degraded: []string{"key_set"}}},
		{"a key set that is refreshed again", func(s *env) {
			s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
			time.Sleep(16 * time.Minute)
			s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
			synctest.Wait()
			s.SetFault(pathKeySet, stytchtest.Fault{})
			time.Sleep(30 * time.Second)
			s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
			synctest.Wait()
		}, sessionauth.Readiness{}},
		{"an open breaker", func(s *env) {
			s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500})
			for _, session := range s.SignInMany(10) {
				s.Want(s.Get(bearer(session.Token)), 503)
			}
		}, sessionauth.Readiness{OpenBreakers: []string{"unverified sessions"}, Degraded: []string{"breaker: unverified sessions"}}},
		{"a breaker that is half open", func(s *env) {
			s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500})
			for _, session := range s.SignInMany(10) {
				s.Want(s.Get(bearer(session.Token)), 503)
			}
			time.Sleep(5*time.Second + 1)
			s.Want(s.Get(bearer(s.SignIn(stytchtest.SessionOptions{}).Token)), 503)
		}, sessionauth.Readiness{KeySetAge: 5*time.Second + 1, OpenBreakers: []string{"unverified sessions"}, Degraded: []string{"breaker: unverified sessions"}}},
		{"a breaker that is closed again", func(s *env) {
			s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 500})
			for _, session := range s.SignInMany(10) {
				s.Want(s.Get(bearer(session.Token)), 503)
			}
			s.SetFault(pathAuthenticate, stytchtest.Fault{})
			time.Sleep(5*time.Second + 1)
			s.Want(s.Get(bearer(s.SignIn(stytchtest.SessionOptions{}).Token)), 200)
		}, sessionauth.Readiness{KeySetAge: 5*time.Second + 1}},
		{"unconfirmed revocations", func(s *env) {
			s.SetFault(pathRevoke, stytchtest.Fault{Status: 500})
			for _, session := range s.SignInMany(3) {
				if err := s.Auth.Revoke(s.T.Context(), session.ID); !errors.Is(err, sessionauth.ErrUnavailable) {
					s.T.Errorf("got %v, want ErrUnavailable", err)
				}
			}
		}, sessionauth.Readiness{PendingRevocations: 3, Degraded: []string{"revocations"}}},
		{"revocations confirmed by a retry", func(s *env) {
			s.SetFault(pathRevoke, stytchtest.Fault{Status: 500})
			_ = s.Auth.Revoke(s.T.Context(), s.Session.ID)
			s.SetFault(pathRevoke, stytchtest.Fault{})
			s.Want(s.Get(bearer(s.SignIn(stytchtest.SessionOptions{}).Token)), 200)
			synctest.Wait()
		}, sessionauth.Readiness{}},
		{"a policy of some age", func(s *env) {
			checkPermission(s, nil)
			time.Sleep(time.Minute)
		}, sessionauth.Readiness{KeySetAge: time.Minute, PolicyAge: time.Minute}},
		{"a policy that cannot be fetched", func(s *env) {
			s.SetFault(pathPolicy, stytchtest.Fault{Status: 500})
			checkPermission(s, sessionauth.ErrUnavailable)
		}, sessionauth.Readiness{Degraded: []string{"policy"}}},
		{"all at once", func(s *env) {
			checkPermission(s, nil)
			time.Sleep(16 * time.Minute)
			s.SetFault("", stytchtest.Fault{Status: 500})
			checkPermission(s, nil) // starts a refresh
			_ = s.Auth.Revoke(s.T.Context(), s.Session.ID)
			for _, session := range s.SignInMany(10) {
				s.Want(s.Get(bearer(session.Token)), 503)
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
				s := newEnv(t, sessionOnly, authtest.RecordEvents(&events))
				s.SetPolicy(office)
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				row.do(s)
				wantReady(s, &events, row.want)
				s.WantIdle()
			})
		})
	}
}

// checkPermission calls Allowed in a handler. want is nil if a policy is available.
func checkPermission(s *env, want error) {
	s.T.Helper()
	s.Auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := s.Auth.Allowed(r.Context(), "documents", "read")
		if !errors.Is(err, want) {
			s.T.Errorf("got %v, want %v", err, want)
		}
	})).ServeHTTP(httptest.NewRecorder(), newRequest(http.MethodGet, bearer(s.JWT(s.Session.ID))))
}

func TestReady_Fails(t *testing.T) {
	rows := []struct {
		name    string
		do      func(s *env)
		healthy bool
	}{
		{"a cold start while Stytch is down", func(s *env) { s.SetFault("", stytchtest.Fault{Status: 500}) }, false},
		{"a cold start while it is up", func(*env) {}, true},
		{"no key set, but answers about tokens", func(s *env) {
			s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
			s.Want(s.Get(bearer(s.Session.Token)), 200)
			time.Sleep(time.Minute - time.Millisecond)
		}, true},
		{"no key set, and no answer for a minute", func(s *env) {
			s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
			s.Want(s.Get(bearer(s.Session.Token)), 200)
			s.SetFault("", stytchtest.Fault{Status: 500})
			time.Sleep(time.Minute)
		}, false},
		{"Stytch is down, and the key set is cached", func(s *env) {
			s.Want(s.Get(bearer(s.Session.JWT)), 200)
			s.SetFault("", stytchtest.Refuse())
			time.Sleep(6 * time.Hour)
		}, true},
		{"the key set is a day old", func(s *env) {
			s.Want(s.Get(bearer(s.Session.JWT)), 200)
			s.SetFault("", stytchtest.Refuse())
			time.Sleep(24 * time.Hour)
		}, false},
		{"the key set is a day old for lack of requests", func(s *env) {
			s.Want(s.Get(bearer(s.Session.JWT)), 200)
			time.Sleep(48 * time.Hour)
		}, true},
		{"the project credentials are rejected", func(s *env) {
			s.Want(s.Get(bearer(s.Session.JWT)), 200)
			s.SetFault("", stytchtest.Fault{Status: 401, ErrorType: "unauthorized_credentials"})
			s.Want(s.Get(bearer(s.Session.Token)), 503)
		}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				row.do(s)
				r, err := s.Auth.Ready(t.Context())
				if row.healthy && err != nil || !row.healthy && !errors.Is(err, sessionauth.ErrUnavailable) {
					t.Errorf("got %v with %+v, want healthy %t", err, r, row.healthy)
				}
				if !row.healthy && !slices.Contains(r.Degraded, "key_set") {
					t.Errorf("got %+v, want key_set in Degraded", r)
				}
				s.SetFault("", stytchtest.Fault{})
				s.SetFault(pathKeySet, stytchtest.Fault{})
				time.Sleep(time.Second)
				if r, err := s.Auth.Ready(t.Context()); err != nil {
					t.Errorf("got %v with %+v a second later, want nil", err, r)
				}
				s.WantIdle()
			})
		})
	}
}

func TestReady_Deadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault("", stytchtest.Hang())
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Auth.Ready(ctx); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("got an answer after %v, want 1s", took)
		}
		time.Sleep(2 * time.Second)
		s.WantIdle()
	})
}

// 400 of 400 requests get 503: neither Warm nor a readiness probe may pass.
func TestReady_WrongSecret(t *testing.T) {
	wrong := func(c *sessionauth.Config) { c.Secret = "secret-test-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }
	wantMisconfigured := func(t *testing.T, what string, err error) {
		t.Helper()
		var e *sessionauth.Error
		if !errors.As(err, &e) || e.Kind != sessionauth.ErrUnavailable || e.Reason != sessionauth.ReasonMisconfigured ||
			!isStytchError(401, stytch.TypeUnauthorizedCredentials)(err) {
			t.Errorf("%s: got %v, want misconfigured", what, err)
		}
	}
	t.Run("Warm", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, wrong)
			wantMisconfigured(t, "Warm", s.Auth.Warm(t.Context()))
			s.WantCalls("", 2)
			wantMisconfigured(t, "Warm again", s.Auth.Warm(t.Context()))
		})
	})
	t.Run("Ready", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, wrong)
			for range 6 { // probes in a minute
				r, err := s.Auth.Ready(t.Context())
				wantMisconfigured(t, "Ready", err)
				if !slices.Contains(r.Degraded, "misconfigured") {
					t.Errorf("got %+v, want misconfigured in Degraded", r)
				}
				time.Sleep(10*time.Second - time.Millisecond)
			}
			s.WantCalls("", 2)
			s.Want(s.Get(bearer(s.Session.JWT)), 503)
		})
	})
	t.Run("Ready of a process that decides without the secret", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, wrong, sessionOnly)
			r, err := s.Auth.Ready(t.Context())
			if err != nil || !slices.Contains(r.Degraded, "misconfigured") {
				t.Errorf("got %+v and %v, want misconfigured in Degraded and nil", r, err)
			}
			s.Want(s.Get(bearer(s.Session.JWT)), 200)
		})
	})
	t.Run("a secret that is withdrawn, and restored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			if err := s.Auth.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.SetFault("", stytchtest.Fault{Status: 401, ErrorType: stytch.TypeUnauthorizedCredentials})
			s.Want(s.Get(bearer(s.Session.Token)), 503)
			r, err := s.Auth.Ready(t.Context())
			if err != nil || !slices.Contains(r.Degraded, "misconfigured") {
				t.Errorf("got %+v and %v, want misconfigured in Degraded and nil: the caches still decide", r, err)
			}
			time.Sleep(31 * time.Second)
			wantMisconfigured(t, "Warm", s.Auth.Warm(t.Context()))
			s.SetFault("", stytchtest.Fault{})
			time.Sleep(time.Minute)
			if r, err = s.Auth.Ready(t.Context()); err != nil || slices.Contains(r.Degraded, "misconfigured") {
				t.Errorf("got %+v and %v a minute after the secret was restored, want no misconfigured", r, err)
			}
			if err := s.Auth.Warm(t.Context()); err != nil {
				t.Errorf("got %v from Warm, want nil", err)
			}
			if r, err = s.Auth.Ready(t.Context()); err != nil || r.Degraded != nil {
				t.Errorf("got %+v and %v, want nothing degraded", r, err)
			}
		})
	})
}

// Not each service has an RBAC policy, and not each failure concerns the secret.
func TestWarm_WithoutPolicy(t *testing.T) {
	for _, fault := range []stytchtest.Fault{{Status: 500}, {Status: 403, ErrorType: "feature_disabled"}, stytchtest.Refuse()} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			s.SetFault(pathPolicy, fault)
			if err := s.Auth.Warm(t.Context()); err != nil {
				t.Errorf("got %v, want nil", err)
			}
			if r, err := s.Auth.Ready(t.Context()); err != nil || !slices.Equal(r.Degraded, []string{"policy"}) {
				t.Errorf("got %+v and %v, want policy in Degraded and nil", r, err)
			}
		})
	}
}

// What turns requests into 503 is degraded, also if no breaker opens.
func TestReady_NamesWhatAnswers503(t *testing.T) {
	rows := []struct {
		name  string
		fault stytchtest.Fault
		want  string
	}{
		{"a proxy refuses each call", stytchtest.HTML(403), "failing: unverified sessions"},
		{"a base URL of another service", stytchtest.HTML(404), "failing: unverified sessions"},
		{"an unknown error", stytchtest.Fault{Status: 400, ErrorType: "workspace_suspended"}, "failing: unverified sessions"},
		{"429", stytchtest.Fault{Status: 429}, "paused: unverified sessions"},
		{"500", stytchtest.Fault{Status: 500}, "breaker: unverified sessions"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				s.SetFault(pathAuthenticate, row.fault)
				for _, session := range s.SignInMany(10) {
					s.Want(s.Get(bearer(session.Token)), 503)
				}
				r, err := s.Auth.Ready(t.Context())
				if err != nil || !slices.Contains(r.Degraded, row.want) {
					t.Errorf("got %+v and %v, want %s in Degraded and nil", r, err, row.want)
				}
			})
		})
	}
}

func TestReady_NeverFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault("", stytchtest.Fault{Status: 500})
		time.Sleep(time.Hour)
		r, err := s.Auth.Ready(t.Context())
		if r.KeySetAge != 0 || r.PolicyAge != 0 || !slices.Contains(r.Degraded, "key_set") || err == nil {
			t.Errorf("got %+v and %v, want no ages, key_set in Degraded and an error", r, err)
		}
	})
}

func TestWarm_Fetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := s.Auth.Warm(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		checkPermission(s, nil)
		s.WantCalls(pathKeySet, 1)
		s.WantCalls(pathPolicy, 1)
		s.WantCalls("", 2)
	})
}
