package sessionauth_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// office is a policy that lets an editor write documents.
var office = stytch.Policy{Roles: []stytch.Role{
	{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"read"}}}},
	{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"write", "read"}}, {ResourceID: "notes", Actions: []string{"write", "read"}}}},
	{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "settings", Actions: []string{"*"}}}},
}}

// newOffice returns an environment where an editor is signed in.
func newOffice(t *testing.T, changes ...func(*sessionauth.Config)) *env {
	t.Helper()
	s := newEnv(t, changes...)
	s.SetPolicy(office)
	s.Session = s.StartSession(s.AddUser(stytchtest.User{Roles: []string{"editor"}}).ID, stytchtest.SessionOptions{})
	return s
}

// inside returns the context of a request that has reached a handler behind wrap.
func inside(s *env, wrap func(http.Handler) http.Handler, fields ...string) context.Context {
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

// checks returns one call of each check that a handler can make. An editor passes all of them.
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
				return errors.New("got true with an error, or false without one")
			}
			return err
		},
		"Permissions": func(ctx context.Context) error {
			list, err := auth.Permissions(ctx)
			if len(list) > 0 == (err != nil) {
				return errors.New("got permissions with an error, or none without one")
			}
			return err
		},
	}
}

func TestCheck_InAHandler(t *testing.T) {
	rows := []struct {
		name    string
		context func(*env) context.Context
		want    error
	}{
		{"behind Require", func(s *env) context.Context { return inside(s, s.Auth.Require, bearer(s.Session.JWT)) }, nil},
		{"behind Optional", func(s *env) context.Context { return inside(s, s.Auth.Optional, bearer(s.Session.JWT)) }, nil},
		{"without a middleware", func(s *env) context.Context { return context.Background() }, sessionauth.ErrNoCredential},
		{"behind NewContext", func(s *env) context.Context {
			id, _ := sessionauth.FromContext(inside(s, s.Auth.Require, bearer(s.Session.JWT)))
			return sessionauth.NewContext(context.Background(), id)
		}, sessionauth.ErrNoCredential},
		{"behind NewContext behind Require", func(s *env) context.Context {
			ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
			id, _ := sessionauth.FromContext(ctx)
			return sessionauth.NewContext(ctx, id)
		}, sessionauth.ErrNoCredential},
		{"behind Optional, anonymous", func(s *env) context.Context { return inside(s, s.Auth.Optional) }, sessionauth.ErrNoCredential},
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

// Allowed and Permissions fail for the context of another Authenticator.
func TestAllowed_OtherAuthenticator(t *testing.T) {
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

func TestAllowed_AndPermissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOffice(t)
		ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
		if ok, err := s.Auth.Allowed(ctx, "documents", "delete"); ok || err != nil {
			t.Errorf("got %t, %v, want false and nil", ok, err)
		}
		for range 2 { // the second iteration shows that changing the first result changed only a copy
			list, err := s.Auth.Permissions(ctx)
			if err != nil || len(list) != 2 || list[0].ResourceID != "documents" || list[1].ResourceID != "notes" ||
				!slices.Equal(list[0].Actions, []string{"read", "write"}) || !slices.Equal(list[1].Actions, []string{"read", "write"}) {
				t.Errorf("got %v, %v, want the union of both roles, sorted", list, err)
			}
			list[0].ResourceID, list[0].Actions[0], list[1].Actions[1] = "settings", "*", "*"
		}
		for _, action := range []string{"*", "delete"} {
			if ok, _ := s.Auth.Allowed(ctx, "documents", action); ok {
				t.Errorf("got %s allowed, want an unchanged policy", action)
			}
		}
		s.WantCalls(pathPolicy, 1)
	})
}

// Without a policy, Allowed and Permissions fail.
func TestAllowed_WithoutAPolicy(t *testing.T) {
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
			t.Errorf("got %t, %v, want true", ok, err)
		}
	})
}

