package sessionjwt_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// oddOf returns an odd number of this length in bits that has not the form of a ROCA modulus.
func oddOf(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Add(n, big.NewInt(0x10001*4+3))
}

func TestKeySet_Keys(t *testing.T) {
	n, f4 := testKeys()[0].N, big.NewInt(65537)
	even := new(big.Int).Add(n, big.NewInt(1))
	key := func(members string) string { return jwkWith("k", n, f4, members) }
	exponent := func(e int64) string { return jwkWith("k", n, big.NewInt(e), "") }
	for _, row := range []struct {
		name, jwk string
		want      bool
	}{
		{"key as Stytch publishes it", jwkOf("k", testKeys()[0]), true},
		{"required members only", key(""), true},
		{"unknown members", key(`"x5c":["x"],"x5tS256":1,"x":{"n":"AA"},`), true},
		{"d", key(`"d":"AQAB",`), false},
		{"d null", key(`"d":null,`), false},
		{"D in capitals", key(`"D":"AQAB",`), true},
		{"alg RS384", key(`"alg":"RS384",`), false},
		{"alg PS256", key(`"alg":"PS256",`), false},
		{"alg in lower case", key(`"alg":"rs256",`), false},
		{"alg a number", key(`"alg":1,`), false},
		{"alg null", key(`"alg":null,`), false},
		{"alg empty", key(`"alg":"",`), true},
		{"use enc", key(`"use":"enc",`), false},
		{"use SIG", key(`"use":"SIG",`), false},
		{"use a list", key(`"use":["sig"],`), false},
		{"key_ops without verify", key(`"key_ops":["encrypt","wrapKey"],`), false},
		{"key_ops sign only", key(`"key_ops":["sign"],`), false},
		{"key_ops empty", key(`"key_ops":[],`), false},
		{"key_ops a string", key(`"key_ops":"verify",`), false},
		{"key_ops verify among others", key(`"key_ops":["sign","verify"],`), true},
		{"KTY in capitals", key(`"KTY":"oct",`), true},
		{"USE in capitals", key(`"USE":"enc",`), true},
		{"kty missing", strings.Replace(key(""), `"kty":"RSA",`, "", 1), false},
		{"kty in lower case", strings.Replace(key(""), `"RSA"`, `"rsa"`, 1), false},
		{"kty EC", `{"kty":"EC","kid":"k","crv":"P-256","x":"AA","y":"AA"}`, false},
		{"kty EC with an RSA key", strings.Replace(key(""), `"RSA"`, `"EC"`, 1), false},
		{"kty oct", `{"kty":"oct","kid":"k","k":"AAAA"}`, false},
		{"kty OKP", `{"kty":"OKP","kid":"k","crv":"Ed25519","x":"AA"}`, false},
		{"kid missing", strings.Replace(key(""), `"kid":"k",`, "", 1), false},
		{"kid empty", jwkWith("", n, f4, ""), false},
		{"kid a number", strings.Replace(key(""), `"kid":"k"`, `"kid":1`, 1), false},
		{"n missing", `{"kty":"RSA","kid":"k","e":"AQAB"}`, false},
		{"n empty", `{"kty":"RSA","kid":"k","n":"","e":"AQAB"}`, false},
		{"n a number", `{"kty":"RSA","kid":"k","n":12345,"e":"AQAB"}`, false},
		{"n in the standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(key("")), false},
		{"n padded", `{"kty":"RSA","kid":"k","n":"` + b64(n.Bytes()) + `==","e":"AQAB"}`, false},
		{"n with other characters at the end", `{"kty":"RSA","kid":"k","n":"` + b64(oddOf(3072).Bytes()) + `****","e":"AQAB"}`, false},
		{"e with other characters at the end", `{"kty":"RSA","kid":"k","n":"` + b64(n.Bytes()) + `","e":"AQAB****"}`, false},
		{"n even", jwkWith("k", even, f4, ""), false},
		{"1024 bits", jwkWith("k", oddOf(1024), f4, ""), false},
		{"2047 bits", jwkWith("k", oddOf(2047), f4, ""), false},
		{"2047 bits and leading zeros", `{"kty":"RSA","kid":"k","n":"` + b64(append(make([]byte, 8), oddOf(2047).Bytes()...)) + `","e":"AQAB"}`, false},
		{"2048 bits", jwkWith("k", oddOf(2048), f4, ""), true},
		{"8192 bits", jwkWith("k", oddOf(8192), f4, ""), true},
		{"8193 bits", jwkWith("k", oddOf(8193), f4, ""), false},
		{"8200 bits", jwkWith("k", oddOf(8200), f4, ""), false},
		{"e missing", `{"kty":"RSA","kid":"k","n":"` + b64(n.Bytes()) + `"}`, false},
		{"e empty", `{"kty":"RSA","kid":"k","n":"` + b64(n.Bytes()) + `","e":""}`, false},
		{"e in the standard alphabet with padding", `{"kty":"RSA","kid":"k","n":"` + b64(n.Bytes()) + `","e":"AQAB=="}`, false},
		{"e 0", exponent(0), false},
		{"e 1", exponent(1), false},
		{"e 3", exponent(3), false},
		{"e 65535", exponent(65535), false},
		{"e 65537", exponent(65537), true},
		{"e 65538, even", exponent(65538), false},
		{"e 65539", exponent(65539), true},
		{"e 2^31-1", exponent(1<<31 - 1), true},
		{"e 2^31+1", exponent(1<<31 + 1), false},
		{"e 2^32+65537", exponent(1<<32 + 65537), false},
		{"e 2^64+65537", jwkWith("k", n, new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), f4), ""), false},
		{"e as large as n", jwkWith("k", n, n, ""), false},
		{"ROCA modulus", jwkWith("k", new(big.Int).Exp(f4, big.NewInt(128), nil), f4, ""), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			// The set also contains a valid key, which shows that a skipped key does not invalidate
			// the set.
			keys, err := parseKeySet([]byte(keySetOf(row.jwk, jwkOf("valid", testKeys()[1]))))
			if err != nil || keys["valid"] == nil {
				t.Fatalf("got %v and keys %v, want the valid key", err, keys)
			}
			if got := len(keys) == 2; got != row.want || got != (keys["k"] != nil) {
				t.Errorf("got used %t, want %t", got, row.want)
			}
			if _, err := parseKeySet([]byte(keySetOf(row.jwk))); (err == nil) != row.want {
				t.Errorf("alone: got %v, want loaded %t", err, row.want)
			}
		})
	}
}

