// Command load drives an HTTP server on loopback, with and without Require, and
// through a rotation of Stytch's keys and an outage of Stytch.
//
// The generator is in this process and shares its cores: it writes prepared
// requests on kept-alive connections, each waiting for its answer before the
// next, and reads no more of an answer than where it ends. Its own cost is small
// on purpose, since it hides the middleware's. The three servers
// take turns in short slices, in random order, and the median of the ratios within a
// turn is given.
package main
