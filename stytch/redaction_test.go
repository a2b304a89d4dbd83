package stytch_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Values that must not appear in any output.
func private(t *testing.T) map[string]any {
	t.Helper()
	config := stytch.Config{ProjectID: projectID, Secret: secret, BaseURL: "https://login.example.com"}
	client, err := stytch.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	session := stytch.AuthenticateSessionParams{
		SessionToken: token, SessionJWT: jwt, SessionDuration: time.Hour, CustomClaims: map[string]any{"pin": "hunter2"},
	}
	user := stytch.User{ID: userID, Emails: []stytch.Email{{Email: email}}}
	answer := stytch.AuthenticateSessionResponse{SessionToken: token, SessionJWT: jwt, User: user, Session: stytch.Session{ID: sessionID}}
	login := stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionToken: token, SessionJWT: jwt}
	signedIn := stytch.AuthenticatePasswordResponse{UserID: userID, User: user, SessionToken: token, SessionJWT: jwt}
	revoke := stytch.RevokeSessionParams{SessionID: sessionID, SessionToken: token, SessionJWT: jwt}
	return map[string]any{
		"Config": config, "*Config": &config,
		"*Client":                   client,
		"AuthenticateSessionParams": session, "*AuthenticateSessionParams": &session,
		"AuthenticateSessionResponse": answer, "*AuthenticateSessionResponse": &answer,
		"AuthenticatePasswordParams": login, "*AuthenticatePasswordParams": &login,
		"AuthenticatePasswordResponse": signedIn, "*AuthenticatePasswordResponse": &signedIn,
		"RevokeSessionParams": revoke, "*RevokeSessionParams": &revoke,
	}
}

// wantRedacted fails the test if text contains a private value, in clear or encoded, or does not
// say that something was redacted.
func wantRedacted(t *testing.T, how, text string) {
	t.Helper()
	for _, s := range []string{secret, token, jwt, password, email, "hunter2"} {
		for _, form := range []string{s, hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s)), fmt.Sprint([]byte(s))} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
				t.Errorf("%s: got %s, want %s left out", how, text, form)
			}
		}
	}
	if !strings.Contains(text, "redacted") {
		t.Errorf("%s: got %s, want it to say redacted", how, text)
	}
}

func TestRedaction_Format(t *testing.T) {
	for name, v := range private(t) {
		t.Run(name, func(t *testing.T) {
			for _, held := range map[string]any{
				"alone":       v,
				"in a list":   []any{v},
				"in a map":    map[string]any{"v": v},
				"in a struct": struct{ V any }{v},
				"in an error": fmt.Errorf("call: %v", v),
			} {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%10.3v"} {
					if _, isError := held.(error); isError && (verb == "%x" || verb == "%X" || verb == "%#v" || verb == "%d" || verb == "%10.3v") {
						continue // the verb changes or cuts the text
					}
					wantRedacted(t, verb, fmt.Sprintf(verb, held))
				}
			}
		})
	}
}

func TestRedaction_JSON(t *testing.T) {
	for name, v := range private(t) {
		for _, held := range []any{v, []any{v}, map[string]any{"v": v}, struct{ V any }{v}} {
			text, err := json.Marshal(held)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			wantRedacted(t, name, string(text))
		}
	}
}

func TestRedaction_Slog(t *testing.T) {
	for name, v := range private(t) {
		var text strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
			for _, held := range []any{v, []any{v}, struct{ V any }{v}, slog.GroupValue(slog.Any("v", v))} {
				text.Reset()
				slog.New(h).Info("called", "v", held)
				wantRedacted(t, name, text.String())
			}
		}
	}
}

// fmt does not call the methods of a value in an unexported field. The secret must not be printed
// even then.
func TestRedaction_ClientInAnUnexportedField(t *testing.T) {
	client := newClient(t, answering(200, goodUser))
	for _, held := range []any{struct{ c *stytch.Client }{client}, struct{ c stytch.Client }{*client}, *client} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
			text := fmt.Sprintf(verb, held)
			if strings.Contains(text, secret) || strings.Contains(text, hex.EncodeToString([]byte(secret))) {
				t.Errorf("%s: got %s, want the secret left out", verb, text)
			}
		}
	}
	//lint:ignore SA9005 what it shows is the question
	if text, err := json.Marshal(*client); err != nil || strings.Contains(string(text), secret) {
		t.Errorf("got %s and %v, want the secret left out", text, err)
	}
}

func TestRedaction_NilClient(t *testing.T) {
	var client *stytch.Client
	if got, want := fmt.Sprint(client), "stytch.Client{redacted}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
