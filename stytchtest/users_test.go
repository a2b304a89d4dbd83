package stytchtest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestGetUser_Shape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		user := srv.AddUser(stytchtest.User{
			Email: email, Password: password, ExternalID: "ada-1", Roles: []string{"admin", "stytch_user"},
			Name:            stytch.Name{FirstName: "Ada", MiddleName: "King", LastName: "Lovelace"},
			TrustedMetadata: map[string]any{"plan": "pro"}, UntrustedMetadata: map[string]any{"theme": "dark"},
		})
		a := get(t, srv, "/v1/users/"+user.ID)
		a.want(t, 200, "")
		delete(a.body, "request_id")
		equal(t, "user", a.body, `{"biometric_registrations":[],"created_at":"2000-01-01T00:00:00Z","crypto_wallets":[],`+
			`"emails":[{"email":"ada@example.com","email_id":"`+user.Emails[0].ID+`","verified":true}],"external_id":"ada-1",`+
			`"is_locked":false,"lock_created_at":null,"lock_expires_at":null,`+
			`"name":{"first_name":"Ada","last_name":"Lovelace","middle_name":"King"},`+
			`"password":{"password_id":"`+user.Password.ID+`","requires_reset":false},"phone_numbers":[],"providers":[],`+
			`"roles":["stytch_user","admin"],"status":"active","status_code":200,"totps":[],"trusted_metadata":{"plan":"pro"},`+
			`"untrusted_metadata":{"theme":"dark"},"user_id":"`+user.ID+`","webauthn_registrations":[]}`)
	})
}

func TestGetUser_ZeroUser(t *testing.T) {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{})
	a := get(t, srv, "/v1/users/"+user.ID)
	for name, want := range map[string]string{
		"emails": `[]`, "password": `null`, "external_id": `null`, "trusted_metadata": `{}`, "roles": `["stytch_user"]`,
		"name": `{"first_name":"","last_name":"","middle_name":""}`,
	} {
		equal(t, name, a.body[name], want)
	}
	if user.Password != nil || user.ExternalID != nil || len(user.Emails) != 0 || user.Status != "active" {
		t.Errorf("got %+v, want an active user without e-mail and password", user)
	}
}

func TestServer_AddUser(t *testing.T) {
	srv, user, _ := setup(t)
	got, err := typed(t, srv).User(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != user.ID || !slices.Equal(got.Emails, user.Emails) || *got.Password != *user.Password || !got.CreatedAt.Equal(user.CreatedAt) {
		t.Errorf("got %+v, want %+v", got, user)
	}
}

func TestGetUser(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.AddUser(stytchtest.User{ID: "user-test-1", ExternalID: "a.b|c-1"})
	srv.AddUser(stytchtest.User{ID: "user-test-2"})
	for _, tt := range []struct {
		name, id  string
		status    int
		errorType string
	}{
		{"id", "user-test-1", 200, ""},
		{"external id", "a.b%7Cc-1", 200, ""},
		{"another case", "USER-test-1", 404, "user_not_found"},
		{"unknown", "user-test-3", 404, "user_not_found"},
		{"escaped slash", "user-test-1%2F", 404, "route_not_found"},
		{"empty", "", 404, "route_not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			get(t, srv, "/v1/users/"+tt.id).want(t, tt.status, tt.errorType)
		})
	}
}

func TestServer_AddUser_PanicsIfTaken(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.AddUser(stytchtest.User{ID: "user-test-1", Email: email, ExternalID: "ada-1"})
	for name, u := range map[string]stytchtest.User{
		"id": {ID: "user-test-1"}, "e-mail": {Email: email}, "e-mail in another case": {Email: "Ada@example.com"}, "external id": {ExternalID: "ada-1"},
	} {
		panics(t, name, func() { srv.AddUser(u) })
	}
	srv.AddUser(stytchtest.User{})
	srv.AddUser(stytchtest.User{})
}
