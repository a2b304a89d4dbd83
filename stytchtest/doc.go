// Package stytchtest provides an in-memory Stytch for tests and for work
// offline. It is an [http.Handler] that serves the endpoints of the Stytch
// consumer API that session middleware calls.
//
// A test creates a [Server], adds a user, starts a session, and points the code
// under test at the server:
//
//	srv := stytchtest.NewServer()
//	user := srv.AddUser(stytchtest.User{Email: "ada@example.com", Password: "correct horse battery staple"})
//	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
//	client, err := stytch.NewClient(stytch.Config{
//		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
//	})
//
// [Server.Client] uses no socket and no goroutine, so it works in a
// testing/synctest bubble. A test in a bubble can wait for sessions and JWTs to
// expire without delay. To reach the same Server with other code, other
// languages or curl, use httptest.NewServer(srv) or the command in
// cmd/stytchtest.
//
// The server is strict: it rejects what Stytch rejects, with the same error
// types, and makes its checks in the same order. It shares no code with the
// client that it tests, except the exported types in its signatures. If the
// documentation of Stytch does not specify a behaviour, a comment in the code
// calls the behaviour an assumption.
//
// A test can change the following:
//
//   - [Server.SetFault] makes an endpoint slow or broken. Faults range from a
//     503 to a connection that is reset in the middle of a response. See
//     [Fault].
//   - [Server.SetClock] sets the server's clock wrong.
//   - [Server.RotateKeys] and [Server.WithdrawKey] change the key set.
//   - [Server.SetRoles] and [Server.AddFactor] change the roles and the factors
//     of a live session.
//   - [Server.Sign] signs any header and payload, such as a forged JWT.
//
// A test can observe the following: [Server.Calls] counts the calls that have
// arrived, and [Server.UnexpectedCalls] lists the calls to other hosts.
//
// The package is unofficial and independent of Stytch. It follows the API that
// is described at https://stytch.com/docs/api.
package stytchtest
