package site

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A browser requests pages, posts forms and keeps cookies.
type browser struct {
	*env
	cookies map[string]string
	from    string // value of the Sec-Fetch-Site field
}

func (s *env) browser() *browser {
	return &browser{s, map[string]string{}, "same-origin"}
}

// person adds a user for one of the demo accounts and signs in.
func (s *env) person(a account, roles ...string) *browser {
	s.t.Helper()
	first, _, _ := strings.Cut(a.Email, "@")
	s.stytch.AddUser(stytchtest.User{Email: a.Email, Password: a.Password, Name: stytch.Name{FirstName: first}, Roles: roles})
	b := s.browser()
	b.redirected(b.post("/login", "email", a.Email, "password", a.Password, "return_to", "/app/notes"), "/app/notes")
	return b
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	return b.do(httptest.NewRequest("GET", path, nil))
}

// post sends a form. pairs alternates names and values.
func (b *browser) post(path string, pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Site", b.from)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return w
}

// shown checks that the response is a page with the header fields of all pages, and
// that it contains the texts.
func (b *browser) shown(w *httptest.ResponseRecorder, status int, texts ...string) {
	b.t.Helper()
	if w.Code != status || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		b.t.Fatalf("got %d %s, want a page with status %d\n%s", w.Code, w.Header(), status, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		"Cache-Control":           "no-store",
		"Referrer-Policy":         "same-origin",
		"X-Content-Type-Options":  "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			b.t.Errorf("got %s: %s, want %s", name, got, want)
		}
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			b.t.Errorf("got a page without %s:\n%s", text, w.Body)
		}
	}
}

// lacks checks that the page contains none of the texts.
func (b *browser) lacks(w *httptest.ResponseRecorder, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if strings.Contains(w.Body.String(), text) {
			b.t.Errorf("got a page with %s:\n%s", text, w.Body)
		}
	}
}

// redirected checks that the response redirects to the given path.
func (b *browser) redirected(w *httptest.ResponseRecorder, to string) {
	b.t.Helper()
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != to {
		b.t.Fatalf("got %d to %q, want 303 to %q\n%s", w.Code, got, to, w.Body)
	}
}

// The Content-Security-Policy of the pages blocks scripts and inline styles.
func TestPages_NoScriptsNoInlineStyles(t *testing.T) {
	entries, err := files.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := files.ReadFile("pages/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, no := range []string{"<script", "<style", "style=", "onclick", "javascript:", "url("} {
			if strings.Contains(string(content), no) {
				t.Errorf("%s contains %s", e.Name(), no)
			}
		}
	}
}

func TestAssets(t *testing.T) {
	s := newEnv(t)
	for path, contentType := range map[string]string{"/style.css": "text/css; charset=utf-8", "/favicon.svg": "image/svg+xml"} {
		w := s.send("", "GET", path, "")
		s.want(w, 200)
		if got := w.Header().Get("Content-Type"); got != contentType || w.Body.Len() == 0 {
			t.Errorf("%s: got %d bytes of %q, want %q", path, w.Body.Len(), got, contentType)
		}
	}
}

func TestNotFound_Page(t *testing.T) {
	s := newEnv(t)
	b := s.browser()
	b.shown(b.get("/nothing"), 404, "Page not found")
}
