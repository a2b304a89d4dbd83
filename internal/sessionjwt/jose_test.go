package sessionjwt_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// cookbookExample is an example of RFC 7520.
type cookbookExample struct {
	Title  string
	Input  struct{ Key json.RawMessage }
	Output struct {
		Compact        string
		JSON, JSONFlat json.RawMessage
	}
	Sign *cookbookExample // set in the nested example
}

func TestCookbook_Signatures(t *testing.T) {
	for _, row := range []struct {
		file string
		want bool
	}{
		{"jws/4_1.rsa_v15_signature", true},
		{"jws/4_2.rsa-pss_signature", false},
		{"jws/4_3.ecdsa_signature", false},
		{"jws/4_4.hmac-sha2_integrity_protection", false},
		{"jws/4_5.signature_with_detached_content", false},
		{"jws/4_6.protecting_specific_header_fields", false},
		{"jws/4_7.protecting_content_only", false},
		{"jws/4_8.multiple_signatures", false},
		{"rfc7797/4.2.hmac-sha2_b64_false", false},
		{"rfc7797/hmac-sha2_b64_false", false},
		{"curve25519/jws", false},
		{"6.nesting_signatures_and_encryption", false},
	} {
		t.Run(row.file, func(t *testing.T) {
			example := cookbook(t, row.file)
			if example.Sign != nil {
				example = example.Sign
			}
			keySet := publicSet(t, example.Input.Key)
			spellings := []string{example.Output.Compact, string(example.Output.JSON), string(example.Output.JSONFlat)}
			for i, token := range spellings {
				if got := accepts(keySet, token); got != (row.want && i == 0) {
					t.Errorf("got accepted %t, want %t: %.40s", got, row.want && i == 0, token)
				}
			}
		})
	}
}

// publicSet returns a JWK Set with the public members of a key.
func publicSet(t *testing.T, key []byte) []byte {
	t.Helper()
	var members map[string]any
	if json.Unmarshal(key, &members) != nil { // this example has several keys
		return []byte(`{"keys":` + string(key) + `}`)
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		delete(members, private)
	}
	return []byte(keySetOf(string(asJSON(members))))
}

func TestCookbook_Encryptions(t *testing.T) {
	e := newFixedEnv()
	files, err := filepath.Glob("testdata/jose-cookbook/jwe/*.json")
	if err != nil || len(files) != 13 {
		t.Fatalf("got %d examples and %v, want 13", len(files), err)
	}
	for _, file := range append(files, "testdata/jose-cookbook/curve25519/ecdh-es.json") {
		example := cookbook(t, strings.TrimSuffix(strings.TrimPrefix(file, "testdata/jose-cookbook/"), ".json"))
		for _, token := range []string{example.Output.Compact, string(example.Output.JSON), string(example.Output.JSONFlat)} {
			if _, err := e.verifier.Verify(t.Context(), token); reasonOf(err) != sessionjwt.Malformed {
				t.Errorf("%s: got %v, want %s", file, err, sessionjwt.Malformed)
			}
		}
	}
}

func TestCookbook_Keys(t *testing.T) {
	for _, row := range []struct {
		file string
		want bool
	}{
		{"jwk/3_1.ec_public_key", false},
		{"jwk/3_2.ec_private_key", false},
		{"jwk/3_3.rsa_public_key", true},
		{"jwk/3_4.rsa_private_key", false}, // refused, because the private key was published
		{"jwk/3_5.symmetric_key_mac_computation", false},
		{"jwk/3_6.symmetric_key_encryption", false},
	} {
		t.Run(row.file, func(t *testing.T) {
			data, err := os.ReadFile("testdata/jose-cookbook/" + row.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseKeySet([]byte(`{"keys":[` + string(data) + `]}`)); (err == nil) != row.want {
				t.Errorf("got %v, want loaded %t", err, row.want)
			}
		})
	}
}

func cookbook(t *testing.T, name string) *cookbookExample {
	t.Helper()
	data, err := os.ReadFile("testdata/jose-cookbook/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	example := &cookbookExample{}
	if err := json.Unmarshal(data, example); err != nil {
		t.Fatal(err)
	}
	return example
}

// 150: each text of JSONTestSuite is used as the header, the payload and a custom claim of a signed
// token, and as a key set.
func TestJSONTestSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	files, err := filepath.Glob("../strictjson/testdata/jsontestsuite/test_parsing/*.json")
	if err != nil || len(files) != 318 {
		t.Fatalf("got %d texts and %v, want 318", len(files), err)
	}
	e := newEnv(t)
	count := map[byte]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		count[name[0]]++
		t.Run("150 "+name, func(t *testing.T) {
			// No text has the required members of a header, a payload or a key set.
			want := sessionjwt.BadClaims
			if strictjson.CheckObject(text) != nil {
				want = sessionjwt.Malformed
			}
			if name[0] == 'n' && want != sessionjwt.Malformed {
				t.Errorf("got %s, want %s", want, sessionjwt.Malformed)
			}
			if _, err := e.verify(e.Sign(text, e.claims())); reasonOf(err) == "" || want == sessionjwt.Malformed && reasonOf(err) != want {
				t.Errorf("as header: got %v, want %s", err, want)
			}
			token := e.Sign(e.header(), text)
			if _, err := e.verify(token); len(token) <= sessionjwt.MaxSize && reasonOf(err) != want || reasonOf(err) == "" {
				t.Errorf("as payload: got %v, want %s", err, want)
			}
			if _, err := parseKeySet(text); err == nil {
				t.Error("as key set: got nil, want an error")
			}
			// As the value of a custom claim, any JSON in UTF-8 is accepted. The application checks
			// the names and strings inside.
			claims := append(append([]byte(`{"custom":`), text...), ',')
			claims = append(claims, e.claims()[1:]...)
			_, err := e.verify(e.Sign(e.header(), claims))
			_, strict := strictjson.Object(claims, nil, func(name []byte) bool { return string(name) == "custom" })
			if got := err == nil; got != (strict == nil && len(claims) < 10000) {
				t.Errorf("as custom claim: got %v, want accepted %t", err, !got)
			}
		})
	}
	if count['y'] != 95 || count['n'] != 188 || count['i'] != 35 {
		t.Errorf("got %d y_, %d n_ and %d i_ texts, want 95, 188 and 35", count['y'], count['n'], count['i'])
	}
}
