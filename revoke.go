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
// until it is confirmed. With ReasonNotKept it is not refused: 100,000 others
// wait to be confirmed, and the caller must try again. Any other error says that
// the session id is not valid; nothing was revoked.
//
// A client that hangs up does not stop Revoke: it ignores the cancellation of
// ctx, but not its deadline.
func (a *Authenticator) Revoke(ctx context.Context, sessionID string) error {
	if sessionID == "" {
		return errors.New("sessionauth: Revoke: the session id is empty")
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	return cloneError(a.sessions.revoke(ctx, sessionID))
}

// detach returns a context without the cancellation of ctx, which ends when the
// client hangs up: it must neither stop a sign-out, nor leave one to be retried.
// A deadline is the choice of the application, and stays. Each call to Stytch
// has a timeout of its own.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	detached := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(detached, end)
	}
	return detached, func() {}
}

// SignOut revokes the session of a credential as Revoke does: also that of an
// expired JWT, if its signature is good. A credential that is refused has no
// session to revoke; that is not an error.
//
// ErrUnavailable says that Stytch could not be reached: the credential is
// refused here, and later calls to Stytch retry. With ReasonNotKept it is not
// refused: there was no room to remember it, and the caller must try again. The
// room for credentials that were never seen here is smaller, because anyone can
// invent them. Like Revoke, SignOut ignores the cancellation of ctx.
func (a *Authenticator) SignOut(ctx context.Context, cred Credential) error {
	if cred.isEmpty() {
		return ErrNoCredential
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	err := a.sessions.signOut(ctx, &cred)
	if errors.Is(err, errNotKept) {
		return cloneError(errNotKept) // the caller must try again, whatever else was kept
	}
	return err
}

// Forget removes what is cached about these sessions or users, by their ids.
// The next request that carries a token asks Stytch again; a JWT is verified
// again and its user loaded. Nothing else that is cached is affected.
func (a *Authenticator) Forget(ids ...string) { a.sessions.caches.forget(ids) }

// revoke denies a session and revokes it at Stytch. What is cached about it may
// stay: usable checks the denylist on every hit.
func (s *sessions) revoke(ctx context.Context, sessionID string) error {
	now := time.Now()
	if s.denied.IsConfirmed(sessionID, now) {
		return nil
	}
	kept := s.denied.Deny(sessionID, now)
	err := s.revokeAtStytch(ctx, sessionID)
	if !kept && errors.Is(err, ErrUnavailable) {
		return errNotKept
	}
	return err
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
		limited, cancel := context.WithTimeout(ctx, s.config.Timeout)
		defer cancel()
		t, err := s.verifier.Verify(limited, cred.JWT)
		if err != nil {
			return "", translate(err, nil)
		}
		if !t.ThirdParty {
			return t.Session.ID, nil
		}
		// An access token of another application must not sign the user out.
		q.refreshing(t, key)
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
	switch {
	case err != nil:
		return "", err
	case q.replaces != nil && !e.isAbout(q.replaces.Session):
		return "", s.otherSession(q)
	}
	return e.session.ID, nil
}

// maxRetries bounds the sessions, and the credentials, that one retry is about.
const maxRetries = 32

// retryUnconfirmed retries some of the revocations that Stytch has not
// confirmed, after a call has shown that it can be reached: at most once a
// second, and one retry at a time.
func (s *sessions) retryUnconfirmed() {
	if s.denied.Pending() == 0 || s.retrying.Load() || !s.retries.Allow(time.Now(), time.Second) || !s.retrying.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer s.retrying.Store(false)
		sessions, credentials := s.denied.Unconfirmed()
		for range min(sessions, maxRetries) {
			id := s.denied.NextSession(time.Now())
			if id != "" && endsRetry(s.revokeAtStytch(context.Background(), id)) {
				break
			}
		}
		for range min(credentials, maxRetries) {
			key, cred := s.denied.NextCredential(time.Now())
			err := s.signOutOne(context.Background(), cred, key)
			if err == nil {
				s.denied.RemoveCredential(key) // the entry of the session suffices
			} else if endsRetry(err) {
				break
			}
		}
	}()
}

// endsRetry reports whether an error says that the next call would fail, too.
// Any other error says nothing about the next revocation: Stytch may never
// confirm this one.
func endsRetry(err error) bool { return isRefusedByClass(err) || reasonOf(err) == ReasonUnreachable }
