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

// An Extractor returns the credential of a request. If there is none, it
// returns ErrNoCredential. The response to any other error is 400, as is the
// response to a Credential with Header set that lacks the syntax of RFC 6750,
// section 2.1.
type Extractor func(*http.Request) (Credential, error)

// FromBearer extracts a session JWT or session token from the Authorization
// header (RFC 6750, section 2.1). If the scheme is not Bearer, for example
// Basic, it returns ErrNoCredential. FromBearer does not check the syntax of
// the value. The methods of Authenticator do, and return ErrInvalidRequest if
// it is wrong.
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

// isBearer reports whether a scheme is Bearer. Schemes are case-insensitive (RFC
// 9110, section 11.1).
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

// onlyValue returns the only value of a header field. It refuses a repeated
// field, because a proxy may have checked a different value than this package
// would use.
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
// header field name, without a scheme. As with FromBearer, the syntax of the
// value is checked later. FromHeader panics if name is not a header field name.
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

// varyKey is the context key for a list of header names. If the context has
// such a list, an Extractor made by FromHeader appends its header name when it
// finds no credential.
type varyKey struct{}

// varyBy returns the value of Vary for an Extractor. It contains the fields
// that this package always reads and the fields of FromHeader, which varyBy
// discovers with an empty request. An Extractor of the application that reads
// other fields must add them to Vary itself.
func varyBy(e Extractor) string {
	var names []string
	func() {
		defer func() { _ = recover() }() // an Extractor of the application may panic on an empty request
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}}
		_, _ = e(r.WithContext(context.WithValue(context.Background(), varyKey{}, &names)))
	}()
	slices.Sort(names)
	return strings.Join(append([]string{"Cookie", "Authorization"}, slices.Compact(names)...), ", ")
}

// headerCredential treats a value with a dot as a JWT, because a session token
// contains no dot.
func headerCredential(value string) Credential {
	if strings.IndexByte(value, '.') >= 0 {
		return Credential{JWT: value, Header: true}
	}
	return Credential{Token: value, Header: true}
}

// FromCookies returns an Extractor for the session token and the session JWT in
// the cookies with these names. If a name is empty, FromCookies ignores that
// cookie. It panics if both names are empty, or if one is not a cookie name.
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

// hostPrefix is the prefix of the names of cookies that only the host itself
// can set (RFC 6265bis, section 4.1.3.2).
const hostPrefix = "__Host-"

// cookieValues holds the different values of one cookie. A browser sends
// several values if they were set for different paths or domains. The first
// value has no precedence, because a sibling domain can plant it (RFC 6265bis,
// section 8.6).
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

// candidates returns a separate Credential for each value, because the request
// does not show which token belongs to which JWT.
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

// FirstOf returns an Extractor that tries extractors in order. It returns the
// result of the first one that finds a credential or fails. It tries no others
// after a failure, so a malformed header is refused even if the request has a
// valid cookie.
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

// extractionError converts the error of an Extractor to an error of this
// package.
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

// addCookies adds the values of the cookies with these names.
func (s *cookieSource) addCookies(r *http.Request, token, jwt string) {
	cookies := r.Cookies()
	if len(cookies) == 0 && strings.Count(strings.Join(r.Header["Cookie"], ";"), ";") >= 3000 {
		s.more = true // net/http returns no cookies if there are so many
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

// addCredential adds the values of c that have the form of a session token or a
// session JWT. It skips other values, because they cannot belong to a session
// and must not use up the limit.
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
