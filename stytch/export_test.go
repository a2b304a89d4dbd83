package stytch

// DefaultTransport is defaultTransport. Tests set their own certificate authority in it.
var DefaultTransport = defaultTransport
