// Command load measures an HTTP server on loopback with and without Require, during a rotation of
// the signing keys of Stytch, and during an outage of Stytch.
//
// The load generator runs in the same process and shares its cores. It writes prepared requests on
// kept-alive connections and waits for each response before the next request. It reads only as much
// of a response as it needs to find the end of the response, because a more expensive generator
// would hide the cost of the middleware. The three servers take turns in short slices, in random
// order. The result is the median of the ratios within a turn.
package main
