package sessionauth

import (
	"cmp"
	"context"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
)

const (
	refreshTTL = 30 * time.Second // of an answer about an old JWT: for the requests that a page had under way
	recheckTTL = 5 * time.Second  // of an answer to a guard: a user who lacks a factor must not cost a call a request
)

// A lookup describes something that Stytch knows and that is cached.
type lookup[T identified] struct {
	call   upstream.Call
	kind   string // simultaneous calls with the same kind and flight are one call
	flight digest
	key    digest // of what is sent: rejections are remembered by it

	// cached returns what is cached. The error is errStale if Stytch must be
	// called; any other error is final.
	cached func(now time.Time) (T, error)

	// fetch calls Stytch and stores the answer.
	fetch func(ctx context.Context, asked moment) (T, error)

	// isRejection reports whether an error of fetch is a rejection, and forget,
	// if not nil, removes what was cached before one.
	isRejection func(error) bool
	forget      func()
}

// A moment is when Stytch is called. The answer is not newer: it must not be
// stored if what it is about was forgotten since.
type moment struct {
	time.Time
	generation uint64 // of the caches
}

// introspect looks up, and if that fails calls Stytch once for all requests that
// look up the same at the same time. cached reports whether no call was needed.
func introspect[T identified](ctx context.Context, s *sessions, l *lookup[T]) (value T, cached bool, err error) {
	var arrived uint64
	for first := true; ; first = false {
		now := time.Now()
		if value, err = l.cached(now); err != errStale {
			return value, err == nil, err
		}
		generation, rejected := s.caches.begin(l.key, now)
		if rejected {
			return value, false, errRejected
		}
		if first {
			arrived = generation
		}
		result, err := upstream.Share(ctx, s.upstream, l.call, l.kind+string(l.flight[:]), func(ctx context.Context) (flown[T], error) {
			return fly(ctx, s, l)
		})
		// A request that arrives after a Forget does not use what a call that began
		// before it says about the same session or user. The next call begins later.
		if err != nil || !s.caches.isForgotten(result.generation, arrived, result.value) {
			return result.value, false, translate(err, l.isRejection)
		}
	}
}

// A flown is the result of a shared call.
type flown[T identified] struct {
	value      T
	generation uint64 // of the caches, when the call began
}

// fly makes the call that introspect shares, unless another call has ended since
// the look-up.
func fly[T identified](ctx context.Context, s *sessions, l *lookup[T]) (flown[T], error) {
	now := time.Now()
	generation, rejected := s.caches.begin(l.key, now)
	value, err := l.cached(now)
	switch {
	case err != errStale:
		return flown[T]{value, generation}, err
	case rejected:
		return flown[T]{}, errRejected
	}
	value, err = l.fetch(ctx, moment{now, generation})
	if l.isRejection(err) {
		if l.forget != nil {
			l.forget()
		}
		s.caches.reject(l.key, time.Now())
	}
	return flown[T]{value, generation}, err
}

// A query is a credential to ask Stytch about.
type query struct {
	token, jwt string // one of the two
	key        digest // of the credential
	verified   bool   // a JWT with a good signature, or a token that was alive before
	subject    digest // the session if it was proven, and else the credential
	bound      upstream.Bound

	// replaces is the JWT that the answer is to replace, nil if a token came
	// alone. answerKey is the key of the answer.
	replaces  *sessionjwt.Token
	answerKey digest
}

func (s *sessions) tokenQuery(token string, key digest) *query {
	// A token that was alive before stays in the cache past its end, for this.
	if seen, ok := s.caches.tokens.Get(key, time.Now()); ok {
		return &query{token: token, key: key, verified: true, subject: sessionKey(seen.session.ID), bound: upstream.BoundRejections}
	}
	return &query{token: token, key: key, subject: key}
}

// jwtQuery is for JWTs with a good signature only.
func jwtQuery(jwt string, key digest) *query {
	return &query{jwt: jwt, key: key, verified: true, subject: key}
}

// refreshing says that the answer is to replace an old JWT. It serves every old JWT
// of the session, unless t may be another kind of token: then it serves only t.
func (q *query) refreshing(t *sessionjwt.Token, key digest) *query {
	session, bound := sessionKey(cmp.Or(t.Session.ID, t.Session.UserID)), upstream.BoundRejections // the user's if the claim is unreadable
	q.replaces, q.answerKey = t, session
	if t.ThirdParty {
		q.answerKey, bound = key, upstream.BoundCalls // a session may have many
	}
	if q.verified {
		q.subject, q.bound = session, bound
	}
	return q
}

// params returns the parameters of the call.
func (q *query) params(extend time.Duration) stytch.AuthenticateSessionParams {
	return stytch.AuthenticateSessionParams{SessionToken: q.token, SessionJWT: q.jwt, SessionDuration: extend}
}

// call returns the kind of call. One that extends the session is not repeated.
func (q *query) call(extends bool) upstream.Call {
	call, extend := upstream.IntrospectUnverified, upstream.ExtendUnverified
	if q.verified {
		call, extend = upstream.Introspect, upstream.Extend
	}
	if extends {
		call = extend
	}
	return call.About(q.subject, q.bound)
}

