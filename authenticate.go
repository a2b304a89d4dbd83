package sessionauth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/denylist"
	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
)

// sessions authenticates credentials. It alone owns the caches, the denylist
// and the upstream.
type sessions struct {
	config   *Config
	client   *stytch.Client
	upstream *upstream.Upstream
	caches   *caches
	denied   *denylist.List
	verifier *sessionjwt.Verifier
	policies remote.Value[*stytch.Policy]

	retries  deadline.Throttle // limits how often retries of revocations start
	retrying atomic.Bool       // a retry of revocations is running

	projectMu      sync.Mutex
	projectChecked time.Time // see checkProject
	projectError   error

	// retryRevocations is called after each successful call to Stytch.
	retryRevocations func()
}

// newSessions returns sessions whose retryRevocations the caller must set.
func newSessions(c *Config, client *stytch.Client) *sessions {
	s := &sessions{
		config: c, client: client,
		caches: newCaches(c.CacheSize, c.CacheBytes),
		// A denylist entry must outlast every JWT and cached response for which
		// it was made. A JWT is valid for at most an hour, and a cached
		// response for CacheTTL plus StaleIfError. Twice the Leeway is added
		// because the issuing clock may be ahead by Leeway, and because a JWT
		// is accepted until Leeway after its exp.
		denied: denylist.New(max(time.Hour, c.CacheTTL+c.StaleIfError) + 2*c.Leeway),
	}
	s.upstream = upstream.New(upstream.Config{
		Timeout: c.Timeout, MaxInFlight: c.MaxInFlight, Logger: c.logger,
		OnSuccess: func() { s.retryRevocations() },
	})
	s.verifier = &sessionjwt.Verifier{
		Issuers: c.Issuers, Audience: c.ProjectID, Leeway: c.Leeway,
		Keys: sessionjwt.NewKeySet(func(ctx context.Context) ([]byte, error) {
			return upstream.Do(ctx, s.upstream, upstream.LoadKeySet, client.KeySet)
		}),
	}
	s.policies.RefreshAfter = min(5*time.Minute, c.PolicyMaxAge) // the interval of the official Stytch SDKs
	s.policies.MaxAge = c.PolicyMaxAge
	s.policies.Fetch = func(ctx context.Context, _ *remote.Snapshot[*stytch.Policy]) (*stytch.Policy, error) {
		return upstream.Do(ctx, s.upstream, upstream.LoadPolicy, client.Policy)
	}
	return s
}

// An authResult is the outcome of authenticating a request.
type authResult struct {
	credential Credential
	entry      *entry // shared with other requests, never changed; nil if err is set
	cached     bool   // the entry was found in a cache
	err        error
}

// isAnonymous reports whether Optional lets the request through without a
// session, because it carries no credential or a cookie that is invalid.
func (r *authResult) isAnonymous() bool {
	return errors.Is(r.err, ErrNoCredential) || errors.Is(r.err, ErrInvalidSession) && !r.credential.Header
}

// usable returns nil if an entry may be used for the credential with the digest
// key. Every entry is checked by usable before each use, whether it comes from
// a cache, a JWT or a response of Stytch. The errors are
//
//	errRevoked  this process revoked the session or the credential
//	errEnded    the session has expired
//	errPurged   this process may have revoked the session: call Stytch
//	errStale    the entry is nil or too old, or its key was withdrawn: call Stytch
func (s *sessions) usable(e *entry, key digest, now time.Time) error {
	if e == nil {
		if s.denied.Check("", "", key, now, now) == denylist.Denied {
			return errRevoked
		}
		return errStale
	}
	asOf := e.vouchedAt
	if e.token != nil { // the clock of Stytch may be ahead
		asOf = asOf.Add(-s.config.Leeway)
	}
	switch s.denied.Check(e.session.ID, e.session.UserID, key, asOf, now) {
	case denylist.Denied:
		return errRevoked
	case denylist.Purged:
		return errPurged
	}
	switch end := e.session.ExpiresAt; {
	case !e.end.Passed(now) && (e.token == nil || s.verifier.Trusts(e.token, now)):
		return nil
	case !end.IsZero() && !now.Before(end):
		return errEnded
	}
	return errStale
}

// usableNow is like usable, for an entry that was verified just now. Its age in
// a cache does not matter, so errStale is not an error.
func (s *sessions) usableNow(e *entry, key digest) error {
	return ignoreStale(s.usable(e, key, time.Now()))
}

// ignoreStale returns err unless it is errStale.
func ignoreStale(err error) error {
	if err == errStale {
		return nil
	}
	return err
}

