package sessionauth

import (
	"errors"
	"net/http"
	"net/textproto"
	"strings"
)

// An Extractor finds the credential in a request. It returns ErrNoCredential
// where there is none; any other error is answered with 400, and so is what
// comes with Header set and lacks the syntax of RFC 6750, section 2.1.
type Extractor func(*http.Request) (Credential, error)

// Where a request names two credentials, or something that is none, RFC 6750
// section 3.1 asks for invalid_request. Built once: nothing of a request is in
// them.
var (
	errAmbiguous = &Error{Kind: ErrInvalidRequest, Reason: ReasonAmbiguous}
	errMalformed = &Error{Kind: ErrInvalidRequest, Reason: ReasonMalformed}
)

// FromBearer takes a session JWT or token from the Authorization header
// (RFC 6750, section 2.1). Another scheme, such as Basic, is no credential. The
// syntax of what follows is not looked at here: Require, Optional, Authenticate
// and Credential of an Authenticator refuse what lacks it with ErrInvalidRequest.
func FromBearer(r *http.Request) (Credential, error) {
	values := r.Header["Authorization"]
	if len(values) > 1 {
		// A proxy may have looked at the other one.
		return Credential{}, own(errAmbiguous)
	}
	if len(values) == 0 || values[0] == "" {
		return Credential{}, ErrNoCredential
	}
	const usual = "Bearer "
	if value := values[0]; len(value) > len(usual) && value[:len(usual)] == usual && value[len(usual)] != ' ' {
		return headerCredential(value[len(usual):]), nil // what the lines below come to, for 5 % less of an opaque token's time
	}
	scheme, rest, found := strings.Cut(values[0], " ")
	// Folding by ASCII only: EqualFold would take a long s for an s.
	if !asciiEqualFold(scheme, "bearer") {
		if !found || len(scheme) >= len("bearer") && asciiEqualFold(scheme[:len("bearer")], "bearer") {
			return Credential{}, own(errMalformed)
		}
		return Credential{}, ErrNoCredential
	}
	rest = strings.TrimLeft(rest, " ")
	if !found || rest == "" {
		return Credential{}, own(errMalformed)
	}
	return headerCredential(rest), nil
}

// FromHeader takes a session JWT or token from a header of its own, without a
// scheme. As with FromBearer, its syntax is looked at later. It panics if name is not a header field name.
func FromHeader(name string) Extractor {
	if !isToken(name) {
		panic("sessionauth: FromHeader: not a header field name")
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	return func(r *http.Request) (Credential, error) {
		values := r.Header[name]
		if len(values) > 1 {
			return Credential{}, own(errAmbiguous)
		}
		if len(values) == 0 || values[0] == "" {
			return Credential{}, ErrNoCredential
		}
		return headerCredential(values[0]), nil
	}
}

// headerCredential tells a JWT by a dot, which no session token has.
func headerCredential(value string) Credential {
	if strings.IndexByte(value, '.') >= 0 {
		return Credential{JWT: value, Header: true}
	}
	return Credential{Token: value, Header: true}
}

// FromCookies takes the session token and the session JWT from cookies of these
// names. It panics if both names are empty or one is no cookie name; an empty
// name alone is a cookie not looked for.
func FromCookies(token, jwt string) Extractor {
	if token == "" && jwt == "" || token != "" && !isToken(token) || jwt != "" && !isToken(jwt) {
		panic("sessionauth: FromCookies: not a cookie name")
	}
	ofJWT := &fromCookies{jwtCookie: jwt}
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
			return candidates(&tokens, &jwts)
		}
		cred := Credential{Token: tokens.first, JWT: jwts.first}
		if cred.isEmpty() {
			return Credential{}, ErrNoCredential
		}
		if cred.JWT != "" {
			cred.cookies = ofJWT
		}
		return cred, nil
	}
}

// cookieValues are the different values of one cookie name. A browser sends
// several when they were set for different paths or domains; a sibling domain
// can plant one (RFC 6265bis, section 8.6), so the first is not better than
// the others.
type cookieValues struct {
	first  string
	others []string
}

func (v *cookieValues) add(value string) {
	if v.first == "" {
		v.first = value
		return
	}
	if v.first == value || len(v.others) == maxCandidates {
		return
	}
	for _, o := range v.others {
		if o == value {
			return
		}
	}
	v.others = append(v.others, value)
}

// candidates gives every value alone: nobody can say which token belongs to
// which JWT.
func candidates(tokens, jwts *cookieValues) (Credential, error) {
	var list []Credential
	if jwts.first != "" {
		list = append(list, Credential{JWT: jwts.first})
	}
	for _, v := range jwts.others {
		list = append(list, Credential{JWT: v})
	}
	if tokens.first != "" {
		list = append(list, Credential{Token: tokens.first})
	}
	for _, v := range tokens.others {
		list = append(list, Credential{Token: v})
	}
	if len(list) > maxCandidates {
		return Credential{}, own(errAmbiguous)
	}
	return Credential{cookies: &fromCookies{candidates: list}}, nil
}

// FirstOf tries the extractors in order. The first that finds a credential, or
// fails, decides: a bad header is never rescued by a cookie, or a dummy header
// could switch the cross-origin check off.
func FirstOf(extractors ...Extractor) Extractor {
	return func(r *http.Request) (Credential, error) {
		for _, extract := range extractors {
			cred, err := extract(r)
			if err == nil || !errors.Is(err, ErrNoCredential) {
				return cred, err
			}
		}
		return Credential{}, ErrNoCredential
	}
}
