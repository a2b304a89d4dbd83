package attacktest

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // registers the hashes of HS384, RS512 and others
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestJWT_Algorithm(t *testing.T) {
	var rows []jwtRow
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "n\u006Fne "} {
		unsigned := func(s *authtest.Env) string {
			return b64url(objectText(bendMembers(s, s.Header(), []any{"alg", alg}))) + "." + b64url(jwtClaims(s))
		}
		rows = append(rows,
			jwtRow{"58 alg " + alg + " without signature", func(s *authtest.Env) string { return unsigned(s) + "." }, jwtRefused},
			jwtRow{"58 alg " + alg + " without a dot", unsigned, jwtRefused},
			jwtRow{"58 alg " + alg + " with the signature kept", bentHeader("alg", alg), jwtRefused},
		)
	}
	rows = append(rows, []jwtRow{
		{"59 alg missing", bentHeader("alg", absent), jwtRefused},
		{"59 alg null", bentHeader("alg", nil), jwtRefused},
		{"59 alg a number", bentHeader("alg", 256), jwtRefused},
		{"59 alg a list", bentHeader("alg", []string{"RS256"}), jwtRefused},
		{"59 alg an object", bentHeader("alg", map[string]any{"RS256": "RS256"}), jwtRefused},
		{"59 alg a bool", bentHeader("alg", true), jwtRefused},
		{"59 alg empty", bentHeader("alg", ""), jwtRefused},
		{"60 alg in lower case", bentHeader("alg", "rs256"), jwtRefused},
		{"60 alg with a trailing space", bentHeader("alg", "RS256 "), jwtRefused},
		{"60 alg with a leading space", bentHeader("alg", " RS256"), jwtRefused},
		{"60 alg with a NUL", bentHeader("alg", "RS256\x00"), jwtRefused},
		{"60 alg in full-width letters", bentHeader("alg", "ＲＳ２５６"), jwtRefused},
		{"60 white space before the header's brace", func(s *authtest.Env) string { return s.Sign([]byte(" "+jwtHeader(s)), []byte(jwtClaims(s))) }, jwtRefused},
		{"61 ALG instead of alg", bentHeader("alg", absent, "ALG", "RS256"), jwtRefused},
		{"61 ALG none beside alg", bentHeader("ALG", "none"), jwtPasses},
		{"65 HMAC signature below RS256", signedWith(signHMAC(crypto.SHA256, pkixPEM)), jwtRefused},
		{"66 RS384 with the right key", signedWith(signPKCS1(crypto.SHA384), "alg", "RS384"), jwtRefused},
		{"66 RS512 by the right key", signedWith(signPKCS1(crypto.SHA512), "alg", "RS512"), jwtRefused},
		{"66 PS256 by the right key", signedWith(signPSS(crypto.SHA256), "alg", "PS256"), jwtRefused},
		{"66 PS384 by the right key", signedWith(signPSS(crypto.SHA384), "alg", "PS384"), jwtRefused},
		{"66 PS512 by the right key", signedWith(signPSS(crypto.SHA512), "alg", "PS512"), jwtRefused},
		{"67 ES256", signedWith(signES256, "alg", "ES256"), jwtRefused},
		{"67 ES256 all zero", signedWith(func(*authtest.Env, string) []byte { return make([]byte, 64) }, "alg", "ES256"), jwtRefused},
		{"67 EdDSA", signedWith(func(*authtest.Env, string) []byte { return make([]byte, 64) }, "alg", "EdDSA"), jwtRefused},
		{"68 PS256 signature below RS256", signedWith(signPSS(crypto.SHA256)), jwtRefused},
		{"68 RS512 signature below RS256", signedWith(signPKCS1(crypto.SHA512)), jwtRefused},
		{"68 SHA-1 signature below RS256", signedWith(signPKCS1(crypto.SHA1)), jwtRefused},
	}...)
	for name, secret := range map[string]func(*authtest.Env) []byte{
		"62 the key as PKIX PEM":                          pkixPEM,
		"62 the key as PKIX PEM without the last newline": func(s *authtest.Env) []byte { return bytes.TrimSpace(pkixPEM(s)) },
		"62 the key as PKIX DER":                          pkixDER,
		"62 the key as PKCS 1 PEM": func(s *authtest.Env) []byte {
			return pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&s.Key().PublicKey))
		},
		"62 the key as PKCS 1 DER":       func(s *authtest.Env) []byte { return x509.MarshalPKCS1PublicKey(&s.Key().PublicKey) },
		"62 the modulus":                 func(s *authtest.Env) []byte { return s.Key().N.Bytes() },
		"62 the modulus in base64url":    func(s *authtest.Env) []byte { return []byte(b64url(string(s.Key().N.Bytes()))) },
		"62 the key as JWK":              func(s *authtest.Env) []byte { return []byte(jwkText(&s.Key().PublicKey, s.KeyID())) },
		"62 the key in a certificate":    func(s *authtest.Env) []byte { return certificateOf(s.Key()) },
		"63 nothing":                     func(*authtest.Env) []byte { return nil },
		"63 the word secret":             func(*authtest.Env) []byte { return []byte("secret") },
		"63 the kid":                     func(s *authtest.Env) []byte { return []byte(s.KeyID()) },
		"63 the audience":                func(s *authtest.Env) []byte { return []byte(s.ProjectID) },
		"63 the project's secret itself": func(s *authtest.Env) []byte { return []byte(s.Secret) },
	} {
		rows = append(rows, jwtRow{name + " as key of HS256", signedWith(signHMAC(crypto.SHA256, secret), "alg", "HS256"), jwtRefused})
	}
	rows = append(rows,
		jwtRow{"64 HS384 with the PEM", signedWith(signHMAC(crypto.SHA384, pkixPEM), "alg", "HS384"), jwtRefused},
		jwtRow{"64 HS512 with the PEM", signedWith(signHMAC(crypto.SHA512, pkixPEM), "alg", "HS512"), jwtRefused},
	)
	runJWTRows(t, rows)
}

