package sessionauth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/stytch"
)

// newPolicies keeps the project's RBAC policy: refreshed in passing every 5
// minutes, as Stytch's SDKs do, and used for PolicyMaxAge when that fails.
func newPolicies(a *Authenticator) *remote.Value[*stytch.Policy] {
	return &remote.Value[*stytch.Policy]{
		RefreshAfter: min(5*time.Minute, a.config.PolicyMaxAge),
		MaxAge:       a.config.PolicyMaxAge,
		Fetch: func(ctx context.Context, _ *remote.Snapshot[*stytch.Policy]) (*stytch.Policy, error) {
			return run(ctx, a.upstream, loadPolicy, a.client.Policy)
		},
	}
}

// policy gives the policy that decides now. Without one nothing is allowed and
// nothing forbidden: the error is ErrUnavailable.
func (a *Authenticator) policy(ctx context.Context) (*remote.Snapshot[*stytch.Policy], error) {
	p, err := a.policies.Get(ctx)
	if err == nil {
		return p, nil
	}
	return nil, a.missing(ReasonNoPolicy, a.policies.RetryAfter(), err)
}

// Allowed reports whether the signed-in user may do the action on the resource,
// by the session's roles and the project's RBAC policy. It costs no call while a
// policy is held. The error is ErrNoCredential where this Authenticator let
// nobody in, or ErrUnavailable where no policy can be had; it is never a yes.
func (a *Authenticator) Allowed(ctx context.Context, resource, action string) (bool, error) {
	c, err := a.decision(ctx)
	if err != nil {
		return false, err
	}
	p, err := a.policy(ctx)
	if err != nil {
		return false, err
	}
	return p.Value.Allows(c.entry.session.Roles, resource, action), nil
}

// Permissions lists all that the signed-in user may do, sorted by resource. The
// action "*" stands for every action. The errors are those of Allowed.
func (a *Authenticator) Permissions(ctx context.Context) ([]stytch.Permission, error) {
	c, err := a.decision(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.policy(ctx)
	if err != nil {
		return nil, err
	}
	actions := map[string][]string{}
	for _, role := range p.Value.Roles {
		if !slices.Contains(c.entry.session.Roles, role.ID) {
			continue
		}
		for _, granted := range role.Permissions {
			actions[granted.ResourceID] = append(actions[granted.ResourceID], granted.Actions...)
		}
	}
	list := make([]stytch.Permission, 0, len(actions))
	for resource, names := range actions {
		slices.Sort(names)
		list = append(list, stytch.Permission{ResourceID: resource, Actions: slices.Compact(names)})
	}
	slices.SortFunc(list, func(x, y stytch.Permission) int { return strings.Compare(x.ResourceID, y.ResourceID) })
	return list, nil
}

// decision is for what only this Authenticator's own Require may have let in.
func (a *Authenticator) decision(ctx context.Context) (*carried, error) {
	c := a.decidedBefore(ctx)
	if c == nil || c.err != nil {
		return nil, ErrNoCredential
	}
	return c, nil
}
