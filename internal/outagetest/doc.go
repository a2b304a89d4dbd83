// Package outagetest tests the middleware while Stytch fails. It contains only tests. README.md
// says what they show and how to add one.
package outagetest
