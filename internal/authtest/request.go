package authtest

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/sessionauth/sessionauth"
)

// NewRequest returns a request to https://app.example.com/ with these header
// fields.
func NewRequest(method string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, "https://app.example.com/", nil)
	AddFields(r.Header, fields...)
	return r
}

// AddFields adds fields ("Name: value") to a header.
func AddFields(h http.Header, fields ...string) {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		h.Add(name, value)
	}
}

// Get sends a GET request to Env.Handler.
func (e *Env) Get(fields ...string) *http.Response { return e.Send(http.MethodGet, fields...) }

// Send sends a request to Env.Handler.
func (e *Env) Send(method string, fields ...string) *http.Response {
	return e.Do(NewRequest(method, fields...))
}

// Do sends a request to Env.Handler.
func (e *Env) Do(r *http.Request) *http.Response { return e.DoTo(e.Handler, r) }

// GetFrom sends a GET request to a handler.
func (e *Env) GetFrom(h http.Handler, fields ...string) *http.Response {
	return e.DoTo(h, NewRequest(http.MethodGet, fields...))
}

// DoTo sends a request to a handler.
func (e *Env) DoTo(h http.Handler, r *http.Request) *http.Response {
	e.Leaks.AddHeader(r.Header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// Together sends n copies of a GET request to Env.Handler at the same time.
func (e *Env) Together(n int, fields ...string) []*http.Response {
	return e.TogetherFrom(n, e.Handler, fields...)
}

// TogetherFrom sends n copies of a GET request to a handler at the same time.
func (e *Env) TogetherFrom(n int, h http.Handler, fields ...string) []*http.Response {
	answers := make([]*http.Response, n)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = e.GetFrom(h, fields...) })
	}
	wg.Wait()
	return answers
}

// Authenticate returns the identity of a GET request with one header field. The request must pass.
func (e *Env) Authenticate(field string) *sessionauth.Identity {
	e.T.Helper()
	id, err := e.Auth.Authenticate(NewRequest(http.MethodGet, field))
	if err != nil {
		e.T.Fatal(err)
	}
	return id
}

// Bearer returns an Authorization field with a credential.
func Bearer(credential string) string { return "Authorization: Bearer " + credential }

// JWTCookie returns a Cookie field with a session JWT.
func JWTCookie(jwt string) string { return "Cookie: stytch_session_jwt=" + jwt }

// TokenCookie returns a Cookie field with a session token.
func TokenCookie(token string) string { return "Cookie: stytch_session=" + token }

// BothCookies returns a Cookie field with a session token and a session JWT.
func BothCookies(token, jwt string) string {
	return "Cookie: stytch_session=" + token + "; stytch_session_jwt=" + jwt
}

// InventedToken has the form of a session token, but does not belong to a session.
const InventedToken = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"

// OtherSignature returns a JWT with one character of its signature changed. It does not change the
// last character, because that has unused bits.
func OtherSignature(jwt string) string {
	i := len(jwt) - 20
	if jwt[i] == 'A' {
		return jwt[:i] + "B" + jwt[i+1:]
	}
	return jwt[:i] + "A" + jwt[i+1:]
}

// Carriers are the two ways in which a client sends a credential. Carry converts a header field of
// either way into a field of this way.
var Carriers = []struct {
	Name  string
	Carry func(field string) string
}{
	{"header", func(field string) string { return Bearer(CredentialIn(field)) }},
	{"cookie", inCookie},
}

// CredentialIn returns the text after the last = or space of a header field. This is the
// credential, because the session tokens of stytchtest contain no =.
func CredentialIn(field string) string { return field[strings.LastIndexAny(field, "= ")+1:] }

func inCookie(field string) string {
	if credential := CredentialIn(field); strings.Count(credential, ".") == 2 {
		return JWTCookie(credential)
	}
	return TokenCookie(CredentialIn(field))
}

// UnderRace reports whether the race detector is on. If it is, time limits are wider.
func UnderRace() bool {
	build, _ := debug.ReadBuildInfo()
	for _, setting := range build.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}
