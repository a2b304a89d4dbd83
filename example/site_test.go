package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
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

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// A stage is a site on an in-memory Stytch.
type stage struct {
	t       *testing.T
	stytch  *stytchtest.Server
	notes   *notebook
	handler http.Handler
	ada     string // session token
	site    func(...func(*site)) http.Handler
}

func newStage(t *testing.T) *stage {
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
	s := &stage{t: t, stytch: srv, notes: &notebook{}}
	s.site = func(changes ...func(*site)) http.Handler {
		made := &site{auth: auth, notes: s.notes, fresh: 5 * time.Minute, accounts: accounts}
		for _, change := range changes {
			change(made)
		}
		handler, err := newSite(made)
		if err != nil {
			t.Fatal(err)
		}
		return handler
	}
	s.handler = s.site()
	s.ada = s.signIn("Ada")
	return s
}

// signIn returns the session token of a new user.
func (s *stage) signIn(name string) string {
	user := s.stytch.AddUser(stytchtest.User{Name: stytch.Name{FirstName: name}})
	return s.stytch.StartSession(user.ID, stytchtest.SessionOptions{}).Token
}

// send sends a request with a session token, and a JSON body if there is one.
func (s *stage) send(token, method, path, body string, fields ...string) *httptest.ResponseRecorder {
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

// want checks a status, and that an error is a problem.
func (s *stage) want(w *httptest.ResponseRecorder, status int) {
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

// list returns the texts of a user's notes.
func (s *stage) list(token string) (texts []string, ids []string) {
	s.t.Helper()
	w := s.send(token, "GET", "/notes", "")
	s.want(w, 200)
	var answer struct{ Notes []note }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Notes == nil {
		s.t.Fatalf("got %s (%v), want notes", w.Body, err)
	}
	for _, n := range answer.Notes {
		texts, ids = append(texts, n.Text), append(ids, n.ID)
	}
	return texts, ids
}

func TestHomeIsForEverybody(t *testing.T) {
	s := newStage(t)
	for _, tt := range []struct{ name, token, field, want string }{
		{"nobody", "", "", "Nobody is signed in."},
		{"signed in", s.ada, "", "Signed in: <strong>Ada</strong>."},
		{"a stale cookie", "", "Cookie: stytch_session=" + strings.Repeat("x", 44), "Nobody is signed in."},
		{"a user without a name", s.signIn(""), "", "Signed in: <strong>user-test-"},
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

func TestMeShowsSessionAndUser(t *testing.T) {
	s := newStage(t)
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
		t.Errorf("got %s, want Ada and her session, by stytch", w.Body)
	}
	if strings.Contains(w.Body.String(), s.ada) {
		t.Error("the answer shows the token")
	}
}

func TestNobodyGetsPastRequire(t *testing.T) {
	s := newStage(t)
	for _, route := range []string{"GET /me", "GET /notes", "POST /notes", "DELETE /notes/x", "HEAD /me"} {
		method, path, _ := strings.Cut(route, " ")
		s.want(s.send("", method, path, ""), 401)
	}
}

// If a route leaves the group by mistake it must not serve nobody's notes.
func TestHandlersAloneServeNobody(t *testing.T) {
	notes := &site{notes: &notebook{}}
	for _, h := range []http.HandlerFunc{notes.me, notes.listNotes, notes.createNote, notes.deleteNote} {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest("POST", "/", strings.NewReader(`{"text":"x"}`)))
		if w.Code != 401 {
			t.Errorf("got %d, want 401", w.Code)
		}
	}
}

func TestOtherRoutes(t *testing.T) {
	s := newStage(t)
	s.want(s.send("", "GET", "/nothing", ""), 404)
	if w := s.send(s.ada, "HEAD", "/me", ""); w.Code != 200 {
		t.Errorf("got %d for HEAD, want 200", w.Code)
	}
	w := s.send(s.ada, "PUT", "/notes", "")
	if w.Code != 405 || !strings.Contains(strings.Join(w.Header()["Allow"], ","), "POST") {
		t.Errorf("got %d with Allow %q, want 405 with POST", w.Code, w.Header()["Allow"])
	}
}

func TestNotesFromFirstToLast(t *testing.T) {
	s := newStage(t)
	s.want(s.send(s.ada, "POST", "/notes", `{"text":"one"}`), 201)
	s.want(s.send(s.ada, "POST", "/notes", ` { "text" : "<two> \u00e9" } `, "Content-Type: application/json; charset=utf-8"), 201)
	texts, ids := s.list(s.ada)
	if fmt.Sprint(texts) != "[one <two> é]" {
		t.Fatalf("got %v, want [one <two> é]", texts)
	}

	grace := s.signIn("Grace")
	if texts, _ := s.list(grace); len(texts) != 0 {
		t.Errorf("got %v, want no note of somebody else", texts)
	}
	s.want(s.send(grace, "DELETE", "/notes/"+ids[0], ""), 404)

	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[0], ""), 204)
	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[0], ""), 404)
	if texts, _ := s.list(s.ada); fmt.Sprint(texts) != "[<two> é]" {
		t.Errorf("got %v, want [<two> é]", texts)
	}
	s.want(s.send(s.ada, "DELETE", "/notes/"+ids[1], ""), 204)
	if len(s.notes.notes) != 0 {
		t.Errorf("got %d users kept without notes, want none", len(s.notes.notes))
	}
}

func TestWhatIsNoNote(t *testing.T) {
	s := newStage(t)
	long := strings.Repeat("x", maxText)
	escaped := strings.Repeat(`\u0078`, maxText)
	for _, tt := range []struct {
		name, body, contentType string
		want                    int
	}{
		{"the longest", `{"text":"` + long + `"}`, "application/json", 201},
		{"the longest, all of it escaped", `{"text":"` + escaped + `"}`, "application/json", 201},
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
		{"an unknown name", `{"text":"x","user_id":"y"}`, "application/json", 400},
		{"a repeated name", `{"text":"x","text":"y"}`, "application/json", 400},
		{"another case", `{"TEXT":"x"}`, "application/json", 400},
		{"something after the object", `{"text":"x"}{}`, "application/json", 400},
		{"something else after the object", `{"text":"x"}]`, "application/json", 400},
		{"a comma too many", `{"text":"x",}`, "application/json", 400},
		{"no colon", `{"text" "x"}`, "application/json", 400},
		{"cut off", `{"text":"x"`, "application/json", 400},
		{"invalid UTF-8", "{\"text\":\"\xff\"}", "application/json", 400},
		{"a form", "text=x", "application/x-www-form-urlencoded", 415},
		{"plain text", `{"text":"x"}`, "text/plain", 415},
		{"no content type", `{"text":"x"}`, "", 415},
		{"a content type that is none", `{"text":"x"}`, "application/json; charset", 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			s.want(s.send(s.ada, "POST", "/notes", tt.body, "Content-Type: "+tt.contentType), tt.want)
		})
	}
	s.t = t
	if texts, _ := s.list(s.ada); len(texts) != 2 {
		t.Errorf("got %d notes, want the 2 that were answered with 201", len(texts))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := newStage(t)
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

// Without the handlers around it, whose locks would hide a race from the detector.
func TestNotesOfManyAtOnce(t *testing.T) {
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
					t.Errorf("got %v, want the note just written in it", list)
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

// What curl sends to the demo's cut-off copy is closed even though nobody reads it.
func TestOutageClosesTheBody(t *testing.T) {
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
