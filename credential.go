package sessionauth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// A Credential is what a request carries to say who sends it: a session token,
// a session JWT, or both. It prints and marshals without them. In an
// unexported field keep it behind a pointer: fmt calls no methods there.
type Credential struct {
	Token string // opaque session token
	JWT   string // session JWT

	// Header says that the credential came in a header that no browser sends by
	// itself. False is the careful value: the cross-origin check applies.
	Header bool

	cookies *fromCookies // nil if it came some other way; a pointer, so that a Credential fits into registers
}

// fromCookies is what is known besides of a credential from cookies.
type fromCookies struct {
	jwtCookie  string       // the cookie JWT came from: where a refreshed one may be written
	candidates []Credential // set if a cookie was repeated with other values: each alone, in order
}

// maxCandidates bounds what one request with repeated cookies can cost.
const maxCandidates = 4

func (c *Credential) isEmpty() bool { return c.Token == "" && c.JWT == "" && len(c.candidates()) == 0 }

func (c *Credential) candidates() []Credential {
	if c.cookies == nil {
		return nil
	}
	return c.cookies.candidates
}

// Credential finds the credential of a request and checks that no other site
// sent it along: it is the only way in. The errors are ErrNoCredential,
// ErrInvalidRequest and ErrCrossOrigin.
func (a *Authenticator) Credential(r *http.Request) (Credential, error) {
	cred, err := a.find(r)
	if err == nil && !cred.hasHeaderSyntax() {
		return Credential{}, own(errMalformed)
	}
	return cred, own(err)
}

// find is Credential without the look at a header's syntax, which settle puts off
// until a credential turns out to be none.
func (a *Authenticator) find(r *http.Request) (cred Credential, err error) {
	// The default is FirstOf(FromBearer, a.cookies) without its detour, some 15 ns: as
	// there, a bad header is not rescued by a cookie.
	if a.config.Extractor != nil {
		cred, err = a.config.Extractor(r)
	} else if cred, err = FromBearer(r); err == ErrNoCredential {
		cred, err = a.cookies(r)
	}
	if err == nil && cred.isEmpty() {
		err = ErrNoCredential
	}
	if err != nil {
		return Credential{}, extractionError(err)
	}
	if !cred.Header && a.isCrossOrigin(r) {
		return Credential{}, errCrossOrigin
	}
	return cred, nil
}

// extractionError gives an Extractor's error its place among ours.
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

var errCrossOrigin = &Error{Kind: ErrCrossOrigin, Reason: ReasonCrossOrigin}

// isCrossOrigin applies to credentials that a browser sends by itself. An
// upgrade opens a channel both ways with a GET, so it is checked as if it were
// a POST.
func (a *Authenticator) isCrossOrigin(r *http.Request) bool {
	if len(r.Header["Upgrade"]) > 0 {
		r = &http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host}
	}
	return a.origins.Check(r) != nil
}

const maxToken = 256

// isSessionToken reports whether s has the form of an opaque token: 16 to 256
// bytes of the URL-safe base64 alphabet and up to two = at the end.
func isSessionToken(s string) bool {
	if len(s) < 16 || len(s) > maxToken {
		return false
	}
	return isOf(strings.TrimSuffix(strings.TrimSuffix(s, "="), "="), notBase64URL)
}

// isSessionJWT is the cheapest look at a JWT's form: its size, and the e with
// which the base64 of { begins. No issuer puts white space before that brace; a
// JWT with it is refused. sessionjwt does the rest.
func isSessionJWT(s string) bool {
	return s != "" && s[0] == 'e' && len(s) <= sessionjwt.MaxSize
}

// hasHeaderSyntax reports whether of a credential that came in a header anything
// has the syntax of one. Nothing good can lack it, so it is only looked at to
// tell why a credential is not good: a JWT is long, and most requests carry one
// that is known.
func (c *Credential) hasHeaderSyntax() bool {
	return !c.Header || isB64Token(c.JWT) || isB64Token(c.Token)
}
