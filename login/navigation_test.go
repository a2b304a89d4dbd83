package login_test

import (
	"bufio"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const chromesAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"

func TestRedirectTo_Navigations(t *testing.T) {
	const mode, dest, html = "Sec-Fetch-Mode: ", "Sec-Fetch-Dest: ", "Accept: " + chromesAccept
	rows := []struct {
		name   string
		status int
		fields []string
	}{
		{"a browser", 303, []string{mode + "navigate", dest + "document", "Sec-Fetch-Site: none", "Sec-Fetch-User: ?1", html}},
		{"a browser on http", 303, []string{html}},
		{"a browser whose Accept an extension has replaced", 303, []string{mode + "navigate", dest + "document", "Accept: */*"}},
		{"a browser that sends the mode only", 303, []string{mode + "navigate", html}},
		{"an Android app's browser", 303, []string{"X-Requested-With: com.example.app", html}},
		{"a reload of a page", 303, []string{mode + "navigate", dest + "document", "Cache-Control: max-age=0", html}},

		{"HTML refused", 401, []string{"Accept: text/html;q=0"}},
		{"HTML refused, with a space and decimals", 401, []string{"Accept: text/html ; q=0.000, */*"}},
		{"HTML refused, in capitals", 401, []string{"Accept: TEXT/HTML;Q=0"}},
		{"HTML refused after another parameter", 401, []string{"Accept: text/html;level=1;q=0"}},
		{"a weight that is not a number", 401, []string{"Accept: text/html;q=x"}},
		{"a weight that is NaN", 401, []string{"Accept: text/html;q=NaN"}},
		{"a weight above 1", 401, []string{"Accept: text/html;q=2"}},
		{"HTML with a low weight", 303, []string{"Accept: text/plain;q=0.5, text/html;q=0.001"}},
		{"HTML with a parameter", 303, []string{"Accept: text/html;level=1"}},
		{"HTML in a second field", 303, []string{"Accept: image/png", "Accept: text/html"}},
		{"HTML refused, and accepted by a parameter", 303, []string{"Accept: text/html;q=0, text/html;level=1"}},
		{"JSON preferred", 401, []string{"Accept: application/json, text/html;q=0.9"}},
		{"problem details preferred", 401, []string{"Accept: text/html;q=0.5, application/problem+json;q=0.6"}},
		{"JSON and HTML alike", 303, []string{"Accept: application/json, text/html"}},
		{"a type that begins like HTML", 401, []string{"Accept: text/html-sandboxed"}},
		{"a type that contains HTML", 401, []string{"Accept: application/json;profile=text/html"}},
		{"any text", 401, []string{"Accept: text/*"}},
		{"anything", 401, []string{"Accept: */*"}},

		{"fetch", 401, []string{mode + "cors", dest + "empty", html}},
		{"fetch of the same origin", 401, []string{mode + "same-origin", dest + "empty", html}},
		{"fetch without cors", 401, []string{mode + "no-cors", html}},
		{"a WebSocket", 401, []string{mode + "websocket", dest + "websocket", html}},
		{"a frame", 401, []string{mode + "navigate", dest + "iframe", html}},
		{"an image", 401, []string{mode + "no-cors", dest + "image", html}},
		{"a destination without a mode", 401, []string{dest + "empty", html}},
		{"XMLHttpRequest of jQuery", 401, []string{"X-Requested-With: XMLHttpRequest", html}},
		{"htmx", 401, []string{"HX-Request: true", html}},
		{"a frame of Turbo", 401, []string{"Turbo-Frame: notes", html}},

		{"a prefetch", 401, []string{"Sec-Purpose: prefetch", mode + "navigate", dest + "document", html}},
		{"a prerender", 401, []string{"Sec-Purpose: prefetch;prerender", mode + "navigate", dest + "document", html}},
		{"a prefetch of Safari", 401, []string{"Purpose: prefetch", html}},
		{"a preview of Safari", 401, []string{"X-Purpose: preview", html}},
		{"a prefetch of Firefox", 401, []string{"X-Moz: prefetch", html}},
	}
	for _, row := range rows {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(row.name+" "+method, func(t *testing.T) {
				w := httptest.NewRecorder()
				login.RedirectTo("/login")(w, newRequest(method, "/notes", "", row.fields...), sessionauth.ErrNoCredential)
				if w.Code != row.status {
					t.Errorf("got %d, want %d", w.Code, row.status)
				}
			})
		}
		t.Run(row.name+" POST", func(t *testing.T) {
			w := httptest.NewRecorder()
			login.RedirectTo("/login")(w, newRequest("POST", "/notes", "", row.fields...), sessionauth.ErrNoCredential)
			if w.Code != 401 {
				t.Errorf("got %d, want 401", w.Code)
			}
		})
	}
}

