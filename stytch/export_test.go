package stytch

// DefaultTransport is defaultTransport, for tests with a certificate authority of
// their own.
var DefaultTransport = defaultTransport
