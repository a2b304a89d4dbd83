package sessionauth_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The caller may keep and change an error.
func TestError_IsACopy(t *testing.T) {
	s := newEnv(t)
	malformed := "Authorization: Bearer ==="
	crossOrigin := func() *http.Request {
		return newRequest("POST", tokenCookie(s.Session.Token), "Sec-Fetch-Site: cross-site")
	}
	for name, get := range map[string]func() error{
		"Credential": func() error { _, err := s.Auth.Credential(newRequest("GET", malformed)); return err },
		"FromBearer": func() error {
			_, err := sessionauth.FromBearer(newRequest("GET", "Authorization: Bearer "))
			return err
		},
		"CheckOrigin": func() error { return s.Auth.CheckOrigin(crossOrigin()) },
	} {
		var e *sessionauth.Error
		if !errors.As(get(), &e) {
			t.Fatalf("%s: got no *Error", name)
		}
		e.Kind, e.Status = sessionauth.ErrUnavailable, 422
	}
	s.Want(s.Get(malformed), 400)
	s.Want(s.Get("Authorization: Bearer "), 400)
	s.Want(s.Do(crossOrigin()), 403)
}

func TestError_Unwrap(t *testing.T) {
	broken := errors.New("broken pipe")
	fault := func(w stytchtest.Fault) func(*env) {
		return func(s *env) { s.SetFault(pathAuthenticate, w) }
	}
	cut := func(s *env) {
		s.Tap(pathAuthenticate, func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, broken })
	}
	for _, row := range []struct {
		name   string
		change func(*env)
		kind   error
		reason sessionauth.Reason
		cause  func(error) bool
	}{
		{"Stytch fails", fault(stytchtest.Fault{Status: 500}), sessionauth.ErrUnavailable, sessionauth.ReasonStytchFailing, isStytchError(500, "internal_server_error")},
		{"Stytch rejects the project", fault(stytchtest.Fault{Status: 401, ErrorType: stytch.TypeUnauthorizedCredentials}), sessionauth.ErrUnavailable, sessionauth.ReasonMisconfigured, isStytchError(401, stytch.TypeUnauthorizedCredentials)},
		{"the connection breaks", cut, sessionauth.ErrUnavailable, sessionauth.ReasonUnreachable, func(err error) bool { return errors.Is(err, broken) }},
		{"Stytch rejects the session", func(s *env) { s.RevokeSession(s.Session.ID) }, sessionauth.ErrInvalidSession, sessionauth.ReasonRejected, isStytchError(404, stytch.TypeSessionNotFound)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newEnv(t)
			row.change(s)
			_, err := s.Auth.Verify(t.Context(), sessionauth.Credential{Token: s.Session.Token})
			var e *sessionauth.Error
			if !errors.Is(err, row.kind) || !errors.As(err, &e) || e.Kind != row.kind || e.Reason != row.reason {
				t.Errorf("got %v, want %v: %s", err, row.kind, row.reason)
			}
			if !row.cause(err) {
				t.Errorf("got %#v, want one that wraps its cause", err)
			}
		})
	}
}

func isStytchError(status int, kind string) func(error) bool {
	return func(err error) bool {
		var e *stytch.Error
		return errors.As(err, &e) && e.StatusCode == status && e.Type == kind
	}
}

