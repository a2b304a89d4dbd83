package stytch_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// The answer is the example in the API reference of sessions/authenticate.
func TestAuthenticateSession_DocumentedAnswer(t *testing.T) {
	client := newClient(t, answering(200, string(sample(t, "session_authenticate.json"))))
	got, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: "mZAYn5aLEqKUlZ_Ad9U_fWr38GaAQ1oFAhT8ds245v7Q"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2021, 8, 9, 7, 41, 52, 0, time.UTC)
	const emailID = "email-test-81bf03a8-86e1-4d95-bd44-bb3495224953"
	const userID = "user-test-16d9ba61-97a1-4ba4-9720-b03761dc50c6"
	want := &stytch.AuthenticateSessionResponse{
		RequestID:    "request-id-test-b05c992f-ebdc-489d-a754-c7e70ba13141",
		SessionToken: "mZAYn5aLEqKUlZ_Ad9U_fWr38GaAQ1oFAhT8ds245v7Q",
		SessionJWT:   "example_jwt",
		Session: stytch.Session{
			ID:             "session-test-fe6c042b-6286-479f-8a4f-b046a6c46509",
			UserID:         userID,
			StartedAt:      at,
			LastAccessedAt: at,
			ExpiresAt:      at.Add(24 * time.Hour),
			Attributes: &stytch.Attributes{
				IPAddress: "203.0.113.1",
				UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.103 Safari/537.36",
			},
			Factors: []stytch.AuthenticationFactor{{
				Type: "magic_link", DeliveryMethod: "email",
				LastAuthenticatedAt: at, CreatedAt: at, UpdatedAt: at,
				EmailFactor: &stytch.EmailFactor{EmailID: emailID, EmailAddress: "sandbox@stytch.com"},
			}},
			CustomClaims: stytch.Object(`{"claim1":"value1","claim2":"value2"}`),
		},
		User: stytch.User{
			ID: userID, Status: "active", CreatedAt: at.Add(-2 * time.Second),
			Emails:                 []stytch.Email{{ID: emailID, Email: "sandbox@stytch.com", Verified: true}},
			PhoneNumbers:           []stytch.PhoneNumber{},
			WebAuthnRegistrations:  []stytch.WebAuthnRegistration{},
			Providers:              []stytch.OAuthProvider{},
			TOTPs:                  []stytch.TOTP{},
			CryptoWallets:          []stytch.CryptoWallet{},
			BiometricRegistrations: []stytch.BiometricRegistration{},
		},
	}
	// The parts are compared one by one, because printing the response would show nothing.
	if !reflect.DeepEqual(got.Session, want.Session) {
		t.Errorf("got %+v, want %+v", got.Session, want.Session)
	}
	if !reflect.DeepEqual(got.User, want.User) {
		t.Errorf("got %+v, want %+v", got.User, want.User)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got another request id, token, JWT or verdict than documented")
	}
}

// The answer of passwords/authenticate was recorded. The names of the members are real, the values
// are invented.
func TestAuthenticatePassword_RecordedAnswer(t *testing.T) {
	text := sample(t, "password_authenticate.json")
	client := newClient(t, answering(200, string(text)))
	got, err := client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionDuration: 4 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	session, err := json.Marshal(got.Session)
	if err != nil {
		t.Fatal(err)
	}
	wantSameMembers(t, session, member(t, text, "session"))
	user, err := json.Marshal(got.User)
	if err != nil {
		t.Fatal(err)
	}
	wantSameMembers(t, user, member(t, text, "user"))

	for name, value := range map[string]string{
		"request_id": got.RequestID, "session_token": got.SessionToken, "session_jwt": got.SessionJWT, "user_id": got.UserID,
	} {
		if want := string(member(t, text, name)); `"`+value+`"` != want {
			t.Errorf("%s: got %q, want %s", name, value, want)
		}
	}
	if got.User.Password == nil || got.User.ExternalID != nil || got.User.LockCreatedAt != nil || got.User.LockExpiresAt != nil {
		t.Errorf("got %+v, want a password, no external id and no lock", got.User)
	}
}