// invalidSets returns documents that must not replace a valid key set.
func invalidSets() map[string]string {
	valid := func(kid string) string { return jwkOf(kid, testKeys()[1]) }
	var many []string
	for i := range 32 + 1 {
		many = append(many, valid(fmt.Sprintf("k%d", i)))
	}
	return map[string]string{
		"nothing":                     "",
		"an empty object":             "{}",
		"an empty set":                `{"keys":[]}`,
		"keys null":                   `{"keys":null}`,
		"keys an object":              `{"keys":{"a":` + valid("a") + `}}`,
		"keys a string":               `{"keys":"x"}`,
		"KEYS in capitals":            `{"KEYS":[` + valid("a") + `]}`,
		"a list":                      "[" + valid("a") + "]",
		"null":                        "null",
		"a bare key":                  valid("a"),
		"HTML":                        "<!DOCTYPE html><title>Bad gateway</title>",
		"truncated":                   keySetOf(valid("a"))[:200],
		"text at the end":             keySetOf(valid("a")) + "x",
		"a BOM":                       "\ufeff" + keySetOf(valid("a")),
		"not UTF-8":                   `{"x":"` + "\xff" + `","keys":[` + valid("a") + `]}`,
		"keys twice":                  `{"keys":[` + valid("a") + `],"keys":[` + valid("b") + `]}`,
		"n twice in a key":            strings.Replace(keySetOf(valid("a")), `"n":`, `"n":"AA","n":`, 1),
		"a key that is a string":      keySetOf(valid("a"), `"x"`),
		"a key that is null":          keySetOf(valid("a"), "null"),
		"one kid twice":               keySetOf(valid("a"), valid("a")),
		"one kid twice, two keys":     keySetOf(valid("a"), jwkOf("a", testKeys()[0])),
		"no usable key":               keySetOf(`{"kty":"oct","kid":"a","k":"AAAA"}`, jwkWith("b", oddOf(1024), big.NewInt(65537), "")),
		"33 keys":                     keySetOf(many...),
		"33 keys among unusable ones": keySetOf(append(repeat(postQuantum("p"), 5), many...)...),
		"128 KiB and a byte":          padded(keySetOf(valid("a")), 128<<10+1),
		"10 MiB":                      padded(keySetOf(valid("a")), 10<<20),
		"nested too deeply":           `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"keys":[` + valid("a") + `]}`,
	}
}

// postQuantum returns an ML-DSA-87 key of the usual size. RS256 cannot use such a key.
func postQuantum(kid string) string {
	return `{"kty":"AKP","alg":"ML-DSA-87","kid":` + string(asJSON(kid)) + `,"pub":"` + b64(make([]byte, 2592)) + `"}`
}

