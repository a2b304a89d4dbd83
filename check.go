package sessionauth

import (
	"context"
	"slices"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/stytch"
)

// The checks below are what package guard puts in front of a route; a handler
// can ask them too. The Authenticator whose Require let the request in decides.
// Where none did the error is ErrNoCredential. An error is never a pass.

// decision gives what the Require in front found out. What NewContext put there
// nobody has verified.
func decision(ctx context.Context) (*carried, error) {
	c := fromContext(ctx)
	if c == nil || c.auth == nil {
		return nil, ErrNoCredential
	}
	if c.err != nil {
		return nil, own(c.err)
	}
	return c, nil
}

// CheckRole fails with ErrForbidden unless the session has one of the roles.
// Names match exactly.
func CheckRole(ctx context.Context, anyOf ...string) error {
	c, err := decision(ctx)
	if err != nil {
		return err
	}
	for _, role := range anyOf {
		if slices.Contains(c.entry.session.Roles, role) {
			return nil
		}
	}
	return &Error{Kind: ErrForbidden, Reason: ReasonRole}
}

// CheckPermission fails with ErrForbidden unless the session's roles allow the
// action on the resource, by the project's RBAC policy.
func CheckPermission(ctx context.Context, resource, action string) error {
	c, err := decision(ctx)
	if err != nil {
		return err
	}
	p, err := c.auth.policy(ctx)
	if err != nil {
		return err
	}
	age := time.Since(p.AsOf)
	if !p.Value.Allows(c.entry.session.Roles, resource, action) {
		return &Error{Kind: ErrForbidden, Reason: ReasonPermission, Resource: resource, Action: action, policyAge: age}
	}
	if c.auth.config.Observe != nil {
		e := c.auth.event(CheckedPermission, Local)
		e.PolicyAge = age
		c.auth.config.Observe(ctx, e)
	}
	return nil
}

// CheckFactor fails with ErrStepUp unless the session has a factor of one of
// the types, such as "totp" or "webauthn". Before it refuses what a cache or a
// JWT said it asks Stytch: the user may have stepped up elsewhere.
func CheckFactor(ctx context.Context, anyOf ...string) error {
	has := func(s *stytch.Session) bool {
		return slices.ContainsFunc(s.Factors, func(f stytch.AuthenticationFactor) bool { return slices.Contains(anyOf, f.Type) })
	}
	if ok, err := checkSession(ctx, has); ok || err != nil {
		return err
	}
	return &Error{Kind: ErrStepUp, Reason: ReasonFactor, ACRValues: slices.Clone(anyOf)}
}

// CheckFresh fails with ErrStepUp unless a factor of the session was
// authenticated within maxAge. Like CheckFactor it asks before it refuses.
func CheckFresh(ctx context.Context, maxAge time.Duration) error {
	fresh := func(s *stytch.Session) bool {
		last := s.LastFactorAt()
		return !last.IsZero() && time.Since(last) <= maxAge
	}
	if ok, err := checkSession(ctx, fresh); ok || err != nil {
		return err
	}
	return &Error{Kind: ErrStepUp, Reason: ReasonRecency, MaxAge: maxAge}
}

func checkSession(ctx context.Context, ok func(*stytch.Session) bool) (bool, error) {
	c, err := decision(ctx)
	if err != nil {
		return false, err
	}
	if ok(c.entry.session) {
		return true, nil
	}
	if c.entry.by(c.cached) == Stytch {
		return false, nil
	}
	e, err := c.auth.recheck(ctx, c)
	if err != nil {
		return false, err
	}
	return ok(e.session), nil
}

// recheckTTL keeps a user who lacks a factor from costing a call per request.
const recheckTTL = 5 * time.Second

// recheck asks Stytch about the session of a request that a cache or a JWT let
// in, once per session in 5 seconds.
func (a *Authenticator) recheck(ctx context.Context, c *carried) (*entry, error) {
	key := digestOf("session:" + c.entry.session.ID)
	recall := func() (*entry, bool) {
		now := time.Now()
		e, ok := a.caches.rechecked.get(key, now)
		return e, ok && a.holds(e, now)
	}
	if e, ok := recall(); ok {
		return e, nil
	}
	params, err := c.question(nil)
	if err != nil {
		return nil, err
	}
	generation := a.caches.generation()
	// Requests of one session may bring different credentials: the answer to
	// one is not the answer to the other.
	sent := digestOf(params.SessionToken + params.SessionJWT)
	if a.caches.isRejected(sent, time.Now()) {
		return nil, own(errRejected)
	}
	flight := flightKey("recheck"+c.entry.session.ID, sent, generation)
	e, err := share(ctx, a.upstream, askKnown, flight, func(ctx context.Context) (*entry, error) {
		if e, ok := recall(); ok {
			return e, nil
		}
		asked := time.Now()
		answer, err := a.client.AuthenticateSession(ctx, params)
		if isNo(err) {
			a.caches.rejection(sent, time.Now())
		}
		if err != nil {
			return nil, err
		}
		e, err := a.vouched(c, answer, asked)
		if err != nil {
			return nil, err
		}
		e.end = deadline.In(asked, recheckTTL)
		e.refreshed = "" // no raw credential stays
		a.caches.keep(generation, func() { a.caches.rechecked.add(key, e, asked) })
		return e, nil
	})
	return e, a.gone(c, err)
}

