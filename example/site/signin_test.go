package site

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

var ada, grace = accounts[0], accounts[1]

func TestSignInPage(t *testing.T) {
	s := newEnv(t)
	b := s.browser()
	for _, tt := range []struct{ query, returnTo string }{
		{"", "/"},
		{"?return_to=%2Fapp%2Fnotes", "/app/notes"},
		{"?return_to=%2F%2Fevil.example", "/"},
		{"?return_to=https%3A%2F%2Fevil.example", "/"},
	} {
		b.shown(b.get("/login"+tt.query), 200, `<form id="sign-in"`, `name="email"`, `name="password"`,
			`name="return_to" value="`+tt.returnTo+`"`, ada.Email, grace.Email, ada.Password)
	}
}

func TestSignInPage_RealProject(t *testing.T) {
	s := newEnv(t)
	s.handler = s.site(func(a *app) { a.accounts = nil })
	b := s.browser()
	w := b.get("/login")
	b.shown(w, 200, `<form id="sign-in"`)
	b.lacks(w, "@example.com", ada.Password)
}

func TestSignInAndOut(t *testing.T) {
	s := newEnv(t)
	b := s.person(ada)
	if len(b.cookies) != 2 {
		t.Errorf("got cookies %v, want token and JWT", b.cookies)
	}
	b.shown(b.get("/"), 200, "Signed in as <strong>ada</strong>.", `id="sign-out"`)
	b.shown(b.get("/login"), 200, "You are signed in as ada.")
	b.shown(b.get("/app/notes"), 200)

	b.redirected(b.post("/logout"), "/")
	if len(b.cookies) != 0 {
		t.Errorf("got cookies %v after signing out, want none", b.cookies)
	}
	b.shown(b.get("/"), 200, "You are not signed in.")
	b.redirected(b.get("/app/notes"), "/login?return_to=%2Fapp%2Fnotes")
}

func TestSignIn_Failures(t *testing.T) {
	down := stytchtest.Fault{Status: 503}
	locked := stytchtest.Fault{Status: 429}
	reset := stytchtest.Fault{Status: 400, ErrorType: "reset_password"}
	for _, tt := range []struct {
		name, email, password string
		fault                 stytchtest.Fault
		status                int
		says                  string
	}{
		{"a wrong password", ada.Email, "wrong-horse", stytchtest.Fault{}, 401, "Wrong e-mail address or password."},
		{"an unknown address", "eve@example.com", "wrong-horse", stytchtest.Fault{}, 401, "Wrong e-mail address or password."},
		{"markup instead of an address", `"><b>x`, "wrong-horse", stytchtest.Fault{}, 401, "Wrong e-mail address or password."},
		{"a password to reset", ada.Email, "wrong-horse", reset, 403, "must reset your password"},
		{"a locked user", ada.Email, "wrong-horse", locked, 429, "Too many attempts."},
		{"an outage", ada.Email, "wrong-horse", down, 503, "Try again in a few seconds."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.stytch.AddUser(stytchtest.User{Email: ada.Email, Password: ada.Password})
				s.stytch.SetFault("/v1/passwords/authenticate", tt.fault)
				b := s.browser()
				w := b.post("/login", "email", tt.email, "password", tt.password, "return_to", "/app/notes")
				b.shown(w, tt.status, `<p id="error" class="error" role="alert">`, tt.says, `name="return_to" value="/app/notes"`)
				b.lacks(w, tt.password, "<b>")
				if tt.email != `"><b>x` {
					b.shown(w, tt.status, `value="`+tt.email+`"`)
				}
				if hint := w.Header().Get("Retry-After"); (tt.status == 429 || tt.status == 503) != (hint != "") {
					t.Errorf("got Retry-After %q with status %d", hint, tt.status)
				}
				if len(b.cookies) != 0 {
					t.Errorf("got cookies %v, want none", b.cookies)
				}

				body := `{"email":"eve@example.com","password":"wrong-horse"}`
				s.want(s.send("", "POST", "/login", body), tt.status)
			})
		})
	}
}

func TestSignIn_BadRequests(t *testing.T) {
	s := newEnv(t)
	b := s.browser()
	s.want(s.send("", "POST", "/login", strings.Repeat("x", maxBody+1)), 413)
	s.want(s.send("", "POST", "/login", "email=x", "Content-Type: text/plain"), 415)
	b.from = "cross-site"
	b.shown(b.post("/login", "email", ada.Email, "password", ada.Password), 403, "a page of another site")
	if len(b.cookies) != 0 {
		t.Errorf("got cookies %v, want none", b.cookies)
	}
}

func TestStepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		b := s.person(ada)
		const page, toStepUp = "/app/notes/delete-all", "/step-up?return_to=%2Fapp%2Fnotes%2Fdelete-all"
		b.redirected(b.post("/app/notes", "text", "one"), "/app/notes")
		b.shown(b.get(page), 200, `<form id="delete-all"`, "You have 1 note.")

		time.Sleep(6 * time.Minute)
		b.redirected(b.get(page), toStepUp)
		b.redirected(b.post(page), toStepUp)
		b.shown(b.get("/app/notes"), 200, "one")
		b.shown(b.get(toStepUp), 200, `<form id="step-up"`, `name="return_to" value="`+page+`"`)
		w := b.post("/step-up", "password", "wrong-horse", "return_to", page)
		b.shown(w, 401, `id="error"`, `<form id="step-up"`, `name="return_to" value="`+page+`"`)
		b.lacks(w, "wrong-horse")

		b.redirected(b.post("/step-up", "password", ada.Password, "return_to", page), page)
		b.shown(b.get(page), 200)
		b.redirected(b.post(page), "/app/notes")
		b.shown(b.get("/app/notes"), 200, "There are no notes yet.")
	})
}

// If the cookies of a browser belong to two users, signing in solves the problem.
func TestSignIn_CookiesOfTwoUsers(t *testing.T) {
	s := newEnv(t)
	b, planted := s.person(ada), s.person(grace).cookies["stytch_session"]
	both := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "stytch_session", Value: planted})
		return b.do(r)
	}
	b.shown(both("POST", "/app/notes", "text=x"), 400, "Sign in again", `href="/login?return_to=%2fapp%2fnotes"`)
	b.redirected(both("GET", "/app/notes", ""), "/login?return_to=%2Fapp%2Fnotes")
	b.shown(both("GET", "/login", ""), 200, `<form id="sign-in"`)
	form := url.Values{"email": {ada.Email}, "password": {ada.Password}, "return_to": {"/app/notes"}}
	b.redirected(both("POST", "/login", form.Encode()), "/app/notes")
	b.shown(both("GET", "/app/notes", ""), 200)
}

// A client other than a browser gets a challenge instead of a page.
func TestStepUp_API(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		time.Sleep(6 * time.Minute)
		w := s.send(s.ada, "POST", "/app/notes/delete-all", "")
		s.want(w, 401)
		if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `max_age="300"`) {
			t.Errorf("got challenge %s, want max_age", got)
		}
	})
}

func TestPages_WithoutCredential(t *testing.T) {
	s := newEnv(t)
	b := s.browser()
	for _, path := range []string{"/app/notes", "/app/account", "/app/notes/delete-all", "/step-up", "/app/notes?x=1"} {
		b.redirected(b.get(path), "/login?return_to="+url.QueryEscape(path))
		s.want(s.send("", "GET", path, ""), 401)
	}
	for _, path := range []string{"/app/notes", "/app/notes/x/delete", "/app/notes/delete-all", "/step-up"} {
		b.shown(b.post(path, "text", "x"), 401, "You are not signed in", `href="/login?return_to=%2fapp%2fnotes"`)
	}
}

// A page that is outside the guarded group by mistake must show no data.
func TestPages_OutsideRequire(t *testing.T) {
	s := newEnv(t)
	alone := &app{notes: s.notes}
	for _, h := range []func(*httptest.ResponseRecorder){
		func(w *httptest.ResponseRecorder) { alone.account(w, httptest.NewRequest("GET", "/", nil)) },
		func(w *httptest.ResponseRecorder) { alone.notesPage(w, httptest.NewRequest("GET", "/", nil)) },
		func(w *httptest.ResponseRecorder) { alone.addNote(w, httptest.NewRequest("POST", "/", nil)) },
		func(w *httptest.ResponseRecorder) { alone.removeNote(w, httptest.NewRequest("POST", "/", nil)) },
		func(w *httptest.ResponseRecorder) { alone.removeAllPage(w, httptest.NewRequest("GET", "/", nil)) },
		func(w *httptest.ResponseRecorder) { alone.removeAllNotes(w, httptest.NewRequest("POST", "/", nil)) },
	} {
		w := httptest.NewRecorder()
		h(w)
		s.want(w, 401)
	}
}
