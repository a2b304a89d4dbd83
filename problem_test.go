package sessionauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
)

func TestWriteError_EveryKind(t *testing.T) {
	const (
		ms     = time.Millisecond
		realm  = `Bearer realm="api"`
		scope  = realm + `, error="insufficient_scope"`
		stepUp = realm + `, error="insufficient_user_authentication"`
	)
	var (
		unavailable = authtest.Problem(503, "unavailable", "Cannot decide at this time")
		crossOrigin = authtest.Problem(403, "cross-origin", "Cross-origin request")
		invalid     = authtest.Problem(400, "invalid-request", "Ambiguous or malformed request")
		forbidden   = authtest.Problem(403, "forbidden", "Not allowed")
		fresh       = authtest.Problem(401, "step-up", "Fresh authentication required")
		session     = authtest.Problem(401, "invalid-session", "Invalid session")
		signIn      = authtest.Problem(401, "sign-in-refused", "Wrong e-mail address or password")
		reset       = authtest.Problem(403, "reset-password", "The password must be reset")
		tooMany     = authtest.Problem(429, "too-many-attempts", "Too many attempts")
		none        = authtest.Problem(401, "no-credential", "Authentication required")
		internal    = authtest.Problem(500, "internal", "Internal error")
	)
	later := func(d time.Duration) error {
		return &sessionauth.Error{Kind: sessionauth.ErrUnavailable, RetryAfter: d}
	}
	for _, row := range []struct {
		name       string
		err        error
		status     int
		challenge  string
		retryAfter string
		body       string
	}{
		{"ErrNoCredential", sessionauth.ErrNoCredential, 401, realm, "", none},
		{"ErrInvalidRequest", sessionauth.ErrInvalidRequest, 400, realm + `, error="invalid_request"`, "", invalid},
		{"ErrInvalidSession", sessionauth.ErrInvalidSession, 401, realm + `, error="invalid_token"`, "", session},
		{"ErrCrossOrigin", sessionauth.ErrCrossOrigin, 403, "", "", crossOrigin},
		{"ErrForbidden", sessionauth.ErrForbidden, 403, scope, "", forbidden},
		{"ErrStepUp", sessionauth.ErrStepUp, 401, stepUp, "", fresh},
		{"ErrUnavailable", sessionauth.ErrUnavailable, 503, "", "1", unavailable},
		{"ErrSignIn", sessionauth.ErrSignIn, 401, realm, "", signIn},
		{"ErrResetPassword", sessionauth.ErrResetPassword, 403, "", "", reset},
		{"ErrTooManyAttempts", sessionauth.ErrTooManyAttempts, 429, "", "1", tooMany},

		{"Retry-After of a nanosecond", later(1), 503, "", "1", unavailable},
		{"Retry-After of a second", later(1000 * ms), 503, "", "1", unavailable},
		{"Retry-After of a bit more than a second", later(1001 * ms), 503, "", "2", unavailable},
		{"Retry-After of a minute", later(time.Minute), 503, "", "60", unavailable},
		{"Retry-After in the past", later(-time.Minute), 503, "", "1", unavailable},
		{"Retry-After of too many attempts", &sessionauth.Error{Kind: sessionauth.ErrTooManyAttempts, RetryAfter: 6500 * ms}, 429, "", "7", tooMany},

		{"step-up by recency", &sessionauth.Error{Kind: sessionauth.ErrStepUp, MaxAge: 10 * time.Minute}, 401, stepUp + `, max_age="600"`, "", fresh},
		{"step-up by factor", &sessionauth.Error{Kind: sessionauth.ErrStepUp, ACRValues: []string{"totp", "webauthn"}}, 401, stepUp + `, acr_values="totp webauthn"`, "", fresh},
		{"step-up by both", &sessionauth.Error{Kind: sessionauth.ErrStepUp, MaxAge: 90 * time.Second, ACRValues: []string{"totp"}}, 401, stepUp + `, max_age="90", acr_values="totp"`, "", fresh},
		{"forbidden by permission", &sessionauth.Error{Kind: sessionauth.ErrForbidden, Resource: "documents", Action: "delete"}, 403, scope, "",
			strings.TrimSuffix(forbidden, "}") + `,"resource":"documents","action":"delete"}`},
		{"a body too long", &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Status: 413}, 413, "", "", authtest.Problem(413, "invalid-request", "Ambiguous or malformed request")},

		{"a reason does not change the answer", &sessionauth.Error{Kind: sessionauth.ErrInvalidSession, Reason: sessionauth.ReasonRevoked}, 401, realm + `, error="invalid_token"`, "", session},
		{"wrapped", fmt.Errorf("handler: %w", sessionauth.ErrForbidden), 403, scope, "", forbidden},
		{"wrapped with Retry-After", fmt.Errorf("handler: %w", later(5*time.Second)), 503, "", "5", unavailable},
		{"unavailable wins over invalid", errors.Join(sessionauth.ErrInvalidSession, sessionauth.ErrUnavailable), 503, "", "1", unavailable},
		{"another error", errors.New("sql: no rows"), 500, "", "", internal},
		{"context.Canceled", context.Canceled, 500, "", "", internal},
		{"a stytch.Error", &stytch.Error{StatusCode: 404, Type: stytch.TypeSessionNotFound}, 500, "", "", internal},
		{"an Error without a kind", &sessionauth.Error{}, 500, "", "", internal},
		{"nil", nil, 500, "", "", internal},
		{"a status of success", &sessionauth.Error{Kind: sessionauth.ErrInvalidSession, Status: 200}, 401, realm + `, error="invalid_token"`, "", session},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			sessionauth.WriteError(w, newRequest("GET"), row.err)
			if w.Code != row.status {
				t.Errorf("got status %d, want %d", w.Code, row.status)
			}
			for name, want := range map[string]string{
				"WWW-Authenticate":       row.challenge,
				"Retry-After":            row.retryAfter,
				"Content-Type":           "application/problem+json",
				"Cache-Control":          "no-store",
				"X-Content-Type-Options": "nosniff",
			} {
				if got := strings.Join(w.Header().Values(name), "; "); got != want {
					t.Errorf("got %s %q, want %q", name, got, want)
				}
			}
			if got := strings.TrimSuffix(w.Body.String(), "\n"); got != row.body {
				t.Errorf("got body %s, want %s", got, row.body)
			}
		})
	}
}

