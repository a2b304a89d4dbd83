package stytchtest

import "github.com/sessionauth/sessionauth/stytch"

// A check is the authorization_check of a call.
type check struct{ resource, action string }

// authorizationCheck reads it, or returns nil if there is none. Both members
// are required.
func (c *call) authorizationCheck() *check {
	var given map[string]string
	c.read("authorization_check", &given)
	if given == nil {
		return nil
	}
	asked := &check{given["resource_id"], given["action"]}
	if asked.resource == "" || asked.action == "" {
		c.wrong = true
	}
	return asked
}

// SetPolicy replaces the project's RBAC policy, which says what
// authorization_check is answered with. The default has the role "stytch_user"
// without permissions. The policy is copied.
func (s *Server) SetPolicy(p stytch.Policy) {
	made := newPolicy(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = made
}

// A policy is a policy as the server keeps it; it is never changed. grants
// answers questions, and is made apart from stytch.Policy.Allows so that the
// two can be held against each other.
type policy struct {
	shown  object
	order  []string // role ids as they stand in the policy
	grants map[grant]bool
}

// A grant is one action on one resource that a role allows.
type grant struct{ role, resource, action string }

func newPolicy(p stytch.Policy) policy {
	made := policy{grants: map[grant]bool{}}
	roles, resources, scopes := []object{}, []object{}, []object{}
	for _, r := range p.Roles {
		made.order = append(made.order, r.ID)
		for _, permission := range r.Permissions {
			for _, action := range permission.Actions {
				made.grants[grant{r.ID, permission.ResourceID, action}] = true
			}
		}
		roles = append(roles, object{"role_id": r.ID, "description": r.Description, "permissions": permissionObjects(r.Permissions)})
	}
	for _, r := range p.Resources {
		resources = append(resources, object{"resource_id": r.ID, "description": r.Description, "actions": list(r.Actions)})
	}
	for _, sc := range p.Scopes {
		scopes = append(scopes, object{"scope": sc.Scope, "description": sc.Description, "permissions": permissionObjects(sc.Permissions)})
	}
	made.shown = object{"roles": roles, "resources": resources, "scopes": scopes}
	return made
}

// granting returns the roles, out of those held, that allow an action on a
// resource, in the policy's order and each once. "*" stands for every action;
// nothing stands for every resource.
func (p policy) granting(held []string, resource, action string) []string {
	holds := map[string]bool{}
	for _, role := range held {
		holds[role] = true
	}
	var granting []string
	for _, role := range p.order {
		if holds[role] && (p.grants[grant{role, resource, action}] || p.grants[grant{role, resource, "*"}]) {
			granting = append(granting, role)
			holds[role] = false
		}
	}
	return granting
}

// getPolicy answers GET /v1/rbac/policy.
// See https://stytch.com/docs/guides/authorization/rbac/overview.
func (s *Server) getPolicy(*call) (object, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return object{"policy": s.policy.shown}, nil
}

func permissionObjects(permissions []stytch.Permission) []object {
	made := []object{}
	for _, p := range permissions {
		made = append(made, object{"resource_id": p.ResourceID, "actions": list(p.Actions)})
	}
	return made
}

// list returns a copy that JSON shows as [] rather than null.
func list(from []string) []string { return append([]string{}, from...) }
