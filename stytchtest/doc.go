// Package stytchtest is an in-memory Stytch for tests and for work offline: an
// [http.Handler] that answers the part of the Stytch consumer API that a session
// middleware calls.
//
// A test makes a [Server], adds a user, starts a session, and points the code
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
// testing/synctest bubble, where a test can wait for sessions and JWTs to expire
// without delay. Other code, other languages and curl reach the same Server
// through httptest.NewServer(srv), or through the command in cmd/stytchtest.
//
// The server is strict: it rejects what Stytch rejects, with the same error
// types, and makes its checks in the same order. It shares no code with the
// client that it tests, except the exported types in its signatures. Where
// the documentation of Stytch says nothing, a comment in the code says that the
// behaviour is an assumption.
//
// What a test can change:
//
//   - [Server.SetFault] makes an endpoint slow or broken, from a 503 to a
//     connection that is reset half-way. See [Fault].
//   - [Server.SetClock] sets the server's clock wrong.
//   - [Server.RotateKeys] and [Server.WithdrawKey] change the key set.
//   - [Server.SetRoles] and [Server.AddFactor] change the roles and the factors
//     of a live session.
//   - [Server.Sign] signs any header and payload, such as a forged JWT.
//
// What a test can observe: [Server.Calls] counts the calls that have arrived,
// and [Server.UnexpectedCalls] lists those that were sent elsewhere.
//
// The package is unofficial and independent of Stytch.
// See https://stytch.com/docs/api for the API that it follows.
package stytchtest
