package sessionauth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// Local decisions, built once.
var (
	errMalformedSession = &Error{Kind: ErrInvalidSession, Reason: ReasonMalformed}
	errEnded            = &Error{Kind: ErrInvalidSession, Reason: ReasonEnded}
	errRevoked          = &Error{Kind: ErrInvalidSession, Reason: ReasonRevoked}
	errRejected         = &Error{Kind: ErrInvalidSession, Reason: ReasonRejected}
	errOtherSession     = &Error{Kind: ErrInvalidSession, Reason: ReasonOtherSession}
	errTwoUsers         = &Error{Kind: ErrInvalidRequest, Reason: ReasonAmbiguous}
	errRevokedListFull  = &Error{Kind: ErrUnavailable, Reason: ReasonRevocations}
)

// decide is the one way from a credential to an identity. It reports whether a cache
// had it.
func (a *Authenticator) decide(ctx context.Context, cred *Credential) (_ *entry, cached bool, _ error) {
	if candidates := cred.candidates(); len(candidates) > 0 {
		return a.decideAmong(ctx, candidates)
	}
	return a.decideOne(ctx, cred.Token, cred.JWT)
}

// decideOne decides about a token, a JWT, or both. The JWT decides while it can;
// a token that came along decides where the JWT cannot be trusted at all.
func (a *Authenticator) decideOne(ctx context.Context, token, jwt string) (_ *entry, cached bool, _ error) {
	if jwt == "" {
		if token == "" {
			return nil, false, ErrNoCredential
		}
		return a.decideToken(ctx, token)
	}
	if !isSessionJWT(jwt) { // before any work that grows with its length
		return a.otherwise(ctx, token, errMalformedSession)
	}
	dot := max(0, strings.LastIndexByte(jwt, '.')) // without a dot no token matches, and Verify refuses it below
	key, now := digestOf(jwt[dot:]), a.clock.Now()
	known, ok := a.caches.jwt(key, jwt[:dot], now)
	// The mark of a credential before its session's, here and below: a sign-out that
	// Stytch confirms late sets the second before it takes the first away.
	if ok && !a.revoked.hasCredential(jwt, now) && a.holds(known, now) {
		return known, true, nil
	}
	t, err := a.verifyJWT(ctx, known, jwt)
	if now := time.Now(); err == nil && (a.revoked.hasCredential(jwt, now) || a.revoked.has(t.Session.ID, now)) {
		err = errRevoked // while it waited for the key set
	}
	if err != nil {
		return a.otherwise(ctx, token, err)
	}
	if a.isStale(t, time.Now()) {
		if !isSessionToken(token) {
			token = "" // as if it had not come along
		}
		return a.refresh(ctx, t, token, jwt)
	}
	return a.admit(ctx, key, t)
}

// otherwise lets a token that came along decide where the JWT did not.
func (a *Authenticator) otherwise(ctx context.Context, token string, err error) (_ *entry, cached bool, _ error) {
	if isSessionToken(token) {
		return a.decideToken(ctx, token)
	}
	return nil, false, err
}

// holds reports whether what a cache gave may still be used: a hit is checked
// like a first sight, all but the signature.
func (a *Authenticator) holds(e *entry, now time.Time) bool {
	return !e.end.Passed(now) && !a.isRevoked(e, now) && (e.token == nil || a.verifier.Trusts(e.token, now))
}

// isRevoked reports whether an entry's session was revoked here, or may have
// been.
func (a *Authenticator) isRevoked(e *entry, now time.Time) bool {
	return a.revoked.has(e.session.ID, now) || a.revoked.predates(e.vouchedAt, a.skew(e.token))
}

// skew is by how much a time may be of a clock ahead of ours: that of a JWT is
// Stytch's.
func (a *Authenticator) skew(t *sessionjwt.Token) time.Duration {
	if t == nil {
		return 0
	}
	return a.config.Leeway
}

// verifyJWT does all that costs no call about the session: an error says that
// the JWT decides nothing, or no. Known is the entry of the same JWT, nil if there
// is none.
func (a *Authenticator) verifyJWT(ctx context.Context, known *entry, jwt string) (*sessionjwt.Token, error) {
	var t *sessionjwt.Token
	if known != nil && a.verifier.Trusts(known.token, time.Now()) {
		t = known.token // what ended is the answer about its user, or its own time: its signature stays good
	} else {
		var err error
		if t, err = a.verifier.Verify(ctx, jwt); err != nil {
			return nil, a.localError(err)
		}
	}
	now := time.Now()
	if end := t.Session.ExpiresAt; !end.IsZero() && !now.Before(end) {
		return nil, errEnded
	}
	if a.revoked.has(t.Session.ID, now) {
		return nil, errRevoked
	}
	return t, nil
}

// localError gives an error of sessionjwt its place among ours.
func (a *Authenticator) localError(err error) error {
	var refused *sessionjwt.RefusedError
	if errors.As(err, &refused) {
		return &Error{Kind: ErrInvalidSession, Reason: Reason(refused.Reason)}
	}
	var missing *sessionjwt.UnavailableError
	if !errors.As(err, &missing) {
		return err
	}
	return a.missing(ReasonNoKeySet, missing.RetryAfter, missing.Cause)
}

// isStale reports whether only Stytch can vouch for a good JWT now.
func (a *Authenticator) isStale(t *sessionjwt.Token, now time.Time) bool {
	// By scope or client_id a Connected App's token shows; or an app has a
	// custom claim of that name.
	return t.ThirdParty || a.revoked.predates(t.IssuedAt, a.skew(t)) || a.jwtEnd(t, now).Passed(now)
}

