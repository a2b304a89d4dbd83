package stytch_test

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

func TestNewClient_ErrorsNameTheField(t *testing.T) {
	const id, base = "project-test-1", "https://login.example.com"
	for _, test := range []struct {
		name   string
		config stytch.Config
		field  string
	}{
		{"no project", stytch.Config{Secret: secret}, "ProjectID"},
		{"a project without a kind", stytch.Config{ProjectID: "1", Secret: secret}, "ProjectID"},
		{"a project of another kind", stytch.Config{ProjectID: "project-prod-1", Secret: secret}, "ProjectID"},
		{"a project of a kind in capitals", stytch.Config{ProjectID: "Project-Test-1", Secret: secret}, "ProjectID"},
		{"a test project without an id", stytch.Config{ProjectID: "project-test-", Secret: secret}, "ProjectID"},
		{"a live project without an id", stytch.Config{ProjectID: "project-live-", Secret: secret}, "ProjectID"},
		{"a project with a slash", stytch.Config{ProjectID: id + "/../x", Secret: secret}, "ProjectID"},
		{"a project with a query", stytch.Config{ProjectID: id + "?x", Secret: secret}, "ProjectID"},
		{"a project with a colon", stytch.Config{ProjectID: id + ":x", Secret: secret}, "ProjectID"},
		{"a project with a percent sign", stytch.Config{ProjectID: id + "%2f", Secret: secret}, "ProjectID"},
		{"a project with a space", stytch.Config{ProjectID: id + " ", Secret: secret}, "ProjectID"},
		{"a project with a line break", stytch.Config{ProjectID: id + "\n", Secret: secret}, "ProjectID"},
		{"a project that is not ASCII", stytch.Config{ProjectID: id + "é", Secret: secret}, "ProjectID"},
		{"a project that is too long", stytch.Config{ProjectID: id + strings.Repeat("1", 1000), Secret: secret}, "ProjectID"},
		{"no secret", stytch.Config{ProjectID: id}, "Secret"},
		{"a secret with a line break at its end", stytch.Config{ProjectID: id, Secret: secret + "\n"}, "Secret"},
		{"a secret with a carriage return", stytch.Config{ProjectID: id, Secret: secret + "\r"}, "Secret"},
		{"a secret with a space before it", stytch.Config{ProjectID: id, Secret: " " + secret}, "Secret"},
		{"a secret with a zero byte", stytch.Config{ProjectID: id, Secret: secret + "\x00"}, "Secret"},
		{"a secret with a delete character", stytch.Config{ProjectID: id, Secret: secret + "\x7f"}, "Secret"},
		{"a secret that is not ASCII", stytch.Config{ProjectID: id, Secret: secret + "é"}, "Secret"},
		{"a secret that is not UTF-8", stytch.Config{ProjectID: id, Secret: secret + "\xff"}, "Secret"},
		{"a secret of a live project", stytch.Config{ProjectID: id, Secret: "secret-live-1"}, "Secret"},
		{"a public token as secret", stytch.Config{ProjectID: id, Secret: "public-token-test-1"}, "Secret"},
		{"the project as secret", stytch.Config{ProjectID: id, Secret: id}, "Secret"},
		{"the base of live projects", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "https://api.stytch.com"}, "BaseURL"},
		{"a timeout without a unit", stytch.Config{ProjectID: id, Secret: secret, Timeout: 3}, "Timeout"},
		{"a client's timeout without a unit", stytch.Config{ProjectID: id, Secret: secret, HTTPClient: &http.Client{Timeout: 3}}, "HTTPClient.Timeout"},
		{"a base without a scheme", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "login.example.com"}, "BaseURL"},
		{"a base that is a host and port", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "localhost:8080"}, "BaseURL"},
		{"a base without a host", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "https://"}, "BaseURL"},
		{"a base with a port alone", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "https://:443"}, "BaseURL"},
		{"a base that is opaque", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "https:login.example.com"}, "BaseURL"},
		{"a base that is no URL", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "https://login.example.com/%zz"}, "BaseURL"},
		{"a base with a line break", stytch.Config{ProjectID: id, Secret: secret, BaseURL: base + "\n"}, "BaseURL"},
		{"a base with a path", stytch.Config{ProjectID: id, Secret: secret, BaseURL: base + "/v1"}, "BaseURL"},
		{"a base with a query", stytch.Config{ProjectID: id, Secret: secret, BaseURL: base + "?q=" + secret}, "BaseURL"},
		{"a base with an empty query", stytch.Config{ProjectID: id, Secret: secret, BaseURL: base + "?"}, "BaseURL"},
		{"a base with a fragment", stytch.Config{ProjectID: id, Secret: secret, BaseURL: base + "#f"}, "BaseURL"},
		{"a base with a user", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "https://u:" + secret + "@login.example.com"}, "BaseURL"},
		{"a base of another scheme", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "ftp://login.example.com"}, "BaseURL"},
		{"http to a host", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "http://login.example.com"}, "BaseURL"},
		{"http to a private address", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "http://10.0.0.1"}, "BaseURL"},
		{"http to no address", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "http://0.0.0.0"}, "BaseURL"},
		{"http to a name that begins as loopback", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "http://127.0.0.1.example.com"}, "BaseURL"},
		{"http to a name under localhost", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "http://localhost.example.com"}, "BaseURL"},
		{"http to a loopback user", stytch.Config{ProjectID: id, Secret: secret, BaseURL: "http://127.0.0.1@example.com"}, "BaseURL"},
		{"a timeout that is negative", stytch.Config{ProjectID: id, Secret: secret, Timeout: -1}, "Timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, err := stytch.NewClient(test.config)
			if err == nil || client != nil {
				t.Fatalf("got %v and %v, want an error alone", client, err)
			}
			if !strings.HasPrefix(err.Error(), test.field+" ") {
				t.Errorf("got %q, want %s to be named first", err, test.field)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("got %q, want the secret left out", err)
			}
		})
	}
}

