package state

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"
)

// Settings are the settings of a project. The fields have the same meaning,
// units and zero values as the fields of stytchtest.Server with the same names.
type Settings struct {
	ProjectID     string
	Issuer        string
	JWTLifetime   time.Duration
	LockThreshold int
	LockDuration  time.Duration
}

const (
	defaultJWTLifetime  = 5 * time.Minute
	defaultLockDuration = time.Hour
)

// withDefaults returns the settings with defaults in place of zero values.
func (s Settings) withDefaults() Settings {
	if s.Issuer == "" {
		s.Issuer = "stytch.com/" + s.ProjectID
	}
	if s.JWTLifetime == 0 {
		s.JWTLifetime = defaultJWTLifetime
	}
	if s.LockDuration == 0 {
		s.LockDuration = defaultLockDuration
	}
	return s
}

// An environment holds what the parts of a project share: its settings, its
// clock and the form of its ids.
type environment struct {
	read  func() Settings // called for each use, because a test may change them
	ahead atomic.Int64    // how far the clock is ahead, in nanoseconds
}

func (e *environment) settings() Settings { return e.read().withDefaults() }

// clock returns the time on the project's clock.
func (e *environment) clock() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }

// now returns the time on the project's clock, truncated to whole seconds as in
// the Stytch API.
func (e *environment) now() time.Time { return e.clock().UTC().Truncate(time.Second) }

// name returns the name of the environment, which is part of every id.
func (e *environment) name() string {
	if strings.HasPrefix(e.read().ProjectID, "project-live-") {
		return "live"
	}
	return "test"
}

// newID returns a new id in the form of Stytch: kind, environment and UUID.
func (e *environment) newID(kind string) string { return kind + "-" + e.name() + "-" + newUUID() }

// newUUID returns a random UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // rand.Read never returns an error
	return uuid(b[:])
}

// uuid formats 16 bytes as a UUID of version 4 (RFC 9562, section 5.4).
func uuid(from []byte) string {
	var b [16]byte
	copy(b[:], from)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
