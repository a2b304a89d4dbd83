package stytchtest_test

import (
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestAuthenticateSession_MergesCustomClaims(t *testing.T) {
	for _, tt := range []struct{ name, before, patch, want string }{
		{"a new claim is added", `{"a":1}`, `{"b":2}`, `{"a":1,"b":2}`},
		{"a claim is overwritten", `{"a":1}`, `{"a":"x"}`, `{"a":"x"}`},
		{"null deletes", `{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`},
		{"null for an unknown claim does nothing", `{"a":1}`, `{"b":null}`, `{"a":1}`},
		{"an empty patch changes nothing", `{"a":1}`, `{}`, `{"a":1}`},
		{"objects merge", `{"o":{"x":1,"y":2}}`, `{"o":{"y":3,"z":4}}`, `{"o":{"x":1,"y":3,"z":4}}`},
		{"nested null deletes", `{"o":{"x":1,"y":2}}`, `{"o":{"x":null}}`, `{"o":{"y":2}}`},
		{"deeply nested null deletes", `{"o":{"p":{"x":1,"y":2}}}`, `{"o":{"p":{"x":null}}}`, `{"o":{"p":{"y":2}}}`},
		{"an object replaces another value, without its nulls", `{"o":1}`, `{"o":{"x":1,"y":null}}`, `{"o":{"x":1}}`},
		{"a new object loses its nulls", `{}`, `{"o":{"x":null}}`, `{"o":{}}`},
		{"a list replaces a list", `{"l":[1,2]}`, `{"l":[3]}`, `{"l":[3]}`},
		{"null in a list stays", `{}`, `{"l":[null]}`, `{"l":[null]}`},
		{"false and 0 and empty text stay", `{}`, `{"f":false,"n":0,"t":""}`, `{"f":false,"n":0,"t":""}`},
		{"the seven reserved names are ignored", `{"a":1}`, `{"iss":1,"sub":1,"aud":1,"exp":1,"nbf":1,"iat":1,"jti":1}`, `{"a":1}`},
		{"a reserved name is not reserved below the top", `{}`, `{"o":{"iss":1}}`, `{"o":{"iss":1}}`},
		{"names match with their case", `{}`, `{"ISS":1}`, `{"ISS":1}`},
		{"another namespace is allowed", `{}`, `{"https://example.com/session":1}`, `{"https://example.com/session":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, _, session := setup(t)
			for _, claims := range []string{tt.before, tt.patch} {
				post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`","session_custom_claims":`+claims+`}`).want(t, 200, "")
			}
			a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`)
			equal(t, "claims", a.at("session", "custom_claims"), tt.want)
		})
	}
}

func TestAuthenticateSession_CustomClaimsKeepTheirText(t *testing.T) {
	srv, _, session := setup(t)
	a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`","session_custom_claims":{"n":9007199254740993,"m":"<&>"}}`)
	if want := `"custom_claims":{"m":"<&>","n":9007199254740993}`; !strings.Contains(a.raw, want) {
		t.Errorf("got %s, want %s in it", a.raw, want)
	}
}

func TestAuthenticateSession_CustomClaimsSize(t *testing.T) {
	srv, _, session := setup(t)
	claim := func(name string, size int) string {
		return `{"session_token":"` + session.Token + `","session_custom_claims":{"` + name + `":"` + strings.Repeat("x", size) + `"}}`
	}
	fits := 4096 - len(`{"a":""}`)
	post(t, srv, "/v1/sessions/authenticate", claim("a", fits)).want(t, 200, "")
	post(t, srv, "/v1/sessions/authenticate", claim("a", fits+1)).want(t, 400, "custom_claims_too_large")
	post(t, srv, "/v1/sessions/authenticate", claim("b", 1)).want(t, 400, "custom_claims_too_large") // together with a, this claim exceeds the limit
}

func TestServer_StartSession_CustomClaims(t *testing.T) {
	srv, user, _ := setup(t)
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{CustomClaims: map[string]any{
		"tenant": map[string]any{"id": 7}, "sub": "user-test-somebody-else", "gone": nil,
	}})
	_, claims := verified(t, srv, session.JWT)
	equal(t, "tenant", claims["tenant"], `{"id":7}`)
	equal(t, "sub", claims["sub"], `"`+user.ID+`"`)
	if _, ok := claims["gone"]; ok {
		t.Error("a null claim is in the JWT")
	}
}

func TestServer_Claims_ReturnsACopy(t *testing.T) {
	srv, user, _ := setup(t)
	given := map[string]any{"tenant": map[string]any{"id": 7}}
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{CustomClaims: given})
	given["tenant"].(map[string]any)["id"] = 8
	got := srv.Claims(session.ID)
	got["tenant"].(map[string]any)["id"] = 9
	got["https://stytch.com/session"].(map[string]any)["id"] = "session-test-bent"
	_, claims := verified(t, srv, srv.JWT(session.ID))
	equal(t, "tenant", claims["tenant"], `{"id":7}`)
	equal(t, "id", claims["https://stytch.com/session"].(map[string]any)["id"], `"`+session.ID+`"`)
}
