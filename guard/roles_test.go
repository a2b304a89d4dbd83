package guard_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Role and Permission use the roles in the JWT or in the cache. Behind a live guard they use the
// roles that Stytch just returned.
func TestRole_Removed(t *testing.T) {
	list := func(guards ...middleware) []middleware { return guards }
	rows := []struct {
		name   string
		guards []middleware
		byJWT  int // status with the JWT from before the change
	}{
		{"Role", list(guard.Role("editor")), 200},
		{"Permission", list(mayWrite), 200},
		{"PermissionLive", list(guard.PermissionLive("documents", "write")), 403},
		{"Role behind Live", list(guard.Live(), guard.Role("editor")), 403},
		{"Permission behind Live", list(guard.Live(), mayWrite), 403},
		{"Role behind PermissionLive", list(guard.PermissionLive("notes", "read"), guard.Role("editor")), 403},
		{"Permission behind PermissionLive", list(guard.PermissionLive("notes", "read"), mayWrite), 403},
		{"Live behind Role", list(guard.Role("editor"), guard.Live()), 200},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				h := s.Behind(row.guards...)
				s.want(s.get(h, bearer(s.Session.JWT)), 200)
				s.want(s.get(h, bearer(s.Session.Token)), 200)
				s.SetRoles(s.User.ID)

				s.want(s.get(h, bearer(s.Session.JWT)), row.byJWT)
				s.want(s.get(h, bearer(s.Session.Token)), row.byJWT) // answered from the cache
				s.want(s.get(h, bearer(s.JWT(s.Session.ID))), 403, forbidden)
				time.Sleep(time.Minute) // past CacheTTL
				s.want(s.get(h, bearer(s.Session.Token)), 403, forbidden)
				time.Sleep(5 * time.Minute) // past the exp of the first JWT and the leeway
				s.want(s.get(h, bearer(s.Session.JWT)), 403, forbidden)

				s.SetRoles(s.User.ID, "editor")
				s.want(s.get(h, bearer(s.JWT(s.Session.ID))), 200)
			})
		})
	}
}

// A new role has an effect with the next JWT. A live guard sees it immediately.
func TestRole_Added(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		plain, live := s.Behind(mayDelete), s.Behind(guard.PermissionLive("documents", "delete"))
		s.want(s.get(plain, bearer(s.Session.JWT)), 403)
		s.want(s.get(live, bearer(s.Session.JWT)), 403)
		s.SetRoles(s.User.ID, "admin")
		s.want(s.get(plain, bearer(s.Session.JWT)), 403)
		s.want(s.get(live, bearer(s.Session.JWT)), 200)
		verdict, ok := sessionauth.VerdictFromContext(s.seen())
		if !ok || len(verdict.GrantingRoles) != 1 || verdict.GrantingRoles[0] != "admin" {
			t.Errorf("got %+v, want it granted by admin", verdict)
		}
		s.want(s.get(plain, bearer(s.Session.JWT)), 403) // the answer to the live guard was not cached
		s.want(s.get(plain, bearer(s.JWT(s.Session.ID))), 200)
	})
}

// Factor may call Stytch. It uses the answer for factors only, so the roles of the identity do not
// change.
func TestFactor_AnswerDoesNotChangeTheIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.want(s.get(s.Behind(guard.Factor("totp")), bearer(s.Session.JWT)), 401)
		s.SetRoles(s.User.ID, "editor", "admin")
		s.AddFactor(s.Session.ID, stytch.AuthenticationFactor{Type: "totp", DeliveryMethod: "authenticator_app"})
		time.Sleep(5 * time.Second)
		s.want(s.get(s.Behind(guard.Factor("totp")), bearer(s.Session.JWT)), 200)
		s.want(s.get(s.Behind(guard.Role("admin")), bearer(s.Session.JWT)), 403)
		id, _ := sessionauth.FromContext(s.seen())
		if id.DecidedBy != sessionauth.Cache || id.Refreshed.JWT != "" {
			t.Errorf("got %+v, want the identity of the JWT", id)
		}
	})
}

