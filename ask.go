package sessionauth

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// A question is what Stytch is asked about a session: by token or by JWT.
type question struct {
	token, jwt string // one of the two
	key        digest // of what is sent
	flight     digest // what simultaneous calls are shared by
	known      bool   // a JWT with a good signature, or a token seen alive: no stranger's
	generation uint64 // of the caches when it arose

	// old is the JWT that is to be replaced, nil if a token came alone, and
	// oldKey what the answer about it is known by.
	old    *sessionjwt.Token
	oldKey digest
}

// replacing says that the answer is to replace an old JWT. It serves every old
// JWT of the session, or their owner could make a call with each: but for
// another kind of token, which Stytch must judge by itself.
func (q question) replacing(t *sessionjwt.Token, key digest) question {
	q.old, q.oldKey = t, key
	if !t.ThirdParty {
		q.oldKey = digestOf("session:" + t.Session.ID)
	}
	if q.jwt != "" {
		q.flight = q.oldKey
	}
	return q
}

func (a *Authenticator) byToken(token string) question {
	key := digestOf(token)
	// What was alive once is kept past its end, for this.
	_, seen := a.caches.tokens.get(key, time.Now())
	return question{token: token, key: key, flight: key, known: seen, generation: a.caches.generation()}
}

// byJWT is for JWTs with a good signature only.
func (a *Authenticator) byJWT(jwt string) question {
	key := digestOf(jwt)
	return question{jwt: jwt, key: key, flight: key, known: true, generation: a.caches.generation()}
}

// route picks the lane. A check that extends the session is not repeated.
func (q *question) route(extends bool) route {
	switch {
	case extends && q.known:
		return extendKnown
	case extends:
		return extendOther
	case q.known:
		return askKnown
	}
	return askStranger
}

// ask asks Stytch about a session, and holds the answer against what was
// revoked here: the call may have begun before that.
func (a *Authenticator) ask(ctx context.Context, q question) (*entry, error) {
	if a.revoked.hasDigest(q.key, time.Now()) {
		return nil, errRevoked
	}
	e, err := a.askStytch(ctx, q)
	if err != nil {
		return nil, err
	}
	if a.revoked.hasDigest(q.key, time.Now()) {
		return nil, errRevoked
	}
	return e, a.checkAnswer(e)
}

// checkAnswer holds what came of a call against what happened here while it was
// under way.
func (a *Authenticator) checkAnswer(e *entry) error {
	now := time.Now()
	if a.revoked.has(e.session.ID, now) {
		return errRevoked
	}
	if a.revoked.predates(e.vouchedAt, a.skew(e.token)) {
		return errRevokedListFull
	}
	if end := e.session.ExpiresAt; !end.IsZero() && !now.Before(end) {
		return errEnded
	}
	return nil
}

// askStytch makes one call for all who send the same credential at one time.
func (a *Authenticator) askStytch(ctx context.Context, q question) (*entry, error) {
	if a.caches.isRejected(q.key, time.Now()) {
		return nil, errRejected
	}
	p := stytch.AuthenticateSessionParams{SessionToken: q.token, SessionJWT: q.jwt, SessionDuration: a.config.SessionDuration}
	kind := "session"
	if q.old != nil {
		kind = "refresh" // whose answer must bring a new JWT
	}
	r := q.route(p.SessionDuration > 0)
	e, err := share(ctx, a.upstream, r, flightKey(kind, q.flight, q.generation), func(ctx context.Context) (*entry, error) {
		// Another call may have ended since we looked.
		if e, ok := a.recall(q); ok {
			return e, nil
		}
		asked := time.Now()
		if a.caches.isRejected(q.key, asked) {
			return nil, errRejected
		}
		answer, err := a.client.AuthenticateSession(ctx, p)
		if isNo(err) {
			// What it said before holds no longer, not even in an outage.
			a.caches.tokens.remove(q.key)
			a.caches.rejection(q.key, time.Now())
		}
		if err != nil {
			return nil, err
		}
		return a.keepAnswer(answer, q, asked), nil
	})
	return e, a.refusal(err)
}

// recall gives what is cached about a question.
func (a *Authenticator) recall(q question) (*entry, bool) {
	c, key := a.caches.tokens, q.key
	if q.old != nil {
		c, key = a.caches.answers, q.oldKey
	}
	now := time.Now()
	e, ok := c.get(key, now)
	return e, ok && a.holds(e, now)
}

