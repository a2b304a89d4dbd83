package sessionauth_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/sessionauth/sessionauth"
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
