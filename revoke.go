package sessionauth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sessionauth/sessionauth/internal/denylist"
	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
)

// Revoke ends a session at Stytch, and at once in this process, which accepts
// neither its token nor any JWT of it from now on.
//
// If Stytch cannot be reached, the error is ErrUnavailable. The session is
// refused here all the same, and later calls to Stytch retry the revocation
// until it is confirmed. Any other error says that the session id is not valid;
// nothing was revoked.
func (a *Authenticator) Revoke(ctx context.Context, sessionID string) error {
	if sessionID == "" {
		return errors.New("sessionauth: Revoke: the session id is empty")
	}
	return a.sessions.revoke(ctx, sessionID)
}

// SignOut revokes the session of a credential as Revoke does: also that of an
// expired JWT, if its signature is good. A credential that is refused has no
// session to revoke; that is not an error.
//
// ErrUnavailable says that Stytch could not be reached: the credential is
// refused here, and later calls to Stytch retry. With ReasonNotKept it is not
// refused: there was no room to remember a token that was never seen here, and
// the caller must try again.
func (a *Authenticator) SignOut(ctx context.Context, cred Credential) error {
	if cred.isEmpty() {
		return ErrNoCredential
	}
	err := a.sessions.signOut(ctx, &cred)
	if errors.Is(err, errNotKept) {
		return cloneError(errNotKept) // the caller must try again, whatever else was kept
	}
	return err
}

// Forget removes what is cached about these sessions or users, by their ids.
// The next request that carries a token asks Stytch again; a JWT is verified
// again and its user loaded.
func (a *Authenticator) Forget(ids ...string) {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	a.sessions.caches.forget(set)
}

// revoke denies a session and revokes it at Stytch. What is cached about it may
// stay: usable checks the denylist on every hit.
func (s *sessions) revoke(ctx context.Context, sessionID string) error {
	now := time.Now()
	if s.denied.IsConfirmed(sessionID, now) {
		return nil
	}
	s.denied.Deny(sessionID, now)
	return s.revokeAtStytch(ctx, sessionID)
}

func (s *sessions) revokeAtStytch(ctx context.Context, sessionID string) error {
	flight := "revoke:" + sessionID
	call := upstream.Revoke.About(digestOf(flight), upstream.NoBound)
	_, err := upstream.Share(ctx, s.upstream, call, flight, func(ctx context.Context) (struct{}, error) {
		err := s.client.RevokeSession(ctx, stytch.RevokeSessionParams{SessionID: sessionID})
		if err == nil || upstream.IsSessionNotFound(err) {
			// Before the call ends, which starts a retry of what is unconfirmed.
			s.denied.Confirm(sessionID, time.Now())
		}
		return struct{}{}, err
	})
	var se *stytch.Error
	switch {
	case err == nil, upstream.IsSessionNotFound(err):
		return nil
	case errors.As(err, &se) && se.Type == stytch.TypeInvalidSessionID:
		s.denied.Remove(sessionID)
		return se
	}
	return translate(err, nil)
}

func (s *sessions) signOut(ctx context.Context, cred *Credential) error {
	if cred.cookies != nil && cred.cookies.presented != nil {
		cred = cred.cookies.presented // also what was not accepted
	}
	var failed error
	if cred.cookies != nil {
		for _, c := range slices.Concat(cred.cookies.candidates, cred.cookies.signOut) {
			failed = errors.Join(failed, s.signOut(ctx, &c))
		}
	}
	if cred.JWT != "" {
		_, signature := cutSignature(cred.JWT)
		failed = errors.Join(failed, s.signOutOne(ctx, denylist.Credential{JWT: cred.JWT}, digestOf(signature)))
	}
	if cred.Token != "" {
		failed = errors.Join(failed, s.signOutOne(ctx, denylist.Credential{Token: cred.Token}, digestOf(cred.Token)))
	}
	return failed
}

// signOutOne signs out a token or a JWT. It needs the session id, because other
// JWTs of the session can only be refused by that.
func (s *sessions) signOutOne(ctx context.Context, cred denylist.Credential, key digest) error {
	id, err := s.sessionIDOf(ctx, cred, key)
	switch {
	case err == nil:
		return s.revoke(ctx, id)
	case errors.Is(err, ErrInvalidSession):
		return nil
	// A full class is not an outage: invented tokens fill it.
	case reasonOf(err) == ReasonOverloaded, !s.denied.DenyCredential(key, cred, time.Now()):
		return errNotKept
	}
	return err
}

// sessionIDOf returns the session of a credential: from the JWT itself if its
// signature is good, and else from Stytch.
func (s *sessions) sessionIDOf(ctx context.Context, cred denylist.Credential, key digest) (string, error) {
	q := jwtQuery(cred.JWT, key)
	if cred.JWT != "" {
		t, err := s.verifier.Verify(ctx, cred.JWT)
		if err != nil {
			return "", translate(err, nil)
		}
		if !t.ThirdParty {
			return t.Session.ID, nil
		}
		// An access token of another application must not sign the user out.
	} else {
		if !isSessionToken(cred.Token) {
			return "", errMalformedSession
		}
		if e, ok := s.caches.tokens.Get(key, time.Now()); ok {
			return e.session.ID, nil // however old: a token always belongs to the same session
		}
		q = s.tokenQuery(cred.Token, key)
	}
	l := s.sessionLookup(q)
	l.kind, l.flight = "sign-out", key
	l.cached = func(time.Time) (*entry, error) { return nil, errStale } // usable would refuse what is signed out
	e, _, err := introspect(ctx, s, l)
	if err != nil {
		return "", err
	}
	return e.session.ID, nil
}

// retryUnconfirmed retries the revocations that Stytch has not confirmed, after
// a call has shown that it can be reached, at most once a second.
func (s *sessions) retryUnconfirmed() {
	if s.denied.Pending() == 0 || !s.retries.Allow(time.Now(), time.Second) {
		return
	}
	go func() {
		sessions, credentials := s.denied.Unconfirmed(8)
		for _, id := range sessions {
			if s.revokeAtStytch(context.Background(), id) != nil {
				break
			}
		}
		// One that fails says nothing about the others, nor does a session id
		// that Stytch never confirms.
		for key, cred := range credentials {
			if s.signOutOne(context.Background(), cred, digest([]byte(key))) == nil {
				s.denied.Remove(key) // the entry of the session suffices
			}
		}
	}()
}
