package sessionauth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// A Credential is a session token, a session JWT, or both. It redacts itself
// when it is printed or marshalled. In an unexported field keep it behind a
// pointer: fmt calls no methods there.
type Credential struct {
	Token string // opaque session token
	JWT   string // session JWT

	// Header reports that the credential came in a header that no browser sends
	// by itself. If false, the cross-origin check applies.
	Header bool

	cookies *cookieSource // nil unless FromCookies found it; a pointer keeps a Credential small
}

// A cookieSource is what else FromCookies knows about a Credential.
type cookieSource struct {
	tokenCookie, jwtCookie string // names of the cookies; empty if there is no such cookie

	// hostOnly reports that no other host can set either cookie, so that a token
	// and a JWT belong together.
	hostOnly bool

	candidates []Credential // if a cookie is repeated with different values: each value by itself, in order
	tooMany    bool         // there are more than maxCandidates, and candidates is empty

	signOut []Credential // single values for SignOut; no request is authenticated with them
	more    bool         // there are more than maxSignOutValues

	// presented is what the request carried, if only a part of it was accepted.
	presented *Credential
}

const (
	// maxCandidates bounds the cost of a request with repeated cookies.
	maxCandidates = 4

	// maxSignOutValues bounds the cost of a sign-out. It is greater than
	// maxCandidates, so that a browser whose requests are refused for their
	// cookies can still end the sessions.
	maxSignOutValues = 16
)

func (c *Credential) isEmpty() bool {
	return c.Token == "" && c.JWT == "" && (c.cookies == nil || len(c.cookies.candidates)+len(c.cookies.signOut) == 0)
}

// hasHeaderSyntax reports whether a credential from a header has the syntax of
// one (RFC 6750, section 2.1). Every credential that is accepted has, so only
// refused ones are checked: JWTs are long, and most requests carry one that is
// cached.
func (c *Credential) hasHeaderSyntax() bool {
	return !c.Header || isB64Token(c.JWT) || isB64Token(c.Token)
}

// key returns the digest by which the caches and the denylist know a
// credential: that of the JWT if there is one.
func (c *Credential) key() digest {
	if c.JWT == "" {
		return digestOf(c.Token)
	}
	_, signature := cutSignature(c.JWT)
	return digestOf(signature)
}

// reduceTo makes c the part of it that was accepted.
func (c *Credential) reduceTo(token, jwt string) {
	presented, source := *c, *c.cookies
	source.candidates, source.presented = nil, &presented
	*c = Credential{Token: token, JWT: jwt, cookies: &source}
}

// wasPresentedAs reports whether c was accepted from what another request
// carries.
func (c *Credential) wasPresentedAs(other *Credential) bool {
	if c.cookies != nil && c.cookies.presented != nil {
		c = c.cookies.presented
	}
	return c.Token == other.Token && c.JWT == other.JWT && c.Header == other.Header &&
		slices.EqualFunc(c.candidates(), other.candidates(), func(x, y Credential) bool { return x.Token == y.Token && x.JWT == y.JWT })
}

// hadJWT reports whether the request carried a JWT, even one that was not
// accepted.
func (c *Credential) hadJWT() bool {
	if c.cookies != nil && c.cookies.presented != nil {
		c = c.cookies.presented
	}
	return c.JWT != "" || slices.ContainsFunc(c.candidates(), func(x Credential) bool { return x.JWT != "" })
}

func (c *Credential) candidates() []Credential {
	if c.cookies == nil {
		return nil
	}
	return c.cookies.candidates
}

// An introspectionCredential is the part of an accepted credential that is sent to
// Stytch to check the session again.
type introspectionCredential struct {
	token, jwt string // one of the two
	key        digest
	secondary  bool // token came with a JWT, and the JWT was authenticated
}

// forIntrospection prefers the token.
func (c *Credential) forIntrospection() introspectionCredential {
	if c.JWT != "" && !isSessionToken(c.Token) {
		return introspectionCredential{jwt: c.JWT, key: c.key()}
	}
	return introspectionCredential{token: c.Token, key: digestOf(c.Token), secondary: c.JWT != ""}
}

