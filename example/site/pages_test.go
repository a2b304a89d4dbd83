package site

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// noteIDs returns the ids of the notes on the page, newest first.
func (b *browser) noteIDs() (ids []string) {
	b.t.Helper()
	w := b.get("/app/notes")
	b.shown(w, 200, `<ul id="notes"`)
	for _, m := range regexp.MustCompile(`action="/app/notes/(\w+)/delete"`).FindAllStringSubmatch(w.Body.String(), -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestNotesPage(t *testing.T) {
	s := newEnv(t)
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

func TestNotesPage_InvalidNotes(t *testing.T) {
	s := newEnv(t)
	b := s.person(ada)
	long := strings.Repeat("é", maxText/2) + "!"
	for _, tt := range []struct {
		name   string
		form   []string
		status int
		says   string
	}{
		{"empty", []string{"text", ""}, 400, "A note must have 1 to 1000 bytes of text."},
		{"white space", []string{"text", " \r\n"}, 400, "A note must have 1 to 1000 bytes of text."},
		{"too long, and shown again", []string{"text", long}, 400, long},
		{"two texts", []string{"text", "x", "text", "y"}, 400, "A note must have"},
		{"another field", []string{"note", "x"}, 400, "A note must have"},
		{"invalid UTF-8", []string{"text", "\xff"}, 400, "A note must have"},
		{"too large", []string{"text", strings.Repeat("x", maxBody)}, 413, "larger than 8 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.env.t = t
			b.shown(b.post("/app/notes", tt.form...), tt.status, `<p id="error"`, tt.says)
		})
	}
	b.env.t = t
	if ids := b.noteIDs(); len(ids) != 0 {
		t.Errorf("got notes %v, want none", ids)
	}
}

func TestNotesPage_Admin(t *testing.T) {
	s := newEnv(t)
	a, g := s.person(ada), s.person(grace, "admin")
	a.redirected(a.post("/app/notes", "text", "of ada"), "/app/notes")
	g.redirected(g.post("/app/notes", "text", "of grace"), "/app/notes")
	a.lacks(a.get("/app/notes"), "of grace")
	g.shown(g.get("/app/notes"), 200, "of ada", "of grace", "Notes of all users", `<span class="owner">ada</span>`)

	ids := g.noteIDs() // newest first
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

// If the RBAC policy cannot be loaded, no user is an admin, but users still reach their own notes.
func TestNotesPage_WithoutPolicy(t *testing.T) {
	s := newEnv(t)
	s.stytch.SetFault("/v1/rbac/policy", stytchtest.Fault{Status: 500})
	a, g := s.person(ada), s.person(grace, "admin")
	a.redirected(a.post("/app/notes", "text", "of ada"), "/app/notes")
	w := g.get("/app/notes")
	g.shown(w, 200, `id="error"`, "Only your own notes are shown.")
	g.lacks(w, "of ada")
	g.shown(g.get("/app/account"), 200, "Permissions cannot be loaded at the moment.")

	ids := a.noteIDs()
	w = g.post("/app/notes/" + ids[0] + "/delete")
	g.shown(w, 503, "Temporarily unavailable")
	if w.Header().Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	a.redirected(a.post("/app/notes/"+ids[0]+"/delete"), "/app/notes")
}

func TestPages_CrossSiteForms(t *testing.T) {
	s := newEnv(t)
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

func TestAccountPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		b := s.person(grace, "admin")
		b.shown(b.get("/app/account"), 200, `<dl id="session"`, `class="badge local">local<`, `id="jwt-seconds">300<`,
			`datetime="2000-01-01T00:00:00Z"`, `datetime="2000-01-01T01:00:00Z"`, "in 60 minutes", "password",
			"<code>admin</code>", "<code>notes:delete_any</code>", "<code>notes:write</code>")
		b.shown(b.get("/app/account"), 200, `class="badge cache">cache<`)

		time.Sleep(5*time.Minute + 3*time.Second)
		b.shown(b.get("/app/account"), 200, `id="jwt-expired">3<`, "Still accepted", "Older than 5 minutes")
		time.Sleep(time.Minute)
		before := b.cookies["stytch_session_jwt"]
		b.shown(b.get("/app/account"), 200, `class="badge stytch">stytch<`, `id="jwt-seconds">300<`, `id="renewed"`)
		if b.cookies["stytch_session_jwt"] == before {
			t.Error("got the old JWT, want the new one in the cookie")
		}

		delete(b.cookies, "stytch_session_jwt")
		b.shown(b.get("/app/account"), 200, "This request has no session JWT.")
	})
}

func TestHealth(t *testing.T) {
	site, err := New(t.Context(), Options{Fresh: time.Minute, Loopback: true, Logger: discard}, noEnviron)
	if err != nil {
		t.Fatal(err)
	}
	s := &env{t: t, handler: site}
	w := s.send("", "GET", "/healthz", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"pending_revocations": 0`) {
		t.Errorf("got %d %s, want 200", w.Code, w.Body)
	}
	w = s.send("", "GET", "/outage/healthz", "")
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"key_set"`) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s, want 503 because there is no key set", w.Code, w.Body)
	}
	b := s.browser()
	b.cookies["stytch_session"] = strings.Repeat("x", 44)
	w = b.get("/outage/me")
	b.shown(w, 503, "You have not been signed out.", `href="/app/notes"`)
	if b.lacks(w, ">Sign in<"); w.Header().Get("Retry-After") == "" || len(b.cookies) != 1 {
		t.Errorf("got Retry-After %q and cookies %v, want a value and the cookie unchanged", w.Header().Get("Retry-After"), b.cookies)
	}
}

func TestNew_SecureCookies(t *testing.T) {
	for _, loopback := range []bool{true, false} {
		site, err := New(t.Context(), Options{Fresh: time.Minute, Loopback: loopback, Logger: discard}, noEnviron)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"email": {ada.Email}, "password": {ada.Password}}
		r := httptest.NewRequest("POST", "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
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
