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
	refreshTTL = 30 * time.Second // lifetime of a response about an old JWT, for the other requests of the same page
	recheckTTL = 5 * time.Second  // lifetime of a response to a guard, so that a user who lacks a factor does not cause a call for each request
)

// A lookup describes a cached value and the call to Stytch that fetches it.
type lookup[T identified] struct {
	call   upstream.Call
	kind   string // simultaneous lookups with the same kind and flight share one call
	flight digest
	key    digest // digest of what is sent; a rejection is cached for it

	// cached returns the cached value. If the error is errStale, Stytch must be
	// called. Any other error is final.
	cached func(now time.Time) (T, error)

	// fetch calls Stytch and caches the response.
	fetch func(ctx context.Context, asked moment) (T, error)

	// isRejection reports whether an error of fetch is a rejection. In that
	// case forget, if not nil, removes the cached value.
	isRejection func(error) bool
	forget      func()
}

// A moment is the time at which a call to Stytch begins. The response must not
// be cached if its session or user was forgotten since.
type moment struct {
	time.Time
	generation uint64 // generation of the caches
}

// introspect returns the cached value of a lookup. If there is none, it calls
// Stytch, once for all requests that make the same lookup at the same time.
// cached reports whether no call was needed.
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
		// If a request arrives after a Forget, it must not use the result of a
		// call that began before. In that case, loop: the next call begins
		// later.
		if err != nil || !s.caches.isForgotten(result.generation, arrived, result.value) {
			return result.value, false, translate(err, l.isRejection)
		}
	}
}

// A flown is the result of a shared call.
type flown[T identified] struct {
	value      T
	generation uint64 // generation of the caches when the call began
}

// fly makes the call that introspect shares. It makes no call if another call
// has cached a result since introspect looked.
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

// A query is a credential to send to Stytch.
type query struct {
	token, jwt string // exactly one is set
	key        digest // digest of the credential
	verified   bool   // a JWT with a valid signature, or a token that was alive before
	subject    digest // the session if it is known, otherwise the credential
	bound      upstream.Bound

	// replaces is the old JWT for which the response is fetched. It is nil if a
	// token came alone. answerKey is the cache key of the response.
	replaces  *sessionjwt.Token
	answerKey digest
}

func (s *sessions) tokenQuery(token string, key digest) *query {
	// The cache keeps an expired entry of a token for this purpose.
	if seen, ok := s.caches.tokens.Get(key, time.Now()); ok {
		return &query{token: token, key: key, verified: true, subject: sessionKey(seen.session.ID), bound: upstream.BoundRejections}
	}
	return &query{token: token, key: key, subject: key}
}

// jwtQuery returns a query for a JWT, whose signature must be valid.
func jwtQuery(jwt string, key digest) *query {
	return &query{jwt: jwt, key: key, verified: true, subject: key}
}

// refreshing sets t as the old JWT that the response replaces. The response
// serves every old JWT of the session. If t may be another kind of token, q must
// send t itself, and the response serves only t.
func (q *query) refreshing(t *sessionjwt.Token, key digest) *query {
	session, bound := sessionKey(cmp.Or(t.Session.ID, t.Session.UserID)), upstream.BoundRejections // the user, if the session claim cannot be read
	q.replaces, q.answerKey = t, session
	if t.ThirdParty {
		q.answerKey, bound = key, upstream.BoundCalls // one session may have many third-party tokens
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

// call returns the upstream.Call. A call that extends the session is not
// retried.
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

// introspectSession returns the session of a query from the cache or by calling
// Stytch.
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
		forget:      func() { s.caches.tokens.Remove(q.key) }, // StaleIfError must not use a session that Stytch rejected
	}
	if q.replaces != nil {
		l.kind = "refresh" // only such a response contains a new JWT
		if q.jwt != "" {
			l.flight = q.answerKey
		}
	}
	return l
}

// cachedAnswer returns the cached response to a query. The error is errStale if
// there is none, errRevoked, or errOtherSession if the token belongs to another
// session than the JWT.
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

// store makes an entry from a response and caches it.
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
			e.refreshed = "" // a request with the new JWT would need a call again, but the response for the old JWT is cached
		}
		s.storeAnswer(q.answerKey, e, asked)
	}
	return e
}

