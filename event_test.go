package sessionauth_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
		time.Sleep(time.Second)
		synctest.Wait()
		if len(events) != 2 || events[0].Reason != sessionauth.ReasonOverloaded || events[0].Outcome != sessionauth.Unavailable {
			t.Errorf("got %+v, want the first to say overloaded", events)
		}
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

// refusals returns the lines of a log at Debug level, without the time.
func refusals(log *authtest.Log) []string {
	var lines []string
	for line := range strings.Lines(log.String()) {
		if _, line, found := strings.Cut(line, "level=DEBUG "); found {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// Each refusal is one line that says why. newEnv checks that no line contains a
// credential.
func TestLogger_OneLineForEachRefusal(t *testing.T) {
	type fields = func(*env) []string
	text := func(fields ...string) fields { return func(*env) []string { return fields } }
	jwt := func(s *env) []string { return []string{bearer(s.Session.JWT)} }
	token := func(s *env) []string { return []string{bearer(s.Session.Token)} }
	const get = `msg="sessionauth: refused" method=GET path=/notes/1 `
	rows := []struct {
		name    string
		prepare func(*env)
		fields  fields
		want    string // SESSION stands for the ids of Env.Session
	}{
		{"no credential", nil, text(), get + "status=401 reason=no_credential"},
		{"two headers", nil, text(bearer("a"), bearer("b")), get + "status=400 reason=ambiguous"},
		{"another site", nil, func(s *env) []string {
			return []string{tokenCookie(s.Session.Token), "Upgrade: websocket", "Sec-Fetch-Site: cross-site"}
		}, get + "status=403 reason=cross_origin"},
		{"a forged JWT", nil, func(s *env) []string {
			return []string{bearer(authtest.ForgedJWT(s.Header(), s.Claims(s.Session.ID)))}
		}, get + "status=401 reason=bad_signature"},
		{"a revoked session, its JWT", func(s *env) { _ = s.Auth.Revoke(s.T.Context(), s.Session.ID) }, jwt, get + "status=401 reason=revoked SESSION"},
		{"a revoked session, its token seen before", func(s *env) { s.Get(bearer(s.Session.Token)); _ = s.Auth.Revoke(s.T.Context(), s.Session.ID) }, token, get + "status=401 reason=revoked SESSION"},
		{"a session that has ended", func(s *env) {
			s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{Duration: time.Second})
			time.Sleep(time.Second)
		}, jwt, get + "status=401 reason=ended SESSION"},
		{"a token that Stytch rejects", nil, text(bearer(inventedToken)), get + `status=401 reason=rejected cause="stytch: status 404 session_not_found (request-id-test-`},
		{"an expired JWT that Stytch rejects", func(s *env) { s.Expire(); s.RevokeSession(s.Session.ID) }, jwt, get + `status=401 reason=rejected cause="stytch: status 404 session_not_found (request-id-test-`},
		{"no key set", func(s *env) { s.SetFault("", stytchtest.Fault{Status: 500}) }, jwt, get + `status=503 reason=no_key_set cause="stytch: status 500 internal_server_error (request-id-test-`},
		{"no connection", func(s *env) { s.SetFault("", stytchtest.Refuse()) }, token, get + `status=503 reason=unreachable cause="stytch: no answer: `},
		{"a wrong secret", func(s *env) { s.SetFault("", stytchtest.Fault{Status: 401}) }, token, get + `status=503 reason=misconfigured cause="stytch: status 401 `},
		{"a panic", func(s *env) {
			s.Tap("", func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("x") })
		}, token, get + "status=500 reason=internal"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log authtest.Log
				s := newEnv(t, log.Record)
				if row.prepare != nil {
					row.prepare(s)
				}
				before := len(refusals(&log))
				r := newRequest(http.MethodGet, row.fields(s)...)
				r.URL.Path, r.URL.RawQuery = "/notes/1", "code=4711-0815-secret"
				s.Do(r)
				want := strings.ReplaceAll(row.want, "SESSION", "session="+s.Session.ID+" user="+s.Session.UserID)
				if got := refusals(&log)[before:]; len(got) != 1 || !strings.HasPrefix(got[0], want) {
					t.Errorf("got %q, want one line that begins with %q", got, want)
				}
			})
		})
	}
}

