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

// A decided is what was found out about one request.
type decided struct {
	auth       *Authenticator
	credential Credential
	entry      *entry // shared with other requests, never changed; nil if err is not
	by         Decider
	err        error
}

// A found is a decision in the context of its request: all, beside the request's
// copy, that a request which passes needs of the heap, and no more of a decided than
// is asked for later. The copy is not in it, or whoever keeps a context would keep
// the request's body.
type found struct {
	auth  *Authenticator // nil if NewContext made it: no guard trusts that
	entry *entry         // nil if err is not
	err   error          // why nobody is signed in behind Optional

	sent   string // the token or JWT to ask Stytch about the session with; empty if nobody can say which
	along  bool   // sent is a token that came along with a JWT
	cached bool   // a cache had the entry

	own    atomic.Pointer[Identity] // the request's own copy, made when first asked for
	ctx    requestContext           // carries the decision
	fields [2]string                // of the answer: see markPrivate
}

// newFound makes a context that carries a decision.
func newFound(ctx context.Context, d *decided) *found {
	f := &found{auth: d.auth, entry: d.entry, err: d.err, cached: d.by == Cache}
	f.sent, f.along = d.credential.toAskWith()
	f.ctx = requestContext{ctx, f}
	return f
}

// vouchedFor makes a context in which Stytch has just vouched for the same session.
func (f *found) vouchedFor(ctx context.Context, e *entry) *requestContext {
	live := &found{auth: f.auth, entry: e, sent: f.sent, along: f.along}
	live.ctx = requestContext{ctx, live}
	return &live.ctx
}

// passes reports whether a Require further in lets the request through too, or an
// Optional, behind which nobody is but who may be anonymous.
func (f *found) passes(optional bool) bool { return f.err == nil || optional }

func (f *found) by() Decider {
	switch {
	case f.cached:
		return Cache
	case f.entry.token != nil:
		return Local
	}
	return Stytch
}

func (f *found) identity() *Identity {
	if f.own.Load() == nil {
		f.own.CompareAndSwap(nil, f.entry.identity(f.by()))
	}
	return f.own.Load()
}

// A contextKey is a type of its own, so that no other package's key is ours.
type contextKey struct{}

// A requestContext carries a decision. Printed by itself it redacts itself; inside
// of a request fmt calls no method of it, but shows no more than an address, as
// it follows no second pointer.
type requestContext struct {
	context.Context
	found *found
}

// Value gives the decision for our key.
func (c *requestContext) Value(key any) any {
	if _, ours := key.(contextKey); ours {
		return c.found
	}
	return c.Context.Value(key)
}

func fromContext(ctx context.Context) *found {
	f, _ := ctx.Value(contextKey{}).(*found)
	return f
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
	f := newFound(ctx, &decided{})
	f.own.Store(&own)
	return &f.ctx
}

// FromContext returns the identity that Require or Optional found. Within one
// request it is always the same copy.
func FromContext(ctx context.Context) (*Identity, bool) {
	f := fromContext(ctx)
	if f == nil || f.err != nil {
		return nil, false
	}
	return f.identity(), true
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
