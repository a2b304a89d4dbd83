package sessionauth

import (
	"context"
	"sync"
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

// A decided is what was found out about one request: the one value we put into
// its context. Printing it shows an address and no credential: the context
// holds it behind a pointer.
type decided struct {
	auth       *Authenticator // nil if NewContext made it: no guard trusts that
	credential Credential
	entry      *entry // shared with other requests, never changed; nil if err is not
	by         Decider
	err        error // why nobody is signed in behind Optional

	once sync.Once
	own  *Identity // the request's own copy, made when first asked for
}

// A contextKey is a type of its own, so that no other package's key is ours.
type contextKey struct{}

func fromContext(ctx context.Context) *decided {
	d, _ := ctx.Value(contextKey{}).(*decided)
	return d
}

func (d *decided) identity() *Identity {
	d.once.Do(func() {
		if d.own == nil {
			d.own = d.entry.identity(d.by)
		}
	})
	return d.own
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
	return context.WithValue(ctx, contextKey{}, &decided{own: &own})
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
