package attacktest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

// A jwtRow is a JWT and the expected answer. The name begins with the number of the row in
// hostile.md.
type jwtRow struct {
	name  string
	token func(*authtest.Env) string
	want  jwtVerdict
}

// A jwtVerdict is the answer of Require to a JWT in the Authorization header and to the same JWT in
// the JWT cookie. It also has the numbers of calls about the session.
type jwtVerdict struct {
	header, cookie           authtest.Answer
	headerCalls, cookieCalls int
}

var (
	jwtRefused      = jwtVerdict{header: want401i, cookie: want401i}
	jwtPasses       = jwtVerdict{header: passAs("ada"), cookie: passAs("ada")}
	jwtCalled       = jwtVerdict{header: want401i, cookie: want401i, headerCalls: 1, cookieCalls: 1}
	jwtCalledPasses = jwtVerdict{header: passAs("ada"), cookie: passAs("ada"), headerCalls: 1, cookieCalls: 1}

	// The text is not a b64token (RFC 6750, section 2.1), but it is allowed in a cookie.
	jwtBadField = jwtVerdict{header: want400r, cookie: want401i}
	// The bytes are allowed in neither: net/http drops a cookie that contains them.
	jwtBadBytes = jwtVerdict{header: want400r, cookie: want401n}
	// In a header, a text without dots is taken for a session token.
	jwtCalledOpaque = jwtVerdict{header: want401i, cookie: want401i, headerCalls: 1}
)

// byCookieToo reports whether a row also runs with its JWT in the cookie. The code treats a JWT in
// the same way wherever it was found. Therefore only rows whose answers differ, and the first row
// of each number, run with the cookie.
func byCookieToo(rows []jwtRow, i int) bool {
	differ := rows[i].want.header != rows[i].want.cookie || rows[i].want.headerCalls != rows[i].want.cookieCalls
	return differ || i == 0 || rowID(rows[i].name) != rowID(rows[i-1].name)
}

// runJWTRows sends each JWT to a new environment, and a good JWT after it.
func runJWTRows(t *testing.T, rows []jwtRow, changes ...func(*sessionauth.Config)) {
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Run("header", func(t *testing.T) {
				s := authtest.New(t, changes...)
				checkJWT(s, authtest.Bearer, row.token(s), row.want.header, row.want.headerCalls)
			})
			if byCookieToo(rows, i) {
				t.Run("cookie", func(t *testing.T) {
					s := authtest.New(t, changes...)
					checkJWT(s, authtest.JWTCookie, row.token(s), row.want.cookie, row.want.cookieCalls)
				})
			}
		})
	}
}

func checkJWT(s *authtest.Env, field func(string) string, token string, want authtest.Answer, calls int) {
	s.T.Helper()
	resp := s.Get(field(token))
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != want.Status || got != want.Challenge {
		s.T.Errorf("got %d %q, want %d %q", resp.StatusCode, got, want.Status, want.Challenge)
	}
	s.WantCalls(authtest.PathAuthenticate, calls)
	passed, users := 0, 0
	if want.As != "" {
		passed, users = 1, 1-calls // the answer about a session includes the user, so the user needs no call
		s.WantPassed(passed, s.Session.ID)
	} else {
		s.WantPassed(passed, "")
		s.WantNothingOf(token, resp)
	}
	fetches := s.Calls(authtest.PathKeySet)
	if fetches > 1 || want.Status == 400 && fetches > 0 {
		s.T.Errorf("got %d fetches of the key set, want at most one, and none for a malformed request", fetches)
	}
	s.WantCalls("", calls+users+fetches)
	// A good JWT that is not cached must pass afterwards.
	s.Want(s.Get(field(bentClaims("jti", "good")(s))), http.StatusOK)
	s.WantPassed(passed+1, s.Session.ID)
	s.WantCalls(authtest.PathAuthenticate, calls)
}

// A jsonText is written into an object unchanged, whether or not it is valid JSON. If it is empty,
// the member is omitted.
type jsonText string

const absent = jsonText("")

// A fromEnv is a value that depends on the environment.
type fromEnv func(*authtest.Env) any

// bendMembers sets members of an object. pairs alternates names and values.
func bendMembers(s *authtest.Env, object map[string]any, pairs []any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		value := pairs[i+1]
		if f, ok := value.(fromEnv); ok {
			value = f(s)
		}
		object[pairs[i].(string)] = value
	}
	return object
}

// objectText encodes an object with its names in alphabetical order.
func objectText(object map[string]any) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		text, ok := object[name].(jsonText)
		if !ok {
			text = jsonText(authtest.JSON(object[name]))
		}
		if text != absent {
			list = append(list, string(authtest.JSON(name))+":"+string(text))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}

func jwtHeader(s *authtest.Env) string { return objectText(s.Header()) }
func jwtClaims(s *authtest.Env) string { return objectText(s.Claims(s.Session.ID)) }

