package stytch_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const (
	projectID = "project-test-7b9e4c52-3f0d-4a86-9d21-5e8c6f1a0b37"
	secret    = "secret-test-R4tX8wN2qL6vC1zM9bH5kJ3pD7fG0sYa"
	token     = "Vb3nM8xK1zQ6wE9rT2yU5iO7pA4sD0fG-hJ_kL2cX8vB"
	jwt       = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmVk"
	email     = "grace@example.com"
	password  = "battery horse staple correct"
	userID    = "user-test-a94c7e25-8d31-4f06-b7e2-1c5d9036f8ab"
	sessionID = "session-test-3d8e1f60-52c7-4ab9-8f14-d06b7a92c5e3"
)

// Minimal valid answers.
const (
	goodUser     = `{"user_id":"` + userID + `"}`
	members      = `"session":{"session_id":"` + sessionID + `","user_id":"` + userID + `"},"session_token":"` + token + `","session_jwt":"` + jwt + `","user":` + goodUser
	goodSession  = `{` + members + `}`
	goodVerdict  = `{"verdict":{"authorized":true,"granting_roles":["admin"]},` + members + `}`
	goodPassword = `{"user_id":"` + userID + `",` + members + `}`
	noSession    = `{"user_id":"` + userID + `","session":null,"session_token":"","session_jwt":"","user":` + goodUser + `}`
	goodPolicy   = `{"policy":{"roles":[{"role_id":"stytch_user"}]}}`
)

// transport implements http.RoundTripper with a function.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// answer returns a response. header alternates names and values.
func answer(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Add(header[i], header[i+1])
	}
	return resp
}

// answering returns a transport that gives the same answer to every request.
func answering(status int, body string, header ...string) transport {
	return func(*http.Request) (*http.Response, error) { return answer(status, body, header...), nil }
}

