package stytchtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A user signs in with a password. The session is authenticated with its token and with its JWT,
// and then revoked.
func Example() {
	srv := stytchtest.NewServer()
	srv.AddUser(stytchtest.User{
		Email:    "ada@example.com",
		Password: "correct horse battery staple",
		Name:     stytch.Name{FirstName: "Ada"},
		Roles:    []string{"editor"},
	})
	client, err := stytch.NewClient(stytch.Config{
		ProjectID:  srv.ProjectID,
		Secret:     srv.Secret,
		BaseURL:    srv.URL,
		HTTPClient: srv.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()

	in, err := client.AuthenticatePassword(ctx, stytch.AuthenticatePasswordParams{
		Email:           "ada@example.com",
		Password:        "correct horse battery staple",
		SessionDuration: time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed in:", in.User.Name.FirstName, in.Session.Roles)

	byToken, err := client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionToken: in.SessionToken})
	fmt.Println("by token:", err == nil && byToken.Session.ID == in.Session.ID)
	byJWT, err := client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionJWT: in.SessionJWT})
	fmt.Println("by JWT:", err == nil && byJWT.Session.ID == in.Session.ID)

	srv.RevokeSession(in.Session.ID)
	_, err = client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionToken: in.SessionToken})
	fmt.Println("revoked:", err != nil)

	fmt.Println("calls:", srv.Calls("/v1/sessions/authenticate"))
	// Output:
	// signed in: Ada [stytch_user editor]
	// by token: true
	// by JWT: true
	// revoked: true
	// calls: 3
}

// An endpoint is down and recovers.
func ExampleServer_SetFault() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{Email: "ada@example.com"})
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	srv.SetFault("/v1/users/{user_id}", stytchtest.Fault{Status: 503})
	_, err = client.User(context.Background(), user.ID)
	fmt.Println("down:", err != nil)

	srv.SetFault("/v1/users/{user_id}", stytchtest.Fault{})
	_, err = client.User(context.Background(), user.ID)
	fmt.Println("up:", err == nil)
	// Output:
	// down: true
	// up: true
}
