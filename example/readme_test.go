package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadme_ConfigTables(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*\\|$")
	_, tables, _ := strings.Cut(readme(t), "\n## Configuration\n")
	tables, _, _ = strings.Cut(tables, "\n## ")
	config, cookies, _ := strings.Cut(tables, "| `Cookies` | default |")
	for _, tt := range []struct {
		table string
		of    reflect.Type
	}{
		{config, reflect.TypeFor[sessionauth.Config]()},
		{cookies, reflect.TypeFor[sessionauth.Cookies]()},
	} {
		rows := map[string]bool{}
		for _, m := range row.FindAllStringSubmatch(tt.table, -1) {
			rows[m[1]] = true
		}
		delete(rows, tt.of.Name()) // the first row is the heading of the table
		for _, f := range reflect.VisibleFields(tt.of) {
			if f.IsExported() && !rows[f.Name] && f.Name != "Cookies" {
				t.Errorf("README.md has no row for %s.%s", tt.of.Name(), f.Name)
			}
			delete(rows, f.Name)
		}
		for name := range rows {
			t.Errorf("README.md has a row for %s.%s, which does not exist", tt.of.Name(), name)
		}
	}
}

// The type of each problem links to a heading of the README, which must exist.
func TestReadme_ProblemHeadings(t *testing.T) {
	slugs := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(readme(t), -1) {
		slugs[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	problemType := regexp.MustCompile(`"type":"https://github\.com/sessionauth/sessionauth#([a-z-]+)"`)
	for _, err := range []error{
		sessionauth.ErrNoCredential, sessionauth.ErrInvalidRequest, sessionauth.ErrInvalidSession, sessionauth.ErrCrossOrigin,
		sessionauth.ErrForbidden, sessionauth.ErrStepUp, sessionauth.ErrUnavailable, os.ErrClosed,
		sessionauth.ErrSignIn, sessionauth.ErrResetPassword, sessionauth.ErrTooManyAttempts,
	} {
		w := httptest.NewRecorder()
		sessionauth.WriteError(w, httptest.NewRequest("GET", "/", nil), err)
		m := problemType.FindStringSubmatch(w.Body.String())
		if m == nil || !slugs[m[1]] {
			t.Errorf("%v: got %s, want a type that is a heading of README.md", err, w.Body)
		}
	}
}

// The README quotes TestHello word for word.
func TestReadme_QuotesTestHello(t *testing.T) {
	self, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(readme(t), "```go\nfunc ")
	block, _, _ = strings.Cut(block, "```\n")
	if !strings.HasPrefix(block, "TestHello(") || !strings.Contains(string(self), "\nfunc "+block) {
		t.Errorf("README.md does not quote TestHello of this file, got:\n%s", block)
	}
}

var hello = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

func TestHello(t *testing.T) {
	srv := stytchtest.NewServer()
	user := srv.AddUser(stytchtest.User{Email: "ada@example.com"})
	session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/hello", nil)
	r.Header.Set("Authorization", "Bearer "+session.Token) // or session.JWT
	w := httptest.NewRecorder()
	auth.Require(hello).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("got %d, want 200", w.Code)
	}
}
