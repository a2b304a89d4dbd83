// Package stytch provides a client for the Stytch consumer API. It covers the
// endpoints that session middleware needs and their types: sessions, passwords,
// users, the key set and the RBAC policy.
//
// Each method of [Client] makes one HTTP request. The client limits the time of
// a call and the size of a response. It does not follow redirects and does not
// retry. Package sessionauth coalesces and retries calls and has a circuit
// breaker.
//
// The methods return these errors:
//
//   - [*ParamError]: a parameter is invalid, and no request was made;
//   - [*Error]: the response has a status other than success;
//   - [*InvalidAnswerError]: the response has a success status but is invalid;
//   - [*NoAnswerError]: there is no complete response.
//
// The package is unofficial and independent of Stytch. The meanings of fields
// follow the API reference at https://stytch.com/docs/api.
package stytch