// claimsOf returns custom claims of n bytes as JSON.
func claimsOf(n int) map[string]any {
	return map[string]any{"a": strings.Repeat("x", n-len(`{"a":""}`))}
}

func TestClient_InvalidParameters(t *testing.T) {
	type (
		session  = stytch.AuthenticateSessionParams
		login    = stytch.AuthenticatePasswordParams
		revoke   = stytch.RevokeSessionParams
		question = stytch.AuthorizationCheck
	)
	loop := map[string]any{}
	loop["self"] = loop
	tests := []struct {
		name   string
		params any // the params of a call, or a user id
		fields string
	}{
		{"no credential", session{}, "session_token session_jwt"},
		{"no credential but a duration", session{SessionDuration: time.Hour}, "session_token session_jwt"},
		{"two credentials", session{SessionToken: token, SessionJWT: jwt}, "session_token session_jwt"},
		{"a duration of 4 minutes", session{SessionToken: token, SessionDuration: 4 * time.Minute}, "session_duration_minutes"},
		{"a duration of 90 seconds", session{SessionToken: token, SessionDuration: 90 * time.Second}, "session_duration_minutes"},
		{"a duration of 5 and a half minutes", session{SessionToken: token, SessionDuration: 330 * time.Second}, "session_duration_minutes"},
		{"a duration of a nanosecond", session{SessionToken: token, SessionDuration: 1}, "session_duration_minutes"},
		{"a duration of 60, meant as minutes", session{SessionToken: token, SessionDuration: 60}, "session_duration_minutes"},
		{"a negative duration", session{SessionToken: token, SessionDuration: -time.Hour}, "session_duration_minutes"},
		{"a duration of 366 days and a minute", session{SessionToken: token, SessionDuration: 366*24*time.Hour + time.Minute}, "session_duration_minutes"},
		{"the longest duration there is", session{SessionToken: token, SessionDuration: math.MaxInt64}, "session_duration_minutes"},
		{"claims of 4097 bytes", session{SessionToken: token, CustomClaims: claimsOf(4097)}, "session_custom_claims"},
		{"claims that are a channel", session{SessionToken: token, CustomClaims: map[string]any{"c": make(chan int)}}, "session_custom_claims"},
		{"claims that are not a number", session{SessionToken: token, CustomClaims: map[string]any{"n": math.NaN()}}, "session_custom_claims"},
		{"claims without an end", session{SessionToken: token, CustomClaims: loop}, "session_custom_claims"},
		{"claims whose writer fails", session{SessionToken: token, CustomClaims: map[string]any{"e": failing{}}}, "session_custom_claims"},
		{"a check without a resource", session{SessionToken: token, AuthorizationCheck: &question{Action: "read"}}, "authorization_check.resource_id"},
		{"a check without an action", session{SessionToken: token, AuthorizationCheck: &question{ResourceID: "documents"}}, "authorization_check.action"},
		{"a check without anything", session{SessionToken: token, AuthorizationCheck: &question{}}, "authorization_check"},
		{"a revocation without an id or a credential", revoke{}, "session_id session_token session_jwt"},
		{"a revocation of an id and a token", revoke{SessionID: sessionID, SessionToken: token}, "session_id session_token session_jwt"},
		{"a revocation of an id and a JWT", revoke{SessionID: sessionID, SessionJWT: jwt}, "session_id session_token session_jwt"},
		{"a revocation of a token and a JWT", revoke{SessionToken: token, SessionJWT: jwt}, "session_id session_token session_jwt"},
		{"a revocation of all three", revoke{SessionID: sessionID, SessionToken: token, SessionJWT: jwt}, "session_id session_token session_jwt"},
		{"no e-mail address", login{Password: password}, "email"},
		{"no password", login{Email: email}, "password"},
		{"a password for two credentials", login{Email: email, Password: password, SessionToken: token, SessionJWT: jwt}, "session_token session_jwt"},
		{"a password with a duration of 4 minutes", login{Email: email, Password: password, SessionDuration: 4 * time.Minute}, "session_duration_minutes"},
		{"a password with claims of 4097 bytes", login{Email: email, Password: password, CustomClaims: claimsOf(4097)}, "session_custom_claims"},
		{"a user without an id", "", "user_id"},
		{"a user whose id is a dot", ".", "user_id"},
		{"a user whose id is two dots", "..", "user_id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var rec recorder
			err := call(t, newClient(t, &rec), test.params)
			var param *stytch.ParamError
			if !errors.As(err, &param) {
				t.Fatalf("got %v, want a ParamError", err)
			}
			for _, field := range strings.Fields(test.fields) {
				if !strings.Contains(param.Field, field) || !strings.Contains(err.Error(), field) {
					t.Errorf("got %q of %q, want %s named", err, param.Field, field)
				}
			}
			if rec.calls != 0 {
				t.Errorf("got %d calls, want 0", rec.calls)
			}
			wantNoSecrets(t, err.Error())
		})
	}
}

