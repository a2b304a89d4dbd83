package sessionauth

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/upstream"
)

// A token and a JWT in two cookies may belong to different sessions. A sibling
// domain can plant one of them. A browser can refuse to store a large JWT. A
// slow response can set the cookie of a user who has since signed out. A token
// and a JWT are bound if a response of Stytch has shown that the token belongs
// to the session of the JWT.

// authenticatePair authenticates a token and a JWT from cookies. If they are
// not bound, it calls Stytch with the token. If only one of the two is
// accepted, it reduces cred to that one.
func (s *sessions) authenticatePair(ctx context.Context, cred *Credential) (*entry, bool, error) {
	e, key, cached, err := s.authenticateLocally(ctx, cred.JWT)
	switch {
	case !isSessionToken(cred.Token):
		cred.reduceTo("", cred.JWT)
		if e == nil {
			return nil, false, err
		}
	case e == nil:
		return s.authenticateTokenOf(ctx, cred, err)
	case e.thirdParty: // only Stytch can check the JWT, so the token decides if its session is alive
		byToken, hit, tokenErr := s.authenticateToken(ctx, cred.Token)
		if !errors.Is(tokenErr, ErrInvalidSession) {
			cred.reduceTo(cred.Token, "")
			return byToken, hit, tokenErr
		}
		cred.reduceTo("", cred.JWT)
	case !s.isBound(cred.Token, e):
		return s.authenticateUnbound(ctx, cred, e, key, err)
	}
	return s.continueWithJWT(ctx, cred, e, key, cached, err)
}

// continueWithJWT completes the authentication of a JWT from the results of
// authenticateLocally. The token of cred is either bound to the JWT or empty.
func (s *sessions) continueWithJWT(ctx context.Context, cred *Credential, e *entry, key digest, cached bool, err error) (*entry, bool, error) {
	switch {
	case cached:
		return e, true, nil
	case err == nil:
		return s.admit(ctx, key, e)
	}
	return s.refresh(ctx, e.token, key, cred.Token, cred.JWT)
}

// authenticateTokenOf authenticates the token of a request whose JWT is refused
// or, if err is not ErrInvalidSession, cannot be checked. In the second case, the
// token must belong to the user that the JWT names, because the token may have
// been planted.
func (s *sessions) authenticateTokenOf(ctx context.Context, cred *Credential, err error) (*entry, bool, error) {
	e, cached, tokenErr := s.authenticateToken(ctx, cred.Token)
	if !errors.Is(err, ErrInvalidSession) {
		isOfAnother := tokenErr == nil && sessionjwt.UnverifiedSubject(cred.JWT) != e.session.UserID
		if isOfAnother || errors.Is(tokenErr, ErrInvalidSession) {
			return nil, false, err
		}
	}
	cred.reduceTo(cred.Token, "")
	return e, cached, tokenErr
}

// isBound reports whether a response of Stytch has shown that the token belongs
// to the session of e. An expired entry of the token is sufficient, because a
// token always belongs to the same session.
func (s *sessions) isBound(token string, e *entry) bool {
	answer, ok := s.caches.tokens.Get(digestOf(token), time.Now())
	return ok && answer.isAbout(e.session)
}

// authenticateUnbound authenticates a JWT with a valid signature and a token
// that may belong to another session. localErr is the error of
// authenticateLocally for the JWT, or nil.
func (s *sessions) authenticateUnbound(ctx context.Context, cred *Credential, e *entry, key digest, localErr error) (*entry, bool, error) {
	q := s.tokenQuery(cred.Token, digestOf(cred.Token))
	if !q.verified {
		q.subject, q.bound = sessionKey(cmp.Or(e.session.ID, e.session.UserID)), upstream.BoundCalls
	}
	q.verified = true // the call counts as one of the JWT's session, because the client of that session sent the token
	asked := moment{time.Now(), s.caches.generation()}
	byToken, cached, err := s.introspectSession(ctx, q)
	switch {
	case err == nil && !byToken.isAbout(e.session):
		return s.decideBetween(ctx, cred, e, key, localErr, byToken, cached)
	case err == nil && localErr == nil:
		return s.admit(ctx, key, e)
	case err == nil: // the response replaces the JWT, also for later requests
		answer := *byToken
		s.storeAnswer(q.refreshing(e.token, key).answerKey, &answer, asked)
		return &answer, cached, nil
	case errors.Is(err, ErrInvalidSession): // the token has no live session
		cred.reduceTo("", cred.JWT)
		return s.continueWithJWT(ctx, cred, e, key, false, localErr)
	case isOutage(err) && localErr == nil: // the JWT is sufficient without a response
		cred.reduceTo("", cred.JWT)
		return s.admit(ctx, key, e)
	}
	return nil, false, err
}

// decideBetween chooses between the session of a JWT and the live session of a
// token. If both belong to one user, it chooses the newer session. If they
// belong to two users, the request is ambiguous. If localErr is not nil, Stytch
// must first confirm the JWT.
func (s *sessions) decideBetween(ctx context.Context, cred *Credential, e *entry, key digest, localErr error, byToken *entry, tokenCached bool) (*entry, bool, error) {
	byJWT, cached, err := s.continueWithJWT(ctx, &Credential{JWT: cred.JWT}, e, key, false, localErr)
	switch {
	case err != nil && !errors.Is(err, ErrInvalidSession):
		return nil, false, err
	case err == nil && byJWT.session.UserID != byToken.session.UserID:
		return nil, false, errAmbiguous
	case err != nil, byToken.session.StartedAt.After(byJWT.session.StartedAt):
		cred.reduceTo(cred.Token, "")
		return byToken, tokenCached, s.usableNow(byToken, cred.key()) // it may have been revoked during the call about the JWT
	}
	cred.reduceTo("", cred.JWT)
	return byJWT, cached, nil
}

// authenticateCandidates authenticates each value of a repeated cookie and
// reduces cred to the accepted one. If several values have live sessions of one
// user, it accepts the newest session. If the values belong to two users, the
// request is ambiguous. If one value cannot be checked, the request fails,
// because otherwise a planted cookie could take precedence over the user's own.
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
	return best, cached, s.usableNow(best, cred.key()) // it may have been revoked during a call about another value
}
