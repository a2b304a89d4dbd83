// Package attacktest sends hostile and malformed requests to the middleware. It
// contains only tests. hostile.md lists the requests and the responses, and
// README.md describes how to add one.
package attacktest
