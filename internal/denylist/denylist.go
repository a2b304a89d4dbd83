// Package denylist remembers the sessions that were revoked in this process.
//
// It is not an LRU, which anyone who can revoke sessions of their own could
// flush. A revocation that Stytch has confirmed is kept while a JWT or a cached
// answer of the session could still be accepted; an unconfirmed one until
// Stytch confirms it. No operation takes longer because the list is long.
package denylist

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

// The bounds of a List. Together they allow a million entries.
const (
	maxPending      = 100_000                // unconfirmed entries
	maxPendingBytes = 16 << 20               // of their session ids and credentials
	maxConfirmed    = 1_000_000 - maxPending // confirmed sessions, and users

	// Anyone can invent credentials of unknown sessions during an outage. Half
	// of the room for unconfirmed entries is reserved for sessions.
	maxCredentials     = maxPending / 2
	maxCredentialBytes = maxPendingBytes / 2
)

// longestSession is the longest session that Stytch allows: 366 days.
const longestSession = 366 * 24 * time.Hour

// A Key is the SHA-256 digest of a credential.
type Key = [sha256.Size]byte

// A Credential is what to sign out with once Stytch can be reached: one of the
// two is set.
type Credential struct{ Token, JWT string }

// Format redacts the credential.
func (Credential) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "denylist.Credential{redacted}")
}

// MarshalJSON redacts the credential.
func (Credential) MarshalJSON() ([]byte, error) {
	return []byte(`"denylist.Credential{redacted}"`), nil
}

// A Status is what a List knows about a session.
type Status int

// The statuses.
const (
	Clear  Status = iota // not revoked here
	Denied               // revoked here
	Purged               // vouched for too long ago to be sure: it may have been revoked here
)

// An id is the first half of a SHA-256 digest, of a session id, a user id or a
// credential. Entries of one size keep the list compact, whatever the ids are.
type id [16]byte

func idOf(s string) id {
	var buffer [256]byte // on the stack; holds every id that Stytch issues
	if len(s) > len(buffer) {
		return half(sha256.Sum256([]byte(s)))
	}
	return half(sha256.Sum256(buffer[:copy(buffer[:], s)]))
}

func half(digest Key) id { return id(digest[:len(id{})]) }

// A List is safe for use by several goroutines. Make one with New.
type List struct {
	keep  time.Duration // of confirmed entries
	epoch time.Time     // of each deadline.Compact

	maxConfirmed int // maxConfirmed, or less in a test

	// The counters are read without the lock, so that an empty list costs a
	// request nothing. No counter may be too low, not even while an entry is
	// being replaced: count sets them once the maps have changed.
	size        atomic.Int64 // entries
	pending     atomic.Int64 // entries that Stytch has not confirmed
	credentials atomic.Int64 // entries of credentials
	users       atomic.Int64 // entries of users

	purged atomic.Pointer[time.Time] // when confirmed entries were last purged

	mu        sync.RWMutex
	confirmed table[session]
	denied    table[user]
	sessions  queue[string]     // unconfirmed, by session id
	unknown   queue[credential] // unconfirmed, of unknown sessions
}

// A session was revoked, which Stytch has confirmed.
type session struct{ end deadline.Compact }

// A user was denied: an earlier answer about them must not be used.
type user struct{ before, end deadline.Compact }

type credential struct {
	key Key
	Credential
}

// New returns an empty List that keeps a confirmed revocation for keep.
func New(keep time.Duration) *List {
	return &List{keep: keep, epoch: time.Now(), maxConfirmed: maxConfirmed}
}

// Format prints the name only: a List holds credentials.
func (*List) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "denylist.List{redacted}") }

// Check reports whether the session, or the credential if its session is
// unknown, was revoked here. vouchedAt is when session and user were last known
// to be alive.
//
// It looks at credential and session under one lock: a sign-out that Stytch
// confirms adds the session before it removes the credential.
func (l *List) Check(sessionID, userID string, credential Key, vouchedAt, now time.Time) Status {
	if l.size.Load() > 0 {
		if status := l.find(sessionID, userID, credential, vouchedAt, now); status != Clear {
			return status
		}
	}
	// Read after the entries: purge sets the time before it drops them.
	if purged := l.purged.Load(); purged != nil && !vouchedAt.After(*purged) {
		return Purged
	}
	return Clear
}

func (l *List) find(sessionID, userID string, credential Key, vouchedAt, now time.Time) Status {
	var userKey id
	hasUsers := l.users.Load() > 0
	if hasUsers {
		userKey = idOf(userID)
	}
	key := idOf(sessionID)
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.credentials.Load() > 0 {
		if e := l.unknown.get(half(credential)); e != nil && !e.end.PassedByAll(now) {
			return Denied
		}
	}
	if l.isDenied(key, now) {
		return Denied
	}
	if hasUsers {
		if u, ok := l.denied.get(userKey); ok && !u.end.PassedByAll(l.epoch, now) && !u.before.IsBefore(l.epoch, vouchedAt) {
			return Purged
		}
	}
	return Clear
}

// isDenied requires mu.
func (l *List) isDenied(key id, now time.Time) bool {
	if l.isConfirmed(key, now) {
		return true
	}
	e := l.sessions.get(key)
	return e != nil && !e.end.PassedByAll(now)
}