// jwtEnd is when a JWT can no longer be accepted by itself.
func (a *Authenticator) jwtEnd(t *sessionjwt.Token, now time.Time) deadline.Deadline {
	end := deadline.At(now, t.ExpiresAt.Add(a.config.Leeway))
	if a.config.MaxTokenAge > 0 {
		end = end.Earlier(deadline.At(now, t.IssuedAt.Add(a.config.MaxTokenAge)))
	}
	return a.sessionEnd(t.Session, end, now)
}

// sessionEnd bounds an end by the session's own.
func (a *Authenticator) sessionEnd(s *stytch.Session, end deadline.Deadline, now time.Time) deadline.Deadline {
	if s.ExpiresAt.IsZero() {
		return end
	}
	return end.Earlier(deadline.At(now, s.ExpiresAt))
}

// admit accepts a JWT that speaks for itself, and remembers it.
func (a *Authenticator) admit(ctx context.Context, key digest, t *sessionjwt.Token) (_ *entry, cached bool, _ error) {
	e := &entry{session: t.Session, token: t, vouchedAt: t.IssuedAt, expiresAt: t.ExpiresAt}
	generation := a.caches.generation()
	now := time.Now()
	e.end = a.jwtEnd(t, now)
	if !a.config.SessionOnly {
		u, err := a.user(ctx, t.Session.UserID)
		if err != nil {
			return nil, false, err
		}
		e.user, e.end = u.user, e.end.Earlier(u.end)
		// Loading took its time: the session may have been revoked meanwhile.
		if err := a.checkAnswer(e); err != nil {
			return nil, false, err
		}
	}
	a.caches.keep(generation, func() { a.caches.addJWT(key, e, now) })
	return e, false, nil
}

// refresh asks Stytch about a JWT that has a good signature but cannot speak for
// itself any more. With a token along that is what Stytch is asked about.
func (a *Authenticator) refresh(ctx context.Context, t *sessionjwt.Token, token, jwt string) (_ *entry, cached bool, _ error) {
	plain := a.byJWT(jwt)
	byJWT := plain.replacing(t, plain.key)
	if e, ok := a.recall(byJWT); ok {
		return e, true, nil
	}
	q := byJWT
	if token != "" {
		q = a.byToken(token).replacing(t, plain.key)
		now := time.Now()
		if e, ok := a.caches.tokens.get(q.key, now); ok && a.holds(e, now) && !isSameSession(e, t) {
			return nil, false, errOtherSession // as Stytch said a moment ago
		}
	}
	e, err := a.ask(ctx, q)
	if !q.known && (isLaneShut(err) || isRejected(err)) {
		// Strangers fill their lane, or planted the token; this JWT's signature
		// is no stranger's.
		q = byJWT
		e, err = a.ask(ctx, q)
	}
	if err != nil && q.token != "" {
		if kept, staleErr := a.stale(q.key, err); staleErr == nil && isSameSession(kept, t) {
			return kept, true, nil
		}
	}
	if err != nil {
		if q.jwt != "" && !t.ThirdParty && isNotFound(err) {
			// The signature was good, so the id is the session's own, and no
			// other JWT of it needs to be asked about.
			a.revoked.confirm(t.Session.ID, time.Now())
		}
		return nil, false, err
	}
	if !isSameSession(e, t) {
		return nil, false, a.otherSession(q)
	}
	return e, false, nil
}

func isSameSession(e *entry, t *sessionjwt.Token) bool {
	return e.session.ID == t.Session.ID && e.session.UserID == t.Session.UserID
}

// otherSession judges an answer about another session than the JWT's: token and
// JWT do not belong together, or Stytch's answer makes no sense.
func (a *Authenticator) otherSession(q question) error {
	if q.token != "" {
		return errOtherSession
	}
	invalid := &stytch.InvalidAnswerError{Problem: "another session than the JWT's"}
	a.upstream.alarm("Stytch's answer makes no sense", invalid)
	return a.upstream.unavailable(invalid)
}

// decideToken decides about an opaque token: cache, then Stytch.
func (a *Authenticator) decideToken(ctx context.Context, token string) (_ *entry, cached bool, _ error) {
	if len(token) > maxToken {
		return nil, false, errMalformedSession
	}
	key, now := digestOf(token), a.clock.Now()
	e, ok := a.caches.tokens.get(key, now)
	if ok && !a.revoked.hasDigest(key, now) && a.holds(e, now) {
		return e, true, nil
	}
	if ok && a.revoked.has(e.session.ID, now) { // a token is of one session for ever
		a.retryRevocations() // this may be all the traffic there is
		return nil, false, errRevoked
	}
	if !isSessionToken(token) { // nothing else is in the cache
		return nil, false, errMalformedSession
	}
	e, err := a.ask(ctx, a.byToken(token))
	if err == nil {
		return e, false, nil
	}
	if e, err = a.stale(key, err); err != nil {
		return nil, false, err
	}
	return e, true, nil
}

// decideAmong decides where a cookie was repeated with other values. One live
// session wins; of two of one user the one started last. A cookie planted by
// another site must not win because the user's own could not be checked.
func (a *Authenticator) decideAmong(ctx context.Context, candidates []Credential) (_ *entry, cached bool, _ error) {
	var best *entry
	var undecided, refused error
	for _, c := range candidates {
		e, hit, err := a.decideOne(ctx, c.Token, c.JWT)
		switch {
		case errors.Is(err, ErrInvalidSession):
			refused = err
		case err != nil:
			undecided = err
		case best != nil && best.session.UserID != e.session.UserID:
			return nil, false, errTwoUsers
		case best == nil || e.session.StartedAt.After(best.session.StartedAt):
			best, cached = e, hit
		}
	}
	if undecided != nil {
		return nil, false, undecided
	}
	if best == nil {
		return nil, false, refused
	}
	return best, cached, nil
}