// failing is a json.Marshaler whose error quotes a credential.
type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot write " + token) }

// call makes the call to which the type of params belongs. For a string, it loads the user with
// that id.
func call(t *testing.T, c *stytch.Client, params any) (err error) {
	t.Helper()
	switch p := params.(type) {
	case stytch.AuthenticateSessionParams:
		_, err = c.AuthenticateSession(t.Context(), p)
	case stytch.AuthenticatePasswordParams:
		_, err = c.AuthenticatePassword(t.Context(), p)
	case stytch.RevokeSessionParams:
		err = c.RevokeSession(t.Context(), p)
	case string:
		_, err = c.User(t.Context(), p)
	default:
		t.Fatalf("got parameters %T", p)
	}
	return err
}

// wantNoSecrets fails if text contains a private value.
func wantNoSecrets(t *testing.T, text string) {
	t.Helper()
	for _, private := range []string{secret, token, jwt, password, email, userID, sessionID, "hunter2"} {
		if strings.Contains(text, private) {
			t.Errorf("got %q, want %q left out", text, private)
		}
	}
}

func TestAuthenticateSession_CustomClaimsAtTheLimit(t *testing.T) {
	for _, test := range []struct {
		name   string
		claims map[string]any
	}{
		{"4096 bytes", claimsOf(4096)},
		{"1008 bytes of characters that HTML escapes", map[string]any{"a": strings.Repeat("<", 1000)}},
	} {
		var rec recorder
		err := call(t, newClient(t, &rec), stytch.AuthenticateSessionParams{SessionToken: token, CustomClaims: test.claims})
		if err != nil || rec.calls != 1 {
			t.Errorf("%s: got %v after %d calls, want success after 1", test.name, err, rec.calls)
		}
	}
}

func TestCheckSessionDuration(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want bool
	}{
		{0, false},
		{-5 * time.Minute, false},
		{5*time.Minute - 1, false},
		{5 * time.Minute, true},
		{5*time.Minute + 1, false},
		{time.Hour, true},
		{366 * 24 * time.Hour, true},
		{366*24*time.Hour + time.Minute, false},
	} {
		if err := stytch.CheckSessionDuration(test.d); (err == nil) != test.want {
			t.Errorf("%v: got %v, want success %v", test.d, err, test.want)
		}
	}
}

func TestNewClient_MakesNoCall(t *testing.T) {
	newClient(t, transport(func(*http.Request) (*http.Response, error) {
		t.Error("got a call, want none")
		return nil, errors.New("not reached")
	}))
}
