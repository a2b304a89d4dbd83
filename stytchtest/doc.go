// Package stytchtest is an in-memory Stytch for tests and for working offline:
// an [http.Handler] that answers the part of Stytch's consumer API that a
// session middleware needs.
//
// A test makes a [Server], adds a user, starts a session, and points the code
// under test at it:
//
//	srv := stytchtest.NewServer()
//	user := srv.AddUser(stytchtest.User{Email: "ada@example.com", Password: "correct horse battery staple"})
//	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
//	client, err := stytch.NewClient(stytch.Config{
//		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
//	})
//
// [Server.Client] needs no socket and no goroutine, so it works inside a
// testing/synctest bubble, where sessions and JWTs expire in no time. Other
// code, other languages and curl reach the same Server through
// httptest.NewServer(srv), or through the command in cmd/stytchtest.
//
// The server is strict: what Stytch refuses, it refuses, in the same order,
// with the same error types. It has no code in common with the client it is
// the judge of, except the exported types in its own signatures. Where Stytch's
// documentation is silent the comment at the code says "a guess".
//
// [Server.SetFault] makes an endpoint slow or broken: see [Fault] for how,
// from a 503 to a connection reset half-way. [Server.SetClock] puts the server's
// clock wrong, [Server.RotateKeys] and [Server.WithdrawKey] move the key set,
// [Server.SetRoles] and [Server.AddFactor] change what a live session may and
// has proved, [Server.Calls] counts what arrived, [Server.UnexpectedCalls] lists what
// was sent elsewhere, and [Server.Sign] signs whatever a hostile test wants
// signed.
//
// The package is unofficial and independent of Stytch.
// See https://stytch.com/docs/api for the API it follows.
package stytchtest
