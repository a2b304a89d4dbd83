package e2e_test

import (
	"net/url"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	tokenCookie = "stytch_session"
	jwtCookie   = "stytch_session_jwt"
)

func wrongPassword(s *env) {
	tb := s.newBrowser()
	tb.open("/login?return_to=/app/notes")
	for _, row := range []struct{ name, email, password string }{
		{"a wrong password", ada, "not " + password},
		{"an unknown e-mail address", "nobody@example.com", password},
	} {
		wantStatus(s.T, row.name, tb.submitSignIn(row.email, row.password), 401)
		if got, want := tb.text("p#error[role=alert]"), "Wrong e-mail address or password."; got != want {
			s.Errorf("%s: got the message %q, want %q", row.name, got, want)
		}
		if n := len(tb.cookies()); n > 0 {
			s.Errorf("%s: got %d cookies, want none", row.name, n)
		}
		if got := run(tb, chromedp.Value(chromedp.CSS(`input[name=email]`))); got != row.email {
			s.Errorf("%s: got the e-mail address %q, want it shown again", row.name, got)
		}
		if got := run(tb, chromedp.Value(chromedp.CSS(`input[name=password]`))); got != "" {
			s.Errorf("%s: the page contains the password", row.name)
		}
	}
	tb.wantSignedOut()

	tb.open("/login?return_to=/app/notes")
	tb.submitSignIn(ada, "not "+password)
	wantStatus(s.T, "the right password after a wrong one", tb.submitSignIn(ada, password), 200)
	tb.wantAt("/app/notes")
}

func signInReturns(s *env) {
	tb := s.newBrowser()
	tb.open("/app/account?tab=1&of=%2F2")
	if want := "/login?" + (url.Values{"return_to": {"/app/account?tab=1&of=%2F2"}}).Encode(); tb.path() != want {
		s.Fatalf("got to %s, want %s", tb.path(), want)
	}
	wantStatus(s.T, "sign-in", tb.submitSignIn(ada, password), 200)
	tb.wantAt("/app/account?tab=1&of=%2F2")

	cookies := tb.cookies()
	if len(cookies) != 2 {
		s.Errorf("got %d cookies, want 2", len(cookies))
	}
	for _, name := range []string{tokenCookie, jwtCookie} {
		c := cookies[name]
		if c == nil {
			s.Fatalf("got no cookie %s", name)
		}
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || strings.HasPrefix(c.Domain, ".") {
			s.Errorf("%s: got HttpOnly %v, SameSite %s, path %s, domain %s", name, c.HTTPOnly, c.SameSite, c.Path, c.Domain)
		}
		if c.Secure {
			s.Errorf("%s: got Secure, want a cookie that works without TLS", name)
		}
		left := time.Until(time.Unix(int64(c.Expires), 0))
		if c.Session || left < 55*time.Minute || left > 61*time.Minute {
			s.Errorf("%s: got %v to live, want an hour", name, left)
		}
	}
}

func signInStaysHere(s *env) {
	tb := s.newBrowser()
	for _, elsewhere := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, "/\t/evil.example/"} {
		tb.open("/login?" + url.Values{"return_to": {elsewhere}}.Encode())
		wantStatus(s.T, elsewhere, tb.submitSignIn(ada, password), 200)
		tb.wantAt("/")
	}
}

func signInAgain(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	old := tb.cookies()
	tb.signIn(grace, "/app/notes")
	for name, c := range tb.cookies() {
		if c.Value == old[name].Value {
			s.Errorf("%s: got the old value after signing in again", name)
		}
	}
	wantInvalid(s, old)
}

func signOut(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	old := tb.cookies()
	wantStatus(s.T, "sign-out", tb.click("form#sign-out button"), 200)
	tb.wantAt("/")
	if tb.has("form#sign-out") {
		s.Error("got a sign-out button after signing out")
	}
	if n := len(tb.cookies()); n > 0 {
		s.Errorf("got %d cookies after signing out, want none", n)
	}
	tb.wantSignedOut()
	wantInvalid(s, old)
}

// wantInvalid checks that the site refuses the cookies when another browser sends them.
func wantInvalid(s *env, cookies map[string]*network.Cookie) {
	s.Helper()
	thief := s.newBrowser()
	for name, c := range cookies {
		call(thief, network.SetCookie, network.SetCookieParams{Name: name, Value: c.Value, URL: s.url})
	}
	if len(thief.cookies()) != 2 {
		s.Fatal("the cookies are not in the other browser")
	}
	thief.wantSignedOut()
}

func backButton(s *env) {
	const private = "only for my eyes"
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	tb.addNote(private)
	tb.open("/app/account")
	tb.open("/app/notes")
	if !strings.Contains(tb.content(), private) {
		s.Fatal("the note is not on the notes page")
	}
	tb.click("form#sign-out button")
	pages := 0
	for tb.back() {
		pages++
		if strings.Contains(tb.content(), private) || tb.has("#user") || tb.has("form#sign-out") {
			s.Errorf("back at %s: got a private page", tb.path())
		}
	}
	if pages < 4 {
		s.Errorf("got %d pages in the history, want at least 4", pages)
	}
}

// back presses the back button. On the first page it returns false. It polls the history of the
// tab, because a page from the back-forward cache sends no load event.
func (tb *tab) back() bool {
	tb.t.Helper()
	history := call(tb, page.GetNavigationHistory, cdp.Empty{})
	i := history.CurrentIndex - 1
	if i < 0 {
		return false
	}
	call(tb, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[i].ID})
	eventually(tb.t, patience, "the previous page", func() bool {
		// While the browser changes from one page to the next, it returns errors.
		now, err := chromedp.Call(tb.ctx, page.GetNavigationHistory, cdp.Empty{})
		if err != nil || now.CurrentIndex != i {
			return false
		}
		state, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string](`document.readyState`))
		return err == nil && state == "complete"
	})
	return true
}
