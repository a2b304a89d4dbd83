package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// jwtLifetime is the longest lifetime that a session JWT may have. No measurement
// takes longer.
const jwtLifetime = time.Hour

// A provider is the in-memory Stytch on a loopback socket. It also serves its key
// set at /jwks, where the Clerk client expects it.
type provider struct {
	stytch *stytchtest.Server
	socket *httptest.Server
	user   stytch.User

	calls atomic.Int64
	delay time.Duration // delay before each response, to simulate a network
}

func newProvider(delay time.Duration) *provider {
	p := &provider{stytch: stytchtest.NewServer(), delay: delay}
	p.stytch.JWTLifetime = jwtLifetime
	p.socket = httptest.NewServer(p)
	p.user = p.stytch.AddUser(stytchtest.User{
		Email:           "ada@example.com",
		Name:            stytch.Name{FirstName: "Ada", LastName: "Lovelace"},
		Roles:           []string{"editor"},
		TrustedMetadata: map[string]any{"plan": "pro", "tenant": "7f3c"},
	})
	return p
}

// ServeHTTP counts the call and forwards it to the in-memory Stytch.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	time.Sleep(p.delay)
	if r.URL.Path == "/jwks" {
		r = r.Clone(r.Context())
		r.URL.Path = "/.well-known/jwks.json"
	}
	p.stytch.ServeHTTP(w, r)
}

func (p *provider) jwksURL() string { return p.socket.URL + "/.well-known/jwks.json" }

func (p *provider) issuer() string { return "stytch.com/" + p.stytch.ProjectID }

// signIn starts a session with a password factor and custom claims.
func (p *provider) signIn() stytchtest.Session { return p.signInAs(p.user.ID) }

func (p *provider) signInAs(userID string) stytchtest.Session {
	return p.stytch.StartSession(userID, stytchtest.SessionOptions{
		Duration:     24 * time.Hour,
		CustomClaims: map[string]any{"tenant": "7f3c", "plan": "pro", "locale": "en-GB"},
	})
}

// forge returns the JWT with an invalid signature of the same length.
func forge(jwt string) string {
	at := strings.LastIndexByte(jwt, '.') + 1
	signature := []byte(jwt[at:])
	for i := range 40 {
		if signature[i] == 'A' {
			signature[i] = 'B'
		} else {
			signature[i] = 'A'
		}
	}
	return jwt[:at] + string(signature)
}
