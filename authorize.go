package sessionauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/stytch"
)

// The Check functions below are what package guard puts in front of a route; a
// handler may call them too. They use the Authenticator whose Require let the
// request in. If none did, the error is ErrNoCredential with ReasonMissingRequire.

// authenticated returns the state that Require or Optional stored in ctx. It
// returns an error if the session has since expired or been revoked, or if the
// state was stored by NewContext, which verifies nothing.
func authenticated(ctx context.Context) (*requestState, error) {
	s := stateOf(ctx)
	if s == nil || s.auth == nil {
		return nil, cloneError(errMissingRequire)
	}
	if s.err != nil {
		return nil, cloneError(s.err)
	}
	switch err := s.check(); err {
	case nil:
		return s, nil
	case errStale, errPurged: // the entry can no longer be used
		return s.renewed(ctx)
	default:
		return nil, cloneError(err)
	}
}

// renewed authenticates the credential of a long request again. The result must
// be the same session.
func (s *requestState) renewed(ctx context.Context) (*requestState, error) {
	cred := s.credential
	e, cached, err := s.auth.sessions.authenticate(ctx, &cred)
	switch {
	case err != nil:
		return nil, cloneError(err)
	case !e.isAbout(s.entry.session):
		return nil, cloneError(errOtherSession)
	}
	return &requestState{auth: s.auth, entry: e, cached: cached, credential: cred}, nil
}

// Reject responds to a request with an error. If Require, Optional or Attach
// let the request through, Reject calls the Reject method of that
// Authenticator. Otherwise it calls WriteError.
func Reject(w http.ResponseWriter, r *http.Request, err error) {
	if s := stateOf(r.Context()); s != nil && s.auth != nil {
		s.auth.Reject(w, r, err)
		return
	}
	WriteError(w, r, err)
}

// CheckRequest returns an error unless r carries the credential that its
// context was authenticated with. Without this check, a request made in the
// context of another one would act as the user of that one. The guards call
// CheckRequest before their own check.
func CheckRequest(r *http.Request) error {
	s, _ := r.Context().Value(contextKey{}).(*requestState)
	if s == nil || s.auth == nil {
		return cloneError(errMissingRequire)
	}
	cred, err := s.auth.extract(r)
	switch {
	case err != nil:
		return cloneError(err)
	case !s.credential.wasPresentedAs(&cred):
		return cloneError(errOtherSession)
	}
	return nil
}

// CheckRole returns ErrForbidden unless the session has at least one of the
// roles. Role ids are compared exactly.
func CheckRole(ctx context.Context, anyOf ...string) error {
	s, err := authenticated(ctx)
	if err != nil {
		return err
	}
	for _, role := range anyOf {
		if slices.Contains(s.entry.session.Roles, role) {
			return nil
		}
	}
	return &Error{Kind: ErrForbidden, Reason: ReasonRole}
}

// CheckPermission returns ErrForbidden unless the project's RBAC policy allows
// one of the session's roles to perform action on resource.
func CheckPermission(ctx context.Context, resource, action string) error {
	s, p, err := authenticatedWithPolicy(ctx)
	if err != nil {
		return err
	}
	age := time.Since(p.AsOf)
	if !p.Value.Allows(s.entry.session.Roles, resource, action) {
		return &Error{Kind: ErrForbidden, Reason: ReasonPermission, Resource: resource, Action: action, policyAge: age}
	}
	s.auth.events.report(ctx, Event{Check: CheckedPermission, Decider: Local, PolicyAge: age}, nil)
	return nil
}

// CheckFactor returns ErrStepUp unless the session has a factor of one of the
// types, such as "totp" or "webauthn". If the session came from a cache or a
// JWT, CheckFactor calls Stytch before it returns ErrStepUp, because the user
// may have added the factor elsewhere.
func CheckFactor(ctx context.Context, anyOf ...string) error {
	has := func(s *stytch.Session) bool { return hasFactor(s, anyOf, time.Time{}) }
	if ok, err := checkSession(ctx, has); ok || err != nil {
		return err
	}
	return &Error{Kind: ErrStepUp, Reason: ReasonFactor, ACRValues: slices.Clone(anyOf)}
}

