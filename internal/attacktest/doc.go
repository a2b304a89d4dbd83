// Package attacktest sends hostile and malformed requests to the middleware. It contains only
// tests. hostile.md lists the requests and the expected answers, and README.md explains how to add
// one.
package attacktest