// returnTo returns the return_to parameter of the redirect that a handler writes.
func returnTo(t *testing.T, handler http.Handler, r *http.Request) string {
	t.Helper()
	r.Header.Set("Accept", chromesAccept)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	path, query, _ := strings.Cut(w.Header().Get("Location"), "?")
	values, err := url.ParseQuery(query)
	if w.Code != 303 || path != "/login" || err != nil || len(values["return_to"]) != 1 {
		t.Fatalf("got %d and Location %q, want a redirect to the sign-in page", w.Code, w.Header().Get("Location"))
	}
	return values.Get("return_to")
}

var toSignIn = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	login.RedirectTo("/login")(w, r, sessionauth.ErrNoCredential)
})

func TestRedirectTo_RequestTargets(t *testing.T) {
	parsed := func(target string) *http.Request {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: app.example.com\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	fastCGI := func(target string) *http.Request { // package fcgi makes its requests with RequestFromMap
		r, err := cgi.RequestFromMap(map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "app.example.com", "HTTPS": "on", "REQUEST_URI": target})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	rows := []struct {
		name    string
		request *http.Request
		strip   string
		want    string
	}{
		{"origin form", parsed("/app/notes?page=2"), "", "/app/notes?page=2"},
		{"a stripped prefix", parsed("/app/notes?page=2"), "/app", "/app/notes?page=2"},
		{"a stripped prefix with a slash", parsed("/app/notes?page=2"), "/app/", "/app/notes?page=2"},
		{"absolute form", parsed("https://app.example.com/notes?page=2"), "", "/notes?page=2"},
		{"absolute form, with http", parsed("http://app.example.com:80/notes"), "", "/notes"},
		{"absolute form without a path", parsed("https://app.example.com"), "", "/"},
		{"absolute form without a path, with a query", parsed("https://app.example.com?page=2"), "", "/?page=2"},
		{"absolute form with a stripped prefix", parsed("https://app.example.com/app/notes"), "/app", "/app/notes"},
		{"absolute form of another host", parsed("https://evil.example//evil.example"), "", "/"},
		{"absolute form with an escaped slash", parsed("https://evil.example/%2fevil.example"), "", "/"},
		{"a backslash in the query", parsed(`/search?q=a\b`), "", "/search?q=a%5Cb"},
		{"a query of raw UTF-8", parsed("/search?q=\u00fc"), "", "/search?q=%C3%BC"},
		{"a fragment within the query", parsed("/search?q=1#top"), "", "/search?q=1"},
		{"FastCGI", fastCGI("/notes?page=2"), "", "/notes?page=2"},
		{"FastCGI, escaped", fastCGI("/a%5Cb//c?d=%2F"), "", "/a%5Cb//c?d=%2F"},
		{"FastCGI with a stripped prefix", fastCGI("/app/notes?page=2"), "/app", "/notes?page=2"},
		{"FastCGI with a stripped prefix and slash", fastCGI("/app/notes?page=2"), "/app/", "/notes?page=2"},
		{"FastCGI, two slashes", fastCGI("//evil.example"), "", "/"},
		{"FastCGI, two slashes after the prefix", fastCGI("/app//evil.example"), "/app", "/"},
		{"FastCGI, a backslash after the prefix", fastCGI("/app/%5Cevil.example"), "/app/", "/"},
		{"a target that is too long for the form", parsed("/a?" + strings.Repeat("b", 5000)), "", "/"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var handler http.Handler = toSignIn
			if row.strip != "" {
				handler = http.StripPrefix(row.strip, handler)
			}
			got := returnTo(t, handler, row.request)
			if got != row.want {
				t.Errorf("got return_to %q, want %q", got, row.want)
			}
			wantOurs(t, got, row.name)
		})
	}
}