// Whoever refuses a request, the line is logged once, and so is the event sent.
func TestLogger_OnceForEachWay(t *testing.T) {
	const refused = `msg="sessionauth: refused" `
	rows := []struct {
		name string
		do   func(s *env, r *http.Request)
		want string
	}{
		{"Require", func(s *env, r *http.Request) { s.Do(r) }, refused + "method=GET path=/ status=401 reason=rejected "},
		{"Require of a route", func(s *env, r *http.Request) {
			mux := http.NewServeMux()
			mux.Handle("GET /{any...}", s.Auth.Require(s.Next()))
			s.DoTo(mux, r)
		}, refused + `method=GET route="GET /{any...}" status=401 reason=rejected `},
		{"Attach and Reject", func(s *env, r *http.Request) {
			w := httptest.NewRecorder()
			if _, _, err := s.Auth.Attach(w, r); err != nil {
				s.Auth.Reject(w, r, err)
			}
		}, refused + "method=GET path=/ status=401 reason=rejected "},
		{"Authenticate and Reject", func(s *env, r *http.Request) {
			_, err := s.Auth.Authenticate(r)
			s.Auth.Reject(httptest.NewRecorder(), r, err)
		}, refused + "method=GET path=/ status=401 reason=rejected "},
		{"no credential, Authenticate and Reject", func(s *env, r *http.Request) {
			r.Header = http.Header{}
			_, err := s.Auth.Authenticate(r)
			if !errors.Is(err, sessionauth.ErrNoCredential) {
				s.T.Errorf("got %v, want ErrNoCredential", err)
			}
			s.Auth.Reject(httptest.NewRecorder(), r, err)
		}, refused + "method=GET path=/ status=401 reason=no_credential"},
		{"Verify", func(s *env, _ *http.Request) {
			_, _ = s.Auth.Verify(s.T.Context(), sessionauth.Credential{Token: inventedToken})
		}, refused + "status=401 reason=rejected "},
		{"an error of the application", func(s *env, r *http.Request) {
			s.Auth.Reject(httptest.NewRecorder(), r, &sessionauth.Error{Kind: sessionauth.ErrForbidden})
		}, refused + "method=GET path=/ status=403"},
		{"a stale cookie and Optional", func(s *env, r *http.Request) {
			r.Header = http.Header{"Cookie": {"stytch_session=" + inventedToken}}
			s.DoTo(s.Auth.Optional(s.Next()), r)
		}, `msg="sessionauth: anonymous" method=GET path=/ reason=rejected `},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log authtest.Log
				var events []sessionauth.Event
				s := newEnv(t, log.Record, authtest.RecordEvents(&events))
				row.do(s, newRequest(http.MethodGet, bearer(inventedToken)))
				if got := refusals(&log); len(got) != 1 || !strings.HasPrefix(got[0], row.want) {
					t.Errorf("got %q, want one line that begins with %q", got, row.want)
				}
				if len(events) != 1 {
					t.Errorf("got %d events, want 1", len(events))
				}
			})
		})
	}
}

func TestLogger_NoLineWithoutRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log authtest.Log
		s := newEnv(t, log.Record)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.GetFrom(s.Auth.Optional(s.Next())), 200)
		if got := refusals(&log); got != nil {
			t.Errorf("got %q, want no line", got)
		}
	})
}

// A guard refuses with the ids that Require found.
func TestLogger_Guard(t *testing.T) {
	var log authtest.Log
	s := newEnv(t, log.Record)
	s.Handler = s.Behind(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sessionauth.Reject(w, r, sessionauth.CheckRole(r.Context(), "admin"))
		})
	})
	s.Want(s.Get(bearer(s.Session.JWT)), 403)
	want := `msg="sessionauth: refused" method=GET path=/ status=403 reason=role session=` + s.Session.ID + " user=" + s.Session.UserID
	if got := refusals(&log); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A Logger that panics changes no answer.
func TestLogger_Panics(t *testing.T) {
	s := newEnv(t)
	config := s.Config
	config.Logger, config.Observe = slog.New(panics{slog.DiscardHandler}), nil
	auth, err := sessionauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.Want(s.GetFrom(auth.Require(s.Next()), bearer("a.b.c")), 401)
}

type panics struct{ slog.Handler }

func (panics) Enabled(context.Context, slog.Level) bool { panic("enabled") }
