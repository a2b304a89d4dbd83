// Package guard puts conditions on single routes, behind sessionauth's Require:
//
//	r.Use(auth.Require)
//	r.With(guard.Permission("documents", "delete"), guard.Fresh(10*time.Minute)).Delete("/documents/{id}", remove)
//
// Each guard is a func(http.Handler) http.Handler, for chi's With as for plain
// net/http, and they compose. The Authenticator whose Require let the request
// in decides and answers. Without one in front, every request is a 401; an
// error is never a pass. A guard that makes no sense panics where it is wired.
//
// A role or permission that is missing is a 403, a factor that is missing or
// too old a 401 with the step-up challenge of RFC 9470. Role, Permission, Factor
// and Fresh go by what the JWT or the cache says of the session, which may be as
// old as those; PermissionLive and Live ask Stytch for every request.
package guard

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
)

// Role lets sessions with one of the RBAC roles pass. Names match exactly. It
// panics without a role, or with an empty one.
func Role(anyOf ...string) func(http.Handler) http.Handler {
	anyOf = names("Role", anyOf)
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckRole(ctx, anyOf...)
	})
}

// Permission lets sessions pass whose roles allow the action on the resource,
// by the project's RBAC policy. It costs no call while the policy is held. It
// panics if either is empty.
func Permission(resource, action string) func(http.Handler) http.Handler {
	names("Permission", []string{resource, action})
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckPermission(ctx, resource, action)
	})
}

// PermissionLive is Permission decided by Stytch, for each request: a role taken
// away is refused at once. sessionauth.VerdictFromContext has the answer.
func PermissionLive(resource, action string) func(http.Handler) http.Handler {
	names("PermissionLive", []string{resource, action})
	return guard(func(ctx context.Context) (context.Context, error) {
		return sessionauth.CheckPermissionLive(ctx, resource, action)
	})
}

// Factor lets sessions pass that have a factor of one of the types, such as
// "totp" or "webauthn". It panics without a type, or with an empty one.
func Factor(anyOf ...string) func(http.Handler) http.Handler {
	anyOf = names("Factor", anyOf)
	for _, name := range anyOf {
		if strings.ContainsAny(name, "\" \\\t\r\n") {
			panic("guard: Factor: not a type of factor") // it stands in a challenge
		}
	}
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckFactor(ctx, anyOf...)
	})
}

// Fresh lets sessions pass that had a factor authenticated within maxAge. It
// panics if maxAge is less than a second, the unit of the challenge.
func Fresh(maxAge time.Duration) func(http.Handler) http.Handler {
	if maxAge < time.Second {
		panic("guard: Fresh: maxAge is less than a second")
	}
	return guard(func(ctx context.Context) (context.Context, error) {
		return ctx, sessionauth.CheckFresh(ctx, maxAge)
	})
}

// Live makes Stytch vouch for each request: a session revoked elsewhere is
// refused at once. The handler sees the session and the user as Stytch knows
// them at this moment, and so do guards behind it.
func Live() func(http.Handler) http.Handler { return guard(sessionauth.CheckLive) }

// guard runs a check in front of a handler.
func guard(check func(context.Context) (context.Context, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("guard: the next handler is nil")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, err := check(r.Context())
			if err != nil {
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

func names(guard string, list []string) []string {
	if len(list) == 0 || slices.Contains(list, "") {
		panic("guard: " + guard + ": a name is missing")
	}
	return slices.Clone(list)
}
