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
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestWriteError(t *testing.T) {
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

		{"a reason changes nothing", &sessionauth.Error{Kind: sessionauth.ErrInvalidSession, Reason: sessionauth.ReasonRevoked}, 401, realm + `, error="invalid_token"`, "", session},
		{"wrapped", fmt.Errorf("handler: %w", sessionauth.ErrForbidden), 403, scope, "", forbidden},
		{"wrapped with what it carries", fmt.Errorf("handler: %w", later(5*time.Second)), 503, "", "5", unavailable},
		{"cannot decide is not no", errors.Join(sessionauth.ErrInvalidSession, sessionauth.ErrUnavailable), 503, "", "1", unavailable},
		{"a foreign error", errors.New("sql: no rows"), 500, "", "", internal},
		{"a context's end", context.Canceled, 500, "", "", internal},
		{"Stytch's no, not through us", &stytch.Error{StatusCode: 404, Type: stytch.TypeSessionNotFound}, 500, "", "", internal},
		{"an Error without a kind", &sessionauth.Error{}, 500, "", "", internal},
		{"nil", nil, 500, "", "", internal},
		{"a refusal is never a success", &sessionauth.Error{Kind: sessionauth.ErrInvalidSession, Status: 200}, 401, realm + `, error="invalid_token"`, "", session},
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

func TestWriteErrorReplacesWhatTheHandlerPromised(t *testing.T) {
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

func TestErrorsCarryTheirCause(t *testing.T) {
	broken := errors.New("broken pipe")
	fault := func(w stytchtest.Fault) func(*stage) {
		return func(s *stage) { s.SetFault(pathAuthenticate, w) }
	}
	cut := func(s *stage) {
		s.Tap(pathAuthenticate, func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, broken })
	}
	for _, row := range []struct {
		name   string
		change func(*stage)
		kind   error
		reason sessionauth.Reason
		cause  func(error) bool
	}{
		{"Stytch fails", fault(stytchtest.Fault{Status: 500}), sessionauth.ErrUnavailable, sessionauth.ReasonStytchFailing, isStytchError(500, "internal_server_error")},
		{"Stytch refuses the project", fault(stytchtest.Fault{Status: 401, ErrorType: stytch.TypeUnauthorizedCredentials}), sessionauth.ErrUnavailable, sessionauth.ReasonMisconfigured, isStytchError(401, stytch.TypeUnauthorizedCredentials)},
		{"the connection breaks", cut, sessionauth.ErrUnavailable, sessionauth.ReasonUnreachable, func(err error) bool { return errors.Is(err, broken) }},
		{"Stytch says no", func(s *stage) { s.RevokeSession(s.Session.ID) }, sessionauth.ErrInvalidSession, sessionauth.ReasonRejected, isStytchError(404, stytch.TypeSessionNotFound)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(t)
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

func TestErrorsOfAnExtractor(t *testing.T) {
	odd := errors.New("odd header")
	for _, row := range []struct {
		name string
		err  error
		kind error
	}{
		{"no credential", sessionauth.ErrNoCredential, sessionauth.ErrNoCredential},
		{"no credential, wrapped", fmt.Errorf("mine: %w", sessionauth.ErrNoCredential), sessionauth.ErrNoCredential},
		{"an error of its own", odd, sessionauth.ErrInvalidRequest},
		{"a kind that is not the extractor's to give", sessionauth.ErrForbidden, sessionauth.ErrInvalidRequest},
		{"nothing, and no error", nil, sessionauth.ErrNoCredential},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(t, func(c *sessionauth.Config) {
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

func TestErrorHandler(t *testing.T) {
	var got []error
	s := newStage(t, func(c *sessionauth.Config) {
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

func TestVaryAndCacheControl(t *testing.T) {
	const ours = "Cookie, Authorization"
	header := func(pairs ...string) func(http.Header) {
		return func(h http.Header) {
			for i := 0; i < len(pairs); i += 2 {
				h.Set(pairs[i], pairs[i+1])
			}
		}
	}
	for _, row := range []struct {
		name          string
		before, after func(http.Header) // what stands in front sets, and what the handler sets
		vary          []string
		cacheControl  string
	}{
		{"the handler sets nothing", header(), header(), []string{ours}, "private"},
		{"the handler says public", header(), header("Cache-Control", "public, max-age=60"), []string{ours}, "public, max-age=60"},
		{"the handler says no-store", header(), header("Cache-Control", "no-store"), []string{ours}, "no-store"},
		{"in front it says no-cache", header("Cache-Control", "no-cache"), header(), []string{ours}, "no-cache"},
		{"in front there is Vary", header("Vary", "Accept-Encoding"), header(), []string{"Accept-Encoding", ours}, "private"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(t)
			guarded := s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { row.after(w.Header()) }))
			s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				row.before(w.Header())
				guarded.ServeHTTP(w, r)
			})
			for _, fields := range [][]string{{bearer(s.Session.JWT)}, {}} {
				resp := s.Get(fields...)
				want := row.cacheControl
				if resp.StatusCode == 401 {
					want = "no-store"
				}
				if got := resp.Header.Get("Cache-Control"); got != want {
					t.Errorf("%d: got Cache-Control %q, want %q", resp.StatusCode, got, want)
				}
				if got := resp.Header.Values("Vary"); !slices.Equal(got, row.vary) {
					t.Errorf("%d: got Vary %q, want %q", resp.StatusCode, got, row.vary)
				}
			}
		})
	}
}

func TestVaryIsSaidOnce(t *testing.T) {
	s := newStage(t)
	s.Handler = s.Auth.Optional(s.Auth.Require(s.Next()))
	if got := s.Get(bearer(s.Session.JWT)).Header.Values("Vary"); !slices.Equal(got, []string{"Cookie, Authorization"}) {
		t.Errorf("got Vary %q, want it once", got)
	}
}
