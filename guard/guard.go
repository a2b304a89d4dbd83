// Package guard provides middleware that authorizes requests to individual
// routes. Use guards behind Require of a sessionauth.Authenticator:
//
//	r.Use(auth.Require)
//	r.With(guard.Permission("documents", "delete"), guard.Fresh(10*time.Minute)).Delete("/documents/{id}", remove)
//
// Each guard is a func(http.Handler) http.Handler for chi's With or for net/http. A
// request must pass all guards of its route. The Authenticator whose Require
// authenticated the request decides and writes the response. Without Require, every
// response is 401, and the guard logs an error to slog.Default, at most once a
// minute. An error never lets a request pass.
//
// If a role or permission is missing, the response is 403. If a factor is
// missing or too old, it is 401 with the step-up challenge of RFC 9470. If a
// guard needs a call to Stytch and the call fails, it is 503.
//
// Role, Permission, Factor and Fresh use the session in the JWT or in the
// cache, so a change at Stytch may take effect later. Factor, Fresh and
// FreshFactor call Stytch before they refuse such a session, at most once per
// session in 5 seconds. PermissionLive and Live call Stytch for every request.
package guard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/requestlog"
)

// Role requires that the session has at least one of the RBAC roles. Otherwise
// the response is 403. Role ids are compared exactly.
//
// Role panics if anyOf is empty or contains an empty string.
func Role(anyOf ...string) func(http.Handler) http.Handler {
	anyOf = names("Role", anyOf)
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckRole(ctx, anyOf...)
	})
}

// Permission requires that the project's RBAC policy allows one of the session's
// roles to perform action on resource. Otherwise the response is 403. The policy
// is fetched from Stytch and cached. See stytch.Policy.Allows for the matching
// rules.
//
// Permission panics if resource or action is empty.
func Permission(resource, action string) func(http.Handler) http.Handler {
	names("Permission", []string{resource, action})
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckPermission(ctx, resource, action)
	})
}

// PermissionLive is like Permission, but calls Stytch for every request. It
// therefore notices immediately if a role or the session was revoked. The
// handler can read the result with [sessionauth.VerdictFromContext].
//
// PermissionLive panics if resource or action is empty.
func PermissionLive(resource, action string) func(http.Handler) http.Handler {
	names("PermissionLive", []string{resource, action})
	return guard(func(ctx context.Context) (context.Context, error) {
		return sessionauth.CheckPermissionLive(ctx, resource, action)
	})
}

// Factor requires that the session has an authentication factor of one of the
// types, such as "totp" or "webauthn" (see stytch.AuthenticationFactor).
// Otherwise the response is 401 with a step-up challenge.
//
// Factor panics if anyOf is empty, or if a type is empty or contains white
// space, a quote or a backslash.
func Factor(anyOf ...string) func(http.Handler) http.Handler {
	anyOf = factorTypes("Factor", anyOf)
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckFactor(ctx, anyOf...)
	})
}

// Fresh requires that a factor of the session was authenticated at most maxAge
// ago. Otherwise the response is 401 with a step-up challenge.
//
// Fresh panics if maxAge is less than a second, the unit of max_age in RFC 9470.
func Fresh(maxAge time.Duration) func(http.Handler) http.Handler {
	checkMaxAge("Fresh", maxAge)
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckFresh(ctx, maxAge)
	})
}

// FreshFactor requires that a factor of one of the types was authenticated at
// most maxAge ago. Otherwise the response is 401 with a step-up challenge.
// Factor and Fresh together require less: a session with an old factor of the
// type and a recent factor of another type passes both.
//
// FreshFactor panics for the same arguments as Factor and Fresh.
func FreshFactor(maxAge time.Duration, anyOf ...string) func(http.Handler) http.Handler {
	checkMaxAge("FreshFactor", maxAge)
	anyOf = factorTypes("FreshFactor", anyOf)
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckFreshFactor(ctx, maxAge, anyOf...)
	})
}

// NotImpersonated requires that no member of the Stytch workspace impersonates
// the user in this session. Otherwise the response is 403.
func NotImpersonated() func(http.Handler) http.Handler {
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckNotImpersonated(ctx)
	})
}

// Live calls Stytch for every request to check that the session is still alive,
// so a session that was revoked elsewhere is refused immediately. The handler
// and the guards behind Live receive the session and the user of this response.
func Live() func(http.Handler) http.Handler { return guard(sessionauth.CheckLive) }

// guard returns middleware that calls check before each request. The request
// continues with the context that check returned.
func guard(check func(context.Context) (context.Context, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("guard: the next handler is nil")
		}
		misplaced := &misplacedLog{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			err := sessionauth.CheckRequest(r)
			if err == nil {
				ctx, err = check(ctx)
			}
			if err != nil {
				misplaced.log(r, err)
				sessionauth.Reject(w, r, err)
				return
			}
			if ctx != r.Context() {
				r = r.WithContext(ctx)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// A misplacedLog logs that a guard is not behind Require. No Logger is known then.
type misplacedLog struct{ throttle deadline.Throttle }

func (l *misplacedLog) log(r *http.Request, err error) {
	var e *sessionauth.Error
	if !errors.As(err, &e) || e.Reason != sessionauth.ReasonMissingRequire || !l.throttle.Allow(time.Now(), time.Minute) {
		return
	}
	slog.Default().LogAttrs(r.Context(), slog.LevelError,
		"sessionauth: a guard is not behind Require of an Authenticator: it refuses every request", requestlog.Attrs(r.Context(), r)...)
}

// checkMaxAge panics if maxAge is less than a second.
func checkMaxAge(guard string, maxAge time.Duration) {
	if err := deadline.CheckUnit(maxAge); err != nil {
		panic("guard: " + guard + ": maxAge " + err.Error())
	}
	if maxAge < time.Second {
		panic("guard: " + guard + ": maxAge is less than a second")
	}
}

// factorTypes is names for types of factors, which the challenge quotes.
func factorTypes(guard string, anyOf []string) []string {
	anyOf = names(guard, anyOf)
	for _, name := range anyOf {
		if strings.ContainsAny(name, "\" \\\t\r\n") {
			panic("guard: " + guard + ": a type contains white space, a quote or a backslash")
		}
	}
	return anyOf
}

// names returns a copy of list, and panics if list or one of its texts is empty.
func names(guard string, list []string) []string {
	if len(list) == 0 || slices.Contains(list, "") {
		panic("guard: " + guard + ": an argument is missing or empty")
	}
	return slices.Clone(list)
}
