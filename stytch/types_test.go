package stytch_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// sample returns a file of testdata without white space, as the API sends it, because a
// stytch.Object keeps its text unchanged.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	indented, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, indented); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.Bytes()
}

// generic decodes JSON without the types of this package.
func generic(t testing.TB, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// member returns one member of a JSON object.
func member(t testing.TB, object []byte, name string) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		t.Fatal(err)
	}
	return members[name]
}

// roundTrip decodes text into a new T. It fails the test if encoding the value and decoding it
// again changes the value.
func roundTrip[T any](t testing.TB, text []byte) (*T, []byte) {
	t.Helper()
	var first, second T
	if err := json.Unmarshal(text, &first); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	written, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(written, &second); err != nil {
		t.Fatalf("%s: %v", written, err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("second decode: got %+v, want %+v", second, first)
	}
	return &first, written
}

// wantSameMembers fails the test unless both texts are the same JSON, apart from the order of
// members.
func wantSameMembers(t testing.TB, got, want []byte) {
	t.Helper()
	if !reflect.DeepEqual(generic(t, got), generic(t, want)) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// zeroFields returns the paths of the fields of v that are zero. It omits nil details, because a
// factor has at most one detail.
func zeroFields(v reflect.Value, path string) []string {
	if at, ok := v.Interface().(time.Time); ok && !at.IsZero() {
		return nil
	}
	if v.IsZero() {
		return []string{path}
	}
	var zero []string
	switch v.Kind() {
	case reflect.Pointer:
		return zeroFields(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			if v.Type().Elem().Kind() != reflect.Uint8 {
				zero = append(zero, zeroFields(v.Index(i), path+"[]")...)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if strings.HasSuffix(name, "Factor") && v.Field(i).IsZero() {
				continue
			}
			zero = append(zero, zeroFields(v.Field(i), path+"."+name)...)
		}
	}
	return zero
}

func TestSession_EveryField(t *testing.T) {
	text := sample(t, "session.json")
	s, written := roundTrip[stytch.Session](t, text)
	if zero := zeroFields(reflect.ValueOf(s), "Session"); zero != nil {
		t.Errorf("got zero %q, want none", zero)
	}
	wantSameMembers(t, written, text)
}

func TestUser_EveryField(t *testing.T) {
	text := sample(t, "user.json")
	u, written := roundTrip[stytch.User](t, text)
	if zero := zeroFields(reflect.ValueOf(u), "User"); zero != nil {
		t.Errorf("got zero %q, want none", zero)
	}
	wantSameMembers(t, written, text)
}

// details lists the detail members of a factor with their own members, as in the API reference.
var details = []struct{ name, members string }{
	{"email_factor", "email_id email_address"},
	{"phone_number_factor", "phone_id phone_number"},
	{"webauthn_factor", "webauthn_registration_id domain user_agent"},
	{"biometric_factor", "biometric_registration_id"},
	{"authenticator_app_factor", "totp_id"},
	{"recovery_code_factor", "totp_recovery_code_id"},
	{"crypto_wallet_factor", "crypto_wallet_id crypto_wallet_address crypto_wallet_type"},
	{"embeddable_magic_link_factor", "embedded_id"},
	{"saml_sso_factor", "id provider_id external_id"},
	{"oidc_sso_factor", "id provider_id external_id"},
	{"impersonated_factor", "impersonator_id impersonator_email_address"},
	{"oauth_access_token_exchange_factor", "client_id"},
	{"trusted_auth_token_factor", "token_id"},
	{"amazon_oauth_factor", "id provider_subject email_id"},
	{"apple_oauth_factor", "id provider_subject email_id"},
	{"bitbucket_oauth_factor", "id provider_subject email_id"},
	{"coinbase_oauth_factor", "id provider_subject email_id"},
	{"discord_oauth_factor", "id provider_subject email_id"},
	{"facebook_oauth_factor", "id provider_subject email_id"},
	{"figma_oauth_factor", "id provider_subject email_id"},
	{"github_oauth_factor", "id provider_subject email_id"},
	{"git_lab_oauth_factor", "id provider_subject email_id"},
	{"google_oauth_factor", "id provider_subject email_id"},
	{"hubspot_oauth_factor", "id provider_subject email_id"},
	{"instagram_oauth_factor", "id provider_subject email_id"},
	{"linked_in_oauth_factor", "id provider_subject email_id"},
	{"microsoft_oauth_factor", "id provider_subject email_id"},
	{"salesforce_oauth_factor", "id provider_subject email_id"},
	{"shopify_oauth_factor", "id provider_subject email_id"},
	{"slack_oauth_factor", "id provider_subject email_id"},
	{"snapchat_oauth_factor", "id provider_subject email_id"},
	{"spotify_oauth_factor", "id provider_subject email_id"},
	{"steam_oauth_factor", "id provider_subject email_id"},
	{"tik_tok_oauth_factor", "id provider_subject email_id"},
	{"twitch_oauth_factor", "id provider_subject email_id"},
	{"twitter_oauth_factor", "id provider_subject email_id"},
	{"yahoo_oauth_factor", "id provider_subject email_id"},
	{"github_oauth_exchange_factor", "email_id"},
	{"google_oauth_exchange_factor", "email_id"},
	{"hubspot_oauth_exchange_factor", "email_id"},
	{"slack_oauth_exchange_factor", "email_id"},
}

func TestAuthenticationFactor_EveryDetail(t *testing.T) {
	for _, test := range details {
		t.Run(test.name, func(t *testing.T) {
			detail := map[string]string{}
			for _, name := range strings.Fields(test.members) {
				detail[name] = "the " + name
			}
			text, err := json.Marshal(map[string]any{"type": "oauth", "delivery_method": "email", test.name: detail})
			if err != nil {
				t.Fatal(err)
			}
			f, written := roundTrip[stytch.AuthenticationFactor](t, text)
			wantSameMembers(t, written, text)
			if got := detailsOf(f); got != 1 {
				t.Errorf("got %d details, want 1", got)
			}
		})
	}
}

// detailsOf returns the number of details that are set.
func detailsOf(f *stytch.AuthenticationFactor) (set int) {
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Pointer && !v.Field(i).IsNil() {
			set++
		}
	}
	return set
}

func TestAuthenticationFactor_DocumentedDetails(t *testing.T) {
	known := map[string]bool{}
	for _, test := range details {
		known[test.name] = true
	}
	got := 0
	typ := reflect.TypeFor[stytch.AuthenticationFactor]()
	for i := range typ.NumField() {
		if typ.Field(i).Type.Kind() != reflect.Pointer {
			continue
		}
		got++
		if name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); !known[name] {
			t.Errorf("field %s: got member %q, want a documented one", typ.Field(i).Name, name)
		}
	}
	if want := len(details); got != want {
		t.Errorf("got %d details, want %d", got, want)
	}
}

func TestAuthenticationFactor_Decoding(t *testing.T) {
	tests := []struct {
		name, text   string
		typ, method  string
		setDetails   int
		lastFactorAt string // empty if there is no such time
	}{
		{"a password has no detail", `{"type":"password","delivery_method":"knowledge","last_authenticated_at":"2025-11-12T10:35:49Z"}`, "password", "knowledge", 0, "2025-11-12T10:35:49Z"},
		{"an unknown type and method survive", `{"type":"telepathy","delivery_method":"thought"}`, "telepathy", "thought", 0, ""},
		{"an unknown detail is ignored", `{"type":"telepathy","delivery_method":"thought","thought_factor":{"id":"x"}}`, "telepathy", "thought", 0, ""},
		{"an unknown member of a detail is ignored", `{"type":"otp","delivery_method":"email","email_factor":{"email_id":"e","colour":"red"}}`, "otp", "email", 1, ""},
		{"a null detail is absent", `{"type":"otp","delivery_method":"email","email_factor":null}`, "otp", "email", 0, ""},
		{"null times are absent", `{"type":"otp","delivery_method":"sms","last_authenticated_at":null,"created_at":null,"updated_at":null}`, "otp", "sms", 0, ""},
		{"fractions of a second are kept", `{"type":"otp","delivery_method":"sms","last_authenticated_at":"2021-08-28T00:41:58.935673Z"}`, "otp", "sms", 0, "2021-08-28T00:41:58.935673Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, _ := roundTrip[stytch.AuthenticationFactor](t, []byte(test.text))
			if f.Type != test.typ || f.DeliveryMethod != test.method {
				t.Errorf("got %s by %s, want %s by %s", f.Type, f.DeliveryMethod, test.typ, test.method)
			}
			if got := detailsOf(f); got != test.setDetails {
				t.Errorf("got %d details, want %d", got, test.setDetails)
			}
			want, _ := time.Parse(time.RFC3339Nano, test.lastFactorAt)
			s := stytch.Session{Factors: []stytch.AuthenticationFactor{*f}}
			if got := s.LastFactorAt(); !got.Equal(want) {
				t.Errorf("LastFactorAt: got %v, want %v", got, want)
			}
		})
	}
}

