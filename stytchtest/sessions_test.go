package stytchtest_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestAuthenticateSession(t *testing.T) {
	srv, user, session := setup(t)
	client := typed(t, srv)
	for _, p := range []stytch.AuthenticateSessionParams{{SessionToken: session.Token}, {SessionJWT: session.JWT}} {
		got, err := client.AuthenticateSession(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got.Session.ID != session.ID || got.User.ID != user.ID || got.SessionToken != session.Token || got.SessionJWT == "" {
			t.Errorf("got another session than the started one")
		}
		if got.Verdict != nil {
			t.Errorf("got verdict %v without a check, want none", got.Verdict)
		}
	}
}

func TestAuthenticateSession_Shape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, user, session := setup(t)
		a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`)
		a.want(t, 200, "")
		equal(t, "answer", names(a.body), `["request_id","session","session_jwt","session_token","status_code","user"]`)
		equal(t, "session", a.body["session"], `{"attributes":{"ip_address":"","user_agent":""},`+
			`"authentication_factors":[{"created_at":"2000-01-01T00:00:00Z","delivery_method":"knowledge","last_authenticated_at":"2000-01-01T00:00:00Z","type":"password","updated_at":"2000-01-01T00:00:00Z"}],`+
			`"custom_claims":{},"expires_at":"2000-01-01T01:00:00Z","last_accessed_at":"2000-01-01T00:00:00Z",`+
			`"roles":["stytch_user"],"session_id":"`+session.ID+`","started_at":"2000-01-01T00:00:00Z","user_id":"`+user.ID+`"}`)
		if !slices.IsSorted([]int{strings.Index(a.raw, `"request_id"`), strings.Index(a.raw, `"session"`), strings.Index(a.raw, `"user"`)}) {
			t.Error("names are not in alphabetical order")
		}
		if len(session.Token) != 44 || strings.ContainsAny(session.Token, "+/=") {
			t.Errorf("the token is not 44 URL-safe characters")
		}
	})
}

func TestAuthenticateSession_Rejections(t *testing.T) {
	srv, _, session := setup(t)
	token, jwt := session.Token, session.JWT
	over := srv.StartSession(session.UserID, stytchtest.SessionOptions{Duration: -time.Second})
	gone := srv.StartSession(session.UserID, stytchtest.SessionOptions{})
	srv.RevokeSession(gone.ID)
	forged := jwt[:strings.LastIndex(jwt, ".")+1] + strings.Repeat("A", 342)
	for _, tt := range []struct {
		name, body string
		status     int
		errorType  string
	}{
		{"neither credential", `{}`, 400, "no_session_arguments"},
		{"empty credentials", `{"session_token":"","session_jwt":""}`, 400, "no_session_arguments"},
		{"null credentials", `{"session_token":null,"session_jwt":null}`, 400, "no_session_arguments"},
		{"both credentials", `{"session_token":"` + token + `","session_jwt":"` + jwt + `"}`, 400, "too_many_session_arguments"},
		{"both, before the duration", `{"session_token":"a","session_jwt":"b","session_duration_minutes":1}`, 400, "too_many_session_arguments"},
		{"neither, before the duration", `{"session_duration_minutes":1}`, 400, "no_session_arguments"},
		{"types, before the number of credentials", `{"session_token":1,"session_jwt":"b"}`, 400, "bad_request"},
		{"4 minutes", `{"session_token":"` + token + `","session_duration_minutes":4}`, 400, "invalid_session_duration_minutes"},
		{"0 minutes", `{"session_token":"` + token + `","session_duration_minutes":0}`, 400, "invalid_session_duration_minutes"},
		{"negative minutes", `{"session_token":"` + token + `","session_duration_minutes":-60}`, 400, "invalid_session_duration_minutes"},
		{"a minute too many", `{"session_token":"` + token + `","session_duration_minutes":527041}`, 400, "invalid_session_duration_minutes"},
		{"a fraction of a minute", `{"session_token":"` + token + `","session_duration_minutes":5.5}`, 400, "bad_request"},
		{"minutes as text", `{"session_token":"` + token + `","session_duration_minutes":"60"}`, 400, "bad_request"},
		{"duration, before the lookup", `{"session_token":"x","session_duration_minutes":4}`, 400, "invalid_session_duration_minutes"},
		{"least duration", `{"session_token":"` + token + `","session_duration_minutes":5}`, 200, ""},
		{"greatest duration", `{"session_token":"` + token + `","session_duration_minutes":527040}`, 200, ""},
		{"null duration", `{"session_token":"` + token + `","session_duration_minutes":null}`, 200, ""},
		{"token too short", `{"session_token":"short"}`, 400, "invalid_session_token"},
		{"token too long", `{"session_token":"` + strings.Repeat("a", 257) + `"}`, 400, "invalid_session_token"},
		{"token of another alphabet", `{"session_token":"` + strings.Repeat("+", 44) + `"}`, 400, "invalid_session_token"},
		{"token of padding", `{"session_token":"` + strings.Repeat("=", 44) + `"}`, 400, "invalid_session_token"},
		{"padding within a token", `{"session_token":"aaaaaaaaaaaaaaaaa=aaaaaaaa"}`, 400, "invalid_session_token"},
		{"a JWT as token", `{"session_token":"` + jwt + `"}`, 400, "invalid_session_token"},
		{"unknown token", `{"session_token":"` + strings.Repeat("a", 44) + `"}`, 404, "session_not_found"},
		{"unknown token with padding", `{"session_token":"` + strings.Repeat("a", 42) + `=="}`, 404, "session_not_found"},
		{"token of an ended session", `{"session_token":"` + over.Token + `"}`, 404, "session_not_found"},
		{"JWT of an ended session", `{"session_jwt":"` + over.JWT + `"}`, 404, "session_not_found"},
		{"token of a revoked session", `{"session_token":"` + gone.Token + `"}`, 404, "session_not_found"},
		{"JWT of a revoked session", `{"session_jwt":"` + gone.JWT + `"}`, 404, "session_not_found"},
		{"a token as JWT", `{"session_jwt":"` + token + `"}`, 400, "unable_to_parse_session_jwt"},
		{"a bad signature", `{"session_jwt":"` + forged + `"}`, 400, "unable_to_parse_session_jwt"},
		{"claims that are not an object", `{"session_token":"` + token + `","session_custom_claims":[1]}`, 400, "bad_request"},
		{"claims in the namespace of Stytch", `{"session_token":"` + token + `","session_custom_claims":{"https://stytch.com/session":{}}}`, 400, "stytch_claims_in_custom_claims"},
		{"a check that is not an object", `{"session_token":"` + token + `","authorization_check":"x"}`, 400, "bad_request"},
		{"a check without action", `{"session_token":"` + token + `","authorization_check":{"resource_id":"x"}}`, 400, "bad_request"},
		{"a check without resource", `{"session_token":"` + token + `","authorization_check":{"action":"x"}}`, 400, "bad_request"},
		{"a check that fails", `{"session_token":"` + token + `","authorization_check":{"resource_id":"x","action":"y"}}`, 403, "consumer_session_authorization_error"},
		{"the lookup, before the check", `{"session_token":"` + gone.Token + `","authorization_check":{"resource_id":"x","action":"y"}}`, 404, "session_not_found"},
		{"the check, before the size of claims", `{"session_token":"` + token + `","authorization_check":{"resource_id":"x","action":"y"},"session_custom_claims":{"x":"` + strings.Repeat("x", 5000) + `"}}`, 403, "consumer_session_authorization_error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			post(t, srv, "/v1/sessions/authenticate", tt.body).want(t, tt.status, tt.errorType)
		})
	}
}

func TestAuthenticateSession_Duration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(10 * time.Minute)
		for _, tt := range []struct{ name, more, wantEnd string }{
			{"absent keeps it", ``, `"2000-01-01T01:00:00Z"`},
			{"longer extends it", `,"session_duration_minutes":120`, `"2000-01-01T02:10:00Z"`},
			{"shorter shortens it", `,"session_duration_minutes":5`, `"2000-01-01T00:15:00Z"`},
			{"absent keeps it again", ``, `"2000-01-01T00:15:00Z"`},
		} {
			a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"`+tt.more+`}`)
			a.want(t, 200, "")
			equal(t, tt.name, a.at("session", "expires_at"), tt.wantEnd)
			equal(t, "started", a.at("session", "started_at"), `"2000-01-01T00:00:00Z"`)
			equal(t, "accessed", a.at("session", "last_accessed_at"), `"2000-01-01T00:10:00Z"`)
		}
		time.Sleep(5*time.Minute - time.Nanosecond)
		post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`).want(t, 200, "")
		time.Sleep(time.Nanosecond)
		post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`).want(t, 404, "session_not_found")
	})
}

