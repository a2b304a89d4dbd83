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

// A decided is what was decided about one request.
type decided struct {
	credential Credential
	entry      *entry // shared with other requests, never changed; nil if err is not
	cached     bool   // a cache had the entry
	err        error  // why the request is not one of somebody signed in
}

func (d *decided) result() (*Identity, error) {
	if d.err != nil {
		return nil, own(d.err)
	}
	return d.entry.identity(d.cached), nil
}

// A carried is a decision in the context of its request, in one object of the heap:
// what guards and FromContext ask for later, and no more. It does not hold the
// request's copy, or whoever keeps a context would keep the request's body.
type carried struct {
	auth   *Authenticator // nil if NewContext made it: no guard trusts that
	entry  *entry         // shared with other requests, never changed; nil if err is not
	cached bool           // a cache had the entry
	err    error          // why nobody is signed in behind Optional

	sent  string // the token or JWT to ask Stytch about the session with: see toAskWith
	along bool   // it is a token that came along with a JWT

	own    atomic.Pointer[Identity] // the request's own copy, made when first asked for
	ctx    requestContext           // carries the decision
	fields [2]string                // of the answer: see markPrivate
}

// carry makes what carries a decision in a context made of ctx.
func (a *Authenticator) carry(ctx context.Context, d *decided) *carried {
	c := &carried{auth: a, entry: d.entry, cached: d.cached, err: d.err}
	c.sent, c.along = d.credential.toAskWith()
	c.within(ctx)
	return c
}

// within makes a context of ctx that carries c.
func (c *carried) within(ctx context.Context) context.Context {
	c.ctx = requestContext{ctx, c}
	return &c.ctx
}

func (c *carried) identity() *Identity {
	if c.own.Load() == nil {
		c.own.CompareAndSwap(nil, c.entry.identity(c.cached))
	}
	return c.own.Load()
}

// A contextKey is a type of its own, so that no other package's key is ours.
type contextKey struct{}

// A requestContext carries a decision. Printed by itself it redacts itself; inside
// of a request fmt calls no method of it, but shows no more than an address, as
// it follows no second pointer.
type requestContext struct {
	context.Context
	carried *carried
}

// Value gives the decision for our key.
func (c *requestContext) Value(key any) any {
	if _, ours := key.(contextKey); ours {
		return c.carried
	}
	return c.Context.Value(key)
}

func fromContext(ctx context.Context) *carried {
	c, _ := ctx.Value(contextKey{}).(*carried)
	return c
}

// NewContext returns a context that carries id, for tests of handlers. It opens
// nothing: Require and the guards never trust it.
func NewContext(ctx context.Context, id *Identity) context.Context {
	if id == nil {
		return ctx
	}
	own := *id
	own.Session, own.User = id.Session.Clone(), id.User.Clone()
	c := &carried{}
	c.own.Store(&own)
	return c.within(ctx)
}

// FromContext returns the identity that Require or Optional found. Within one
// request it is always the same copy.
func FromContext(ctx context.Context) (*Identity, bool) {
	c := fromContext(ctx)
	if c == nil || c.err != nil {
		return nil, false
	}
	return c.identity(), true
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