const maxToken = 256

// isSessionToken reports whether s has the form of a session token: 16 to 256
// bytes of the URL-safe base64 alphabet, with up to two = at the end.
func isSessionToken(s string) bool {
	if len(s) < 16 || len(s) > maxToken {
		return false
	}
	return consistsOf(strings.TrimSuffix(strings.TrimSuffix(s, "="), "="), base64URL)
}

// isSessionJWT reports whether s may be a session JWT, by its size and its first
// byte: the base64 of { begins with e. Package sessionjwt checks the rest.
func isSessionJWT(s string) bool {
	return s != "" && s[0] == 'e' && len(s) <= sessionjwt.MaxSize
}

// cutSignature cuts a JWT before its signature. A string without a dot is all
// signature: no JWT matches it, and package sessionjwt refuses it.
func cutSignature(jwt string) (signingInput, signature string) {
	dot := max(0, strings.LastIndexByte(jwt, '.'))
	return jwt[:dot], jwt[dot:]
}

// isB64Token reports whether s is a b64token (RFC 6750, section 2.1). It does
// not read what is too long to be a credential, and reports true.
func isB64Token(s string) bool {
	if len(s) > sessionjwt.MaxSize {
		return true
	}
	body := strings.TrimRight(s, "=")
	return body != "" && consistsOf(body, b64Token)
}

// isToken reports whether s is a token, the syntax of field names and cookie
// names (RFC 9110, section 5.6.2).
func isToken(s string) bool { return s != "" && consistsOf(s, tokenChar) }

// The classes of bytes.
const (
	base64URL uint8 = 1 << iota
	b64Token
	tokenChar
)

// missingClasses holds, for each byte, the classes it does not belong to.
var missingClasses = func() (table [256]uint8) {
	const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for class, set := range map[uint8]string{
		base64URL: alnum + "-_",
		b64Token:  alnum + "-._~+/",
		tokenChar: alnum + "!#$%&'*+-.^_`|~",
	} {
		for c := range table {
			if strings.IndexByte(set, byte(c)) < 0 {
				table[c] |= class
			}
		}
	}
	return table
}()

// consistsOf reports whether every byte of s belongs to class. Anyone can send
// kilobytes to be checked: eight bytes a turn without a branch take a quarter of
// the time of a plain loop.
func consistsOf(s string, class uint8) bool {
	var missing uint8
	for ; len(s) >= 8; s = s[8:] {
		missing |= missingClasses[s[0]] | missingClasses[s[1]] | missingClasses[s[2]] | missingClasses[s[3]] |
			missingClasses[s[4]] | missingClasses[s[5]] | missingClasses[s[6]] | missingClasses[s[7]]
	}
	for i := range len(s) {
		missing |= missingClasses[s[i]]
	}
	return missing&class == 0
}

// isCrossOrigin reports whether another site sent a request. An upgrade opens a
// channel in both directions with a GET, so it is checked as if it were a POST.
func isCrossOrigin(origins *http.CrossOriginProtection, r *http.Request) bool {
	if len(r.Header["Upgrade"]) > 0 {
		r = &http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host}
	}
	if origins.Check(r) == nil {
		return false
	}
	// Check compares Origin and Host as text, but a host has no case, and the
	// port of the scheme may be omitted (RFC 9110, section 4.2.3).
	host := normalHost(r.Host, r.Header.Get("Origin"))
	return host == r.Host || origins.Check(&http.Request{Method: r.Method, Header: r.Header, Host: host}) != nil
}

// normalHost returns host as browsers write it in the Origin of its own pages:
// in lower case, without the default port of the scheme of origin.
func normalHost(host, origin string) string {
	host = strings.ToLower(host)
	switch {
	case strings.HasPrefix(origin, "https://"):
		return strings.TrimSuffix(host, ":443")
	case strings.HasPrefix(origin, "http://"):
		return strings.TrimSuffix(host, ":80")
	}
	return host
}
