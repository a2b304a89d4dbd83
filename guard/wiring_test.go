package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A guard uses the result of Require or Optional of the same request, and nothing
// else.
func TestGuards_WithoutRequire(t *testing.T) {
	claimed := func(next http.Handler) http.Handler { // an identity that NewContext added
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := &sessionauth.Identity{Session: &stytch.Session{
				ID: "session-test-1", UserID: "user-test-1", Roles: []string{"editor", "admin"},
				Factors: []stytch.AuthenticationFactor{{Type: "password", LastAuthenticatedAt: time.Now()}},
			}, DecidedBy: sessionauth.Stytch}
			next.ServeHTTP(w, r.WithContext(sessionauth.NewContext(r.Context(), id)))
		})
	}
	rows := []struct {
		name      string
		wire      func(*env, middleware) http.Handler
		fields    func(*env) []string
		challenge string
	}{
		{"194 nothing in front", func(s *env, g middleware) http.Handler { return s.Wrap(g) }, byToken, noCredential},
		{"194 nothing in front, by cookie", func(s *env, g middleware) http.Handler { return s.Wrap(g) }, byCookie, noCredential},
		{"194 nothing in front of a request without a credential", func(s *env, g middleware) http.Handler { return s.Wrap(g) }, anonymous, noCredential},
		{"194 Require behind the guard", func(s *env, g middleware) http.Handler { return g(s.Behind()) }, byToken, noCredential},
		{"194 Require behind the guard, by cookie", func(s *env, g middleware) http.Handler { return g(s.Behind()) }, byCookie, noCredential},
		{"194 NewContext in front", func(s *env, g middleware) http.Handler { return claimed(s.Wrap(g)) }, byToken, noCredential},
		{"194 NewContext between Require and the guard", func(s *env, g middleware) http.Handler { return s.Auth.Require(claimed(s.Wrap(g))) }, byToken, noCredential},
		{"194 NewContext between Require and the guard, by cookie", func(s *env, g middleware) http.Handler { return s.Auth.Require(claimed(s.Wrap(g))) }, byCookie, noCredential},
		{"194 NewContext in front of Optional", func(s *env, g middleware) http.Handler { return claimed(s.Auth.Optional(s.Wrap(g))) }, anonymous, noCredential},
		{"194 Optional in front of a request without a credential", func(s *env, g middleware) http.Handler { return s.Auth.Optional(s.Wrap(g)) }, anonymous, noCredential},
		{"194 Optional in front of a stale cookie", func(s *env, g middleware) http.Handler { return s.Auth.Optional(s.Wrap(g)) }, staleCookie, invalidToken},
	}
	for _, row := range rows {
		for name, g := range everyGuard() {
			t.Run(row.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					s.want(s.get(row.wire(s, g), row.fields(s)...), 401, row.challenge)
					s.wantPasses(0)
					s.WantCalls(pathPolicy, 0)
				})
			})
		}
	}
}

func byToken(s *env) []string { return []string{bearer(s.Session.Token)} }
func anonymous(*env) []string { return nil }
func byCookie(s *env) []string {
	return []string{carriers[1].token(s.Session.Token), carriers[1].jwt(s.Session.JWT)}
}
func staleCookie(s *env) []string {
	return []string{"Cookie: stytch_session=abcdefghijklmnopqrstuvwxyz"}
}

func TestGuards_BehindOptional(t *testing.T) {
	for name, g := range everyGuard() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.want(s.get(s.Auth.Optional(s.Wrap(g)), bearer(s.Session.JWT)), 200)
				s.wantPasses(1)
			})
		})
	}
}

// A request that is made in the context of another one must not act as its user.
func TestGuards_RequestInTheContextOfAnother(t *testing.T) {
	for name, g := range everyGuard() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.want(s.get(s.Behind(g), byToken(s)...), 200)
				ctx := s.seen()
				bob := s.SignIn(stytchtest.SessionOptions{})
				for name, fields := range map[string][]string{"no credential": nil, "another user": {bearer(bob.Token)}, "another header": {"Authorization: Bearer"}} {
					if got := s.DoTo(s.Wrap(g), newRequest(fields...).WithContext(ctx)).StatusCode; got != 401 && got != 400 {
						t.Errorf("%s: got status %d, want a refusal", name, got)
					}
				}
				s.wantPasses(1)
			})
		})
	}
}