// isConfirmed requires mu.
func (l *List) isConfirmed(key id, now time.Time) bool {
	s, ok := l.confirmed.get(key)
	return ok && !s.end.PassedByAll(l.epoch, now)
}

// IsConfirmed reports whether Stytch has confirmed the revocation of a session.
func (l *List) IsConfirmed(sessionID string, now time.Time) bool {
	key := idOf(sessionID)
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.isConfirmed(key, now)
}

// Pending returns how many revocations Stytch has not confirmed.
func (l *List) Pending() int { return int(l.pending.Load()) }

// Confirm denies a session whose revocation Stytch has confirmed. Of a session
// that is already confirmed, the first time counts: no JWT is issued after it.
func (l *List) Confirm(sessionID string, now time.Time) {
	key := idOf(sessionID)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	if !l.isConfirmed(key, now) {
		l.makeRoom()
		end := deadline.In(now, l.keep).Compact(l.epoch)
		l.confirmed.put(key, session{end}, func(s session) bool { return s.end.PassedByAll(l.epoch, now) })
	}
	l.sessions.remove(key)
}

// DenyUserBefore makes Check report Purged for what was vouched for about a
// user up to a moment, which may be of another clock.
func (l *List) DenyUserBefore(userID string, before, now time.Time) {
	key, moment := idOf(userID), deadline.At(now, before).Compact(l.epoch)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	old, ok := l.denied.get(key)
	if !ok {
		l.makeRoom()
	} else {
		moment = moment.Latest(old.before)
	}
	u := user{moment, deadline.In(now, l.keep).Compact(l.epoch).Latest(old.end)}
	l.denied.put(key, u, func(u user) bool { return u.end.PassedByAll(l.epoch, now) })
}

// Deny denies a session whose revocation Stytch has not confirmed yet: until
// Confirm, or until no session can live so long. It reports false if there is
// no room for it.
func (l *List) Deny(sessionID string, now time.Time) bool {
	key, end := idOf(sessionID), deadline.In(now, longestSession)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	if l.isDenied(key, now) {
		return true
	}
	l.sessions.remove(key) // it may have ended
	if !l.hasRoom(len(sessionID)) {
		return false
	}
	l.sessions.add(key, strings.Clone(sessionID), len(sessionID), end)
	return true
}

// DenyCredential denies a credential of an unknown session until
// RemoveCredential, and reports false if there is no room for it. It copies the
// credential, which may be part of a request's header.
func (l *List) DenyCredential(key Key, c Credential, now time.Time) bool {
	bytes, end := len(c.Token)+len(c.JWT), deadline.In(now, longestSession)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	if e := l.unknown.get(half(key)); e != nil && !e.end.PassedByAll(now) {
		return true
	}
	l.unknown.remove(half(key)) // it may have ended
	if l.unknown.len() >= maxCredentials || l.unknown.bytes+bytes > maxCredentialBytes || !l.hasRoom(bytes) {
		return false
	}
	c = Credential{strings.Clone(c.Token), strings.Clone(c.JWT)}
	l.unknown.add(half(key), credential{key, c}, bytes, end)
	return true
}

// Remove removes an unconfirmed session.
func (l *List) Remove(sessionID string) {
	key := idOf(sessionID)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	l.sessions.remove(key)
}

// RemoveCredential removes a credential.
func (l *List) RemoveCredential(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	l.unknown.remove(half(key))
}

// Unconfirmed returns how many sessions, and how many credentials of unknown
// sessions, Stytch has not confirmed.
func (l *List) Unconfirmed() (sessions, credentials int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.sessions.len(), l.unknown.len()
}

// NextSession returns the unconfirmed session that it has not returned for the
// longest time, or "" if there is none.
func (l *List) NextSession(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	return l.sessions.next(now)
}

// NextCredential returns the credential that it has not returned for the longest
// time, or the zero values if there is none.
func (l *List) NextCredential(now time.Time) (Key, Credential) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	c := l.unknown.next(now)
	return c.key, c.Credential
}

// hasRoom requires mu.
func (l *List) hasRoom(bytes int) bool {
	return l.sessions.len()+l.unknown.len() < maxPending && l.sessions.bytes+l.unknown.bytes+bytes <= maxPendingBytes
}

// makeRoom drops all confirmed entries if there are too many. It notes the time:
// Check reports Purged for what was vouched for earlier, so nothing is accepted
// because of it. It requires mu.
func (l *List) makeRoom() {
	if l.confirmed.len()+l.denied.len() < l.maxConfirmed {
		return
	}
	moment := time.Now() // no earlier time, such as one from before the wait for mu
	l.purged.Store(&moment)
	l.confirmed, l.denied = table[session]{}, table[user]{}
}

// count sets the counters. It requires mu.
func (l *List) count() {
	sessions, credentials, users := l.sessions.len(), l.unknown.len(), l.denied.len()
	l.size.Store(int64(l.confirmed.len() + users + sessions + credentials))
	l.pending.Store(int64(sessions + credentials))
	l.credentials.Store(int64(credentials))
	l.users.Store(int64(users))
}
