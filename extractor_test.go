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

// Credential and Require accept and refuse the same credentials of a custom Extractor.
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

// The Vary field of the response names the header field that the extractor reads.
func TestRequire_VaryNamesTheExtractorsHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, row := range map[string]struct {
			extractor sessionauth.Extractor
			want      string
		}{
			"the default": {nil, "Cookie, Authorization"},
			"FromHeader":  {sessionauth.FromHeader("x-session"), "Cookie, Authorization, X-Session"},
			"in FirstOf":  {sessionauth.FirstOf(sessionauth.FromHeader("X-B"), sessionauth.FromBearer, sessionauth.FromHeader("X-A")), "Cookie, Authorization, X-A, X-B"},
			"one that panics": {func(r *http.Request) (sessionauth.Credential, error) {
				if r.Host == "" {
					panic("no host")
				}
				return sessionauth.FromBearer(r)
			}, "Cookie, Authorization"},
		} {
			s := newEnv(t, func(c *sessionauth.Config) { c.Extractor = row.extractor })
			for _, field := range []string{"X-Session: " + s.Session.Token, "X-Other: x"} {
				if got := s.Get(field).Header["Vary"]; len(got) != 1 || got[0] != row.want {
					t.Errorf("%s: got Vary %q, want %q", name, got, row.want)
				}
			}
		}
	})
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

func TestSignOutCredential(t *testing.T) {
	s := newEnv(t)
	token := func(i int) string { return fmt.Sprintf("abcdefghijklmnopqrstuvwxyz%03d", i) }
	cookies := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("; stytch_session=" + token(i))
		}
		return "Cookie: " + strings.TrimPrefix(b.String(), "; ")
	}
	for _, row := range []struct {
		name   string
		fields []string
		kind   error // nil if there is no error
		empty  bool
		header bool
		more   bool
	}{
		{name: "no credential", kind: sessionauth.ErrNoCredential, empty: true},
		{name: "malformed cookies only", fields: []string{"Cookie: stytch_session=x; stytch_session=y; stytch_session_jwt=e.x"}, kind: sessionauth.ErrNoCredential, empty: true},
		{name: "one cookie", fields: []string{cookies(1)}},
		{name: "five cookies", fields: []string{cookies(5)}},
		{name: "sixteen cookies", fields: []string{cookies(16)}},
		{name: "seventeen cookies", fields: []string{cookies(17)}, more: true},
		{name: "more cookies than net/http reads", fields: []string{cookies(3001)}, kind: sessionauth.ErrNoCredential, empty: true, more: true},
		{name: "a header", fields: []string{bearer(s.Session.JWT)}, header: true},
		{name: "a header and cookies", fields: []string{bearer(s.Session.JWT), cookies(17)}, header: true, more: true},
		{name: "a malformed header", fields: []string{"Authorization: Bearer"}, kind: sessionauth.ErrInvalidRequest, empty: true},
		{name: "a header without the syntax of a credential", fields: []string{"Authorization: Bearer a b"}, kind: sessionauth.ErrInvalidRequest, empty: true},
		{name: "a malformed header and cookies", fields: []string{"Authorization: Bearer", cookies(5)}, kind: sessionauth.ErrInvalidRequest},
		{name: "from another origin", fields: []string{"Sec-Fetch-Site: cross-site", cookies(1)}, kind: sessionauth.ErrCrossOrigin, empty: true},
		{name: "a header from another origin", fields: []string{"Sec-Fetch-Site: cross-site", bearer(s.Session.JWT), cookies(1)}, kind: sessionauth.ErrCrossOrigin, empty: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRequest("POST", row.fields...)
			cred, more, err := s.Auth.SignOutCredential(r)
			if !errors.Is(err, row.kind) || more != row.more || cred.Header != row.header {
				t.Errorf("got header: %t, more: %t, %v, want header: %t, more: %t, %v", cred.Header, more, err, row.header, row.more, row.kind)
			}
			if empty := errors.Is(s.Auth.SignOut(t.Context(), cred), sessionauth.ErrNoCredential); empty != row.empty {
				t.Errorf("got an empty credential: %t, want %t", empty, row.empty)
			}
			if row.header {
				return
			}
			if _, err := s.Auth.Verify(t.Context(), cred); !errors.Is(err, sessionauth.ErrNoCredential) {
				t.Errorf("got %v from Verify, want ErrNoCredential: it is for SignOut only", err)
			}
		})
	}
}

// Require refuses a request whose cookie has more values than it examines. Only a sign-out reads
// all of them.
func TestRequire_FiveCookies(t *testing.T) {
	s := newEnv(t)
	fields := []string{"Cookie: stytch_session=" + s.Session.Token}
	for i := range 4 {
		fields = append(fields, fmt.Sprintf("Cookie: stytch_session=abcdefghijklmnopqrstuvwxyz%03d", i))
	}
	s.Want(s.Get(fields...), 400)
	if cred, err := s.Auth.Credential(newRequest("GET", fields...)); !errors.Is(err, sessionauth.ErrInvalidRequest) || cred != (sessionauth.Credential{}) {
		t.Errorf("got %v, want ErrInvalidRequest and no credential", err)
	}
	s.WantPassed(0, "")
	s.WantCalls(pathAuthenticate, 0)
}

// With GODEBUG=panicnil=1, recover returns nil for panic(nil). A panic in the extractor must still
// not let the request pass.
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
		text := log.String()
		for _, want := range []string{"type=string", fmt.Sprintf(`value="%d bytes`, len("Bearer "+s.Session.JWT)), "goroutine ", "extractor_test.go"} {
			if strings.Count(text, want) < 2 {
				t.Errorf("got the log %q, want %q in it twice", text, want)
			}
		}
		if strings.Contains(text, s.Session.JWT) {
			t.Errorf("got the log %q, want no credential", text)
		}
	})
}