// authenticate returns the entry for a credential. All authentication goes
// through it. cached reports whether the entry was found in a cache. If only a
// part of the credential is accepted, such as one value of a repeated cookie or
// one of two cookies, authenticate reduces cred to that part.
func (s *sessions) authenticate(ctx context.Context, cred *Credential) (e *entry, cached bool, err error) {
	switch {
	case cred.cookies != nil && len(cred.cookies.candidates) > 0:
		return s.authenticateCandidates(ctx, cred)
	case cred.JWT != "" && cred.Token != "" && cred.cookies != nil && !cred.cookies.hostOnly:
		return s.authenticatePair(ctx, cred)
	case cred.JWT != "":
		return s.authenticateJWT(ctx, cred.Token, cred.JWT)
	case cred.Token != "":
		return s.authenticateToken(ctx, cred.Token)
	}
	return nil, false, ErrNoCredential
}

// authenticateJWT authenticates a JWT and the token that came with it, if any.
// If the JWT cannot be trusted, it authenticates the token instead.
func (s *sessions) authenticateJWT(ctx context.Context, token, jwt string) (*entry, bool, error) {
	e, key, cached, err := s.authenticateLocally(ctx, jwt)
	switch {
	case cached:
		return e, true, nil
	case err == nil:
		return s.admit(ctx, key, e)
	case e != nil:
		return s.refresh(ctx, e.token, key, token, jwt)
	}
	return s.fallBackToToken(ctx, token, err)
}

// authenticateLocally authenticates a JWT without calling Stytch. There are
// four results:
//
//	cached         the entry was found in a cache
//	err == nil     the JWT is valid, but its user is not loaded yet
//	e and err      the signature is valid, but Stytch must be called
//	err only       the JWT is not valid
func (s *sessions) authenticateLocally(ctx context.Context, jwt string) (e *entry, key digest, cached bool, err error) {
	if !isSessionJWT(jwt) { // refuse a long string before doing work that grows with its length
		return nil, key, false, errMalformedSession
	}
	signingInput, signature := cutSignature(jwt)
	now := time.Now()
	key = digestOf(signature)
	known := s.caches.jwt(key, signingInput, now)
	if err = s.usable(known, key, now); err == nil {
		return known, key, true, nil
	}
	if err == errRevoked {
		return nil, key, false, err
	}
	if e, err = s.verify(ctx, known, jwt); err != nil {
		return nil, key, false, err
	}
	err = s.usable(e, key, time.Now())
	switch {
	case err == nil && e.token.ThirdParty:
		return e, key, false, errStale
	case err == nil, err == errStale, err == errPurged:
		return e, key, false, err
	}
	return nil, key, false, err
}

// verify verifies a JWT locally. known is the cached entry of the same JWT, or
// nil. If only its age made it unusable, the signature need not be verified
// again.
func (s *sessions) verify(ctx context.Context, known *entry, jwt string) (*entry, error) {
	now := time.Now()
	var t *sessionjwt.Token
	if known != nil && s.verifier.Trusts(known.token, now) {
		t = known.token
	} else {
		var err error
		if t, err = s.verifier.Verify(ctx, jwt); err != nil {
			return nil, translate(err, nil)
		}
		now = time.Now() // Verify may have waited for the key set
	}
	end := deadline.At(now, t.ExpiresAt.Add(s.config.Leeway))
	if s.config.MaxTokenAge > 0 {
		end = end.Earlier(deadline.At(now, t.IssuedAt.Add(s.config.MaxTokenAge)))
	}
	return &entry{
		session: t.Session, token: t, thirdParty: t.ThirdParty,
		vouchedAt: t.IssuedAt,
		expiresAt: t.ExpiresAt, end: end.EarlierAt(now, t.Session.ExpiresAt),
	}, nil
}

// admit accepts a JWT that was verified locally. It loads the user and caches
// the entry.
func (s *sessions) admit(ctx context.Context, key digest, e *entry) (_ *entry, cached bool, _ error) {
	generation := s.caches.generation()
	if !s.config.SessionOnly {
		u, err := s.user(ctx, e.session.UserID)
		if err != nil {
			return nil, false, err
		}
		admitted := *e // a copy, because e may already be in the cache
		admitted.user, admitted.end = u.user, e.end.Earlier(u.end)
		e = &admitted
	}
	if err := s.usableNow(e, key); err != nil { // the session may have been revoked during a call
		return nil, false, err
	}
	s.caches.store(generation, e, func() { s.caches.addJWT(key, e, time.Now()) })
	return e, false, nil
}

