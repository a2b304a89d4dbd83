package state

import "github.com/sessionauth/sessionauth/stytch"

// A Check is an authorization_check: an action on a resource.
type Check struct{ ResourceID, Action string }

// A policy is the RBAC policy of a project. It never changes. It does not use
// stytch.Policy.Allows, so that tests can compare the two.
type policy struct {
	shown  Object
	order  []string // role ids, in the order of the policy
	grants map[grant]bool
}

// A grant is the permission of a role to perform one action on one resource.
type grant struct{ role, resource, action string }

func newPolicy(p stytch.Policy) policy {
	made := policy{grants: map[grant]bool{}}
	roles, resources, scopes := []Object{}, []Object{}, []Object{}
	for _, r := range p.Roles {
		made.order = append(made.order, r.ID)
		for _, permission := range r.Permissions {
			for _, action := range permission.Actions {
				made.grants[grant{r.ID, permission.ResourceID, action}] = true
			}
		}
		roles = append(roles, Object{"role_id": r.ID, "description": r.Description, "permissions": permissionObjects(r.Permissions)})
	}
	for _, r := range p.Resources {
		resources = append(resources, Object{"resource_id": r.ID, "description": r.Description, "actions": copyList(r.Actions)})
	}
	for _, sc := range p.Scopes {
		scopes = append(scopes, Object{"scope": sc.Scope, "description": sc.Description, "permissions": permissionObjects(sc.Permissions)})
	}
	made.shown = Object{"roles": roles, "resources": resources, "scopes": scopes}
	return made
}

// granting returns the held roles that allow the check, without duplicates and
// in the order of the policy. The action "*" of a permission stands for every
// action. There is no wildcard for resources.
func (p policy) granting(held []string, c Check) []string {
	holds := map[string]bool{}
	for _, role := range held {
		holds[role] = true
	}
	var granting []string
	for _, role := range p.order {
		if holds[role] && (p.grants[grant{role, c.ResourceID, c.Action}] || p.grants[grant{role, c.ResourceID, "*"}]) {
			granting = append(granting, role)
			holds[role] = false
		}
	}
	return granting
}

func permissionObjects(permissions []stytch.Permission) []Object {
	made := []Object{}
	for _, p := range permissions {
		made = append(made, Object{"resource_id": p.ResourceID, "actions": copyList(p.Actions)})
	}
	return made
}

// copyList returns a copy that is never nil, because JSON shows nil as null.
func copyList(from []string) []string { return append([]string{}, from...) }
