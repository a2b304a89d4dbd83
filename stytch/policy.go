package stytch

import "slices"

// A Policy is a project's RBAC policy: it defines which roles have which
// permissions.
// See https://stytch.com/docs/guides/authorization/rbac/overview.
type Policy struct {
	Roles     []Role     `json:"roles"`     // the only part that Allows uses
	Resources []Resource `json:"resources"` // the resources that permissions may name
	Scopes    []Scope    `json:"scopes"`    // for Connected Apps
}

// A Role grants permissions to the sessions that have it in Session.Roles.
type Role struct {
	ID          string       `json:"role_id"` // as in Session.Roles
	Description string       `json:"description"`
	Permissions []Permission `json:"permissions"`
}

// A Permission allows actions on one resource. The action "*" stands for all
// actions. There is no wildcard for resources.
type Permission struct {
	ResourceID string   `json:"resource_id"` // the id of a Resource
	Actions    []string `json:"actions"`     // actions of the Resource, or "*"
}

// A Resource is an object of permissions, with the actions that it supports. It
// grants nothing by itself.
type Resource struct {
	ID          string   `json:"resource_id"`
	Description string   `json:"description"`
	Actions     []string `json:"actions"`
}

// A Scope grants permissions to the access tokens of Connected Apps, not to
// sessions.
type Scope struct {
	Scope       string       `json:"scope"`
	Description string       `json:"description"`
	Permissions []Permission `json:"permissions"`
}

// Allows reports whether the policy allows one of sessionRoles to perform
// action on resource. It uses the algorithm of the official SDKs. Roles,
// resources and actions are compared exactly, including case. A permission with
// the action "*" allows every action. A role that is not in the policy grants
// nothing. A nil policy allows nothing.
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