// refresh calls Stytch for a JWT that has a valid signature but cannot be
// accepted by itself any more. If a token came with the JWT, refresh sends the
// token, because Stytch accepts it without a valid JWT.
func (s *sessions) refresh(ctx context.Context, t *sessionjwt.Token, key digest, token, jwt string) (e *entry, cached bool, err error) {
	if t.ThirdParty && isSessionToken(token) { // the response about the token would say nothing about the JWT
		if e, cached, err = s.authenticateToken(ctx, token); !errors.Is(err, ErrInvalidSession) {
			return e, cached, err
		}
		token = ""
	}
	byJWT := jwtQuery(jwt, key).refreshing(t, key)
	q := byJWT
	if token != "" && isSessionToken(token) {
		q = s.tokenQuery(token, digestOf(token)).refreshing(t, key)
	}
	e, cached, err = s.introspectSession(ctx, q)
	if !q.verified && (isRefusedByClass(err) || isRejected(err)) {
		// An attacker may have planted the token. The JWT has a valid signature,
		// so send the JWT instead.
		q = byJWT
		e, cached, err = s.introspectSession(ctx, q)
	}
	if err != nil && q.token != "" {
		if old := s.stale(q.key, err); old != nil && old.isAbout(t.Session) {
			return old, true, nil
		}
	}
	if err != nil {
		if q.jwt != "" && !t.ThirdParty && upstream.IsSessionNotFound(err) {
			// The signature was valid, so the session id is genuine. Deny the
			// session, so that its other JWTs are refused without a call.
			s.denied.Confirm(t.Session.ID, time.Now())
		}
		return nil, false, err
	}
	if !e.isAbout(t.Session) {
		return nil, false, s.otherSession(q)
	}
	return e, cached, nil
}

// otherSession returns the error for a response about another session than that
// of the JWT. If a token was sent, the token belongs to another session.
// Otherwise the response is invalid.
func (s *sessions) otherSession(q *query) error {
	if q.token != "" {
		return errOtherSession
	}
	invalid := &stytch.InvalidAnswerError{Problem: "another session than the JWT's"}
	s.upstream.Alarm("Stytch's answer makes no sense", invalid)
	return translate(invalid, nil)
}

// fallBackToToken authenticates the token that came with a JWT, because the JWT
// cannot be trusted. If there is no token, it returns err, the error of the
// JWT.
func (s *sessions) fallBackToToken(ctx context.Context, token string, err error) (_ *entry, cached bool, _ error) {
	if !isSessionToken(token) {
		return nil, false, err
	}
	e, cached, tokenErr := s.authenticateToken(ctx, token)
	if errors.Is(tokenErr, ErrInvalidSession) && !errors.Is(err, ErrInvalidSession) {
		return nil, false, err // the JWT may be good
	}
	return e, cached, tokenErr
}

// authenticateToken authenticates a session token from the cache or by calling
// Stytch.
func (s *sessions) authenticateToken(ctx context.Context, token string) (e *entry, cached bool, err error) {
	if len(token) > maxToken {
		return nil, false, errMalformedSession
	}
	key, now := digestOf(token), time.Now()
	e, _ = s.caches.tokens.Get(key, now)
	switch err = s.usable(e, key, now); {
	case err == nil:
		return e, true, nil
	case err == errRevoked:
		if e != nil {
			s.retryRevocations() // there may be no other requests to start a retry
		}
		return nil, false, err
	case !isSessionToken(token): // checked last, because no other string is ever cached
		return nil, false, errMalformedSession
	}
	e, cached, err = s.introspectSession(ctx, s.tokenQuery(token, key))
	if err != nil {
		if e = s.stale(key, err); e != nil {
			return e, true, nil
		}
		return nil, false, err
	}
	return e, cached, nil
}

// stale returns the last cached response for a token if err means that Stytch
// cannot be reached and StaleIfError allows its use. Otherwise it returns nil.
func (s *sessions) stale(key digest, err error) *entry {
	if s.config.StaleIfError == 0 || !isOutage(err) {
		return nil
	}
	now := time.Now()
	e, ok := s.caches.tokens.Get(key, now)
	if !ok || e.staleEnd.Passed(now) {
		return nil
	}
	if err := s.usable(e, key, now); err != nil && err != errStale {
		return nil
	}
	return e
}

// sessionOf returns the session of a refused credential, for the log, or nil. It
// trusts what is cached and a good signature, and makes no call.
func (s *sessions) sessionOf(cred Credential) *stytch.Session {
	now := time.Now()
	if isSessionJWT(cred.JWT) {
		signingInput, signature := cutSignature(cred.JWT)
		if e := s.caches.jwt(digestOf(signature), signingInput, now); e != nil {
			return e.session
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel() // so that Verify makes no call
		if t, err := s.verifier.Verify(ended, cred.JWT); err == nil {
			return t.Session
		}
	}
	if cred.Token != "" {
		if e, ok := s.caches.tokens.Get(digestOf(cred.Token), now); ok {
			return e.session
		}
	}
	return nil
}