// bentHeader returns a function that signs a good payload with a changed header.
func bentHeader(pairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		return s.Sign([]byte(objectText(bendMembers(s, s.Header(), pairs))), []byte(jwtClaims(s)))
	}
}

// bentClaims returns a function that signs a payload with changed claims.
func bentClaims(pairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		return s.Sign([]byte(jwtHeader(s)), []byte(objectText(bendMembers(s, s.Claims(s.Session.ID), pairs))))
	}
}

const sessionClaimName = "https://stytch.com/session"

// bentSession returns a function that signs a payload with a changed session claim.
func bentSession(pairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		claims := s.Claims(s.Session.ID)
		claims[sessionClaimName] = jsonText(objectText(bendMembers(s, claims[sessionClaimName].(map[string]any), pairs)))
		return s.Sign([]byte(jwtHeader(s)), []byte(objectText(claims)))
	}
}

// A textEdit changes a text.
type textEdit func(string) string

func putBefore(member string) textEdit {
	return func(text string) string { return "{" + member + "," + text[1:] }
}
func putAfter(member string) textEdit {
	return func(text string) string { return text[:len(text)-1] + "," + member + "}" }
}
func putInstead(other string) textEdit { return func(string) string { return other } }
func putFor(old, by string) textEdit {
	return func(text string) string {
		if !strings.Contains(text, old) {
			panic("nothing to replace: " + old)
		}
		return strings.Replace(text, old, by, 1)
	}
}

// editedHeader returns a function that signs a good payload with an edited header, which may be
// invalid JSON.
func editedHeader(e textEdit) func(*authtest.Env) string {
	return func(s *authtest.Env) string { return s.Sign([]byte(e(jwtHeader(s))), []byte(jwtClaims(s))) }
}

// editedClaims returns a function that signs an edited payload, which may be invalid JSON.
func editedClaims(e textEdit) func(*authtest.Env) string {
	return func(s *authtest.Env) string { return s.Sign([]byte(jwtHeader(s)), []byte(e(jwtClaims(s)))) }
}

// editedToken returns a function that edits the segments of a JWT after it was signed.
func editedToken(e func(header, payload, signature string) string) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		part := strings.Split(s.Session.JWT, ".")
		return e(part[0], part[1], part[2])
	}
}

// signedWith returns a function that signs a good payload with sign. It can also change members of
// the header. sign receives the two encoded segments.
func signedWith(sign func(s *authtest.Env, input string) []byte, headerPairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		input := b64url(objectText(bendMembers(s, s.Header(), headerPairs))) + "." + b64url(jwtClaims(s))
		return input + "." + b64url(string(sign(s, input)))
	}
}

func b64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// signRS256 returns a correct signature of a text.
func signRS256(key *rsa.PrivateKey, input string) []byte {
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return sig
}

// verifyText verifies a text as a JWT, even if no header field can contain it.
func verifyText(s *authtest.Env, token string) error {
	_, err := s.Auth.Verify(s.T.Context(), sessionauth.Credential{JWT: token, Header: true})
	return err
}

// identityOf returns the identity that a JWT authenticates.
func identityOf(s *authtest.Env, token string) *sessionauth.Identity {
	s.T.Helper()
	id, err := s.Auth.Verify(s.T.Context(), sessionauth.Credential{JWT: token, Header: true})
	if err != nil {
		s.T.Fatal(err)
	}
	return id
}

// A decoder of base64 ignores line breaks. A JWT with a line break must be refused, although no
// header field can contain one.
func TestJWT_LineBreaks(t *testing.T) {
	s := authtest.New(t)
	broken := b64url(jwtHeader(s)) + "." + b64url(jwtClaims(s))[:50] + "\n" + b64url(jwtClaims(s))[50:]
	if err := verifyText(s, s.Session.JWT); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	for name, token := range map[string]string{
		"101 line feed inside a segment":       s.Session.JWT[:40] + "\n" + s.Session.JWT[40:],
		"101 carriage return inside a segment": s.Session.JWT[:40] + "\r" + s.Session.JWT[40:],
		"101 line break inside the signature":  s.Session.JWT[:len(s.Session.JWT)-9] + "\r\n" + s.Session.JWT[len(s.Session.JWT)-9:],
		"101 line break at the end":            s.Session.JWT + "\n",
		"101 line break at the start":          "\n" + s.Session.JWT,
		"101 line feed signed so":              broken + "." + b64url(string(signRS256(s.Key(), broken))),
	} {
		t.Run(name, func(t *testing.T) {
			if err := verifyText(s, token); !errors.Is(err, sessionauth.ErrInvalidSession) {
				t.Errorf("got %v, want %v", err, sessionauth.ErrInvalidSession)
			}
		})
	}
}
