package sessionjwt_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// fill sets each field of v to a different value.
func fill(v reflect.Value, count *int) {
	*count++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2025, 11, 12, 10, 0, *count, 5e8, time.UTC)))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("\"é", *count))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), count)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), count)
		}
	default:
		panic(fmt.Sprint("decode in decode.go supports strings, times and structs of these only: add ", v.Type()))
	}
}

// withSession returns fixedClaims with another session claim.
func withSession(session string) string {
	return `{"aud":"project-test-1","exp":1762944049,"iat":1762943749,"iss":"stytch.com/project-test-1","sub":"user-test-1",` +
		`"https://stytch.com/session":` + session + `}`
}

// Verify decodes all fields of attributes and factors as encoding/json does. Each token has few
// factors, because two factors with all fields would exceed MaxSize.
func TestVerify_AllFactorFields(t *testing.T) {
	e := newFixedEnv()
	count := 0
	for range 2 {
		var want stytch.Session
		want.ID, want.UserID, want.Factors, want.Attributes = "session-test-1", "user-test-1", make([]stytch.AuthenticationFactor, 1), &stytch.Attributes{}
		fill(reflect.ValueOf(want.Attributes).Elem(), &count)
		fill(reflect.ValueOf(&want.Factors[0]).Elem(), &count)
		text, err := json.Marshal(map[string]any{"id": want.ID, "attributes": want.Attributes, "authentication_factors": want.Factors})
		if err != nil {
			t.Fatal(err)
		}
		got := e.want(t, e.sign(fixedHeader, withSession(string(text))), "ok")
		if got != nil && !reflect.DeepEqual(*got.Session, want) {
			t.Errorf("got %+v, want %+v", got.Session, want)
		}
	}
}