// A check with invalid arguments never passes.
func TestCheck_InvalidArguments(t *testing.T) {
	live := func(resource, action string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := sessionauth.CheckPermissionLive(ctx, resource, action)
			return err
		}
	}
	rows := []struct {
		name  string
		check func(context.Context) error
		want  error // nil if any error will do
	}{
		{"no role", func(ctx context.Context) error { return sessionauth.CheckRole(ctx) }, sessionauth.ErrForbidden},
		{"an empty role", func(ctx context.Context) error { return sessionauth.CheckRole(ctx, "") }, sessionauth.ErrForbidden},
		{"no factor", func(ctx context.Context) error { return sessionauth.CheckFactor(ctx) }, sessionauth.ErrStepUp},
		{"an empty factor", func(ctx context.Context) error { return sessionauth.CheckFactor(ctx, "") }, sessionauth.ErrStepUp},
		{"a negative duration", func(ctx context.Context) error { return sessionauth.CheckFresh(ctx, -time.Second) }, sessionauth.ErrStepUp},
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

// CheckFresh refuses a session without factors, whatever the limit is.
func TestCheckFresh_WithoutFactors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOffice(t)
		s.Session = s.SignIn(stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{}})
		ctx := inside(s, s.Auth.Require, bearer(s.Session.JWT))
		if err := sessionauth.CheckFresh(ctx, 1<<63-1); !errors.Is(err, sessionauth.ErrStepUp) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrStepUp)
		}
	})
}

