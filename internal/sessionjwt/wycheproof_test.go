package sessionjwt_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// vectorFile contains the members of a Wycheproof file that the tests read.
type vectorFile struct {
	NumberOfTests int
	TestGroups    []vectorGroup
}

type vectorGroup struct {
	Comment         string
	Public, Private json.RawMessage // a JWK or a JWK Set
	PublicKey       struct{ Modulus, PublicExponent string }
	Tests           []vector
}

type vector struct {
	TCID            int
	Comment, Result string
	JWS, JWE        vectorToken
	Msg, Sig        string // encoded in hex
}

// vectorToken is a token in compact serialization, or the text of a token in JSON serialization.
type vectorToken string

func (v *vectorToken) UnmarshalJSON(text []byte) error {
	if text[0] == '{' {
		*v = vectorToken(text)
		return nil
	}
	return json.Unmarshal(text, (*string)(v))
}

// vectors reads a Wycheproof file and checks the number of its tests.
func vectors(t *testing.T, name string, want int) []vectorGroup {
	t.Helper()
	data, err := os.ReadFile("testdata/wycheproof/" + name + "_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, group := range file.TestGroups {
		n += len(group.Tests)
	}
	if n != want || file.NumberOfTests != want {
		t.Fatalf("got %d tests, the file says %d, want %d", n, file.NumberOfTests, want)
	}
	return file.TestGroups
}

// keySet returns the public key of the group as a JWK Set. If there is none, it returns the private
// key.
func (g *vectorGroup) keySet() []byte {
	key := g.Public
	if key == nil {
		key = g.Private
	}
	if strings.Contains(string(key), `"keys"`) {
		return key
	}
	return []byte(`{"keys":[` + string(key) + `]}`)
}

// accepts reports whether a token passes all checks, the last of which is the signature.
func accepts(keySet []byte, token string) bool {
	keys, err := parseKeySet(keySet)
	if err != nil {
		return false
	}
	return sessionjwt.VerifySignature(keys, token)
}

// isOtherAlgorithm reports whether a token names an algorithm other than RS256. This package
// refuses such a token even if the vector is valid.
func isOtherAlgorithm(token string) bool {
	head, _, _ := strings.Cut(token, ".")
	header, _ := base64.RawURLEncoding.DecodeString(head)
	var h struct{ Alg string }
	_ = json.Unmarshal(header, &h)
	return h.Alg != "RS256"
}

func TestWycheproof_Signatures(t *testing.T) {
	accepted, refused := 0, 0
	for _, group := range vectors(t, "json_web_signature", 401) {
		for _, test := range group.Tests {
			t.Run(fmt.Sprintf("96 test %d, %s", test.TCID, test.Comment), func(t *testing.T) {
				got := accepts(group.keySet(), string(test.JWS))
				if want := test.Result == "valid" && !isOtherAlgorithm(string(test.JWS)); got != want {
					t.Errorf("got accepted %t, want %t", got, want)
				}
				if got {
					accepted++
				} else {
					refused++
				}
			})
		}
	}
	if accepted != 8 || refused != 393 {
		t.Errorf("got %d accepted and %d refused, want 8 and 393", accepted, refused)
	}
}

// For the 235 vectors with a key for RS256, the result must be that of the vector.
func TestWycheproof_RS256(t *testing.T) {
	count := map[bool]int{}
	for _, group := range vectors(t, "json_web_signature", 401) {
		if !strings.Contains(string(group.keySet()), `"RSA"`) || strings.Contains(string(group.keySet()), `"alg":"PS`) {
			continue
		}
		var key struct{ Alg string }
		_ = json.Unmarshal(group.Public, &key)
		if key.Alg != "" && key.Alg != "RS256" {
			continue
		}
		for _, test := range group.Tests {
			t.Run(fmt.Sprintf("95 test %d, %s", test.TCID, test.Comment), func(t *testing.T) {
				got := accepts(group.keySet(), string(test.JWS))
				count[got]++
				if want := test.Result == "valid"; got != want {
					t.Errorf("got accepted %t, want %t", got, want)
				}
			})
		}
	}
	if count[true] != 8 || count[false] != 227 {
		t.Errorf("got %d accepted and %d refused, want 8 and 227", count[true], count[false])
	}
}

