package stytch_test

import (
	"encoding/json"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
)

const policyText = `{
	"roles": [
		{"role_id": "stytch_user", "description": "everybody", "permissions": [{"resource_id": "documents", "actions": ["read"]}]},
		{"role_id": "editor", "permissions": [{"resource_id": "documents", "actions": ["create", "update"]}, {"resource_id": "images", "actions": ["update"]}]},
		{"role_id": "admin", "permissions": [{"resource_id": "documents", "actions": ["*"]}]},
		{"role_id": "wild", "permissions": [{"resource_id": "*", "actions": ["*"]}]},
		{"role_id": "twice", "permissions": [{"resource_id": "documents", "actions": ["read"]}]},
		{"role_id": "twice", "permissions": [{"resource_id": "documents", "actions": ["delete"]}]},
		{"role_id": "idle", "permissions": [{"resource_id": "documents", "actions": []}]},
		{"role_id": "empty", "permissions": []}
	],
	"resources": [{"resource_id": "secrets", "description": "", "actions": ["read", "*"]}],
	"scopes": [{"scope": "stytch_user", "description": "", "permissions": [{"resource_id": "invoices", "actions": ["read"]}]}]
}`

func newPolicy(t testing.TB) *stytch.Policy {
	t.Helper()
	var p stytch.Policy
	if err := json.Unmarshal([]byte(policyText), &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func TestPolicy_Allows(t *testing.T) {
	tests := []struct {
		name             string
		roles            []string
		resource, action string
		want             bool
	}{
		{"a role allows the action", []string{"stytch_user"}, "documents", "read", true},
		{"a role does not allow another action", []string{"stytch_user"}, "documents", "create", false},
		{"a role does not allow it on another resource", []string{"stytch_user"}, "images", "read", false},
		{"a role's actions stay with their resource", []string{"editor"}, "images", "create", false},
		{"a role's second permission counts", []string{"editor"}, "images", "update", true},
		{"the first of several roles allows it", []string{"editor", "stytch_user"}, "documents", "create", true},
		{"the last of several roles allows it", []string{"stytch_user", "editor"}, "documents", "create", true},
		{"none of several roles allows it", []string{"stytch_user", "editor"}, "documents", "delete", false},
		{"a role that is carried twice", []string{"stytch_user", "stytch_user"}, "documents", "read", true},
		{"a role that is defined twice allows both", []string{"twice"}, "documents", "delete", true},
		{"no role", nil, "documents", "read", false},
		{"an empty list of roles", []string{}, "documents", "read", false},
		{"a role without a name", []string{""}, "documents", "read", false},
		{"a role that the policy does not know", []string{"owner"}, "documents", "read", false},
		{"an unknown role beside a known one", []string{"owner", "stytch_user"}, "documents", "read", true},
		{"a role of another case", []string{"Stytch_User"}, "documents", "read", false},
		{"a role with a space", []string{"stytch_user "}, "documents", "read", false},
		{"a role that begins the same", []string{"stytch_user2", "stytch"}, "documents", "read", false},
		{"a resource of another case", []string{"stytch_user"}, "Documents", "read", false},
		{"a resource that begins the same", []string{"stytch_user"}, "document", "read", false},
		{"an action of another case", []string{"stytch_user"}, "documents", "Read", false},
		{"an action that begins the same", []string{"stytch_user"}, "documents", "rea", false},
		{"* allows every action", []string{"admin"}, "documents", "delete", true},
		{"* allows an action that no resource lists", []string{"admin"}, "documents", "burn", true},
		{"* allows * itself", []string{"admin"}, "documents", "*", true},
		{"* does not reach another resource", []string{"admin"}, "images", "read", false},
		{"* asked for needs * granted", []string{"stytch_user", "editor"}, "documents", "*", false},
		{"* is a resource's name and no wildcard", []string{"wild"}, "documents", "read", false},
		{"* as a resource is itself", []string{"wild"}, "*", "read", true},
		{"* as a role", []string{"*"}, "documents", "read", false},
		{"a resource grants nothing by itself", []string{"stytch_user"}, "secrets", "read", false},
		{"a scope grants nothing to a session", []string{"stytch_user"}, "invoices", "read", false},
		{"a permission without actions", []string{"idle"}, "documents", "read", false},
		{"a role without permissions", []string{"empty"}, "documents", "read", false},
		{"nothing asked for", []string{"stytch_user", "admin"}, "", "", false},
		{"no action asked for", []string{"stytch_user"}, "documents", "", false},
	}
	p := newPolicy(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := p.Allows(test.roles, test.resource, test.action); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestPolicy_AllowsWithoutRoles(t *testing.T) {
	for name, p := range map[string]*stytch.Policy{"empty": {}, "a nameless role": {Roles: []stytch.Role{{}}}} {
		if p.Allows([]string{"stytch_user", ""}, "documents", "read") {
			t.Errorf("%s: got true, want false", name)
		}
	}
}

func TestPolicy_RoundTrip(t *testing.T) {
	p, written := roundTrip[stytch.Policy](t, []byte(policyText))
	if len(p.Roles) != 8 || len(p.Resources) != 1 || len(p.Scopes) != 1 || p.Roles[0].Description != "everybody" {
		t.Errorf("got %+v, want 8 roles, 1 resource, 1 scope and their descriptions", *p)
	}
	if again := newPolicy(t); string(written) != string(mustMarshal(t, again)) {
		t.Errorf("got %s, want %s", written, mustMarshal(t, again))
	}
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Allows makes no allocation, because guards call it for every request.
func TestPolicy_AllowsAllocations(t *testing.T) {
	p := newPolicy(t)
	roles := []string{"stytch_user", "editor", "owner"}
	for _, action := range []string{"read", "update", "delete"} {
		if got := testing.AllocsPerRun(100, func() { p.Allows(roles, "documents", action) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", action, got)
		}
	}
}