func newClient(t testing.TB, rt http.RoundTripper) *stytch.Client {
	t.Helper()
	client, err := stytch.NewClient(stytch.Config{ProjectID: projectID, Secret: secret, HTTPClient: &http.Client{Transport: rt}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// recorder is a transport that records the last request and returns a valid answer.
type recorder struct {
	request *http.Request
	body    string
	calls   int
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.request, r.body = req, ""
	r.calls++
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		r.body = string(b)
	}
	switch path := req.URL.Path; {
	case path == "/v1/sessions/authenticate":
		return answer(200, goodVerdict), nil
	case path == "/v1/passwords/authenticate" && strings.Contains(r.body, "session"):
		return answer(200, goodPassword), nil
	case path == "/v1/passwords/authenticate":
		return answer(200, noSession), nil
	case path == "/v1/rbac/policy":
		return answer(200, goodPolicy), nil
	case strings.HasPrefix(path, "/v1/users/"):
		id, err := json.Marshal(strings.TrimPrefix(path, "/v1/users/"))
		return answer(200, `{"user_id":"`+userID+`","external_id":`+string(id)+`}`), err
	}
	return answer(200, `{"request_id":"request-id-test-1","status_code":200}`), nil
}

func TestClient_Requests(t *testing.T) {
	session := func(p stytch.AuthenticateSessionParams) func(*stytch.Client) error {
		return func(c *stytch.Client) error { _, err := c.AuthenticateSession(t.Context(), p); return err }
	}
	passwords := func(p stytch.AuthenticatePasswordParams) func(*stytch.Client) error {
		return func(c *stytch.Client) error { _, err := c.AuthenticatePassword(t.Context(), p); return err }
	}
	revoke := func(p stytch.RevokeSessionParams) func(*stytch.Client) error {
		return func(c *stytch.Client) error { return c.RevokeSession(t.Context(), p) }
	}
	const authenticate, login, end = "/v1/sessions/authenticate", "/v1/passwords/authenticate", "/v1/sessions/revoke"
	tests := []struct {
		name string
		call func(*stytch.Client) error
		path string
		body string // empty for a GET
	}{
		{"a session by its token", session(stytch.AuthenticateSessionParams{SessionToken: token}), authenticate, `{"session_token":"` + token + `"}`},
		{"a session by its JWT", session(stytch.AuthenticateSessionParams{SessionJWT: jwt}), authenticate, `{"session_jwt":"` + jwt + `"}`},
		{"the shortest session", session(stytch.AuthenticateSessionParams{SessionToken: token, SessionDuration: 5 * time.Minute}), authenticate, `{"session_token":"` + token + `","session_duration_minutes":5}`},
		{"the longest session", session(stytch.AuthenticateSessionParams{SessionToken: token, SessionDuration: 366 * 24 * time.Hour}), authenticate, `{"session_token":"` + token + `","session_duration_minutes":527040}`},
		{"a claim that is set", session(stytch.AuthenticateSessionParams{SessionToken: token, CustomClaims: map[string]any{"plan": "pro"}}), authenticate, `{"session_token":"` + token + `","session_custom_claims":{"plan":"pro"}}`},
		{"a claim that is deleted", session(stytch.AuthenticateSessionParams{SessionToken: token, CustomClaims: map[string]any{"plan": nil}}), authenticate, `{"session_token":"` + token + `","session_custom_claims":{"plan":null}}`},
		{"a nested claim that is deleted", session(stytch.AuthenticateSessionParams{SessionToken: token, CustomClaims: map[string]any{"a": map[string]any{"b": nil}}}), authenticate, `{"session_token":"` + token + `","session_custom_claims":{"a":{"b":null}}}`},
		{"claims that are empty", session(stytch.AuthenticateSessionParams{SessionToken: token, CustomClaims: map[string]any{}}), authenticate, `{"session_token":"` + token + `"}`},
		{"an authorization check", session(stytch.AuthenticateSessionParams{SessionToken: token, AuthorizationCheck: &stytch.AuthorizationCheck{ResourceID: "documents", Action: "read"}}), authenticate, `{"session_token":"` + token + `","authorization_check":{"resource_id":"documents","action":"read"}}`},
		{"a password alone", passwords(stytch.AuthenticatePasswordParams{Email: email, Password: password}), login, `{"email":"` + email + `","password":"` + password + `"}`},
		{"a password that needs escapes", passwords(stytch.AuthenticatePasswordParams{Email: email, Password: "\"<&\u2028é\\"}), login, `{"email":"` + email + `","password":"\"<&\u2028é\\"}`},
		{"a password that starts a session", passwords(stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionDuration: time.Hour, CustomClaims: map[string]any{"n": 1}}), login, `{"email":"` + email + `","password":"` + password + `","session_duration_minutes":60,"session_custom_claims":{"n":1}}`},
		{"a password for a session by its token", passwords(stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionToken: token}), login, `{"email":"` + email + `","password":"` + password + `","session_token":"` + token + `"}`},
		{"a password for a session by its JWT", passwords(stytch.AuthenticatePasswordParams{Email: email, Password: password, SessionJWT: jwt}), login, `{"email":"` + email + `","password":"` + password + `","session_jwt":"` + jwt + `"}`},
		{"a revocation by id", revoke(stytch.RevokeSessionParams{SessionID: sessionID}), end, `{"session_id":"` + sessionID + `"}`},
		{"a revocation by token", revoke(stytch.RevokeSessionParams{SessionToken: token}), end, `{"session_token":"` + token + `"}`},
		{"a revocation by JWT", revoke(stytch.RevokeSessionParams{SessionJWT: jwt}), end, `{"session_jwt":"` + jwt + `"}`},
		{"a user", func(c *stytch.Client) error { _, err := c.User(t.Context(), userID); return err }, "/v1/users/" + userID, ""},
		{"the policy", func(c *stytch.Client) error { _, err := c.Policy(t.Context()); return err }, "/v1/rbac/policy", ""},
		{"the key set", func(c *stytch.Client) error { _, err := c.KeySet(t.Context()); return err }, "/v1/sessions/jwks/" + projectID, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var rec recorder
			if err := test.call(newClient(t, &rec)); err != nil {
				t.Fatal(err)
			}
			if rec.calls != 1 {
				t.Errorf("got %d calls, want 1", rec.calls)
			}
			wantRequest(t, &rec, test.path, test.body)
		})
	}
}

// wantRequest fails the test unless the last request has this path and body, and exactly the
// headers that belong to them.
func wantRequest(t *testing.T, rec *recorder, path, body string) {
	t.Helper()
	method := http.MethodPost
	header := http.Header{"User-Agent": {"sessionauth-go"}, "Content-Type": {"application/json"}}
	if body == "" {
		method = http.MethodGet
		header.Del("Content-Type")
	}
	if !strings.Contains(path, "/jwks/") {
		basic := http.Request{Header: header}
		basic.SetBasicAuth(projectID, secret)
	}
	r := rec.request
	if r.Method != method {
		t.Errorf("method: got %s, want %s", r.Method, method)
	}
	if got, want := r.URL.String(), "https://test.stytch.com"+path; got != want {
		t.Errorf("URL: got %s, want %s", got, want)
	}
	if !reflect.DeepEqual(r.Header, header) {
		t.Errorf("header: got %v, want %v", r.Header, header)
	}
	if got, want := r.ContentLength, int64(len(rec.body)); got != want {
		t.Errorf("length: got %d, want %d", got, want)
	}
	if body == "" {
		if rec.body != "" {
			t.Errorf("body: got %s, want none", rec.body)
		}
		return
	}
	wantSameMembers(t, []byte(rec.body), []byte(body))
}

