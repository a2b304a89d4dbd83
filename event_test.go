package sessionauth_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestObserve_OneEventForEachRequest(t *testing.T) {
	const (
		pass, anonymous, refused    = sessionauth.Passed, sessionauth.Anonymous, sessionauth.Refused
		unavailable, failed         = sessionauth.Unavailable, sessionauth.Failed
		nobody, cache, local, asked = sessionauth.Decider(""), sessionauth.Cache, sessionauth.Local, sessionauth.Stytch
	)
	type fields = func(*env) []string
	jwt := func(s *env) []string { return []string{bearer(s.Session.JWT)} }
	token := func(s *env) []string { return []string{bearer(s.Session.Token)} }
	text := func(fields ...string) fields { return func(*env) []string { return fields } }
	signed := func(bend func(h, c map[string]any)) fields {
		return func(s *env) []string { return []string{bearer(s.SignJWT(bend))} }
	}
	fault := func(w stytchtest.Fault) func(*env) { return func(s *env) { s.SetFault("", w) } }
	wire := func(f authtest.Tap) func(*env) { return func(s *env) { s.Tap("", f) } }
	rows := []struct {
		name    string
		prepare func(*env)
		fields  fields
		want    sessionauth.Event // without Latency and Check
	}{
		{"a JWT", nil, jwt, sessionauth.Event{Decider: local, Outcome: pass}},
		{"a JWT seen before", func(s *env) { s.Get(bearer(s.Session.JWT)) }, jwt, sessionauth.Event{Decider: cache, Outcome: pass}},
		{"a token", nil, token, sessionauth.Event{Decider: asked, Outcome: pass}},
		{"a token seen before", func(s *env) { s.Get(bearer(s.Session.Token)) }, token, sessionauth.Event{Decider: cache, Outcome: pass}},
		{"an expired JWT", (*env).Expire, jwt, sessionauth.Event{Decider: asked, Outcome: pass}},

		{"no credential", nil, text(), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonNoCredential}},
		{"two headers", nil, text(bearer("a"), bearer("b")), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonAmbiguous}},
		{"a malformed header", nil, text("Authorization: Bearer"), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonMalformed}},
		{"a malformed token", nil, text(bearer("short")), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonMalformed}},
		{"a request from another site", nil, text(tokenCookie(inventedToken), "Upgrade: websocket", "Sec-Fetch-Site: cross-site"), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonCrossOrigin}},

		{"a malformed JWT", nil, text(bearer("a.b.c")), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonMalformed}},
		{"another algorithm", nil, signed(func(h, _ map[string]any) { h["alg"] = "RS512" }), sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonBadHeader}},

		{"an unknown key", nil, signed(func(h, _ map[string]any) { h["kid"] = "x" }), sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonUnknownKey}},
		{"a forged JWT", nil, func(s *env) []string {
			return []string{bearer(authtest.ForgedJWT(s.Header(), s.Claims(s.Session.ID)))}
		}, sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonBadSignature}},
		{"no session claim", nil, signed(func(_, c map[string]any) { delete(c, "https://stytch.com/session") }), sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonBadClaims}},
		{"another issuer", nil, signed(func(_, c map[string]any) { c["iss"] = "x" }), sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonWrongIssuer}},
		{"another audience", nil, signed(func(_, c map[string]any) { c["aud"] = "x" }), sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonWrongAudience}},
		{"not valid yet", nil, signed(func(_, c map[string]any) { c["nbf"] = c["exp"] }), sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonBadTime}},
		{"a session that has ended", func(s *env) {
			s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{Duration: time.Second})
			time.Sleep(time.Second)
		}, jwt, sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonEnded}},
		{"a revoked session", func(s *env) { _ = s.Auth.Revoke(s.T.Context(), s.Session.ID) }, jwt, sessionauth.Event{Decider: local, Outcome: refused, Reason: sessionauth.ReasonRevoked}},

		{"a token that Stytch rejects", nil, text(bearer(inventedToken)), sessionauth.Event{Decider: asked, Outcome: refused, Reason: sessionauth.ReasonRejected}},
		{"a token that Stytch rejected before", func(s *env) { s.Get(bearer(inventedToken)) }, text(bearer(inventedToken)), sessionauth.Event{Decider: cache, Outcome: refused, Reason: sessionauth.ReasonRejected}},
		{"two users in two cookies", (*env).Expire, func(s *env) []string {
			return []string{bothCookies(s.SignIn(stytchtest.SessionOptions{}).Token, s.Session.JWT)}
		}, sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonAmbiguous}},
		{"two users", nil, func(s *env) []string {
			return []string{"Cookie: stytch_session_jwt=" + s.SignIn(stytchtest.SessionOptions{}).JWT + "; stytch_session_jwt=" + s.Session.JWT}
		}, sessionauth.Event{Outcome: refused, Reason: sessionauth.ReasonAmbiguous}},

		{"no key set", fault(stytchtest.Fault{Status: 500}), jwt, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonNoKeySet}},
		{"no connection", wire(func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errors.New("refused") }), token, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonUnreachable}},
		{"no answer in time", fault(stytchtest.Fault{Delay: time.Hour}), token, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonUnreachable}},
		{"500", fault(stytchtest.Fault{Status: 500}), token, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonStytchFailing}},
		{"nonsense", wire(func(*http.Request, http.RoundTripper) (*http.Response, error) { return authtest.Reply(200, "{}"), nil }), token, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonStytchFailing}},
		{"429", fault(stytchtest.Fault{Status: 429}), token, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonRateLimited}},
		{"a wrong secret", fault(stytchtest.Fault{Status: 401}), token, sessionauth.Event{Outcome: unavailable, Reason: sessionauth.ReasonMisconfigured}},
		{"a panic", wire(func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("x") }), token, sessionauth.Event{Outcome: failed, Reason: sessionauth.ReasonInternal}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []sessionauth.Event
				s := newEnv(t, authtest.RecordEvents(&events), func(c *sessionauth.Config) { c.Timeout = 2 * time.Second })
				if row.prepare != nil {
					row.prepare(s)
				}
				began, before := time.Now(), len(events)
				s.Get(row.fields(s)...)
				if len(events) != before+1 {
					t.Fatalf("got %d events, want 1", len(events)-before)
				}
				got := events[before]
				if got.Latency != time.Since(began) {
					t.Errorf("got latency %v, want %v", got.Latency, time.Since(began))
				}
				got.Latency, row.want.Check = 0, sessionauth.CheckedSession
				if got != row.want {
					t.Errorf("got %+v, want %+v", got, row.want)
				}
			})
		})
	}
}

