package guard_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

var (
	mayWrite  = guard.Permission("documents", "write")
	mayDelete = guard.Permission("documents", "delete")
)

// wantEvent checks the last event that Observe received.
func (s *env) wantEvent(want sessionauth.Event) {
	s.T.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.events[len(s.events)-1]
	got := sessionauth.Event{Decider: e.Decider, Check: e.Check, Outcome: e.Outcome, Reason: e.Reason, PolicyAge: e.PolicyAge}
	if got != want {
		s.T.Errorf("got event %+v, want %+v", got, want)
	}
}

func permission(age time.Duration) sessionauth.Event {
	return sessionauth.Event{Decider: sessionauth.Local, Check: sessionauth.CheckedPermission, Outcome: sessionauth.Passed, PolicyAge: age}
}

func TestPermission_PolicyIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		h := s.Behind(mayWrite)
		s.WantCalls(pathPolicy, 0)
		s.SetFault(pathPolicy, stytchtest.Fault{Delay: time.Second})
		for _, resp := range s.TogetherFrom(64, h, bearer(s.Session.JWT)) {
			s.want(resp, 200)
		}
		s.wantPasses(64)
		s.want(s.get(s.Behind(mayDelete), bearer(s.Session.JWT)), 403)
		s.WantCalls(pathPolicy, 1)
		s.WantCalls(pathAuthenticate, 0)
	})
}

// 196: without a policy the answer is 503, because the permission is neither granted nor refused.
func TestPermission_NoPolicyAtTheStart(t *testing.T) {
	faults := map[string]stytchtest.Fault{
		"500": {Status: 500}, "404": {Status: 404}, "slow": {Delay: time.Minute}, "429": {Status: 429},
		"the project's credentials refused": {Status: 401, ErrorType: "unauthorized_credentials"},
	}
	for name, fault := range faults {
		t.Run("196 "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				h := s.Behind(mayWrite)
				s.get(s.Behind(), bearer(s.Session.JWT)) // fetches the key set
				s.SetFault(pathPolicy, fault)
				for range 100 {
					for _, by := range carriers {
						s.want(s.get(h, by.jwt(s.Session.JWT)), 503, "")
						s.want(s.get(s.Behind(mayDelete), by.jwt(s.Session.JWT)), 503, "")
					}
					time.Sleep(100 * time.Millisecond)
				}
				s.wantPasses(1)
				if n := s.Calls(pathPolicy); n > 15 {
					t.Errorf("got %d calls in 10 s and more, want about one a second", n)
				}
				s.SetFault(pathPolicy, stytchtest.Fault{})
				time.Sleep(time.Second)
				s.want(s.get(h, bearer(s.JWT(s.Session.ID))), 200)
				s.want(s.get(s.Behind(mayDelete), bearer(s.JWT(s.Session.ID))), 403)
				s.want(s.get(s.Behind(), bearer(s.Session.JWT)), 200)
			})
		})
	}
}

// 196: if the policy cannot be refreshed, the last one is used until it is too old. Observe
// receives its age.
func TestPermission_PolicyCannotBeRefreshed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	for name, maxAge := range map[string]time.Duration{"196 for an hour by default": 0, "196 for as long as configured": 20 * time.Minute, "196 for less than a refresh": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) { c.PolicyMaxAge = maxAge })
				h := s.Behind(mayWrite)
				s.Session = s.StartSession(s.User.ID, stytchtest.SessionOptions{Duration: 24 * time.Hour})
				fresh := func() string { return bearer(s.JWT(s.Session.ID)) }
				s.want(s.get(h, fresh()), 200)
				s.wantEvent(permission(0))
				if maxAge == 0 {
					maxAge = time.Hour
				}
				fetched := time.Now()
				s.SetFault(pathPolicy, stytchtest.Fault{Status: 500})
				for time.Since(fetched) < maxAge-10*time.Second {
					time.Sleep(10 * time.Second)
					s.want(s.get(h, fresh()), 200)
					s.wantEvent(permission(time.Since(fetched)))
				}
				time.Sleep(maxAge - time.Since(fetched) - 1)
				s.want(s.get(h, fresh()), 200)
				s.want(s.get(s.Behind(mayDelete), fresh()), 403)
				s.wantEvent(sessionauth.Event{Check: sessionauth.CheckedPermission, Outcome: sessionauth.Refused, Reason: sessionauth.ReasonPermission, PolicyAge: maxAge - 1})
				time.Sleep(time.Nanosecond)
				s.want(s.get(h, fresh()), 503)
				s.want(s.get(s.Behind(mayDelete), fresh()), 503)
				s.wantEvent(sessionauth.Event{Check: sessionauth.CheckedSession, Outcome: sessionauth.Unavailable, Reason: sessionauth.ReasonNoPolicy})

				// The outage lasts for another minute.
				for range 60 {
					time.Sleep(time.Second)
					s.want(s.get(h, fresh()), 503)
				}
				s.SetFault(pathPolicy, stytchtest.Fault{})
				time.Sleep(time.Second)
				s.want(s.get(h, fresh()), 200)
			})
		})
	}
}

