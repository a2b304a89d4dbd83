package sessionjwt_test

import (
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// A token must have exactly one spelling. The tokens in this test have no valid signature, so a
// well-formed token is refused for its signature.
func TestVerify_Form(t *testing.T) {
	const header, claims = `{"alg":"RS256","kid":"k"}   `, `{"sub":"?>~"}`
	h, p, sig := b64([]byte(header)), b64([]byte(claims)), "_-8"
	// ofLength returns a token of n bytes with an empty signature.
	ofLength := func(n int) string {
		size := (n - len(h) - 2) * 3 / 4 // number of bytes in the payload
		return h + "." + b64([]byte(`{"sub":"`+strings.Repeat("a", size-10)+`"}`)) + "."
	}
	if n := len(ofLength(sessionjwt.MaxSize)); n != sessionjwt.MaxSize {
		t.Fatalf("got a token of %d bytes, want %d", n, sessionjwt.MaxSize)
	}
	e := newFixedEnv()
	for _, row := range []struct{ name, token, want string }{
		{"three segments", h + "." + p + "." + sig, "bad_signature"},
		{"an empty signature", h + "." + p + ".", "bad_signature"},
		{"the maximum size", ofLength(sessionjwt.MaxSize), "bad_signature"},
		{"two bytes above the maximum size", ofLength(sessionjwt.MaxSize + 2), "malformed"},
		{"empty", "", "malformed"},
		{"1 segment", h, "malformed"},
		{"2 segments", h + "." + p, "malformed"},
		{"4 segments", h + "." + p + "." + sig + "." + sig, "malformed"},
		{"4 segments, the last empty", h + "." + p + "." + sig + ".", "malformed"},
		{"5 segments", h + "." + p + "." + sig + "..", "malformed"},
		{"header not base64url", "*" + h + "." + p + "." + sig, "malformed"},
		{"payload not base64url", h + ".*" + p + "." + sig, "malformed"},
		{"other characters after a complete payload", h + "." + b64([]byte(claims+"  ")) + "*." + sig, "malformed"},
		{"signature not base64url", h + "." + p + ".*" + sig, "malformed"},
		{"payload in the standard alphabet", h + "." + strings.NewReplacer("-", "+", "_", "/").Replace(p) + "." + sig, "malformed"},
		{"signature in the standard alphabet", h + "." + p + ".//8", "malformed"},
		{"header padded", h + "==." + p + "." + sig, "malformed"},
		{"payload padded", h + "." + p + "==." + sig, "malformed"},
		{"signature padded", h + "." + p + "." + sig + "=", "malformed"},
		{"trailing bits in the header", h[:len(h)-1] + "B." + p + "." + sig, "malformed"},
		{"trailing bits in the payload", h + "." + p[:len(p)-1] + "R." + sig, "malformed"},
		{"trailing bits in the signature", h + "." + p + "._-9", "malformed"},
		{"line feed in the header", h[:4] + "\n" + h[4:] + "." + p + "." + sig, "malformed"},
		{"line feed in the payload", h + "." + p[:4] + "\n" + p[4:] + "." + sig, "malformed"},
		{"line feed at the end", h + "." + p + "." + sig + "\n", "malformed"},
		{"carriage return in the payload", h + "." + p[:4] + "\r" + p[4:] + "." + sig, "malformed"},
		{"carriage return at the end", h + "." + p + "." + sig + "\r", "malformed"},
		{"space at the end", h + "." + p + "." + sig + " ", "malformed"},
		{"header not an object", b64([]byte(`["RS256"]`)) + "." + p + "." + sig, "malformed"},
		{"header empty", "." + p + "." + sig, "malformed"},
		{"header {}", b64([]byte(`{}`)) + "." + p + "." + sig, "bad_header"},
	} {
		t.Run(row.name, func(t *testing.T) { e.want(t, row.token, row.want) })
	}
}

// A header must name RS256 and a key. It must not change the meaning of the payload.
func TestVerify_Header(t *testing.T) {
	e := newFixedEnv()
	for _, row := range []struct{ name, header, want string }{
		{"header of a session JWT", `{"alg":"RS256","kid":"k","typ":"JWT"}`, "ok"},
		{"no typ", `{"alg":"RS256","kid":"k"}`, "ok"},
		{"another order and escapes", `{"kid":"\u006b","alg":"RS\u003256"}`, "ok"},
		{"ignored parameters", `{"alg":"RS256","kid":"k","jku":"x","jwk":{},"x5u":1,"x5c":[],"ALG":"none"}`, "ok"},
		{"kid of 256 bytes", `{"alg":"RS256","kid":"` + longKeyID + `"}`, "ok"},
		{"kid of 257 bytes", `{"alg":"RS256","kid":"` + longKeyID + `k"}`, "bad_header"},
		{"kid empty", `{"alg":"RS256","kid":""}`, "bad_header"},
		{"kid null", `{"alg":"RS256","kid":null}`, "bad_header"},
		{"kid a list", `{"alg":"RS256","kid":["k"]}`, "bad_header"},
		{"kid missing", `{"alg":"RS256"}`, "bad_header"},
		{"KID instead", `{"alg":"RS256","KID":"k"}`, "bad_header"},
		{"alg missing", `{"kid":"k"}`, "bad_header"},
		{"alg none", `{"alg":"none","kid":"k"}`, "bad_header"},
		{"alg HS256", `{"alg":"HS256","kid":"k"}`, "bad_header"},
		{"alg in lower case", `{"alg":"rs256","kid":"k"}`, "bad_header"},
		{"alg null", `{"alg":null,"kid":"k"}`, "bad_header"},
		{"typ in lower case", `{"alg":"RS256","kid":"k","typ":"jwt"}`, "bad_header"},
		{"typ at+jwt", `{"alg":"RS256","kid":"k","typ":"at+jwt"}`, "bad_header"},
		{"typ null", `{"alg":"RS256","kid":"k","typ":null}`, "bad_header"},
		{"crit", `{"alg":"RS256","kid":"k","crit":["x"],"x":1}`, "bad_header"},
		{"crit null", `{"alg":"RS256","kid":"k","crit":null}`, "bad_header"},
		{"b64", `{"alg":"RS256","kid":"k","b64":true}`, "bad_header"},
		{"zip", `{"alg":"RS256","kid":"k","zip":"DEF"}`, "bad_header"},
		{"cty", `{"alg":"RS256","kid":"k","cty":"JWT"}`, "bad_header"},
		{"alg twice", `{"alg":"RS256","kid":"k","alg":"RS256"}`, "malformed"},
		{"kid twice, once escaped", `{"alg":"RS256","kid":"k","\u006bid":"k"}`, "malformed"},
		{"a list", `["alg","RS256"]`, "malformed"},
		{"two objects", `{"alg":"RS256","kid":"k"}{}`, "malformed"},
	} {
		t.Run(row.name, func(t *testing.T) { e.want(t, e.sign(row.header, fixedClaims), row.want) })
	}
}

// The signature covers the encoded text, not the decoded values.
func TestVerify_SignatureCoversText(t *testing.T) {
	e := newEnv(t)
	first := e.want(e.Sign(e.header(), e.claims()), "ok")
	second := e.want(e.Sign(e.header(), append(e.claims(), ' ')), "ok")
	if first.Session.ID != second.Session.ID {
		t.Errorf("got sessions %s and %s, want the same", first.Session.ID, second.Session.ID)
	}
	header, _, _ := strings.Cut(e.valid(), ".")
	_, rest, _ := strings.Cut(e.Sign(append(e.header(), ' '), e.claims()), ".")
	e.want(header+"."+rest, string(sessionjwt.BadSignature))
}
