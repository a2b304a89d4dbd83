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

// Each of these Faults makes a call fail.
func ExampleFault() {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{})
	client := clientOf(srv)
	for _, row := range []struct {
		name  string
		fault stytchtest.Fault
	}{
		{"unavailable", stytchtest.Fault{Status: 503}},
		{"rate limit", stytchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}},
		{"page of a proxy", stytchtest.HTML(502)},
		{"null", stytchtest.Raw(200, "null")},
		{"without ids", stytchtest.WithoutIDs()},
		{"half an answer", stytchtest.Truncated()},
		{"half an answer, then a reset", stytchtest.Reset()},
		{"an endless body", stytchtest.Endless()},
		{"connection refused", stytchtest.Refuse()},
		{"a redirect", stytchtest.Redirect(307, "https://bait.example/")},
	} {
		srv.SetFault("/v1/users/{user_id}", row.fault)
		_, err := client.User(context.Background(), user.ID)
		fmt.Printf("%s: failed %t\n", row.name, err != nil)
	}
	fmt.Println("unexpected calls:", len(srv.UnexpectedCalls()))
	// Output:
	// unavailable: failed true
	// rate limit: failed true
	// page of a proxy: failed true
	// null: failed true
	// without ids: failed true
	// half an answer: failed true
	// half an answer, then a reset: failed true
	// an endless body: failed true
	// connection refused: failed true
	// a redirect: failed true
	// unexpected calls: 0
}

// A connection breaks once, as an idle connection does.
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

// A server receives calls but never answers. The deadline of the caller ends the call.
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

// Anyone can sign JWTs for the keys of this key set.
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

// The clock of the server is two minutes ahead, and so is the iat of its JWTs.
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

// A user loses a role while signed in.
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

// The user proves another factor on another device.
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

// Three wrong passwords lock a user. After that the server rejects the correct password too.
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
