package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A demo is an in-memory Stytch with users whose sessions are worth trying.
type demo struct {
	stytch *stytchtest.Server
	user   stytch.User
	noteID string // of a note to delete

	live    stytchtest.Session // for a day
	ended   stytchtest.Session // a minute ago
	revoked stytchtest.Session // by this server
}

// An account is somebody whom the sign-in page offers to be.
type account struct{ Email, Password, CanDo string }

// accounts are the users of the in-memory Stytch.
var accounts = []account{
	{"ada@example.com", "correct horse battery staple", "writes and deletes notes of her own"},
	{"grace@example.com", "correct horse battery staple", "is an admin, and may delete every note"},
}

// demoPolicy is the project's RBAC policy. On a project of your own make the
// same in Stytch's dashboard.
var demoPolicy = stytch.Policy{
	Roles: []stytch.Role{
		{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"read", "write", "delete"}}}},
		{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "notes", Actions: []string{"delete_any"}}}},
	},
	Resources: []stytch.Resource{{ID: "notes", Actions: []string{"read", "write", "delete", "delete_any"}}},
}

// newDemo makes the app on an in-memory Stytch. config says what is the same on
// the real one.
func newDemo(ctx context.Context, o options, config sessionauth.Config) (*app, error) {
	d := startDemo(o.jwtLifetime)
	config.ProjectID, config.Secret, config.BaseURL = d.stytch.ProjectID, d.stytch.Secret, d.stytch.URL
	config.HTTPClient = d.stytch.Client()
	auth, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	if err := auth.Revoke(ctx, d.revoked.ID); err != nil {
		return nil, err
	}
	notes := &notebook{}
	n, err := notes.add(author{d.user.ID, nameOf(&d.user)}, "Delete me")
	if err != nil {
		return nil, err
	}
	d.noteID = n.ID

	config.HTTPClient = &http.Client{Transport: outage{}}
	cutOff, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	handler, err := newSite(&site{auth: auth, notes: notes, fresh: o.fresh, accounts: accounts})
	if err != nil {
		return nil, err
	}
	handler.Route("/outage", (&site{auth: cutOff, notes: notes}).api)
	return &app{handler: handler, guide: d.guide, stytch: d.stytch}, nil
}

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

// expiredJWT returns a JWT of a session that Stytch would have signed ten
// minutes ago, for five.
func (d *demo) expiredJWT(sessionID string) string {
	claims := d.stytch.Claims(sessionID)
	now := time.Now()
	claims["iat"] = now.Add(-10 * time.Minute).Unix()
	claims["nbf"] = claims["iat"]
	claims["exp"] = now.Add(-5 * time.Minute).Unix()
	return d.stytch.Sign(encode(d.stytch.Header()), encode(claims))
}

// forgedJWT returns a good JWT in which somebody wrote another user's id.
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
		panic(err) // claims come from JSON
	}
	return b
}

// An outage is a network on which nobody answers.
type outage struct{}

// RoundTrip implements http.RoundTripper.
func (outage) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // nothing was read
	}
	return nil, errors.New("no route to Stytch")
}
