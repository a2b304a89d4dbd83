package stytchtest

import "time"

const defaultLockDuration = time.Hour

// A lock counts a user's wrong passwords, and says what comes of them.
type lock struct {
	failures         int // in a row
	created, expires time.Time
}

// holds reports whether the user is locked at a time.
func (l *lock) holds(at time.Time) bool { return at.Before(l.expires) }

// fail counts a wrong password. That it is the call after the last one that is
// told of the lock is a guess. s.mu is held.
func (s *Server) fail(l *lock) {
	duration := s.LockDuration
	if duration == 0 {
		duration = defaultLockDuration
	}
	l.failures++
	if s.LockThreshold > 0 && l.failures >= s.LockThreshold {
		at := s.now()
		*l = lock{created: at, expires: at.Add(duration)}
	}
}