func TestJWT_Header(t *testing.T) {
	runJWTRows(t, []jwtRow{
		{"69 another key of the same kid", signedWith(signByOtherKey), jwtRefused},
		{"70 jwk in the header", signedWith(signByOtherKey, "jwk", fromEnv(otherJWK)), jwtRefused},
		{"70 jwk in the header without kid", signedWith(signByOtherKey, "jwk", fromEnv(otherJWK), "kid", absent), jwtRefused},
		{"70 jwk beside the right key", bentHeader("jwk", fromEnv(otherJWK)), jwtPasses},
		{"71 x5c in the header", signedWith(signByOtherKey, "x5c", fromEnv(otherX5C)), jwtRefused},
		{"71 x5c in the header without kid", signedWith(signByOtherKey, "x5c", fromEnv(otherX5C), "kid", absent), jwtRefused},
		{"74 kid unknown", bentHeader("kid", "jwk-test-00000000-0000-4000-8000-000000000000"), jwtRefused},
		{"75 kid empty", bentHeader("kid", ""), jwtRefused},
		{"75 kid null", bentHeader("kid", nil), jwtRefused},
		{"75 kid a number", bentHeader("kid", 1), jwtRefused},
		{"75 kid a list", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return []string{s.KeyID()} })), jwtRefused},
		{"75 kid an object", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return map[string]any{"kid": s.KeyID()} })), jwtRefused},
		{"76 kid a path", bentHeader("kid", "../../../../dev/null"), jwtRefused},
		{"76 kid SQL", bentHeader("kid", "x' UNION SELECT 'key' --"), jwtRefused},
		{"76 kid a command", bentHeader("kid", "$(touch owned)|id;`id`"), jwtRefused},
		{"76 kid a template", bentHeader("kid", "{{7*7}}${7*7}%s%n${jndi:ldap://x}"), jwtRefused},
		{"76 kid with line breaks", bentHeader("kid", "a\r\nSet-Cookie: owned=1\r\n\r\n"), jwtRefused},
		{"76 kid with NUL", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return s.KeyID() + "\x00" })), jwtRefused},
		{"76 kid of 257 bytes", bentHeader("kid", strings.Repeat("k", 257)), jwtRefused},
		{"76 kid of 20 kB", bentHeader("kid", strings.Repeat("k", 20000)), jwtRefused},
		{"77 kid with a prefix", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return "x" + s.KeyID() })), jwtRefused},
		{"77 kid with a suffix", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return s.KeyID() + "x" })), jwtRefused},
		{"77 kid truncated", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return s.KeyID()[:len(s.KeyID())-1] })), jwtRefused},
		{"77 kid in upper case", bentHeader("kid", fromEnv(func(s *authtest.Env) any { return strings.ToUpper(s.KeyID()) })), jwtRefused},
		{"78 kid missing", bentHeader("kid", absent), jwtRefused},
		{"79 crit unknown", bentHeader("crit", []string{"exp"}, "exp", 1), jwtRefused},
		{"79 crit empty", bentHeader("crit", []string{}), jwtRefused},
		{"79 crit not a list", bentHeader("crit", "b64"), jwtRefused},
		{"79 crit null", bentHeader("crit", nil), jwtRefused},
		{"79 crit b64", bentHeader("crit", []string{"b64"}, "b64", true), jwtRefused},
		{"79 crit a registered name", bentHeader("crit", []string{"alg"}), jwtRefused},
		{"80 b64 true", bentHeader("b64", true), jwtRefused},
		{"80 b64 false over a payload in base64url", bentHeader("b64", false, "crit", []string{"b64"}), jwtRefused},
		{"80 b64 false without crit", bentHeader("b64", false), jwtRefused},
		{"80 b64 false over a raw payload", rawPayload, jwtBadBytes},
		{"81 zip DEF", zippedPayload, jwtRefused},
		{"81 zip DEF with an uncompressed payload", bentHeader("zip", "DEF"), jwtRefused},
		{"81 zip empty", bentHeader("zip", ""), jwtRefused},
		{"82 cty JWT", bentHeader("cty", "JWT"), jwtRefused},
		{"82 cty JWT over a nested JWT", func(s *authtest.Env) string {
			return s.Sign([]byte(objectText(bendMembers(s, s.Header(), []any{"cty", "JWT"}))), []byte(s.Session.JWT))
		}, jwtRefused},
		{"82 nested JWT", func(s *authtest.Env) string { return s.Sign([]byte(jwtHeader(s)), []byte(s.Session.JWT)) }, jwtRefused},
		{"82 payload a JWT as JSON string", func(s *authtest.Env) string { return s.Sign([]byte(jwtHeader(s)), authtest.JSON(s.Session.JWT)) }, jwtRefused},
		{"83 typ at+jwt", bentHeader("typ", "at+jwt"), jwtRefused},
		{"83 typ dpop+jwt", bentHeader("typ", "dpop+jwt"), jwtRefused},
		{"83 typ logout+jwt", bentHeader("typ", "logout+jwt"), jwtRefused},
		{"83 typ a number", bentHeader("typ", 1), jwtRefused},
		{"83 typ null", bentHeader("typ", nil), jwtRefused},
		{"83 typ empty", bentHeader("typ", ""), jwtRefused},
		{"83 typ in lower case", bentHeader("typ", "jwt"), jwtRefused},
		{"84 typ missing", bentHeader("typ", absent), jwtPasses},
		{"85 alg twice, none first", editedHeader(putBefore(`"alg":"none"`)), jwtRefused},
		{"85 alg twice, none last", editedHeader(putAfter(`"alg":"none"`)), jwtRefused},
		{"85 alg twice, the same", editedHeader(putAfter(`"alg":"RS256"`)), jwtRefused},
		{"85 alg twice, once escaped", editedHeader(putBefore(`"\u0061lg":"none"`)), jwtRefused},
		{"85 kid twice, wrong first", editedHeader(putBefore(`"kid":"x"`)), jwtRefused},
		{"85 kid twice, wrong last", editedHeader(putAfter(`"kid":"x"`)), jwtRefused},
		{"86 header a list", editedHeader(func(text string) string { return "[" + text + "]" }), jwtRefused},
		{"86 header a string", editedHeader(quotedText), jwtRefused},
		{"86 header null", editedHeader(putInstead("null")), jwtRefused},
		{"86 header a number", editedHeader(putInstead("1")), jwtRefused},
		{"86 header {}", editedHeader(putInstead("{}")), jwtRefused},
		{"86 header empty", editedHeader(putInstead("")), jwtRefused},
		{"86 header truncated", editedHeader(func(text string) string { return text[:len(text)-1] }), jwtRefused},
		{"86 header two objects", editedHeader(func(text string) string { return text + text }), jwtRefused},
		{"86 header with a trailing comma", editedHeader(func(text string) string { return text[:len(text)-1] + ",}" }), jwtRefused},
		{"86 header with trailing text", editedHeader(func(text string) string { return text + "x" }), jwtRefused},
		{"86 header with trailing white space", editedHeader(func(text string) string { return text + " \r\n\t" }), jwtPasses},
		{"86 header with a BOM", editedHeader(func(text string) string { return "\ufeff" + text }), jwtRefused},
		{"86 header with a comment", editedHeader(func(text string) string { return text + "/* */" }), jwtRefused},
		{"86 header in single quotes", editedHeader(func(text string) string { return strings.ReplaceAll(text, `"`, "'") }), jwtRefused},
		{"86 header in UTF-16", editedHeader(utf16Text), jwtRefused},
		{"86 header with trailing NUL", editedHeader(func(text string) string { return text + "\x00" }), jwtRefused},
		{"86 header with NUL inside", editedHeader(putFor(`"RS256"`, "\"RS256\x00\"")), jwtRefused},
		{"86 header not UTF-8", editedHeader(putAfter("\"x\":\"\xff\"")), jwtRefused},
		{"87 header nested 2000 deep", bentHeader("x", jsonText(nestedLists(2000))), jwtRefused},
		{"87 header nested to the limit", bentHeader("x", jsonText(nestedLists(99))), jwtPasses},
		{"87 header nested beyond the limit", bentHeader("x", jsonText(nestedLists(100))), jwtRefused},
	})
}

