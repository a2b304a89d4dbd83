package attacktest

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/authtest"
)

func TestJWT_Signature(t *testing.T) {
	sig := signPKCS1(crypto.SHA256)
	flip := func(i int) func(*authtest.Env, string) []byte {
		return changedSignature(func(b []byte) []byte { b[(i+len(b))%len(b)] ^= 1; return b })
	}
	runJWTRows(t, []jwtRow{
		{"88 signature empty", signedWith(func(*authtest.Env, string) []byte { return nil }), jwtRefused},
		{"89 a bit of the first byte flipped", signedWith(flip(0)), jwtRefused},
		{"89 a bit of a middle byte flipped", signedWith(flip(128)), jwtRefused},
		{"89 a bit of the last byte flipped", signedWith(flip(-1)), jwtRefused},
		{"90 first byte cut", signedWith(changedSignature(func(b []byte) []byte { return b[1:] })), jwtRefused},
		{"90 last byte cut", signedWith(changedSignature(func(b []byte) []byte { return b[:len(b)-1] })), jwtRefused},
		{"90 leading zero", signedWith(changedSignature(func(b []byte) []byte { return append([]byte{0}, b...) })), jwtRefused},
		{"90 trailing zero", signedWith(changedSignature(func(b []byte) []byte { return append(b, 0) })), jwtRefused},
		{"90 doubled", signedWith(changedSignature(func(b []byte) []byte { return append(b, b...) })), jwtRefused},
		{"91 all 0", signedWith(changedSignature(func(b []byte) []byte { return make([]byte, len(b)) })), jwtRefused},
		{"91 all FF", signedWith(changedSignature(func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) })), jwtRefused},
		{"91 1", signedWith(numberSignature(func(_, _ *big.Int) *big.Int { return big.NewInt(1) })), jwtRefused},
		{"91 n", signedWith(numberSignature(func(_, n *big.Int) *big.Int { return n })), jwtRefused},
		{"91 n-1", signedWith(numberSignature(func(_, n *big.Int) *big.Int { return n.Sub(n, big.NewInt(1)) })), jwtRefused},
		{"91 n-s", signedWith(numberSignature(func(s, n *big.Int) *big.Int { return n.Sub(n, s) })), jwtRefused},
		{"91 n+s", signedWith(numberSignature(func(s, n *big.Int) *big.Int { return n.Add(n, s) })), jwtRefused},
		{"91 n+s in 256 bytes", shortSum, jwtRefused},
		{"92 signature over the payload only", signedWith(func(s *authtest.Env, input string) []byte { return sig(s, input[strings.Index(input, ".")+1:]) }), jwtRefused},
		{"92 signature over the decoded text", signedWith(func(s *authtest.Env, _ string) []byte { return sig(s, jwtHeader(s)+"."+jwtClaims(s)) }), jwtRefused},
		{"92 signature over text with a trailing dot", signedWith(func(s *authtest.Env, input string) []byte { return sig(s, input+".") }), jwtRefused},
		{"93 signature from another token", signedWith(func(s *authtest.Env, _ string) []byte { return sig(s, "x") }), jwtRefused},
		{"93 payload from another token", editedToken(func(h, _, sig string) string { return h + "." + b64url(`{"sub":"user-test-x"}`) + "." + sig }), jwtRefused},
		{"93 header from another token", editedToken(func(_, p, sig string) string { return b64url(`{"alg":"RS256","kid":"x"}`) + "." + p + "." + sig }), jwtRefused},
	})
}

// changedSignature changes the bytes of a correct signature.
func changedSignature(change func([]byte) []byte) func(*authtest.Env, string) []byte {
	return func(s *authtest.Env, input string) []byte { return change(signRS256(s.Key(), input)) }
}

