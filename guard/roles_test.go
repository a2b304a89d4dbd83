package guard_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Role and Permission go by what the JWT or the cache says; behind a live guard
// they go by what Stytch says now.
func TestRolesTakenAway(t *testing.T) {
	list := func(guards ...middleware) []middleware { return guards }
	rows := []struct {
		name   string
		guards []middleware
		byJWT  int // with the JWT of before
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
				s := newStage(t)
				h := s.behind(row.guards...)
				s.want(get(h, bearer(s.session.JWT)), 200)
				s.want(get(h, bearer(s.session.Token)), 200)
				s.SetRoles(s.user.ID)

				s.want(get(h, bearer(s.session.JWT)), row.byJWT)
				s.want(get(h, bearer(s.session.Token)), row.byJWT) // it is cached
				s.want(get(h, bearer(s.JWT(s.session.ID))), 403, forbidden)
				time.Sleep(time.Minute) // past CacheTTL
				s.want(get(h, bearer(s.session.Token)), 403, forbidden)
				time.Sleep(5 * time.Minute) // past the first JWT's exp and leeway
				s.want(get(h, bearer(s.session.JWT)), 403, forbidden)

				s.SetRoles(s.user.ID, "editor")
				s.want(get(h, bearer(s.JWT(s.session.ID))), 200)
			})
		})
	}
}

// Roles that were given are there from the next JWT on, and at once where
// Stytch is asked.
func TestRolesGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		plain, live := s.behind(mayDelete), s.behind(guard.PermissionLive("documents", "delete"))
		s.want(get(plain, bearer(s.session.JWT)), 403)
		s.want(get(live, bearer(s.session.JWT)), 403)
		s.SetRoles(s.user.ID, "admin")
		s.want(get(plain, bearer(s.session.JWT)), 403)
		s.want(get(live, bearer(s.session.JWT)), 200)
		verdict, ok := sessionauth.VerdictFromContext(s.seen())
		if !ok || len(verdict.GrantingRoles) != 1 || verdict.GrantingRoles[0] != "admin" {
			t.Errorf("got %+v, want it granted by admin", verdict)
		}
		s.want(get(plain, bearer(s.session.JWT)), 403) // nothing of the answer was kept
		s.want(get(plain, bearer(s.JWT(s.session.ID))), 200)
	})
}

// A step-up's question tells about factors, and not about roles: what it brought
// goes to nobody else.
func TestWhatAStepUpBroughtIsNoIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.want(get(s.behind(guard.Factor("totp")), bearer(s.session.JWT)), 401)
		s.SetRoles(s.user.ID, "editor", "admin")
		s.AddFactor(s.session.ID, stytch.AuthenticationFactor{Type: "totp", DeliveryMethod: "authenticator_app"})
		time.Sleep(5 * time.Second)
		s.want(get(s.behind(guard.Factor("totp")), bearer(s.session.JWT)), 200)
		s.want(get(s.behind(guard.Role("admin")), bearer(s.session.JWT)), 403)
		id, _ := sessionauth.FromContext(s.seen())
		if id.DecidedBy != sessionauth.Cache || id.Refreshed.JWT != "" {
			t.Errorf("got %+v, want what the JWT said", id)
		}
	})
}

// Whatever a JWT has where its roles should be, nobody becomes an admin by it. If
// the roles cannot be read, Stytch is called and knows them: the user has none.
func TestRolesOfAnotherType(t *testing.T) {
	type object = map[string]any
	rows := []struct {
		name      string
		roles     any // nil if there are none
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
					s := newStage(t)
					claims := s.Claims(s.session.ID)
					session := claims["https://stytch.com/session"].(object)
					if session["roles"] = row.roles; row.roles == nil {
						delete(session, "roles")
					}
					s.want(get(s.behind(), by.jwt(s.session.JWT)), 200) // the key set and the user are known
					calls := s.Calls("")
					status := 403
					if row.challenge == invalidToken {
						status = 401
					}
					s.want(get(s.behind(guard.Role("admin")), by.jwt(s.signed(claims))), status, row.challenge)
					s.wantReached(1)
					s.wantCalls("", calls+row.calls)
				})
			})
		}
	}
}

// signed is a JWT of the key in use.
func (s *stage) signed(claims map[string]any) string {
	s.t.Helper()
	header, err := json.Marshal(s.Header())
	if err != nil {
		s.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Sign(header, payload)
}

// Of several factors of a type the newest counts, and of the types any.
func TestSeveralFactors(t *testing.T) {
	ago := func(kind string, d time.Duration) stytch.AuthenticationFactor {
		return stytch.AuthenticationFactor{Type: kind, LastAuthenticatedAt: time.Now().Add(-d)}
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.session = s.StartSession(s.user.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{
			ago("otp", 3*time.Hour), ago("password", time.Hour), ago("otp", 2*time.Hour),
		}})
		s.want(get(s.behind(guard.Fresh(time.Hour)), bearer(s.session.JWT)), 200)
		s.want(get(s.behind(guard.Fresh(time.Hour-time.Second)), bearer(s.session.JWT)), 401)
		s.want(get(s.behind(guard.Factor("webauthn", "otp")), bearer(s.session.JWT)), 200)
		s.want(get(s.behind(guard.Factor("webauthn")), bearer(s.session.JWT)), 401)
		// Fresh and Factor are two questions: a fresh factor need not be the one.
		s.want(get(s.behind(guard.Factor("otp"), guard.Fresh(time.Hour)), bearer(s.session.JWT)), 200)
		s.AddFactor(s.session.ID, ago("webauthn", 0))
		time.Sleep(5 * time.Second)
		s.want(get(s.behind(guard.Factor("webauthn"), guard.Fresh(time.Minute)), bearer(s.session.JWT)), 200)
		s.wantCalls(pathAuthenticate, 2)
	})
}

// A JWT older than RBAC says nothing of roles: it grants nothing, not even what
// the default role would.
func TestASessionWithoutRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		claims := s.Claims(s.session.ID)
		delete(claims["https://stytch.com/session"].(map[string]any), "roles")
		old := bearer(s.signed(claims))
		s.want(get(s.behind(), old), 200)
		if list, err := s.auth.Permissions(s.seen()); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v, want no permission", list, err)
		}
		s.want(get(s.behind(guard.Permission("notes", "read")), old), 403, forbidden)
		s.want(get(s.behind(guard.Role("stytch_user")), old), 403, forbidden)
		s.want(get(s.behind(guard.PermissionLive("notes", "read")), old), 200)
		if list, err := s.auth.Permissions(s.seen()); err != nil || len(list) != 2 {
			t.Errorf("got %v, %v, want what Stytch's roles grant", list, err)
		}
	})
}