func TestSession_SandboxAnswer(t *testing.T) {
	const text = `{"session_id":"session-test-1","user_id":"user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd","attributes":null,"started_at":"2021-08-28T00:41:58.935673Z","authentication_factors":[]}`
	s, _ := roundTrip[stytch.Session](t, []byte(text))
	if want := time.Date(2021, 8, 28, 0, 41, 58, 935673000, time.UTC); !s.StartedAt.Equal(want) {
		t.Errorf("got %v, want %v", s.StartedAt, want)
	}
	if s.Attributes != nil || !s.ExpiresAt.IsZero() || s.Factors == nil {
		t.Errorf("got %+v, want no attributes, no end and an empty list of factors", s)
	}
}

func TestSession_Claims(t *testing.T) {
	type claims struct {
		Plan  string `json:"plan"`
		Seats int    `json:"seats"`
	}
	before := claims{"free", 1}
	for _, test := range []struct {
		name, text string
		want       claims
		ok         bool
	}{
		{"all are stated", `{"custom_claims":{"plan":"pro","seats":5}}`, claims{"pro", 5}, true},
		{"one is stated", `{"custom_claims":{"plan":"pro"}}`, claims{"pro", 1}, true},
		{"an unknown one is ignored", `{"custom_claims":{"colour":"red"}}`, before, true},
		{"the object is empty", `{"custom_claims":{}}`, before, true},
		{"the object is null", `{"custom_claims":null}`, before, true},
		{"the object is absent", `{}`, before, true},
		{"one has another type", `{"custom_claims":{"seats":"hunter2-hunter2"}}`, before, false},
		{"one is too large", `{"custom_claims":{"seats":98765432109876543210}}`, before, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := roundTrip[stytch.Session](t, []byte(test.text))
			got := before
			err := s.Claims(&got)
			if (err == nil) != test.ok {
				t.Fatalf("got %v, want success %v", err, test.ok)
			}
			if err == nil && got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "9876")) {
				t.Errorf("got %q, want an error that quotes no claim", err)
			}
		})
	}
}

func TestSession_ClaimsWithoutClaims(t *testing.T) {
	for _, text := range []string{`{}`, `{"custom_claims":null}`, `{"custom_claims":{}}`} {
		s, _ := roundTrip[stytch.Session](t, []byte(text))
		got := map[string]any{"plan": "free"}
		if err := s.Claims(&got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got["plan"] != "free" {
			t.Errorf("%s: got %v, want the map as it was", text, got)
		}
	}
}

func TestSession_ClaimsNeedsAPointer(t *testing.T) {
	s := stytch.Session{CustomClaims: stytch.Object(`{"plan":"pro"}`)}
	if err := s.Claims(struct{}{}); err == nil {
		t.Error("got nil, want an error")
	}
}

func TestSession_LastFactorAt(t *testing.T) {
	at := func(minutes ...int) (factors []stytch.AuthenticationFactor) {
		for _, m := range minutes {
			f := stytch.AuthenticationFactor{UpdatedAt: time.Unix(1e10, 0)} // has no effect on the result
			if m != 0 {
				f.LastAuthenticatedAt = time.Unix(int64(m)*60, 0)
			}
			factors = append(factors, f)
		}
		return factors
	}
	for _, test := range []struct {
		name    string
		factors []stytch.AuthenticationFactor
		want    time.Time
	}{
		{"no factor", nil, time.Time{}},
		{"one factor", at(5), time.Unix(300, 0)},
		{"the newest is first", at(7, 5, 6), time.Unix(420, 0)},
		{"the newest is last", at(5, 6, 7), time.Unix(420, 0)},
		{"one states no time", at(0, 5), time.Unix(300, 0)},
		{"none states a time", at(0, 0), time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stytch.Session{Factors: test.factors}
			if got := s.LastFactorAt(); !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Users can write 4 KB of untrusted_metadata with any nesting in their browser. The answer about
// such a user must still be accepted, because refusing it would look like an outage.
func TestUser_DeeplyNestedMetadata(t *testing.T) {
	for _, depth := range []int{90, 680} {
		nested := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
		client := newClient(t, answering(200, `{"untrusted_metadata":`+nested+`,`+goodUser[1:]))
		if _, err := client.User(t.Context(), userID); err != nil {
			t.Errorf("%d levels in %d bytes: got %v, want success", depth, len(nested), err)
		}
	}
}
