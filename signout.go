package sessionauth

import (
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Revoke ends a session at Stytch, and here at once: this process accepts
// neither its token nor any JWT of it from now on.
//
// If Stytch cannot be asked the error is ErrUnavailable; the session is refused
// here all the same, and later calls to Stytch try again in passing until it
// confirms. Any other error means that the session id is none, and nothing was
// revoked.
func (a *Authenticator) Revoke(ctx context.Context, sessionID string) error {
	if sessionID == "" {
		return errors.New("sessionauth: Revoke: the session id is empty")
	}
	// What is cached may stay: the list is looked at on every hit.
	now := time.Now()
	if a.revoked.isConfirmed(sessionID, now) {
		return nil
	}
	a.revoked.deny(sessionID, now)
	return a.revokeAtStytch(ctx, sessionID)
}

func (a *Authenticator) revokeAtStytch(ctx context.Context, sessionID string) error {
	_, err := share(ctx, a.upstream, revoke, "revoke:"+sessionID, func(ctx context.Context) (struct{}, error) {
		err := a.client.RevokeSession(ctx, stytch.RevokeSessionParams{SessionID: sessionID})
		if err == nil || isNotFound(err) {
			// Here and not after the call, whose end makes us look for what is
			// unconfirmed.
			a.revoked.confirm(sessionID, time.Now())
		}
		return struct{}{}, err
	})
	var se *stytch.Error
	switch {
	case err == nil, isNotFound(err):
		return nil
	case errors.As(err, &se) && se.Type == stytch.TypeInvalidSessionID:
		a.revoked.remove(sessionID)
		return se
	}
	return a.upstream.unavailable(err)
}

// SignOut revokes the session of a credential, as Revoke does: also that of an
// expired JWT, if its signature is good. A credential that is refused has
// nothing to revoke; that is no error. ErrUnavailable says that Stytch could not
// be asked: the credential is refused here, and later calls to Stytch try again.
// With ReasonNotKept it is not: there was no room to remember a token that was
// never seen here, and the caller has to try again.
func (a *Authenticator) SignOut(ctx context.Context, cred Credential) error {
	if cred.isEmpty() {
		return ErrNoCredential
	}
	err := a.signOut(ctx, cred)
	if errors.Is(err, errNotKept) {
		return own(errNotKept) // whatever else is kept: there is something left to do
	}
	return err
}

func (a *Authenticator) signOut(ctx context.Context, cred Credential) error {
	var failed error
	for _, c := range cred.candidates() {
		failed = errors.Join(failed, a.signOut(ctx, c))
	}
	if cred.JWT != "" {
		failed = errors.Join(failed, a.signOutOne(ctx, Credential{JWT: cred.JWT}))
	}
	if cred.Token != "" {
		failed = errors.Join(failed, a.signOutOne(ctx, Credential{Token: cred.Token}))
	}
	return failed
}

// signOutOne signs a token or a JWT out. JWTs of the session that are still good
// can only be refused by the session's id, so that is found out first.
func (a *Authenticator) signOutOne(ctx context.Context, cred Credential) error {
	id, err := a.sessionIDOf(ctx, cred)
	if err == nil {
		return a.Revoke(ctx, id)
	}
	if errors.Is(err, ErrInvalidSession) {
		return nil
	}
	key := digestOf(cred.Token + cred.JWT) // one of the two
	// A shut lane is no outage: strangers shut it, with tokens they invent.
	if isLaneShut(err) && !isOutage(err) || !a.revoked.denyCredential(key, &cred, time.Now()) {
		return errNotKept
	}
	return err
}

var errNotKept = &Error{Kind: ErrUnavailable, Reason: ReasonNotKept}

// sessionIDOf finds the session of a credential: by the JWT itself if its
// signature is good, else by asking.
func (a *Authenticator) sessionIDOf(ctx context.Context, cred Credential) (string, error) {
	if cred.JWT != "" {
		t, err := a.verifier.Verify(ctx, cred.JWT)
		if err != nil {
			return "", a.localError(err)
		}
		if !t.ThirdParty {
			return t.Session.ID, nil
		}
		// Somebody's access token must not sign the user out: Stytch decides.
		return idOf(a.askStytch(ctx, a.byJWT(cred.JWT)))
	}
	if !isSessionToken(cred.Token) {
		return "", errMalformedSession
	}
	q := a.byToken(cred.Token)
	if e, ok := a.caches.tokens.get(q.key, time.Now()); ok {
		return e.session.ID, nil // however old: a token is of one session for ever
	}
	return idOf(a.askStytch(ctx, q))
}

func idOf(e *entry, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return e.session.ID, nil
}

// retryRevocations tries again, after a call has shown that Stytch can be
// asked, what it could not confirm before. At most one such round a second.
func (a *Authenticator) retryRevocations() {
	if a.revoked.pending.Load() == 0 {
		return
	}
	now := time.Now().UnixNano()
	last := a.lastRetry.Load()
	if since := now - last; 0 <= since && since < int64(time.Second) || !a.lastRetry.CompareAndSwap(last, now) {
		return
	}
	go func() {
		sessions, credentials := a.revoked.unconfirmed(8)
		for _, id := range sessions {
			if a.revokeAtStytch(context.Background(), id) != nil {
				break
			}
		}
		// One that fails says nothing of the others, nor does a session's id that
		// Stytch will never confirm.
		for key, cred := range credentials {
			if a.signOutOne(context.Background(), *cred) == nil {
				a.revoked.remove(key) // the session's own mark says it all
			}
		}
	}()
}
