package main

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
)

// api adds the routes for programs: JSON, and problem+json.
func (s *site) api(r chi.Router) {
	r.Get("/healthz", s.health)
	r.Group(func(r chi.Router) {
		r.Use(s.auth.Require)
		r.Get("/me", s.me)
		r.Get("/notes", s.listNotes)
		r.Post("/notes", s.createNote)
		r.Delete("/notes/{id}", s.deleteNote)
	})
}

// health is for whoever starts and stops this server: 503 only while it can
// decide nothing.
func (s *site) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	ready, err := s.auth.Ready(r.Context())
	status := http.StatusOK
	if err != nil {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, ready)
}

// me shows the session, the user, and who vouched for them this time.
func (s *site) me(w http.ResponseWriter, r *http.Request) {
	id, ok := sessionauth.FromContext(r.Context())
	if !ok {
		sessionauth.WriteError(w, r, sessionauth.ErrNoCredential)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		DecidedBy sessionauth.Decider `json:"decided_by"`
		Session   *stytch.Session     `json:"session"`
		User      *stytch.User        `json:"user"`
	}{id.DecidedBy, id.Session, id.User})
}

func (s *site) listNotes(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string][]note{"notes": s.notes.list(who.ID)})
}

func (s *site) createNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	text, err := readNote(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	n, err := s.notes.add(who, text)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, n)
}

func (s *site) deleteNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	if err := s.notes.remove(who.ID, chi.URLParam(r, "id")); err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// signedIn gives who is signed in. Behind Require there always is somebody; a
// route that was put outside the group by mistake answers 401 instead of serving
// nobody's notes.
func signedIn(w http.ResponseWriter, r *http.Request) (who author, ok bool) {
	id, ok := sessionauth.FromContext(r.Context())
	if !ok {
		refuse(w, r, sessionauth.ErrNoCredential)
		return author{}, false
	}
	return authorOf(id), true
}

// authorOf names whoever is signed in; without a user loaded, by the id.
func authorOf(id *sessionauth.Identity) author {
	if id.User == nil {
		return author{id.Session.UserID, id.Session.UserID}
	}
	return author{id.Session.UserID, nameOf(id.User)}
}

// The longest note of all, each character escaped, is 6,000 bytes.
const maxBody = 8 << 10

// readNote reads {"text": "…"} and nothing else. Unmarshal would also take TEXT,
// the last of two texts, and invalid UTF-8.
func readNote(w http.ResponseWriter, r *http.Request) (text string, err error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return "", errNotJSON
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if errors.As(err, new(*http.MaxBytesError)) {
		return "", errTooLarge
	}
	if err != nil || !utf8.Valid(body) {
		return "", errBadNote
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	for _, want := range []json.Token{json.Delim('{'), "text"} {
		if got, err := dec.Token(); err != nil || got != want {
			return "", errBadNote
		}
	}
	if dec.Decode(&text) != nil {
		return "", errBadNote
	}
	if got, err := dec.Token(); err != nil || got != json.Delim('}') {
		return "", errBadNote
	}
	if _, err := dec.Token(); err != io.EOF {
		return "", errBadNote
	}
	if len(text) > maxText || strings.TrimSpace(text) == "" {
		return "", errBadNote
	}
	return text, nil
}
