package site

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

// api adds the routes of the API, which answers with JSON or problem+json.
func (a *app) api(r chi.Router) {
	r.Get("/healthz", a.health)
	r.Group(func(r chi.Router) {
		r.Use(a.auth.Require)
		r.Get("/me", a.me)
		r.Get("/notes", a.listNotes)
		r.Post("/notes", a.createNote)
		r.Delete("/notes/{id}", a.deleteNote)
	})
}

// health reports whether the server can authenticate requests. If it cannot, the status is 503.
func (a *app) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	ready, err := a.auth.Ready(r.Context())
	status := http.StatusOK
	if err != nil {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, ready)
}

// me returns the session, the user, and how this request was authenticated.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
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

func (a *app) listNotes(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string][]note{"notes": a.notes.list(who.ID)})
}

func (a *app) createNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	text, err := readNote(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	n, err := a.notes.add(who, text)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, n)
}

func (a *app) deleteNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	if err := a.notes.remove(who.ID, chi.URLParam(r, "id")); err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// maxBody is larger than the body of the longest note with every character escaped, which has about
// 6,000 bytes.
const maxBody = 8 << 10

// readNote reads a body of the form {"text": "…"}. Unlike json.Unmarshal, it rejects other
// spellings of the name, repeated names and invalid UTF-8.
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
