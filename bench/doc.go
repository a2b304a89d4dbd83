// Command bench measures sessionauth beside other middleware of its kind and
// beside what the targets are held against: a SHA-256 of the token, a clone of the
// request, a bare RSA verification.
//
//	go run -tags jwx_goccy .           measure, print, write ../docs/performance.md and its plots
//	go run -tags jwx_goccy . -quick    the same in little time, and rougher
//	go test -bench .                   the same cases as Go benchmarks, for profiles and -cpu 1,2
//
// The tag gives jwx, which jwtauth stands on, its faster JSON decoder.
//
// Everything runs in this process and offline: the key set is served on
// loopback, and Stytch is package stytchtest.
//
// # Method
//
// All cases are measured in many short slices, in a new random order in each
// round. A ratio is taken within each round and the median of the rounds is
// given, so that a busy moment of the machine slows both sides of it. Times are
// processor time of this process. Slices run with GOMAXPROCS at 1 and begin after
// a garbage collection: what a case allocates is collected at its own cost. Two
// goroutines have GOMAXPROCS at 2 and are timed by the wall clock, so their rows
// mean nothing on a busy machine; the one of the SHA-256, which shares nothing,
// says what the machine gave.
package main
