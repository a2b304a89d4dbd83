package sessionauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/requestlog"
	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
)

// SignIn signs a user in at Stytch with an e-mail address and a password. If
// SessionToken or SessionJWT is set, SignIn instead adds the password to that
// session as a fresh factor. Package login provides handlers that call SignIn.
//
// The errors are ErrSignIn (for a wrong e-mail address, a wrong password and a
// user without a password alike), ErrResetPassword, ErrTooManyAttempts,
// ErrInvalidSession if the session does not exist, ErrUnavailable, and
// *stytch.ParamError. SignIn never retries a call, so a password is sent only
// once.
func (a *Authenticator) SignIn(ctx context.Context, p stytch.AuthenticatePasswordParams) (*stytch.AuthenticatePasswordResponse, error) {
	s := a.sessions
	asked := moment{time.Now(), s.caches.generation()}
	answer, err := upstream.Do(ctx, s.upstream, s.signInCall(ctx, &p), func(ctx context.Context) (*stytch.AuthenticatePasswordResponse, error) {
		return s.client.AuthenticatePassword(ctx, p)
	})
	if err == nil {
		s.storeUser(answer.User.Clone(), asked) // newer than the cached user
		return answer, nil
	}
	if upstream.IsSessionRejected(err) && p.SessionToken == "" && p.SessionJWT == "" {
		return nil, translate(err, nil) // the call named no session
	}
	return nil, s.signInError(ctx, err)
}

// signInCall returns the upstream.Call for a sign-in. If the password is for a
// session that is known to exist, the call does not use the capacity of
// sign-ins, and it has a limit per session.
func (s *sessions) signInCall(ctx context.Context, p *stytch.AuthenticatePasswordParams) upstream.Call {
	if id := s.provenSession(ctx, p); id != "" {
		return upstream.StepUp.About(digestOf("step-up:"+id), upstream.BoundRejections)
	}
	address := strings.ToLower(strings.TrimSpace(p.Email))
	return upstream.SignIn.About(digestOf("email:"+address), upstream.NoBound)
}

// provenSession returns the id of the session that the password is for, if this
// Authenticator knows that the session exists. It knows this from the request
// that it let through, or from its caches. Otherwise provenSession returns "".
func (s *sessions) provenSession(ctx context.Context, p *stytch.AuthenticatePasswordParams) string {
	if p.SessionToken == "" && p.SessionJWT == "" {
		return ""
	}
	if state := stateOf(ctx); state != nil && state.auth != nil && state.auth.sessions == s && state.entry != nil {
		return state.entry.session.ID
	}
	now := time.Now()
	e, _ := s.caches.tokens.Get(digestOf(p.SessionToken), now)
	if p.SessionJWT != "" {
		signingInput, signature := cutSignature(p.SessionJWT)
		e = s.caches.jwt(digestOf(signature), signingInput, now)
	}
	if e == nil {
		return ""
	}
	return e.session.ID
}

// signInError translates an error of AuthenticatePassword.
func (s *sessions) signInError(ctx context.Context, err error) error {
	var param *stytch.ParamError
	if errors.As(err, &param) {
		return param
	}
	var limited *upstream.Error
	if errors.As(err, &limited) && limited.Reason == upstream.RateLimited {
		return &Error{Kind: ErrTooManyAttempts, Reason: ReasonRateLimited, RetryAfter: limited.RetryAfter}
	}
	var se *stytch.Error
	if !errors.As(err, &se) {
		return translate(err, nil)
	}
	switch se.Type {
	case stytch.TypeUnauthorizedCredentials:
		if err := s.checkProject(ctx); err != nil {
			return err
		}
		return &Error{Kind: ErrSignIn, Reason: ReasonRejected, cause: err}
	case stytch.TypeEmailNotFound, stytch.TypeNoUserPassword, stytch.TypeInvalidEmail, stytch.TypeUserNotFound:
		return &Error{Kind: ErrSignIn, Reason: ReasonRejected, cause: err}
	case stytch.TypeResetPassword:
		return &Error{Kind: ErrResetPassword, Reason: ReasonRejected, cause: err}
	}
	if upstream.IsSessionRejected(err) {
		return &Error{Kind: ErrInvalidSession, Reason: ReasonRejected, cause: err}
	}
	if se.StatusCode == http.StatusTooManyRequests {
		return &Error{Kind: ErrTooManyAttempts, Reason: ReasonRateLimited, RetryAfter: upstream.ClampRetryAfter(se.RetryAfter), cause: err}
	}
	return translate(err, nil)
}

// checkProject returns an error if the project secret is wrong. Stytch uses the
// same error type for a wrong password and a wrong secret. Unless a call with
// the secret has succeeded before, checkProject fetches the policy to tell them
// apart, at most once a minute.
func (s *sessions) checkProject(ctx context.Context) error {
	if s.upstream.SecretAccepted() {
		return nil
	}
	s.projectMu.Lock()
	last, checked := s.projectError, s.projectChecked
	s.projectMu.Unlock()
	if !checked.IsZero() && time.Since(checked) < time.Minute {
		return last
	}
	_, err := upstream.Share(ctx, s.upstream, upstream.LoadPolicy, "policy", s.client.Policy)
	err = translate(err, nil)
	if ctx.Err() != nil {
		return err // a canceled call does not show whether the secret is valid
	}
	s.projectMu.Lock()
	defer s.projectMu.Unlock()
	s.projectError, s.projectChecked = err, time.Now()
	return err
}