func TestVerify_Factors(t *testing.T) {
	e := newFixedEnv()
	const password = `[{"type":"password","delivery_method":"knowledge","last_authenticated_at":"2025-11-12T10:00:00Z"}]`
	for _, row := range []struct {
		name, factors string
		want          []stytch.AuthenticationFactor
		ok            bool
	}{
		{"none", `[]`, []stytch.AuthenticationFactor{}, true},
		{"null", `null`, nil, true},
		{"null inside", `[null]`, []stytch.AuthenticationFactor{{}}, true},
		{"a folded name", strings.Replace(password, `"type"`, `"TYPE"`, 1), []stytch.AuthenticationFactor{{
			DeliveryMethod: "knowledge", LastAuthenticatedAt: time.Date(2025, 11, 12, 10, 0, 0, 0, time.UTC),
		}}, true},
		{"a folded name and the exact one", `[{"type":"password","Type":"totp","TYPE":1}]`, []stytch.AuthenticationFactor{{Type: "password"}}, true},
		{"an escaped name", `[{"t\u0079pe":"totp"}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"unknown members", `[{"type":"totp","x":[1],"carrier_pigeon_factor":{"id":1}}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"a detail null", `[{"type":"totp","authenticator_app_factor":null}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"an empty date", `[{"type":"totp","last_authenticated_at":""}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"a field null", `[{"type":null}]`, []stytch.AuthenticationFactor{{}}, true},
		{"a detail", `[{"authenticator_app_factor":{"totp_id":"t"}}]`, []stytch.AuthenticationFactor{{AuthenticatorAppFactor: &stytch.AuthenticatorAppFactor{TOTPID: "t"}}}, true},
		{"two factors", `[{"type":"otp","phone_number_factor":{"phone_id":"p","phone_number":"+1"}},{"type":"totp","authenticator_app_factor":{"totp_id":"t"}}]`, []stytch.AuthenticationFactor{
			{Type: "otp", PhoneNumberFactor: &stytch.PhoneNumberFactor{PhoneID: "p", PhoneNumber: "+1"}},
			{Type: "totp", AuthenticatorAppFactor: &stytch.AuthenticatorAppFactor{TOTPID: "t"}},
		}, true},
		{"an object", `{}`, nil, false},
		{"a string", `"password"`, nil, false},
		{"strings", `["password"]`, nil, false},
		{"a number for a type", `[{"type":1}]`, nil, false},
		{"an invalid date", `[{"last_authenticated_at":"yesterday"}]`, nil, false},
		{"a number for a date", `[{"last_authenticated_at":1}]`, nil, false},
		{"a string for a detail", `[{"authenticator_app_factor":"t"}]`, nil, false},
		{"a number in a detail", `[{"authenticator_app_factor":{"totp_id":1}}]`, nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			session := `{"id":"session-test-1","authentication_factors":` + row.factors + `}`
			got := e.want(t, e.sign(fixedHeader, withSession(session)), "ok")
			if got == nil {
				return
			}
			if got.ThirdParty == row.ok {
				t.Errorf("got ThirdParty %t, want %t: only Stytch can decide about what cannot be read", got.ThirdParty, !row.ok)
			}
			if !reflect.DeepEqual(got.Session.Factors, row.want) {
				t.Errorf("got %+v, want %+v", got.Session.Factors, row.want)
			}
		})
	}
}

// A member of the session claim that is null counts as absent, and so does an empty time.
func TestVerify_SessionClaim(t *testing.T) {
	const times = `"started_at":"2025-11-12T10:00:00Z","last_accessed_at":"2025-11-12T10:00:00Z","expires_at":"2025-11-12T14:00:00Z"`
	at := time.Date(2025, 11, 12, 10, 0, 0, 0, time.UTC)
	id := stytch.Session{ID: "session-test-1", UserID: "user-test-1"}
	unknown := stytch.Session{UserID: "user-test-1"}
	full := id
	full.StartedAt, full.LastAccessedAt, full.ExpiresAt = at, at, at.Add(4*time.Hour)
	e := newFixedEnv()
	for _, row := range []struct {
		name, claim string
		want        *stytch.Session // nil if the claim is refused
		unreadable  bool
	}{
		{"times", `{"id":"session-test-1",` + times + `}`, &full, false},
		{"an id only", `{"id":"session-test-1"}`, &id, false},
		{"all other members null", `{"id":"session-test-1","started_at":null,"last_accessed_at":null,"expires_at":null,"roles":null,"attributes":null,"authentication_factors":null,"x":null}`, &id, false},
		{"empty times", `{"id":"session-test-1","started_at":"","last_accessed_at":"","expires_at":""}`, &id, false},

		{"expires_at a number", `{"id":"session-test-1","expires_at":1,"roles":["admin"]}`, &id, true},
		{"expires_at a word", `{"id":"session-test-1",` + strings.Replace(times, "2025-11-12T14:00:00Z", "never", 1) + `}`, &id, true},
		{"expires_at a space", `{"id":"session-test-1","expires_at":" "}`, &id, true},
		{"expires_at an object", `{"id":"session-test-1","expires_at":{}}`, &id, true},
		{"started_at a number", `{"id":"session-test-1","started_at":1}`, &id, true},
		{"last_accessed_at false", `{"id":"session-test-1","last_accessed_at":false}`, &id, true},
		{"roles a string", `{"id":"session-test-1","roles":"admin"}`, &id, true},
		{"roles with null", `{"id":"session-test-1","roles":["admin",null]}`, &id, true},
		{"roles a string, before the id", `{"roles":"admin","id":"session-test-1"}`, &id, true},
		{"attributes a list", `{"id":"session-test-1","attributes":[]}`, &id, true},
		{"a string", `"session-test-1"`, &unknown, true},
		{"a list", `[{"id":"session-test-1"}]`, &unknown, true},
		{"a number", `1`, &unknown, true},
		{"true", `true`, &unknown, true},

		{"null", `null`, nil, false},
		{"an empty object", `{}`, nil, false},
		{"an id of another name", `{"session_id":"session-test-1"}`, nil, false},
		{"an id in capitals", `{"ID":"session-test-1"}`, nil, false},
		{"an id null", `{"id":null}`, nil, false},
		{"an id empty", `{"id":""}`, nil, false},
		{"an id a number", `{"id":1}`, nil, false},
		{"an id a list", `{"id":["session-test-1"]}`, nil, false},
		{"an id with a slash", `{"id":"session/test-1"}`, nil, false},
		{"an id of 256 bytes", `{"id":"` + strings.Repeat("s", 256) + `"}`, &stytch.Session{ID: strings.Repeat("s", 256), UserID: "user-test-1"}, false},
		{"an id of 257 bytes", `{"id":"` + strings.Repeat("s", 257) + `"}`, nil, false},
		{"no id, and roles a string", `{"roles":"admin"}`, nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			result := "ok"
			if row.want == nil {
				result = "bad_claims"
			}
			got := e.want(t, e.sign(fixedHeader, withSession(row.claim)), result)
			if got == nil {
				return
			}
			if got.ThirdParty != row.unreadable || !reflect.DeepEqual(got.Session, row.want) {
				t.Errorf("got %+v, ThirdParty %t, want %+v, %t", got.Session, got.ThirdParty, row.want, row.unreadable)
			}
		})
	}
}
