package stytchtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

var requestID = regexp.MustCompile(`^request-id-test-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestServer_ServeHTTP_StatusAndRequestID(t *testing.T) {
	srv, user, session := setup(t)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"authenticate", "POST", "/v1/sessions/authenticate", `{"session_token":"` + session.Token + `"}`, 200},
		{"sign in", "POST", "/v1/passwords/authenticate", `{"email":"` + email + `","password":"` + password + `"}`, 200},
		{"create", "POST", "/v1/passwords", `{"email":"b@example.com","password":"` + password + `"}`, 200},
		{"list", "GET", "/v1/sessions?user_id=" + user.ID, "", 200},
		{"user", "GET", "/v1/users/" + user.ID, "", 200},
		{"policy", "GET", "/v1/rbac/policy", "", 200},
		{"key set", "GET", "/v1/sessions/jwks/" + srv.ProjectID, "", 200},
		{"key set of the public path", "GET", "/v1/public/" + srv.ProjectID + "/.well-known/jwks.json", "", 200},
		{"key set of the project domain", "GET", "/.well-known/jwks.json", "", 200},
		{"revoke", "POST", "/v1/sessions/revoke", `{"session_token":"` + session.Token + `"}`, 200},
		{"an error", "GET", "/v1/users/user-test-nobody", "", 404},
		{"unknown path", "GET", "/v2", "", 404},
		{"wrong method", "PUT", "/v1/sessions", "", 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := send(t, srv.Client(), newRequest(t, srv, tt.method, tt.path, tt.body))
			if a.status != tt.status || a.body["status_code"] != float64(tt.status) {
				t.Errorf("got status %d and status_code %v, want %d", a.status, a.body["status_code"], tt.status)
			}
			if id, _ := a.body["request_id"].(string); !requestID.MatchString(id) {
				t.Errorf("got request_id %q", id)
			}
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("got Content-Type %q, want application/json", got)
			}
		})
	}
}

func TestServer_ServeHTTP_ErrorShape(t *testing.T) {
	srv := stytchtest.NewServer()
	a := post(t, srv, "/v1/sessions/authenticate", `{"session_token":"59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw"}`)
	a.want(t, 404, "session_not_found")
	equal(t, "members", names(a.body), `["error_message","error_type","error_url","request_id","status_code"]`)
	equal(t, "message", a.body["error_message"], `"Session could not be found."`)
	equal(t, "url", a.body["error_url"], `"https://stytch.com/docs/api/errors/404#session_not_found"`)
}

func TestServer_ServeHTTP_CommonChecks(t *testing.T) {
	srv, _, session := setup(t)
	const authenticate = "/v1/sessions/authenticate"
	good := `{"session_token":"` + session.Token + `"}`
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	basic := func(id, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(id, secret) }
	}
	for _, tt := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		errorType                string
	}{
		{"a correct call", "POST", authenticate, good, nil, 200, ""},
		{"no credentials", "POST", authenticate, good, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "unauthorized_credentials"},
		{"wrong secret", "POST", authenticate, good, basic(srv.ProjectID, "secret-test-wrong"), 401, "unauthorized_credentials"},
		{"no secret", "POST", authenticate, good, basic(srv.ProjectID, ""), 401, "unauthorized_credentials"},
		{"wrong project", "POST", authenticate, good, basic("project-test-other", srv.Secret), 401, "unauthorized_credentials"},
		{"bearer instead of basic", "POST", authenticate, good, with("Authorization", "Bearer "+srv.Secret), 401, "unauthorized_credentials"},
		{"credentials come before the body", "POST", authenticate, `{`, basic("", ""), 401, "unauthorized_credentials"},
		{"user without secret", "GET", "/v1/users/x", "", basic("", ""), 401, "unauthorized_credentials"},
		{"sessions without secret", "GET", "/v1/sessions?user_id=x", "", basic("", ""), 401, "unauthorized_credentials"},
		{"policy without secret", "GET", "/v1/rbac/policy", "", basic("", ""), 401, "unauthorized_credentials"},
		{"key set without secret", "GET", "/v1/sessions/jwks/" + srv.ProjectID, "", basic("", ""), 200, ""},
		{"content type with charset", "POST", authenticate, good, with("Content-Type", "application/json; charset=utf-8"), 400, "bad_request"},
		{"content type of a form", "POST", authenticate, good, with("Content-Type", "application/x-www-form-urlencoded"), 400, "bad_request"},
		{"no content type", "POST", authenticate, good, with("Content-Type", ""), 400, "bad_request"},
		{"no body", "POST", authenticate, "", with("Content-Type", "application/json"), 400, "bad_request"},
		{"cut-off JSON", "POST", authenticate, `{"session_token":`, nil, 400, "bad_request"},
		{"text after the JSON", "POST", authenticate, good + "x", nil, 400, "bad_request"},
		{"a list", "POST", authenticate, `[]`, nil, 400, "bad_request"},
		{"null", "POST", authenticate, `null`, nil, 400, "bad_request"},
		{"a body too large", "POST", authenticate, `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 400, "bad_request"},
		{"unknown path", "POST", "/v1/sessions/authenticat", good, nil, 404, "route_not_found"},
		{"root", "GET", "/", "", nil, 404, "route_not_found"},
		{"trailing slash", "POST", authenticate + "/", good, nil, 404, "route_not_found"},
		{"doubled slash", "POST", "//v1/sessions/authenticate", good, nil, 404, "route_not_found"},
		{"dots", "POST", "/v1/x/../sessions/authenticate", good, nil, 404, "route_not_found"},
		{"paths match with their case", "POST", "/V1/sessions/authenticate", good, nil, 404, "route_not_found"},
		{"wrong method", "GET", authenticate, "", nil, 405, "method_not_allowed"},
		{"wrong method comes before credentials", "DELETE", "/v1/users/x", "", basic("", ""), 405, "method_not_allowed"},
		{"unknown members are ignored", "POST", authenticate, `{"locale":"en",` + good[1:], nil, 200, ""},
		{"names match with their case", "POST", authenticate, `{"Session_Token":"` + session.Token + `"}`, nil, 400, "no_session_arguments"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRequest(t, srv, tt.method, tt.path, tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			send(t, srv.Client(), r).want(t, tt.status, tt.errorType)
		})
	}
}