func TestWriteError_ReplacesTheHeader(t *testing.T) {
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Length", "Content-Type", "Cache-Control", "WWW-Authenticate"} {
		w.Header().Set(name, "1")
	}
	sessionauth.WriteError(w, newRequest("GET"), sessionauth.ErrNoCredential)
	want := http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"},
		"Www-Authenticate": {`Bearer realm="api"`}, "X-Content-Type-Options": {"nosniff"},
	}
	if got := fmt.Sprint(w.Header()); got != fmt.Sprint(want) {
		t.Errorf("got %s, want %s", got, fmt.Sprint(want))
	}
}

func TestErrorHandler_WritesTheAnswer(t *testing.T) {
	var got []error
	s := newEnv(t, func(c *sessionauth.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
			got = append(got, err)
			http.Error(w, "sign in first", http.StatusTeapot)
		}
	})
	resp := s.Get()
	s.Want(resp, http.StatusTeapot)
	if vary := resp.Header.Get("Vary"); vary != "Cookie, Authorization" {
		t.Errorf("got Vary %q, want it before the ErrorHandler runs", vary)
	}
	s.Want(s.Get(bearer("x")), http.StatusTeapot)
	s.Want(s.Send("POST", jwtCookie(s.Session.JWT), "Sec-Fetch-Site: cross-site"), http.StatusTeapot)
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	s.WantPassed(1, s.Session.ID)
	want := []error{sessionauth.ErrNoCredential, sessionauth.ErrInvalidSession, sessionauth.ErrCrossOrigin}
	if !slices.EqualFunc(got, want, errors.Is) {
		t.Errorf("got errors %v, want %v", got, want)
	}
}
