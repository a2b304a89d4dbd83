package sessionjwt

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// fill gives every field that can have a value one of its own.
func fill(v reflect.Value, count *int) {
	*count++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2025, 11, 12, 10, 0, *count, 500, time.UTC)))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("value \"é\" ", *count))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), count)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), count)
		}
	default:
		panic(fmt.Sprint("decode in session.go reads strings, times and structs of them only: teach it ", v.Type()))
	}
}

// Every kind of factor is read as encoding/json reads it.
func TestParseSessionReadsAllOfAFactor(t *testing.T) {
	var want stytch.Session
	count := 0
	want.ID, want.Factors, want.Attributes = "session-test-1", make([]stytch.AuthenticationFactor, 2), &stytch.Attributes{}
	fill(reflect.ValueOf(want.Attributes).Elem(), &count)
	fill(reflect.ValueOf(&want.Factors[0]).Elem(), &count)
	fill(reflect.ValueOf(&want.Factors[1]).Elem(), &count)
	text, err := json.Marshal(map[string]any{"id": want.ID, "attributes": want.Attributes, "authentication_factors": want.Factors})
	if err != nil {
		t.Fatal(err)
	}
	got, ok := parseSession(text)
	if !ok || !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseSessionForms(t *testing.T) {
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
		{"a folded name beside the right one", `[{"type":"password","Type":"totp","TYPE":1}]`, []stytch.AuthenticationFactor{{Type: "password"}}, true},
		{"an escaped name", `[{"t\u0079pe":"totp"}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"unknown members", `[{"type":"totp","x":[1],"carrier_pigeon_factor":{"id":1}}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"a detail null", `[{"type":"totp","authenticator_app_factor":null}]`, []stytch.AuthenticationFactor{{Type: "totp"}}, true},
		{"a field null", `[{"type":null}]`, []stytch.AuthenticationFactor{{}}, true},
		{"a detail", `[{"authenticator_app_factor":{"totp_id":"t"}}]`, []stytch.AuthenticationFactor{{AuthenticatorAppFactor: &stytch.AuthenticatorAppFactor{TOTPID: "t"}}}, true},
		{"an object", `{}`, nil, false},
		{"a string", `"password"`, nil, false},
		{"strings", `["password"]`, nil, false},
		{"a number for a type", `[{"type":1}]`, nil, false},
		{"a date that is none", `[{"last_authenticated_at":"yesterday"}]`, nil, false},
		{"a number for a date", `[{"last_authenticated_at":1}]`, nil, false},
		{"a string for a detail", `[{"authenticator_app_factor":"t"}]`, nil, false},
		{"a number in a detail", `[{"authenticator_app_factor":{"totp_id":1}}]`, nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, ok := parseSession([]byte(`{"id":"session-test-1","authentication_factors":` + row.factors + `}`))
			if ok != row.ok {
				t.Fatalf("got accepted %t, want %t", ok, row.ok)
			}
			if ok && !reflect.DeepEqual(got.Factors, row.want) {
				t.Errorf("got %+v, want %+v", got.Factors, row.want)
			}
		})
	}
}
