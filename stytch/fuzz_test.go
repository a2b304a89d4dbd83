package stytch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth/stytch"
)

// FuzzAnswer answers AuthenticateSession and User with arbitrary bytes and status 200. If the
// client accepts an answer, it contains the ids, encoding/json decodes the same values, and the
// result can be cloned and encoded.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(goodVerdict))
	f.Add([]byte(goodPassword))
	f.Add([]byte(noSession))
	f.Add([]byte(goodUser))
	f.Add([]byte(failure("session_not_found", requestID)))
	for _, name := range []string{"session_authenticate.json", "password_authenticate.json", "session.json", "user.json"} {
		f.Add(sample(f, name))
	}
	for _, row := range untrusted {
		if len(row.body) < 5000 {
			f.Add([]byte(row.body))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		client := newClient(t, answering(200, string(data)))
		session, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
		wantTakenOrInvalid(t, session != nil, err)
		if err == nil {
			wantSession(t, data, session)
		}
		user, err := client.User(t.Context(), userID)
		wantTakenOrInvalid(t, user != nil, err)
		if err == nil {
			wantUser(t, data, user)
		}
	})
}

func wantTakenOrInvalid(t *testing.T, value bool, err error) {
	t.Helper()
	var invalid *stytch.InvalidAnswerError
	if value != (err == nil) || err != nil && !errors.As(err, &invalid) {
		t.Fatalf("got a value %v and %v, want a value or an InvalidAnswerError", value, err)
	}
	if invalid != nil && (strings.ContainsAny(err.Error(), "\r\n") || !utf8.ValidString(err.Error())) {
		t.Fatalf("got %q, want a fixed text", err)
	}
}

func wantSession(t *testing.T, data []byte, got *stytch.AuthenticateSessionResponse) {
	t.Helper()
	if got.Session.ID == "" || got.Session.UserID == "" || got.User.ID != got.Session.UserID {
		t.Fatalf("got session %q of %q and user %q, want them to say who", got.Session.ID, got.Session.UserID, got.User.ID)
	}
	var want struct {
		Session struct {
			ID     string `json:"session_id"`
			UserID string `json:"user_id"`
		} `json:"session"`
		User struct {
			ID string `json:"user_id"`
		} `json:"user"`
	}
	if !utf8.Valid(data) || json.Unmarshal(data, &want) != nil {
		t.Fatalf("got %s taken, want it refused", data)
	}
	if want.Session.ID != got.Session.ID || want.Session.UserID != got.Session.UserID || want.User.ID != got.User.ID {
		t.Fatalf("got session %q of %q, want %+v", got.Session.ID, got.Session.UserID, want)
	}
	if c := got.Session.Clone(); !reflect.DeepEqual(c, &got.Session) {
		t.Fatalf("got clone %+v, want %+v", c, got.Session)
	}
	wantRewritable(t, got.Session)
	wantRewritable(t, got.User)
	var claims map[string]any
	if err := got.Session.Claims(&claims); err != nil {
		t.Fatalf("got %v, want claims that are an object: %s", err, got.Session.CustomClaims)
	}
}

func wantUser(t *testing.T, data []byte, got *stytch.User) {
	t.Helper()
	var want struct {
		ID string `json:"user_id"`
	}
	if json.Unmarshal(data, &want) != nil || got.ID == "" || got.ID != want.ID {
		t.Fatalf("got user %q, want %q, and that not empty", got.ID, want.ID)
	}
	if c := got.Clone(); !reflect.DeepEqual(c, got) {
		t.Fatalf("got clone %+v, want %+v", c, got)
	}
	wantRewritable(t, *got)
}

// wantRewritable fails the test unless encoding v, decoding the text and encoding it again returns
// the same text.
func wantRewritable[T any](t *testing.T, v T) {
	t.Helper()
	first := mustMarshal(t, v)
	var read T
	if err := json.Unmarshal(first, &read); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	if second := mustMarshal(t, read); !bytes.Equal(first, second) {
		t.Fatalf("got %s, want %s", second, first)
	}
}