// Cookies returns the configuration of the session cookies, including defaults.
func (a *Authenticator) Cookies() Cookies { return a.config.Cookies }

// SetCookies sets a cookie for the token and a cookie for the JWT of cred. The
// cookies expire with the session. SetCookies sets no cookie for an empty
// value. It sets no cookies if the session has expired or was revoked by this
// process.
func (a *Authenticator) SetCookies(w http.ResponseWriter, s *stytch.Session, cred Credential) {
	if cred.Token != "" {
		a.cookies.set(w, s, a.config.Cookies.Token, cred.Token)
	}
	if cred.JWT != "" {
		a.cookies.set(w, s, a.config.Cookies.JWT, cred.JWT)
	}
}

// ClearCookies removes the session cookies from the browser. It uses the same
// attributes with which they were set.
func (a *Authenticator) ClearCookies(w http.ResponseWriter) { a.cookies.clear(w) }

// SignOutCredential returns the credential to pass to SignOut. It holds the
// credential of the request and the values of the cookies that Config.Cookies
// names, even if there are too many values to authenticate the request. It
// holds at most 16 cookie values. more reports whether the request carries
// others.
//
// The errors are ErrNoCredential, ErrCrossOrigin and ErrInvalidRequest. Unlike
// in Require, the cross-origin check applies to every request. The error is
// ErrInvalidRequest if a header is malformed or repeated. In that case the
// Credential still holds the cookies.
func (a *Authenticator) SignOutCredential(r *http.Request) (cred Credential, more bool, err error) {
	if isCrossOrigin(a.origins, r) {
		return Credential{}, false, cloneError(errCrossOrigin)
	}
	found, err := a.config.Extractor(r)
	source := &cookieSource{}
	if found.cookies != nil && found.cookies.tooMany {
		source, err = found.cookies, nil
	}
	switch {
	case err != nil:
	case !found.hasHeaderSyntax():
		err = errMalformed
	case found.Header:
		cred = Credential{Token: found.Token, JWT: found.JWT, Header: true}
	default:
		source.addCredential(&found)
	}
	source.addCookies(r, a.config.Cookies.Token, a.config.Cookies.JWT)
	if len(source.signOut) > 0 {
		cred.cookies = source
	}
	switch {
	case err != nil && !errors.Is(err, ErrNoCredential):
		return cred, source.more, cloneError(extractionError(err))
	case cred.isEmpty():
		return Credential{}, source.more, ErrNoCredential
	}
	return cred, source.more, nil
}

// CheckOrigin returns ErrCrossOrigin if a page of another site sent an unsafe
// request. Require makes this check for requests that a cookie authenticates.
// CheckOrigin is for requests without a credential, such as a sign-in.
func (a *Authenticator) CheckOrigin(r *http.Request) error {
	if isCrossOrigin(a.origins, r) {
		return cloneError(errCrossOrigin)
	}
	return nil
}

// Reject answers a request with an error, as Require does: it calls Observe,
// Logger and ErrorHandler. An error that a method of the Authenticator has already
// reported to Observe and Logger, such as one of Attach, is only answered.
func (a *Authenticator) Reject(w http.ResponseWriter, r *http.Request, err error) {
	a.ObserveRefusal(requestlog.With(r.Context(), r), err)
	a.config.ErrorHandler(w, r, cloneError(err))
}

// ObserveRefusal calls Observe with an error to which the caller responds
// itself, for example by showing the sign-in form again.
func (a *Authenticator) ObserveRefusal(ctx context.Context, err error) {
	if e, ok := err.(*Error); ok && e.reported {
		return
	}
	a.events.report(ctx, Event{Decider: deciderOf(err)}, err)
	if a.events.logs(ctx) {
		var session *stytch.Session
		if s := stateOf(ctx); s != nil && s.entry != nil {
			session = s.entry.session
		}
		a.events.logRefusal(ctx, nil, session, false, err)
	}
}

// SetClaims merges custom claims into the session of a successful sign-in. It
// stores the updated session and its new JWT in answer.
func (a *Authenticator) SetClaims(ctx context.Context, answer *stytch.AuthenticatePasswordResponse, claims map[string]any) error {
	call := upstream.Extend.About(sessionKey(answer.Session.ID), upstream.NoBound)
	updated, err := upstream.Do(ctx, a.sessions.upstream, call, func(ctx context.Context) (*stytch.AuthenticateSessionResponse, error) {
		return a.sessions.client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionToken: answer.SessionToken, CustomClaims: claims})
	})
	var param *stytch.ParamError
	if errors.As(err, &param) {
		return param
	}
	if err == nil && updated.Session.ID != answer.Session.ID {
		err = &stytch.InvalidAnswerError{Problem: "another session than the one asked about"}
	}
	if err != nil {
		return translate(err, nil)
	}
	answer.Session, answer.SessionJWT = &updated.Session, updated.SessionJWT
	return nil
}
