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

// Revoke revokes a session at Stytch. From the time of the call, this process
// refuses the session's token and all its JWTs.
//
// If Stytch cannot be reached, the error is ErrUnavailable. This process still
// refuses the session, and later calls to Stytch retry the revocation until
// Stytch confirms it. If the Reason of the error is ReasonNotKept, the session
// is not refused, because 100,000 other revocations are waiting for
// confirmation. The caller must then try again. Any other error means that the
// session id is invalid and nothing was revoked.
//
// Revoke ignores the cancellation of ctx, but not its deadline. A client that
// disconnects therefore does not stop it.
func (a *Authenticator) Revoke(ctx context.Context, sessionID string) error {
	if sessionID == "" {
		return errors.New("sessionauth: Revoke: the session id is empty")
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	return cloneError(a.sessions.revoke(ctx, sessionID))
}

// detach returns a context without the cancellation of ctx, but with its
// deadline. A request context is canceled when the client disconnects. This
// must not stop a sign-out. A deadline, however, was chosen by the application.
// Each call to Stytch also has its own timeout.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	detached := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(detached, end)
	}
	return detached, func() {}
}

// SignOut revokes the session of a credential, as Revoke does. It accepts an
// expired JWT if the signature is valid. If the credential is invalid, there is
// no session to revoke, and SignOut returns nil.
//
// If Stytch cannot be reached, the error is ErrUnavailable. This process still
// refuses the credential, and later calls to Stytch retry the revocation. If
// the Reason of the error is ReasonNotKept, the credential is not refused,
// because there was no room to record it. The caller must then try again.
// Credentials that this process has never seen have less room, because anyone
// can invent them. Like Revoke, SignOut ignores the cancellation of ctx, but
// not its deadline.
func (a *Authenticator) SignOut(ctx context.Context, cred Credential) error {
	if cred.isEmpty() {
		return ErrNoCredential
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	err := a.sessions.signOut(ctx, &cred)
	if errors.Is(err, errNotKept) {
		return cloneError(errNotKept) // the caller must try again, even if other values were recorded
	}
	return err
}

// Forget removes the cached data of these sessions or users, which are given by
// their ids. The next request with a token calls Stytch again. The next request
// with a JWT verifies the JWT again and loads the user again. Other cached data
// is not affected.
func (a *Authenticator) Forget(ids ...string) { a.sessions.caches.forget(ids) }

// revoke denies a session and revokes it at Stytch. It does not remove cached
// entries, because usable checks the denylist on every hit.
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
			// Confirm before the call ends, because its success starts a retry
			// of the unconfirmed revocations.
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
		cred = cred.cookies.presented // also sign out the values that were not accepted
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

// signOutOne signs out a token or a JWT. It needs the session id, because the
// denylist can refuse the other JWTs of the session only by that id.
func (s *sessions) signOutOne(ctx context.Context, cred denylist.Credential, key digest) error {
	id, err := s.sessionIDOf(ctx, cred, key)
	switch {
	case err == nil:
		return s.revoke(ctx, id)
	case errors.Is(err, ErrInvalidSession):
		return nil
	// A class that is full does not mean that Stytch is down. Invented tokens
	// can fill it.
	case reasonOf(err) == ReasonOverloaded, !s.denied.DenyCredential(key, cred, time.Now()):
		return errNotKept
	}
	return err
}

// sessionIDOf returns the id of the session of a credential. For a JWT with a
// valid signature it is the id in the JWT. Otherwise sessionIDOf calls Stytch.
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
			return e.session.ID, nil // even if expired: a token always belongs to the same session
		}
		q = s.tokenQuery(cred.Token, key)
	}
	l := s.sessionLookup(q)
	l.kind, l.flight = "sign-out", key
	l.cached = func(time.Time) (*entry, error) { return nil, errStale } // usable would refuse a session that is already signed out
	e, _, err := introspect(ctx, s, l)
	switch {
	case err != nil:
		return "", err
	case q.replaces != nil && !e.isAbout(q.replaces.Session):
		return "", s.otherSession(q)
	}
	return e.session.ID, nil
}

// maxRetries is the maximum number of sessions, and of credentials, in one
// retry.
const maxRetries = 32

// retryUnconfirmed retries some of the revocations that Stytch has not
// confirmed. It is called after a successful call to Stytch. It starts at most
// one retry per second, and runs one at a time.
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
				s.denied.RemoveCredential(key) // the denylist now holds the session instead
			} else if endsRetry(err) {
				break
			}
		}
	}()
}

// endsRetry reports whether the next call would probably fail with the same
// error. Any other error concerns only this revocation, which Stytch may never
// confirm, so the retry continues with the next one.
func endsRetry(err error) bool { return isRefusedByClass(err) || reasonOf(err) == ReasonUnreachable }