// A check makes no allocation once the policy is cached, because guards call it for every request.
func TestCheck_DoesNotAllocate(t *testing.T) {
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
					t.Error("got a pass, want a refusal")
				}
			}
			check()
			if n := testing.AllocsPerRun(100, check); n != 0 {
				t.Errorf("got %v allocations, want none", n)
			}
		})
	}
	if observed == 0 {
		t.Error("got no event, want one for every check")
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

// The names in a random policy. They are few, so that they often match, and similar, so that the
// test finds a comparison that is not exact.
var (
	someRoles     = []string{"stytch_user", "editor", "Editor", "editor ", "admin", "*", "é"}
	someResources = []string{"documents", "Documents", "documents*", "notes", "*", "é"}
	someActions   = []string{"read", "Read", "read ", "write", "*", "re*"}
)

// A generator makes random policies and checks.
type generator struct{ *rand.Rand }

// pick returns a random number of the names, at most most. Names may be repeated.
func (f generator) pick(names []string, most int) []string {
	picked := []string{}
	for range f.IntN(most + 1) {
		picked = append(picked, f.one(names))
	}
	return picked
}

func (f generator) one(names []string) string { return names[f.IntN(len(names))] }

// policy returns a random policy. Its roles and permissions may be repeated. It also has resources
// and scopes, which grant nothing to a session.
func (f generator) policy() stytch.Policy {
	p := stytch.Policy{}
	for range f.IntN(7) {
		p.Roles = append(p.Roles, stytch.Role{ID: f.one(someRoles), Permissions: f.permissions()})
	}
	for _, resource := range f.pick(someResources, 3) {
		p.Resources = append(p.Resources, stytch.Resource{ID: resource, Actions: []string{"*"}})
	}
	for _, role := range f.pick(someRoles, 2) {
		p.Scopes = append(p.Scopes, stytch.Scope{Scope: role, Permissions: []stytch.Permission{{ResourceID: f.one(someResources), Actions: []string{"*"}}}})
	}
	return p
}

func (f generator) permissions() []stytch.Permission {
	var list []stytch.Permission
	for range 1 + f.IntN(4) {
		list = append(list, stytch.Permission{ResourceID: f.one(someResources), Actions: f.pick(someActions, 3)})
	}
	return list
}

// For random policies, roles and checks, Allowed returns the same result as Stytch, and Permissions
// lists exactly what Allowed allows.
func TestPermissions_AgreeWithStytch(t *testing.T) {
	authtest.SkipIfShort(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f := generator{rand.New(rand.NewPCG(seed, 0))}
	yes, no := 0, 0
	rounds := 200
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		// No time passes in this synctest bubble, so no session and no policy expires.
		synctest.Test(t, func(t *testing.T) {
			p := newPolicyEnv(t, f.policy())
			for range 3 {
				user := p.AddUser(stytchtest.User{Roles: f.pick(someRoles, 4)})
				p.Session = p.StartSession(user.ID, stytchtest.SessionOptions{})
				y, n := p.agree(f)
				yes, no = yes+y, no+n
			}
			p.WantCalls(pathPolicy, 1)
		})
	}
	t.Logf("%d allowed, %d refused", yes, no)
	if yes < 5*rounds/2 || no < 10*rounds {
		t.Errorf("got %d allowed and %d refused, want more of both", yes, no)
	}
}

type policyEnv struct {
	*env
	policy stytch.Policy
	client *stytch.Client
}

func newPolicyEnv(t *testing.T, policy stytch.Policy) *policyEnv {
	t.Helper()
	s := &policyEnv{env: &env{Server: stytchtest.NewServer(), T: t}, policy: policy}
	s.SetPolicy(policy)
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: s.Client(),
		SessionOnly: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Auth, s.client = auth, auth.Client()
	return s
}

// agree compares Allowed with the policy and with Permissions for every name, and with Stytch for
// some names. It returns how often Stytch allowed and refused.
func (s *policyEnv) agree(f generator) (yes, no int) {
	s.T.Helper()
	ctx := inside(s.env, s.Auth.Require, bearer(s.Session.JWT))
	roles := s.roles()
	list, err := s.Auth.Permissions(ctx)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, resource := range append(someResources, "planets") {
		for _, action := range append(someActions, "shred") {
			allowed, err := s.Auth.Allowed(ctx, resource, action)
			if err != nil {
				s.T.Fatal(err)
			}
			if pure := s.policy.Allows(roles, resource, action); pure != allowed {
				s.T.Errorf("%v, %q, %q: got Allows %t and Allowed %t, want the same", roles, resource, action, pure, allowed)
			}
			if listed := lists(list, resource, action); listed != allowed {
				s.T.Errorf("%v, %q, %q: got listed %t and Allowed %t, want the same", roles, resource, action, listed, allowed)
			}
			if f.IntN(3) > 0 {
				continue // comparing every name with Stytch is slow, because Stytch signs a JWT for each answer
			}
			s.agreeWithStytch(allowed, resource, action)
			if allowed {
				yes++
			} else {
				no++
			}
		}
	}
	return yes, no
}

// roles returns the roles that the JWT of the session contains.
func (s *policyEnv) roles() []string {
	session, _ := sessionauth.SessionFromContext(inside(s.env, s.Auth.Require, bearer(s.Session.JWT)))
	return session.Roles
}

func lists(list []stytch.Permission, resource, action string) bool {
	return slices.ContainsFunc(list, func(p stytch.Permission) bool {
		return p.ResourceID == resource && (slices.Contains(p.Actions, action) || slices.Contains(p.Actions, "*"))
	})
}

func (s *policyEnv) agreeWithStytch(allowed bool, resource, action string) {
	s.T.Helper()
	_, err := s.client.AuthenticateSession(s.T.Context(), stytch.AuthenticateSessionParams{
		SessionToken: s.Session.Token, AuthorizationCheck: &stytch.AuthorizationCheck{ResourceID: resource, Action: action},
	})
	var said *stytch.Error
	denied := errors.As(err, &said) && said.StatusCode == http.StatusForbidden && said.Type == stytch.TypeSessionAuthorization
	if err != nil && !denied {
		s.T.Fatalf("%q, %q: got %v, want a decision", resource, action, err)
	}
	if denied == allowed {
		s.T.Errorf("%q, %q: got Allowed %t, want the answer of Stytch: denied %t", resource, action, allowed, denied)
	}
}

// In an impersonated session the impersonator has not proved any factor of the user, so checks of
// factors fail.
func TestCheck_Impersonated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{{
			Type: "impersonated", DeliveryMethod: "impersonation",
			ImpersonatedFactor: &stytch.ImpersonatedFactor{ImpersonatorID: "member-1", ImpersonatorEmailAddress: "support@example.com"},
		}}})
		for _, field := range []string{bearer(session.JWT), bearer(session.Token)} {
			s.Want(s.Get(field), 200)
			ctx := s.Last().Context()
			for name, err := range map[string]error{
				"CheckFresh":       sessionauth.CheckFresh(ctx, time.Hour),
				"CheckFactor":      sessionauth.CheckFactor(ctx, "impersonated"),
				"CheckFreshFactor": sessionauth.CheckFreshFactor(ctx, time.Hour, "impersonated"),
			} {
				if !errors.Is(err, sessionauth.ErrStepUp) {
					t.Errorf("%s: got %v, want %v", name, err, sessionauth.ErrStepUp)
				}
			}
			if err := sessionauth.CheckNotImpersonated(ctx); !errors.Is(err, sessionauth.ErrForbidden) {
				t.Errorf("CheckNotImpersonated: got %v, want %v", err, sessionauth.ErrForbidden)
			}
			id, _ := sessionauth.SessionFromContext(ctx)
			if by, ok := id.Impersonator(); !ok || by.ImpersonatorID != "member-1" {
				t.Errorf("Impersonator: got %v, %t, want member-1", by, ok)
			}
		}
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		if err := sessionauth.CheckNotImpersonated(s.Last().Context()); err != nil {
			t.Errorf("CheckNotImpersonated: got %v for the user, want no error", err)
		}
	})
}

