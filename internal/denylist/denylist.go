// Package denylist remembers the sessions that this process has revoked.
//
// It is not an LRU cache, because anyone who can revoke their own sessions
// could evict all other entries from one. An entry whose revocation Stytch has
// confirmed stays in the list as long as a JWT or a cached response of the
// session could otherwise be accepted. An unconfirmed entry stays until Stytch
// confirms it. The duration of an operation does not depend on the length of
// the list.
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

// The limits of a List. Together they allow a million entries.
const (
	maxPending      = 100_000                // unconfirmed entries
	maxPendingBytes = 16 << 20               // session ids and credentials of unconfirmed entries
	maxConfirmed    = 1_000_000 - maxPending // confirmed sessions, and users

	// During an outage, anyone can invent credentials of unknown sessions. Half
	// of the room for unconfirmed entries is therefore reserved for sessions.
	maxCredentials     = maxPending / 2
	maxCredentialBytes = maxPendingBytes / 2
)

// longestSession is the longest session that Stytch allows: 366 days.
const longestSession = 366 * 24 * time.Hour

// A Key is the SHA-256 digest of a credential.
type Key = [sha256.Size]byte

// A Credential is a credential to sign out once Stytch can be reached. Exactly
// one field is set.
type Credential struct{ Token, JWT string }

// Format implements fmt.Formatter. It redacts the credential.
func (Credential) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "denylist.Credential{redacted}")
}

// MarshalJSON implements json.Marshaler. It redacts the credential.
func (Credential) MarshalJSON() ([]byte, error) {
	return []byte(`"denylist.Credential{redacted}"`), nil
}

// A Status is the result of Check.
type Status int

// The statuses.
const (
	Clear  Status = iota // not revoked by this process
	Denied               // revoked by this process
	Purged               // last known to be alive so long ago that it may have been revoked by this process
)

// An id is the first half of the SHA-256 digest of a session id, a user id or a
// credential. Because all ids have the same size, the list is compact.
type id [16]byte

func idOf(s string) id {
	var buffer [256]byte // on the stack; large enough for every id that Stytch issues
	if len(s) > len(buffer) {
		return half(sha256.Sum256([]byte(s)))
	}
	return half(sha256.Sum256(buffer[:copy(buffer[:], s)]))
}

func half(digest Key) id { return id(digest[:len(id{})]) }

// A List is safe for concurrent use by multiple goroutines. Use New to create a
// List.
type List struct {
	keep  time.Duration // how long confirmed entries stay
	epoch time.Time     // epoch of every deadline.Compact

	maxConfirmed int // the constant maxConfirmed, or less in a test

	// The counters are read without the lock, so that an empty list costs a
	// request nothing. A counter must never be too low, not even while an entry
	// is being replaced. Therefore count sets the counters after the maps have
	// changed.
	size        atomic.Int64 // entries
	pending     atomic.Int64 // unconfirmed entries
	credentials atomic.Int64 // entries of credentials
	users       atomic.Int64 // entries of users

	purged atomic.Pointer[time.Time] // when confirmed entries were last purged

	mu        sync.RWMutex
	confirmed table[session]
	denied    table[user]
	sessions  queue[string]     // unconfirmed; by session id
	unknown   queue[credential] // unconfirmed, for credentials of unknown sessions
}

// A session is a revocation that Stytch has confirmed.
type session struct{ end deadline.Compact }

// A user makes Check report Purged for responses about a user that are too old.
type user struct{ before, end deadline.Compact }

type credential struct {
	key Key
	Credential
}

// New returns an empty List in which confirmed entries stay for keep.
func New(keep time.Duration) *List {
	return &List{keep: keep, epoch: time.Now(), maxConfirmed: maxConfirmed}
}

// Format implements fmt.Formatter. It prints only the name, because a List
// holds credentials.
func (*List) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "denylist.List{redacted}") }