// A request does not wait for the refresh of a policy that is five minutes old. The refresh runs in
// the background.
func TestPermission_PolicyIsRefreshedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		write, remove := s.Behind(mayWrite), s.Behind(mayDelete)
		s.want(s.get(remove, bearer(s.Session.JWT)), 403)
		s.SetPolicy(stytch.Policy{Roles: []stytch.Role{{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"delete"}}}}}})
		time.Sleep(5*time.Minute - 1)
		s.want(s.get(remove, bearer(s.JWT(s.Session.ID))), 403)
		s.WantCalls(pathPolicy, 1)

		time.Sleep(time.Nanosecond)
		s.SetFault(pathPolicy, stytchtest.Fault{Delay: 2 * time.Second})
		began := time.Now()
		for _, resp := range s.TogetherFrom(64, write, bearer(s.JWT(s.Session.ID))) {
			s.want(resp, 200)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("got answers after %v, want them at once", took)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.WantCalls(pathPolicy, 2)
		s.want(s.get(write, bearer(s.JWT(s.Session.ID))), 403)
		s.want(s.get(remove, bearer(s.JWT(s.Session.ID))), 200)
		s.wantEvent(permission(2 * time.Second)) // the age is counted from the start of the call
	})
}

func TestPermission_InvalidPolicyDoesNotReplaceAGoodOne(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	rows := []struct{ name, body string }{
		{"nothing", ``},
		{"HTML", `<html>maintenance</html>`},
		{"truncated", `{"policy":{"roles":[{"role_id":"editor"`},
		{"null", `null`},
		{"a list", `[]`},
		{"no policy", `{"status_code":200}`},
		{"a policy that is null", `{"policy":null}`},
		{"a policy that is a list", `{"policy":[]}`},
		{"a policy that is a string", `{"policy":"x"}`},
		{"a policy without roles", `{"policy":{}}`},
		{"roles that are null", `{"policy":{"roles":null,"resources":[],"scopes":[]}}`},
		{"roles that are an object", `{"policy":{"roles":{}}}`},
		{"a role that is a string", `{"policy":{"roles":["editor"]}}`},
		{"actions that are a string", `{"policy":{"roles":[{"role_id":"editor","permissions":[{"resource_id":"documents","actions":"*"}]}]}}`},
		{"a name twice", `{"policy":{"roles":[]},"policy":{"roles":[{"role_id":"editor","permissions":[{"resource_id":"documents","actions":["*"]}]}]}}`},
		{"names in another case", `{"POLICY":{"roles":[{"role_id":"editor","permissions":[{"resource_id":"documents","actions":["*"]}]}]}}`},
		{"more after the object", `{"policy":{"roles":[]}}{}`},
		{"too large", `{"policy":{"roles":[]},"x":"` + strings.Repeat("x", 8<<20) + `"}`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				wantStatuses := func(write, remove int) {
					t.Helper()
					s.want(s.get(s.Behind(mayWrite), bearer(s.JWT(s.Session.ID))), write)
					s.want(s.get(s.Behind(mayDelete), bearer(s.JWT(s.Session.ID))), remove)
				}
				s.Tap(pathPolicy, replyWith(row.body))
				wantStatuses(503, 503)
				s.Tap(pathPolicy, nil)
				time.Sleep(time.Second)
				wantStatuses(200, 403)
				s.Tap(pathPolicy, replyWith(row.body))
				for range 3 {
					time.Sleep(5 * time.Minute)
					wantStatuses(200, 403)
					synctest.Wait()
					wantStatuses(200, 403)
				}
			})
		})
	}
}

func TestPermission_PanicWhileThePolicyIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Tap(pathPolicy, func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("transport") })
		s.want(s.get(s.Behind(mayWrite), bearer(s.Session.JWT)), 500)
		s.wantPasses(0)
		s.Tap(pathPolicy, nil)
		time.Sleep(time.Second)
		s.want(s.get(s.Behind(mayWrite), bearer(s.Session.JWT)), 200)
	})
}

func TestPermission_CanceledRequestDoesNotEndTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		h := s.Behind(mayWrite)
		s.get(s.Behind(), bearer(s.Session.JWT))
		s.SetFault(pathPolicy, stytchtest.Fault{Delay: 2 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			s.want(s.DoTo(h, newRequest(bearer(s.Session.JWT)).WithContext(ctx)), 503)
			s.wantEvent(sessionauth.Event{Check: sessionauth.CheckedSession, Outcome: sessionauth.Unavailable, Reason: sessionauth.ReasonCanceled})
		})
		synctest.Wait()
		wg.Go(func() { s.want(s.get(h, bearer(s.Session.JWT)), 200) })
		wg.Wait()
		s.WantCalls(pathPolicy, 1)
	})
}

// While the policy changes, each request uses one whole policy and never parts of two.
func TestPermission_PolicyChangesUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	only := func(name string) stytch.Policy {
		return stytch.Policy{Roles: []stytch.Role{{ID: "editor", Permissions: []stytch.Permission{{ResourceID: name, Actions: []string{name}}}}}}
	}
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		s.SetPolicy(only("a"))
		s.Session = s.StartSession(s.User.ID, stytchtest.SessionOptions{Duration: 24 * time.Hour})
		h := s.Auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			list, err := s.Auth.Permissions(r.Context())
			if err != nil || len(list) != 1 || len(list[0].Actions) != 1 || list[0].Actions[0] != list[0].ResourceID {
				t.Errorf("got %v, %v, want the permissions of one policy", list, err)
			}
		}))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 40 {
					s.want(s.get(h, bearer(s.JWT(s.Session.ID))), 200)
					time.Sleep(31 * time.Second)
				}
			})
		}
		wg.Go(func() {
			for i := range 20 {
				s.SetPolicy(only([2]string{"a", "b"}[i%2]))
				time.Sleep(time.Minute + time.Millisecond)
			}
		})
		wg.Wait()
		if n := s.Calls(pathPolicy); n < 4 {
			t.Errorf("got %d fetches, want one in five minutes", n)
		}
	})
}
