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

// SignIn signs a user in at Stytch by e-mail address and password. If
// SessionToken or SessionJWT is set, it adds the password to that session as a
// fresh factor instead. Package login contains handlers that call it.
//
// The errors are ErrSignIn (the same for a wrong e-mail address, a wrong
// password and a user without a password), ErrResetPassword, ErrTooManyAttempts,
// ErrInvalidSession if the session does not exist, ErrUnavailable, or a
// *stytch.ParamError. A password is never sent twice.
func (a *Authenticator) SignIn(ctx context.Context, p stytch.AuthenticatePasswordParams) (*stytch.AuthenticatePasswordResponse, error) {
	s := a.sessions
	asked := moment{time.Now(), s.caches.generation()}
	answer, err := upstream.Do(ctx, s.upstream, s.signInCall(ctx, &p), func(ctx context.Context) (*stytch.AuthenticatePasswordResponse, error) {
		return s.client.AuthenticatePassword(ctx, p)
	})
	if err == nil {
		s.storeUser(answer.User.Clone(), asked) // newer than what is cached
		return answer, nil
	}
	if upstream.IsSessionRejected(err) && p.SessionToken == "" && p.SessionJWT == "" {
		return nil, translate(err, nil) // the call was not about a session
	}
	return nil, s.signInError(ctx, err)
}

// signInCall returns the kind of call for a sign-in. A password for a session
// that was proven takes no place of the sign-ins, and is bounded for the session.
func (s *sessions) signInCall(ctx context.Context, p *stytch.AuthenticatePasswordParams) upstream.Call {
	if id := s.provenSession(ctx, p); id != "" {
		return upstream.StepUp.About(digestOf("step-up:"+id), upstream.BoundRejections)
	}
	address := strings.ToLower(strings.TrimSpace(p.Email))
	return upstream.SignIn.About(digestOf("email:"+address), upstream.NoBound)
}

// provenSession returns the id of the session that a password is for, if this
// Authenticator knows that it exists: from the request that it let in, or from
// its caches.
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

// signInError translates an error of a sign-in.
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

// checkProject distinguishes a wrong password from a wrong project secret, which
// Stytch reports by the same error type. Unless a call with the secret has
// succeeded, it fetches the policy, at most once a minute.
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
		return err // says nothing about the secret
	}
	s.projectMu.Lock()
	defer s.projectMu.Unlock()
	s.projectError, s.projectChecked = err, time.Now()
	return err
}

// Cookies returns the configuration of the session's cookies, with defaults.
func (a *Authenticator) Cookies() Cookies { return a.config.Cookies }

// SetCookies sets the session's cookies, until the session ends: one for the
// token and one for the JWT of cred. It sets no empty cookie, and none for a
// session that has ended or was revoked here.
func (a *Authenticator) SetCookies(w http.ResponseWriter, s *stytch.Session, cred Credential) {
	if cred.Token != "" {
		a.cookies.set(w, s, a.config.Cookies.Token, cred.Token)
	}
	if cred.JWT != "" {
		a.cookies.set(w, s, a.config.Cookies.JWT, cred.JWT)
	}
}

// ClearCookies removes the session's cookies from the browser, with the
// attributes that they were set with.
func (a *Authenticator) ClearCookies(w http.ResponseWriter) { a.cookies.clear(w) }

// SignOutCredential returns what a sign-out has to revoke, for SignOut: the
// credential of the request, and each value of the cookies that Config.Cookies
// names, also if there are too many to authenticate with. It holds at most 16
// cookies; more reports that the request carries others.
//
// The errors are ErrNoCredential, ErrCrossOrigin, which here applies to every
// request, and ErrInvalidRequest for a malformed or repeated header. With the
// latter, the Credential still holds the cookies.
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

// CheckOrigin returns ErrCrossOrigin for an unsafe request that a page of another
// site sent. Require does so for requests that a cookie authenticates.
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

// ObserveRefusal calls Observe and Logger with an error that is answered
// elsewhere, such as by a page that shows the sign-in form again. Unless the
// handlers of package login call it, the log line has no method and no path.
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

// SetClaims merges custom claims into the session of a sign-in that has just
// succeeded, and stores the session and its new JWT in answer.
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
