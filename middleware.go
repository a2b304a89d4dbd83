// Package sessionauth provides net/http middleware for services whose users
// sign in with Stytch. A request carries a session JWT or an opaque session
// token in a header or cookie. The middleware authenticates this credential
// from a cache, by verifying the JWT locally, or by calling Stytch. It stores
// the session and the user in the context of the request.
//
//	auth, err := sessionauth.New(sessionauth.Config{ProjectID: id, Secret: secret})
//	…
//	r := chi.NewRouter()
//	r.Use(auth.Require)
//	r.Get("/me", func(w http.ResponseWriter, r *http.Request) {
//		if user, ok := sessionauth.UserFromContext(r.Context()); ok {
//			fmt.Fprintln(w, user.Name.FirstName)
//		}
//	})
//
// The response to a forged, expired, revoked or malformed credential is 401. If
// Stytch cannot be reached, the response is 503 with Retry-After, and not a
// 401, which would sign users out.
//
// # Revocation
//
// Revoke and SignOut take effect at once in this process. If a session was
// revoked elsewhere, its JWT is accepted until the JWT's exp plus
// Config.Leeway, or for Config.MaxTokenAge. Its session token is accepted for
// Config.CacheTTL, and in an outage for Config.StaleIfError after that.
//
// This package is unofficial and independent of Stytch.
package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
)

// An Authenticator authenticates the requests of one Stytch project. It is safe
// for concurrent use by multiple goroutines. It has no Close method, because
// each of its goroutines ends with the call to Stytch for which it was started.
type Authenticator struct {
	config   *Config // with defaults; a pointer, so that printing a struct that contains an Authenticator shows no secret
	sessions *sessions
	origins  *http.CrossOriginProtection
	cookies  cookieWriter
	vary     string // the header fields that credentials are read from
	events   observer
}

// New checks the configuration and returns an Authenticator. An error names the
// invalid field. New does no I/O, so a service can start while Stytch is down.
func New(config Config) (*Authenticator, error) {
	a, err := newAuthenticator(config)
	if err != nil {
		return nil, fmt.Errorf("sessionauth: %w", err)
	}
	return a, nil
}

func newAuthenticator(config Config) (*Authenticator, error) {
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: config.ProjectID, Secret: config.Secret, BaseURL: config.BaseURL,
		HTTPClient: config.HTTPClient, Timeout: config.Timeout,
	})
	if err != nil {
		return nil, err
	}
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.BaseURL != "" {
		c.Issuers = append(c.Issuers, client.BaseURL())
	}
	origins := http.NewCrossOriginProtection()
	for _, origin := range c.TrustedOrigins {
		if err := origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("TrustedOrigins: %w", err)
		}
	}
	s := newSessions(&c, client)
	s.retryRevocations = s.retryUnconfirmed
	return &Authenticator{
		config: &c, sessions: s, origins: origins,
		cookies: cookieWriter{c.Cookies, s.denied, c.SessionDuration > 0},
		vary:    varyBy(c.Extractor),
		events:  observer{c.Observe, c.logger, s.sessionOf, s.verifier.Keys, s.upstream, s.denied},
	}, nil
}

// Require returns a handler that lets only authenticated requests through to
// next. It panics if next is nil.
//
// Require authenticates each request by the request's own credential, even if
// the request was made in the context of another one. A second Require of the
// same Authenticator reuses the result of the first for the same request.
func (a *Authenticator) Require(next http.Handler) http.Handler { return a.handler(next, false) }

// Optional is like Require, but also lets anonymous requests through to next. A
// request is anonymous if it carries no credential, or if its credential is a
// cookie that is invalid: an old cookie must not break a page that everyone may
// see. The response to an invalid credential in a header is still 401. The
// response to a request that cannot be authenticated because of an outage is
// still 503. Optional panics if next is nil.
func (a *Authenticator) Optional(next http.Handler) http.Handler { return a.handler(next, true) }