func TestObserve_Optional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []sessionauth.Event
		s := newEnv(t, authtest.RecordEvents(&events))
		s.Handler = s.Auth.Optional(s.Next())
		s.Get()
		s.Get(tokenCookie(inventedToken))
		s.Get(bearer("a.b.c"))
		s.Get(bearer(s.Session.JWT))
		want := []sessionauth.Event{
			{Outcome: sessionauth.Anonymous, Reason: sessionauth.ReasonNoCredential},
			{Outcome: sessionauth.Anonymous, Reason: sessionauth.ReasonRejected},
			{Outcome: sessionauth.Refused, Reason: sessionauth.ReasonMalformed},
			{Outcome: sessionauth.Passed},
		}
		for i, e := range events {
			if i >= len(want) || e.Outcome != want[i].Outcome || e.Reason != want[i].Reason {
				t.Errorf("event %d: got %+v", i, e)
			}
		}
		if len(events) != len(want) {
			t.Errorf("got %d events, want %d", len(events), len(want))
		}
	})
}

func TestObserve_CanceledRequest(t *testing.T) {
	ends := map[string]func(context.Context) (context.Context, context.CancelFunc){
		"the client disconnects": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
		"the deadline passes": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []sessionauth.Event
				s := newEnv(t, authtest.RecordEvents(&events))
				s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Hour})
				ctx, cancel := end(t.Context())
				defer cancel()
				s.Want(s.Do(newRequest("GET", bearer(s.Session.Token)).WithContext(ctx)), 503)
				want := sessionauth.Event{Outcome: sessionauth.Unavailable, Reason: sessionauth.ReasonCanceled, Latency: time.Second, Check: sessionauth.CheckedSession}
				if len(events) != 1 || events[0] != want {
					t.Errorf("got %+v, want %+v", events, want)
				}
				time.Sleep(3 * time.Second) // the call continues for other requests
			})
		})
	}
}

func TestObserve_Overloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []sessionauth.Event
		s := newEnv(t, authtest.RecordEvents(&events), func(c *sessionauth.Config) { c.MaxInFlight = 4 })
		s.Tap(pathAuthenticate, authtest.DelayAnswers(time.Second))
		go func() { _, _ = s.Auth.Verify(t.Context(), sessionauth.Credential{Token: inventedToken}) }() // the only shared place
		synctest.Wait()
		s.Want(s.Get(bearer(s.Session.Token)), 503)
		if len(events) != 1 || events[0].Reason != sessionauth.ReasonOverloaded || events[0].Outcome != sessionauth.Unavailable {
			t.Errorf("got %+v, want one that says overloaded", events)
		}
		time.Sleep(time.Second)
	})
}

func TestObserve_RunsBeforeNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var order []string
		s := newEnv(t, func(c *sessionauth.Config) {
			c.Observe = func(ctx context.Context, _ sessionauth.Event) {
				order = append(order, "observe "+ctx.Value(key{}).(string)+goroutine())
			}
		})
		s.Handler = s.Auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			order = append(order, "next "+goroutine())
		}))
		r := newRequest("GET", bearer(s.Session.Token))
		s.Do(r.WithContext(context.WithValue(r.Context(), key{}, "")))
		if want := []string{"observe " + goroutine(), "next " + goroutine()}; strings.Join(order, ", ") != strings.Join(want, ", ") {
			t.Errorf("got %q, want %q", order, want)
		}
	})
}

// goroutine returns the number of the running goroutine.
func goroutine() string {
	stack := make([]byte, 64)
	return strings.Fields(string(stack[:runtime.Stack(stack, false)]))[1]
}

func TestObserve_Panics(t *testing.T) {
	fields := map[string]func(*env) string{
		"200 a JWT in the header":     func(s *env) string { return bearer(s.Session.JWT) },
		"200 a JWT in a cookie":       func(s *env) string { return jwtCookie(s.Session.JWT) },
		"200 a bad JWT in the header": func(*env) string { return bearer("a.b.c") },
		"200 a bad JWT in a cookie":   func(*env) string { return jwtCookie("a.b.c") },
		"200 no credential":           func(*env) string { return "X: y" },
	}
	for name, field := range fields {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) {
					c.Observe = func(context.Context, sessionauth.Event) { panic("observe") }
				})
				for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
					s.Handler = wrap(s.Next())
					s.WantPanic("observe", field(s))
				}
				s.WantPassed(0, "")
			})
		})
	}
}
