// Package sessionauth is net/http middleware for services whose users sign in
// with Stytch. A request carries a session JWT or an opaque session token in a
// header or cookie; the middleware decides who it is, from its cache, by
// verifying the JWT locally, or by asking Stytch, and puts the session and the
// user into the request's context.
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
// A forged, expired, revoked or malformed credential is answered with 401. When
// Stytch cannot be asked the answer is 503 with Retry-After, never a 401 that
// would sign users out.
//
// # Revocation
//
// Revoke and sign-out hold at once in this process. A session revoked elsewhere
// is accepted until its JWT's exp plus Config.Leeway, or Config.MaxTokenAge;
// with an opaque token, until Config.CacheTTL.
//
// The package is unofficial and independent of Stytch.
package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// An Authenticator decides about requests for one Stytch project. It may be
// used by several goroutines at once and needs no closing: no goroutine of it
// outlives the call it makes.
type Authenticator struct {
	config   *Config // complete; behind a pointer, so that printing what holds an Authenticator shows no secret
	client   *stytch.Client
	verifier *sessionjwt.Verifier
	upstream *upstream
	caches   *caches
	policies *remote.Value[*stytch.Policy]
	revoked  *revokedList
	origins  *http.CrossOriginProtection
	cookies  Extractor // FromCookies, used where Config.Extractor is nil

	clock     deadline.Clock // for the look into a cache; a call to Stytch is worth a time.Now
	lastRetry atomic.Int64   // of unconfirmed revocations, Unix nanoseconds

	projectMu      sync.Mutex
	projectChecked time.Time // see checkProject
	projectError   error
}

// New checks the whole configuration and makes an Authenticator. Errors name
// the field that is wrong. It does no I/O: a service starts while Stytch is
// down.
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
	a := &Authenticator{
		config:  &c,
		client:  client,
		caches:  newCaches(&c),
		origins: origins,
		cookies: FromCookies(c.Cookies.Token, c.Cookies.JWT),
		// A JWT lives for at most an hour, an answer for CacheTTL.
		revoked: &revokedList{keep: max(time.Hour, c.CacheTTL+c.StaleIfError) + c.Leeway},
	}
	a.upstream = newUpstream(&c, a.logger)
	a.upstream.succeeded = a.retryRevocations
	a.policies = newPolicies(a)
	a.verifier = &sessionjwt.Verifier{
		Issuers: c.Issuers, Audience: c.ProjectID, Leeway: c.Leeway,
		Keys: sessionjwt.NewKeySet(func(ctx context.Context) ([]byte, error) {
			return run(ctx, a.upstream, loadKeys, client.KeySet)
		}),
	}
	return a, nil
}

func (a *Authenticator) logger() *slog.Logger {
	if a.config.Logger != nil {
		return a.config.Logger
	}
	return slog.Default()
}

// Require lets only signed-in users through to next. It panics if next is nil. A
// request made in the context of one that was let in is let in as the same user.
func (a *Authenticator) Require(next http.Handler) http.Handler { return a.handler(next, false) }

// Optional lets through who is signed in, and as anonymous who has no
// credential or a cookie that is refused: a page for everybody must not fail
// because of a stale cookie. A refused header is a 401 here too, and what cannot
// be decided a 503. It panics if next is nil.
func (a *Authenticator) Optional(next http.Handler) http.Handler { return a.handler(next, true) }