// CheckFresh returns ErrStepUp unless a factor of the session was authenticated
// within maxAge. Like CheckFactor, it calls Stytch before it returns ErrStepUp.
func CheckFresh(ctx context.Context, maxAge time.Duration) error {
	oldest := oldestFresh(ctx, maxAge)
	fresh := func(s *stytch.Session) bool { return s.LastFactorAt().After(oldest) }
	if ok, err := checkSession(ctx, fresh); ok || err != nil {
		return err
	}
	return &Error{Kind: ErrStepUp, Reason: ReasonRecency, MaxAge: maxAge}
}

// CheckFreshFactor returns ErrStepUp unless a factor of one of the types was
// authenticated within maxAge. CheckFactor and CheckFresh together require
// less: a session with an old factor of the type and a recent factor of another
// type passes both.
func CheckFreshFactor(ctx context.Context, maxAge time.Duration, anyOf ...string) error {
	oldest := oldestFresh(ctx, maxAge)
	has := func(s *stytch.Session) bool { return hasFactor(s, anyOf, oldest) }
	if ok, err := checkSession(ctx, has); ok || err != nil {
		return err
	}
	return &Error{Kind: ErrStepUp, Reason: ReasonRecency, MaxAge: maxAge, ACRValues: slices.Clone(anyOf)}
}

// CheckNotImpersonated returns ErrForbidden if a member of the Stytch workspace
// impersonates the user in this session.
func CheckNotImpersonated(ctx context.Context) error {
	s, err := authenticated(ctx)
	if err != nil {
		return err
	}
	if _, impersonated := s.entry.session.Impersonator(); impersonated {
		return &Error{Kind: ErrForbidden, Reason: ReasonImpersonated}
	}
	return nil
}

// hasFactor reports whether a session has a factor of one of the types that was
// authenticated after oldest. If oldest is zero, any time is accepted. The
// factor of an impersonator does not count, because it proves nothing about the
// user.
func hasFactor(s *stytch.Session, anyOf []string, oldest time.Time) bool {
	return slices.ContainsFunc(s.Factors, func(f stytch.AuthenticationFactor) bool {
		return f.Type != stytch.FactorImpersonated && slices.Contains(anyOf, f.Type) &&
			(oldest.IsZero() || f.LastAuthenticatedAt.After(oldest))
	})
}

// oldestFresh returns the time after which a factor must have been
// authenticated to be fresh. It subtracts Config.Leeway, because the times of
// factors come from the clock of Stytch. If maxAge is negative, no factor is
// fresh.
func oldestFresh(ctx context.Context, maxAge time.Duration) time.Time {
	s := stateOf(ctx)
	if s == nil || s.auth == nil || maxAge < 0 {
		return time.Unix(1<<40, 0)
	}
	return time.Now().Add(-maxAge - s.auth.config.Leeway - 1)
}

// checkSession reports whether the session satisfies a condition. If the
// session of a cache or a JWT does not, checkSession calls Stytch for its
// current state.
func checkSession(ctx context.Context, satisfies func(*stytch.Session) bool) (bool, error) {
	s, err := authenticated(ctx)
	if err != nil {
		return false, err
	}
	if satisfies(s.entry.session) {
		return true, nil
	}
	if !s.cached && s.entry.token == nil { // the session is a new response of Stytch
		return false, nil
	}
	recent, err := s.auth.sessions.recheck(ctx, s.entry, s.introspection())
	if err != nil {
		return false, err
	}
	return satisfies(recent.session), nil
}

// introspection returns the credential with which to check the session at
// Stytch. If the state is the result of a live check, its token is known to
// belong to the session, so it is not secondary.
func (s *requestState) introspection() introspectionCredential {
	c := s.credential.forIntrospection()
	c.secondary = c.secondary && !s.live
	return c
}

// CheckLive calls Stytch to check whether the session is still alive. It never
// uses a cache. The returned context holds the session and the user of the
// response.
func CheckLive(ctx context.Context) (context.Context, error) {
	live, _, err := checkLive(ctx, nil)
	if err != nil {
		return ctx, err
	}
	return live, nil
}

