// Command bench compares sessionauth with other authentication middleware and with
// the operations that its targets refer to: a SHA-256 of the token, a clone of the
// request and a bare RSA verification.
//
//	go run -tags jwx_goccy .           measure, print, write ../docs/performance.md and its plots
//	go run -tags jwx_goccy . -quick    the same with fewer rounds and sessions
//	go test -bench .                   the same cases as Go benchmarks, for profiles and -cpu 1,2
//
// The tag selects the faster JSON decoder of jwx, which jwtauth and
// go-jwt-middleware build on.
//
// The benchmark runs in one process and offline: package stytchtest stands in for
// Stytch and serves the key set on loopback.
//
// The other libraries have their latest major versions. jwtauth still builds on
// version 2 of jwx, so that go.mod requires both versions of jwx.
//
// # Method
//
// Every case is measured in many short slices, in a new random order in each
// round. A ratio is taken within each round, so that a busy moment of the machine
// slows both sides; the result is the median over the rounds. Times are processor
// time of this process. Slices run with GOMAXPROCS at 1 and begin after a garbage
// collection, so that each case pays for collecting its own allocations. Two
// goroutines run with GOMAXPROCS at 2 and are timed by the wall clock: their rows
// mean nothing on a busy machine. The row of the SHA-256, which shares no memory,
// shows how much of a second core the machine provided.
package main
