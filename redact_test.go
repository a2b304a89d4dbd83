package sessionauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// formats returns v in every form in which a log line may print it, alone and inside another value.
func formats(v any) map[string]string {
	all := map[string]string{}
	holders := map[string]any{
		"alone": v, "in a struct": struct{ V any }{v}, "behind a pointer": &struct{ V any }{v},
		"in a slice": []any{v}, "in a map": map[string]any{"v": v},
	}
	for where, holder := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x", "%10v"} {
			all[verb+" "+where] = fmt.Sprintf(verb, holder)
		}
		if b, err := json.Marshal(holder); err == nil {
			all["JSON "+where] = string(b)
		}
		var text, jsonText bytes.Buffer
		for _, log := range []*slog.Logger{
			slog.New(slog.NewTextHandler(&text, nil)),
			slog.New(slog.NewJSONHandler(&jsonText, nil)),
		} {
			log.Info("look", "v", holder, slog.Group("g", "v", holder))
			log.With("v", holder).Info("look")
		}
		all["slog text "+where], all["slog JSON "+where] = text.String(), jsonText.String()
	}
	return all
}

// wantRedacted checks that no format of v contains a secret.
func wantRedacted(t *testing.T, name string, v any, secrets ...string) {
	t.Helper()
	for how, text := range formats(v) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s: %T by %s: got %.150q, want none of the secrets", name, v, how, text)
				return // one error for each value is enough
			}
		}
	}
}

// A redactEnv has the values of a request whose old JWT was refreshed.
type redactEnv struct {
	*env
	identity *sessionauth.Identity
	cred     sessionauth.Credential
	request  *http.Request // the request of the handler, without its header
	secrets  []string      // secrets that no value may print
}

func newRedactEnv(t *testing.T) *redactEnv {
	t.Helper()
	s := &redactEnv{env: newEnv(t)}
	s.Handler = s.Auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.identity, _ = sessionauth.FromContext(r.Context())
		s.request = r.Clone(r.Context())
		s.request.Header = nil // a request header is not redacted
	}))
	time.Sleep(6 * time.Minute)
	r := newRequest("GET", bothCookies(s.Session.Token, s.Session.JWT))
	s.Want(s.Do(r), 200)
	var err error
	if s.cred, err = s.Auth.Credential(r); err != nil {
		t.Fatal(err)
	}
	if s.identity == nil || s.identity.Refreshed.JWT == "" || s.cred.JWT != s.Session.JWT {
		t.Fatalf("got %v and %v, want an identity with a refreshed JWT, and the credential", s.identity, s.cred)
	}
	s.secrets = []string{s.Secret, s.Session.Token, s.Session.JWT, s.identity.Refreshed.JWT, authtest.Password}
	return s
}

func TestRedact_Values(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRedactEnv(t)
		config := s.Config
		clientConfig := stytch.Config{ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: s.Client()}
		client, err := stytch.NewClient(clientConfig)
		if err != nil {
			t.Fatal(err)
		}
		signIn := stytch.AuthenticatePasswordParams{Email: "ada@example.com", Password: authtest.Password, SessionDuration: time.Hour}
		signedIn, err := client.AuthenticatePassword(t.Context(), signIn)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: s.Session.Token})
		if err != nil {
			t.Fatal(err)
		}
		repeated, err := s.Auth.Credential(newRequest("GET", "Cookie: stytch_session=x; stytch_session="+s.Session.Token))
		if err != nil {
			t.Fatal(err)
		}
		secrets := append(s.secrets, answer.SessionJWT, signedIn.SessionToken, signedIn.SessionJWT, "ada@example.com")
		for _, row := range []struct {
			name  string
			value any
		}{
			{"207 Config", config},
			{"207 *Config", &config},
			{"207 *Authenticator", s.Auth},
			{"207 *Authenticator in an app", struct{ Auth *sessionauth.Authenticator }{s.Auth}},
			{"207 *Authenticator in an app, unexported", struct{ auth *sessionauth.Authenticator }{s.Auth}},
			{"207 *Authenticator in an app, embedded", struct{ *sessionauth.Authenticator }{s.Auth}},
			{"207 Credential", s.cred},
			{"207 *Credential", &s.cred},
			{"207 Credential of repeated cookies", repeated},
			{"207 Credential as a key", map[string]sessionauth.Credential{"a": s.cred}},
			{"207 Credentials", []sessionauth.Credential{s.cred, repeated}},
			{"207 Cookies", s.Auth.Cookies()},
			{"207 stytch.Config", clientConfig},
			{"207 *stytch.Config", &clientConfig},
			{"207 *stytch.Client", client},
			{"207 *stytch.Client in an app, unexported", struct{ client *stytch.Client }{client}},
			{"207 *stytch.Client of an Authenticator", s.Auth.Client()},
			{"207 AuthenticatePasswordParams", signIn},
			{"207 *AuthenticatePasswordParams", &signIn},
			{"207 *AuthenticatePasswordResponse", signedIn},
			{"207 AuthenticatePasswordResponse", *signedIn},
			{"207 AuthenticateSessionParams by token", stytch.AuthenticateSessionParams{SessionToken: s.Session.Token}},
			{"207 AuthenticateSessionParams by JWT", stytch.AuthenticateSessionParams{SessionJWT: s.Session.JWT}},
			{"207 *AuthenticateSessionResponse", answer},
			{"207 AuthenticateSessionResponse", *answer},
			{"207 RevokeSessionParams by token", stytch.RevokeSessionParams{SessionToken: s.Session.Token}},
			{"207 RevokeSessionParams by JWT", stytch.RevokeSessionParams{SessionJWT: s.Session.JWT}},
			{"207 the context of a request", s.request.Context()},
			{"207 a request", s.request},
			{"207 a request with NewContext", s.request.WithContext(sessionauth.NewContext(s.request.Context(), s.identity))},
			{"207 stytchtest.User", stytchtest.User{Password: authtest.Password}},
			{"207 stytchtest.Session", s.Session},
			{"207 Session", s.identity.Session},
		} {
			wantRedacted(t, row.name, row.value, secrets...)
		}
		for _, row := range []struct {
			name  string
			value any
		}{
			{"207 *Identity", s.identity},
			{"207 Identity", *s.identity},
			{"207 Identities", []*sessionauth.Identity{s.identity}},
			{"207 User", s.identity.User},
		} {
			wantRedacted(t, row.name, row.value, s.secrets...) // the application may print the email address of a user
		}
	})
}