// introspectSession asks Stytch about a session, unless its answer is cached.
func (s *sessions) introspectSession(ctx context.Context, q *query) (e *entry, cached bool, err error) {
	e, cached, err = introspect(ctx, s, s.sessionLookup(q))
	if err == nil && !cached {
		err = s.usableNow(e, q.key) // the call may have begun before a revocation
	}
	if err != nil {
		return nil, false, err
	}
	return e, cached, nil
}

func (s *sessions) sessionLookup(q *query) *lookup[*entry] {
	extend := s.config.SessionDuration
	l := &lookup[*entry]{
		call: q.call(extend > 0), kind: "session", flight: q.key, key: q.key,
		cached: func(now time.Time) (*entry, error) { return s.cachedAnswer(q, now) },
		fetch: func(ctx context.Context, asked moment) (*entry, error) {
			answer, err := s.client.AuthenticateSession(ctx, q.params(extend))
			if extend > 0 && upstream.IsNotMutable(err) { // the session of an impersonator cannot be extended
				answer, err = s.client.AuthenticateSession(ctx, q.params(0))
			}
			if err != nil {
				return nil, err
			}
			return s.store(answer, q, asked), nil
		},
		isRejection: upstream.IsSessionRejected,
		forget:      func() { s.caches.tokens.Remove(q.key) }, // not even StaleIfError may revive it
	}
	if q.replaces != nil {
		l.kind = "refresh" // whose answer brings a new JWT
		if q.jwt != "" {
			l.flight = q.answerKey
		}
	}
	return l
}

// cachedAnswer returns the cached answer to a query, or errStale, errRevoked, or
// errOtherSession if the token is known to belong to another session than the JWT.
func (s *sessions) cachedAnswer(q *query, now time.Time) (*entry, error) {
	cache, key := s.caches.tokens, q.key
	if q.replaces != nil {
		cache, key = s.caches.answers, q.answerKey
	}
	e, _ := cache.Get(key, now)
	if err := s.usable(e, q.key, now); err == nil || err == errRevoked {
		return e, err
	}
	if q.replaces != nil && q.token != "" {
		e, _ = s.caches.tokens.Get(q.key, now)
		if s.usable(e, q.key, now) == nil && !e.isAbout(q.replaces.Session) {
			return nil, errOtherSession
		}
	}
	return nil, errStale
}

// store makes an entry of an answer, and caches it.
func (s *sessions) store(answer *stytch.AuthenticateSessionResponse, q *query, asked moment) *entry {
	e := s.entryOf(answer, asked.Time)
	if !s.config.SessionOnly {
		s.storeUser(e.user, asked)
	}
	if q.token != "" {
		withoutJWT := *e
		withoutJWT.refreshed = ""
		s.caches.store(asked.generation, e, func() { s.caches.tokens.Add(q.key, &withoutJWT, asked.Time) })
	}
	if q.replaces != nil && e.isAbout(q.replaces.Session) {
		if e.thirdParty = q.replaces.ThirdParty; e.thirdParty && asked.Before(q.replaces.ExpiresAt) {
			e.refreshed = "" // it would need a call again, and the answer about the old JWT is cached
		}
		s.storeAnswer(q.answerKey, e, asked)
	}
	return e
}

// entryOf makes an entry of an answer. It copies what it keeps: a pointer into
// the answer would keep its credentials alive.
func (s *sessions) entryOf(answer *stytch.AuthenticateSessionResponse, asked time.Time) *entry {
	session, ttl := answer.Session, s.config.CacheTTL
	e := &entry{
		session: &session, vouchedAt: asked, asOf: asked, refreshed: answer.SessionJWT,
		end:      deadline.In(asked, ttl).EarlierAt(asked, session.ExpiresAt),
		staleEnd: deadline.In(asked, ttl+s.config.StaleIfError).EarlierAt(asked, session.ExpiresAt),
	}
	e.expiresAt = e.end.Time()
	if !s.config.SessionOnly {
		user := answer.User
		e.user = &user
	}
	return e
}

// storeAnswer caches a recent answer about a session, for refreshes and guards.
func (s *sessions) storeAnswer(key digest, e *entry, asked moment) {
	ttl := refreshTTL
	if s.config.MaxTokenAge > 0 {
		ttl = min(ttl, s.config.MaxTokenAge)
	}
	e.end = e.end.Earlier(deadline.In(asked.Time, ttl))
	e.expiresAt = e.end.Time()
	s.caches.store(asked.generation, e, func() { s.caches.answers.Add(key, e, asked.Time) })
}

