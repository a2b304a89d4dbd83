package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// noteIDs are of the notes on the page, the newest first.
func (b *browser) noteIDs() (ids []string) {
	b.t.Helper()
	w := b.get("/app/notes")
	b.shown(w, 200, `<ul id="notes"`)
	for _, m := range regexp.MustCompile(`action="/app/notes/(\w+)/delete"`).FindAllStringSubmatch(w.Body.String(), -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestNotesOnAPage(t *testing.T) {
	s := newStage(t)
	b := s.person(ada)
	b.shown(b.get("/app/notes"), 200, "There are no notes yet.", `<form id="add"`)
	b.redirected(b.post("/app/notes", "text", "<b>one</b>\r\ntwo"), "/app/notes")
	b.shown(b.get("/app/notes"), 200, "&lt;b&gt;one&lt;/b&gt;\ntwo", `<span class="owner">ada</span>`)

	ids := b.noteIDs()
	b.redirected(b.post("/app/notes/"+ids[0]+"/delete"), "/app/notes")
	b.shown(b.post("/app/notes/"+ids[0]+"/delete"), 404, `id="error"`, "You have no note with this id.")
	if ids := b.noteIDs(); len(ids) != 0 {
		t.Errorf("got notes %v, want none", ids)
	}
}

func TestWhatIsNoNoteOnAPage(t *testing.T) {
	s := newStage(t)
	b := s.person(ada)
	long := strings.Repeat("é", maxText/2) + "!"
	for _, tt := range []struct {
		name   string
		form   []string
		status int
		says   string
	}{
		{"empty", []string{"text", ""}, 400, "A note has 1 to 1000 bytes of text."},
		{"white space", []string{"text", " \r\n"}, 400, "A note has 1 to 1000 bytes of text."},
		{"too long, and kept", []string{"text", long}, 400, long},
		{"two texts", []string{"text", "x", "text", "y"}, 400, "A note has"},
		{"another name", []string{"note", "x"}, 400, "A note has"},
		{"invalid UTF-8", []string{"text", "\xff"}, 400, "A note has"},
		{"too large", []string{"text", strings.Repeat("x", maxBody)}, 413, "larger than 8 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.stage.t = t
			b.shown(b.post("/app/notes", tt.form...), tt.status, `<p id="error"`, tt.says)
		})
	}
	b.stage.t = t
	if ids := b.noteIDs(); len(ids) != 0 {
		t.Errorf("got notes %v, want none", ids)
	}
}

func TestAnAdminDeletesAnybodysNote(t *testing.T) {
	s := newStage(t)
	a, g := s.person(ada), s.person(grace, "admin")
	a.redirected(a.post("/app/notes", "text", "of ada"), "/app/notes")
	g.redirected(g.post("/app/notes", "text", "of grace"), "/app/notes")
	a.lacks(a.get("/app/notes"), "of grace")
	g.shown(g.get("/app/notes"), 200, "of ada", "of grace", "Everybody’s notes", `<span class="owner">ada</span>`)

	ids := g.noteIDs() // the newest first
	a.shown(a.post("/app/notes/"+ids[0]+"/delete"), 404)
	g.redirected(g.post("/app/notes/"+ids[1]+"/delete"), "/app/notes")
	if ids := a.noteIDs(); len(ids) != 0 {
		t.Errorf("got notes %v of ada, want none", ids)
	}
	if ids := g.noteIDs(); len(ids) != 1 {
		t.Errorf("got notes %v of grace, want hers", ids)
	}
	g.shown(g.post("/app/notes/none/delete"), 404)
}

// Without a policy nobody is an admin, and nobody loses what is their own.
func TestNotesWithoutAPolicy(t *testing.T) {
	s := newStage(t)
	s.stytch.SetFault("/v1/rbac/policy", stytchtest.Fault{Status: 500})
	a, g := s.person(ada), s.person(grace, "admin")
	a.redirected(a.post("/app/notes", "text", "of ada"), "/app/notes")
	w := g.get("/app/notes")
	g.shown(w, 200, `id="error"`, "These are your own notes.")
	g.lacks(w, "of ada")
	g.shown(g.get("/app/account"), 200, "That cannot be told at the moment.")

	ids := a.noteIDs()
	w = g.post("/app/notes/" + ids[0] + "/delete")
	g.shown(w, 503, "Try again in a moment")
	if w.Header().Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	a.redirected(a.post("/app/notes/"+ids[0]+"/delete"), "/app/notes")
}

func TestFormsOfAnotherSiteAreRefused(t *testing.T) {
	s := newStage(t)
	b := s.person(ada)
	b.from = "cross-site"
	for _, path := range []string{"/app/notes", "/app/notes/delete-all", "/step-up", "/logout"} {
		b.shown(b.post(path, "text", "x"), 403, "a page of another site")
	}
	b.from = "same-origin"
	if ids := b.noteIDs(); len(ids) != 0 || len(b.cookies) != 2 {
		t.Errorf("got notes %v and cookies %v, want no note and both cookies", ids, b.cookies)
	}
}

func TestAccountShowsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		b := s.person(grace, "admin")
		b.shown(b.get("/app/account"), 200, `<dl id="session"`, `class="badge local">local<`, `id="jwt-seconds">300<`,
			`datetime="2000-01-01T00:00:00Z"`, `datetime="2000-01-01T01:00:00Z"`, "in 60 minutes", "password",
			"<code>admin</code>", "<code>notes:delete_any</code>", "<code>notes:write</code>")
		b.shown(b.get("/app/account"), 200, `class="badge cache">cache<`)

		time.Sleep(5*time.Minute + 3*time.Second)
		b.shown(b.get("/app/account"), 200, `id="jwt-seconds">-3<`, "within the leeway", "Older than 5 minutes")
		time.Sleep(time.Minute)
		before := b.cookies["stytch_session_jwt"]
		b.shown(b.get("/app/account"), 200, `class="badge stytch">stytch<`, `id="jwt-seconds">300<`, `id="renewed"`)
		if b.cookies["stytch_session_jwt"] == before {
			t.Error("got the old JWT, want the new one in the cookie")
		}

		delete(b.cookies, "stytch_session_jwt")
		b.shown(b.get("/app/account"), 200, "None came along.")
	})
}

