//go:build !slow

package authtest

// Slow reports whether the tests run with the build tag slow.
const Slow = false
