package stytchtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	email    = "ada@example.com"
	password = "correct horse battery staple"
)

// setup returns a server with one user, who has one session.
func setup(t *testing.T) (*stytchtest.Server, stytch.User, stytchtest.Session) {
	t.Helper()
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{Email: email, Password: password})
	return srv, user, srv.StartSession(user.ID, stytchtest.SessionOptions{})
}

func typed(t *testing.T, srv *stytchtest.Server) *stytch.Client {
	t.Helper()
	c, err := stytch.NewClient(stytch.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An answer is a decoded response.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func newRequest(t *testing.T, srv *stytchtest.Server, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(srv.ProjectID, srv.Secret)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func send(t *testing.T, c *http.Client, r *http.Request) answer {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if err := json.Unmarshal(raw, &a.body); err != nil {
		t.Fatalf("status %d, and not JSON: %q", resp.StatusCode, raw)
	}
	return a
}

func post(t *testing.T, srv *stytchtest.Server, path, body string) answer {
	t.Helper()
	return send(t, srv.Client(), newRequest(t, srv, "POST", path, body))
}

func get(t *testing.T, srv *stytchtest.Server, path string) answer {
	t.Helper()
	return send(t, srv.Client(), newRequest(t, srv, "GET", path, ""))
}

// want fails the test unless the answer has this status and error_type.
func (a answer) want(t *testing.T, status int, errorType string) {
	t.Helper()
	got, _ := a.body["error_type"].(string)
	if a.status != status || got != errorType {
		t.Fatalf("got %d %q, want %d %q: %s", a.status, got, status, errorType, a.raw)
	}
}

// at returns a value in the body. The path consists of names of members and indexes of elements.
func (a answer) at(path ...any) any {
	var v any = a.body
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// equal compares a value with a JSON text.
func equal(t *testing.T, what string, got any, want string) {
	t.Helper()
	if b := asJSON(t, got); string(b) != want {
		t.Errorf("%s: got %s, want %s", what, b, want)
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func names(o any) []string {
	var list []string
	m, _ := o.(map[string]any)
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func panics(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Errorf("%s: did not panic", what)
		}
	}()
	f()
}

const (
	authenticatePath = "/v1/sessions/authenticate"
	signInPath       = "/v1/passwords/authenticate"
	userPath         = "/v1/users/{user_id}"
	keySetPath       = "/v1/sessions/jwks/{project_id}"
)

// A result is the response that a caller receives, together with the way in which the call ended.
type result struct {
	*http.Response
	body string
	err  error // error of the call or of reading the body
}

// try makes a call and reads at most limit bytes of the body.
func try(c *http.Client, r *http.Request, limit int64) result {
	resp, err := c.Do(r)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	return result{resp, string(raw), err}
}

// everyWay runs a test twice, each time with a new server: through Server.Client and over a socket.
func everyWay(t *testing.T, f func(*testing.T, *stytchtest.Server, *http.Client, stytchtest.Session)) {
	t.Helper()
	t.Run("in memory", func(t *testing.T) {
		srv, _, session := setup(t)
		f(t, srv, srv.Client(), session)
	})
	t.Run("on a socket", func(t *testing.T) {
		srv, _, session := setup(t)
		ts := httptest.NewServer(srv)
		defer ts.Close() // waits for all calls, so none may hang
		srv.URL = ts.URL
		f(t, srv, ts.Client(), session)
	})
}

const policyPath = "/v1/rbac/policy"

const credentials = `"email":"` + email + `","password":"` + password + `"`
