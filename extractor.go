package sessionauth

import (
	"context"
	"errors"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// An Extractor finds the credential of a request. If there is none it returns
// ErrNoCredential. Any other error is answered with 400, and so is a Credential
// with Header set that lacks the syntax of RFC 6750, section 2.1.
type Extractor func(*http.Request) (Credential, error)

// FromBearer extracts a session JWT or session token from the Authorization
// header (RFC 6750, section 2.1). Another scheme, such as Basic, is not a
// credential. The syntax of the value is checked later: the methods of an
// Authenticator refuse a wrong one with ErrInvalidRequest.
func FromBearer(r *http.Request) (Credential, error) {
	value, err := onlyValue(r.Header["Authorization"])
	if err != nil {
		return Credential{}, err
	}
	scheme, rest, found := strings.Cut(value, " ")
	if !isBearer(scheme) {
		if !found || len(scheme) >= len("bearer") && isBearer(scheme[:len("bearer")]) {
			return Credential{}, cloneError(errMalformed)
		}
		return Credential{}, ErrNoCredential
	}
	rest = strings.TrimLeft(rest, " ")
	if rest == "" {
		return Credential{}, cloneError(errMalformed)
	}
	return headerCredential(rest), nil
}

// isBearer compares a scheme without regard to ASCII case (RFC 9110, section
// 11.1). strings.EqualFold would also take a long s for an s.
func isBearer(scheme string) bool {
	const bearer = "bearer"
	if len(scheme) != len(bearer) {
		return false
	}
	for i := range len(scheme) {
		if scheme[i]|0x20 != bearer[i] {
			return false
		}
	}
	return true
}

// onlyValue returns the value of a header field. A field that is repeated is
// refused: a proxy may have checked the other value.
func onlyValue(values []string) (string, error) {
	switch {
	case len(values) > 1:
		return "", cloneError(errAmbiguous)
	case len(values) == 0 || values[0] == "":
		return "", ErrNoCredential
	}
	return values[0], nil
}

// FromHeader returns an Extractor for a session JWT or session token in the
// header field name, without a scheme. As with FromBearer, the syntax is checked
// later. It panics if name is not a header field name.
func FromHeader(name string) Extractor {
	if !isToken(name) {
		panic("sessionauth: FromHeader: not a header field name")
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	return func(r *http.Request) (Credential, error) {
		value, err := onlyValue(r.Header[name])
		if err != nil {
			if names, ok := r.Context().Value(varyKey{}).(*[]string); ok {
				*names = append(*names, name)
			}
			return Credential{}, err
		}
		return headerCredential(value), nil
	}
}

// varyKey is the key of a list of header names in the context of a request: an
// Extractor made by FromHeader adds its own if it finds no credential.
type varyKey struct{}

// varyBy returns the value of Vary for an Extractor: the fields that this package
// reads, and those of FromHeader, which an empty request reveals. What other code
// reads is up to that code.
func varyBy(e Extractor) string {
	var names []string
	func() {
		defer func() { _ = recover() }() // an Extractor may expect more of a request
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}}
		_, _ = e(r.WithContext(context.WithValue(context.Background(), varyKey{}, &names)))
	}()
	slices.Sort(names)
	return strings.Join(append([]string{"Cookie", "Authorization"}, slices.Compact(names)...), ", ")
}

// headerCredential recognizes a JWT by a dot, which no session token contains.
func headerCredential(value string) Credential {
	if strings.IndexByte(value, '.') >= 0 {
		return Credential{JWT: value, Header: true}
	}
	return Credential{Token: value, Header: true}
}

// FromCookies returns an Extractor for the session token and the session JWT in
// the cookies of these names. An empty name means that there is no such cookie.
// It panics if both names are empty, or if one is not a cookie name.
func FromCookies(token, jwt string) Extractor {
	if token == "" && jwt == "" || token != "" && !isToken(token) || jwt != "" && !isToken(jwt) {
		panic("sessionauth: FromCookies: not a cookie name")
	}
	source := &cookieSource{tokenCookie: token, jwtCookie: jwt}
	source.hostOnly = strings.HasPrefix(token, hostPrefix) && strings.HasPrefix(jwt, hostPrefix)
	return func(r *http.Request) (Credential, error) {
		if len(r.Header["Cookie"]) == 0 {
			return Credential{}, ErrNoCredential
		}
		var tokens, jwts cookieValues
		for _, c := range r.Cookies() {
			switch {
			case c.Value == "":
			case c.Name == token:
				tokens.add(c.Value)
			case c.Name == jwt:
				jwts.add(c.Value)
			}
		}
		if len(tokens.others)+len(jwts.others) > 0 {
			list := candidates(&tokens, &jwts, source)
			repeated := *source
			if len(list) > maxCandidates {
				repeated.tooMany = true
				repeated.addCookies(r, token, jwt)
				return Credential{cookies: &repeated}, cloneError(errAmbiguous) // see SignOutCredential
			}
			repeated.candidates = list
			return Credential{cookies: &repeated}, nil
		}
		if tokens.first == "" && jwts.first == "" {
			return Credential{}, ErrNoCredential
		}
		return Credential{Token: tokens.first, JWT: jwts.first, cookies: source}, nil
	}
}