// An impersonated session cannot be extended, so Require authenticates it without a session
// duration.
func TestRequire_SessionThatCannotBeExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.SessionDuration = time.Hour })
		s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(body), "session_duration_minutes") {
				return authtest.Reply(400, `{"status_code":400,"error_type":"session_not_mutable","request_id":"r","error_message":"m"}`), nil
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			return stytch.RoundTrip(r)
		})
		s.Want(s.Get(bearer(s.Session.Token)), 200)
	})
}

// CheckFreshFactor needs one factor that has the type and is fresh. An old TOTP and a fresh
// password together are not enough.
func TestCheckFreshFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{
			{Type: "totp", DeliveryMethod: "authenticator_app", LastAuthenticatedAt: time.Now().Add(-300 * 24 * time.Hour)},
			{Type: "password", DeliveryMethod: "knowledge", LastAuthenticatedAt: time.Now().Add(-time.Minute)},
		}})
		s.Want(s.Get(bearer(session.Token)), 200)
		ctx := s.Last().Context()
		for _, row := range []struct {
			name   string
			maxAge time.Duration
			types  []string
			ok     bool
		}{
			{"old TOTP", time.Hour, []string{"totp"}, false},
			{"fresh password", time.Hour, []string{"password"}, true},
			{"either", time.Hour, []string{"totp", "password"}, true},
			{"as old as allowed, with Leeway", 55 * time.Second, []string{"password"}, true},
			{"too old, with Leeway", 55*time.Second - 1, []string{"password"}, false},
			{"no type", time.Hour, nil, false},
			{"a negative age", -time.Second, []string{"password"}, false},
		} {
			if err := sessionauth.CheckFreshFactor(ctx, row.maxAge, row.types...); (err == nil) != row.ok || err != nil && !errors.Is(err, sessionauth.ErrStepUp) {
				t.Errorf("%s: got %v, want ok: %t", row.name, err, row.ok)
			}
		}
		if err := errors.Join(sessionauth.CheckFactor(ctx, "totp"), sessionauth.CheckFresh(ctx, time.Hour)); err != nil {
			t.Errorf("got %v, want CheckFactor and CheckFresh to pass", err)
		}
	})
}

// Checks of the age of a factor allow that the clock of Stytch is behind the local clock by Leeway.
func TestCheckFresh_Leeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.Leeway = time.Minute })
		session := s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{
			{Type: "password", DeliveryMethod: "knowledge", LastAuthenticatedAt: time.Now().Add(-70 * time.Second)},
		}})
		s.Want(s.Get(bearer(session.Token)), 200)
		ctx := s.Last().Context()
		if err := sessionauth.CheckFresh(ctx, time.Minute); err != nil {
			t.Errorf("got %v, want a factor proved just now to be fresh", err)
		}
		if err := sessionauth.CheckFresh(ctx, 9*time.Second); err == nil {
			t.Error("got no error for a factor that is too old, want one")
		}
	})
}

// A context that is kept after Revoke allows nothing, also if the policy was being
// fetched at that moment.
func TestAllowed_AfterRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOffice(t)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		ctx := s.Last().Context()
		s.SetFault("/v1/rbac/policy", stytchtest.Fault{Delay: time.Second})
		time.AfterFunc(500*time.Millisecond, func() { _ = s.Auth.Revoke(s.T.Context(), s.Session.ID) })
		if err := sessionauth.CheckPermission(ctx, "documents", "write"); !errors.Is(err, sessionauth.ErrInvalidSession) {
			t.Errorf("CheckPermission: got %v, want %v", err, sessionauth.ErrInvalidSession)
		}
		if ok, err := s.Auth.Allowed(ctx, "documents", "write"); ok || !errors.Is(err, sessionauth.ErrInvalidSession) {
			t.Errorf("Allowed: got %t, %v, want %v", ok, err, sessionauth.ErrInvalidSession)
		}
		if list, err := s.Auth.Permissions(ctx); list != nil || err == nil {
			t.Errorf("Permissions: got %v, %v, want an error", list, err)
		}
	})
}

// A user who lacks a factor costs a call in five seconds, also without caching.
func TestCheckFactor_OneCallInFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.CacheTTL = -1 })
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		ctx := s.Last().Context()
		for range 8 {
			if err := sessionauth.CheckFactor(ctx, "totp"); !errors.Is(err, sessionauth.ErrStepUp) {
				t.Errorf("got %v, want %v", err, sessionauth.ErrStepUp)
			}
			time.Sleep(500 * time.Millisecond)
		}
		s.WantCalls(pathAuthenticate, 1)
	})
}