func TestHealth(t *testing.T) {
	a, err := newApp(t.Context(), options{fresh: time.Minute}, true, environment(), discard)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, handler: a.handler}
	w := s.send("", "GET", "/healthz", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"pending_revocations": 0`) {
		t.Errorf("got %d %s, want 200", w.Code, w.Body)
	}
	w = s.send("", "GET", "/outage/healthz", "")
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"key_set"`) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s, want 503 for want of a key set", w.Code, w.Body)
	}
	b := s.browser()
	b.cookies["stytch_session"] = strings.Repeat("x", 44)
	w = b.get("/outage/me")
	b.shown(w, 503, "You have not been signed out.", `href="/app/notes"`)
	if b.lacks(w, ">Sign in<"); w.Header().Get("Retry-After") == "" || len(b.cookies) != 1 {
		t.Errorf("got Retry-After %q and cookies %v, want one and the cookie as it was", w.Header().Get("Retry-After"), b.cookies)
	}
}

func TestCookiesAreSecureBeyondLoopback(t *testing.T) {
	for _, loopback := range []bool{true, false} {
		a, err := newApp(t.Context(), options{fresh: time.Minute}, loopback, environment(), discard)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"email": {ada.Email}, "password": {ada.Password}}
		r := httptest.NewRequest("POST", "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		cookies := w.Result().Cookies()
		if len(cookies) != 2 {
			t.Fatalf("got %d and cookies %v, want two", w.Code, cookies)
		}
		for _, c := range cookies {
			if c.Secure == loopback || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("loopback %t: got %s, want HttpOnly, Lax, and Secure unless on loopback", loopback, c.Name)
			}
		}
	}
}

// What happens at the in-memory Stytch happens elsewhere, as far as the site can
// tell.
func TestTheInMemoryStytchIsServedToo(t *testing.T) {
	guide := start(t, environment())
	m := regexp.MustCompile(`(?m)^sessionauth example: (http://127\S+)\nin-memory Stytch: (http://127\S+) (\S+) (\S+)$`).FindStringSubmatch(guide)
	if m == nil {
		t.Fatalf("got guide\n%s\nwant both addresses first", guide)
	}
	client, err := stytch.NewClient(stytch.Config{BaseURL: m[2], ProjectID: m[3], Secret: m[4]})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{
		Email: ada.Email, Password: ada.Password, SessionDuration: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RevokeSession(t.Context(), stytch.RevokeSessionParams{SessionID: answer.Session.ID}); err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", m[1]+"/me", nil)
	r.Header.Set("Authorization", "Bearer "+answer.SessionToken)
	if resp, body := do(t, r); resp.StatusCode != 401 {
		t.Errorf("got %d %s for a session revoked elsewhere, want 401", resp.StatusCode, body)
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 30 * time.Second: "30 seconds", 90 * time.Second: "90 seconds",
		5 * time.Minute: "5 minutes", 59*time.Minute + 59*time.Second: "60 minutes", 24 * time.Hour: "1440 minutes",
	} {
		if got := inWords(d); got != want {
			t.Errorf("got %q for %v, want %q", got, d, want)
		}
	}
}
