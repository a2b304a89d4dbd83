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
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// office is a policy in which an editor writes documents.
var office = stytch.Policy{Roles: []stytch.Role{
	{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"read"}}}},
	{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"write", "read"}}, {ResourceID: "notes", Actions: []string{"write", "read"}}}},
	{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "settings", Actions: []string{"*"}}}},
}}

// newOffice is a stage where an editor is signed in.
func newOffice(t *testing.T, changes ...func(*sessionauth.Config)) *stage {
	t.Helper()
	s := newStage(t, changes...)
	s.SetPolicy(office)
	s.Session = s.StartSession(s.AddUser(stytchtest.User{Roles: []string{"editor"}}).ID, stytchtest.SessionOptions{})
	return s
}

// inside gives a context as a handler behind Require has it.
func inside(s *stage, wrap func(http.Handler) http.Handler, fields ...string) context.Context {
	s.T.Helper()
	var ctx context.Context
	h := wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, newRequest(http.MethodGet, fields...))
	if ctx == nil {
		s.T.Fatalf("got status %d, want a pass", w.Code)
	}
	return ctx
}

// checks are all ways to ask in a handler, as questions that the editor passes.
func checks(auth *sessionauth.Authenticator) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"CheckRole":       func(ctx context.Context) error { return sessionauth.CheckRole(ctx, "editor") },
		"CheckPermission": func(ctx context.Context) error { return sessionauth.CheckPermission(ctx, "documents", "write") },
		"CheckFactor":     func(ctx context.Context) error { return sessionauth.CheckFactor(ctx, "password") },
		"CheckFresh":      func(ctx context.Context) error { return sessionauth.CheckFresh(ctx, time.Minute) },
		"CheckLive":       func(ctx context.Context) error { _, err := sessionauth.CheckLive(ctx); return err },
		"CheckPermissionLive": func(ctx context.Context) error {
			_, err := sessionauth.CheckPermissionLive(ctx, "documents", "write")
			return err
		},
		"Allowed": func(ctx context.Context) error {
			ok, err := auth.Allowed(ctx, "documents", "write")
			if ok == (err != nil) {
				return errors.New("a yes together with an error, or a no without one")
			}
			return err
		},
		"Permissions": func(ctx context.Context) error {
			list, err := auth.Permissions(ctx)
			if len(list) > 0 == (err != nil) {
				return errors.New("permissions together with an error, or none without one")
			}
			return err
		},
	}
}

func TestChecksInAHandler(t *testing.T) {
	rows := []struct {
		name    string
		context func(*stage) context.Context
		want    error
	}{
		{"behind Require", func(s *stage) context.Context { return inside(s, s.Auth.Require, bearer(s.Session.JWT)) }, nil},
		{"behind Optional", func(s *stage) context.Context { return inside(s, s.Auth.Optional, bearer(s.Session.JWT)) }, nil},
		{"without either", func(s *stage) context.Context { return context.Background() }, sessionauth.ErrNoCredential},
		{"behind NewContext", func(s *stage) context.Context {
			id, _ := sessionauth.FromContext(inside(s, s.Auth.Require, bearer(s.Session.JWT)))
			return sessionauth.NewContext(context.Background(), id)
		}, sessionauth.ErrNoCredential},
		{"behind NewContext behind Require", func(s *stage) context.Context {
			ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
			id, _ := sessionauth.FromContext(ctx)
			return sessionauth.NewContext(ctx, id)
		}, sessionauth.ErrNoCredential},
		{"behind Optional as nobody", func(s *stage) context.Context { return inside(s, s.Auth.Optional) }, sessionauth.ErrNoCredential},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newOffice(t)
				ctx := row.context(s)
				for name, check := range checks(s.Auth) {
					if err := check(ctx); !errors.Is(err, row.want) || (err != nil) != (row.want != nil) {
						t.Errorf("%s: got %v, want %v", name, err, row.want)
					}
				}
			})
		})
	}
}

// Allowed and Permissions are asked of one Authenticator, and only what it found
// out itself counts.
func TestAllowedTrustsNoOtherAuthenticator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, other := newOffice(t), newOffice(t)
		ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
		if ok, err := other.Auth.Allowed(ctx, "documents", "write"); ok || !errors.Is(err, sessionauth.ErrNoCredential) {
			t.Errorf("got %t, %v, want %v", ok, err, sessionauth.ErrNoCredential)
		}
		if list, err := other.Auth.Permissions(ctx); len(list) > 0 || !errors.Is(err, sessionauth.ErrNoCredential) {
			t.Errorf("got %v, %v, want %v", list, err, sessionauth.ErrNoCredential)
		}
		other.WantCalls(pathPolicy, 0)
	})
}

func TestAllowedAndPermissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOffice(t)
		ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
		if ok, err := s.Auth.Allowed(ctx, "documents", "delete"); ok || err != nil {
			t.Errorf("got %t, %v, want a no that is no error", ok, err)
		}
		for range 2 { // the second shows that the first was the caller's own
			list, err := s.Auth.Permissions(ctx)
			if err != nil || len(list) != 2 || list[0].ResourceID != "documents" || list[1].ResourceID != "notes" ||
				!slices.Equal(list[0].Actions, []string{"read", "write"}) || !slices.Equal(list[1].Actions, []string{"read", "write"}) {
				t.Errorf("got %v, %v, want the union of both roles, sorted", list, err)
			}
			list[0].ResourceID, list[0].Actions[0], list[1].Actions[1] = "settings", "*", "*"
		}
		for _, action := range []string{"*", "delete"} {
			if ok, _ := s.Auth.Allowed(ctx, "documents", action); ok {
				t.Errorf("got %s allowed, want a policy that nobody can change", action)
			}
		}
		s.WantCalls(pathPolicy, 1)
	})
}

// Without a policy there is no answer at all, and no empty list of permissions.
func TestAllowedWithoutAPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOffice(t)
		ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
		s.SetFault(pathPolicy, stytchtest.Fault{Status: 500})
		for _, name := range []string{"Allowed", "Permissions", "CheckPermission"} {
			if err := checks(s.Auth)[name](ctx); !errors.Is(err, sessionauth.ErrUnavailable) {
				t.Errorf("%s: got %v, want %v", name, err, sessionauth.ErrUnavailable)
			}
		}
		s.SetFault(pathPolicy, stytchtest.Fault{})
		time.Sleep(time.Second)
		if ok, err := s.Auth.Allowed(ctx, "documents", "write"); !ok || err != nil {
			t.Errorf("got %t, %v, want a yes", ok, err)
		}
	})
}

// Nonsense asked in a handler is never a yes.
func TestChecksOfNothing(t *testing.T) {
	live := func(resource, action string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := sessionauth.CheckPermissionLive(ctx, resource, action)
			return err
		}
	}
	rows := []struct {
		name  string
		check func(context.Context) error
		want  error // nil for any
	}{
		{"no role", func(ctx context.Context) error { return sessionauth.CheckRole(ctx) }, sessionauth.ErrForbidden},
		{"an empty role", func(ctx context.Context) error { return sessionauth.CheckRole(ctx, "") }, sessionauth.ErrForbidden},
		{"no factor", func(ctx context.Context) error { return sessionauth.CheckFactor(ctx) }, sessionauth.ErrStepUp},
		{"an empty factor", func(ctx context.Context) error { return sessionauth.CheckFactor(ctx, "") }, sessionauth.ErrStepUp},
		{"less than no time", func(ctx context.Context) error { return sessionauth.CheckFresh(ctx, -time.Second) }, sessionauth.ErrStepUp},
		{"no permission", func(ctx context.Context) error { return sessionauth.CheckPermission(ctx, "", "") }, sessionauth.ErrForbidden},
		{"no action", func(ctx context.Context) error { return sessionauth.CheckPermission(ctx, "documents", "") }, sessionauth.ErrForbidden},
		{"no permission, live", live("", ""), nil},
		{"no resource, live", live("", "read"), nil},
		{"no action, live", live("documents", ""), nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newOffice(t)
				ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
				if err := row.check(ctx); err == nil || row.want != nil && !errors.Is(err, row.want) {
					t.Errorf("got %v, want %v", err, row.want)
				}
			})
		})
	}
}

// A session without factors is older than any limit.
func TestFreshOfASessionWithoutFactors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOffice(t)
		s.Session = s.SignIn(stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{}})
		ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
		if err := sessionauth.CheckFresh(ctx, 1<<63-1); !errors.Is(err, sessionauth.ErrStepUp) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrStepUp)
		}
	})
}

// Permission costs nothing worth mention once the policy is held.
func TestAWarmCheckDoesNotAllocate(t *testing.T) {
	observed := 0
	rows := map[string]func(*sessionauth.Config){
		"unobserved": func(c *sessionauth.Config) { c.SessionOnly, c.Logger = true, nil },
		"observed": func(c *sessionauth.Config) {
			c.SessionOnly, c.Logger, c.Observe = true, nil, func(context.Context, sessionauth.Event) { observed++ }
		},
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			s := newOffice(t, change)
			ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
			check := func() {
				if sessionauth.CheckPermission(ctx, "notes", "write") != nil || sessionauth.CheckRole(ctx, "editor") != nil {
					t.Error("got a refusal, want a pass")
				}
				if ok, err := s.Auth.Allowed(ctx, "documents", "delete"); ok || err != nil {
					t.Error("got a pass, want a no")
				}
			}
			check()
			if n := testing.AllocsPerRun(100, check); n != 0 {
				t.Errorf("got %v allocations, want none", n)
			}
		})
	}
	if observed == 0 {
		t.Error("got nothing observed, want every pass")
	}
}

func BenchmarkCheckPermission(b *testing.B) {
	srv := stytchtest.NewServer()
	srv.SetPolicy(office)
	auth, err := sessionauth.New(sessionauth.Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(), SessionOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	session := srv.StartSession(srv.AddUser(stytchtest.User{Roles: []string{"editor"}}).ID, stytchtest.SessionOptions{})
	var ctx context.Context
	h := auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
	h.ServeHTTP(httptest.NewRecorder(), newRequest(http.MethodGet, bearer(session.JWT)))
	b.ReportAllocs()
	for b.Loop() {
		if sessionauth.CheckPermission(ctx, "notes", "write") != nil {
			b.Fatal("got a refusal, want a pass")
		}
	}
}
