package sessionjwt_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// fuzzSeeds returns payloads that reach different branches of the code.
func fuzzSeeds() []string {
	replaced := func(old, by string) string { return strings.Replace(fixedClaims, old, by, 1) }
	return []string{
		fixedClaims, "{}", "null", "",
		replaced(`["project-test-1"]`, `"project-test-1"`),
		replaced(`"exp":1762944049`, `"exp":1.762944049e9`),
		replaced(`"exp":1762944049`, `"exp":1762944049.5`),
		replaced(`"exp":1762944049`, `"exp":9223372036854775808`),
		replaced(`"sub"`, `"s\u0075b"`),
		replaced(`"email"`, `"scope"`),
		replaced(`"email"`, `"client_id"`),
		replaced(`"email"`, `"client_id":"c","scope"`),
		replaced(`"email"`, `"jti":"x","scope"`),
		replaced(`"sub":"user-test-1"`, `"sub":"member-test-1"`),
		replaced(`"sub":"user-test-1"`, `"sub":"m2m-client-test-1"`),
		replaced(`"roles":["stytch_user","admin"]`, `"roles":null`),
		replaced(`"roles":["stytch_user","admin"]`, `"roles":{"admin":true}`),
		replaced(`"2025-11-12T14:35:49Z"`, `""`),
		replaced(`"email":"a@example.com"`, `"email":{"a":1,"a":"\ud800"}`),
		withSession(`"session-test-1"`),
		withSession(`["session-test-1"]`),
		withSession(`null`),
		replaced(`"email"`, `"EXP"`),
		replaced(`"email"`, `"https://stytch.com/x"`),
		replaced(`"roles"`, `"id":"x","roles"`),
		replaced(`"expires_at":"2025-11-12T14:35:49Z",`, ""),
		replaced(`"a@example.com"`, `{"x":[1,{"y":"\ud83d\ude00"}]}`),
	}
}

// FuzzVerify checks that every accepted token has only one spelling. It also checks that a second
// verifier, which uses other packages, accepts the token with the same values.
func FuzzVerify(f *testing.F) {
	e := newFixedEnv()
	good := e.sign(fixedHeader, fixedClaims)
	if _, err := e.verifier.Verify(f.Context(), good); err != nil {
		f.Fatal(err)
	}
	for _, payload := range fuzzSeeds() {
		f.Add(good, []byte(fixedHeader), []byte(payload))
	}
	for _, header := range []string{`{"kid":"k","alg":"RS256"}`, `{"alg":"RS256","kid":"k","crit":["x"]}`, `{"alg":"none","kid":"k"}`, `{"ALG":"none","alg":"RS256","kid":"\u006b"}`} {
		f.Add(good+"=", []byte(header), []byte(fixedClaims))
	}
	f.Fuzz(func(t *testing.T, token string, header, payload []byte) {
		texts := []string{token}
		// Signing is slow, so the fuzz test does not sign a payload that Verify would refuse for
		// its form.
		if members, err := strictjson.Object(payload, nil, sessionjwt.IsCustom); err == nil && sessionjwt.ParseHeader(header) == nil {
			if _, err := sessionjwt.ParseClaims(members); err == nil {
				texts = append(texts, e.sign(string(header), string(payload)))
			}
		}
		for _, text := range texts {
			got, err := e.verifier.Verify(t.Context(), text)
			if err == nil {
				checkAccepted(t, text, got, &e.key.PublicKey)
			} else if got != nil || reasonOf(err) == "" {
				t.Errorf("got %v together with %v, want a refusal", got, err)
			}
		}
	})
}

