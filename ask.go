package sessionauth

import (
	"context"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/stytch"
)

// ask asks Stytch about a session, and holds the answer against what was
// revoked here: the call may have begun before that.
func (a *Authenticator) ask(ctx context.Context, p stytch.AuthenticateSessionParams, key digest, generation uint64) (*entry, error) {
	if a.revoked.hasDigest(key, time.Now()) {
		return nil, errRevoked
	}
	e, err := a.askStytch(ctx, p, key, generation)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if a.revoked.has(e.session.ID, now) || a.revoked.hasDigest(key, now) {
		return nil, errRevoked
	}
	if end := e.session.ExpiresAt; !end.IsZero() && !now.Before(end) {
		return nil, errEnded
	}
	return e, nil
}

// askStytch makes one call for all who send the same credential at one time.
func (a *Authenticator) askStytch(ctx context.Context, p stytch.AuthenticateSessionParams, key digest, generation uint64) (*entry, error) {
	if a.caches.isRejected(key, time.Now()) {
		return nil, errRejected
	}
	p.SessionDuration = a.config.SessionDuration
	e, err := share(ctx, a.upstream, flightKey("session", key, generation), func(ctx context.Context) (*entry, error) {
		asked := time.Now()
		answer, err := a.client.AuthenticateSession(ctx, p)
		if err != nil {
			return nil, err
		}
		return a.keepAnswer(answer, p.SessionToken != "", key, generation, asked), nil
	})
	return e, a.refusal(err, key)
}

// keepAnswer makes an entry of Stytch's answer and remembers it under the token
// it is about. The time is that of the question: the answer is no newer.
func (a *Authenticator) keepAnswer(answer *stytch.AuthenticateSessionResponse, byToken bool, key digest, generation uint64, asked time.Time) *entry {
	ttl := deadline.In(asked, a.caches.ttl)
	e := &entry{
		session:   &answer.Session,
		vouchedAt: asked,
		refreshed: answer.SessionJWT,
		end:       a.sessionEnd(&answer.Session, ttl, asked),
	}
	e.expiresAt = e.end.Time()
	if !a.config.SessionOnly {
		e.user = a.keepUser(&answer.User, generation, asked).user
	}
	if byToken {
		kept := *e
		kept.refreshed = "" // no raw credential stays
		a.caches.keep(generation, func() { a.caches.tokens.add(key, &kept) })
	}
	return e
}

// flightKey names a call that may be shared. Whoever comes after a Forget does
// not share a call that began before it.
func flightKey(kind string, key digest, generation uint64) string {
	b := make([]byte, 0, len(kind)+len(key)+8)
	b = append(b, kind...)
	b = append(b, key[:]...)
	for range 8 {
		b = append(b, byte(generation))
		generation >>= 8
	}
	return string(b)
}

// user gives a user from the cache, or loads them once for all who ask.
func (a *Authenticator) user(ctx context.Context, id string) (*userEntry, error) {
	now := time.Now()
	key := digestOf("user:" + id) // with a colon, so that no session token has this digest
	if u, ok := a.caches.users.get(key); ok && !u.end.Passed(now) {
		return u, nil
	}
	if a.caches.isRejected(key, now) {
		return nil, errRejected
	}
	generation := a.caches.generation()
	u, err := share(ctx, a.upstream, flightKey("user", key, generation), func(ctx context.Context) (*userEntry, error) {
		asked := time.Now()
		user, err := a.client.User(ctx, id)
		if err != nil {
			return nil, err
		}
		if user.ID != id {
			return nil, &stytch.InvalidAnswerError{Problem: "another user than the one asked for"}
		}
		return a.keepUser(user, generation, asked), nil
	})
	return u, a.refusal(err, key)
}

func (a *Authenticator) keepUser(user *stytch.User, generation uint64, now time.Time) *userEntry {
	u := &userEntry{user, deadline.In(now, a.caches.ttl)}
	a.caches.keep(generation, func() { a.caches.users.add(digestOf("user:"+user.ID), u) })
	return u
}

// refusal sorts the error of a call: Stytch's no is remembered, all else is no
// no.
func (a *Authenticator) refusal(err error, key digest) error {
	if err == nil {
		return nil
	}
	if isNo(err) {
		a.caches.rejection(key, time.Now())
	}
	return a.refusalOf(err)
}

func (a *Authenticator) refusalOf(err error) error {
	if isNo(err) {
		return &Error{Kind: ErrInvalidSession, Reason: ReasonRejected, cause: err}
	}
	return a.upstream.unavailable(err)
}
