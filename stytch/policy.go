package stytch

import "slices"

// A Policy is a project's RBAC policy: which roles may do what.
// See https://stytch.com/docs/guides/authorization/rbac/overview.
type Policy struct {
	Roles     []Role     `json:"roles"`
	Resources []Resource `json:"resources"`
	Scopes    []Scope    `json:"scopes"`
}

// A Role grants permissions to the sessions that carry its id.
type Role struct {
	ID          string       `json:"role_id"`
	Description string       `json:"description"`
	Permissions []Permission `json:"permissions"`
}

// A Permission allows actions on one resource. The action "*" allows all; there
// is no wildcard for resources.
type Permission struct {
	ResourceID string   `json:"resource_id"`
	Actions    []string `json:"actions"`
}

// A Resource is something actions can be allowed on. It grants nothing by itself.
type Resource struct {
	ID          string   `json:"resource_id"`
	Description string   `json:"description"`
	Actions     []string `json:"actions"`
}

// A Scope grants permissions to Connected Apps' access tokens, not to sessions.
type Scope struct {
	Scope       string       `json:"scope"`
	Description string       `json:"description"`
	Permissions []Permission `json:"permissions"`
}

// Allows reports whether one of the session roles may do the action on the
// resource, by the algorithm of Stytch's own SDKs: roles, resource and action
// match exactly and with their case, "*" among a permission's actions stands
// for every action, and a role the policy does not know grants nothing. A nil
// policy allows nothing.
func (p *Policy) Allows(sessionRoles []string, resource, action string) bool {
	if p == nil {
		return false
	}
	for i := range p.Roles {
		role := &p.Roles[i]
		if slices.Contains(sessionRoles, role.ID) && role.grants(resource, action) {
			return true
		}
	}
	return false
}

func (r *Role) grants(resource, action string) bool {
	for i := range r.Permissions {
		p := &r.Permissions[i]
		if p.ResourceID == resource && (slices.Contains(p.Actions, "*") || slices.Contains(p.Actions, action)) {
			return true
		}
	}
	return false
}