// echo is a Tap that returns the body of the call in every field of an error.
func echo(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		return nil, err
	}
	answer := map[string]any{"status_code": 400, "error_type": body.String(), "error_message": body.String(), "request_id": body.String(), "error_url": body.String()}
	return authtest.Reply(400, string(authtest.JSON(answer))), nil
}

// causes returns an error and everything that it wraps.
func causes(err error) []error {
	all := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			all = append(all, causes(cause)...)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			all = append(all, causes(cause)...)
		}
	}
	return all
}

func TestRedact_Errors(t *testing.T) {
	verify := func(s *env, c sessionauth.Credential) error {
		_, err := s.Auth.Verify(t.Context(), c)
		return err
	}
	byToken := func(edit func(string) string) func(*env) error {
		return func(s *env) error { return verify(s, sessionauth.Credential{Token: edit(s.Session.Token)}) }
	}
	byJWT := func(edit func(string) string) func(*env) error {
		return func(s *env) error { return verify(s, sessionauth.Credential{JWT: edit(s.Session.JWT)}) }
	}
	as := func(s string) string { return s }
	signIn := func(s *env) error {
		_, err := s.Auth.SignIn(t.Context(), stytch.AuthenticatePasswordParams{Email: "ada@example.com", Password: authtest.Password + "!", SessionDuration: time.Hour})
		return err
	}
	leaky := func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return nil, fmt.Errorf("cannot reach %s", r.URL.Host)
	}
	panicky := func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		panic(r.Header.Get("Authorization"))
	}
	for _, row := range []struct {
		name string
		tap  authtest.Tap
		call func(*env) error
	}{
		{"207 no credential", nil, byToken(func(string) string { return "" })},
		{"207 a malformed token", nil, byToken(func(s string) string { return s + "!" })},
		{"207 an unknown token", nil, byToken(func(string) string { return inventedToken })},
		{"207 a malformed JWT", nil, byJWT(func(s string) string { return s + "." })},
		{"207 a JWT with another signature", nil, byJWT(authtest.OtherSignature)},
		{"207 a transport that fails", leaky, byToken(as)},
		{"207 a transport that panics", panicky, byToken(as)},
		{"207 a Stytch that returns the request", echo, byToken(as)},
		{"207 a wrong password", nil, signIn},
		{"207 a sign-in at a Stytch that returns the request", echo, signIn},
		{"207 a sign-in while the transport fails", leaky, signIn},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newEnv(t)
			secrets := []string{s.Secret, s.Session.Token, s.Session.JWT, inventedToken, authtest.Password, "ada@example.com", authtest.OtherSignature(s.Session.JWT)}
			s.Tap("/v1/", row.tap)
			err := row.call(s)
			if err == nil {
				t.Fatal("got no error, want one")
			}
			wantRedacted(t, row.name, err, secrets...)
			for _, cause := range causes(err) {
				for _, secret := range secrets {
					if strings.Contains(cause.Error(), secret) {
						t.Errorf("got %T %q, want none of the secrets", cause, cause)
					}
				}
				if _, ok := cause.(*url.Error); ok {
					t.Errorf("got %T, which contains the URL, want another type", cause)
				}
			}
			var se *stytch.Error
			if errors.As(err, &se) {
				for _, text := range []string{se.Error(), se.Type, se.RequestID, fmt.Sprintf("%v %+v %s", se, se, se)} {
					if strings.ContainsAny(text, "@\"") || strings.Contains(text, s.Session.Token) {
						t.Errorf("got %q, want nothing that Stytch returned", text)
					}
				}
			}
		})
	}
}

func TestRedact_Log(t *testing.T) {
	var book authtest.Log
	s := newEnv(t, book.Record)
	s.Tap("/v1/", func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		panic(r.Header.Get("Authorization") + s.Session.Token)
	})
	s.Want(s.Get(bearer(s.Session.Token)), 500)
	s.Tap("/v1/", nil)
	s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 401, ErrorType: stytch.TypeUnauthorizedCredentials})
	s.Want(s.Get(bearer(s.Session.Token)), 503)
	s.Want(s.Get("Authorization: Bearer "+authtest.OtherSignature(s.Session.JWT)), 401)
	book.WantErrors(t, 2)
	for _, secret := range []string{s.Secret, s.Session.Token, s.Session.JWT, "Basic "} {
		if strings.Contains(book.String(), secret) {
			t.Errorf("got a log that holds %.8q…, want none of the secrets:\n%s", secret, book.String())
		}
	}
}