// Check reports whether this process has revoked the session, or the credential
// of an unknown session. vouchedAt is when the session and the user were last
// known to be alive.
//
// Check looks up the credential and the session under one lock, because a
// confirmed sign-out adds the session before it removes the credential.
func (l *List) Check(sessionID, userID string, credential Key, vouchedAt, now time.Time) Status {
	if l.size.Load() > 0 {
		if status := l.find(sessionID, userID, credential, vouchedAt, now); status != Clear {
			return status
		}
	}
	// Read purged after the entries, because makeRoom sets it before it drops
	// them.
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

// isDenied reports whether a session is denied. The caller must hold mu.
func (l *List) isDenied(key id, now time.Time) bool {
	if l.isConfirmed(key, now) {
		return true
	}
	e := l.sessions.get(key)
	return e != nil && !e.end.PassedByAll(now)
}

// isConfirmed reports whether the revocation of a session is confirmed. The
// caller must hold mu.
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

// Pending returns the number of unconfirmed entries.
func (l *List) Pending() int { return int(l.pending.Load()) }

// Confirm denies a session whose revocation Stytch has confirmed. If the
// session is already confirmed, the end of its entry does not change, because
// Stytch issues no JWT after the first revocation.
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

// DenyUserBefore makes Check report Purged for a user if vouchedAt is not after
// before. before may come from another clock.
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

// Deny denies a session whose revocation Stytch has not confirmed yet. The
// entry stays until Confirm, or until the longest possible session would have
// ended. Deny returns false if there is no room for it.
func (l *List) Deny(sessionID string, now time.Time) bool {
	key, end := idOf(sessionID), deadline.In(now, longestSession)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	if l.isDenied(key, now) {
		return true
	}
	l.sessions.remove(key) // an expired entry may be left
	if !l.hasRoom(len(sessionID)) {
		return false
	}
	l.sessions.add(key, strings.Clone(sessionID), len(sessionID), end)
	return true
}

// DenyCredential denies a credential of an unknown session until
// RemoveCredential. It returns false if there is no room for it. It copies the
// credential, which may be a substring of a request header.
func (l *List) DenyCredential(key Key, c Credential, now time.Time) bool {
	bytes, end := len(c.Token)+len(c.JWT), deadline.In(now, longestSession)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	if e := l.unknown.get(half(key)); e != nil && !e.end.PassedByAll(now) {
		return true
	}
	l.unknown.remove(half(key)) // an expired entry may be left
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

// Unconfirmed returns the number of unconfirmed sessions and the number of
// unconfirmed credentials.
func (l *List) Unconfirmed() (sessions, credentials int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.sessions.len(), l.unknown.len()
}

// NextSession returns the unconfirmed session that was returned least recently,
// or "" if there is none.
func (l *List) NextSession(now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	return l.sessions.next(now)
}

// NextCredential returns the unconfirmed credential that was returned least
// recently, or zero values if there is none.
func (l *List) NextCredential(now time.Time) (Key, Credential) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.count()
	c := l.unknown.next(now)
	return c.key, c.Credential
}

// hasRoom reports whether there is room for an unconfirmed entry. The caller
// must hold mu.
func (l *List) hasRoom(bytes int) bool {
	return l.sessions.len()+l.unknown.len() < maxPending && l.sessions.bytes+l.unknown.bytes+bytes <= maxPendingBytes
}

// makeRoom drops all confirmed entries if there are too many. It records the
// time, so that Check then reports Purged for everything that was last known to
// be alive before. A dropped entry therefore does not make a revoked session
// acceptable. The caller must hold mu.
func (l *List) makeRoom() {
	if l.confirmed.len()+l.denied.len() < l.maxConfirmed {
		return
	}
	moment := time.Now() // not an earlier time, such as one from before the wait for mu
	l.purged.Store(&moment)
	l.confirmed, l.denied = table[session]{}, table[user]{}
}

// count sets the counters. The caller must hold mu.
func (l *List) count() {
	sessions, credentials, users := l.sessions.len(), l.unknown.len(), l.denied.len()
	l.size.Store(int64(l.confirmed.len() + users + sessions + credentials))
	l.pending.Store(int64(sessions + credentials))
	l.credentials.Store(int64(credentials))
	l.users.Store(int64(users))
}