// Without Require no Logger and no Observe is known: the default logger says what
// is wrong, once a minute.
func TestGuards_WithoutRequireLog(t *testing.T) {
	for name, g := range everyGuard() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				before := slog.Default()
				defer slog.SetDefault(before)
				slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
				s := newEnv(t)
				mux := http.NewServeMux()
				mux.Handle("GET /{id}", g(s.Next()))
				request := func(fields ...string) {
					t.Helper()
					r := newRequest(fields...)
					r.URL.Path = "/4711"
					s.Want(s.DoTo(mux, r), 401)
				}
				for range 3 {
					request(byToken(s)...)
				}
				const want = `level=ERROR msg="sessionauth: a guard is not behind Require of an Authenticator: it refuses every request" method=GET route="GET /{id}"` + "\n"
				if _, got, _ := strings.Cut(log.String(), " "); got != want {
					t.Errorf("got %q, want one line %q", log.String(), want)
				}
				time.Sleep(time.Minute)
				request()
				if got := strings.Count(log.String(), want); got != 2 {
					t.Errorf("got %d lines a minute later, want 2", got)
				}
				// Behind Optional an anonymous request is refused without an error.
				s.Want(s.GetFrom(s.Auth.Optional(g(s.Next()))), 401)
				s.Want(s.GetFrom(s.Auth.Require(g(s.Next())), byToken(s)...), 200)
				if got := strings.Count(log.String(), "level=ERROR"); got != 2 {
					t.Errorf("got %d errors, want 2:\n%s", got, log.String())
				}
			})
		})
	}
}

// With two Authenticators the innermost decides, answers, and calls Observe.
func TestGuards_InnermostAuthenticatorDecides(t *testing.T) {
	handler := func(status int) func(*sessionauth.Config) {
		return func(c *sessionauth.Config) {
			c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(status) }
		}
	}
	otherHeader := func(c *sessionauth.Config) { c.Extractor = sessionauth.FromHeader("X-Session") }
	for name, g := range everyGuard() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ada := newEnv(t, handler(418))
				// Another project, whose policy is empty. The session has an old factor
				// of another type.
				bob := newEnv(t, handler(419), otherHeader)
				bob.SetPolicy(stytch.Policy{})
				bob.Session = bob.StartSession(bob.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{
					Factors: []stytch.AuthenticationFactor{{Type: "otp", LastAuthenticatedAt: time.Now().Add(-time.Hour)}},
				})
				fields := []string{bearer(ada.Session.JWT), "X-Session: " + bob.Session.JWT}

				inner := ada.Auth.Require(bob.Behind(g))
				if name == "Live" {
					bob.RevokeSession(bob.Session.ID)
				}
				if got := bob.get(inner, fields...).StatusCode; got != 419 {
					t.Errorf("got %d, want the answer of the inner Authenticator, 419", got)
				}
				bob.wantPasses(0)
				if n := len(ada.events); n != 1 || ada.events[0].Outcome != sessionauth.Passed {
					t.Errorf("got %v observed by the outer Authenticator, want one pass", ada.events)
				}
				if n := len(bob.events); n != 2 || bob.events[1].Outcome != sessionauth.Refused {
					t.Errorf("got %v observed by the inner Authenticator, want a pass and a refusal", bob.events)
				}
				if name == "Live" { // the session is denied
					fields[1] = "X-Session: " + bob.StartSession(bob.Session.UserID, stytchtest.SessionOptions{}).JWT
				}
				if got := bob.get(bob.Auth.Optional(ada.Behind(g)), fields...).StatusCode; got != 200 {
					t.Errorf("got %d, want 200", got)
				}
				ada.wantPasses(1)
			})
		})
	}
}