// padded appends white space to text until it has this size.
func padded(text string, size int) string { return text + strings.Repeat(" ", size-len(text)) }

func repeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestKeySet_InvalidDocuments(t *testing.T) {
	for name, document := range invalidSets() {
		t.Run(name, func(t *testing.T) {
			if keys, err := parseKeySet([]byte(document)); err == nil || keys != nil {
				t.Errorf("got %d keys and %v, want an error", len(keys), err)
			}
		})
	}
}

func TestKeySet_ValidDocuments(t *testing.T) {
	var many []string
	for i := range 32 {
		many = append(many, jwkOf(fmt.Sprintf("k%d", i), testKeys()[i%3]))
	}
	for _, row := range []struct {
		name, document string
		want           int
	}{
		{"one key", keySetOf(many[0]), 1},
		{"32 keys", keySetOf(many...), 32},
		{"128 KiB", padded(keySetOf(many[0]), 128<<10), 1},
		{"a post-quantum key first", keySetOf(postQuantum("p"), many[0]), 1},
		{"a post-quantum key with the same kid first", keySetOf(postQuantum("k0"), many[0]), 1},
		{"a post-quantum key with the same kid last", keySetOf(many[0], postQuantum("k0")), 1},
		{"two post-quantum keys with one kid", keySetOf(postQuantum("p"), many[0], postQuantum("p")), 1},
		{"an oct key with the same kid", keySetOf(`{"kty":"oct","kid":"k0","k":"AAAA"}`, many[0]), 1},
		{"a weak key with the same kid", keySetOf(many[0], jwkWith("k0", oddOf(1024), big.NewInt(3), "")), 1},
		{"a private key with the same kid", keySetOf(jwkWith("k0", testKeys()[1].N, big.NewInt(65537), `"d":"AQAB",`), many[0]), 1},
		{"31 post-quantum keys", keySetOf(append(repeat(postQuantum("p"), 31), many[0])...), 1},
		{"32 keys after 20 others", keySetOf(append(repeat(postQuantum("p"), 20), many...)...), 32},
		{"500 keys without a kid", keySetOf(append(repeat(`{"kty":"RSA"}`, 500), many[0])...), 1},
		{"other members beside keys", `{"request_id":"x","status_code":200,"keys":[` + many[0] + `]}`, 1},
		{"keys without a kid among others", keySetOf(`{"kty":"RSA"}`, many[0], `{"kty":"RSA"}`), 1},
		{"keys of other kinds among others", keySetOf(`{"kty":"EC","kid":"a"}`, many[0], `{"kty":"oct","kid":"b"}`), 1},
		{"kids that differ in case", keySetOf(jwkOf("a", testKeys()[0]), jwkOf("A", testKeys()[1])), 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			if keys, err := parseKeySet([]byte(row.document)); err != nil || len(keys) != row.want {
				t.Errorf("got %d keys and %v, want %d", len(keys), err, row.want)
			}
		})
	}
}

func TestIsROCA(t *testing.T) {
	primes := []int64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
		103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167}
	product := big.NewInt(1)
	for _, p := range primes {
		product.Mul(product, big.NewInt(p))
	}
	// A weak modulus is a power of 65537 modulo each small prime.
	weak := new(big.Int).Exp(big.NewInt(65537), big.NewInt(4711), product)
	weak.Add(weak, new(big.Int).Mul(product, new(big.Int).Lsh(big.NewInt(1), 1900)))
	if !sessionjwt.IsROCA(weak) {
		t.Error("got false for a weak modulus, want true")
	}
	// If a single residue is not such a power, the modulus is not weak.
	for _, p := range primes {
		step := new(big.Int).Div(product, big.NewInt(p))
		other := new(big.Int).Set(weak)
		for isPowerOfF4(other, p) {
			other.Add(other, step)
		}
		if sessionjwt.IsROCA(other) {
			t.Errorf("got true for a modulus whose residue modulo %d is not a power of 65537, want false", p)
		}
	}
	for i, key := range testKeys() {
		if sessionjwt.IsROCA(key.N) {
			t.Errorf("got true for valid key %d, want false", i)
		}
	}
}

func isPowerOfF4(n *big.Int, p int64) bool {
	residue := new(big.Int).Mod(n, big.NewInt(p))
	for e := range p {
		if residue.Cmp(new(big.Int).Exp(big.NewInt(65537), big.NewInt(e), big.NewInt(p))) == 0 {
			return true
		}
	}
	return false
}