// toAskWith gives what Stytch can be asked with about a session that was let in: the
// token if there is one, else the JWT, and nothing where a cookie was repeated, as
// nobody can say which is meant. Along says that it is a token that came along with a
// JWT, which decided.
func (c *Credential) toAskWith() (sent string, along bool) {
	switch {
	case len(c.candidates()) > 0:
		return "", false
	case c.JWT == "":
		return c.Token, false // which decided, so that it has the form of one
	case isSessionToken(c.Token):
		return c.Token, true
	}
	return c.JWT, false
}

// question is what Stytch is asked about a request's session, with what toAskWith
// chose.
func (c *carried) question(check *stytch.AuthorizationCheck) (stytch.AuthenticateSessionParams, error) {
	p := stytch.AuthenticateSessionParams{AuthorizationCheck: check}
	switch {
	case c.sent == "":
		return p, own(errTwoUsers)
	case isSessionToken(c.sent): // no JWT is one: it has dots
		p.SessionToken = c.sent
	default:
		p.SessionJWT = c.sent
	}
	return p, nil
}

// gone sorts the error of a question about a session that was let in before. If
// there is no such session any more, nothing else of it is let in either: unless
// the question was asked with a token that only came along with the JWT, or with a
// JWT of another kind.
func (a *Authenticator) gone(c *carried, err error) error {
	if isNotFound(err) && !c.along && !c.entry.foreign {
		a.revoked.confirm(c.entry.session.ID, time.Now())
	}
	return own(a.refusal(err))
}

// vouched makes an entry of an answer about a request that was let in already:
// it must be about the same session, and that not be revoked here.
func (a *Authenticator) vouched(c *carried, answer *stytch.AuthenticateSessionResponse, asked time.Time) (*entry, error) {
	if answer.Session.ID != c.entry.session.ID || answer.Session.UserID != c.entry.session.UserID {
		return nil, own(errOtherSession)
	}
	session, user := answer.Session, answer.User // copies, as in keepAnswer
	e := &entry{session: &session, foreign: c.entry.foreign, vouchedAt: asked, expiresAt: asked, refreshed: answer.SessionJWT}
	if !a.config.SessionOnly {
		e.user = &user
	}
	return e, own(a.checkAnswer(e))
}

// CheckLive makes Stytch vouch for this very request. The context it returns
// carries what Stytch answered: fresh roles, factors and user.
func CheckLive(ctx context.Context) (context.Context, error) {
	live, _, err := askLive(ctx, nil)
	if err != nil {
		return ctx, err
	}
	return live, nil
}

// CheckPermissionLive asks Stytch, for this very request, whether the session
// may do the action on the resource, and fails with ErrForbidden if not. The
// context it returns carries what CheckLive's does, and the verdict.
func CheckPermissionLive(ctx context.Context, resource, action string) (context.Context, error) {
	live, verdict, err := askLive(ctx, &stytch.AuthorizationCheck{ResourceID: resource, Action: action})
	if err != nil {
		return ctx, err
	}
	return context.WithValue(live, verdictKey{}, verdict), nil
}

type verdictKey struct{}

// VerdictFromContext returns Stytch's verdict on the permission that
// CheckPermissionLive, or guard.PermissionLive, asked about.
func VerdictFromContext(ctx context.Context) (stytch.Verdict, bool) {
	v, ok := ctx.Value(verdictKey{}).(*stytch.Verdict)
	if !ok {
		return stytch.Verdict{}, false
	}
	return stytch.Verdict{Authorized: v.Authorized, GrantingRoles: slices.Clone(v.GrantingRoles)}, true
}

// askLive makes a call of this request's own: an answer under way may be older
// than the request. Nothing of it is cached: a verdict is no identity.
func askLive(ctx context.Context, check *stytch.AuthorizationCheck) (context.Context, *stytch.Verdict, error) {
	c, err := decision(ctx)
	if err != nil {
		return nil, nil, err
	}
	a, asked := c.auth, time.Now()
	question, err := c.question(check)
	if err != nil {
		return nil, nil, err
	}
	answer, err := run(ctx, a.upstream, askForLive, func(ctx context.Context) (*stytch.AuthenticateSessionResponse, error) {
		return a.client.AuthenticateSession(ctx, question)
	})
	if check != nil && isForbidden(err) {
		return nil, nil, &Error{Kind: ErrForbidden, Reason: ReasonPermission, Resource: check.ResourceID, Action: check.Action, cause: err}
	}
	if err != nil {
		return nil, nil, a.gone(c, err)
	}
	e, err := a.vouched(c, answer, asked)
	if err != nil {
		return nil, nil, err
	}
	// A token that came along is the session's own: Stytch has just said so.
	live := &carried{auth: a, entry: e, sent: c.sent}
	return live.within(ctx), answer.Verdict, nil
}
