package sessionauth

import (
	"strings"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// isB64Token is the syntax of RFC 6750, section 2.1. What is too long to be
// a credential is not read, and has it.
func isB64Token(s string) bool {
	if len(s) > sessionjwt.MaxSize {
		return true
	}
	body := strings.TrimRight(s, "=")
	return body != "" && isOf(body, notB64Token)
}

// isToken is the syntax of a field name or a cookie name (RFC 9110, section 5.6.2).
func isToken(s string) bool { return s != "" && isOf(s, notToken) }

// What a byte is not.
const (
	notBase64URL uint8 = 1 << iota
	notB64Token
	notToken
)

// lacks says for every byte what it is not.
var lacks = func() (table [256]uint8) {
	const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for class, set := range map[uint8]string{
		notBase64URL: alnum + "-_",
		notB64Token:  alnum + "-._~+/",
		notToken:     alnum + "!#$%&'*+-.^_`|~",
	} {
		for c := range table {
			if strings.IndexByte(set, byte(c)) < 0 {
				table[c] |= class
			}
		}
	}
	return table
}()

// isOf reports whether no byte of s lacks a class. Strangers can have us look at
// kilobytes: eight bytes a turn and no branch among them take a quarter of the
// time of the plain loop.
func isOf(s string, class uint8) bool {
	var seen uint8
	for ; len(s) >= 8; s = s[8:] {
		seen |= lacks[s[0]] | lacks[s[1]] | lacks[s[2]] | lacks[s[3]] |
			lacks[s[4]] | lacks[s[5]] | lacks[s[6]] | lacks[s[7]]
	}
	for i := range len(s) {
		seen |= lacks[s[i]]
	}
	return seen&class == 0
}

func asciiEqualFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
