package sessionauth

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/internal/upstream"
)

// A token and a JWT in two cookies need not belong together: a sibling domain
// can plant one of them, a browser can refuse to store a large JWT, and a slow
// response can set the cookie of a user who has signed out since. They are bound
// if Stytch has said that the token belongs to the session of the JWT.

// authenticatePair authenticates a token and a JWT from cookies. If they are not
// bound, it asks Stytch about the token, and reduces cred to the one that
// decides.
func (s *sessions) authenticatePair(ctx context.Context, cred *Credential) (*entry, bool, error) {
	e, key, cached, err := s.authenticateLocally(ctx, cred.JWT)
	switch {
	case e == nil: // the JWT cannot be trusted
		if !isSessionToken(cred.Token) {
			return nil, false, err
		}
		cred.reduceTo(cred.Token, "")
		return s.authenticateToken(ctx, cred.Token)
	case !isSessionToken(cred.Token):
		cred.reduceTo("", cred.JWT)
	case !s.isBound(cred.Token, e):
		return s.authenticateUnbound(ctx, cred, e, key, err)
	}
	return s.continueWithJWT(ctx, cred, e, key, cached, err)
}

// continueWithJWT authenticates a JWT that authenticateLocally has checked,
// together with the token of cred, which is bound or empty.
func (s *sessions) continueWithJWT(ctx context.Context, cred *Credential, e *entry, key digest, cached bool, err error) (*entry, bool, error) {
	switch {
	case cached:
		return e, true, nil
	case err == nil:
		return s.admit(ctx, key, e)
	}
	return s.refresh(ctx, e.token, key, cred.Token, cred.JWT)
}

// isBound reports whether Stytch has said that a token belongs to the session of
// e. The entry of a token shows it even past its end: a token always belongs to
// the same session.
func (s *sessions) isBound(token string, e *entry) bool {
	answer, ok := s.caches.tokens.Get(digestOf(token), time.Now())
	return ok && answer.isAbout(e.session)
}

// authenticateUnbound decides between a JWT with a good signature and a token
// that may belong to another session. localErr is nil if the JWT is good.
func (s *sessions) authenticateUnbound(ctx context.Context, cred *Credential, e *entry, key digest, localErr error) (*entry, bool, error) {
	q := s.tokenQuery(cred.Token, digestOf(cred.Token))
	q.verified = true // on behalf of the session of the JWT, whose client chose the token
	q.subject, q.bound = sessionKey(cmp.Or(e.session.ID, e.session.UserID)), upstream.BoundCalls
	asked := moment{time.Now(), s.caches.generation()}
	byToken, cached, err := s.introspectSession(ctx, q)
	switch {
	case err == nil && !byToken.isAbout(e.session):
		return s.decideBetween(ctx, cred, e, key, localErr, byToken, cached)
	case err == nil && localErr == nil:
		return s.admit(ctx, key, e)
	case err == nil: // the answer replaces the JWT, also for requests that follow
		answer := *byToken
		answer.thirdParty = e.thirdParty
		s.storeAnswer(q.refreshing(e.token, key).answerKey, &answer, asked)
		return &answer, cached, nil
	case errors.Is(err, ErrInvalidSession): // the token is not of a live session
		cred.reduceTo("", cred.JWT)
		return s.continueWithJWT(ctx, cred, e, key, false, localErr)
	case isOutage(err) && localErr == nil: // the JWT needs no answer
		cred.reduceTo("", cred.JWT)
		return s.admit(ctx, key, e)
	}
	return nil, false, err
}

// decideBetween decides between the session of a JWT and that of a token, which
// is alive: one user's newer session wins, and two users are ambiguous. A JWT
// that is not good by itself any more must be confirmed by Stytch.
func (s *sessions) decideBetween(ctx context.Context, cred *Credential, e *entry, key digest, localErr error, byToken *entry, tokenCached bool) (*entry, bool, error) {
	byJWT, cached, err := s.continueWithJWT(ctx, &Credential{JWT: cred.JWT}, e, key, false, localErr)
	switch {
	case err != nil && !errors.Is(err, ErrInvalidSession):
		return nil, false, err
	case err == nil && byJWT.session.UserID != byToken.session.UserID:
		return nil, false, errAmbiguous
	case err != nil, byToken.session.StartedAt.After(byJWT.session.StartedAt):
		cred.reduceTo(cred.Token, "")
		return byToken, tokenCached, nil
	}
	cred.reduceTo("", cred.JWT)
	return byJWT, cached, nil
}

// authenticateCandidates decides between the values of a repeated cookie, and
// reduces cred to the one that is accepted. One live session wins; of two
// sessions of one user, the newer. A cookie that an attacker planted must not
// win because the user's own could not be checked.
func (s *sessions) authenticateCandidates(ctx context.Context, cred *Credential) (best *entry, cached bool, err error) {
	var undecided, refused error
	var winner *Credential
	candidates := cred.cookies.candidates
	for i := range candidates {
		e, hit, err := s.authenticate(ctx, &candidates[i])
		switch {
		case errors.Is(err, ErrInvalidSession):
			refused = err
		case err != nil:
			undecided = err
		case best != nil && best.session.UserID != e.session.UserID:
			return nil, false, errAmbiguous
		case best == nil || e.session.StartedAt.After(best.session.StartedAt):
			best, cached, winner = e, hit, &candidates[i]
		}
	}
	switch {
	case undecided != nil:
		return nil, false, undecided
	case best == nil:
		return nil, false, refused
	}
	cred.reduceTo(winner.Token, winner.JWT)
	return best, cached, nil
}
