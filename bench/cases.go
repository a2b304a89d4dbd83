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

// The names of the cases that targets speak of.
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
	hugeGarbage  = "sessionauth: garbage of 9 KB"

	scsCookie = "scs: session, cookie"
)

// firstSightCache is the size of a cache that is meant to miss, and firstSights
// how many JWTs go round: an LRU has always dropped the one that comes next.
const (
	firstSightCache = 64
	firstSights     = 3 * firstSightCache
)

// sessionsInUse fill the cache, as in a service that has been up for a while: it is
// CacheSize's default.
const sessionsInUse = 10_000

// fillCache lets n sessions of as many users in.
func fillCache(p *provider, h http.Handler, n int) error {
	for i := range n {
		user := p.stytch.AddUser(stytchtest.User{Email: fmt.Sprintf("user%d@example.com", i), TrustedMetadata: map[string]any{"plan": "pro"}})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, bearer(p.signInAs(user.ID).JWT))
		if w.Code != http.StatusOK {
			return fmt.Errorf("session %d: answers %d", i, w.Code)
		}
	}
	return nil
}

// warmSessions are the sessions that goroutines take their turns at.
const warmSessions = 16

// A workload is one case: start makes a function that does it n times, for one
// goroutine.
type workload struct {
	name     string
	start    func() func(n int)
	parallel bool // also measured on two goroutines

	handler http.Handler    // nil if it is no handler
	request []*http.Request // what it is asked, in turn
	status  int             // what it has to answer
}

// A discard is a ResponseWriter that keeps the header only.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// WriteString is what the server's own has, too.
func (d *discard) WriteString(s string) (int, error) { return len(s), nil }

// serving is a workload of requests to a handler.
func serving(name string, h http.Handler, status int, requests ...*http.Request) workload {
	next := 0 // goes on from slice to slice, or a slice would begin with hits
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

// eachItsOwn is serving with another request for each goroutine: two that use one
// session would meet in one shard of a cache, which users do not.
func eachItsOwn(name string, h http.Handler, status int, requests ...*http.Request) workload {
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

// calling is a workload that is no handler.
func calling(name string, call func()) workload {
	return workload{name: name, start: func() func(int) {
		return func(n int) {
			for range n {
				call()
			}
		}
	}}
}

// get makes a request as a server would receive it.
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

// newAuthenticator wires sessionauth as its README does, with the in-memory
// Stytch for Stytch.
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

// cases are all that is measured, in the order of the table.
func cases(p *provider) ([]workload, error) {
	session := p.signIn()
	ours, err := ourCases(p, session)
	if err != nil {
		return nil, err
	}
	peers, err := peerCases(p, session.JWT)
	if err != nil {
		return nil, err
	}
	all := append(floorCases(p, session), append(ours, peers...)...)
	for _, w := range all {
		if err := w.check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// handlerOf gives the handler of a case.
func handlerOf(all []workload, name string) http.Handler {
	for _, w := range all {
		if w.name == name {
			return w.handler
		}
	}
	panic("bench: no case is called " + name)
}

// check asks once, or as often as there are requests: a case that measures a
// refusal by mistake would look fast.
func (w *workload) check() error {
	for _, r := range w.request {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r.Clone(context.Background()))
		if rec.Code != w.status {
			return fmt.Errorf("%s: answers %d, want %d", w.name, rec.Code, w.status)
		}
	}
	return nil
}

func ourCases(p *provider, session stytchtest.Session) ([]workload, error) {
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
		eachItsOwn(warmHeader, h, 200, jwts...),
		serving(warmCookie, h, 200, get("Cookie", bothCookies(session))),
		eachItsOwn(opaqueHeader, h, 200, tokens...),
		serving(opaqueCookie, h, 200, get("Cookie", "stytch_session="+session.Token)),
		serving(firstSight, small.Require(empty), 200, fresh...),
		serving(forged, h, 401, bearer(forge(session.JWT))),
		serving(shortGarbage, h, 401, bearer("garbage")),
		serving(longGarbage, h, 401, bearer(spoil(session.JWT))),
		serving(hugeGarbage, h, 401, bearer(strings.Repeat("a", 3000)+"."+strings.Repeat("b", 3000)+"."+strings.Repeat("c", 3000))),
	}, nil
}

// bothCookies is what a browser sends that signed in with Stytch.
func bothCookies(s stytchtest.Session) string {
	return "stytch_session=" + s.Token + "; stytch_session_jwt=" + s.JWT
}

// spoil makes a JWT no JWT, at its beginning: ~ is in no base64.
func spoil(jwt string) string { return "~" + jwt[1:] }

// floorCases are what the targets are held against. Only the request clone and the
// bare RSA verification are things nobody can do without.
func floorCases(p *provider, session stytchtest.Session) []workload {
	jwt, token := []byte(session.JWT), []byte(session.Token)
	signed := session.JWT[:strings.LastIndexByte(session.JWT, '.')]
	signature, _ := base64.RawURLEncoding.DecodeString(session.JWT[len(signed)+1:])
	sum, key := sha256.Sum256([]byte(signed)), &p.stytch.Key().PublicKey
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		panic("the JWT that is measured has a bad signature")
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