// hostPrefix begins the names of cookies that only the host itself can set
// (RFC 6265bis, section 4.1.3.2).
const hostPrefix = "__Host-"

// cookieValues are the different values of one cookie. A browser sends several
// if they were set for different paths or domains. A sibling domain can plant
// one (RFC 6265bis, section 8.6), so the first has no precedence.
type cookieValues struct {
	first  string
	others []string
}

func (v *cookieValues) add(value string) {
	if v.first == "" {
		v.first = value
		return
	}
	if v.first != value && len(v.others) < maxCandidates && !slices.Contains(v.others, value) {
		v.others = append(v.others, value)
	}
}

// candidates returns a Credential for each value by itself, because nothing tells
// which token belongs to which JWT.
func candidates(tokens, jwts *cookieValues, source *cookieSource) []Credential {
	var list []Credential
	if jwts.first != "" {
		list = append(list, Credential{JWT: jwts.first, cookies: source})
	}
	for _, v := range jwts.others {
		list = append(list, Credential{JWT: v, cookies: source})
	}
	if tokens.first != "" {
		list = append(list, Credential{Token: tokens.first, cookies: source})
	}
	for _, v := range tokens.others {
		list = append(list, Credential{Token: v, cookies: source})
	}
	return list
}

// FirstOf returns an Extractor that tries extractors in order. The first one
// that finds a credential, or fails, decides. A cookie never replaces a bad
// header: a dummy header could otherwise disable the cross-origin check.
func FirstOf(extractors ...Extractor) Extractor {
	return func(r *http.Request) (Credential, error) {
		for _, extract := range extractors {
			cred, err := extract(r)
			if err == nil || err != ErrNoCredential && !errors.Is(err, ErrNoCredential) {
				return cred, err
			}
		}
		return Credential{}, ErrNoCredential
	}
}

// extractionError turns the error of an Extractor into one of this package.
func extractionError(err error) error {
	if errors.Is(err, ErrNoCredential) {
		return ErrNoCredential
	}
	var ours *Error
	if errors.As(err, &ours) && ours.Kind == ErrInvalidRequest {
		return ours
	}
	return &Error{Kind: ErrInvalidRequest, Reason: ReasonMalformed, cause: err}
}

// addCookies adds the cookies of a request with these names.
func (s *cookieSource) addCookies(r *http.Request, token, jwt string) {
	cookies := r.Cookies()
	if len(cookies) == 0 && strings.Count(strings.Join(r.Header["Cookie"], ";"), ";") >= 3000 {
		s.more = true // net/http reports none of so many
	}
	for _, c := range cookies {
		switch c.Name {
		case "":
		case token:
			s.addCredential(&Credential{Token: c.Value})
		case jwt:
			s.addCredential(&Credential{JWT: c.Value})
		}
	}
}

// addCredential adds the values of a credential that have the form of a
// session token or a session JWT. Others cannot belong to a session, and must not
// take the place of one that does.
func (s *cookieSource) addCredential(c *Credential) {
	if c.cookies != nil {
		for i := range c.cookies.candidates {
			s.addCredential(&c.cookies.candidates[i])
		}
	}
	if isSessionJWT(c.JWT) && strings.Count(c.JWT, ".") == 2 {
		s.addValue(Credential{JWT: c.JWT})
	}
	if isSessionToken(c.Token) {
		s.addValue(Credential{Token: c.Token})
	}
}

func (s *cookieSource) addValue(value Credential) {
	switch {
	case s.more || slices.Contains(s.signOut, value):
	case len(s.signOut) == maxSignOutValues:
		s.more = true
	default:
		s.signOut = append(s.signOut, value)
	}
}