func TestServer_ServeHTTP_Asterisk(t *testing.T) {
	srv := stytchtest.NewServer()
	r := newRequest(t, srv, "GET", "/", "")
	r.RequestURI, r.URL.Path = "*", "*"
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, r)
	if rec.Code != 404 || !strings.Contains(rec.Body.String(), `"route_not_found"`) {
		t.Errorf("got %d %s, want a 404", rec.Code, rec.Body)
	}
}

func TestServer_Calls(t *testing.T) {
	srv, user, session := setup(t)
	post(t, srv, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`)
	post(t, srv, "/v1/sessions/authenticate", `{}`)
	get(t, srv, "/v1/users/"+user.ID)
	get(t, srv, "/v1/users/nobody")
	get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID)
	get(t, srv, "/nowhere")
	srv.SetFault("/v1/rbac/policy", stytchtest.Fault{Status: 500})
	get(t, srv, "/v1/rbac/policy")
	for path, want := range map[string]int{
		"/v1/sessions/authenticate":      2,
		"/v1/users/{user_id}":            2,
		"/v1/sessions/jwks/{project_id}": 1,
		"/v1/rbac/policy":                1,
		"/v1/sessions/revoke":            0,
		"":                               7,
	} {
		if got := srv.Calls(path); got != want {
			t.Errorf("Calls(%q): got %d, want %d", path, got, want)
		}
	}
	panics(t, "a misspelt pattern", func() { srv.Calls("/v1/session/authenticate") })
	panics(t, "a path instead of its pattern", func() { srv.Calls("/v1/users/" + user.ID) })
}

func TestServer_Format_RedactsCredentials(t *testing.T) {
	srv, _, session := setup(t)
	user := stytchtest.User{Email: email, Password: password}
	for _, v := range []any{session, &session, user, &user, []any{session, user}, srv, struct{ S stytchtest.Session }{session}} {
		text := fmt.Sprintf("%v %+v %#v %s %q %s", v, v, v, v, v, asJSON(t, v))
		for _, secret := range []string{session.Token, session.JWT, password, srv.Secret} {
			if strings.Contains(text, secret) {
				t.Errorf("%T prints a credential", v)
			}
		}
	}
	equal(t, "server", srv, `"stytchtest.Server{`+srv.ProjectID+`}"`)
	if text := fmt.Sprint(session); !strings.Contains(text, session.ID) {
		t.Errorf("got %s, want the session's id in it", text)
	}
}

func TestServer_ProjectID_Live(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.ProjectID = "project-live-0e3b5a1c-6a0e-4b0f-8f51-1f0b5a0e9c11"
	user := srv.AddUser(stytchtest.User{Email: email})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
	for _, id := range []string{user.ID, session.ID, srv.KeyID(), user.Emails[0].ID} {
		if !strings.Contains(id, "-live-") {
			t.Errorf("got %s, want a live id", id)
		}
	}
	post(t, srv, "/v1/sessions/revoke", `{"session_id":"`+session.ID+`"}`).want(t, 200, "")
}

func TestServer_ServeHTTP_Socket(t *testing.T) {
	srv, user, session := setup(t)
	ts := httptest.NewServer(srv)
	defer ts.Close()
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: ts.URL, HTTPClient: ts.Client(), Timeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionJWT: session.JWT})
	if err != nil {
		t.Fatal(err)
	}
	if got.User.ID != user.ID {
		t.Errorf("got %s, want %s", got.User.ID, user.ID)
	}
}

func TestServer_ServeHTTP_Concurrent(t *testing.T) {
	srv, user, session := setup(t)
	client := typed(t, srv)
	ctx := t.Context()
	work := []func() error{
		func() error {
			_, err := client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionToken: session.Token, CustomClaims: map[string]any{"n": 1}})
			return err
		},
		func() error {
			_, err := client.AuthenticateSession(ctx, stytch.AuthenticateSessionParams{SessionJWT: srv.JWT(session.ID), SessionDuration: time.Hour})
			return err
		},
		func() error {
			_, err := client.AuthenticatePassword(ctx, stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionToken: session.Token})
			return err
		},
		func() error {
			other := srv.StartSession(user.ID, stytchtest.SessionOptions{})
			srv.RevokeSession(other.ID)
			return client.RevokeSession(ctx, stytch.RevokeSessionParams{SessionID: srv.StartSession(user.ID, stytchtest.SessionOptions{}).ID})
		},
		func() error { _, err := client.User(ctx, user.ID); return err },
		func() error { _, err := client.KeySet(ctx); return err },
		func() error { srv.SetPolicy(stytch.Policy{}); _, err := client.Policy(ctx); return err },
		func() error { srv.Calls(""); srv.Claims(session.ID); srv.Key(); srv.Header(); return nil },
		func() error {
			srv.SetFault("/v1/sessions/revoke", stytchtest.Fault{})
			_ = fmt.Sprint(srv)
			return nil
		},
	}
	var wg sync.WaitGroup
	for range 8 {
		for i, f := range work {
			wg.Go(func() {
				if err := f(); err != nil {
					t.Errorf("work %d: %v", i, err)
				}
			})
		}
	}
	srv.RotateKeys()
	wg.Wait()
}

func TestServer_ServeHTTP_RecorderIsNotAConnection(t *testing.T) {
	srv := stytchtest.NewServer()
	for _, fault := range []stytchtest.Fault{stytchtest.Endless(), stytchtest.Refuse(), stytchtest.Reset()} {
		srv.SetFault(policyPath, fault)
		r := newRequest(t, srv, "GET", policyPath, "")
		panics(t, fmt.Sprint(fault), func() { srv.ServeHTTP(httptest.NewRecorder(), r) })
	}
	srv.SetFault(policyPath, stytchtest.HTML(502))
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, newRequest(t, srv, "GET", policyPath, ""))
	if rec.Code != 502 {
		t.Errorf("got %d, want 502", rec.Code)
	}
}
