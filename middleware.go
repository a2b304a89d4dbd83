// Package sessionauth is net/http middleware for services whose users sign in
// with Stytch. A request carries a session JWT or an opaque session token in a
// header or cookie. The middleware authenticates it from a cache, by local
// verification of the JWT, or by a call to Stytch, and stores the session and
// the user in the context of the request.
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
// A forged, expired, revoked or malformed credential is answered with 401. If
// Stytch cannot be reached, the answer is 503 with Retry-After, never a 401 that
// would sign users out.
//
// # Revocation
//
// Revoke and SignOut take effect at once in this process. A session that was
// revoked elsewhere is accepted until the exp of its JWT plus Config.Leeway, or
// for Config.MaxTokenAge; with a session token, for Config.CacheTTL, and in an
// outage for Config.StaleIfError after that.
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
// for use by several goroutines, and needs no closing: none of its goroutines
// outlives the call to Stytch that it makes.
type Authenticator struct {
	config   *Config // with defaults; a pointer, so that printing what holds an Authenticator shows no secret
	sessions *sessions
	origins  *http.CrossOriginProtection
	cookies  cookieWriter
	vary     string // names of the header fields that credentials are read from
	events   observer
}

// New checks the configuration and returns an Authenticator. An error names the
// field that is wrong. New does no I/O: a service starts while Stytch is down.
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
// Each request is authenticated by its own credential, also one that was made in
// the context of another. A second Require of the same Authenticator reuses the
// result of the first for the same request.
func (a *Authenticator) Require(next http.Handler) http.Handler { return a.handler(next, false) }

// Optional returns a handler that also lets anonymous requests through to next:
// those without a credential, and those with a cookie that is refused, because
// a stale cookie must not break a page that is for everyone. A refused header is
// still answered with 401, and a request that cannot be decided with 503. It
// panics if next is nil.
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

// Attach does what Require does before it calls its next handler, for routers
// with middleware of another shape: it authenticates r, and sets Vary and
// Cache-Control. Go on with the returned ResponseWriter and request; guards and
// FromContext accept its context. If a refreshed session cookie is due, the
// ResponseWriter sets it when the header of the response is written; adaptors
// that copy the header earlier must call it before. If err is not nil, nothing
// was written: answer with Reject.
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

// attach authenticates a request, and returns it with its state. The
// ResponseWriter is nil unless a session cookie is due.
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

// isOf reports whether a state is that of this very request and Authenticator,
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

// withoutH2C returns a header without an upgrade to HTTP/2 in clear text: the
// requests of such a connection would reach next without being authenticated.
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

// authenticate works on local variables and writes result once, at the end:
// through the pointer each field would have a write barrier of its own while
// the garbage collector runs. Until then, and so after a panic, result is a
// failure.
func (a *Authenticator) authenticate(result *authResult, r *http.Request) {
	result.err = upstream.ErrPanic
	defer func() {
		if v := recover(); v != nil {
			a.sessions.upstream.LogPanic(v) // the request is answered with 500
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

// Authenticate authenticates a request as Require does, without answering it:
// for frameworks whose middleware has another shape. Behind Require or Optional
// of this Authenticator it returns what those decided. WriteError answers its
// errors.
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

// Verify authenticates a credential that did not come in an HTTP request, but
// for example in gRPC metadata. It does not check the origin: that is up to the
// caller. A value without the syntax of a credential is ErrInvalidSession.
func (a *Authenticator) Verify(ctx context.Context, cred Credential) (*Identity, error) {
	return a.verify(ctx, cred).identity()
}

func (a *Authenticator) verify(ctx context.Context, cred Credential) *authResult {
	result := &authResult{err: upstream.ErrPanic} // until it is overwritten
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

// AttachContext authenticates a credential that did not come in an HTTP request,
// as Verify does, and returns a context that the Check functions and FromContext
// accept: for gRPC, Connect and queues. It refuses a Credential whose Header is
// false with ErrInvalidRequest, because there is no origin to check.
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
// Behind Require it is the part of it that was accepted: of a repeated cookie one
// value. Nothing else reads credentials from requests. The errors are
// ErrNoCredential, ErrInvalidRequest and ErrCrossOrigin.
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

// extract is Credential without the check of the syntax of a header, which
// authenticate makes only for credentials that are refused.
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

// Client returns the client for Stytch's API that the Authenticator uses.
func (a *Authenticator) Client() *stytch.Client { return a.sessions.client }
