package site

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

var discard = slog.New(slog.DiscardHandler)

// noEnviron stands in for os.Getenv in an empty environment.
func noEnviron(string) string { return "" }

// An env is a site on an in-memory Stytch.
type env struct {
	t       *testing.T
	stytch  *stytchtest.Server
	notes   *notebook
	handler http.Handler
	ada     string // session token of a user named Ada
	site    func(...func(*app)) http.Handler
}

func newEnv(t *testing.T) *env {
	t.Helper()
	srv := stytchtest.NewServer()
	srv.SetPolicy(demoPolicy)
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(), Logger: discard,
		Cookies: sessionauth.Cookies{WriteBack: true, AllowHTTP: true}, ErrorHandler: refuse,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &env{t: t, stytch: srv, notes: &notebook{}}
	s.site = func(changes ...func(*app)) http.Handler {
		a := &app{auth: auth, notes: s.notes, fresh: 5 * time.Minute, accounts: accounts}
		for _, change := range changes {
			change(a)
		}
		handler, err := a.routes()
		if err != nil {
			t.Fatal(err)
		}
		return handler
	}
	s.handler = s.site()
	s.ada = s.signIn("Ada")
	return s
}

// signIn starts a session of a new user and returns its token.
func (s *env) signIn(name string) string {
	user := s.stytch.AddUser(stytchtest.User{Name: stytch.Name{FirstName: name}})
	return s.stytch.StartSession(user.ID, stytchtest.SessionOptions{}).Token
}

// send sends a request. If they are not empty, it has a session token and a JSON body.
func (s *env) send(token, method, path, body string, fields ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// want checks the status. If it is an error, want also checks that the body is problem+json.
func (s *env) want(w *httptest.ResponseRecorder, status int) {
	s.t.Helper()
	if w.Code != status {
		s.t.Errorf("got %d %s, want %d", w.Code, w.Body, status)
	}
	if got := w.Header().Get("Content-Type"); status >= 400 && got != "application/problem+json" {
		s.t.Errorf("got content type %q for status %d, want application/problem+json", got, status)
	}
	if w.Code >= 400 {
		var p struct{ Status int }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != status {
			s.t.Errorf("got %s, want a problem with status %d", w.Body, status)
		}
	}
}

// list returns the texts and ids of the notes of a user.
func (s *env) list(token string) (texts []string, ids []string) {
	s.t.Helper()
	w := s.send(token, "GET", "/notes", "")
	s.want(w, 200)
	var response struct{ Notes []note }
	if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil || response.Notes == nil {
		s.t.Fatalf("got %s (%v), want notes", w.Body, err)
	}
	for _, n := range response.Notes {
		texts, ids = append(texts, n.Text), append(ids, n.ID)
	}
	return texts, ids
}

func TestHome(t *testing.T) {
	s := newEnv(t)
	for _, tt := range []struct{ name, token, field, want string }{
		{"no credential", "", "", "You are not signed in."},
		{"signed in", s.ada, "", "Signed in as <strong>Ada</strong>."},
		{"an invalid cookie", "", "Cookie: stytch_session=" + strings.Repeat("x", 44), "You are not signed in."},
		{"a user without a name", s.signIn(""), "", "Signed in as <strong>user-test-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := s.send(tt.token, "GET", "/", "", tt.field)
			s.want(w, 200)
			if !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %s, want %s", w.Body, tt.want)
			}
		})
	}
}

func TestMe(t *testing.T) {
	s := newEnv(t)
	w := s.send(s.ada, "GET", "/me", "")
	s.want(w, 200)
	var me struct {
		DecidedBy string `json:"decided_by"`
		Session   stytch.Session
		User      stytch.User
	}
	if err := json.Unmarshal(w.Body.Bytes(), &me); err != nil {
		t.Fatal(err)
	}
	if me.DecidedBy != "stytch" || me.Session.ID == "" || me.User.ID != me.Session.UserID || me.User.Name.FirstName != "Ada" {
		t.Errorf("got %s, want Ada and her session, verified by stytch", w.Body)
	}
	if strings.Contains(w.Body.String(), s.ada) {
		t.Error("the response contains the token")
	}
}

func TestAPI_WithoutCredential(t *testing.T) {
	s := newEnv(t)
	for _, route := range []string{"GET /me", "GET /notes", "POST /notes", "DELETE /notes/x", "HEAD /me"} {
		method, path, _ := strings.Cut(route, " ")
		s.want(s.send("", method, path, ""), 401)
	}
}

// A route that is outside the guarded group by mistake must not serve notes.
func TestAPI_OutsideRequire(t *testing.T) {
	notes := &app{notes: &notebook{}}
	for _, h := range []http.HandlerFunc{notes.me, notes.listNotes, notes.createNote, notes.deleteNote} {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest("POST", "/", strings.NewReader(`{"text":"x"}`)))
		if w.Code != 401 {
			t.Errorf("got %d, want 401", w.Code)
		}
	}
}

func TestAPI_NotFoundAndMethods(t *testing.T) {
	s := newEnv(t)
	s.want(s.send("", "GET", "/nothing", ""), 404)
	if w := s.send(s.ada, "HEAD", "/me", ""); w.Code != 200 {
		t.Errorf("got %d for HEAD, want 200", w.Code)
	}
	w := s.send(s.ada, "PUT", "/notes", "")
	if w.Code != 405 || !strings.Contains(strings.Join(w.Header()["Allow"], ","), "POST") {
		t.Errorf("got %d with Allow %q, want 405 with POST", w.Code, w.Header()["Allow"])
	}
}