func TestGuards_ErrorHandlerAndObserve(t *testing.T) {
	rows := []struct {
		name    string
		guard   middleware
		prepare func(*env)
		want    sessionauth.Error
		outcome sessionauth.Outcome
	}{
		{"a role is missing", guard.Role("admin"), nil, sessionauth.Error{Kind: sessionauth.ErrForbidden, Reason: sessionauth.ReasonRole}, sessionauth.Refused},
		{"a permission is missing", guard.Permission("a", "b"), nil, sessionauth.Error{Kind: sessionauth.ErrForbidden, Reason: sessionauth.ReasonPermission, Resource: "a", Action: "b"}, sessionauth.Refused},
		{"Stytch says a permission is missing", guard.PermissionLive("a", "b"), nil, sessionauth.Error{Kind: sessionauth.ErrForbidden, Reason: sessionauth.ReasonPermission, Resource: "a", Action: "b"}, sessionauth.Refused},
		{"a factor is missing", guard.Factor("totp"), nil, sessionauth.Error{Kind: sessionauth.ErrStepUp, Reason: sessionauth.ReasonFactor, ACRValues: []string{"totp"}}, sessionauth.Refused},
		{"a factor is too old", guard.Fresh(time.Second), nil, sessionauth.Error{Kind: sessionauth.ErrStepUp, Reason: sessionauth.ReasonRecency, MaxAge: time.Second}, sessionauth.Refused},
		{"a session is gone", guard.Live(), func(s *env) { s.RevokeSession(s.Session.ID) }, sessionauth.Error{Kind: sessionauth.ErrInvalidSession, Reason: sessionauth.ReasonRejected}, sessionauth.Refused},
		{"no policy", guard.Permission("a", "b"), func(s *env) { s.SetFault("", stytchtest.Fault{Status: 500}) }, sessionauth.Error{Kind: sessionauth.ErrUnavailable, Reason: sessionauth.ReasonNoPolicy, RetryAfter: time.Second}, sessionauth.Unavailable},
		{"Stytch is down", guard.Live(), func(s *env) { s.SetFault("", stytchtest.Fault{Status: 500}) }, sessionauth.Error{Kind: sessionauth.ErrUnavailable, Reason: sessionauth.ReasonStytchFailing}, sessionauth.Unavailable},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen error
				s := newEnv(t, func(c *sessionauth.Config) {
					c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) { seen = err; w.WriteHeader(418) }
				})
				time.Sleep(7 * time.Second) // more than a second and Leeway
				h := s.Behind(row.guard)
				s.get(s.Behind(), bearer(s.Session.JWT))
				if row.prepare != nil {
					row.prepare(s)
				}
				s.want(s.get(h, bearer(s.Session.JWT)), 418)
				var got *sessionauth.Error
				if !errors.As(seen, &got) || !errors.Is(seen, row.want.Kind) {
					t.Fatalf("got %v, want %v", seen, &row.want)
				}
				if text, want := describe(got), describe(&row.want); text != want {
					t.Errorf("got %s, want %s", text, want)
				}
				if e := s.events[len(s.events)-1]; e.Outcome != row.outcome || e.Reason != row.want.Reason {
					t.Errorf("got event %+v, want %s because of %s", e, row.outcome, row.want.Reason)
				}
			})
		})
	}
}

func describe(e *sessionauth.Error) string {
	return fmt.Sprint(e.Kind, e.Reason, e.RetryAfter, e.MaxAge, e.ACRValues, e.Resource, e.Action)
}

// An ErrorHandler may change the Error that it receives.
func TestGuards_ErrorHandlerChangesTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) {
			c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
				var e *sessionauth.Error
				if errors.As(err, &e) && len(e.ACRValues) > 0 {
					e.ACRValues[0] = "password"
				}
				sessionauth.WriteError(w, r, err)
			}
		})
		h := s.Behind(guard.Factor("totp"))
		s.want(s.get(h, bearer(s.Session.JWT)), 401)
		s.want(s.get(h, bearer(s.Session.JWT)), 401)
		s.wantPasses(0)
	})
}

func TestGuards_InvalidArgumentsPanic(t *testing.T) {
	rows := []struct {
		name string
		wire func()
	}{
		{"195 Role without a role", func() { guard.Role() }},
		{"195 Role with an empty role", func() { guard.Role("") }},
		{"195 Role with an empty role among others", func() { guard.Role("editor", "") }},
		{"195 Permission without a resource", func() { guard.Permission("", "read") }},
		{"195 Permission without an action", func() { guard.Permission("documents", "") }},
		{"195 PermissionLive without a resource", func() { guard.PermissionLive("", "read") }},
		{"195 PermissionLive without an action", func() { guard.PermissionLive("documents", "") }},
		{"Factor without a type", func() { guard.Factor() }},
		{"Factor with an empty type", func() { guard.Factor("totp", "") }},
		{"Factor that would end the string in the challenge", func() { guard.Factor(`totp", max_age="1`) }},
		{"Factor that would be two", func() { guard.Factor("totp webauthn") }},
		{"Factor with a line break", func() { guard.Factor("totp\r\nSet-Cookie: a=b") }},
		{"Fresh of zero", func() { guard.Fresh(0) }},
		{"Fresh of a negative time", func() { guard.Fresh(-time.Hour) }},
		{"Fresh of less than a second", func() { guard.Fresh(time.Second - 1) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { wantPanic(t, row.wire) })
	}
	for name, g := range everyGuard() {
		t.Run(name+" in front of a nil handler", func(t *testing.T) { wantPanic(t, func() { g(nil) }) })
	}
	guard.Fresh(time.Second)
}

func wantPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("got no panic, want one")
		}
	}()
	f()
}