// checkAccepted verifies an accepted token again with other packages.
func checkAccepted(t *testing.T, text string, got *sessionjwt.Token, key *rsa.PublicKey) {
	t.Helper()
	part := strings.Split(text, ".")
	if len(part) != 3 {
		t.Fatalf("got accepted with %d segments, want 3", len(part))
	}
	var decoded [3][]byte
	for i := range part {
		decoded[i], _ = base64.RawURLEncoding.DecodeString(part[i])
		if base64.RawURLEncoding.EncodeToString(decoded[i]) != part[i] {
			t.Fatalf("got accepted: %q, want its one spelling", part[i])
		}
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], decoded[2]); err != nil {
		t.Fatalf("got accepted, want %v", err)
	}
	header, claims := objectOf(t, decoded[0]), objectOf(t, decoded[1])
	if header["alg"] != "RS256" || header["kid"] != "k" && header["kid"] != longKeyID || header["crit"] != nil {
		t.Fatalf("got accepted with header %v, want RS256 and a known key", header)
	}
	if claims["iss"] != "stytch.com/"+fixedProject || !names(claims["aud"], fixedProject) {
		t.Errorf("got accepted iss %v and aud %v, want those of the project", claims["iss"], claims["aud"])
	}
	if claims["sub"] != got.Session.UserID || !strings.HasPrefix(got.Session.UserID, "user-") {
		t.Errorf("got user %q, want %v", got.Session.UserID, claims["sub"])
	}
	session, isObject := claims["https://stytch.com/session"].(map[string]any)
	if isObject && session["id"] != got.Session.ID || (got.Session.ID == "") == isObject {
		t.Errorf("got session %q, want that of %v", got.Session.ID, claims["https://stytch.com/session"])
	}
	_, scope := claims["scope"]
	_, client := claims["client_id"]
	_, jti := claims["jti"]
	if scope && client {
		t.Error("got accepted with scope and client_id, want refused")
	}
	if (!isObject || client || scope && jti || scope && got.ExpiresAt.Sub(got.IssuedAt) > 5*time.Minute) && !got.ThirdParty {
		t.Errorf("got ThirdParty false for claims %v, want true", claims)
	}
	checkTime(t, "exp", got.ExpiresAt, claims["exp"])
	checkTime(t, "iat", got.IssuedAt, claims["iat"])
	if life := got.ExpiresAt.Sub(got.IssuedAt); life <= 0 || life > time.Hour {
		t.Errorf("got a lifetime of %v, want at most an hour", life)
	}
}

// objectOf decodes an object with encoding/json. It decodes into a map, so that names must match
// exactly.
func objectOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	object := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		t.Fatalf("got accepted %q, want %v", text, err)
	}
	return object
}

func names(aud any, want string) bool {
	list, ok := aud.([]any)
	return aud == want || ok && slices.Contains(list, any(want))
}

// checkTime compares a time with the number from which it was parsed.
func checkTime(t *testing.T, name string, got time.Time, from any) {
	t.Helper()
	number, ok := from.(json.Number)
	want, _, err := big.ParseFloat(number.String(), 10, 200, big.ToNearestEven)
	if !ok || err != nil {
		t.Fatalf("got %s %v from %v, want a number", name, got, from)
	}
	seconds := new(big.Float).Quo(big.NewFloat(float64(got.Nanosecond())), big.NewFloat(1e9))
	seconds.Add(new(big.Float).SetPrec(200).SetInt64(got.Unix()), seconds)
	if apart, _ := new(big.Float).Sub(seconds, want).Float64(); apart > 1e-5 || apart < -1e-5 {
		t.Errorf("got %s %v from %s, want it within 10 microseconds", name, got, number)
	}
}

// FuzzKeySet checks that each key of an accepted set occurs once in the document and can be used
// for RS256.
func FuzzKeySet(f *testing.F) {
	for _, document := range invalidSets() {
		if len(document) < 4096 {
			f.Add([]byte(document))
		}
	}
	keys := testKeys()
	f.Add([]byte(keySetOf(jwkOf("a", keys[0]), jwkOf("b", keys[1]))))
	f.Add([]byte(keySetOf(jwkWith("a", keys[0].N, big.NewInt(3), ""), jwkWith("b", keys[1].N, big.NewInt(65537), `"key_ops":["sign","verify"],`))))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := parseKeySet(document)
		if err != nil {
			if got != nil {
				t.Errorf("got %d keys together with %v, want none", len(got), err)
			}
			return
		}
		if len(got) == 0 || len(got) > 32 || len(document) > 128<<10 {
			t.Errorf("got %d keys in %d bytes, want at most 32 in 128 KiB", len(got), len(document))
		}
		list, _ := objectOf(t, document)["keys"].([]any)
		for _, v := range list {
			from := v.(map[string]any)
			kid, _ := from["kid"].(string)
			if !isUsable(from) || kid == "" {
				continue
			}
			key := got[kid]
			if n, e := numberOf(from["n"]), numberOf(from["e"]); key == nil || n.Cmp(key.N) != 0 || e.Int64() != int64(key.E) {
				t.Errorf("got key %v for %q, want the one usable key with this id", key, kid)
			}
			delete(got, kid)
		}
		if len(got) > 0 {
			t.Errorf("got %d keys that are not usable keys of the document", len(got))
		}
	})
}

