package stytch_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
)

// Bodies that no call may accept with a success status.
var untrusted = []struct{ name, body string }{
	{"nothing", ""},
	{"white space", " \n"},
	{"HTML", "<!doctype html><title>Welcome to the hotel's network</title>"},
	{"null", "null"},
	{"true", "true"},
	{"a string", `"` + userID + `"`},
	{"a number", "200"},
	{"a list", "[" + goodPassword + "]"},
	{"two answers", goodPassword + goodPassword},
	{"an answer with something after it", goodPassword + "]"},
	{"an answer that was cut off", goodPassword[:len(goodPassword)-1]},
	{"an answer after a byte order mark", "\ufeff" + goodPassword},
	{"a repeated user id", `{"user_id":"` + userID + `",` + goodPassword[1:]},
	{"a repeated user id, escaped", `{"user\u005fid":"` + userID + `",` + goodPassword[1:]},
	{"a repeated name somewhere", `{"policy":{"roles":[],"roles":[]},` + goodPassword[1:]},
	{"bytes that are not UTF-8", "{\"request_id\":\"\xff\"," + goodPassword[1:]},
	{"half a surrogate pair", `{"request_id":"\ud800",` + goodPassword[1:]},
	{"metadata twice", `{"user":{"trusted_metadata":{},"trusted_metadata":{}},` + goodPassword[1:]},
	{"a repeated name after metadata", `{"x":{"trusted_metadata":{"a":1,"a":2},"b":1,"b":2},` + goodPassword[1:]},
	{"half a surrogate pair after metadata", `{"x":{"trusted_metadata":"\ud800"},"y":"\ud800",` + goodPassword[1:]},
	{"a repeated name in metadata with another name", `{"x":{"Trusted_metadata":{"a":1,"a":2}},` + goodPassword[1:]},
	{"bytes in metadata that are not UTF-8", "{\"x\":{\"trusted_metadata\":\"\xff\"}," + goodPassword[1:]},
	{"metadata that is not JSON", `{"x":{"trusted_metadata":{"a":1,}},` + goodPassword[1:]},
	{"lists without an end", strings.Repeat("[", 100_000)},
	{"lists in lists", `{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "," + goodPassword[1:]},
	{"a comment", "/**/" + goodPassword},
}

// methods lists the methods of Client that decode an answer, each with a valid answer. call reports
// whether the method returned a value.
var methods = []struct {
	name, good string
	call       func(*testing.T, *stytch.Client) (value bool, err error)
}{
	{"AuthenticateSession", goodSession, func(t *testing.T, c *stytch.Client) (bool, error) {
		v, err := c.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
		return v != nil, err
	}},
	{"AuthenticateSession with a check", goodVerdict, func(t *testing.T, c *stytch.Client) (bool, error) {
		check := &stytch.AuthorizationCheck{ResourceID: "documents", Action: "read"}
		v, err := c.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token, AuthorizationCheck: check})
		return v != nil, err
	}},
	{"AuthenticatePassword", goodPassword, func(t *testing.T, c *stytch.Client) (bool, error) {
		v, err := c.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionToken: token})
		return v != nil, err
	}},
	{"AuthenticatePassword without a session", noSession, func(t *testing.T, c *stytch.Client) (bool, error) {
		v, err := c.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: email, Password: password})
		return v != nil, err
	}},
	{"User", goodUser, func(t *testing.T, c *stytch.Client) (bool, error) {
		v, err := c.User(t.Context(), userID)
		return v != nil, err
	}},
	{"Policy", goodPolicy, func(t *testing.T, c *stytch.Client) (bool, error) {
		v, err := c.Policy(t.Context())
		return v != nil, err
	}},
	{"RevokeSession", `{"request_id":"request-id-test-1","status_code":200}`, func(t *testing.T, c *stytch.Client) (bool, error) {
		return false, c.RevokeSession(t.Context(), stytch.RevokeSessionParams{SessionID: sessionID})
	}},
}

func TestClient_ValidAnswers(t *testing.T) {
	for _, test := range methods {
		for _, status := range []int{200, 201} {
			// An unknown member, white space or another content type does not matter.
			body := " {\"colour\":null," + test.good[1:] + "\n"
			if _, err := test.call(t, newClient(t, answering(status, body, "Content-Type", "text/html"))); err != nil {
				t.Errorf("%s, %d: got %v, want success", test.name, status, err)
			}
		}
	}
}

// wantInvalid fails unless err is an *InvalidAnswerError.
func wantInvalid(t *testing.T, value bool, err error) {
	t.Helper()
	var invalid *stytch.InvalidAnswerError
	if !errors.As(err, &invalid) || invalid.Problem == "" {
		t.Fatalf("got %v, want an InvalidAnswerError that says why", err)
	}
	if value {
		t.Error("got a value beside the error, want none")
	}
	wantNoSecrets(t, err.Error())
}

func TestClient_InvalidAnswers(t *testing.T) {
	for _, test := range methods {
		for _, row := range untrusted {
			t.Run(test.name+": "+row.name, func(t *testing.T) {
				value, err := test.call(t, newClient(t, answering(200, row.body)))
				wantInvalid(t, value, err)
			})
		}
	}
}

func TestClient_AnswersWithoutIDs(t *testing.T) {
	const other = "user-test-0b9d6c13-5e72-4a48-8f31-c27e0d94a65b"
	bySession := `"user_id":"` + userID + `"},"session_token"`
	byUser := `"user":` + goodUser
	const verdict = `"authorized":true`
	for _, test := range []struct {
		name     string
		call     int // index in methods
		old, new string
	}{
		{"a session that is absent", 0, `"session":`, `"sessions":`},
		{"a session that is null", 0, `"session":{`, `"session":null,"x":{`},
		{"a session that is a list", 0, `"session":{`, `"session":[],"x":{`},
		{"a session without an id", 0, `"session_id":`, `"id":`},
		{"a session with an empty id", 0, sessionID, ``},
		{"a session whose id is null", 0, `"` + sessionID + `"`, `null`},
		{"a session whose id is a number", 0, `"` + sessionID + `"`, `1`},
		{"a session whose id is in capitals", 0, `"session_id":`, `"SESSION_ID":`},
		{"a session whose id has a name that only folds to it", 0, `"session_id":`, `"ſession_id":`},
		{"a session without a user", 0, bySession, `"x":""},"session_token"`},
		{"a session with an empty user id", 0, bySession, `"user_id":""},"session_token"`},
		{"a session of another user", 0, bySession, `"user_id":"` + other + `"},"session_token"`},
		{"a session of a user in capitals", 0, bySession, `"user_id":"` + strings.ToUpper(userID) + `"},"session_token"`},
		{"a user that is absent", 0, `"user":`, `"users":`},
		{"a user that is null", 0, byUser, `"user":null`},
		{"a user without an id", 0, byUser, `"user":{}`},
		{"another user", 0, byUser, `"user":{"user_id":"` + other + `"}`},
		{"ids that are all absent", 0, members, `"session":{},"user":{},"session_token":"` + token + `"`},
		{"a session and a user without user ids", 0, members, `"session":{"session_id":"` + sessionID + `"},"user":{},"session_token":"` + token + `","session_jwt":"` + jwt + `"`},
		{"a session and a user with empty user ids", 0, members, `"session":{"session_id":"` + sessionID + `","user_id":""},"user":{"user_id":""},"session_token":"` + token + `","session_jwt":"` + jwt + `"`},
		{"a session whose time is no time", 0, bySession, `"expires_at":"soon",` + bySession},
		{"a session whose time is a number", 0, bySession, `"expires_at":1762944049,` + bySession},
		{"a session whose time has no zone", 0, bySession, `"expires_at":"2025-11-12T10:35:49",` + bySession},
		{"a session whose roles are a string", 0, bySession, `"roles":"admin",` + bySession},
		{"a session whose roles are numbers", 0, bySession, `"roles":[1],` + bySession},
		{"a session whose factors are an object", 0, bySession, `"authentication_factors":{},` + bySession},
		{"a session whose claims are a list", 0, bySession, `"custom_claims":["admin"],` + bySession},
		{"a session whose claims are a string", 0, bySession, `"custom_claims":"admin",` + bySession},
		{"a user whose metadata are a number", 0, byUser, `"user":{"trusted_metadata":1,` + goodUser[1:]},
		{"a session token that is absent", 0, `"session_token":"` + token + `",`, ``},
		{"a session token that is empty", 0, token, ``},
		{"another session's token", 0, token, "A" + token[1:]},
		{"a session JWT that is absent", 0, `"session_jwt":"` + jwt + `",`, ``},
		{"a session JWT that is empty", 0, jwt, ``},
		{"an error with the status of success", 0, goodSession, failure("session_not_found", requestID)},
		{"a verdict that is absent", 1, `"verdict":`, `"verdicts":`},
		{"a verdict that is null", 1, `"verdict":{`, `"verdict":null,"x":{`},
		{"a verdict that is empty", 1, verdict + `,`, ``},
		{"a verdict that is false", 1, verdict, `"authorized":false`},
		{"a verdict in words", 1, verdict, `"authorized":"true"`},
		{"a verdict that is a number", 1, verdict, `"authorized":1`},
		{"a verdict that is false, and true in capitals", 1, verdict, `"authorized":false,"AUTHORIZED":true`},
		{"a verdict about another user", 1, byUser, `"user":{"user_id":"` + other + `"}`},
		{"a password without a user", 2, `{"user_id":"` + userID + `",`, `{`},
		{"a password of an empty user id", 2, `{"user_id":"` + userID + `",`, `{"user_id":"",`},
		{"a password of another user", 2, `{"user_id":"` + userID + `",`, `{"user_id":"` + other + `",`},
		{"a password and another user", 2, byUser, `"user":{"user_id":"` + other + `"}`},
		{"a password and another user's session", 2, bySession, `"user_id":"` + other + `"},"session_token"`},
		{"a password and a session that is null", 2, `"session":{`, `"session":null,"x":{`},
		{"a password and a session without an id", 2, sessionID, ``},
		{"a password and an empty token", 2, token, ``},
		{"a password and an empty JWT", 2, jwt, ``},
		{"a password without a session and a user", 3, `{"user_id":"` + userID + `",`, `{`},
		{"a password alone, and another user", 3, byUser, `"user":{"user_id":"` + other + `"}`},
		{"a password alone, and another user's session", 3, noSession, strings.Replace(goodPassword, bySession, `"user_id":"`+other+`"},"session_token"`, 1)},
		{"no user", 4, goodUser, `{}`},
		{"a user whose id is empty", 4, userID, ``},
		{"a user with an external id alone", 4, goodUser, `{"external_id":"` + userID + `"}`},
		{"a user who stands below", 4, goodUser, `{"user":` + goodUser + `}`},
		{"a user who was not asked for", 4, userID, other},
		{"no policy", 5, goodPolicy, `{}`},
		{"a policy that is null", 5, goodPolicy, `{"policy":null}`},
		{"a policy that is a list", 5, goodPolicy, `{"policy":[]}`},
		{"a policy whose roles are an object", 5, goodPolicy, `{"policy":{"roles":{}}}`},
		{"a policy whose actions are a string", 5, goodPolicy, `{"policy":{"roles":[{"role_id":"r","permissions":[{"resource_id":"d","actions":"*"}]}]}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := methods[test.call]
			if strings.Count(c.good, test.old) != 1 {
				t.Fatalf("got %d times %s in %s, want it once", strings.Count(c.good, test.old), test.old, c.good)
			}
			value, err := c.call(t, newClient(t, answering(200, strings.Replace(c.good, test.old, test.new, 1))))
			wantInvalid(t, value, err)
		})
	}
}

// Applications may store any JSON in metadata and custom claims. It must not make the answer about
// the user unreadable, and it must not change other parts of the answer.
func TestClient_ApplicationData(t *testing.T) {
	for name, data := range map[string]string{
		"a repeated name":             `{"plan":"free","plan":"gold"}`,
		"a repeated name, deep":       `{"a":[{"b":1,"b":{"c":1,"c":2}}]}`,
		"half a surrogate pair":       `{"name":"\ud83d"}`,
		"a name of half a pair":       `{"\ude00":1,"\ude00":2}`,
		"the names of an answer":      `{"user_id":"x","session_id":"y","roles":["admin"],"roles":["root"],"trusted_metadata":{}}`,
		"names in capitals":           `{"USER_ID":"x"}`,
		"2,000 levels":                `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`,
		"braces and quotes in a text": `{"a":"\"}],{\\","b":"\ud800\u0022"}`,
	} {
		t.Run(name, func(t *testing.T) {
			user := `{"user_id":"` + userID + `","trusted_metadata":` + data + `,"untrusted_metadata":` + data + `,"roles":["stytch_user"]}`
			body := strings.Replace(goodSession, `"user":`+goodUser, `"user":`+user, 1)
			body = strings.Replace(body, `"session":{`, `"session":{"custom_claims":`+data+`,`, 1)
			got, err := newClient(t, answering(200, body)).AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []stytch.Object{got.User.TrustedMetadata, got.User.UntrustedMetadata, got.Session.CustomClaims} {
				if string(o) != data {
					t.Errorf("got %s, want %s", o, data)
				}
			}
			if got.User.ID != userID || got.Session.ID != sessionID || len(got.User.Roles) != 1 || len(got.Session.Roles) != 0 {
				t.Errorf("got user %s, session %s and roles %v, want those of the answer", got.User.ID, got.Session.ID, got.User.Roles)
			}
			if u, err := newClient(t, answering(200, user)).User(t.Context(), userID); err != nil || string(u.TrustedMetadata) != data {
				t.Errorf("got %v, want the user", err)
			}
		})
	}
}

// A time that is an empty string is absent.
func TestClient_EmptyTimes(t *testing.T) {
	user := `{"user_id":"` + userID + `","created_at":"","lock_created_at":"","lock_expires_at":""}`
	u, err := newClient(t, answering(200, user)).User(t.Context(), userID)
	if err != nil || !u.CreatedAt.IsZero() || u.LockCreatedAt != nil || u.LockExpiresAt != nil {
		t.Errorf("got %v and %+v, want no times", err, u)
	}
	body := strings.Replace(goodSession, `"session":{`, `"session":{"expires_at":"","started_at":"","authentication_factors":[{"type":"otp","last_authenticated_at":""}],`, 1)
	got, err := newClient(t, answering(200, body)).AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
	if err != nil || !got.Session.ExpiresAt.IsZero() || !got.Session.LastFactorAt().IsZero() {
		t.Errorf("got %v, want a session without times", err)
	}
}

// endless is a body without an end. It counts the bytes that are read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestClient_EndlessBody(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		keys   bool
		limit  int
	}{
		{"a session", 200, false, 1 << 20},
		{"a refused session", 500, false, 1 << 20},
		{"a key set", 200, true, 128 << 10},
		{"a refused key set", 500, true, 128 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := &endless{}
			client := newClient(t, transport(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: test.status, Body: io.NopCloser(body)}, nil
			}))
			var value bool
			var err error
			if test.keys {
				var raw []byte
				raw, err = client.KeySet(t.Context())
				value = raw != nil
			} else {
				value, err = methods[0].call(t, client)
			}
			if test.status == 200 {
				wantInvalid(t, value, err)
			} else {
				wantType(t, err, test.status, "")
			}
			if body.read > 2*test.limit {
				t.Errorf("got %d bytes read, want about %d", body.read, test.limit)
			}
		})
	}
}

func TestClient_BodyAtTheLimit(t *testing.T) {
	const limit, keys = 1 << 20, 128 << 10
	if _, err := methods[0].call(t, newClient(t, answering(200, goodSession+strings.Repeat(" ", limit-len(goodSession))))); err != nil {
		t.Errorf("1 MiB: got %v, want success", err)
	}
	value, err := methods[0].call(t, newClient(t, answering(200, goodSession+strings.Repeat(" ", limit-len(goodSession)+1))))
	wantInvalid(t, value, err)

	set := strings.Repeat("k", keys)
	raw, err := newClient(t, answering(200, set)).KeySet(t.Context())
	if err != nil || string(raw) != set {
		t.Errorf("128 KiB: got %d bytes and %v, want them all", len(raw), err)
	}
	raw, err = newClient(t, answering(200, set+"k")).KeySet(t.Context())
	wantInvalid(t, raw != nil, err)
}

// The limit applies to the decompressed body.
func TestClient_CompressedBody(t *testing.T) {
	pack := func(text string, padding int) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		for _, part := range []string{text, strings.Repeat(" ", padding)} {
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, test := range []struct {
		name string
		body []byte
		good bool
	}{
		{"a small one", pack(goodSession, 100<<10), true},
		{"a bomb", pack(goodSession, 4<<20), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if len(test.body) > 1<<16 {
				t.Fatalf("got %d bytes packed, want far less than the limit", len(test.body))
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(test.body)
			}))
			defer srv.Close()
			client, err := stytch.NewClient(stytch.Config{ProjectID: projectID, Secret: secret, BaseURL: srv.URL})
			if err != nil {
				t.Fatal(err)
			}
			value, err := methods[0].call(t, client)
			if test.good {
				if err != nil {
					t.Errorf("got %v, want success", err)
				}
				return
			}
			wantInvalid(t, value, err)
		})
	}
}
