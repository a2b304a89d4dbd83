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

// A jwtRow is a JWT and the answer to it. The name begins with the number of the
// row in hostile.md.
type jwtRow struct {
	name  string
	token func(*authtest.Env) string
	want  jwtVerdict
}

// A jwtVerdict is what Require answers to a JWT in the Authorization header and in
// the JWT cookie, and how often it calls Stytch about the session.
type jwtVerdict struct {
	header, cookie           authtest.Answer
	headerCalls, cookieCalls int
}

var (
	jwtRefused      = jwtVerdict{header: want401i, cookie: want401i}
	jwtPasses       = jwtVerdict{header: passAs("ada"), cookie: passAs("ada")}
	jwtCalled       = jwtVerdict{header: want401i, cookie: want401i, headerCalls: 1, cookieCalls: 1}
	jwtCalledPasses = jwtVerdict{header: passAs("ada"), cookie: passAs("ada"), headerCalls: 1, cookieCalls: 1}

	// Not a b64token (RFC 6750, section 2.1), but allowed in a cookie.
	jwtBadField = jwtVerdict{header: want400r, cookie: want401i}
	// Allowed in neither: net/http drops a cookie with such bytes.
	jwtBadBytes = jwtVerdict{header: want400r, cookie: want401n}
	// Without dots it has the form of a session token in a header.
	jwtCalledOpaque = jwtVerdict{header: want401i, cookie: want401i, headerCalls: 1}
)

// byCookieToo reports whether a row must also run with its JWT in the cookie. A
// JWT takes the same path wherever it was found, so this is the case for rows
// whose answers differ, and for the first row of each number as a proof that
// the paths are equal.
func byCookieToo(rows []jwtRow, i int) bool {
	differ := rows[i].want.header != rows[i].want.cookie || rows[i].want.headerCalls != rows[i].want.cookieCalls
	return differ || i == 0 || rowID(rows[i].name) != rowID(rows[i-1].name)
}

// runJWTRows sends each JWT to a new environment, and a good one after it.
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
		passed, users = 1, 1-calls // the answer about a session includes its user
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
	// A good JWT that is not cached.
	s.Want(s.Get(field(bentClaims("jti", "good")(s))), http.StatusOK)
	s.WantPassed(passed+1, s.Session.ID)
	s.WantCalls(authtest.PathAuthenticate, calls)
}

// A jsonText is written into an object as it is, JSON or not. If it is empty, the
// member is left out.
type jsonText string

const absent = jsonText("")

// A fromEnv is a value that depends on the environment.
type fromEnv func(*authtest.Env) any

// bendMembers sets members of an object. pairs are names and values in turn.
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

// objectText encodes an object with its names in order.
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

// bentHeader signs a good payload with a header that has these members changed.
func bentHeader(pairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		return s.Sign([]byte(objectText(bendMembers(s, s.Header(), pairs))), []byte(jwtClaims(s)))
	}
}

// bentClaims signs a payload with these claims changed.
func bentClaims(pairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		return s.Sign([]byte(jwtHeader(s)), []byte(objectText(bendMembers(s, s.Claims(s.Session.ID), pairs))))
	}
}

const sessionClaimName = "https://stytch.com/session"

// bentSession signs a payload with these members of the session claim changed.
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

// editedHeader signs a good payload with an edited header, JSON or not.
func editedHeader(e textEdit) func(*authtest.Env) string {
	return func(s *authtest.Env) string { return s.Sign([]byte(e(jwtHeader(s))), []byte(jwtClaims(s))) }
}

// editedClaims signs an edited payload, JSON or not.
func editedClaims(e textEdit) func(*authtest.Env) string {
	return func(s *authtest.Env) string { return s.Sign([]byte(jwtHeader(s)), []byte(e(jwtClaims(s)))) }
}

// editedToken edits the segments of a JWT after it was signed.
func editedToken(e func(header, payload, signature string) string) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		part := strings.Split(s.Session.JWT, ".")
		return e(part[0], part[1], part[2])
	}
}

// signedWith signs a good payload, with a header that has these members changed.
// The input of sign is the two encoded segments.
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

// verifyText verifies a JWT that no header field can carry.
func verifyText(s *authtest.Env, token string) error {
	_, err := s.Auth.Verify(s.T.Context(), sessionauth.Credential{JWT: token, Header: true})
	return err
}

// identityOf returns the identity of a JWT, which must pass.
func identityOf(s *authtest.Env, token string) *sessionauth.Identity {
	s.T.Helper()
	id, err := s.Auth.Verify(s.T.Context(), sessionauth.Credential{JWT: token, Header: true})
	if err != nil {
		s.T.Fatal(err)
	}
	return id
}

// No header field can carry a line break, but decoders of base64 ignore it.
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