func TestListSessions_WholeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1500 * time.Millisecond)
		srv, user, _ := setup(t)
		a := get(t, srv, "/v1/sessions?user_id="+user.ID)
		equal(t, "started", a.at("sessions", 0, "started_at"), `"2000-01-01T00:00:01Z"`)
		equal(t, "end", a.at("sessions", 0, "expires_at"), `"2000-01-01T01:00:01Z"`)
	})
}

func TestAuthenticateSession_RejectionChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(time.Minute)
		for _, more := range []string{
			`"session_custom_claims":{"a":"` + strings.Repeat("x", 5000) + `"}`,
			`"session_custom_claims":{"a":1},"authorization_check":{"resource_id":"x","action":"y"}`,
		} {
			a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`","session_duration_minutes":5,`+more+`}`)
			if a.status == 200 {
				t.Fatalf("got 200, want a rejection")
			}
		}
		a := get(t, srv, "/v1/sessions?user_id="+session.UserID)
		equal(t, "accessed", a.at("sessions", 0, "last_accessed_at"), `"2000-01-01T00:00:00Z"`)
		equal(t, "end", a.at("sessions", 0, "expires_at"), `"2000-01-01T01:00:00Z"`)
		equal(t, "claims", a.at("sessions", 0, "custom_claims"), `{}`)
	})
}

