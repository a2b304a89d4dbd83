package sessionauth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// A Credential is a session token, a session JWT, or both. It redacts itself
// when it is printed or marshalled. If a struct holds a Credential in an
// unexported field, the field should be a pointer, because fmt calls no methods
// on values in unexported fields.
type Credential struct {
	Token string // opaque session token
	JWT   string // session JWT

	// Header reports whether the credential came in a header that a browser
	// does not send by itself. If false, the cross-origin check applies.
	Header bool

	cookies *cookieSource // set only by FromCookies; a pointer keeps Credential small
}

// A cookieSource holds further facts about a Credential that came from cookies.
type cookieSource struct {
	tokenCookie, jwtCookie string // names of the cookies; empty if the Extractor ignores that cookie

	// hostOnly reports whether no other host can set either cookie. If true, a
	// token and a JWT belong together.
	hostOnly bool

	candidates []Credential // if a cookie is repeated with different values: a separate Credential for each value, in order
	tooMany    bool         // there were more than maxCandidates values; candidates is empty

	signOut []Credential // single values for SignOut; never used to authenticate a request
	more    bool         // there were more than maxSignOutValues values

	// presented is the whole credential of the request. It is nil unless only a
	// part of that credential was accepted.
	presented *Credential
}

const (
	// maxCandidates limits the cost of a request with repeated cookies.
	maxCandidates = 4

	// maxSignOutValues limits the cost of a sign-out. It is greater than
	// maxCandidates, so that a browser whose requests are refused because of
	// their cookies can still sign out.
	maxSignOutValues = 16
)

func (c *Credential) isEmpty() bool {
	return c.Token == "" && c.JWT == "" && (c.cookies == nil || len(c.cookies.candidates)+len(c.cookies.signOut) == 0)
}

// hasHeaderSyntax reports whether a credential from a header has the syntax of
// RFC 6750, section 2.1. Accepted credentials always do, so callers check only
// credentials that are not accepted. This saves scanning a long JWT in most
// requests.
func (c *Credential) hasHeaderSyntax() bool {
	return !c.Header || isB64Token(c.JWT) || isB64Token(c.Token)
}

// key returns the digest that identifies the credential in the caches and the
// denylist. It is the digest of the JWT's signature if there is a JWT, and of
// the token otherwise.
func (c *Credential) key() digest {
	if c.JWT == "" {
		return digestOf(c.Token)
	}
	_, signature := cutSignature(c.JWT)
	return digestOf(signature)
}

// reduceTo reduces c to the part that was accepted, and keeps the whole in
// presented.
func (c *Credential) reduceTo(token, jwt string) {
	presented, source := *c, *c.cookies
	source.candidates, source.presented = nil, &presented
	*c = Credential{Token: token, JWT: jwt, cookies: &source}
}

// wasPresentedAs reports whether c, or the credential that c was reduced from,
// equals other.
func (c *Credential) wasPresentedAs(other *Credential) bool {
	if c.cookies != nil && c.cookies.presented != nil {
		c = c.cookies.presented
	}
	return c.Token == other.Token && c.JWT == other.JWT && c.Header == other.Header &&
		slices.EqualFunc(c.candidates(), other.candidates(), func(x, y Credential) bool { return x.Token == y.Token && x.JWT == y.JWT })
}

// hadJWT reports whether the request carried a JWT, whether or not it was
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

// An introspectionCredential is the part of an accepted credential that is sent
// to Stytch to check the session again.
type introspectionCredential struct {
	token, jwt string // exactly one is set
	key        digest
	secondary  bool // a token that came with a JWT; only the JWT was authenticated
}

// forIntrospection returns the token if there is one, and the JWT otherwise.
func (c *Credential) forIntrospection() introspectionCredential {
	if c.JWT != "" && !isSessionToken(c.Token) {
		return introspectionCredential{jwt: c.JWT, key: c.key()}
	}
	return introspectionCredential{token: c.Token, key: digestOf(c.Token), secondary: c.JWT != ""}
}

const maxToken = 256

// isSessionToken reports whether s has the form of a session token: 16 to 256
// bytes of the URL-safe base64 alphabet, including up to two = at the end.
func isSessionToken(s string) bool {
	if len(s) < 16 || len(s) > maxToken {
		return false
	}
	return consistsOf(strings.TrimSuffix(strings.TrimSuffix(s, "="), "="), base64URL)
}

// isSessionJWT reports whether s may be a session JWT, judged by its size and
// its first byte (the base64 encoding of { begins with e). Package sessionjwt
// checks the rest.
func isSessionJWT(s string) bool {
	return s != "" && s[0] == 'e' && len(s) <= sessionjwt.MaxSize
}

// cutSignature splits a JWT before the dot that precedes its signature. If
// there is no dot, the whole string is the signature: it matches no cached JWT,
// and package sessionjwt refuses it.
func cutSignature(jwt string) (signingInput, signature string) {
	dot := max(0, strings.LastIndexByte(jwt, '.'))
	return jwt[:dot], jwt[dot:]
}

// isB64Token reports whether s is a b64token (RFC 6750, section 2.1). It also
// returns true, without scanning s, if s is too long to be a credential.
func isB64Token(s string) bool {
	if len(s) > sessionjwt.MaxSize {
		return true
	}
	body := strings.TrimRight(s, "=")
	return body != "" && consistsOf(body, b64Token)
}

// isToken reports whether s is a token, which is the syntax of field names and
// cookie names (RFC 9110, section 5.6.2).
func isToken(s string) bool { return s != "" && consistsOf(s, tokenChar) }

// Classes of bytes, as bits.
const (
	base64URL uint8 = 1 << iota
	b64Token
	tokenChar
)

// missingClasses holds, for each byte, the classes to which it does not belong.
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
// several kilobytes, so speed matters: eight bytes per iteration without a
// branch take a quarter of the time of a simple loop.
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

// isCrossOrigin reports whether another site sent a request. It checks an
// upgrade as if it were a POST, because an upgrade is a GET that opens a
// channel in both directions.
func isCrossOrigin(origins *http.CrossOriginProtection, r *http.Request) bool {
	if len(r.Header["Upgrade"]) > 0 {
		r = &http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host}
	}
	if origins.Check(r) == nil {
		return false
	}
	// Check compares Origin and Host as text, but a host is case-insensitive,
	// and the default port of the scheme may be omitted (RFC 9110, section
	// 4.2.3).
	host := normalHost(r.Host, r.Header.Get("Origin"))
	return host == r.Host || origins.Check(&http.Request{Method: r.Method, Header: r.Header, Host: host}) != nil
}

// normalHost returns host in the form that browsers use in Origin: in lower
// case and without the default port of the scheme of origin.
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
