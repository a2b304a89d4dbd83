package sessionauth

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// An Identity is who sends a request, and who says so. It is the caller's own:
// changing it changes nothing for others.
type Identity struct {
	Session *stytch.Session
	User    *stytch.User // nil with Config.SessionOnly

	// Refreshed holds the new session JWT, when Stytch gave one.
	Refreshed Credential

	DecidedBy  Decider
	VerifiedAt time.Time // when the session was vouched for: iat of a JWT, time of Stytch's answer
	ExpiresAt  time.Time // when it must be vouched for anew: the JWT's exp, or the end of the answer
}

// A decided is what was found out about one request. It holds the context that
// the request has from there on, so that both are one allocation.
type decided struct {
	ctx requestContext

	auth       *Authenticator // nil if NewContext made it: no guard trusts that
	credential Credential
	entry      *entry // shared with other requests, never changed; nil if err is not
	by         Decider
	err        error // why nobody is signed in behind Optional

	own          atomic.Pointer[Identity] // the request's own copy, made when first asked for
	headerValues [2]string                // what markPrivate sets: the request's own, without an allocation of its own
}

// A contextKey is a type of its own, so that no other package's key is ours.
type contextKey struct{}

// A requestContext carries a decision. Printed by itself it redacts itself; inside
// of a request fmt calls no method of it, but shows no more than an address, as
// it follows no second pointer.
type requestContext struct {
	context.Context
	decided *decided // which it is part of
}

// newDecided makes a decision that is still open.
func newDecided(ctx context.Context, a *Authenticator) *decided {
	d := &decided{auth: a}
	d.ctx = requestContext{ctx, d}
	return d
}

// Value gives the decision for our key.
func (c *requestContext) Value(key any) any {
	if _, ours := key.(contextKey); ours {
		return c.decided
	}
	return c.Context.Value(key)
}

func fromContext(ctx context.Context) *decided {
	d, _ := ctx.Value(contextKey{}).(*decided)
	return d
}

func (d *decided) identity() *Identity {
	if d.own.Load() == nil {
		d.own.CompareAndSwap(nil, d.entry.identity(d.by))
	}
	return d.own.Load()
}

// identity copies all that a caller could change.
func (e *entry) identity(by Decider) *Identity {
	return &Identity{
		Session:    e.session.Clone(),
		User:       e.user.Clone(),
		Refreshed:  Credential{JWT: e.refreshed},
		DecidedBy:  by,
		VerifiedAt: e.vouchedAt,
		ExpiresAt:  e.expiresAt,
	}
}

// NewContext returns a context that carries id, for tests of handlers. It opens
// nothing: Require and the guards never trust it.
func NewContext(ctx context.Context, id *Identity) context.Context {
	if id == nil {
		return ctx
	}
	own := *id
	own.Session, own.User = id.Session.Clone(), id.User.Clone()
	d := newDecided(ctx, nil)
	d.own.Store(&own)
	return &d.ctx
}

// FromContext returns the identity that Require or Optional found. Within one
// request it is always the same copy.
func FromContext(ctx context.Context) (*Identity, bool) {
	d := fromContext(ctx)
	if d == nil || d.err != nil {
		return nil, false
	}
	return d.identity(), true
}

// SessionFromContext returns the session that Require or Optional found.
func SessionFromContext(ctx context.Context) (*stytch.Session, bool) {
	id, ok := FromContext(ctx)
	if !ok || id.Session == nil {
		return nil, false
	}
	return id.Session, true
}

// UserFromContext returns the user that Require or Optional found. With
// Config.SessionOnly there is none.
func UserFromContext(ctx context.Context) (*stytch.User, bool) {
	id, ok := FromContext(ctx)
	if !ok || id.User == nil {
		return nil, false
	}
	return id.User, true
}

// ClaimsFromContext decodes the session's custom claims into a T. Without a
// session the error is ErrNoCredential; a session without custom claims gives
// the zero T.
func ClaimsFromContext[T any](ctx context.Context) (T, error) {
	var claims T
	s, ok := SessionFromContext(ctx)
	if !ok {
		return claims, ErrNoCredential
	}
	return claims, s.Claims(&claims)
}