// user returns a user from the cache, or loads them.
func (s *sessions) user(ctx context.Context, id string) (*userEntry, error) {
	key := userKey(id)
	old, _ := s.caches.users.Get(key, time.Now())
	u, _, err := introspect(ctx, s, &lookup[*userEntry]{
		call: upstream.LoadUser.About(key, upstream.NoBound), kind: "user", flight: key, key: key,
		cached: func(now time.Time) (*userEntry, error) {
			u, ok := s.caches.users.Get(key, now)
			if !ok || u.end.Passed(now) {
				return nil, errStale
			}
			return u, nil
		},
		fetch: func(ctx context.Context, asked moment) (*userEntry, error) {
			user, err := s.client.User(ctx, id)
			if err != nil {
				return nil, err
			}
			if user.ID != id { // Stytch takes external ids, too
				return nil, &stytch.InvalidAnswerError{Problem: "another user than the one asked for"}
			}
			return s.storeUser(user, asked), nil
		},
		isRejection: upstream.IsUserRejected,
		forget:      func() { s.caches.users.Remove(key) },
	})
	if err != nil && isOutage(err) && old != nil && !old.staleEnd.Passed(time.Now()) {
		return old, nil
	}
	return u, err
}

func (s *sessions) storeUser(user *stytch.User, asked moment) *userEntry {
	ttl := s.config.CacheTTL
	u := &userEntry{user, deadline.In(asked.Time, ttl), deadline.In(asked.Time, ttl+s.config.StaleIfError)}
	s.caches.store(asked.generation, u, func() { s.caches.users.Add(userKey(user.ID), u, asked.Time) })
	return u
}

// recheck asks Stytch about the session of an entry, once in recheckTTL: a guard
// refuses nothing because of a cache or a JWT alone.
func (s *sessions) recheck(ctx context.Context, e *entry, c introspectionCredential) (*entry, error) {
	q := &query{token: c.token, jwt: c.jwt, key: c.key, verified: true}
	q.answerKey = q.key
	if !e.thirdParty {
		q.answerKey = sessionKey(e.session.ID)
	}
	answer, _, err := introspect(ctx, s, &lookup[*entry]{
		// The answer to one credential of a session is not the answer to another.
		call: upstream.Introspect.About(sessionKey(e.session.ID), upstream.BoundCalls), kind: "recheck" + e.session.ID, flight: q.key, key: q.key,
		cached: func(now time.Time) (*entry, error) {
			recent, _ := s.caches.answers.Get(q.answerKey, now)
			if err := s.usable(recent, q.key, now); err == errRevoked {
				return nil, err
			} else if err != nil || now.Sub(recent.vouchedAt) >= recheckTTL {
				return nil, errStale
			}
			return recent, nil
		},
		fetch: func(ctx context.Context, asked moment) (*entry, error) {
			answer, err := s.client.AuthenticateSession(ctx, q.params(0))
			if err != nil {
				return nil, err
			}
			live, err := s.liveEntry(e, answer, q.key, asked.Time)
			if err == nil {
				s.storeAnswer(q.answerKey, live, asked)
			}
			return live, err
		},
		isRejection: upstream.IsSessionRejected,
	})
	if err != nil {
		return nil, s.goneError(e, c, err)
	}
	return answer, nil
}

// live asks Stytch about the session of an entry for this request alone: an
// answer under way may be older than the request. Nothing is cached.
func (s *sessions) live(ctx context.Context, e *entry, c introspectionCredential, check *stytch.AuthorizationCheck) (*entry, *stytch.Verdict, error) {
	q := &query{token: c.token, jwt: c.jwt, key: c.key, verified: true}
	params := q.params(0)
	params.AuthorizationCheck = check
	asked := time.Now()
	call := upstream.IntrospectLive.About(sessionKey(e.session.ID), upstream.BoundRejections)
	answer, err := upstream.Do(ctx, s.upstream, call, func(ctx context.Context) (*stytch.AuthenticateSessionResponse, error) {
		return s.client.AuthenticateSession(ctx, params)
	})
	if check != nil && upstream.IsForbidden(err) {
		return nil, nil, &Error{Kind: ErrForbidden, Reason: ReasonPermission, Resource: check.ResourceID, Action: check.Action, cause: err}
	}
	if err != nil {
		return nil, nil, s.goneError(e, c, translate(err, upstream.IsSessionRejected))
	}
	live, err := s.liveEntry(e, answer, q.key, asked)
	if err != nil {
		return nil, nil, err
	}
	live.expiresAt = asked
	return live, answer.Verdict, nil
}

// liveEntry makes an entry of an answer about the session of another entry. It
// must be about the same session, and that must not be revoked here.
func (s *sessions) liveEntry(e *entry, answer *stytch.AuthenticateSessionResponse, key digest, asked time.Time) (*entry, error) {
	live := s.entryOf(answer, asked)
	if !live.isAbout(e.session) {
		return nil, cloneError(errOtherSession)
	}
	live.thirdParty = e.thirdParty
	return live, cloneError(s.usableNow(live, key))
}

// goneError denies the session of an entry if err says that it does not exist
// any more, unless Stytch was asked about a token that only came with the JWT,
// or about a JWT that may be another kind of token.
func (s *sessions) goneError(e *entry, c introspectionCredential, err error) error {
	if upstream.IsSessionNotFound(err) && !c.secondary && !e.thirdParty {
		s.denied.Confirm(e.session.ID, time.Now())
	}
	return cloneError(err)
}
