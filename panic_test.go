package sessionauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

func TestRequire_PanicInTheTransport(t *testing.T) {
	rows := []struct {
		name, prefix string
		field        func(*env) string
		value        func(*env) any
	}{
		{"introspecting a token", pathAuthenticate, func(s *env) string { return bearer(s.Session.Token) }, func(s *env) any { return "token " + s.Session.Token }},
		{"loading a user", "/v1/users/", func(s *env) string { return bearer(s.Session.JWT) }, func(s *env) any { return errors.New("jwt " + s.Session.JWT) }},
		{"fetching the key set", "/v1/sessions/jwks/", func(s *env) string { return bearer(s.Session.JWT) }, func(s *env) any { return s.Session.JWT }},
		{"by http.ErrAbortHandler", pathAuthenticate, func(s *env) string { return bearer(s.Session.Token) }, func(*env) any { return http.ErrAbortHandler }},
		{"by the runtime", pathAuthenticate, func(s *env) string { return bearer(s.Session.Token) }, func(*env) any { var none []int; return none[len(none)] }},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			t.Run("200 "+row.name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log authtest.Log
					s := newEnv(t, log.Record)
					field := by.Carry(row.field(s))
					s.Tap(row.prefix, func(*http.Request, http.RoundTripper) (*http.Response, error) { panic(row.value(s)) })
					resp := s.Get(field)
					s.WantAnswer(resp, authtest.Answer{Status: 500})
					s.WantPassed(0, "")
					if text := log.String(); !strings.Contains(text, "goroutine ") || !strings.Contains(text, "panic_test.go") {
						t.Errorf("got the log %q, want the stack", text)
					}
					s.WantNothingOf(authtest.CredentialIn(field), resp)
					s.Tap("", nil)
					time.Sleep(time.Second) // a key set is not fetched again at once
					s.Want(s.Get(field), 200)
				})
			})
		}
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
