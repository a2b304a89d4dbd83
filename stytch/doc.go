// Package stytch holds the types of Stytch's consumer API that a session
// middleware needs, and a small typed client for the endpoints behind it:
// sessions, passwords, users, the key set and the RBAC policy.
//
// The client makes one HTTP exchange per call. It has a timeout, reads answers
// through a limit, follows no redirect and never repeats a call; coalescing,
// retries and circuit breaking are the business of package sessionauth above
// it.
//
// The package is unofficial and independent of Stytch. Field meanings follow
// the API reference at https://stytch.com/docs/api.
package stytch