func TestAuthenticateSession_ExpiredJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		client := typed(t, srv)
		time.Sleep(59 * time.Minute)
		got, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionJWT: session.JWT})
		if err != nil {
			t.Fatal(err)
		}
		_, claims := verified(t, srv, got.SessionJWT)
		if want := float64(time.Now().Unix()); claims["iat"] != want {
			t.Errorf("got iat %v, want %v", claims["iat"], want)
		}
		time.Sleep(time.Minute)
		a := post(t, srv, "/v1/sessions/authenticate", `{"session_jwt":"`+got.SessionJWT+`"}`)
		a.want(t, 404, "session_not_found")
	})
}

func TestRevokeSession(t *testing.T) {
	for _, tt := range []struct {
		name, body string // ID, TOKEN and JWT stand for the values of the session
		status     int
		errorType  string
	}{
		{"by id", `{"session_id":"ID"}`, 200, ""},
		{"by token", `{"session_token":"TOKEN"}`, 200, ""},
		{"by JWT", `{"session_jwt":"JWT"}`, 200, ""},
		{"no credential", `{}`, 400, "no_session_revoke_arguments"},
		{"two credentials", `{"session_id":"ID","session_token":"TOKEN"}`, 400, "too_many_session_revoke_arguments"},
		{"three credentials", `{"session_id":"ID","session_token":"TOKEN","session_jwt":"JWT"}`, 400, "too_many_session_revoke_arguments"},
		{"an invalid id", `{"session_id":"member-ID"}`, 400, "invalid_session_id"},
		{"an unknown id", `{"session_id":"ID0"}`, 404, "session_not_found"},
		{"an invalid token", `{"session_token":"short"}`, 400, "invalid_session_token"},
		{"an unknown token", `{"session_token":"TOKEN0"}`, 404, "session_not_found"},
		{"an invalid JWT", `{"session_jwt":"TOKEN"}`, 400, "unable_to_parse_session_jwt"},
		{"a number", `{"session_id":1}`, 400, "bad_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, _, session := setup(t)
			body := strings.NewReplacer("ID", session.ID, "TOKEN", session.Token, "JWT", session.JWT).Replace(tt.body)
			a := post(t, srv, "/v1/sessions/revoke", body)
			a.want(t, tt.status, tt.errorType)
			after := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`)
			if tt.status == 200 {
				equal(t, "answer", names(a.body), `["request_id","status_code"]`)
				after.want(t, 404, "session_not_found")
				post(t, srv, "/v1/sessions/revoke", body).want(t, 404, "session_not_found")
				return
			}
			after.want(t, 200, "")
		})
	}
}

func TestRevokeSession_ExpiredJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(30 * time.Minute)
		post(t, srv, "/v1/sessions/revoke", `{"session_jwt":"`+session.JWT+`"}`).want(t, 200, "")
	})
}

func TestListSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		ada := srv.AddUser(stytchtest.User{Email: email, ExternalID: "ada-1"})
		bob := srv.AddUser(stytchtest.User{})
		first := srv.StartSession(ada.ID, stytchtest.SessionOptions{})
		time.Sleep(time.Second)
		short := srv.StartSession(ada.ID, stytchtest.SessionOptions{Duration: time.Minute})
		time.Sleep(time.Second)
		last := srv.StartSession("ada-1", stytchtest.SessionOptions{})
		srv.StartSession(bob.ID, stytchtest.SessionOptions{})
		srv.RevokeSession(srv.StartSession(ada.ID, stytchtest.SessionOptions{}).ID)

		list := func(id string) (ids []string) {
			a := get(t, srv, "/v1/sessions?user_id="+id)
			a.want(t, 200, "")
			for i := range a.body["sessions"].([]any) {
				ids = append(ids, a.at("sessions", i, "session_id").(string))
			}
			return ids
		}
		if got, want := list(ada.ID), []string{first.ID, short.ID, last.ID}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		time.Sleep(time.Minute)
		if got, want := list("ada-1"), []string{first.ID, last.ID}; !slices.Equal(got, want) {
			t.Errorf("by external id, later: got %v, want %v", got, want)
		}
		get(t, srv, "/v1/sessions?user_id=user-test-nobody").want(t, 404, "user_not_found")
		get(t, srv, "/v1/sessions").want(t, 400, "bad_request")
	})
}

func TestServer_StartSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, user, _ := setup(t)
		when := time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)
		session := srv.StartSession(user.ID, stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{
			{Type: "magic_link", DeliveryMethod: "email", LastAuthenticatedAt: when, EmailFactor: &stytch.EmailFactor{EmailID: "email-test-1", EmailAddress: email}},
			{Type: "totp", DeliveryMethod: "authenticator_app"},
		}})
		got, err := typed(t, srv).AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: session.Token})
		if err != nil {
			t.Fatal(err)
		}
		f := got.Session.Factors
		if len(f) != 2 || !f[0].LastAuthenticatedAt.Equal(when) || f[0].EmailFactor == nil || f[0].EmailFactor.EmailAddress != email {
			t.Errorf("got factors %+v, want the magic link as given", f)
		}
		if len(f) == 2 && (f[1].Type != "totp" || !f[1].LastAuthenticatedAt.Equal(time.Now())) {
			t.Errorf("got factor %+v, want a totp of now", f[1])
		}
		panics(t, "unknown user", func() { srv.StartSession("nobody", stytchtest.SessionOptions{}) })
		panics(t, "claims in the namespace of Stytch", func() {
			srv.StartSession(user.ID, stytchtest.SessionOptions{CustomClaims: map[string]any{"https://stytch.com/x": 1}})
		})
		panics(t, "revoking an unknown session", func() { srv.RevokeSession("session-test-nobody") })
	})
}

func TestServer_AddFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		time.Sleep(10 * time.Minute)
		totp := stytch.AuthenticationFactor{
			Type: "totp", DeliveryMethod: "authenticator_app",
			AuthenticatorAppFactor: &stytch.AuthenticatorAppFactor{TOTPID: "totp-test-1"},
		}
		srv.AddFactor(session.ID, totp)
		const first = `{"created_at":"2000-01-01T00:00:00Z","delivery_method":"knowledge","last_authenticated_at":"2000-01-01T00:00:00Z","type":"password","updated_at":"2000-01-01T00:00:00Z"}`
		list := get(t, srv, "/v1/sessions?user_id="+session.UserID)
		equal(t, "factors", list.at("sessions", 0, "authentication_factors"), `[`+first+`,{"authenticator_app_factor":{"totp_id":"totp-test-1"},"created_at":"2000-01-01T00:10:00Z",`+
			`"delivery_method":"authenticator_app","last_authenticated_at":"2000-01-01T00:10:00Z","type":"totp","updated_at":"2000-01-01T00:10:00Z"}]`)
		equal(t, "access", list.at("sessions", 0, "last_accessed_at"), `"2000-01-01T00:10:00Z"`)
		equal(t, "end", list.at("sessions", 0, "expires_at"), `"2000-01-01T01:00:00Z"`)
		_, claims := verified(t, srv, srv.JWT(session.ID))
		equal(t, "claim", claims["https://stytch.com/session"].(map[string]any)["authentication_factors"].([]any)[1],
			`{"authenticator_app_factor":{"totp_id":"totp-test-1"},"delivery_method":"authenticator_app","last_authenticated_at":"2000-01-01T00:10:00Z","type":"totp"}`)

		time.Sleep(10 * time.Minute)
		srv.AddFactor(session.ID, totp)
		a := post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
		equal(t, "fresh", []any{a.at("session", "authentication_factors", 1, "created_at"), a.at("session", "authentication_factors", 1, "last_authenticated_at")},
			`["2000-01-01T00:10:00Z","2000-01-01T00:20:00Z"]`)
		totp.AuthenticatorAppFactor.TOTPID = "totp-test-2"
		srv.AddFactor(session.ID, totp)
		srv.AddFactor(session.ID, stytch.AuthenticationFactor{Type: "password", DeliveryMethod: "knowledge", LastAuthenticatedAt: time.Now().Add(-time.Minute)})
		a = post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
		equal(t, "another app is another factor", a.at("session", "authentication_factors", 2, "authenticator_app_factor", "totp_id"), `"totp-test-2"`)
		equal(t, "its time may be set", a.at("session", "authentication_factors", 0, "last_authenticated_at"), `"2000-01-01T00:19:00Z"`)
		equal(t, "no further factor", a.at("session", "authentication_factors", 3), `null`)
		panics(t, "an unknown session", func() { srv.AddFactor("session-test-nothing", totp) })
		srv.Calls("") // would hang if a panic had left a lock held
	})
}