// numberSignature computes a signature from a correct signature s and the modulus
// n. Both are copies.
func numberSignature(change func(s, n *big.Int) *big.Int) func(*authtest.Env, string) []byte {
	return func(s *authtest.Env, input string) []byte {
		sig := new(big.Int).SetBytes(signRS256(s.Key(), input))
		b := change(sig, new(big.Int).Set(s.Key().N)).Bytes()
		return append(make([]byte, max(0, 256-len(b))), b...)
	}
}

// shortSum uses the number n+s as the signature, if n+s has no more bytes than n.
func shortSum(s *authtest.Env) string {
	for i := range 1000 {
		token := signedWith(numberSignature(func(s, n *big.Int) *big.Int { return n.Add(n, s) }), "x", i)(s)
		if b, _ := base64.RawURLEncoding.DecodeString(token[strings.LastIndex(token, ".")+1:]); len(b) == 256 {
			return token
		}
	}
	s.T.Fatal("got no signature below 2^2048-n, want one")
	return ""
}

func TestJWT_Padding(t *testing.T) {
	const (
		sha1Info   = "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"
		sha256Info = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
		sha512Info = "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
		noNull     = "\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"
		longLength = "\x30\x81\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
		junkParams = "\x30\x34\x30\x10\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x03abc\x04\x20"
		indefinite = "\x30\x80\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
	)
	sum := func(h crypto.Hash, prefix, suffix string) func(string) string {
		return func(input string) string { return prefix + string(digestOfText(h, input)) + suffix }
	}
	fill := func(n int, with string) string { return strings.Repeat(with, n) }
	runJWTRows(t, []jwtRow{
		{"94 correct padding", padded("\x00\x01", "\xff", sum(crypto.SHA256, sha256Info, "")), jwtPasses},
		{"94 no DigestInfo", padded("\x00\x01", "\xff", sum(crypto.SHA256, "", "")), jwtRefused},
		{"94 block type 0", padded("\x00\x00", "\xff", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 block type 0 filled with zeros", padded("\x00\x00", "\x00", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 block type 2", padded("\x00\x02", "\xff", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 first byte 1", padded("\x01\x01", "\xff", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 filled with zeros", padded("\x00\x01", "\x00", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 filled with FE", padded("\x00\x01", "\xfe", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 one wrong byte of fill", padded("\x00\x01\xff\xff\x7f", "\xff", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 a second separator", padded("\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00", "\xff", sum(crypto.SHA256, sha256Info, "")), jwtRefused},
		{"94 trailing garbage", padded("\x00\x01", "\xff", sum(crypto.SHA256, sha256Info, "garbage")), jwtRefused},
		{"94 8 bytes of fill, then garbage (2006)", padded("\x00\x01", "\xff", sum(crypto.SHA256, sha256Info, fill(194, "g"))), jwtRefused},
		{"94 no fill, then garbage", padded("\x00\x01", "\xff", sum(crypto.SHA256, sha256Info, fill(202, "g"))), jwtRefused},
		{"94 missing NULL", padded("\x00\x01", "\xff", sum(crypto.SHA256, noNull, "")), jwtRefused},
		{"94 long form of a length", padded("\x00\x01", "\xff", sum(crypto.SHA256, longLength, "")), jwtRefused},
		{"94 indefinite length", padded("\x00\x01", "\xff", sum(crypto.SHA256, indefinite, "\x00\x00")), jwtRefused},
		{"94 junk parameters", padded("\x00\x01", "\xff", sum(crypto.SHA256, junkParams, "")), jwtRefused},
		{"94 OID of SHA-1", padded("\x00\x01", "\xff", sum(crypto.SHA1, sha1Info, "")), jwtRefused},
		{"94 OID of SHA-512", padded("\x00\x01", "\xff", sum(crypto.SHA512, sha512Info, "")), jwtRefused},
		{"94 OID of SHA-512 with the right digest", padded("\x00\x01", "\xff", sum(crypto.SHA256, sha512Info, "")), jwtRefused},
		{"94 digest cut", padded("\x00\x01", "\xff", func(input string) string { return sum(crypto.SHA256, sha256Info, "")(input)[:50] }), jwtRefused},
		{"94 digest of another text", padded("\x00\x01", "\xff", func(string) string { return sum(crypto.SHA256, sha256Info, "")("x") }), jwtRefused},
	})
}

// padded applies the private key to a block. The block consists of start, fill repeated up to the
// length of the modulus, a separator, and the content.
func padded(start, fill string, content func(input string) string) func(*authtest.Env) string {
	return signedWith(func(s *authtest.Env, input string) []byte {
		end := "\x00" + content(input)
		block := start + strings.Repeat(fill, s.Key().Size()-len(start)-len(end)) + end
		m := new(big.Int).SetBytes([]byte(block))
		return powerOf(s.Key(), m).FillBytes(make([]byte, s.Key().Size()))
	})
}

// powerOf returns the RSA operation with the private key, without padding.
func powerOf(key *rsa.PrivateKey, m *big.Int) *big.Int { return new(big.Int).Exp(m, key.D, key.N) }

func TestJWT_Encoding(t *testing.T) {
	runJWTRows(t, []jwtRow{
		{"97 trailing bits in the signature, lowest", editedToken(func(h, p, sig string) string { return h + "." + p + "." + withTrailingBits(sig, 1) }), jwtRefused},
		{"97 trailing bits in the signature, highest", editedToken(func(h, p, sig string) string { return h + "." + p + "." + withTrailingBits(sig, 8) }), jwtRefused},
		{"98 trailing bits in the payload, signed like that", respelt(1, func(seg string) string { return withTrailingBits(seg, 1) }), jwtRefused},
		{"98 trailing bits in the header, signed like that", respelt(0, func(seg string) string { return withTrailingBits(seg, 1) }), jwtRefused},
		{"99 padding on the header", editedToken(func(h, p, sig string) string { return h + "=." + p + "." + sig }), jwtBadField},
		{"99 padding on the payload", editedToken(func(h, p, sig string) string { return h + "." + p + "=." + sig }), jwtBadField},
		{"99 padding on the signature", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "==" }), jwtRefused},
		{"99 padding on all", editedToken(func(h, p, sig string) string { return h + "=." + p + "=." + sig + "==" }), jwtBadField},
		{"99 padding on the payload, signed like that", respelt(1, func(seg string) string { return seg + strings.Repeat("=", (4-len(seg)%4)%4) }), jwtBadField},
		{"99 padding on the header, signed like that", respelt(0, func(seg string) string { return seg + strings.Repeat("=", (4-len(seg)%4)%4) }), jwtBadField},
		{"100 standard alphabet in the payload, signed like that", respelt(1, strings.NewReplacer("-", "+", "_", "/").Replace), jwtRefused},
		{"100 standard alphabet in the header, signed like that", respelt(0, strings.NewReplacer("-", "+", "_", "/").Replace), jwtRefused},
		{"100 standard alphabet in the signature", signatureInStandardAlphabet, jwtRefused},
		{"102 illegal character", editedToken(func(h, p, sig string) string { return h + "." + p + "!." + sig }), jwtBadField},
		{"102 percent-encoded dots", editedToken(func(h, p, sig string) string { return h + "%2E" + p + "%2E" + sig }), jwtBadField},
		{"102 full-width dots", editedToken(func(h, p, sig string) string { return h + "．" + p + "．" + sig }), jwtBadBytes},
		{"102 non-ASCII letter", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "é" }), jwtBadBytes},
		{"102 tilde, which a b64token may have", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "~" }), jwtRefused},
		{"103 0 segments", func(*authtest.Env) string { return "" }, jwtVerdict{header: want400r, cookie: want401n}},
		{"103 1 segment, too long for an opaque token", editedToken(func(h, p, _ string) string { return h + p }), jwtRefused},
		{"103 1 segment, as long as an opaque token", editedToken(func(h, _, _ string) string { return h }), jwtCalledOpaque},
		{"103 2 segments", editedToken(func(h, p, _ string) string { return h + "." + p }), jwtRefused},
		{"103 4 segments", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "." + sig }), jwtRefused},
		{"103 4 segments, the last empty", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "." }), jwtRefused},
		{"103 5 segments", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "." + sig + "." + sig }), jwtRefused},
		{"103 leading dot", editedToken(func(h, p, sig string) string { return "." + h + "." + p + "." + sig }), jwtRefused},
		{"103 leading dot, 3 segments", editedToken(func(_, p, sig string) string { return "." + p + "." + sig }), jwtRefused},
		{"103 only dots", func(*authtest.Env) string { return ".." }, jwtRefused},
		{"103 more dots", func(*authtest.Env) string { return "....." }, jwtRefused},
		{"105 flattened JSON serialization", editedToken(func(h, p, sig string) string { return jsonSerialization(h, p, sig) }), jwtBadBytes},
		{"105 general JSON serialization", editedToken(func(h, p, sig string) string {
			return `{"payload":"` + p + `","signatures":[` + jsonSerialization(h, "", sig) + `]}`
		}), jwtBadBytes},
		{"105 JSON serialization in base64url", editedToken(func(h, p, sig string) string { return b64url(jsonSerialization(h, p, sig)) }), jwtRefused},
		{"107 detached payload", editedToken(func(h, _, sig string) string { return h + ".." + sig }), jwtRefused},
		{"107 detached payload, signed like that", respelt(1, func(string) string { return "" }), jwtRefused},
		{"108 in upper case", editedToken(func(h, p, sig string) string { return strings.ToUpper(h + "." + p + "." + sig) }), jwtRefused},
		{"108 in lower case", editedToken(func(h, p, sig string) string { return strings.ToLower(h + "." + p + "." + sig) }), jwtRefused},
		{"110 NUL", editedToken(func(h, p, sig string) string { return h + "." + p + "." + sig + "\x00" }), jwtBadBytes},
		{"110 inner space", editedToken(func(h, p, sig string) string { return h + ". " + p + "." + sig }), jwtBadField},
		{"110 inner tab", editedToken(func(h, p, sig string) string { return h + ".\t" + p + "." + sig }), jwtBadBytes},
	})
}

