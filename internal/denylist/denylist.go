// Package denylist remembers the sessions that were revoked in this process.
//
// It is not an LRU, which anyone who can revoke sessions of their own could
// flush. A revocation that Stytch has confirmed is kept while a JWT or a cached
// answer of the session could still be accepted; an unconfirmed one until
// Stytch confirms it.
package denylist

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

// maxEntries bounds a List. See purge.
const maxEntries = 100_000

// longestSession is the longest session that Stytch allows: 366 days.
const longestSession = 366 * 24 * time.Hour

// maxCredentials bounds the credentials of unknown sessions that wait to be
// signed out: anyone can invent one during an outage.
const maxCredentials = 1024

// A Key is the SHA-256 digest of a credential.
type Key = [sha256.Size]byte

// A Credential is what to sign out with once Stytch can be reached: one of the
// two is set.
type Credential struct{ Token, JWT string }

// A Status is what a List knows about a session.
type Status int

// The statuses.
const (
	Clear  Status = iota // not revoked here
	Denied               // revoked here
	Purged               // vouched for before entries were purged: it may have been revoked here
)

// A List is safe for use by several goroutines. Make one with New.
type List struct {
	keep time.Duration // of confirmed entries

	// The counters are read without the lock, so that an empty list costs a
	// request nothing. No counter may be too low, not even while an entry is
	// being replaced.
	size        atomic.Int64 // entries
	pending     atomic.Int64 // entries that Stytch has not confirmed
	credentials atomic.Int64 // entries of credentials

	purged atomic.Pointer[time.Time] // when confirmed entries were last purged

	mu      sync.RWMutex
	entries map[string]entry // by session id, or by Key where the id is unknown
}

type entry struct {
	end       deadline.Deadline
	confirmed bool // by Stytch

	// credential is set where the session id is unknown, and nil where it is
	// the key.
	credential *Credential
}

// New returns an empty List that keeps a confirmed revocation for keep.
func New(keep time.Duration) *List {
	return &List{keep: keep, entries: map[string]entry{}}
}

// Check reports whether the session, or the credential if its session is
// unknown, was revoked here. vouchedAt is when the session was last known to be
// alive.
//
// It looks at credential and session under one lock: a sign-out that Stytch
// confirms adds the session before it removes the credential.
func (l *List) Check(sessionID string, credential Key, vouchedAt, now time.Time) Status {
	if l.size.Load() > 0 && l.denies(sessionID, credential, now) {
		return Denied
	}
	// Read after the entries: purge sets the time before it drops them.
	if purged := l.purged.Load(); purged != nil && !vouchedAt.After(*purged) {
		return Purged
	}
	return Clear
}

func (l *List) denies(sessionID string, credential Key, now time.Time) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.credentials.Load() > 0 {
		if e, ok := l.entries[string(credential[:])]; ok && !e.end.PassedByAll(now) {
			return true
		}
	}
	e, ok := l.entries[sessionID]
	return ok && !e.end.PassedByAll(now)
}

// IsConfirmed reports whether Stytch has confirmed the revocation of a session.
func (l *List) IsConfirmed(sessionID string, now time.Time) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, ok := l.entries[sessionID]
	return ok && e.confirmed && !e.end.PassedByAll(now)
}

// Pending returns how many revocations Stytch has not confirmed.
func (l *List) Pending() int { return int(l.pending.Load()) }

// Confirm denies a session whose revocation Stytch has confirmed.
func (l *List) Confirm(sessionID string, now time.Time) {
	l.set(sessionID, entry{end: deadline.In(now, l.keep), confirmed: true}, now)
}

// Deny denies a session whose revocation Stytch has not confirmed yet: until
// Confirm, or until no session can live so long.
func (l *List) Deny(sessionID string, now time.Time) {
	l.set(sessionID, entry{end: deadline.In(now, longestSession)}, now)
}

// DenyCredential denies a credential of an unknown session until Remove, and
// reports false if there is no room for it.
func (l *List) DenyCredential(key Key, c Credential, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.entries[string(key[:])]; !known && l.credentials.Load() >= maxCredentials {
		return false
	}
	l.put(string(key[:]), entry{end: deadline.In(now, longestSession), credential: &c}, now)
	return true
}

// Remove removes an entry by its session id, or by the Key of its credential.
func (l *List) Remove(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(key)
}

// Unconfirmed returns at most limit session ids, and at most limit credentials,
// that Stytch has not confirmed. The credentials are keyed as for Remove.
func (l *List) Unconfirmed(limit int) (sessions []string, credentials map[string]Credential) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	credentials = map[string]Credential{}
	for key, e := range l.entries {
		switch {
		case e.confirmed:
		case e.credential == nil && len(sessions) < limit:
			sessions = append(sessions, key)
		case e.credential != nil && len(credentials) < limit:
			credentials[key] = *e.credential
		}
	}
	return sessions, credentials
}

func (l *List) set(key string, e entry, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(key, e, now)
}

// put requires mu.
func (l *List) put(key string, e entry, now time.Time) {
	if len(l.entries) >= maxEntries {
		l.purge(now)
	}
	l.count(e, 1) // before drop: a counter may be too high for a moment, never too low
	l.drop(key)
	l.entries[key] = e
}

// drop requires mu.
func (l *List) drop(key string) {
	e, ok := l.entries[key]
	if !ok {
		return
	}
	delete(l.entries, key)
	l.count(e, -1)
}

func (l *List) count(e entry, n int64) {
	l.size.Add(n)
	if !e.confirmed {
		l.pending.Add(n)
	}
	if e.credential != nil {
		l.credentials.Add(n)
	}
}

// purge removes the entries that have ended and, if that frees too little, all
// confirmed ones. It notes the time: Check reports Purged for what was vouched
// for earlier, so nothing is accepted because of it. It requires mu.
func (l *List) purge(now time.Time) {
	for key, e := range l.entries {
		if e.end.PassedByAll(now) {
			l.drop(key)
		}
	}
	if len(l.entries) < maxEntries*9/10 {
		return
	}
	purged := false
	for _, e := range l.entries {
		purged = purged || e.confirmed
	}
	if !purged {
		return
	}
	moment := time.Now() // not now, which is from before the wait for mu
	l.purged.Store(&moment)
	for key, e := range l.entries {
		if e.confirmed {
			l.drop(key)
		}
	}
}
