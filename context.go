package sessionauth

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// An Identity is the session and the user of a request. It is a copy: changing
// it does not affect other requests.
type Identity struct {
	Session *stytch.Session
	User    *stytch.User // nil with Config.SessionOnly

	// Refreshed holds the new session JWT if Stytch returned one.
	Refreshed Credential

	DecidedBy  Decider
	VerifiedAt time.Time // when the session was last confirmed: iat of the JWT, or the time of the call to Stytch
	ExpiresAt  time.Time // when the session must be confirmed again: exp of the JWT, or the expiry of the cached response
}

// identityOf returns a copy of the session and the user of e.
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

// A requestState is the outcome of authentication, stored in the context of a
// request. It holds what guards and FromContext need. It does not refer to the
// request, because a context that outlives the request would then keep the body
// in memory.
type requestState struct {
	auth   *Authenticator // nil if NewContext made the state, so that no guard trusts it
	entry  *entry         // shared with other requests, never changed; nil if err is set
	cached bool           // the entry was found in a cache
	live   bool           // the entry is a response of Stytch to this request alone
	err    error          // why Optional treated the request as anonymous

	credential Credential // the accepted part of the request's credential

	copied atomic.Pointer[Identity] // the Identity of this request; nil until it is first needed
	ctx    requestContext           // embedded here to save an allocation
	header [2]string                // response header values: see markPrivate
}

// newRequestState returns the state of a request, with a context derived from
// ctx.
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

// requestGrace is how long a request may keep using the entry that
// authenticated it after that entry has expired.
const requestGrace = 30 * time.Second

// check returns nil if the entry may still be used for the request. If the error
// is errStale or errPurged, the credential must be authenticated again.
func (s *requestState) check() error {
	now := time.Now()
	err := s.auth.sessions.usable(s.entry, s.credential.key(), now)
	if end := s.entry.end; err == errStale && end.Passed(now) && !end.Add(requestGrace).Passed(now) {
		return nil
	}
	return err
}

// identity returns the Identity of the request. Every call returns the same
// pointer.
func (s *requestState) identity() *Identity {
	if id := s.copied.Load(); id != nil {
		return id
	}
	s.copied.CompareAndSwap(nil, identityOf(s.entry, s.cached))
	return s.copied.Load()
}

// A contextKey is the context key of a requestState. It is unexported, so that
// other packages cannot set or read the value.
type contextKey struct{}

// A requestContext is a context that holds a requestState. It redacts itself
// when it is printed. Within a printed http.Request, fmt calls no method of it,
// but it prints only an address, because fmt does not follow nested pointers.
type requestContext struct {
	context.Context
	state *requestState
}

// Value implements context.Context. It returns the state for contextKey.
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

// NewContext returns a context that holds id, for tests of handlers. Require
// and the guards do not trust it.
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

// FromContext returns the identity that Require or Optional stored in ctx.
// Within one request, every call returns the same pointer.
func FromContext(ctx context.Context) (*Identity, bool) {
	s := stateOf(ctx)
	if s == nil || s.err != nil {
		return nil, false
	}
	return s.identity(), true
}

// SessionFromContext returns the session that Require or Optional stored in
// ctx.
func SessionFromContext(ctx context.Context) (*stytch.Session, bool) {
	id, ok := FromContext(ctx)
	if !ok || id.Session == nil {
		return nil, false
	}
	return id.Session, true
}

// UserFromContext returns the user that Require or Optional stored in ctx. With
// Config.SessionOnly it returns false.
func UserFromContext(ctx context.Context) (*stytch.User, bool) {
	id, ok := FromContext(ctx)
	if !ok || id.User == nil {
		return nil, false
	}
	return id.User, true
}

// ClaimsFromContext decodes the custom claims of the session into a T. It
// matches names exactly, as stytch.Session.Claims does. If ctx holds no
// session, the error is ErrNoCredential. If the session has no custom claims,
// ClaimsFromContext returns the zero T.
func ClaimsFromContext[T any](ctx context.Context) (T, error) {
	var claims T
	s, ok := SessionFromContext(ctx)
	if !ok {
		return claims, ErrNoCredential
	}
	return claims, s.Claims(&claims)
}