func TestRedirectTo_OpenRedirects(t *testing.T) {
	for _, line := range corpus(t) {
		u, err := url.Parse(line)
		if err != nil {
			u = &url.URL{Path: line}
		}
		for _, uri := range []string{line, ""} {
			r := newRequest("GET", "/", "")
			r.RequestURI, r.URL = uri, u
			wantOurs(t, returnTo(t, toSignIn, r), line)
		}
	}
}

func TestRedirectTo_SignInPageItself(t *testing.T) {
	for _, target := range []string{"/login", "/login?return_to=%2Fnotes"} {
		for _, err := range []error{sessionauth.ErrNoCredential, &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonAmbiguous}} {
			w := httptest.NewRecorder()
			login.RedirectTo("/login")(w, newRequest("GET", target, "", "Accept: text/html"), err)
			if got := w.Header().Get("Location"); got != "" || w.Code < 400 {
				t.Errorf("got %d and Location %q for %s, want no redirect: the browser would follow it without end", w.Code, got, target)
			}
		}
	}
}

// If a browser has the cookies of two users, RedirectTo sends it to the sign-in page, which
// replaces them.
func TestRedirectTo_CookiesOfTwoUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.ErrorHandler = login.RedirectTo("/login") })
		ada := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		planted := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.hold(ada.Token, "")
		cookie := "Cookie: stytch_session=" + planted.Token
		s.wantProblem(s.get("/me", cookie), 400, "invalid-request", badCredential)
		s.wantProblem(s.get("/me", cookie, "Accept: text/html", "X-Requested-With: XMLHttpRequest"), 400, "invalid-request", badCredential)
		s.wantProblem(s.postForm("/step-up", rightForm, cookie, "Accept: text/html"), 400, "invalid-request", badCredential)

		page := s.get("/me", cookie, "Accept: text/html")
		s.want(page, 303)
		s.wantUntouched(page)
		if got := page.Header.Get("Location"); got != "/login?return_to=%2Fme" {
			t.Fatalf("got Location %q, want the sign-in page", got)
		}
		s.want(s.postForm("/login", rightForm+"&return_to=/me", cookie), 303)
		if got := s.session(s.get("/me", cookie)); got.UserID != s.ada.ID || got.ID == ada.ID {
			t.Errorf("got session %s of %s, want a new one of Ada, although the planted cookie stays", got.ID, got.UserID)
		}
	})
}

func TestRedirectTo_OtherBadRequests(t *testing.T) {
	ambiguous := &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonAmbiguous}
	for _, row := range []struct {
		name   string
		err    error
		fields string
		want   int
	}{
		{"cookies of two users", ambiguous, "", 303},
		{"cookies of two users, behind Basic authentication", ambiguous, "Authorization: Basic eDp5", 303},
		{"two headers", ambiguous, "Authorization: Bearer a\nAuthorization: Bearer b", 400},
		{"a malformed header", &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed}, "", 400},
		{"ambiguous, of another kind", &sessionauth.Error{Kind: sessionauth.ErrUnavailable, Reason: sessionauth.ReasonAmbiguous}, "", 503},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), newRequest("GET", "/notes", "", "Accept: text/html")
			for field := range strings.SplitSeq(row.fields, "\n") {
				if name, value, ok := strings.Cut(field, ": "); ok {
					r.Header.Add(name, value)
				}
			}
			login.RedirectTo("/login")(w, r, row.err)
			if w.Code != row.want {
				t.Errorf("got %d, want %d", w.Code, row.want)
			}
		})
	}
}
