package stytch_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// world is an in-memory Stytch with one user who has a session, and a client for it.
type world struct {
	*stytchtest.Server
	client  *stytch.Client
	user    stytch.User
	session stytchtest.Session
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: stytchtest.NewServer()}
	w.user = w.AddUser(stytchtest.User{
		Email: email, Password: password, ExternalID: "crm|4711", Roles: []string{"editor"},
		Name:            stytch.Name{FirstName: "Grace", LastName: "Hopper"},
		TrustedMetadata: map[string]any{"tier": 3},
	})
	w.session = w.StartSession(w.user.ID, stytchtest.SessionOptions{CustomClaims: map[string]any{"plan": "pro", "seats": 5}})
	w.client = w.newClient(t, w.Secret)
	return w
}

func (w *world) newClient(t *testing.T, secret string) *stytch.Client {
	t.Helper()
	client, err := stytch.NewClient(stytch.Config{ProjectID: w.ProjectID, Secret: secret, BaseURL: w.URL, HTTPClient: w.Server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// wantType fails unless err is a *stytch.Error with this status and type.
func wantType(t *testing.T, err error, status int, typ string) {
	t.Helper()
	var se *stytch.Error
	if !errors.As(err, &se) || se.StatusCode != status || se.Type != typ {
		t.Errorf("got %v, want status %d %s", err, status, typ)
	}
}

func TestAuthenticateSession_LiveSession(t *testing.T) {
	w := newWorld(t)
	for name, p := range map[string]stytch.AuthenticateSessionParams{
		"by its token": {SessionToken: w.session.Token},
		"by its JWT":   {SessionJWT: w.session.JWT},
	} {
		got, err := w.client.AuthenticateSession(t.Context(), p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Session.ID != w.session.ID || got.Session.UserID != w.user.ID || got.SessionToken != w.session.Token || got.SessionJWT == "" {
			t.Errorf("%s: got session %s of %s, want %s of %s and its credentials", name, got.Session.ID, got.Session.UserID, w.session.ID, w.user.ID)
		}
		if !reflect.DeepEqual(got.User, w.user) {
			t.Errorf("%s: got user %+v, want %+v", name, got.User, w.user)
		}
		if want := []string{"stytch_user", "editor"}; !reflect.DeepEqual(got.Session.Roles, want) {
			t.Errorf("%s: got roles %q, want %q", name, got.Session.Roles, want)
		}
		if got.Session.LastFactorAt().IsZero() || got.Session.Factors[0].Type != "password" {
			t.Errorf("%s: got factors %+v, want a password", name, got.Session.Factors)
		}
		if got.Verdict != nil {
			t.Errorf("%s: got a verdict, want none", name)
		}
	}
}

func TestAuthenticateSession_SessionDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := stytch.AuthenticateSessionParams{SessionToken: w.session.Token}
		time.Sleep(50 * time.Minute)
		p.SessionDuration = 2 * time.Hour
		got, err := w.client.AuthenticateSession(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Now().Add(2 * time.Hour); !got.Session.ExpiresAt.Equal(want) {
			t.Errorf("got end %v, want %v", got.Session.ExpiresAt, want)
		}
		time.Sleep(2*time.Hour - time.Second)
		p.SessionDuration = 0
		if _, err := w.client.AuthenticateSession(t.Context(), p); err != nil {
			t.Errorf("got %v, want success before its end", err)
		}
		// A JWT that expired long ago still authenticates a session that lives.
		if _, err := w.client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionJWT: w.session.JWT}); err != nil {
			t.Errorf("got %v, want success by the old JWT", err)
		}
		time.Sleep(time.Second)
		_, err = w.client.AuthenticateSession(t.Context(), p)
		wantType(t, err, 404, stytch.TypeSessionNotFound)
	})
}

