package authtest

import (
	"fmt"
	"runtime"
	"strings"
)

// NeedsCall lists the three ways in which authentication needs a call to Stytch.
var NeedsCall = []struct {
	Name    string
	Path    string            // the endpoint, as used by Server.Calls
	Prefix  string            // prefix of the URL path of the call
	Prepare func(*Env)        // runs before the request
	Field   func(*Env) string // header field of the request
}{
	{"a token", PathAuthenticate, PathAuthenticate, func(*Env) {}, func(e *Env) string { return Bearer(e.Session.Token) }},
	{"an expired JWT", PathAuthenticate, PathAuthenticate, (*Env).Expire, func(e *Env) string { return JWTCookie(e.Session.JWT) }},
	{"the user of a good JWT", PathUser, "/v1/users/", func(*Env) {}, func(e *Env) string { return Bearer(e.Session.JWT) }},
}

// Problem returns the body of a refusal (RFC 9457, section 3).
func Problem(status int, name, title string) string {
	return fmt.Sprintf(`{"type":"https://github.com/sessionauth/sessionauth#%s","title":"%s","status":%d}`, name, title, status)
}

// SwapCase swaps upper and lower case.
func SwapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ToUpper(string(r)) == string(r) {
			return []rune(strings.ToLower(string(r)))[0]
		}
		return []rune(strings.ToUpper(string(r)))[0]
	}, text)
}

// LiveHeap collects garbage and returns the size of the heap that is in use.
func LiveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
