package main

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
)

// maxShown bounds the page of somebody who sees everybody's notes.
const maxShown = 200

// A notesView is what the page of notes shows.
type notesView struct {
	Notes    []noteView
	Own      int    // how many of them are the user's own
	Everyone bool   // everybody's notes are shown
	Text     string // that could not be added
	Max      int
}

type noteView struct {
	ID, Owner, Text string
	CreatedAt       time.Time
	Own             bool
}

func (s *site) notesPage(w http.ResponseWriter, r *http.Request) {
	s.showNotes(w, r, http.StatusOK, page{}, "")
}

// showNotes shows the user's notes, and everybody's to those who may delete
// them. While that cannot be told, nobody may.
func (s *site) showNotes(w http.ResponseWriter, r *http.Request, status int, p page, text string) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	everyone, err := s.auth.Allowed(r.Context(), "notes", "delete_any")
	if err != nil && p.Error == "" {
		p.Error = "What else you may do cannot be told at the moment. These are your own notes."
	}
	view := notesView{Everyone: everyone, Text: text, Max: maxText}
	for _, n := range s.notes.all() {
		own := n.author.ID == who.ID
		if own {
			view.Own++
		}
		if own || everyone && len(view.Notes) < maxShown {
			view.Notes = append(view.Notes, noteView{n.ID, n.author.Name, n.Text, n.CreatedAt, own})
		}
	}
	p.Body = view
	show(w, r, status, "notes", p)
}

func (s *site) addNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	text, err := readNoteForm(w, r)
	if err == nil {
		_, err = s.notes.add(who, text)
	}
	if err != nil {
		s.notesFailed(w, r, err, text)
		return
	}
	http.Redirect(w, r, "/app/notes", http.StatusSeeOther)
}

// readNoteForm gives the text even where it is too long, to be shown again.
func readNoteForm(w http.ResponseWriter, r *http.Request) (text string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err = r.ParseForm()
	if errors.As(err, new(*http.MaxBytesError)) {
		return "", errTooLarge
	}
	// Browsers send line breaks as CR LF, and add none of their own.
	text = strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n")
	if err != nil || len(r.PostForm["text"]) != 1 || !utf8.ValidString(text) ||
		len(text) > maxText || strings.TrimSpace(text) == "" {
		return text, errBadText
	}
	return text, nil
}

// removeNote deletes an own note, or anybody's if the project's RBAC policy lets
// the user do that. To others it is as if the note did not exist.
func (s *site) removeNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	id := chi.URLParam(r, "id")
	err := s.notes.remove(who.ID, id)
	if err != nil {
		allowed, undecided := s.auth.Allowed(r.Context(), "notes", "delete_any")
		if undecided != nil {
			s.auth.Reject(w, r, undecided)
			return
		}
		if allowed {
			err = s.notes.removeAny(id)
		}
	}
	if err != nil {
		s.notesFailed(w, r, err, "")
		return
	}
	http.Redirect(w, r, "/app/notes", http.StatusSeeOther)
}

// notesFailed shows the notes with what is wrong with the request.
func (s *site) notesFailed(w http.ResponseWriter, r *http.Request, err error, text string) {
	said := err.Error()
	s.showNotes(w, r, statuses[err], page{Error: strings.ToUpper(said[:1]) + said[1:] + "."}, text)
}

// removeAllPage asks whether it is meant.
func (s *site) removeAllPage(w http.ResponseWriter, r *http.Request) {
	if who, ok := signedIn(w, r); ok {
		show(w, r, http.StatusOK, "delete-all", page{Body: len(s.notes.list(who.ID))})
	}
}

func (s *site) removeAllNotes(w http.ResponseWriter, r *http.Request) {
	if who, ok := signedIn(w, r); ok {
		s.notes.removeAll(who.ID)
		http.Redirect(w, r, "/app/notes", http.StatusSeeOther)
	}
}