// CheckPermissionLive calls Stytch to check whether the session is alive and
// may perform action on resource. If it may not, the error is ErrForbidden. The
// returned context holds the session, the user and the verdict of the response.
func CheckPermissionLive(ctx context.Context, resource, action string) (context.Context, error) {
	live, verdict, err := checkLive(ctx, &stytch.AuthorizationCheck{ResourceID: resource, Action: action})
	if err != nil {
		return ctx, err
	}
	return context.WithValue(live, verdictKey{}, verdict), nil
}

type verdictKey struct{}

// VerdictFromContext returns the verdict that CheckPermissionLive or
// guard.PermissionLive stored in ctx.
func VerdictFromContext(ctx context.Context) (stytch.Verdict, bool) {
	v, ok := ctx.Value(verdictKey{}).(*stytch.Verdict)
	if !ok {
		return stytch.Verdict{}, false
	}
	return stytch.Verdict{Authorized: v.Authorized, GrantingRoles: slices.Clone(v.GrantingRoles)}, true
}

func checkLive(ctx context.Context, check *stytch.AuthorizationCheck) (context.Context, *stytch.Verdict, error) {
	s, err := authenticated(ctx)
	if err != nil {
		return nil, nil, err
	}
	e, verdict, err := s.auth.sessions.live(ctx, s.entry, s.introspection(), check)
	if err != nil {
		return nil, nil, err
	}
	live := &requestState{auth: s.auth, entry: e, live: true, credential: s.credential}
	return live.within(ctx), verdict, nil
}

// Allowed reports whether the project's RBAC policy allows one of the roles of
// the session to perform action on resource. While the policy is cached, it
// makes no call to Stytch. The error is ErrNoCredential if this Authenticator
// did not let the request through, and ErrUnavailable if there is no policy. If
// the error is not nil, the result is false.
func (a *Authenticator) Allowed(ctx context.Context, resource, action string) (bool, error) {
	roles, policy, err := rolesAndPolicy(ctx, a)
	if err != nil {
		return false, err
	}
	return policy.Allows(roles, resource, action), nil
}

// Permissions returns the permissions of the session, sorted by resource. The
// action "*" stands for every action. The errors are those of Allowed.
func (a *Authenticator) Permissions(ctx context.Context) ([]stytch.Permission, error) {
	roles, policy, err := rolesAndPolicy(ctx, a)
	if err != nil {
		return nil, err
	}
	actions := map[string][]string{}
	for _, role := range policy.Roles {
		if !slices.Contains(roles, role.ID) {
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

// rolesAndPolicy returns the policy, and the roles of the session of a request
// that this Authenticator let through.
func rolesAndPolicy(ctx context.Context, a *Authenticator) ([]string, *stytch.Policy, error) {
	if s := stateOf(ctx); s == nil || s.auth != a {
		return nil, nil, cloneError(errMissingRequire)
	} else if s.err != nil {
		return nil, nil, ErrNoCredential
	}
	s, p, err := authenticatedWithPolicy(ctx)
	if err != nil {
		return nil, nil, err
	}
	return s.entry.session.Roles, p.Value, nil
}

// authenticatedWithPolicy is authenticated once the policy has been fetched,
// during which the session may be revoked.
func authenticatedWithPolicy(ctx context.Context) (*requestState, *remote.Snapshot[*stytch.Policy], error) {
	var p *remote.Snapshot[*stytch.Policy]
	var policyErr error
	if s := stateOf(ctx); s != nil && s.auth != nil && s.err == nil {
		p, policyErr = s.auth.sessions.policy(ctx)
	}
	s, err := authenticated(ctx)
	return s, p, cmp.Or(err, policyErr)
}

// policy returns the RBAC policy. If there is none, nothing can be allowed or
// forbidden, and the error is ErrUnavailable.
func (s *sessions) policy(ctx context.Context) (*remote.Snapshot[*stytch.Policy], error) {
	p, err := s.policies.Get(ctx)
	if failed := s.policies.LastError(); failed != nil && errors.Is(err, remote.ErrTooSoon) {
		err = failed // a moment ago
	}
	if err != nil {
		return nil, missing(ReasonNoPolicy, s.policies.RetryAfter(), err)
	}
	return p, nil
}
