package stytchtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func clientOf(srv *stytchtest.Server) *stytch.Client {
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		panic(err)
	}
	return client
}

// A table of bad fault: none of it is an answer.
func ExampleFault() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{})
	client := clientOf(srv)
	for _, row := range []struct {
		name  string
		fault stytchtest.Fault
	}{
		{"unavailable", stytchtest.Fault{Status: 503}},
		{"slow down", stytchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}},
		{"a proxy's page", stytchtest.HTML(502)},
		{"null", stytchtest.Raw(200, "null")},
		{"no ids", stytchtest.WithoutIDs()},
		{"half of it", stytchtest.Truncated()},
		{"half of it, then a reset", stytchtest.Reset()},
		{"no end", stytchtest.Endless()},
		{"nobody there", stytchtest.Refuse()},
		{"a bait", stytchtest.Redirect(307, "https://bait.example/")},
	} {
		srv.SetFault("/v1/users/{user_id}", row.fault)
		_, err := client.User(context.Background(), user.ID)
		fmt.Printf("%s: failed %t\n", row.name, err != nil)
	}
	fmt.Println("baits taken:", len(srv.UnexpectedCalls()))
	// Output:
	// unavailable: failed true
	// slow down: failed true
	// a proxy's page: failed true
	// null: failed true
	// no ids: failed true
	// half of it: failed true
	// half of it, then a reset: failed true
	// no end: failed true
	// nobody there: failed true
	// a bait: failed true
	// baits taken: 0
}

// A connection that breaks once, as idle ones do.
func ExampleFault_For() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{})
	client := clientOf(srv)

	srv.SetFault("", stytchtest.Reset().For(1))
	_, err := client.User(context.Background(), user.ID)
	fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))
	_, err = client.User(context.Background(), user.ID)
	fmt.Println("again:", err)
	// Output:
	// reset: true
	// again: <nil>
}

// A server that takes calls and says nothing: the caller's patience decides.
func ExampleHang() {
	srv := stytchtest.NewServer()
	srv.SetFault("", stytchtest.Hang())

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := clientOf(srv).Policy(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true
}

// A key set that anybody could sign for.
func ExampleKeySet() {
	srv := stytchtest.NewServer()
	srv.SetFault("/v1/sessions/jwks/{project_id}", stytchtest.KeySet(stytchtest.ExponentOne))

	resp, err := srv.Client().Get(srv.URL + "/v1/sessions/jwks/" + srv.ProjectID)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%.20s… %v\n", body, err)
	// Output:
	// {"keys":[{"alg":"RS2… <nil>
}

// Two minutes wrong: a JWT from the future.
func ExampleServer_SetClock() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})

	srv.SetClock(2 * time.Minute)
	ahead := time.Until(time.Unix(srv.Claims(session.ID)["iat"].(int64), 0))
	fmt.Println(ahead.Round(time.Minute))
	// Output:
	// 2m0s
}

// A role that is taken away while its bearer is signed in.
func ExampleServer_SetRoles() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{Roles: []string{"editor"}})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
	client := clientOf(srv)

	srv.SetRoles(user.ID)
	answer, err := client.AuthenticateSession(context.Background(), stytch.AuthenticateSessionParams{SessionToken: session.Token})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Session.Roles)
	// Output:
	// [stytch_user]
}

// A step-up on another device.
func ExampleServer_AddFactor() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})

	srv.AddFactor(session.ID, stytch.AuthenticationFactor{Type: "totp", DeliveryMethod: "authenticator_app"})
	answer, err := clientOf(srv).AuthenticateSession(context.Background(), stytch.AuthenticateSessionParams{SessionToken: session.Token})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, factor := range answer.Session.Factors {
		fmt.Println(factor.Type)
	}
	// Output:
	// password
	// totp
}

// Three wrong passwords, and the right one is too late.
func ExampleServer_locks() {
	srv := stytchtest.NewServer()
	srv.LockThreshold = 3
	srv.AddUser(stytchtest.User{Email: "ada@example.com", Password: "correct horse battery staple"})
	client := clientOf(srv)

	for _, password := range []string{"a", "b", "c", "correct horse battery staple"} {
		_, err := client.AuthenticatePassword(context.Background(), stytch.AuthenticatePasswordParams{
			Email: "ada@example.com", Password: password,
		})
		var e *stytch.Error
		fmt.Println(errors.As(err, &e) && e.Type == stytch.TypeUserLockLimitReached)
	}
	// Output:
	// false
	// false
	// false
	// true
}
