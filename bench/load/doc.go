// Command load measures an HTTP server on loopback with and without Require, during
// a rotation of the signing keys of Stytch and during an outage of Stytch.
//
// The load generator runs in the same process and shares its cores. It writes
// prepared requests on kept-alive connections, waits for each response before the
// next request, and reads no more of a response than it needs to find its end: a
// more expensive generator would hide the cost of the middleware. The three servers
// take turns in short slices, in random order. The result is the median of the
// ratios within a turn.
package main
