package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The names of the cases that targets use.
const (
	floorSHA     = "floor: SHA-256 of the JWT"
	floorTokSHA  = "floor: SHA-256 of the opaque token"
	floorClone   = "floor: request clone with one value"
	floorRSA     = "floor: bare RSA verification"
	floorCookies = "floor: net/http parses the cookies"

	warmHeader   = "sessionauth: warm JWT, header"
	warmCookie   = "sessionauth: warm JWT, cookie"
	opaqueHeader = "sessionauth: warm opaque token, header"
	opaqueCookie = "sessionauth: warm opaque token, cookie"
	firstSight   = "sessionauth: first sight of a JWT"
	forged       = "sessionauth: forged JWT"
	shortGarbage = "sessionauth: garbage, short"
	longGarbage  = "sessionauth: garbage as long as a JWT"
	hugeGarbage  = "sessionauth: garbage of 18 KB"

	scsCookie = "scs: session, cookie"
)

// A cache of firstSightCache credentials always misses when firstSights JWTs take
// turns: an LRU has already evicted the next one.
const (
	firstSightCache = 64
	firstSights     = 3 * firstSightCache
)

// sessionsInUse is the number of sessions that fill the cache, as in a service that has been
// running for a while. It is the default of CacheSize.
const sessionsInUse = 10_000

// fillCache sends one request for each of n sessions, each of another user.
func fillCache(p *provider, h http.Handler, n int) error {
	for i := range n {
		user := p.stytch.AddUser(stytchtest.User{Email: fmt.Sprintf("user%d@example.com", i), TrustedMetadata: map[string]any{"plan": "pro"}})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, bearer(p.signInAs(user.ID).JWT))
		if w.Code != http.StatusOK {
			return fmt.Errorf("session %d: got status %d", i, w.Code)
		}
	}
	return nil
}

// warmSessions is the number of sessions that the goroutines share.
const warmSessions = 16

// A workload is one case. start returns a function that runs the case n times. Each goroutine needs
// its own function.
type workload struct {
	name     string
	start    func() func(n int)
	parallel bool // also measured on two goroutines

	handler http.Handler    // nil if the workload is a plain function
	request []*http.Request // the requests, sent to handler in turn
	status  int             // the expected status
}

// A discard is a ResponseWriter that keeps only the header.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// WriteString implements io.StringWriter, as the ResponseWriter of net/http does.
func (d *discard) WriteString(s string) (int, error) { return len(s), nil }

// serving returns a workload of requests to a handler.
func serving(name string, h http.Handler, status int, requests ...*http.Request) workload {
	next := 0 // not reset between slices, because then a slice would begin with cache hits
	return workload{name: name, handler: h, request: requests, status: status, start: func() func(int) {
		w := &discard{http.Header{}}
		if len(requests) == 1 {
			r := requests[0].Clone(context.Background())
			return func(n int) {
				for range n {
					clear(w.header)
					h.ServeHTTP(w, r)
				}
			}
		}
		return func(n int) {
			for range n {
				clear(w.header)
				h.ServeHTTP(w, requests[next%len(requests)])
				next++
			}
		}
	}}
}

// servingEach is like serving, but each goroutine sends another request. Goroutines with the same
// session would contend for one shard of the cache, which real users do not.
func servingEach(name string, h http.Handler, status int, requests ...*http.Request) workload {
	w := serving(name, h, status, requests...)
	next := 0
	w.start = func() func(int) {
		next++
		return serving(name, h, status, requests[next%len(requests)]).start()
	}
	return inParallel(w)
}

func inParallel(w workload) workload {
	w.parallel = true
	return w
}

// calling returns a workload that calls a plain function.
func calling(name string, call func()) workload {
	return workload{name: name, start: func() func(int) {
		return func(n int) {
			for range n {
				call()
			}
		}
	}}
}

// get returns a request as a server would receive it. If name is not empty, the request has this
// additional header field.
func get(name, value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Accept-Encoding", "gzip, deflate, br")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
	if name != "" {
		r.Header.Set(name, value)
	}
	return r
}

func bearer(credential string) *http.Request { return get("Authorization", "Bearer "+credential) }

