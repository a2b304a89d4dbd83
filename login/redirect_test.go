package login_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/login"
)

// origin returns the origin to which a browser on https://app.example.com/login navigates for a
// Location, or "" if the URL has no origin. It implements section 4.4 of the URL Standard for
// origins without net/url.
func origin(location string) string {
	s := strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	scheme, rest, ok := cutScheme(s)
	switch {
	case !ok: // a relative URL
		scheme, rest = "https", s
		if len(slashes(s)) < 2 {
			return "https://" + home.Host
		}
	case scheme == "file" || !strings.Contains(" http https ftp ws wss ", " "+scheme+" "):
		return "" // javascript:, data:, mailto: and others
	case scheme == "https" && slashes(rest) == "": // "https:path" is relative to an https URL
		return "https://" + home.Host
	case scheme == "https" && len(slashes(rest)) == 1: // "https:/path" is relative too
		return "https://" + home.Host
	}
	host := rest[len(slashes(rest)):]
	if end := strings.IndexAny(host, `/\?#`); end >= 0 {
		host = host[:end]
	}
	return scheme + "://" + strings.ToLower(host[strings.LastIndexByte(host, '@')+1:])
}

// slashes returns the characters at the start of s that a browser treats as slashes.
func slashes(s string) string { return s[:len(s)-len(strings.TrimLeft(s, `/\`))] }

func cutScheme(s string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	if !ok || scheme == "" || scheme[0] < 'a' || scheme[0] > 'z' {
		return "", s, false
	}
	if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return "", s, false
	}
	return scheme, rest, true
}

func TestRedirectTo_OriginOfTheTest(t *testing.T) {
	const ours = "https://app.example.com"
	for location, want := range map[string]string{
		"/": ours, "/a?b=//c": ours, "": ours, "a": ours, "?a": ours, "#a": ours, "./a": ours, "https:a": ours, "https:/a": ours, "1:a": ours,
		"//evil.example": "https://evil.example", `/\evil.example`: "https://evil.example", `\\evil.example/a`: "https://evil.example",
		"/\t/evil.example": "https://evil.example", "/\r\n/evil.example": "https://evil.example", " //evil.example": "https://evil.example",
		"\x00//evil.example": "https://evil.example", "https:///evil.example": "https://evil.example", `https:\\evil.example`: "https://evil.example",
		"http:evil.example": "http://evil.example", "//app.example.com@evil.example": "https://evil.example", "////evil.example": "https://evil.example",
		"javascript:alert(1)": "", "JAVA\tSCRIPT:alert(1)": "", "data:,x": "", "//app.example.com/a": ours, "https://APP.example.com": ours,
		"//app.example.com:8443/": ours + ":8443",
	} {
		if got := origin(location); got != want {
			t.Errorf("got %q for %q, want %q", got, location, want)
		}
	}
}

// wantOurs checks that a Location leads to the same origin in every browser, and also behind a
// proxy that decodes it.
func wantOurs(t *testing.T, location, returnTo string) {
	t.Helper()
	path, _, _ := strings.Cut(location, "?")
	for range 3 {
		if got := origin(path); got != origin("/") || len(slashes(path)) != 1 || path[0] != '/' {
			t.Errorf("got Location %q for %q: read as %q it leads to %q", location, returnTo, path, got)
			return
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || strings.Contains(path, "%25") { // a proxy decodes only once
			break
		}
		path = decoded
	}
	if strings.ContainsFunc(location, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("got Location %q with a control character", location)
	}
}

func corpus(tb testing.TB) []string {
	tb.Helper()
	b, err := os.ReadFile("testdata/open-redirect/openredirects.txt")
	if err != nil {
		tb.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) != 559 {
		tb.Fatalf("got %d lines, want 559", len(lines))
	}
	return lines
}

func TestLogin_ReturnToOtherOrigins(t *testing.T) {
	more := []string{
		"//e", `/\e`, "/%2f/e", "/%2F%2Fe", "/%5ce", "/%5Ce", "https:e", "https:/e", "https://e", "javascript:alert(1)", "data:text/html,x",
		"/\t/e", "/\r\n/e", "/\n\\e", "\t//e", " //e", "\x00//e", "/\x00/e", "/%09/e", "/%0d%0a/e", "/%00/e", "/@e", "//@e", "/a//e", "/..//e", "/.//e", "/a/..//e",
		"/%2e%2e//e", "/./\\e", "///e", "////e", `\\e`, `\/e`, "e", "", "?e", "#e", "*", "/a\r\nSet-Cookie: x=y", "/\u2028/e", "/\u0085/e", "/\u3000/e", "\u00a0//e",
		"/%E2%80%A8/e", "/\uff0fe", "/\u2215e", "/%EF%BC%8Fe", "http:e", "ftp://e", "//e@app.example.com", "//app.example.com:443@e", "/%zz", "/%", "/a%", "/\u00ff", "/%ff//e",
		"https://app.example.com/", "//app.example.com/", "//", "//?a", "//#a", "/?", "/#",
	}
	s := newEnv(t)
	answer := s.signInAnswer()
	s.Tap(pathPassword, func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return authtest.Reply(200, answer), nil
	})
	for i, line := range append(corpus(t), more...) {
		t.Run(fmt.Sprintf("189 line %d", i+1), func(t *testing.T) {
			resp := s.other().postForm("/login", rightForm+"&return_to="+url.QueryEscape(line))
			if resp.StatusCode != 303 || len(resp.Header["Location"]) != 1 || len(resp.Cookies()) != 2 {
				t.Fatalf("got status %d and %d cookies, want 303 and 2", resp.StatusCode, len(resp.Cookies()))
			}
			wantOurs(t, resp.Header.Get("Location"), line)
			wantOurs(t, login.ReturnTo(newRequest("GET", "/login?return_to="+url.QueryEscape(line), "")), line)
		})
	}
}

// signInAnswer returns the answer of Stytch to the right password. A test can replay it, because a
// thousand real sign-ins would take long.
func (s *env) signInAnswer() string {
	var answer string
	s.Tap(pathPassword, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		resp, err := stytch.RoundTrip(r)
		if err == nil {
			answer = peek(resp)
		}
		return resp, err
	})
	s.want(s.other().postJSON("/login", right), 200)
	return answer
}

// good lists paths on the same origin.
var good = []string{
	"/", "/notes", "/notes/", "/notes/7", "/notes?page=2", "/notes?page=2&q=a+b%26c", "/a?next=https://example.com//x", "/a?b=%2f%2fc", "/a%20b", "/%C3%BC?%C3%BC=1",
	"/a.b/c-d_e~f", "/a;b=c", "/a:b", "/@me", "/a@b", "/a%25b", "/search?q=%5C", "/1,2/(3)", "/%E6%97%A5%E6%9C%AC?x", "/a=b&c", "/!$'*+",
	"/a//b", "/a//", "/a/b///c?d=e", "/proxy/https://example.com/a", "/a%5Cb", "/a/%5C%5Cb", "/a%2F%2Fb", "/a/%2F/b", "/a/../b//c",
}

func TestLogin_ReturnToOtherOriginsBecomesTheRoot(t *testing.T) {
	for _, path := range []string{"//evil.example/notes", "https://evil.example/notes", `/\evil.example`, "notes", "/.//notes", "/a/..//notes", "/a/%2e%2e/%5Cnotes", "/%2f../notes", `/a\b`, "/a%0D%0Ab", "/%5cnotes", "/a\tb", "//", "/%09/notes", ""} {
		if got := login.ReturnTo(newRequest("GET", "/login?return_to="+url.QueryEscape(path), "")); got != "/" {
			t.Errorf("got %q for %q, want /", got, path)
		}
	}
}

func TestLogin_ReturnToIsKept(t *testing.T) {
	for _, path := range good {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				resp := s.postForm("/login", rightForm+"&return_to="+url.QueryEscape(path))
				if got := resp.Header.Get("Location"); got != path {
					t.Errorf("got Location %q, want %q", got, path)
				}
			})
		})
	}
}

func TestRedirectTo_Answers(t *testing.T) {
	redirect := login.RedirectTo("/login")
	const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	ended := &sessionauth.Error{Kind: sessionauth.ErrInvalidSession, Reason: sessionauth.ReasonEnded}
	rows := []struct {
		name, method, accept string
		err                  error
		status               int
	}{
		{"a page, not signed in", "GET", html, sessionauth.ErrNoCredential, 303},
		{"a page, session ended", "GET", html, ended, 303},
		{"a page, session refused", "GET", html, sessionauth.ErrInvalidSession, 303},
		{"a page's header", "HEAD", html, sessionauth.ErrNoCredential, 303},
		{"a page in capitals", "GET", "TEXT/HTML", sessionauth.ErrNoCredential, 303},
		{"a wrapped error", "GET", html, fmt.Errorf("route: %w", sessionauth.ErrNoCredential), 303},
		{"a form", "POST", html, sessionauth.ErrNoCredential, 401},
		{"a change", "PUT", html, sessionauth.ErrNoCredential, 401},
		{"a deletion", "DELETE", html, ended, 401},
		{"a preflight", "OPTIONS", html, sessionauth.ErrNoCredential, 401},
		{"get in small letters", "get", html, sessionauth.ErrNoCredential, 401},
		{"a script", "GET", "*/*", sessionauth.ErrNoCredential, 401},
		{"a script for JSON", "GET", "application/json", ended, 401},
		{"a picture", "GET", "image/avif,image/webp,*/*;q=0.8", sessionauth.ErrNoCredential, 401},
		{"no Accept", "GET", "", sessionauth.ErrNoCredential, 401},
		{"cannot decide", "GET", html, sessionauth.ErrUnavailable, 503},
		{"forbidden", "GET", html, sessionauth.ErrForbidden, 403},
		{"cross-origin", "GET", html, sessionauth.ErrCrossOrigin, 403},
		{"step-up", "GET", html, sessionauth.ErrStepUp, 401},
		{"a bad request", "GET", html, sessionauth.ErrInvalidRequest, 400},
		{"too many attempts", "GET", html, sessionauth.ErrTooManyAttempts, 429},
		{"a wrong password", "GET", html, sessionauth.ErrSignIn, 401},
		{"a password to be reset", "GET", html, sessionauth.ErrResetPassword, 403},
		{"an error of others", "GET", html, errors.New("disk full"), 500},
		{"cannot decide about one of two", "GET", html, errors.Join(sessionauth.ErrInvalidSession, sessionauth.ErrUnavailable), 503},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r, w := newRequest(row.method, "/notes?page=2", "", "Accept: "+row.accept), httptest.NewRecorder()
			redirect(w, r, row.err)
			location := w.Header().Get("Location")
			if w.Code != row.status || (location != "") != (row.status == 303) {
				t.Fatalf("got %d and Location %q, want %d", w.Code, location, row.status)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("got Cache-Control %q, want no-store", got)
			}
			if row.status == 303 && location != "/login?return_to=%2Fnotes%3Fpage%3D2" {
				t.Errorf("got Location %q, want the sign-in page with return_to", location)
			}
		})
	}
}

func TestRedirectTo_ReturnToRoundTrips(t *testing.T) {
	redirect := login.RedirectTo("/login")
	for _, path := range good {
		r, w := newRequest("GET", path, "", "Accept: text/html"), httptest.NewRecorder()
		redirect(w, r, sessionauth.ErrNoCredential)
		if got := login.ReturnTo(newRequest("GET", w.Header().Get("Location"), "")); got != path {
			t.Errorf("got %q back, want %q", got, path)
		}
	}
	for _, path := range []string{"//evil.example/", "/%5cevil.example", "/..//evil.example", "/%2f%2fevil.example", "https://evil.example//x", "*"} {
		r, w := newRequest("GET", "/", "", "Accept: text/html"), httptest.NewRecorder()
		r.URL, r.RequestURI = &url.URL{Path: path}, path
		redirect(w, r, sessionauth.ErrNoCredential)
		if got := w.Header().Get("Location"); got != "/login?return_to=%2F" {
			t.Errorf("got Location %q for %q, want no other path than /", got, path)
		}
	}
}

func TestRedirectTo_SignInPageBehindRequire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.ErrorHandler = login.RedirectTo("/login") })
		resp := s.get("/me?a=b", "Accept: text/html")
		s.want(resp, 303)
		page := newRequest("GET", resp.Header.Get("Location"), "")
		resp = s.postForm("/login", rightForm+"&return_to="+url.QueryEscape(login.ReturnTo(page)))
		if got := resp.Header.Get("Location"); got != "/me?a=b" {
			t.Errorf("got Location %q, want /me?a=b", got)
		}
		s.want(s.get("/me?a=b", "Accept: text/html"), 200)
		s.want(s.postForm("/login", "email=x&password=x", "Accept: text/html"), 401)
	})
}

func TestRedirectTo_ReturnToIsTheWholePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.ErrorHandler = login.RedirectTo("/login") })
		s.browser.site = http.StripPrefix("/app", s.browser.site)
		want := "/login?return_to=" + url.QueryEscape("/app/me?a=b")
		if got := s.get("/app/me?a=b", "Accept: text/html").Header.Get("Location"); got != want {
			t.Errorf("got Location %q, want %q: what the browser asked for", got, want)
		}
	})
}

func TestRedirectTo_Panics(t *testing.T) {
	for _, path := range []string{"", "login", "//evil.example", "https://evil.example/", `/\evil.example`, "/login?a=b", "/login#a", "/a//b", "/log\nin"} {
		func() {
			defer func() {
				if v := recover(); v == nil || strings.Contains(fmt.Sprint(v), "evil") {
					t.Errorf("got %v for %q, want a panic with a fixed text", v, path)
				}
			}()
			login.RedirectTo(path)
		}()
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, line := range append(corpus(f), good...) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := newRequest("GET", "/login", "")
		r.URL.RawQuery = url.Values{"return_to": {s}}.Encode()
		got := login.ReturnTo(r)
		wantOurs(t, got, s)
		w := httptest.NewRecorder()
		http.Redirect(w, r, got, http.StatusSeeOther)
		wantOurs(t, w.Header().Get("Location"), s)
		r.URL.RawQuery = url.Values{"return_to": {got}}.Encode()
		if again := login.ReturnTo(r); again != got {
			t.Errorf("got %q for %q, which %q gave: want it unchanged", again, got, s)
		}
	})
}
