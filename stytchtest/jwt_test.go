package stytchtest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// keySet loads the public keys by kid. The request has no credentials of the project.
func keySet(t *testing.T, srv *stytchtest.Server) map[string]*rsa.PublicKey {
	t.Helper()
	a := get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID)
	a.want(t, 200, "")
	keys := map[string]*rsa.PublicKey{}
	for _, k := range a.body["keys"].([]any) {
		k := k.(map[string]any)
		n, e := unbase64(t, k["n"].(string)), unbase64(t, k["e"].(string))
		keys[k["kid"].(string)] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func split(t *testing.T, jwt string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("got %d segments, want 3", len(parts))
	}
	if err := json.Unmarshal(unbase64(t, parts[0]), &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(unbase64(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return header, claims
}

// verifies reports whether a key of the key set made the signature.
func verifies(t *testing.T, srv *stytchtest.Server, jwt string) bool {
	t.Helper()
	header, _ := split(t, jwt)
	key := keySet(t, srv)[header["kid"].(string)]
	i := strings.LastIndex(jwt, ".")
	sum := sha256.Sum256([]byte(jwt[:i]))
	return key != nil && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], unbase64(t, jwt[i+1:])) == nil
}

// verified verifies the signature of a JWT and returns its header and claims.
func verified(t *testing.T, srv *stytchtest.Server, jwt string) (header, claims map[string]any) {
	t.Helper()
	if !verifies(t, srv, jwt) {
		t.Fatal("no key of the key set verifies this JWT")
	}
	return split(t, jwt)
}

func TestServer_JWT_Shape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		user := srv.AddUser(stytchtest.User{Email: email, Roles: []string{"admin"}})
		session := srv.StartSession(user.ID, stytchtest.SessionOptions{CustomClaims: map[string]any{"email": email}})
		header, claims := verified(t, srv, session.JWT)
		equal(t, "header", header, `{"alg":"RS256","kid":"`+srv.KeyID()+`","typ":"JWT"}`)
		equal(t, "claims", claims, `{"aud":["`+srv.ProjectID+`"],"email":"`+email+`","exp":946685100,`+
			`"https://stytch.com/session":{"attributes":{"ip_address":"","user_agent":""},`+
			`"authentication_factors":[{"delivery_method":"knowledge","last_authenticated_at":"2000-01-01T00:00:00Z","type":"password"}],`+
			`"expires_at":"2000-01-01T01:00:00Z","id":"`+session.ID+`","last_accessed_at":"2000-01-01T00:00:00Z",`+
			`"roles":["stytch_user","admin"],"started_at":"2000-01-01T00:00:00Z"},`+
			`"iat":946684800,"iss":"stytch.com/`+srv.ProjectID+`","nbf":946684800,"sub":"`+user.ID+`"}`)
	})
}

func TestServer_JWT_SameWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(999 * time.Millisecond)
		if srv.JWT(session.ID) != session.JWT {
			t.Error("got another JWT within the same second")
		}
		time.Sleep(time.Millisecond)
		if srv.JWT(session.ID) == session.JWT {
			t.Error("got the same JWT a second later")
		}
		panics(t, "JWT of an unknown session", func() { srv.JWT("session-test-nobody") })
	})
}

func TestServer_IssuerAndJWTLifetime(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.Issuer = "https://login.example.com"
	srv.JWTLifetime = 90 * time.Second
	session := srv.StartSession(srv.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{})
	_, claims := verified(t, srv, session.JWT)
	equal(t, "iss", claims["iss"], `"https://login.example.com"`)
	if got := claims["exp"].(float64) - claims["iat"].(float64); got != 90 {
		t.Errorf("got a lifetime of %v s, want 90", got)
	}
}

func TestKeySetEndpoint_Shape(t *testing.T) {
	srv := stytchtest.NewServer()
	r := newRequest(t, srv, "GET", "/v1/sessions/jwks/"+srv.ProjectID, "")
	r.Header.Del("Authorization")
	a := send(t, srv.Client(), r)
	a.want(t, 200, "")
	equal(t, "answer", names(a.body), `["keys","request_id","status_code"]`)
	equal(t, "key", names(a.at("keys", 0)), `["alg","e","key_ops","kid","kty","n","use","x5c","x5tS256"]`)
	for name, want := range map[string]string{
		"alg": `"RS256"`, "e": `"AQAB"`, "key_ops": `["verify"]`, "kty": `"RSA"`, "use": `"sig"`, "kid": `"` + srv.KeyID() + `"`,
	} {
		equal(t, name, a.at("keys", 0, name), want)
	}
	if got := a.header.Get("Cache-Control"); got != "public, max-age=900" {
		t.Errorf("got Cache-Control %q", got)
	}
	der, err := base64.StdEncoding.DecodeString(a.at("keys", 0, "x5c", 0).(string))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if !srv.Key().PublicKey.Equal(cert.PublicKey) {
		t.Error("the certificate is of another key")
	}
	sum := sha256.Sum256(der)
	equal(t, "x5tS256", a.at("keys", 0, "x5tS256"), `"`+base64.RawURLEncoding.EncodeToString(sum[:])+`"`)
}

func TestKeySetEndpoint_SameOnAllPaths(t *testing.T) {
	srv, other := stytchtest.NewServer(), stytchtest.NewServer()
	want, _ := json.Marshal(get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID).body["keys"])
	equal(t, "public path", get(t, srv, "/v1/public/"+srv.ProjectID+"/.well-known/jwks.json").body["keys"], string(want))
	equal(t, "domain", get(t, srv, "/.well-known/jwks.json").body["keys"], string(want))
	equal(t, "other server", get(t, other, "/.well-known/jwks.json").body["keys"], string(want))
	get(t, srv, "/v1/sessions/jwks/project-test-other").want(t, 400, "invalid_project_id_authentication")
}