// keepAnswer makes an entry of Stytch's answer and remembers it under the token
// it is about. The time is that of the question: the answer is no newer.
func (a *Authenticator) keepAnswer(answer *stytch.AuthenticateSessionResponse, q question, asked time.Time) *entry {
	ttl := a.caches.ttl
	session, user := answer.Session, answer.User // copies: a pointer into the answer would keep its credentials alive
	e := &entry{
		session:   &session,
		vouchedAt: asked,
		refreshed: answer.SessionJWT,
		end:       a.sessionEnd(&session, deadline.In(asked, ttl), asked),
		staleEnd:  a.sessionEnd(&session, deadline.In(asked, ttl+a.caches.stale), asked),
	}
	e.expiresAt = e.end.Time()
	if !a.config.SessionOnly {
		e.user = a.keepUser(&user, q.generation, asked).user
	}
	if q.token != "" {
		kept := *e
		kept.refreshed = "" // no raw credential stays
		a.caches.keep(q.generation, func() { a.caches.tokens.add(q.key, &kept, asked) })
	}
	if q.old != nil && isSameSession(e, q.old) {
		e.foreign = q.old.ThirdParty
		e.end = e.end.Earlier(deadline.In(asked, a.answerTTL()))
		e.expiresAt = e.end.Time()
		a.caches.keep(q.generation, func() { a.caches.answers.add(q.oldKey, e, asked) })
	}
	return e
}

// answerTTL is how long an answer about an old JWT is reused.
func (a *Authenticator) answerTTL() time.Duration {
	ttl := min(answerTTL, a.caches.ttl)
	if a.config.MaxTokenAge > 0 {
		ttl = min(ttl, a.config.MaxTokenAge)
	}
	return ttl
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

// stale gives what Stytch last said of a token, if err says that it cannot be
// asked now and StaleIfError allows.
func (a *Authenticator) stale(key digest, err error) (*entry, error) {
	if a.caches.stale == 0 || !isOutage(err) {
		return nil, err
	}
	now := time.Now()
	e, ok := a.caches.tokens.get(key, now)
	if !ok || e.staleEnd.Passed(now) || a.isRevoked(e, now) {
		return nil, err
	}
	return e, nil
}

// userKey has a colon in what it digests, so that no session token has the same.
func userKey(id string) digest {
	var stack [64]byte // or the text would be allocated
	return sha256.Sum256(append(append(stack[:0], "user:"...), id...))
}

// user gives a user from the cache, or loads them once for all who ask.
func (a *Authenticator) user(ctx context.Context, id string) (*userEntry, error) {
	now := time.Now()
	key := userKey(id)
	kept, ok := a.caches.users.get(key, now)
	if ok && !kept.end.Passed(now) {
		return kept, nil
	}
	if a.caches.isRejected(key, now) {
		return nil, errRejected
	}
	generation := a.caches.generation()
	u, err := share(ctx, a.upstream, loadUser, flightKey("user", key, generation), func(ctx context.Context) (*userEntry, error) {
		asked := time.Now()
		// Another call may have ended since we looked.
		if kept, ok := a.caches.users.get(key, asked); ok && !kept.end.Passed(asked) {
			return kept, nil
		}
		if a.caches.isRejected(key, asked) {
			return nil, errRejected
		}
		user, err := a.client.User(ctx, id)
		if isNoUser(err) {
			a.caches.users.remove(key)
			a.caches.rejection(key, time.Now())
		}
		if err != nil {
			return nil, err
		}
		if user.ID != id { // the client takes an external id too
			return nil, &stytch.InvalidAnswerError{Problem: "another user than the one asked for"}
		}
		return a.keepUser(user, generation, asked), nil
	})
	if isNoUser(err) {
		return nil, &Error{Kind: ErrInvalidSession, Reason: ReasonRejected, cause: err}
	}
	if err == nil {
		return u, nil
	}
	err = a.upstream.unavailable(err)
	if ok && isOutage(err) && !kept.staleEnd.Passed(time.Now()) {
		return kept, nil
	}
	return nil, err
}

func (a *Authenticator) keepUser(user *stytch.User, generation uint64, now time.Time) *userEntry {
	u := &userEntry{user, deadline.In(now, a.caches.ttl), deadline.In(now, a.caches.ttl+a.caches.stale)}
	a.caches.keep(generation, func() { a.caches.users.add(userKey(user.ID), u, now) })
	return u
}

// refusal sorts the error of a question about a session: Stytch's no is one, all
// else is none.
func (a *Authenticator) refusal(err error) error {
	if err == nil {
		return nil
	}
	if isNo(err) {
		return &Error{Kind: ErrInvalidSession, Reason: ReasonRejected, cause: err}
	}
	return a.upstream.unavailable(err)
}