// entryOf makes an entry from a response. It copies the session and the user,
// because a pointer into the response would keep its credentials in memory.
func (s *sessions) entryOf(answer *stytch.AuthenticateSessionResponse, asked time.Time) *entry {
	session, ttl := answer.Session, s.config.CacheTTL
	e := &entry{
		session: &session, vouchedAt: asked, refreshed: answer.SessionJWT,
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

// storeAnswer caches a recent response about a session for refreshes and
// guards.
func (s *sessions) storeAnswer(key digest, e *entry, asked moment) {
	ttl := refreshTTL
	if s.config.MaxTokenAge > 0 {
		ttl = min(ttl, s.config.MaxTokenAge)
	}
	e.end = e.end.Earlier(deadline.In(asked.Time, ttl))
	e.expiresAt = e.end.Time()
	s.caches.store(asked.generation, e, func() { s.caches.answers.Add(key, e, asked.Time) })
}

// user returns a user from the cache or by calling Stytch. During an outage it
// returns an expired entry, as far as StaleIfError allows.
func (s *sessions) user(ctx context.Context, id string) (*userEntry, error) {
	key := userKey(id)
	cached := func(now time.Time) (*userEntry, error) {
		u, ok := s.caches.users.Get(key, now)
		if !ok || u.end.Passed(now) {
			return u, errStale
		}
		return u, nil
	}
	old, err := cached(time.Now())
	if err == nil {
		return old, nil
	}
	u, _, err := introspect(ctx, s, &lookup[*userEntry]{
		call: upstream.LoadUser.About(key, upstream.NoBound), kind: "user", flight: key, key: key, cached: cached,
		fetch: func(ctx context.Context, asked moment) (*userEntry, error) {
			user, err := s.client.User(ctx, id)
			if err != nil {
				return nil, err
			}
			if user.ID != id { // Stytch also accepts external ids
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

// recheck calls Stytch about the session of an entry before a guard refuses it,
// but at most once in recheckTTL.
func (s *sessions) recheck(ctx context.Context, e *entry, c introspectionCredential) (*entry, error) {
	q := &query{token: c.token, jwt: c.jwt, key: c.key, verified: true}
	q.answerKey = q.key
	if !e.thirdParty {
		q.answerKey = sessionKey(e.session.ID)
	}
	answer, _, err := introspect(ctx, s, &lookup[*entry]{
		// The result for one credential of a session does not apply to another.
		call: upstream.Introspect.About(sessionKey(e.session.ID), upstream.BoundCalls), kind: "recheck" + e.session.ID, flight: q.key, key: q.key,
		cached: func(now time.Time) (*entry, error) {
			recent, _ := s.caches.answers.Get(q.answerKey, now)
			err := s.usable(recent, q.key, now)
			if err == errRevoked || recent != nil && (err == nil || err == errStale) && now.Sub(recent.vouchedAt) < recheckTTL {
				return recent, ignoreStale(err)
			}
			return nil, errStale
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

// live calls Stytch about the session of an entry for this request alone. It
// does not share a call, because a call in progress may have begun before the
// request arrived. It caches nothing.
func (s *sessions) live(ctx context.Context, e *entry, c introspectionCredential, check *stytch.AuthorizationCheck) (*entry, *stytch.Verdict, error) {
	q := &query{token: c.token, jwt: c.jwt, key: c.key, verified: true}
	params := q.params(0)
	params.AuthorizationCheck = check
	asked := time.Now()
	call := upstream.IntrospectLive.About(sessionKey(e.session.ID), upstream.BoundRejections).By(userKey(e.session.UserID))
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

// liveEntry makes an entry from a response about the session of e. It returns
// an error if the response is about another session, or if the session was
// revoked by this process.
func (s *sessions) liveEntry(e *entry, answer *stytch.AuthenticateSessionResponse, key digest, asked time.Time) (*entry, error) {
	live := s.entryOf(answer, asked)
	if !live.isAbout(e.session) {
		return nil, cloneError(errOtherSession)
	}
	live.thirdParty = e.thirdParty
	return live, cloneError(s.usableNow(live, key))
}

// goneError denies the session of an entry if err means that the session no
// longer exists. It does not do so if the call sent a token that only came with
// the JWT, or a JWT that may be another kind of token.
func (s *sessions) goneError(e *entry, c introspectionCredential, err error) error {
	if upstream.IsSessionNotFound(err) && !c.secondary && !e.thirdParty {
		s.denied.Confirm(e.session.ID, time.Now())
	}
	return cloneError(err)
}
