package sessionauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// SignIn signs a user in at Stytch by e-mail address and password, or with
// SessionToken or SessionJWT set gives an existing session the password as a
// fresh factor. Package login has the handlers around it.
//
// The errors are ErrSignIn (a wrong e-mail address, a wrong password and a user
// without a password are the same), ErrResetPassword, ErrTooManyAttempts,
// ErrInvalidSession for an existing session that is none, ErrUnavailable, or
// that of a parameter that Stytch would refuse. A password is never sent twice.
func (a *Authenticator) SignIn(ctx context.Context, p stytch.AuthenticatePasswordParams) (*stytch.AuthenticatePasswordResponse, error) {
	asked, generation := time.Now(), a.caches.generation()
	answer, err := run(ctx, a.upstream, signIn, func(ctx context.Context) (*stytch.AuthenticatePasswordResponse, error) {
		return a.client.AuthenticatePassword(ctx, p)
	})
	if err == nil {
		a.upstream.trusted.Store(true)
		a.keepUser(answer.User.Clone(), generation, asked) // newer than what is cached
		return answer, nil
	}
	if isNo(err) && p.SessionToken == "" && p.SessionJWT == "" {
		return nil, a.upstream.unavailable(err) // nobody asked about a session
	}
	return nil, a.signInError(ctx, err)
}

func (a *Authenticator) signInError(ctx context.Context, err error) error {
	var param *stytch.ParamError
	if errors.As(err, &param) {
		return param
	}
	var se *stytch.Error
	if !errors.As(err, &se) {
		return a.upstream.unavailable(err)
	}
	switch se.Type {
	case stytch.TypeUnauthorizedCredentials:
		if err := a.checkProject(ctx); err != nil {
			return err
		}
		return &Error{Kind: ErrSignIn, Reason: ReasonRejected, cause: err}
	case stytch.TypeEmailNotFound, stytch.TypeNoUserPassword, stytch.TypeInvalidEmail, stytch.TypeUserNotFound:
		return &Error{Kind: ErrSignIn, Reason: ReasonRejected, cause: err}
	case stytch.TypeResetPassword:
		return &Error{Kind: ErrResetPassword, Reason: ReasonRejected, cause: err}
	case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeUnableToParseSessionJWT:
		return &Error{Kind: ErrInvalidSession, Reason: ReasonRejected, cause: err}
	}
	if se.StatusCode == http.StatusTooManyRequests {
		return &Error{Kind: ErrTooManyAttempts, Reason: ReasonRateLimited, RetryAfter: clampRetryAfter(se.RetryAfter), cause: err}
	}
	return a.upstream.unavailable(err)
}

// checkProject tells a wrong password from a wrong project secret, which Stytch
// reports by the same type: while no call with the secret has ever succeeded,
// it asks for the policy, at most once a minute.
func (a *Authenticator) checkProject(ctx context.Context) error {
	if a.upstream.trusted.Load() {
		return nil
	}
	a.projectMu.Lock()
	last, checked := a.projectError, a.projectChecked
	a.projectMu.Unlock()
	if !checked.IsZero() && time.Since(checked) < time.Minute {
		return last
	}
	_, err := share(ctx, a.upstream, loadPolicy, "policy", a.client.Policy)
	if err != nil {
		err = a.upstream.unavailable(err)
	}
	if ctx.Err() != nil {
		return err // who left learnt nothing
	}
	a.projectMu.Lock()
	defer a.projectMu.Unlock()
	a.projectError, a.projectChecked = err, time.Now()
	return err
}

// Cookies returns how the session's cookies are named and set, complete with
// defaults.
func (a *Authenticator) Cookies() Cookies { return a.config.Cookies }

// CheckOrigin refuses an unsafe request that another site's page sent, with
// ErrCrossOrigin. Require does so for requests that a cookie authenticates;
// this is for those that carry no credential yet, such as a sign-in.
func (a *Authenticator) CheckOrigin(r *http.Request) error {
	if a.isCrossOrigin(r) {
		return own(errCrossOrigin)
	}
	return nil
}

// Reject answers a request with an error, as Require does: by ErrorHandler, and
// Observe is told.
func (a *Authenticator) Reject(w http.ResponseWriter, r *http.Request, err error) {
	a.ObserveRefusal(r.Context(), err)
	a.config.ErrorHandler(w, r, own(err))
}

// ObserveRefusal tells Observe of an error that is answered elsewhere, such as
// by a page that shows the sign-in form again.
func (a *Authenticator) ObserveRefusal(ctx context.Context, err error) {
	a.observe(ctx, &decided{err: err}, a.arrival(), false)
}

// Reject answers a request with an error as the Require in front of it would.
// Without one it is WriteError.
func Reject(w http.ResponseWriter, r *http.Request, err error) {
	if f := fromContext(r.Context()); f != nil && f.auth != nil {
		f.auth.Reject(w, r, err)
		return
	}
	WriteError(w, r, err)
}

// SetClaims merges custom claims into the session of a sign-in that has just
// succeeded, and puts the session and its new JWT into answer.
func (a *Authenticator) SetClaims(ctx context.Context, answer *stytch.AuthenticatePasswordResponse, claims map[string]any) error {
	updated, err := run(ctx, a.upstream, extendKnown, func(ctx context.Context) (*stytch.AuthenticateSessionResponse, error) {
		return a.client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionToken: answer.SessionToken, CustomClaims: claims})
	})
	var param *stytch.ParamError
	if errors.As(err, &param) {
		return param
	}
	if err == nil && updated.Session.ID != answer.Session.ID {
		err = &stytch.InvalidAnswerError{Problem: "another session than the one asked about"}
	}
	if err != nil {
		return a.upstream.unavailable(err)
	}
	answer.Session, answer.SessionJWT = &updated.Session, updated.SessionJWT
	return nil
}
