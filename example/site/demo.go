package site

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A demo is an in-memory Stytch with users and sessions.
type demo struct {
	stytch *stytchtest.Server
	user   stytch.User
	noteID string // id of a note to delete

	live    stytchtest.Session // ends in a day
	ended   stytchtest.Session // ended a minute ago
	revoked stytchtest.Session // to be revoked by the site
}

// accounts are the users of the in-memory Stytch.
var accounts = []account{
	{"ada@example.com", "correct horse battery staple", "can write notes and delete her own"},
	{"grace@example.com", "correct horse battery staple", "is an admin and can delete the notes of every user"},
}

// demoPolicy is the RBAC policy of the in-memory Stytch. For a real project, create
// the same roles in the Stytch dashboard.
var demoPolicy = stytch.Policy{
	Roles: []stytch.Role{
		{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"read", "write", "delete"}}}},
		{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"delete_any"}}}},
	},
	Resources: []stytch.Resource{{ID: "notes", Actions: []string{"read", "write", "delete", "delete_any"}}},
}

// startDemo starts an in-memory Stytch with demo users and sessions.
func startDemo(jwtLifetime time.Duration) *demo {
	srv := stytchtest.NewServer()
	srv.JWTLifetime = jwtLifetime
	srv.SetPolicy(demoPolicy)
	ada := srv.AddUser(stytchtest.User{
		Email: accounts[0].Email, Password: accounts[0].Password,
		Name: stytch.Name{FirstName: "Ada", LastName: "Lovelace"},
	})
	srv.AddUser(stytchtest.User{
		Email: accounts[1].Email, Password: accounts[1].Password,
		Name: stytch.Name{FirstName: "Grace", LastName: "Hopper"}, Roles: []string{"admin"},
	})
	start := func(d time.Duration) stytchtest.Session {
		return srv.StartSession(ada.ID, stytchtest.SessionOptions{Duration: d})
	}
	return &demo{stytch: srv, user: ada, live: start(24 * time.Hour), ended: start(-time.Minute), revoked: start(24 * time.Hour)}
}

// expiredJWT returns a JWT that was issued ten minutes ago and expired five minutes ago.
func (d *demo) expiredJWT(sessionID string) string {
	claims := d.stytch.Claims(sessionID)
	now := time.Now()
	claims["iat"] = now.Add(-10 * time.Minute).Unix()
	claims["nbf"] = claims["iat"]
	claims["exp"] = now.Add(-5 * time.Minute).Unix()
	return d.stytch.Sign(encode(d.stytch.Header()), encode(claims))
}

// forgedJWT returns a valid JWT whose user id was changed after signing.
func (d *demo) forgedJWT() string {
	claims := d.stytch.Claims(d.live.ID)
	claims["sub"] = "user-test-00000000-0000-4000-8000-000000000000"
	parts := strings.Split(d.live.JWT, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(encode(claims))
	return strings.Join(parts, ".")
}

func encode(claims map[string]any) []byte {
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err) // unreachable, because the claims were decoded from JSON
	}
	return b
}

// An outage is a transport that cannot reach Stytch.
type outage struct{}

// RoundTrip implements http.RoundTripper.
func (outage) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // RoundTrip must close the body even on errors
	}
	return nil, errors.New("no route to Stytch")
}