var empty = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// newAuthenticator configures sessionauth as its README does, but with the in-memory Stytch.
func newAuthenticator(p *provider, change func(*sessionauth.Config)) (*sessionauth.Authenticator, error) {
	config := sessionauth.Config{
		ProjectID:  p.stytch.ProjectID,
		Secret:     p.stytch.Secret,
		BaseURL:    p.stytch.URL,
		HTTPClient: p.stytch.Client(),
	}
	if change != nil {
		change(&config)
	}
	auth, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	return auth, auth.Warm(context.Background())
}

// cases returns all cases in the order of the table.
func cases(p *provider) ([]workload, error) {
	session := p.signIn()
	own, err := ownCases(p, session)
	if err != nil {
		return nil, err
	}
	peers, err := peerCases(p, session.JWT)
	if err != nil {
		return nil, err
	}
	all := append(floorCases(p, session), append(own, peers...)...)
	for _, w := range all {
		if err := w.check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// handlerOf returns the handler of a case.
func handlerOf(all []workload, name string) http.Handler {
	for _, w := range all {
		if w.name == name {
			return w.handler
		}
	}
	panic("bench: no case named " + name)
}

// check sends every request once and checks the status, because a case that measured rejections by
// mistake would look fast.
func (w *workload) check() error {
	for _, r := range w.request {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r.Clone(context.Background()))
		if rec.Code != w.status {
			return fmt.Errorf("%s: got status %d, want %d", w.name, rec.Code, w.status)
		}
	}
	return nil
}

func ownCases(p *provider, session stytchtest.Session) ([]workload, error) {
	auth, err := newAuthenticator(p, nil)
	if err != nil {
		return nil, err
	}
	small, err := newAuthenticator(p, func(c *sessionauth.Config) { c.CacheSize = firstSightCache })
	if err != nil {
		return nil, err
	}
	fresh := make([]*http.Request, firstSights)
	for i := range fresh {
		fresh[i] = bearer(p.signIn().JWT)
	}
	var jwts, tokens []*http.Request
	for range warmSessions {
		s := p.signIn()
		jwts, tokens = append(jwts, bearer(s.JWT)), append(tokens, bearer(s.Token))
	}
	h := auth.Require(empty)
	return []workload{
		servingEach(warmHeader, h, 200, jwts...),
		serving(warmCookie, h, 200, get("Cookie", bothCookies(session))),
		servingEach(opaqueHeader, h, 200, tokens...),
		serving(opaqueCookie, h, 200, get("Cookie", "stytch_session="+session.Token)),
		serving(firstSight, small.Require(empty), 200, fresh...),
		serving(forged, h, 401, bearer(forge(session.JWT))),
		serving(shortGarbage, h, 401, bearer("garbage")),
		serving(longGarbage, h, 401, bearer(spoil(session.JWT))),
		serving(hugeGarbage, h, 401, bearer(strings.Repeat("a", 6000)+"."+strings.Repeat("b", 6000)+"."+strings.Repeat("c", 6000))),
	}, nil
}

// bothCookies returns the Cookie header of a browser that signed in with Stytch.
func bothCookies(s stytchtest.Session) string {
	return "stytch_session=" + s.Token + "; stytch_session_jwt=" + s.JWT
}

// spoil makes a JWT malformed: it replaces the first byte by a tilde, which base64 never contains.
func spoil(jwt string) string { return "~" + jwt[1:] }

// floorCases returns the operations that the targets are compared with. No middleware can avoid two
// of them: the request clone and the bare RSA verification.
func floorCases(p *provider, session stytchtest.Session) []workload {
	jwt, token := []byte(session.JWT), []byte(session.Token)
	signed := session.JWT[:strings.LastIndexByte(session.JWT, '.')]
	signature, _ := base64.RawURLEncoding.DecodeString(session.JWT[len(signed)+1:])
	sum, key := sha256.Sum256([]byte(signed)), &p.stytch.Key().PublicKey
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		panic("bench: the session JWT has a bad signature")
	}
	cookies := get("Cookie", bothCookies(session))
	type valueKey struct{}
	clone := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		empty.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), valueKey{}, p)))
	})
	return []workload{
		inParallel(calling(floorSHA, func() { runtime.KeepAlive(sha256.Sum256(jwt)) })),
		calling(floorTokSHA, func() { runtime.KeepAlive(sha256.Sum256(token)) }),
		inParallel(serving(floorClone, clone, 200, get("", ""))),
		calling(floorRSA, func() { _ = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) }),
		calling(floorCookies, func() { _ = cookies.Cookies() }),
	}
}