// 195: names match exactly.
func TestGuards_NamesMatchExactly(t *testing.T) {
	for _, name := range []string{"Editor", "EDITOR", "edit", "editors", "editor ", " editor", "editor\x00", "editor,admin", "*", "edit*", "еditor"} {
		t.Run("195 role "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				for i, by := range carriers {
					s.want(s.get(s.Behind(guard.Role(name)), by.jwt(s.Session.JWT)), 403, forbidden)
					s.wantPasses(i)
					s.want(s.get(s.Behind(guard.Role(name, "editor")), by.jwt(s.Session.JWT)), 200)
				}
				s.WantCalls("", 1) // the key set
			})
		})
	}
	for _, name := range []string{"Password", "pass", "password2", "password\x00", "knowledge", "*"} {
		t.Run("factor "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				s.want(s.get(s.Behind(guard.Factor(name)), bearer(s.Session.JWT)), 401)
				s.wantPasses(0)
			})
		})
	}
}

// A guard copies the names that it receives.
func TestGuards_CopyTheirArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		roles, factors := []string{"admin"}, []string{"totp"}
		byRole, byFactor := s.Behind(guard.Role(roles...)), s.Behind(guard.Factor(factors...))
		roles[0], factors[0] = "editor", "password"
		s.want(s.get(byRole, bearer(s.Session.JWT)), 403)
		s.want(s.get(byFactor, bearer(s.Session.JWT)), 401)
	})
}

// A canceled request does not pass a guard that needs a call.
func TestGuards_CanceledRequest(t *testing.T) {
	for _, name := range []string{"Permission", "PermissionLive", "Live"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.get(s.Behind(), bearer(s.Session.JWT))
				r := newRequest(bearer(s.Session.JWT))
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				s.want(s.DoTo(s.Behind(everyGuard()[name]), r.WithContext(ctx)), 503)
				if e := s.events[len(s.events)-1]; e.Reason != sessionauth.ReasonCanceled {
					t.Errorf("got reason %s, want %s", e.Reason, sessionauth.ReasonCanceled)
				}
			})
		})
	}
}

// 197: only the action * is a wildcard.
func TestPermission_Wildcards(t *testing.T) {
	permissions := func(resource string, actions ...string) []stytch.Permission {
		return []stytch.Permission{{ResourceID: resource, Actions: actions}}
	}
	rows := []struct {
		name             string
		granted          []stytch.Permission
		resource, action string
		want             int
	}{
		{"197 the action * allows any action", permissions("documents", "*"), "documents", "shred", 200},
		{"197 the action * among others", permissions("documents", "read", "*"), "documents", "shred", 200},
		{"197 the action * allows itself", permissions("documents", "*"), "documents", "*", 200},
		{"197 the action * applies to its resource only", slices.Concat(permissions("notes", "*"), permissions("documents", "read")), "documents", "shred", 403},
		{"197 the guarded action * is not a wildcard", permissions("documents", "read", "write"), "documents", "*", 403},
		{"197 a resource * is a name", permissions("*", "read"), "documents", "read", 403},
		{"197 a resource * is a name, with every action", permissions("*", "*"), "documents", "read", 403},
		{"197 a resource * by its name", permissions("*", "read"), "*", "read", 200},
		{"197 the guarded resource *", permissions("documents", "*"), "*", "read", 403},
		{"197 a prefix and *", permissions("doc*", "read"), "documents", "read", 403},
		{"197 a prefix of an action and *", permissions("documents", "re*"), "documents", "read", 403},
		{"197 a path and *", permissions("documents/*", "read"), "documents/1", "read", 403},
		{"197 a regular expression", permissions("documents", ".*"), "documents", "read", 403},
		{"197 two stars", permissions("documents", "**"), "documents", "read", 403},
		{"197 another case", permissions("Documents", "Read"), "documents", "read", 403},
		{"197 no action", permissions("documents"), "documents", "read", 403},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.SetPolicy(stytch.Policy{Roles: []stytch.Role{{ID: "editor", Permissions: row.granted}}})
				challenge := map[int]string{200: "", 403: forbidden}[row.want]
				for _, by := range carriers {
					s.want(s.get(s.Behind(guard.Permission(row.resource, row.action)), by.jwt(s.Session.JWT)), row.want, challenge)
					s.WantCalls(pathPolicy, 1)
				}
				s.WantCalls(pathAuthenticate, 0)
				for i, by := range carriers {
					s.want(s.get(s.Behind(guard.PermissionLive(row.resource, row.action)), by.jwt(s.Session.JWT)), row.want, challenge)
					s.WantCalls(pathAuthenticate, i+1)
				}
			})
		})
	}
}

func TestFresh_WithoutUnit(t *testing.T) {
	for name, wire := range map[string]func(){
		"Fresh":       func() { guard.Fresh(10) },
		"FreshFactor": func() { guard.FreshFactor(10, "totp") },
	} {
		func() {
			defer func() {
				want := "guard: " + name + ": maxAge is 10ns, because a number without a unit counts nanoseconds: use 10 * time.Second"
				if got := recover(); got != want {
					t.Errorf("got a panic with %v, want %q", got, want)
				}
			}()
			wire()
		}()
	}
}
