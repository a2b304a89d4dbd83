package sessionauth_test

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The names a random policy is made of: few, so that they meet often, and close
// to each other, so that a match that is not exact shows.
var (
	someRoles     = []string{"stytch_user", "editor", "Editor", "editor ", "admin", "*", "é"}
	someResources = []string{"documents", "Documents", "documents*", "notes", "*", "é"}
	someActions   = []string{"read", "Read", "read ", "write", "*", "re*"}
)

// A fate makes random policies and questions.
type fate struct{ *rand.Rand }

// pick returns up to most of the names, some of them perhaps twice.
func (f fate) pick(names []string, most int) []string {
	picked := []string{}
	for range f.IntN(most + 1) {
		picked = append(picked, f.one(names))
	}
	return picked
}

func (f fate) one(names []string) string { return names[f.IntN(len(names))] }

// policy is a policy with roles that repeat, permissions that overlap, and
// resources and scopes that grant nothing to a session.
func (f fate) policy() stytch.Policy {
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

func (f fate) permissions() []stytch.Permission {
	var list []stytch.Permission
	for range 1 + f.IntN(4) {
		list = append(list, stytch.Permission{ResourceID: f.one(someResources), Actions: f.pick(someActions, 3)})
	}
	return list
}

// Whatever the policy, the roles and the question: what is decided here is what
// Stytch decides, and Permissions lists exactly what Allowed allows.
func TestLocalAndRemotePermissionsAgree(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f := fate{rand.New(rand.NewPCG(seed, 0))}
	yes, no := 0, 0
	for range 200 {
		// The clock stands still in a bubble: no session or policy grows old.
		synctest.Test(t, func(t *testing.T) {
			p := newPolicyStage(t, f.policy())
			for range 3 {
				user := p.AddUser(stytchtest.User{Roles: f.pick(someRoles, 4)})
				p.Session = p.StartSession(user.ID, stytchtest.SessionOptions{})
				y, n := p.agree(f)
				yes, no = yes+y, no+n
			}
			p.WantCalls(pathPolicy, 1)
		})
	}
	t.Logf("%d yes, %d no", yes, no)
	if yes < 500 || no < 2000 {
		t.Errorf("got %d times yes and %d times no, want more of both", yes, no)
	}
}

type policyStage struct {
	*stage
	policy stytch.Policy
	client *stytch.Client
}

func newPolicyStage(t *testing.T, policy stytch.Policy) *policyStage {
	t.Helper()
	s := &policyStage{stage: &stage{Server: stytchtest.NewServer(), T: t}, policy: policy}
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

// agree asks every question there is of the policy and of Permissions, and some
// of Stytch. It counts Stytch's answers.
func (s *policyStage) agree(f fate) (yes, no int) {
	s.T.Helper()
	ctx := inside(s.stage, s.Auth.Require, bearer(s.Session.JWT))
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
				continue // Stytch mints a JWT with each yes, which takes its time
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

// roles are the session's roles as its JWT says them.
func (s *policyStage) roles() []string {
	session, _ := sessionauth.SessionFromContext(inside(s.stage, s.Auth.Require, bearer(s.Session.JWT)))
	return session.Roles
}

func lists(list []stytch.Permission, resource, action string) bool {
	return slices.ContainsFunc(list, func(p stytch.Permission) bool {
		return p.ResourceID == resource && (slices.Contains(p.Actions, action) || slices.Contains(p.Actions, "*"))
	})
}

func (s *policyStage) agreeWithStytch(allowed bool, resource, action string) {
	s.T.Helper()
	_, err := s.client.AuthenticateSession(s.T.Context(), stytch.AuthenticateSessionParams{
		SessionToken: s.Session.Token, AuthorizationCheck: &stytch.AuthorizationCheck{ResourceID: resource, Action: action},
	})
	var said *stytch.Error
	denied := errors.As(err, &said) && said.StatusCode == http.StatusForbidden && said.Type == stytch.TypeSessionAuthorization
	if err != nil && !denied {
		s.T.Fatalf("%q, %q: got %v, want a verdict", resource, action, err)
	}
	if denied == allowed {
		s.T.Errorf("%q, %q: got Allowed %t, want what Stytch says: denied %t", resource, action, allowed, denied)
	}
}