// pairs are the kinds with the reasons that come with them.
var pairs = map[error][]sessionauth.Reason{
	sessionauth.ErrNoCredential:   {"", sessionauth.ReasonNoCredential, "missing_require"},
	sessionauth.ErrInvalidRequest: {"", sessionauth.ReasonMalformed, sessionauth.ReasonAmbiguous},
	sessionauth.ErrInvalidSession: {
		"", sessionauth.ReasonMalformed, sessionauth.ReasonBadHeader, sessionauth.ReasonUnknownKey, sessionauth.ReasonBadSignature,
		sessionauth.ReasonBadClaims, sessionauth.ReasonWrongIssuer, sessionauth.ReasonWrongAudience, sessionauth.ReasonBadTime,
		sessionauth.ReasonEnded, sessionauth.ReasonRevoked, sessionauth.ReasonRejected, sessionauth.ReasonOtherSession,
	},
	sessionauth.ErrCrossOrigin: {"", sessionauth.ReasonCrossOrigin},
	sessionauth.ErrForbidden:   {"", sessionauth.ReasonRole, sessionauth.ReasonPermission, sessionauth.ReasonImpersonated},
	sessionauth.ErrStepUp:      {"", sessionauth.ReasonFactor, sessionauth.ReasonRecency},
	sessionauth.ErrUnavailable: {
		"", sessionauth.ReasonNoPolicy, sessionauth.ReasonNoKeySet, sessionauth.ReasonUnreachable, sessionauth.ReasonStytchFailing,
		sessionauth.ReasonRateLimited, sessionauth.ReasonMisconfigured, sessionauth.ReasonOverloaded, sessionauth.ReasonNotKept,
		sessionauth.ReasonBreakerOpen, sessionauth.ReasonRevocations, sessionauth.ReasonCanceled,
	},
	sessionauth.ErrSignIn:          {"", sessionauth.ReasonRejected},
	sessionauth.ErrResetPassword:   {"", sessionauth.ReasonRejected},
	sessionauth.ErrTooManyAttempts: {"", sessionauth.ReasonRateLimited},
	nil:                            {"", sessionauth.ReasonInternal},
}

func TestError_TextDoesNotRepeatItself(t *testing.T) {
	for kind, reasons := range pairs {
		for _, reason := range reasons {
			text := (&sessionauth.Error{Kind: kind, Reason: reason}).Error()
			seen := map[string]bool{}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' }) {
				if seen[word] {
					t.Errorf("got %q, which says %q twice", text, word)
				}
				seen[word] = true
			}
			if !strings.HasPrefix(text, "sessionauth: ") || !strings.Contains(strings.ReplaceAll(text, "-", "_"), string(reason)) &&
				!strings.Contains(text, strings.ReplaceAll(string(reason), "_", " ")) && reason != sessionauth.ReasonCrossOrigin {
				t.Errorf("got %q, want a text that begins with sessionauth and says %s", text, reason)
			}
		}
	}
}

// A certificate authority that this machine does not trust: before and after the
// circuit breaker opens, whatever needs the call.
func TestError_UnknownAuthority(t *testing.T) {
	for name, credential := range map[string]func(*env) sessionauth.Credential{
		"a token": func(s *env) sessionauth.Credential { return sessionauth.Credential{Token: s.Session.Token} },
		"a JWT":   func(s *env) sessionauth.Credential { return sessionauth.Credential{JWT: s.Session.JWT} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log authtest.Log
				s := newEnv(t, log.Record)
				s.SetFault("", stytchtest.Fail(fmt.Errorf("Authorization: Basic %s: %w", s.Session.Token, x509.UnknownAuthorityError{})))
				for i := range 12 {
					_, err := s.Auth.Verify(t.Context(), credential(s))
					if !errors.As(err, new(x509.UnknownAuthorityError)) || errors.Unwrap(err) == nil {
						t.Errorf("got %v as error %d, want one that wraps an x509.UnknownAuthorityError", err, i)
					}
					if got := fmt.Sprintf("%+v", err); !strings.Contains(got, "x509: certificate signed by unknown authority") || strings.Contains(got, s.Session.Token) {
						t.Errorf("got %s, want one that names the authority", got)
					}
					time.Sleep(250 * time.Millisecond) // the key set may not be fetched more often
				}
				if got := strings.Count(log.String(), "level=WARN"); got != 1 {
					t.Errorf("got %d warnings, want 1:\n%s", got, log.String())
				}
				for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
					if !strings.Contains(line, "x509: certificate signed by unknown authority") {
						t.Errorf("got the line %s, want one that names the authority", line)
					}
				}
			})
		})
	}
}

func TestError_Is(t *testing.T) {
	for kind, reasons := range pairs {
		e := &sessionauth.Error{Kind: kind, Reason: reasons[len(reasons)-1]}
		for other := range pairs {
			if got := errors.Is(e, other); other != nil && got != (other == kind) {
				t.Errorf("got errors.Is(%v, %v) = %t, want %t", e, other, got, other == kind)
			}
		}
	}
}
