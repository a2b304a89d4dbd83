package sessionauth

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

// maxRevoked bounds the revoked list. See shrink.
const maxRevoked = 100_000

// longestSession is what Stytch allows: 366 days.
const longestSession = 366 * 24 * time.Hour

// A revokedList holds the sessions that were revoked here. It is no LRU, which
// could be flushed by whoever can revoke sessions of their own.
type revokedList struct {
	keep time.Duration // how long a confirmed revocation can matter

	// The numbers are looked at without the lock, so that an empty list costs a
	// request nothing: none may be too low, not even while a mark is replaced.
	size      atomic.Int64 // of marks
	pending   atomic.Int64 // unconfirmed marks
	signedOut atomic.Int64 // those of credentials

	floor atomic.Pointer[time.Time] // what was vouched for earlier must be asked of Stytch

	mu    sync.RWMutex
	marks map[string]mark // by session id, or by digest where the id is unknown
}

type mark struct {
	end       deadline.Deadline
	confirmed bool // by Stytch

	// credential is what to sign out again with until Stytch confirms, where
	// the session's id could not be found out. Nil where it is the key.
	credential *Credential
}

// has reports whether a session was revoked here.
func (l *revokedList) has(sessionID string, now time.Time) bool {
	if l.size.Load() == 0 {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	m, ok := l.marks[sessionID]
	return ok && !m.end.PassedByAll(now)
}

// hasDigest reports whether a credential of an unknown session was signed out.
func (l *revokedList) hasDigest(k digest, now time.Time) bool {
	// Their number first: a string of the digest costs every request something. A
	// mark by digest always has its credential, so none is missed.
	return l.signedOut.Load() > 0 && l.has(string(k[:]), now)
}

// hasCredential is hasDigest where the digest is not at hand.
func (l *revokedList) hasCredential(credential string, now time.Time) bool {
	return l.signedOut.Load() > 0 && l.hasDigest(digestOf(credential), now)
}

// predates reports whether something was vouched for before marks had to be
// dropped, so that its session may be a revoked one. The clock it was vouched for by
// may be ahead of ours by skew. Ask it after has, which may find nothing any more by
// then.
func (l *revokedList) predates(vouchedAt time.Time, skew time.Duration) bool {
	floor := l.floor.Load()
	return floor != nil && !vouchedAt.Add(-skew).After(*floor)
}

// confirm marks what Stytch says is revoked. It is kept while a JWT or an entry
// of the session could still be accepted.
func (l *revokedList) confirm(key string, now time.Time) {
	l.set(key, mark{end: deadline.In(now, l.keep), confirmed: true}, now)
}

// deny marks a session whose revocation Stytch has not confirmed, until it does
// or no session lives so long.
func (l *revokedList) deny(sessionID string, now time.Time) {
	l.set(sessionID, mark{end: deadline.In(now, longestSession)}, now)
}

// maxSignedOut bounds the credentials of unknown sessions that wait to be signed
// out: anybody can invent one while Stytch cannot be asked.
const maxSignedOut = 1024

// denyCredential marks a credential whose session is unknown, until Stytch can
// be asked. It reports false if there is no room.
func (l *revokedList) denyCredential(key digest, credential *Credential, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.marks[string(key[:])]; !known && l.signedOut.Load() >= maxSignedOut {
		return false
	}
	l.put(string(key[:]), mark{end: deadline.In(now, longestSession), credential: credential}, now)
	return true
}

func (l *revokedList) set(key string, m mark, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(key, m, now)
}

// put is called with mu held.
func (l *revokedList) put(key string, m mark, now time.Time) {
	if l.marks == nil {
		l.marks = map[string]mark{}
	}
	if len(l.marks) >= maxRevoked {
		l.shrink(now)
	}
	l.count(m, 1)
	l.drop(key)
	l.marks[key] = m
}

func (l *revokedList) count(m mark, n int64) {
	l.size.Add(n)
	if !m.confirmed {
		l.pending.Add(n)
	}
	if m.credential != nil {
		l.signedOut.Add(n)
	}
}

// shrink drops the marks that have ended, and if that is not enough all that
// are confirmed. Nothing is let in by that: the moment is noted, and what was
// vouched for before it is asked of Stytch.
func (l *revokedList) shrink(now time.Time) {
	for key, m := range l.marks {
		if m.end.PassedByAll(now) {
			l.drop(key)
		}
	}
	if len(l.marks) < maxRevoked*9/10 {
		return
	}
	moment := time.Now() // now is older: it waited for the lock
	for key, m := range l.marks {
		if m.confirmed {
			l.drop(key)
			l.floor.Store(&moment)
		}
	}
}

func (l *revokedList) remove(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(key)
}

// drop is called with mu held.
func (l *revokedList) drop(key string) {
	m, ok := l.marks[key]
	if !ok {
		return
	}
	delete(l.marks, key)
	l.count(m, -1)
}

// unconfirmed returns some of what Stytch has not confirmed: session ids, and
// credentials by key.
func (l *revokedList) unconfirmed(most int) (sessions []string, credentials map[string]*Credential) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	credentials = map[string]*Credential{}
	for key, m := range l.marks {
		switch {
		case m.confirmed:
		case m.credential == nil && len(sessions) < most:
			sessions = append(sessions, key)
		case m.credential != nil && len(credentials) < most:
			credentials[key] = m.credential
		}
	}
	return sessions, credentials
}

// isConfirmed reports whether Stytch has confirmed a revocation.
func (l *revokedList) isConfirmed(sessionID string, now time.Time) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	m, ok := l.marks[sessionID]
	return ok && m.confirmed && !m.end.PassedByAll(now)
}
