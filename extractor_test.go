package sessionauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

// Credential and Require check a credential of a custom Extractor alike.
func TestExtractor_SyntaxOfACustomCredential(t *testing.T) {
	var found sessionauth.Credential
	s := newEnv(t, func(c *sessionauth.Config) {
		c.Extractor = func(*http.Request) (sessionauth.Credential, error) { return found, nil }
	})
	for _, row := range []struct {
		name string
		cred sessionauth.Credential
		want int
	}{
		{"a good JWT and a malformed token", sessionauth.Credential{JWT: s.Session.JWT, Token: "a b c", Header: true}, 200},
		{"a token with blanks", sessionauth.Credential{Token: "a b c", Header: true}, 400},
		{"a JWT with blanks", sessionauth.Credential{JWT: "e a.b.c", Header: true}, 400},
		{"a JWT with blanks and a good token", sessionauth.Credential{JWT: "e a.b.c", Token: s.Session.Token, Header: true}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			found = row.cred
			if _, err := s.Auth.Credential(newRequest("GET")); (err != nil) != (row.want == 400) {
				t.Errorf("got %v from Credential, want the same as Require: %d", err, row.want)
			}
			if got := s.Get().StatusCode; got != row.want {
				t.Errorf("got status %d, want %d", got, row.want)
			}
		})
	}
}

func TestExtractor_Errors(t *testing.T) {
	odd := errors.New("odd header")
	for _, row := range []struct {
		name string
		err  error
		kind error
	}{
		{"no credential", sessionauth.ErrNoCredential, sessionauth.ErrNoCredential},
		{"no credential, wrapped", fmt.Errorf("mine: %w", sessionauth.ErrNoCredential), sessionauth.ErrNoCredential},
		{"another error", odd, sessionauth.ErrInvalidRequest},
		{"a kind that an extractor must not return", sessionauth.ErrForbidden, sessionauth.ErrInvalidRequest},
		{"no credential and no error", nil, sessionauth.ErrNoCredential},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newEnv(t, func(c *sessionauth.Config) {
				c.Extractor = func(*http.Request) (sessionauth.Credential, error) { return sessionauth.Credential{}, row.err }
			})
			_, err := s.Auth.Credential(newRequest("GET"))
			if !errors.Is(err, row.kind) {
				t.Errorf("got %v, want %v", err, row.kind)
			}
			if row.err == odd && !errors.Is(err, odd) {
				t.Errorf("got %v, want one that wraps %v", err, odd)
			}
			want := 401
			if row.kind == sessionauth.ErrInvalidRequest {
				want = 400
			}
			s.Want(s.Get(), want)
		})
	}
}

// With GODEBUG=panicnil=1 recover returns nil for panic(nil).
func TestRequire_PanicNilInTheExtractor(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	s := newEnv(t, func(c *sessionauth.Config) {
		c.Extractor = func(*http.Request) (sessionauth.Credential, error) { panic(nil) }
	})
	for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
		s.Handler = wrap(s.Next())
		s.Want(s.Get(bearer(s.Session.JWT)), 500)
	}
	if id, err := s.Auth.Authenticate(newRequest("GET", "")); id != nil || err == nil {
		t.Errorf("got %v, %v, want an error", id, err)
	}
	s.WantPassed(0, "")
}

func TestRequire_PanicInTheExtractor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log authtest.Log
		s := newEnv(t, log.Record, func(c *sessionauth.Config) {
			c.Extractor = func(r *http.Request) (sessionauth.Credential, error) { panic(r.Header.Get("Authorization")) }
		})
		for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
			s.Handler = wrap(s.Next())
			s.Want(s.Get(bearer(s.Session.JWT)), 500)
		}
		s.WantPassed(0, "")
		log.WantErrors(t, 2)
		if text := log.String(); !strings.Contains(text, "goroutine ") || strings.Contains(text, s.Session.JWT) {
			t.Errorf("got the log %q, want the stack and no credential", text)
		}
	})
}