const base64urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// withTrailingBits sets unused bits of the last character.
func withTrailingBits(segment string, bits int) string {
	if len(segment)%4 == 0 {
		panic("no unused bits")
	}
	last := strings.IndexByte(base64urlAlphabet, segment[len(segment)-1])
	return segment[:len(segment)-1] + string(base64urlAlphabet[last|bits])
}

// respelt encodes one segment in another way and signs the result. which is 0 for the header and 1
// for the payload. Both segments have unused bits and both special characters.
func respelt(which int, spell func(string) string) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		special := func(text string) string {
			text = putAfter(`"x":"` + strings.Repeat("?>~", 8) + `"`)(text)
			for len(text)%3 != 1 {
				text += " "
			}
			return b64url(text)
		}
		seg := []string{special(jwtHeader(s)), special(jwtClaims(s))}
		plain := seg[which]
		if seg[which] = spell(plain); seg[which] == plain {
			s.T.Fatal("got the same spelling, want another one")
		}
		input := seg[0] + "." + seg[1]
		return input + "." + b64url(string(signRS256(s.Key(), input)))
	}
}

func signatureInStandardAlphabet(s *authtest.Env) string {
	h, rest, _ := strings.Cut(s.Session.JWT, ".")
	p, sig, _ := strings.Cut(rest, ".")
	other := strings.NewReplacer("-", "+", "_", "/").Replace(sig)
	if other == sig {
		s.T.Fatal("got a signature without special characters, want some")
	}
	return h + "." + p + "." + other
}

func jsonSerialization(header, payload, signature string) string {
	return string(authtest.JSON(map[string]string{"protected": header, "payload": payload, "signature": signature}))
}