func TestNotes(t *testing.T) {
	s := newEnv(t)
	s.want(s.send(s.ada, "POST", "/notes", `{"text":"one"}`), 201)
	s.want(s.send(s.ada, "POST", "/notes", ` { "text" : "<two> \u00e9" } `, "Content-Type: application/json; charset=utf-8"), 201)
	texts, ids := s.list(s.ada)
	if fmt.Sprint(texts) != "[one <two> é]" {
		t.Fatalf("got %v, want [one <two> é]", texts)
	}

	grace := s.signIn("Grace")
	if texts, _ := s.list(grace); len(texts) != 0 {
		t.Errorf("got %v, want no notes of other users", texts)
	}
	s.want(s.send(grace, "DELETE", "/notes/"+ids[0], ""), 404)

	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[0], ""), 204)
	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[0], ""), 404)
	if texts, _ := s.list(s.ada); fmt.Sprint(texts) != "[<two> é]" {
		t.Errorf("got %v, want [<two> é]", texts)
	}
	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[1], ""), 204)
	if len(s.notes.notes) != 0 {
		t.Errorf("got %d users without notes, want none", len(s.notes.notes))
	}
}

func TestCreateNote_Bodies(t *testing.T) {
	s := newEnv(t)
	long := strings.Repeat("x", maxText)
	escaped := strings.Repeat(`\u0078`, maxText)
	for _, tt := range []struct {
		name, body, contentType string
		want                    int
	}{
		{"the longest", `{"text":"` + long + `"}`, "application/json", 201},
		{"the longest, every character escaped", `{"text":"` + escaped + `"}`, "application/json", 201},
		{"one byte more", `{"text":"x` + long + `"}`, "application/json", 400},
		{"a body too large", `{"text":"` + strings.Repeat("x", maxBody) + `"}`, "application/json", 413},
		{"no body", "", "application/json", 400},
		{"no text", "{}", "application/json", 400},
		{"an empty text", `{"text":""}`, "application/json", 400},
		{"white space", `{"text":" \n\t"}`, "application/json", 400},
		{"null", `{"text":null}`, "application/json", 400},
		{"a number", `{"text":1}`, "application/json", 400},
		{"an array", `[{"text":"x"}]`, "application/json", 400},
		{"a string", `"x"`, "application/json", 400},
		{"an unknown member", `{"text":"x","user_id":"y"}`, "application/json", 400},
		{"a repeated member", `{"text":"x","text":"y"}`, "application/json", 400},
		{"a member in upper case", `{"TEXT":"x"}`, "application/json", 400},
		{"an object after the object", `{"text":"x"}{}`, "application/json", 400},
		{"a bracket after the object", `{"text":"x"}]`, "application/json", 400},
		{"a trailing comma", `{"text":"x",}`, "application/json", 400},
		{"no colon", `{"text" "x"}`, "application/json", 400},
		{"a truncated object", `{"text":"x"`, "application/json", 400},
		{"invalid UTF-8", "{\"text\":\"\xff\"}", "application/json", 400},
		{"a form", "text=x", "application/x-www-form-urlencoded", 415},
		{"plain text", `{"text":"x"}`, "text/plain", 415},
		{"no content type", `{"text":"x"}`, "", 415},
		{"a malformed content type", `{"text":"x"}`, "application/json; charset", 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			s.want(s.send(s.ada, "POST", "/notes", tt.body, "Content-Type: "+tt.contentType), tt.want)
		})
	}
	s.t = t
	if texts, _ := s.list(s.ada); len(texts) != 2 {
		t.Errorf("got %d notes, want the 2 with status 201", len(texts))
	}
}

func TestNotes_Limits(t *testing.T) {
	s := newEnv(t)
	for range maxNotes {
		s.want(s.send(s.ada, "POST", "/notes", `{"text":"x"}`), 201)
	}
	s.want(s.send(s.ada, "POST", "/notes", `{"text":"x"}`), 409)

	for i := range maxUsers - 1 {
		if _, err := s.notes.add(author{ID: fmt.Sprint("user-", i)}, "x"); err != nil {
			t.Fatal(err)
		}
	}
	s.want(s.send(s.signIn("Grace"), "POST", "/notes", `{"text":"x"}`), 507)
	_, ids := s.list(s.ada)
	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[0], ""), 204)
	s.want(s.send(s.ada, "POST", "/notes", `{"text":"x"}`), 201)
}

// The test calls the notebook directly, because locks in the handlers could hide a data race.
func TestNotebook_Concurrent(t *testing.T) {
	var b notebook
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range 8 {
		userID := fmt.Sprint("user-", i%2)
		all.Go(func() {
			<-begin
			for range 1000 {
				n, err := b.add(author{ID: userID}, "x")
				if err != nil {
					t.Error(err)
				}
				if list := b.list(userID); !slices.Contains(list, n) {
					t.Errorf("got %v, want the new note in it", list)
				}
				if err := b.remove(userID, n.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	close(begin)
	all.Wait()
	if len(b.notes) != 0 {
		t.Errorf("got notes of %d users, want none left", len(b.notes))
	}
}

func TestOutage_ClosesTheBody(t *testing.T) {
	closed := false
	r := httptest.NewRequest("POST", "https://stytch.invalid/", nil)
	r.Body = closer{func() { closed = true }}
	resp, err := outage{}.RoundTrip(r)
	if resp != nil || err == nil || !closed {
		t.Errorf("got %v, %v, closed %t, want an error and a closed body", resp, err, closed)
	}
}

type closer struct{ close func() }

func (c closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error             { c.close(); return nil }