func TestAuthenticateSession_CustomClaims(t *testing.T) {
	w := newWorld(t)
	got, err := w.client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{
		SessionToken: w.session.Token,
		CustomClaims: map[string]any{"plan": nil, "team": map[string]any{"name": "compilers"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantSameMembers(t, got.Session.CustomClaims, []byte(`{"seats":5,"team":{"name":"compilers"}}`))
}

func TestAuthenticateSession_AuthorizationCheck(t *testing.T) {
	w := newWorld(t)
	w.SetPolicy(stytch.Policy{Roles: []stytch.Role{
		{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read"}}}},
		{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"*"}}}},
	}})
	check := &stytch.AuthorizationCheck{ResourceID: "documents", Action: "read"}
	p := stytch.AuthenticateSessionParams{SessionToken: w.session.Token, AuthorizationCheck: check}
	got, err := w.client.AuthenticateSession(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if want := (&stytch.Verdict{Authorized: true, GrantingRoles: []string{"stytch_user", "editor"}}); !reflect.DeepEqual(got.Verdict, want) {
		t.Errorf("got %+v, want %+v", got.Verdict, want)
	}
	check.ResourceID = "invoices"
	_, err = w.client.AuthenticateSession(t.Context(), p)
	wantType(t, err, 403, stytch.TypeSessionAuthorization)

	policy, err := w.client.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !policy.Allows(got.Session.Roles, "documents", "delete") || policy.Allows(got.Session.Roles, "invoices", "read") {
		t.Errorf("got another decision from %+v than from Stytch", policy)
	}
}

func TestRevokeSession(t *testing.T) {
	for name, params := range map[string]func(stytchtest.Session) stytch.RevokeSessionParams{
		"by its id": func(s stytchtest.Session) stytch.RevokeSessionParams {
			return stytch.RevokeSessionParams{SessionID: s.ID}
		},
		"by its token": func(s stytchtest.Session) stytch.RevokeSessionParams {
			return stytch.RevokeSessionParams{SessionToken: s.Token}
		},
		"by its JWT": func(s stytchtest.Session) stytch.RevokeSessionParams {
			return stytch.RevokeSessionParams{SessionJWT: s.JWT}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.client.RevokeSession(t.Context(), params(w.session)); err != nil {
				t.Fatal(err)
			}
			for _, p := range []stytch.AuthenticateSessionParams{{SessionToken: w.session.Token}, {SessionJWT: w.session.JWT}} {
				_, err := w.client.AuthenticateSession(t.Context(), p)
				wantType(t, err, 404, stytch.TypeSessionNotFound)
			}
		})
	}
}

func TestAuthenticatePassword(t *testing.T) {
	w := newWorld(t)
	p := stytch.AuthenticatePasswordParams{Email: email, Password: password}
	got, err := w.client.AuthenticatePassword(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.UserID != w.user.ID || got.Session != nil || got.SessionToken != "" || got.SessionJWT != "" {
		t.Errorf("got user %s and a session %v, want user %s without one", got.UserID, got.Session != nil, w.user.ID)
	}

	p.SessionDuration = time.Hour
	got, err = w.client.AuthenticatePassword(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Session == nil || got.Session.UserID != w.user.ID || got.SessionToken == "" || got.SessionJWT == "" {
		t.Fatalf("got session %+v, want one of %s with its credentials", got.Session, w.user.ID)
	}

	p.SessionDuration, p.SessionToken = 0, w.session.Token
	got, err = w.client.AuthenticatePassword(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Session.ID != w.session.ID {
		t.Errorf("got session %s, want %s", got.Session.ID, w.session.ID)
	}
}

func TestClient_Rejections(t *testing.T) {
	w := newWorld(t)
	other := w.newClient(t, "secret-test-of-another-project")
	session := func(p stytch.AuthenticateSessionParams) error {
		_, err := w.client.AuthenticateSession(t.Context(), p)
		return err
	}
	login := func(address, password string) error {
		_, err := w.client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: address, Password: password})
		return err
	}
	user := func(c *stytch.Client, id string) error { _, err := c.User(t.Context(), id); return err }
	for _, test := range []struct {
		name          string
		err           error
		status        int
		typ           string
		misconfigured bool
	}{
		{"an unknown token", session(stytch.AuthenticateSessionParams{SessionToken: token}), 404, stytch.TypeSessionNotFound, false},
		{"a token of another form", session(stytch.AuthenticateSessionParams{SessionToken: "!"}), 400, stytch.TypeInvalidSessionToken, false},
		{"an unsigned JWT", session(stytch.AuthenticateSessionParams{SessionJWT: jwt}), 400, stytch.TypeUnableToParseSessionJWT, false},
		{"an unknown e-mail address", login("nobody@example.com", password), 404, stytch.TypeEmailNotFound, false},
		{"a wrong password", login(email, "hunter2hunter2"), 401, stytch.TypeUnauthorizedCredentials, true},
		{"an unknown user", user(w.client, userID), 404, stytch.TypeUserNotFound, false},
		{"a user id that is a path", user(w.client, "a/b c"), 404, stytch.TypeUserNotFound, false},
		{"a wrong secret", user(other, w.user.ID), 401, stytch.TypeUnauthorizedCredentials, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantType(t, test.err, test.status, test.typ)
			var se *stytch.Error
			if errors.As(test.err, &se) && (se.Misconfigured() != test.misconfigured || se.RequestID == "" || se.Message == "" || se.URL == "") {
				t.Errorf("got %#v, want Misconfigured %v and all fields", *se, test.misconfigured)
			}
			wantNoSecrets(t, test.err.Error())
		})
	}
}

// The calls also work over a socket with the default transport.
func TestClient_OverASocket(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewServer(w.Server)
	defer srv.Close()
	client, err := stytch.NewClient(stytch.Config{ProjectID: w.ProjectID, Secret: w.Secret, BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: w.session.Token})
	if err != nil {
		t.Fatal(err)
	}
	if got.Session.ID != w.session.ID {
		t.Errorf("got %s, want %s", got.Session.ID, w.session.ID)
	}
	for _, id := range []string{w.user.ID, "crm|4711"} {
		user, err := client.User(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*user, w.user) {
			t.Errorf("got %+v, want %+v", *user, w.user)
		}
	}
}

func TestKeySet_SendsNoSecret(t *testing.T) {
	w := newWorld(t)
	raw, err := w.newClient(t, "wrong").KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 || set.Keys[0].ID != w.KeyID() {
		t.Errorf("got %+v, want the key %s alone", set.Keys, w.KeyID())
	}
	if got, want := w.Calls("/v1/sessions/jwks/{project_id}"), 1; got != want {
		t.Errorf("got %d calls, want %d", got, want)
	}
}