func (a *Authenticator) handler(next http.Handler, optional bool) http.Handler {
	if next == nil {
		panic("sessionauth: the next handler is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late, r, err := a.attach(w, r, optional)
		switch {
		case err != nil:
			a.config.ErrorHandler(w, r, cloneError(err))
		case late != nil:
			next.ServeHTTP(late, r)
			late.leave()
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Attach does what Require does before it calls its next handler. It is for
// routers whose middleware has a different signature. It authenticates r and
// sets Vary and Cache-Control.
//
// Use the returned ResponseWriter and request instead of w and r. Guards and
// FromContext accept the context of the returned request. If the session cookie
// must be refreshed, the returned ResponseWriter sets it when the header of the
// response is written. An adapter that copies the header itself must call
// WriteHeader of the returned ResponseWriter before it does so.
//
// If err is not nil, Attach wrote no response. To respond, call Reject.
func (a *Authenticator) Attach(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, error) {
	late, attached, err := a.attach(w, r, false)
	switch {
	case err != nil:
		return w, r, reportedError(err)
	case late != nil:
		return late, attached, nil
	}
	return w, attached, nil
}

// attach authenticates a request and returns it with its state. The
// ResponseWriter is nil unless a session cookie must be set.
func (a *Authenticator) attach(w http.ResponseWriter, r *http.Request, optional bool) (*lateCookies, *http.Request, error) {
	if s, _ := r.Context().Value(contextKey{}).(*requestState); s != nil && s.isOf(a, r) {
		if s.err != nil && !optional { // an Optional let it in
			a.events.refused(r.Context(), r, s.credential, false, s.err)
			return nil, r, s.err
		}
		return nil, r, nil
	}
	var result authResult
	a.authenticateRequest(&result, r, optional)
	if result.err != nil && !(optional && result.isAnonymous()) {
		markPrivate(w.Header(), a.vary, new([2]string))
		return nil, r, result.err
	}
	s := newRequestState(r.Context(), a, &result)
	markPrivate(w.Header(), a.vary, &s.header)
	attached := r.WithContext(&s.ctx)
	if len(r.Header["Upgrade"]) > 0 {
		attached.Header = withoutH2C(r.Header)
	}
	if result.err == nil && result.entry.refreshed != "" && a.config.Cookies.WriteBack {
		return a.cookies.late(w, &result), attached, nil
	}
	return nil, attached, nil
}

// isOf reports whether s belongs to the request r and to the Authenticator a,
// and may still be used.
func (s *requestState) isOf(a *Authenticator, r *http.Request) bool {
	if s.auth != a {
		return false
	}
	cred, err := a.extract(r)
	if err != nil {
		return errors.Is(err, ErrNoCredential) && errors.Is(s.err, ErrNoCredential)
	}
	if !s.credential.wasPresentedAs(&cred) {
		return false
	}
	return s.err != nil || s.check() == nil
}

// withoutH2C returns h without an upgrade to HTTP/2 in clear text (h2c). If
// next accepted the upgrade, the requests on the new connection would reach it
// without authentication.
func withoutH2C(h http.Header) http.Header {
	isH2C := func(v string) bool { return strings.Contains(strings.ToLower(v), "h2c") }
	if !slices.ContainsFunc(h["Upgrade"], isH2C) {
		return h
	}
	h = h.Clone()
	delete(h, "Upgrade")
	delete(h, "Http2-Settings")
	return h
}

// authenticateRequest authenticates a request, logs a refusal and calls Observe.
func (a *Authenticator) authenticateRequest(result *authResult, r *http.Request, optional bool) {
	var arrived time.Time
	if a.config.Observe != nil {
		arrived = time.Now()
	}
	a.authenticate(result, r)
	if result.err != nil || a.config.Observe != nil {
		a.reportResult(r.Context(), r, result, arrived, optional)
	}
}

// authenticate authenticates a request. It sets result to a failure first, so
// that a panic results in an error. It then works on local variables and
// assigns result once, because each assignment through the pointer would cost a
// write barrier while the garbage collector runs.
func (a *Authenticator) authenticate(result *authResult, r *http.Request) {
	result.err = upstream.ErrPanic
	defer func() {
		if v := recover(); v != nil {
			a.sessions.upstream.LogPanic(v) // the response is 500
		}
	}()
	var e *entry
	var cached bool
	cred, err := a.extract(r)
	if err == nil {
		e, cached, err = a.sessions.authenticate(r.Context(), &cred)
	}
	if err == errMalformedSession && !cred.hasHeaderSyntax() {
		err = errMalformed
	}
	*result = authResult{credential: cred, entry: e, cached: cached, err: err}
}

// reportResult logs a refusal, and calls Observe with the outcome of
// authentication. r is nil if the credential did not come in a request.
func (a *Authenticator) reportResult(ctx context.Context, r *http.Request, result *authResult, arrived time.Time, optional bool) {
	anonymous := result.err != nil && optional && result.isAnonymous()
	if result.err != nil && !(anonymous && result.credential.isEmpty()) {
		a.events.refused(ctx, r, result.credential, anonymous, result.err)
	}
	if a.config.Observe == nil {
		return
	}
	e := Event{Latency: time.Since(arrived)}
	if result.err == nil {
		e.Decider = result.entry.decidedBy(result.cached)
	} else {
		e.Decider = deciderOf(result.err)
		if anonymous {
			e.Outcome = Anonymous
		}
	}
	a.events.report(ctx, e, result.err)
}

// Authenticate authenticates a request as Require does, but writes no response.
// It is for frameworks whose middleware has a different signature. If Require
// or Optional of the same Authenticator has already authenticated the request,
// Authenticate returns that result. To respond to an error, call WriteError.
func (a *Authenticator) Authenticate(r *http.Request) (*Identity, error) {
	if s := stateOf(r.Context()); s != nil && s.isOf(a, r) {
		if s.err != nil {
			return nil, reportedError(s.err)
		}
		return s.identity(), nil
	}
	var result authResult
	a.authenticateRequest(&result, r, false)
	return result.identity()
}

// Verify authenticates a credential that did not arrive in an http.Request, for
// example one in gRPC metadata. It does not check the origin; the caller must
// do so if a browser sends the credential by itself. If a value does not have
// the syntax of a credential, the error is ErrInvalidSession.
func (a *Authenticator) Verify(ctx context.Context, cred Credential) (*Identity, error) {
	return a.verify(ctx, cred).identity()
}

func (a *Authenticator) verify(ctx context.Context, cred Credential) *authResult {
	result := &authResult{err: upstream.ErrPanic} // the result after a panic
	arrived := time.Now()
	func() {
		defer func() {
			if v := recover(); v != nil {
				a.sessions.upstream.LogPanic(v)
			}
		}()
		result.entry, result.cached, result.err = a.sessions.authenticate(ctx, &cred)
		result.credential = cred
	}()
	a.reportResult(ctx, nil, result, arrived, false)
	return result
}

// AttachContext authenticates a credential as Verify does. It returns a context
// that the Check functions and FromContext accept. It is for gRPC, Connect and
// queues. If cred.Header is false, the error is ErrInvalidRequest, because
// AttachContext cannot check the origin of a cookie.
func (a *Authenticator) AttachContext(ctx context.Context, cred Credential) (context.Context, *Identity, error) {
	if !cred.Header {
		return ctx, nil, cloneError(errMalformed)
	}
	result := a.verify(ctx, cred)
	if result.err != nil {
		return ctx, nil, reportedError(result.err)
	}
	s := newRequestState(ctx, a, result)
	return &s.ctx, s.identity(), nil
}

func (r *authResult) identity() (*Identity, error) {
	if r.err != nil {
		return nil, reportedError(r.err)
	}
	return identityOf(r.entry, r.cached), nil
}

// Credential returns the credential of a request, after the cross-origin check.
// Behind Require it returns only the accepted part: for example, one value of a
// repeated cookie. The errors are ErrNoCredential, ErrInvalidRequest and
// ErrCrossOrigin.
func (a *Authenticator) Credential(r *http.Request) (Credential, error) {
	cred, err := a.extract(r)
	switch s := stateOf(r.Context()); {
	case err != nil:
		return Credential{}, cloneError(err)
	case s != nil && s.auth == a && s.err == nil && s.credential.wasPresentedAs(&cred):
		return s.credential, nil
	case !cred.hasHeaderSyntax():
		return Credential{}, cloneError(errMalformed)
	}
	return cred, nil
}

// extract is like Credential, but does not check the syntax of a header.
// authenticate makes this check only for credentials that are not accepted.
func (a *Authenticator) extract(r *http.Request) (Credential, error) {
	cred, err := a.config.Extractor(r)
	if err == nil && cred.isEmpty() {
		err = ErrNoCredential
	}
	if err != nil {
		return Credential{}, extractionError(err)
	}
	if !cred.Header && isCrossOrigin(a.origins, r) {
		return Credential{}, errCrossOrigin
	}
	return cred, nil
}

// Client returns the Stytch API client that the Authenticator uses.
func (a *Authenticator) Client() *stytch.Client { return a.sessions.client }
