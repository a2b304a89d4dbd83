package site

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
)

// maxShown limits how many notes of other users the page shows.
const maxShown = 200

// A notesView is the content of the notes page.
type notesView struct {
	Notes    []noteView
	Own      int    // number of notes of the signed-in user
	Everyone bool   // true if Notes includes those of other users
	Text     string // text of a note that could not be added
	Max      int    // maximum length of a note
}

// A noteView is one note on the page.
type noteView struct {
	ID, Owner, Text string
	CreatedAt       time.Time
	Own             bool
}

func (a *app) notesPage(w http.ResponseWriter, r *http.Request) {
	a.showNotes(w, r, http.StatusOK, page{}, "")
}

// showNotes shows the notes of the user, or those of all users if the user may delete them. If that
// permission cannot be checked, it shows only the notes of the user.
func (a *app) showNotes(w http.ResponseWriter, r *http.Request, status int, p page, text string) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	everyone, err := a.auth.Allowed(r.Context(), "notes", "delete_any")
	if err != nil && p.Error == "" {
		p.Error = "Your permissions cannot be checked at the moment. Only your own notes are shown."
	}
	view := notesView{Everyone: everyone, Text: text, Max: maxText}
	for _, n := range a.notes.all() {
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

func (a *app) addNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	text, err := readNoteForm(w, r)
	if err == nil {
		_, err = a.notes.add(who, text)
	}
	if err != nil {
		a.notesFailed(w, r, err, text)
		return
	}
	http.Redirect(w, r, "/app/notes", http.StatusSeeOther)
}

// readNoteForm reads the form. With errBadText it also returns the text, so that the
// page can show it again.
func readNoteForm(w http.ResponseWriter, r *http.Request) (text string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err = r.ParseForm()
	if errors.As(err, new(*http.MaxBytesError)) {
		return "", errTooLarge
	}
	// Browsers send line breaks as CR LF.
	text = strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n")
	if err != nil || len(r.PostForm["text"]) != 1 || !utf8.ValidString(text) ||
		len(text) > maxText || strings.TrimSpace(text) == "" {
		return text, errBadText
	}
	return text, nil
}

// removeNote deletes a note of the user. If the RBAC policy allows it, it also deletes a note of
// another user; otherwise it responds as if that note did not exist.
func (a *app) removeNote(w http.ResponseWriter, r *http.Request) {
	who, ok := signedIn(w, r)
	if !ok {
		return
	}
	id := chi.URLParam(r, "id")
	err := a.notes.remove(who.ID, id)
	if err != nil {
		allowed, unknown := a.auth.Allowed(r.Context(), "notes", "delete_any")
		if unknown != nil {
			a.auth.Reject(w, r, unknown)
			return
		}
		if allowed {
			err = a.notes.removeAny(id)
		}
	}
	if err != nil {
		a.notesFailed(w, r, err, "")
		return
	}
	http.Redirect(w, r, "/app/notes", http.StatusSeeOther)
}

// notesFailed shows the notes page with an error message.
func (a *app) notesFailed(w http.ResponseWriter, r *http.Request, err error, note string) {
	text := err.Error()
	a.showNotes(w, r, statuses[err], page{Error: strings.ToUpper(text[:1]) + text[1:] + "."}, note)
}

// removeAllPage asks the user to confirm.
func (a *app) removeAllPage(w http.ResponseWriter, r *http.Request) {
	if who, ok := signedIn(w, r); ok {
		show(w, r, http.StatusOK, "delete-all", page{Body: len(a.notes.list(who.ID))})
	}
}

func (a *app) removeAllNotes(w http.ResponseWriter, r *http.Request) {
	if who, ok := signedIn(w, r); ok {
		a.notes.removeAll(who.ID)
		http.Redirect(w, r, "/app/notes", http.StatusSeeOther)
	}
}