func TestServer_RotateKeys_WithdrawKey(t *testing.T) {
	srv, _, session := setup(t)
	authenticate := func(jwt string) answer {
		return post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+jwt+`"}`)
	}
	old, oldKid := srv.JWT(session.ID), srv.KeyID()
	kid := srv.RotateKeys()
	if kid == oldKid || kid != srv.KeyID() {
		t.Errorf("got kid %s after %s, and KeyID %s", kid, oldKid, srv.KeyID())
	}
	fresh := srv.JWT(session.ID)
	if header, _ := split(t, fresh); header["kid"] != kid {
		t.Errorf("got kid %v, want %s", header["kid"], kid)
	}
	for _, jwt := range []string{old, fresh} {
		if !verifies(t, srv, jwt) {
			t.Error("a key is missing in the key set")
		}
		authenticate(jwt).want(t, 200, "")
	}
	srv.WithdrawKey(oldKid)
	if verifies(t, srv, old) || !verifies(t, srv, fresh) {
		t.Error("the key set has the old key, or lacks the new one")
	}
	authenticate(old).want(t, 400, "unable_to_parse_session_jwt")
	authenticate(fresh).want(t, 200, "")
	srv.WithdrawKey(kid)
	if got := len(keySet(t, srv)); got != 0 {
		t.Errorf("got %d keys, want an empty set", got)
	}
	panics(t, "withdrawing twice", func() { srv.WithdrawKey(kid) })
}

func TestServer_RotateKeys_BeyondTheFixedKeys(t *testing.T) {
	srv, _, session := setup(t)
	for range 4 {
		srv.RotateKeys()
	}
	if got := len(keySet(t, srv)); got != 5 {
		t.Errorf("got %d keys, want 5 different ones", got)
	}
	verified(t, srv, srv.JWT(session.ID))
}

func TestAuthenticateSession_RejectsForgedJWTs(t *testing.T) {
	srv, _, session := setup(t)
	sign := func(header, claims map[string]any) string {
		h, _ := json.Marshal(header)
		c, _ := json.Marshal(claims)
		return srv.Sign(h, c)
	}
	bent := func(name string, value any) string {
		claims := srv.Claims(session.ID)
		claims[name] = value
		return sign(srv.Header(), claims)
	}
	headed := func(name string, value any) string {
		header := srv.Header()
		header[name] = value
		return sign(header, srv.Claims(session.ID))
	}
	parts := strings.Split(session.JWT, ".")
	// The last character of a segment of 256 bytes has 4 unused bits, which must be 0.
	last := strings.LastIndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", session.JWT[len(session.JWT)-1])
	loose := session.JWT[:len(session.JWT)-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1:last+2]
	for _, tt := range []struct{ name, jwt string }{
		{"another encoding of the same signature", loose},
		{"another algorithm", headed("alg", "RS384")},
		{"no algorithm", headed("alg", "none")},
		{"an unknown kid", headed("kid", "jwk-test-unknown")},
		{"a kid that is not a string", headed("kid", map[string]any{})},
		{"another audience", bent("aud", []string{"project-test-other"})},
		{"no audience", bent("aud", nil)},
		{"no session claim", bent("https://stytch.com/session", nil)},
		{"a session claim that is a number", bent("https://stytch.com/session", 1)},
		{"a session claim of another form without an id", bent("https://stytch.com/session", []any{"user-test-1", 1})},
		{"a session without id", bent("https://stytch.com/session", map[string]any{})},
		{"a header that is not JSON", srv.Sign([]byte("x"), []byte("{}"))},
		{"claims that are not JSON", srv.Sign([]byte(`{"alg":"RS256","kid":"`+srv.KeyID()+`"}`), []byte("x"))},
		{"two segments", parts[0] + "." + parts[1]},
		{"four segments", session.JWT + "."},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"padding", session.JWT + "="},
		{"a changed payload", parts[0] + "." + parts[1][:10] + "A" + parts[1][11:] + "." + parts[2]},
		{"a line break in the signature", parts[0] + "." + parts[1] + "." + parts[2][:9] + `\n` + parts[2][9:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+tt.jwt+`"}`).want(t, 400, "unable_to_parse_session_jwt")
		})
	}
	for _, claim := range []any{session.ID, []any{1, session.ID}, []any{map[string]any{"id": session.ID}}, map[string]any{"id": session.ID, "roles": 1}} {
		post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+bent("https://stytch.com/session", claim)+`"}`).want(t, 200, "")
	}
	post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+bent("exp", 1)+`"}`).want(t, 200, "")
	post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+bent("aud", srv.ProjectID)+`"}`).want(t, 200, "")
}

func TestServer_Sign(t *testing.T) {
	srv := stytchtest.NewServer()
	jwt := srv.Sign([]byte("not JSON"), []byte("\xff\x00"))
	parts := strings.Split(jwt, ".")
	if string(unbase64(t, parts[0])) != "not JSON" || string(unbase64(t, parts[1])) != "\xff\x00" {
		t.Error("got other bytes than the arguments")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&srv.Key().PublicKey, crypto.SHA256, sum[:], unbase64(t, parts[2])); err != nil {
		t.Error(err)
	}
}
