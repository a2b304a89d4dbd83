package sessionauth

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// An Identity is the session and the user of a request. It is the caller's own
// copy: changing it changes nothing for other requests.
type Identity struct {
	Session *stytch.Session
	User    *stytch.User // nil with Config.SessionOnly

	// Refreshed holds the new session JWT, if Stytch returned one.
	Refreshed Credential

	DecidedBy  Decider
	VerifiedAt time.Time // when the session was vouched for: iat of a JWT, or time of Stytch's answer
	ExpiresAt  time.Time // when the session must be vouched for again: exp of a JWT, or end of the cached answer
}

// identityOf copies everything that a caller could change.
func identityOf(e *entry, cached bool) *Identity {
	return &Identity{
		Session:    e.session.Clone(),
		User:       e.user.Clone(),
		Refreshed:  Credential{JWT: e.refreshed},
		DecidedBy:  e.decidedBy(cached),
		VerifiedAt: e.vouchedAt,
		ExpiresAt:  e.expiresAt,
	}
}

// A requestState is the outcome of authentication in the context of a request:
// what guards and FromContext need later, and no more. It does not refer to the
// request, whose body a kept context would otherwise keep alive.
type requestState struct {
	auth   *Authenticator // nil if NewContext made it: no guard trusts that
	entry  *entry         // shared with other requests, never changed; nil if err is not
	cached bool           // the entry was found in a cache
	live   bool           // the entry is an answer of Stytch to this request alone
	err    error          // why the request is anonymous, behind Optional

	credential Credential // the part of the request's credential that was accepted

	copied atomic.Pointer[Identity] // the request's own copy, made when first asked for
	ctx    requestContext           // holds the state; in one allocation with it
	header [2]string                // values of the response: see markPrivate
}

// newRequestState returns the state of a request, in a context derived from ctx.
func newRequestState(ctx context.Context, a *Authenticator, r *authResult) *requestState {
	s := &requestState{auth: a, entry: r.entry, cached: r.cached, err: r.err, credential: r.credential}
	s.ctx = requestContext{ctx, s}
	return s
}

// within returns a context derived from ctx that holds s.
func (s *requestState) within(ctx context.Context) context.Context {
	s.ctx = requestContext{ctx, s}
	return &s.ctx
}

// requestGrace is how long a request may go on with the entry that it was
// authenticated with, past the end of the entry.
const requestGrace = 30 * time.Second

// check asks usable whether the entry may still be used for the request. The
// error is errStale or errPurged if the credential must be authenticated again.
func (s *requestState) check() error {
	now := time.Now()
	err := s.auth.sessions.usable(s.entry, s.credential.key(), now)
	if end := s.entry.end; err == errStale && end.Passed(now) && !end.Add(requestGrace).Passed(now) {
		return nil
	}
	return err
}

// identity returns the request's own copy: the same one each time.
func (s *requestState) identity() *Identity {
	if id := s.copied.Load(); id != nil {
		return id
	}
	s.copied.CompareAndSwap(nil, identityOf(s.entry, s.cached))
	return s.copied.Load()
}

// A contextKey is a type of this package, so that no other package has the key.
type contextKey struct{}

// A requestContext holds a requestState. Printed by itself it redacts itself.
// Inside of a request fmt calls no method of it, but prints only an address, as
// it follows no second pointer.
type requestContext struct {
	context.Context
	state *requestState
}

// Value returns the state for contextKey.
func (c *requestContext) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c.state
	}
	return c.Context.Value(key)
}

// stateOf returns the requestState in ctx, or nil.
func stateOf(ctx context.Context) *requestState {
	s, _ := ctx.Value(contextKey{}).(*requestState)
	return s
}

// NewContext returns a context that holds id, for tests of handlers. Require and
// the guards never trust it.
func NewContext(ctx context.Context, id *Identity) context.Context {
	if id == nil {
		return ctx
	}
	own := *id
	own.Session, own.User = id.Session.Clone(), id.User.Clone()
	s := &requestState{}
	s.copied.Store(&own)
	return s.within(ctx)
}

// FromContext returns the identity that Require or Optional found. It returns
// the same copy each time within one request.
func FromContext(ctx context.Context) (*Identity, bool) {
	s := stateOf(ctx)
	if s == nil || s.err != nil {
		return nil, false
	}
	return s.identity(), true
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
// Config.SessionOnly it reports false.
func UserFromContext(ctx context.Context) (*stytch.User, bool) {
	id, ok := FromContext(ctx)
	if !ok || id.User == nil {
		return nil, false
	}
	return id.User, true
}

// ClaimsFromContext decodes the session's custom claims into a T by exact names, as
// stytch.Session.Claims does. Without a session the error is ErrNoCredential. A
// session without custom claims yields the zero T.
func ClaimsFromContext[T any](ctx context.Context) (T, error) {
	var claims T
	s, ok := SessionFromContext(ctx)
	if !ok {
		return claims, ErrNoCredential
	}
	return claims, s.Claims(&claims)
}