func TestTypes_NullAndUnknownMembers(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"attributes are null", `{"attributes":null}`},
		{"roles are null", `{"roles":null}`},
		{"factors are null", `{"authentication_factors":null}`},
		{"times are null", `{"started_at":null,"last_accessed_at":null,"expires_at":null}`},
		{"custom claims are null", `{"custom_claims":null}`},
		{"everything is absent", `{}`},
		{"an unknown member has any value", `{"colour":{"red":[1]}}`},
	} {
		t.Run("session: "+test.name, func(t *testing.T) {
			if got, _ := roundTrip[stytch.Session](t, []byte(test.text)); !reflect.DeepEqual(*got, stytch.Session{}) {
				t.Errorf("got %+v, want the zero Session", *got)
			}
		})
	}
	for _, test := range []struct{ name, text string }{
		{"password is null", `{"password":null}`},
		{"external id is null", `{"external_id":null}`},
		{"lock times are null", `{"lock_created_at":null,"lock_expires_at":null}`},
		{"metadata are null", `{"trusted_metadata":null,"untrusted_metadata":null}`},
		{"name and creation time are null", `{"name":null,"created_at":null}`},
		{"lists are null", `{"emails":null,"phone_numbers":null,"webauthn_registrations":null,"providers":null,"totps":null,"crypto_wallets":null,"biometric_registrations":null,"roles":null}`},
		{"everything is absent", `{}`},
		{"an unknown member has any value", `{"colour":{"red":[1]}}`},
	} {
		t.Run("user: "+test.name, func(t *testing.T) {
			if got, _ := roundTrip[stytch.User](t, []byte(test.text)); !reflect.DeepEqual(*got, stytch.User{}) {
				t.Errorf("got %+v, want the zero User", *got)
			}
		})
	}
}