func (a *Authenticator) handler(next http.Handler, optional bool) http.Handler {
	if next == nil {
		panic("sessionauth: the next handler is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := a.decidedBefore(r.Context()); c != nil {
			if c.err != nil && !optional { // an Optional let it in as anonymous
				a.config.ErrorHandler(w, r, own(c.err))
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		var d decided
		a.decideRequest(&d, r, optional)
		if !d.passes(optional) {
			markPrivate(w.Header(), new([2]string))
			a.config.ErrorHandler(w, r, own(d.err))
			return
		}
		c := a.carry(r.Context(), &d)
		markPrivate(w.Header(), &c.fields)
		if d.err == nil {
			a.writeBack(w, &d)
		}
		next.ServeHTTP(w, r.WithContext(&c.ctx))
	})
}

// decidedBefore gives what this Authenticator decided about the request further out:
// nobody else's word counts.
func (a *Authenticator) decidedBefore(ctx context.Context) *carried {
	if c := fromContext(ctx); c != nil && c.auth == a {
		return c
	}
	return nil
}

// passes reports whether Require lets a request through, or Optional.
func (d *decided) passes(optional bool) bool { return d.err == nil || optional && d.isAnonymous() }

// isAnonymous reports whether a request that was not let in is one of somebody
// not signed in: nobody claims a user, or a browser holds a stale cookie.
func (d *decided) isAnonymous() bool {
	return errors.Is(d.err, ErrNoCredential) || errors.Is(d.err, ErrInvalidSession) && !d.credential.Header
}

// markPrivate says, before anything else can be written, that the answer is one
// user's. A handler may set a Cache-Control of its own. The values stand in fields,
// which belongs to this request alone: a handler may write into them.
func markPrivate(h http.Header, fields *[2]string) {
	values := fields[:]
	values[0], values[1] = "Cookie, Authorization", "private"
	if len(h) == 0 { // as nearly always
		h["Vary"], h["Cache-Control"] = only(values, 0), only(values, 1)
		return
	}
	if others := h["Vary"]; len(others) > 0 {
		h["Vary"] = append(others, values[0])
	} else {
		h["Vary"] = only(values, 0)
	}
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = only(values, 1)
	}
}

// only gives one value of an array that several fields share: to append to it
// copies it.
func only(values []string, i int) []string { return values[i : i+1 : i+1] }

// decideRequest decides about a request, into d, and tells Observe.
func (a *Authenticator) decideRequest(d *decided, r *http.Request, optional bool) {
	arrived := a.arrival()
	a.settle(d, r)
	a.observe(r.Context(), d, arrived, optional && d.isAnonymous())
}

// settle works on locals and writes d once, at the end: through the pointer each
// field would have a write barrier of its own while the collector runs. Until then,
// and so after a panic, d is a failure.
func (a *Authenticator) settle(d *decided, r *http.Request) {
	d.err = panicError{}
	defer a.rescue()
	var e *entry
	var cached bool
	cred, err := a.find(r)
	if err == nil {
		e, cached, err = a.decide(r.Context(), &cred)
	}
	if isMalformed(err) && !cred.hasHeaderSyntax() {
		err = errMalformed
	}
	*d = decided{credential: cred, entry: e, cached: cached, err: err}
}

// isMalformed is for the errors of decide, which wraps none.
func isMalformed(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Kind == ErrInvalidSession && e.Reason == ReasonMalformed
}

// rescue is deferred. A panic is a failure of ours: the stack is logged, and the
// request ends with 500.
func (a *Authenticator) rescue() {
	if v := recover(); v != nil {
		a.upstream.logPanic(v)
	}
}

// Authenticate decides about a request as Require does, without answering it:
// for frameworks with middleware of another shape. Behind this Authenticator's
// Require or Optional it gives what those decided. WriteError answers its
// errors.
func (a *Authenticator) Authenticate(r *http.Request) (*Identity, error) {
	if c := a.decidedBefore(r.Context()); c != nil {
		if c.err != nil {
			return nil, own(c.err)
		}
		return c.identity(), nil
	}
	var d decided
	a.decideRequest(&d, r, false)
	return d.result()
}

// Verify decides about a credential that came some other way, such as gRPC
// metadata. The cross-origin check is the caller's then, and what lacks the
// syntax of a header is ErrInvalidSession like any other invention.
func (a *Authenticator) Verify(ctx context.Context, cred Credential) (*Identity, error) {
	d := decided{err: panicError{}} // until it is overwritten
	arrived := a.arrival()
	func() {
		defer a.rescue()
		d.entry, d.cached, d.err = a.decide(ctx, &cred)
	}()
	a.observe(ctx, &d, arrived, false)
	return d.result()
}

// Forget drops what is cached about these sessions or users, by their ids. The
// next request that carries a token asks Stytch again, and a JWT is verified
// and its user loaded again.
func (a *Authenticator) Forget(ids ...string) {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	a.caches.forget(set)
}

// Client returns the client for Stytch's API that the Authenticator uses, for
// calls of the application's own.
func (a *Authenticator) Client() *stytch.Client { return a.client }
