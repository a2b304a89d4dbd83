package site

import (
	"cmp"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"
)

// The limits of a notebook. They keep it below about 100 MB.
const (
	maxText  = 1000 // bytes in a note
	maxNotes = 100  // notes of one user
	maxUsers = 1000 // number of users with notes
)

// A note is one note of a user.
type note struct {
	ID        string    `json:"id"`
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"created_at"`

	author author
}

// An author is the user who wrote a note.
type author struct{ ID, Name string }

// A notebook stores the notes of all users in memory. The zero value is an empty notebook. It is
// safe for concurrent use by multiple goroutines. Methods with a userID reach only the notes of
// that user.
type notebook struct {
	mu    sync.Mutex
	notes map[string][]note // by user id, oldest first
}

// list returns the notes of a user, oldest first. The result is never nil.
func (b *notebook) list(userID string) []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]note{}, b.notes[userID]...)
}

// all returns the notes of all users, newest first.
func (b *notebook) all() []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []note
	for _, own := range b.notes {
		all = append(all, own...)
	}
	slices.SortFunc(all, func(x, y note) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), strings.Compare(x.ID, y.ID))
	})
	return all
}

// add stores a note. It fails with errTooManyNotes or errNoRoom.
func (b *notebook) add(by author, text string) (note, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.notes[by.ID]
	if len(own) >= maxNotes {
		return note{}, errTooManyNotes
	}
	if len(own) == 0 && len(b.notes) >= maxUsers {
		return note{}, errNoRoom
	}
	if b.notes == nil {
		b.notes = map[string][]note{}
	}
	n := note{ID: rand.Text(), Text: text, CreatedAt: time.Now().UTC(), author: by}
	b.notes[by.ID] = append(own, n)
	return n, nil
}

// remove deletes a note of a user. It fails with errNoNote if the note does not
// exist or belongs to another user.
func (b *notebook) remove(userID, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.notes[userID]
	i := slices.IndexFunc(own, func(n note) bool { return n.ID == id })
	if i < 0 {
		return errNoNote
	}
	if len(own) == 1 {
		delete(b.notes, userID)
		return nil
	}
	b.notes[userID] = slices.Delete(own, i, i+1)
	return nil
}

// removeAny deletes a note of any user. It fails with errNoNote if the note does not exist.
func (b *notebook) removeAny(id string) error {
	for _, n := range b.all() {
		if n.ID == id {
			return b.remove(n.author.ID, id)
		}
	}
	return errNoNote
}

// removeAll deletes all notes of a user.
func (b *notebook) removeAll(userID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.notes, userID)
}