func TestWycheproof_Keys(t *testing.T) {
	loaded := 0
	for _, group := range vectors(t, "json_web_key", 26) {
		_, err := parseKeySet(group.keySet())
		if err == nil {
			loaded++
		}
		for _, test := range group.Tests {
			want := test.TCID == 5 // the only vector with a valid RS256 key
			if got := err == nil; got != want {
				t.Errorf("test %d, %s: got loaded %t, want %t", test.TCID, test.Comment, got, want)
			}
			if got := accepts(group.keySet(), string(test.JWS)); got != want {
				t.Errorf("test %d, %s: got accepted %t, want %t", test.TCID, test.Comment, got, want)
			}
		}
	}
	if loaded != 1 {
		t.Errorf("got %d sets loaded, want 1", loaded)
	}
}

func TestWycheproof_Crypto(t *testing.T) {
	accepted := 0
	for _, group := range vectors(t, "json_web_crypto", 83) {
		for _, test := range group.Tests {
			got := accepts(group.keySet(), string(test.JWS+test.JWE)) // each vector has only one of the two
			if want := test.TCID == 33; got != want {                 // the vector acceptsValid of jws_rsa
				t.Errorf("test %d, %s: got accepted %t, want %t", test.TCID, test.Comment, got, want)
			}
			if got {
				accepted++
			}
		}
	}
	if accepted != 1 {
		t.Errorf("got %d accepted, want 1", accepted)
	}
}

func TestWycheproof_Encryption(t *testing.T) {
	e := newFixedEnv()
	for _, group := range vectors(t, "json_web_encryption", 139) {
		for _, test := range group.Tests {
			if _, err := e.verifier.Verify(t.Context(), string(test.JWE)); reasonOf(err) != sessionjwt.Malformed {
				t.Errorf("test %d, %s: got %v, want %s", test.TCID, test.Comment, err, sessionjwt.Malformed)
			}
		}
	}
}

// The vectors are raw PKCS #1 signatures with keys of three sizes. Signatures that the vectors call
// "acceptable" lack a NULL and are refused.
func TestWycheproof_RSA(t *testing.T) {
	for _, file := range []struct {
		name        string
		tests, good int
	}{
		{"rsa_signature_2048_sha256", 259, 9},
		{"rsa_signature_3072_sha256", 259, 8},
		{"rsa_signature_4096_sha256", 258, 7},
	} {
		t.Run(file.name, func(t *testing.T) {
			accepted := 0
			for _, group := range vectors(t, file.name, file.tests) {
				key := group.key(t)
				_, err := parseKeySet([]byte(keySetOf(jwkOf("k", key))))
				if got, want := err == nil, key.E == 65537; got != want {
					t.Errorf("exponent %d: got loaded %t, want %t", key.E, got, want)
				}
				for _, test := range group.Tests {
					got := sessionjwt.VerifyRS256(key, unhex(t, test.Msg), unhex(t, test.Sig))
					if want := test.Result == "valid"; got != want {
						t.Errorf("test %d, %s: got accepted %t, want %t", test.TCID, test.Comment, got, want)
					}
					if got {
						accepted++
					}
				}
			}
			if accepted != file.good {
				t.Errorf("got %d accepted, want %d", accepted, file.good)
			}
		})
	}
}

func (g *vectorGroup) key(t *testing.T) *rsa.PublicKey {
	e := new(big.Int).SetBytes(unhex(t, g.PublicKey.PublicExponent))
	return &rsa.PublicKey{N: new(big.Int).SetBytes(unhex(t, g.PublicKey.Modulus)), E: int(e.Int64())}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
