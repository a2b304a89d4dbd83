package sessionauth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/stytch"
)

// maxRevoked bounds the revoked list. See revokedList.add.
const maxRevoked = 100_000

// longestSession is what Stytch allows: 366 days.
const longestSession = 366 * 24 * time.Hour

// A revokedList holds the sessions that were revoked here. It is no LRU, which
// could be flushed by whoever can revoke sessions of their own.
type revokedList struct {
	keep time.Duration // how long a confirmed revocation can matter

	size    atomic.Int64 // of marks: an empty list costs a request nothing
	pending atomic.Int64 // unconfirmed marks
	floor   atomic.Int64 // Unix nanoseconds; what was vouched for earlier must be asked of Stytch

	mu    sync.RWMutex
	marks map[string]mark // by session id
}

type mark struct {
	end       deadline.Deadline
	confirmed bool // by Stytch
}

// has reports whether a session was revoked here.
func (l *revokedList) has(sessionID string, now time.Time) bool {
	if l.size.Load() == 0 {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	m, ok := l.marks[sessionID]
	return ok && !m.end.Passed(now)
}

// predates reports whether something was vouched for before marks had to be
// dropped, so that its session may be a revoked one.
func (l *revokedList) predates(vouchedAt time.Time) bool {
	floor := l.floor.Load()
	return floor != 0 && vouchedAt.UnixNano() <= floor
}

// add marks a session. Confirmed is kept while a JWT or an entry of the session
// could still be accepted; unconfirmed until Stytch confirms, or no session
// lives so long.
func (l *revokedList) add(sessionID string, confirmed bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.marks[sessionID]; ok && old.confirmed && !old.end.Passed(now) && !confirmed {
		confirmed = true // it was confirmed before
	}
	end := deadline.In(now, longestSession)
	if confirmed {
		end = deadline.In(now, l.keep)
	}
	if l.marks == nil {
		l.marks = map[string]mark{}
	}
	if len(l.marks) >= maxRevoked {
		l.shrink(now)
	}
	l.drop(sessionID)
	l.marks[sessionID] = mark{end, confirmed}
	l.size.Add(1)
	if !confirmed {
		l.pending.Add(1)
	}
}

// shrink drops the marks that have ended, and if that is not enough all that
// are confirmed. Nothing is let in by that: the moment is noted, and what was
// vouched for before it is asked of Stytch.
func (l *revokedList) shrink(now time.Time) {
	for id, m := range l.marks {
		if m.end.Passed(now) {
			l.drop(id)
		}
	}
	if len(l.marks) < maxRevoked*9/10 {
		return
	}
	l.floor.Store(now.UnixNano())
	for id, m := range l.marks {
		if m.confirmed {
			l.drop(id)
		}
	}
}

func (l *revokedList) remove(sessionID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(sessionID)
}

// drop is called with mu held.
func (l *revokedList) drop(sessionID string) {
	m, ok := l.marks[sessionID]
	if !ok {
		return
	}
	delete(l.marks, sessionID)
	l.size.Add(-1)
	if !m.confirmed {
		l.pending.Add(-1)
	}
}

// unconfirmed returns some of the sessions whose revocation Stytch has not
// confirmed.
func (l *revokedList) unconfirmed(most int) []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var ids []string
	for id, m := range l.marks {
		if !m.confirmed && len(ids) < most {
			ids = append(ids, id)
		}
	}
	return ids
}

// Revoke ends a session at Stytch, and here at once: this process accepts
// neither its token nor any JWT of it from now on.
//
// If Stytch cannot be asked the error is ErrUnavailable; the session is refused
// here all the same, and later calls to Stytch try again in passing until it
// confirms. Any other error means that the session id is none, and nothing was
// revoked.
func (a *Authenticator) Revoke(ctx context.Context, sessionID string) error {
	if sessionID == "" {
		return errors.New("sessionauth: Revoke: the session id is empty")
	}
	a.revoked.add(sessionID, false, time.Now())
	a.caches.forget(map[string]bool{sessionID: true})
	return a.revokeAtStytch(ctx, sessionID)
}

func (a *Authenticator) revokeAtStytch(ctx context.Context, sessionID string) error {
	_, err := share(ctx, a.upstream, "revoke:"+sessionID, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.client.RevokeSession(ctx, stytch.RevokeSessionParams{SessionID: sessionID})
	})
	var se *stytch.Error
	switch {
	case err == nil, errors.As(err, &se) && se.Type == stytch.TypeSessionNotFound:
		a.revoked.add(sessionID, true, time.Now())
		return nil
	case se != nil && se.Type == stytch.TypeInvalidSessionID:
		a.revoked.remove(sessionID)
		return se
	}
	return a.upstream.unavailable(err)
}

// retryRevocations tries again, after a call has shown that Stytch can be
// asked, what it could not confirm before. At most one such round a second.
func (a *Authenticator) retryRevocations() {
	if a.revoked.pending.Load() == 0 {
		return
	}
	now := time.Now().UnixNano()
	last := a.lastRetry.Load()
	if now-last < int64(time.Second) || !a.lastRetry.CompareAndSwap(last, now) {
		return
	}
	go func() {
		for _, id := range a.revoked.unconfirmed(8) {
			if a.revokeAtStytch(context.Background(), id) != nil {
				return
			}
		}
	}()
}
