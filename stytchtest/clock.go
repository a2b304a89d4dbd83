package stytchtest

import "time"

// SetClock sets how far the server's clock is ahead of this machine's; a
// negative offset is behind, and zero, the default, in step. It is what
// sessions, JWTs and locks are made and judged by from now on. What was made
// before keeps its times, so that a jump of the clock can end a session, or
// bring one back. Delays take their time by no clock.
func (s *Server) SetClock(offset time.Duration) { s.ahead.Store(int64(offset)) }

// clock is the time by the server's clock.
func (s *Server) clock() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// now is the time in the whole seconds that Stytch counts in.
func (s *Server) now() time.Time { return s.clock().UTC().Truncate(time.Second) }
