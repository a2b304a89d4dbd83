// Package attacktest sends hostile and malformed requests to the middleware. It
// contains tests only. hostile.md lists the requests and their answers, and
// README.md says how to add one.
package attacktest