// Whatever type the roles claim of a JWT has, it grants no role. If the claim cannot be read,
// Require calls Stytch, which returns that the user has no roles.
func TestRole_ClaimOfAnotherType(t *testing.T) {
	type object = map[string]any
	rows := []struct {
		name      string
		roles     any // nil if the claim is missing
		challenge string
		calls     int
	}{
		{"143 a string", "admin", forbidden, 1},
		{"143 an object", object{"admin": true}, forbidden, 1},
		{"143 numbers", []int{0, 1}, forbidden, 1},
		{"143 null", json.RawMessage("null"), forbidden, 0},
		{"143 a list in a list", []any{[]string{"admin"}}, forbidden, 1},
		{"143 an admin among numbers", []any{"admin", 1}, forbidden, 1},
		{"143 10001", append(make([]string, 10000), "admin"), invalidToken, 0},
		{"143 none", nil, forbidden, 0},
		{"143 an empty list", []string{}, forbidden, 0},
		{"143 other names", []string{"Admin", "admin ", "administrator", "", "*"}, forbidden, 0},
	}
	for _, row := range rows {
		for _, by := range carriers {
			t.Run(row.name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					claims := s.Claims(s.Session.ID)
					session := claims["https://stytch.com/session"].(object)
					if session["roles"] = row.roles; row.roles == nil {
						delete(session, "roles")
					}
					s.want(s.get(s.Behind(), by.jwt(s.Session.JWT)), 200) // fetches the key set and the user
					calls := s.Calls("")
					status := 403
					if row.challenge == invalidToken {
						status = 401
					}
					s.want(s.get(s.Behind(guard.Role("admin")), by.jwt(s.signed(claims))), status, row.challenge)
					s.wantPasses(1)
					s.WantCalls("", calls+row.calls)
				})
			})
		}
	}
}

// signed returns a JWT of the session with these claims changed.
func (s *env) signed(claims map[string]any) string {
	return s.Sign(authtest.JSON(s.Header()), authtest.JSON(claims))
}

// If a session has several factors of a type, the newest one counts. If a guard allows several
// types, one of them is enough.
func TestFactor_SeveralFactors(t *testing.T) {
	ago := func(kind string, d time.Duration) stytch.AuthenticationFactor {
		return stytch.AuthenticationFactor{Type: kind, LastAuthenticatedAt: time.Now().Add(-d)}
	}
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Session = s.StartSession(s.User.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{
			ago("otp", 3*time.Hour), ago("password", time.Hour), ago("otp", 2*time.Hour),
		}})
		s.want(s.get(s.Behind(guard.Fresh(time.Hour)), bearer(s.Session.JWT)), 200)
		s.want(s.get(s.Behind(guard.Fresh(time.Hour-6*time.Second)), bearer(s.Session.JWT)), 401)
		s.want(s.get(s.Behind(guard.Factor("webauthn", "otp")), bearer(s.Session.JWT)), 200)
		s.want(s.get(s.Behind(guard.Factor("webauthn")), bearer(s.Session.JWT)), 401)
		// Fresh and Factor are separate checks, so the fresh factor may be another one.
		s.want(s.get(s.Behind(guard.Factor("otp"), guard.Fresh(time.Hour)), bearer(s.Session.JWT)), 200)
		s.AddFactor(s.Session.ID, ago("webauthn", 0))
		time.Sleep(5 * time.Second)
		s.want(s.get(s.Behind(guard.Factor("webauthn"), guard.Fresh(time.Minute)), bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 2)
	})
}

// A JWT from before RBAC was enabled has no roles claim. It grants nothing, not even the
// permissions of the default role.
func TestPermission_JWTWithoutRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		claims := s.Claims(s.Session.ID)
		delete(claims["https://stytch.com/session"].(map[string]any), "roles")
		old := bearer(s.signed(claims))
		s.want(s.get(s.Behind(), old), 200)
		if list, err := s.Auth.Permissions(s.seen()); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v, want no permission", list, err)
		}
		s.want(s.get(s.Behind(guard.Permission("notes", "read")), old), 403, forbidden)
		s.want(s.get(s.Behind(guard.Role("stytch_user")), old), 403, forbidden)
		s.want(s.get(s.Behind(guard.PermissionLive("notes", "read")), old), 200)
		if list, err := s.Auth.Permissions(s.seen()); err != nil || len(list) != 2 {
			t.Errorf("got %v, %v, want the permissions of the roles that Stytch returned", list, err)
		}
	})
}