func TestUser_EscapesID(t *testing.T) {
	for _, test := range []struct{ id, want string }{
		{"crm|4711", "crm%7C4711"},
		{"a/b", "a%2Fb"},
		{"/", "%2F"},
		{"../sessions/authenticate", "..%2Fsessions%2Fauthenticate"},
		{"...", "..."},
		{"./", ".%2F"},
		{"a b", "a%20b"},
		{"a?b=c", "a%3Fb=c"},
		{"a#b", "a%23b"},
		{"a;b", "a%3Bb"},
		{"%2e%2e", "%252e%252e"},
		{"a%2Fb", "a%252Fb"},
		{"a\\b", "a%5Cb"},
		{"a\r\nHost: x", "a%0D%0AHost:%20x"},
		{"zoë", "zo%C3%AB"},
	} {
		var rec recorder
		if _, err := newClient(t, &rec).User(t.Context(), test.id); err != nil {
			t.Errorf("%q: %v", test.id, err)
			continue
		}
		if got, want := rec.request.URL.RequestURI(), "/v1/users/"+test.want; got != want {
			t.Errorf("%q: got %s, want %s", test.id, got, want)
		}
	}
}

func TestNewClient_BaseURL(t *testing.T) {
	for _, test := range []struct{ name, project, base, want string }{
		{"a test project's default", "project-test-1", "", "https://test.stytch.com"},
		{"a live project's default", "project-live-1", "", "https://api.stytch.com"},
		{"a custom domain", "project-live-1", "https://login.example.com", "https://login.example.com"},
		{"a slash at the end", "project-live-1", "https://login.example.com/", "https://login.example.com"},
		{"a port", "project-live-1", "https://login.example.com:8443", "https://login.example.com:8443"},
		{"loopback by name", "project-test-1", "http://localhost:8080", "http://localhost:8080"},
		{"loopback by IPv4", "project-test-1", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"loopback by another IPv4", "project-test-1", "http://127.8.9.10", "http://127.8.9.10"},
		{"loopback by IPv6", "project-test-1", "http://[::1]:8080", "http://[::1]:8080"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rec recorder
			own := secret
			if strings.HasPrefix(test.project, "project-live-") {
				own = "secret-live-1"
			}
			client, err := stytch.NewClient(stytch.Config{ProjectID: test.project, Secret: own, BaseURL: test.base, HTTPClient: &http.Client{Transport: &rec}})
			if err != nil {
				t.Fatal(err)
			}
			if got := client.BaseURL(); got != test.want {
				t.Errorf("BaseURL: got %s, want %s", got, test.want)
			}
			if got := client.ProjectID(); got != test.project {
				t.Errorf("ProjectID: got %s, want %s", got, test.project)
			}
			if _, err := client.KeySet(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := rec.request.URL.String(), test.want+"/v1/sessions/jwks/"+test.project; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestNewClient_CopiesHTTPClient(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stytchURL, err := url.Parse("https://test.stytch.com/")
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(stytchURL, []*http.Cookie{{Name: "before", Value: "1"}})
	var cookies []*http.Cookie
	given := &http.Client{Jar: jar, Transport: transport(func(r *http.Request) (*http.Response, error) {
		cookies = r.Cookies()
		return answer(200, goodUser, "Set-Cookie", "after=1"), nil
	})}
	client, err := stytch.NewClient(stytch.Config{ProjectID: projectID, Secret: secret, HTTPClient: given})
	if err != nil {
		t.Fatal(err)
	}
	if given.CheckRedirect != nil || given.Jar != jar {
		t.Errorf("got a changed http.Client, want it as it was")
	}
	given.Transport = transport(func(*http.Request) (*http.Response, error) {
		t.Error("got a call through the http.Client as it was changed later")
		return answer(200, goodUser), nil
	})
	if _, err := client.User(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	if len(cookies) != 0 {
		t.Errorf("got cookies %v sent, want none", cookies)
	}
	if got := jar.Cookies(stytchURL); len(got) != 1 {
		t.Errorf("got cookies %v, want the one that was there before", got)
	}
}
