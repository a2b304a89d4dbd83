package stytch_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// AuthenticateSession authenticates the session token that a browser sent.
func ExampleClient_AuthenticateSession() {
	srv := stytchtest.NewServer() // stands in for Stytch
	user := srv.AddUser(stytchtest.User{Name: stytch.Name{FirstName: "Ada"}, Roles: []string{"editor"}})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})

	client, err := stytch.NewClient(stytch.Config{
		ProjectID:  srv.ProjectID,
		Secret:     srv.Secret,
		BaseURL:    srv.URL,      // leave it empty to call Stytch itself
		HTTPClient: srv.Client(), // leave this empty too
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	check := stytch.AuthenticateSessionParams{SessionToken: session.Token}

	answer, err := client.AuthenticateSession(ctx, check)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.User.Name.FirstName, answer.Session.Roles)

	if err := client.RevokeSession(ctx, stytch.RevokeSessionParams{SessionID: answer.Session.ID}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.AuthenticateSession(ctx, check)
	var refused *stytch.Error
	if errors.As(err, &refused) && refused.Type == stytch.TypeSessionNotFound {
		fmt.Println("signed out")
	}
	// Output:
	// Ada [stytch_user editor]
	// signed out
}

// AuthenticatePassword signs a user in. With SessionDuration, the response contains a session and
// its credentials.
func ExampleClient_AuthenticatePassword() {
	srv := stytchtest.NewServer()
	srv.AddUser(stytchtest.User{Email: "ada@example.com", Password: "correct horse battery staple"})
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()

	answer, err := client.AuthenticatePassword(ctx, stytch.AuthenticatePasswordParams{
		Email:           "ada@example.com",
		Password:        "correct horse battery staple",
		SessionDuration: time.Hour,
		CustomClaims:    map[string]any{"plan": "pro"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var claims struct {
		Plan string `json:"plan"`
	}
	if err := answer.Session.Claims(&claims); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(answer.SessionToken), claims.Plan, answer.Session.Factors[0].Type)

	_, err = client.AuthenticatePassword(ctx, stytch.AuthenticatePasswordParams{
		Email: "ada@example.com", Password: "wrong",
	})
	var refused *stytch.Error
	fmt.Println(errors.As(err, &refused) && refused.Type == stytch.TypeUnauthorizedCredentials)
	// Output:
	// 44 pro password
	// true
}

// A program loads the policy once and evaluates it locally.
func ExamplePolicy_Allows() {
	srv := stytchtest.NewServer()
	srv.SetPolicy(stytch.Policy{Roles: []stytch.Role{
		{ID: "stytch_user", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read"}}}},
		{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"*"}}}},
	}})
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := client.Policy(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(policy.Allows([]string{"stytch_user"}, "documents", "read"))
	fmt.Println(policy.Allows([]string{"stytch_user"}, "documents", "delete"))
	fmt.Println(policy.Allows([]string{"stytch_user", "admin"}, "documents", "delete"))
	// Output:
	// true
	// false
	// true
}