// numberOf decodes the modulus or the exponent of a JSON Web Key. It returns nil if v is invalid.
func numberOf(v any) *big.Int {
	text, _ := v.(string)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil
	}
	return new(big.Int).SetBytes(b)
}

// isUsable is a second implementation of the rules for keys that may verify RS256 signatures.
func isUsable(from map[string]any) bool {
	isOr := func(name, want string) bool {
		v, present := from[name]
		return !present || v == "" || v == want
	}
	ops, limited := from["key_ops"]
	_, private := from["d"]
	n, e := numberOf(from["n"]), numberOf(from["e"])
	return !private && from["kty"] == "RSA" && isOr("alg", "RS256") && isOr("use", "sig") && (!limited || isList(ops) && names(ops, "verify")) &&
		n != nil && n.BitLen() >= 2048 && n.BitLen() <= 8192 && n.Bit(0) == 1 && !sessionjwt.IsROCA(n) &&
		e != nil && e.BitLen() <= 31 && e.Int64() >= 65537 && e.Bit(0) == 1
}

// isList reports whether v is a list of strings.
func isList(v any) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(v any) bool { _, is := v.(string); return !is })
}

// FuzzClaims checks that encoding/json decodes the same claims. It also checks that neither
// registered claims nor claims of Stytch become custom claims.
func FuzzClaims(f *testing.F) {
	for _, payload := range fuzzSeeds() {
		f.Add([]byte(payload))
	}
	files, _ := filepath.Glob("../strictjson/testdata/jsontestsuite/test_parsing/?_object*.json")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		members, err := strictjson.Object(payload, nil, sessionjwt.IsCustom)
		if err != nil {
			return
		}
		got, err := sessionjwt.ParseClaims(members)
		if err != nil {
			if reasonOf(err) == "" {
				t.Errorf("got %v, want a refusal", err)
			}
			return
		}
		claims := objectOf(t, payload)
		session, _ := claims["https://stytch.com/session"].(map[string]any)
		if claims["sub"] != got.UserID || session["id"] != got.SessionID && !(session == nil && got.Unreadable && got.SessionID == "") {
			t.Errorf("got session %q of %q, want %v of %v", got.SessionID, got.UserID, session["id"], claims["sub"])
		}
		if iss, ok := claims["iss"].(string); iss != got.Issuer || claims["iss"] != nil && !ok {
			t.Errorf("got iss %q, want %v", got.Issuer, claims["iss"])
		}
		for _, audience := range got.Audience {
			if !names(claims["aud"], audience) {
				t.Errorf("got aud %q, want one of %v", audience, claims["aud"])
			}
		}
		checkTime(t, "exp", got.ExpiresAt, claims["exp"])
		checkTime(t, "iat", got.IssuedAt, claims["iat"])
		if claims["nbf"] != nil {
			checkTime(t, "nbf", got.NotBefore, claims["nbf"])
		}
		for name := range claims {
			if strings.HasPrefix(name, "https://stytch.com/") || slices.Contains([]string{"iss", "aud", "sub", "exp", "iat", "nbf", "jti"}, name) {
				delete(claims, name)
			}
		}
		custom := map[string]any{}
		if got.Custom != nil {
			custom = objectOf(t, got.Custom)
		}
		if !reflect.DeepEqual(custom, claims) {
			t.Errorf("got custom claims %v, want %v", custom, claims)
		}
	})
}
