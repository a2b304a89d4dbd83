package main

import (
	"cmp"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"
)

// What one process keeps in memory: 100 MB at most.
const (
	maxText  = 1000 // bytes of a note
	maxNotes = 100  // of one user
	maxUsers = 1000 // with notes
)

type note struct {
	ID        string    `json:"id"`
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"created_at"`

	author author
}

// An author is whose note it is.
type author struct{ ID, Name string }

// A notebook keeps everybody's notes until the process ends. The zero value is
// empty. By their own id users reach no notes but their own.
type notebook struct {
	mu    sync.Mutex
	notes map[string][]note // by user id, the oldest first
}

// list returns a user's notes, never nil.
func (b *notebook) list(userID string) []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]note{}, b.notes[userID]...)
}

// all returns everybody's notes, the newest first.
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

// add fails with errTooManyNotes or errNoRoom.
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

// remove fails with errNoNote, which is also the answer for the note of
// somebody else.
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

// removeAny removes a note of whoever wrote it. It fails with errNoNote.
func (b *notebook) removeAny(id string) error {
	for _, n := range b.all() {
		if n.ID == id {
			return b.remove(n.author.ID, id)
		}
	}
	return errNoNote
}

// removeAll removes all notes of a user.
func (b *notebook) removeAll(userID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.notes, userID)
}