func quotedText(text string) string { return string(authtest.JSON(text)) }

func utf16Text(text string) string {
	return strings.Join(strings.Split("\xfe\xff"+text, ""), "\x00")
}

// nestedLists returns lists nested to a depth.
func nestedLists(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func signHMAC(h crypto.Hash, secret func(*authtest.Env) []byte) func(*authtest.Env, string) []byte {
	return func(s *authtest.Env, input string) []byte {
		mac := hmac.New(h.New, secret(s))
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

func digestOfText(h crypto.Hash, input string) []byte {
	hash := h.New()
	hash.Write([]byte(input))
	return hash.Sum(nil)
}

func signPKCS1(h crypto.Hash) func(*authtest.Env, string) []byte {
	return func(s *authtest.Env, input string) []byte {
		sig, err := rsa.SignPKCS1v15(nil, s.Key(), h, digestOfText(h, input))
		if err != nil {
			s.T.Fatal(err)
		}
		return sig
	}
}

func signPSS(h crypto.Hash) func(*authtest.Env, string) []byte {
	return func(s *authtest.Env, input string) []byte {
		sig, err := rsa.SignPSS(rand.Reader, s.Key(), h, digestOfText(h, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			s.T.Fatal(err)
		}
		return sig
	}
}

func signES256(s *authtest.Env, input string) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.T.Fatal(err)
	}
	sum := sha256.Sum256([]byte(input))
	r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		s.T.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
}

// otherKey returns a key of 2048 bits that is not in the key set.
func otherKey() *rsa.PrivateKey {
	other := stytchtest.NewServer()
	other.RotateKeys()
	other.RotateKeys()
	return other.Key()
}

func signByOtherKey(_ *authtest.Env, input string) []byte { return signRS256(otherKey(), input) }

func otherJWK(s *authtest.Env) any { return jsonText(jwkText(&otherKey().PublicKey, s.KeyID())) }

func otherX5C(*authtest.Env) any {
	return []string{base64.StdEncoding.EncodeToString(certificateOf(otherKey()))}
}

func jwkText(key *rsa.PublicKey, kid string) string {
	return string(authtest.JSON(map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": b64url(string(key.N.Bytes())), "e": b64url(string(big.NewInt(int64(key.E)).Bytes())),
	}))
}

func pkixDER(s *authtest.Env) []byte {
	der, err := x509.MarshalPKIXPublicKey(&s.Key().PublicKey)
	if err != nil {
		s.T.Fatal(err)
	}
	return der
}

func pkixPEM(s *authtest.Env) []byte { return pemOf("PUBLIC KEY", pkixDER(s)) }

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func certificateOf(key *rsa.PrivateKey) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return der
}

// rawPayload signs an unencoded payload (RFC 7797).
func rawPayload(s *authtest.Env) string {
	header := objectText(bendMembers(s, s.Header(), []any{"b64", false, "crit", []string{"b64"}}))
	input := b64url(header) + "." + strings.ReplaceAll(jwtClaims(s), ".", "\\u002e")
	return input + "." + b64url(string(signRS256(s.Key(), input)))
}

// zippedPayload signs a compressed payload. RFC 7516, section 4.1.3, defines compression for JWE
// only.
func zippedPayload(s *authtest.Env) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // fails only for unknown levels
	_, _ = w.Write([]byte(jwtClaims(s)))
	_ = w.Close()
	return s.Sign([]byte(objectText(bendMembers(s, s.Header(), []any{"zip", "DEF"}))), b.Bytes())
}
