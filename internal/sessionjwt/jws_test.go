package sessionjwt

import (
	"strings"
	"testing"
)

// A token has one spelling.
func TestParseCompact(t *testing.T) {
	const header, payload = `{"alg":"RS256","kid":"k"}   `, `{"sub":"?>~"}`
	h, p, sig := base64url.EncodeToString([]byte(header)), base64url.EncodeToString([]byte(payload)), "_-8"
	for _, row := range []struct{ name, token, want string }{
		{"as it should be", h + "." + p + "." + sig, "ok"},
		{"without a signature", h + "." + p + ".", "ok"}, // verify refuses it
		{"as long as may be", h + "." + strings.Repeat("A", MaxSize-len(h)-2) + ".", "ok"},
		{"two bytes longer", h + "." + strings.Repeat("A", MaxSize-len(h)) + ".", "malformed"},
		{"nothing", "", "malformed"},
		{"1 segment", h, "malformed"},
		{"2 segments", h + "." + p, "malformed"},
		{"4 segments", h + "." + p + "." + sig + "." + sig, "malformed"},
		{"4 segments, the last empty", h + "." + p + "." + sig + ".", "malformed"},
		{"5 segments", h + "." + p + "." + sig + "..", "malformed"},
		{"header not base64url", "*" + h + "." + p + "." + sig, "malformed"},
		{"payload not base64url", h + ".*" + p + "." + sig, "malformed"},
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
		{"line feed behind", h + "." + p + "." + sig + "\n", "malformed"},
		{"carriage return in the payload", h + "." + p[:4] + "\r" + p[4:] + "." + sig, "malformed"},
		{"carriage return behind", h + "." + p + "." + sig + "\r", "malformed"},
		{"space behind", h + "." + p + "." + sig + " ", "malformed"},
		{"header no object", base64url.EncodeToString([]byte(`["RS256"]`)) + "." + p + "." + sig, "malformed"},
		{"header empty", "." + p + "." + sig, "malformed"},
		{"header {}", base64url.EncodeToString([]byte(`{}`)) + "." + p + "." + sig, "bad_header"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := parseCompact(row.token, nil)
			if verdictOf(err) != row.want {
				t.Fatalf("got %s, want %s", verdictOf(err), row.want)
			}
			if signed := row.token[:max(0, strings.LastIndexByte(row.token, '.'))]; err == nil && (got.signingInput != signed || got.keyID != "k") {
				t.Errorf("got %q signed by %s, want %q by k", got.signingInput, got.keyID, signed)
			}
		})
	}
}

// A header says RS256 and one key, and nothing that changes what is signed.
func TestParseHeader(t *testing.T) {
	for _, row := range []struct{ name, header, want string }{
		{"Stytch's", `{"alg":"RS256","kid":"k","typ":"JWT"}`, "ok"},
		{"no typ", `{"alg":"RS256","kid":"k"}`, "ok"},
		{"names in another order, escaped", `{"kid":"\u006b","alg":"RS\u003256"}`, "ok"},
		{"names nobody reads", `{"alg":"RS256","kid":"k","jku":"x","jwk":{},"x5u":1,"x5c":[],"ALG":"none"}`, "ok"},
		{"kid of 256 bytes", `{"alg":"RS256","kid":"` + strings.Repeat("k", 256) + `"}`, "ok"},
		{"kid of 257 bytes", `{"alg":"RS256","kid":"` + strings.Repeat("k", 257) + `"}`, "bad_header"},
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
		t.Run(row.name, func(t *testing.T) {
			kid, err := parseHeader([]byte(row.header))
			if verdictOf(err) != row.want || (kid != "") != (err == nil) {
				t.Errorf("got kid %q and %s, want %s", kid, verdictOf(err), row.want)
			}
		})
	}
}

// Two payloads a JSON parser reads alike are two texts to be signed.
func TestSignatureIsOverTheTextThatWasSent(t *testing.T) {
	p := newProject(t)
	first := p.want(p.Sign(p.header(), p.claims()), "ok")
	second := p.want(p.Sign(p.header(), append(p.claims(), ' ')), "ok")
	if first.Session.ID != second.Session.ID {
		t.Errorf("got sessions %s and %s, want one", first.Session.ID, second.Session.ID)
	}
	header, _, _ := strings.Cut(p.good(), ".")
	_, rest, _ := strings.Cut(p.Sign(append(p.header(), ' '), p.claims()), ".")
	p.want(header+"."+rest, string(BadSignature))
}