// A claim sets a field only if its name matches exactly. Otherwise a user who may choose the name
// of a claim could set another one.
func TestSession_Claims_ExactNames(t *testing.T) {
	type claims struct {
		Admin bool `json:"is_admin"`
		Org   struct {
			Role string `json:"role"`
		} `json:"org"`
		Teams []struct {
			Owner bool
		} `json:"teams"`
	}
	for _, text := range []string{
		`{"is_admin":false,"iſ_admin":true,"IS_ADMIN":true,"Is_Admin":true}`,
		`{"iſ_admin":true}`,
		`{"i\u017f_admin":true,"is_admin":false}`,
		`{"org":{"role":"","ROLE":"admin"},"ORG":{"role":"admin"}}`,
		`{"teams":[{"owner":true},{"OWNER":true,"Owner":false}]}`,
	} {
		var got claims
		if err := (&stytch.Session{CustomClaims: stytch.Object(text)}).Claims(&got); err != nil {
			t.Errorf("%s: got %v", text, err)
		}
		if got.Admin || got.Org.Role != "" || slices.ContainsFunc(got.Teams, func(t struct{ Owner bool }) bool { return t.Owner }) {
			t.Errorf("%s: got %+v, want nothing set by another name", text, got)
		}
	}
	s := &stytch.Session{CustomClaims: stytch.Object(`{"is_admin":true,"org":{"role":"x"},"teams":[{"Owner":true}]}`)}
	var got claims
	if err := s.Claims(&got); err != nil || !got.Admin || got.Org.Role != "x" || !got.Teams[0].Owner {
		t.Errorf("got %+v and %v, want all fields", got, err)
	}
	var all map[string]any
	if err := (&stytch.Session{CustomClaims: stytch.Object(`{"a":1,"A":2,"b":"\ud800"}`)}).Claims(&all); err != nil || len(all) != 3 || all["b"] != "\ufffd" {
		t.Errorf("got %v and %v, want three claims", all, err)
	}
}
