package stytchtest

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A factor is an authentication factor of a session.
type factor struct {
	kind, method        string
	created, updated    time.Time
	lastAuthenticatedAt time.Time
	details             object // at most one "…_factor"; a password has none
}

func passwordFactor(at time.Time) factor {
	return factor{kind: "password", method: "knowledge", created: at, updated: at, lastAuthenticatedAt: at}
}

// factorsOf takes the factors of a test. The details go through the JSON of
// stytch.AuthenticationFactor: the one place where this server does not spell
// Stytch's names itself.
func factorsOf(given []stytch.AuthenticationFactor, now time.Time) []factor {
	made := []factor{}
	for _, g := range given {
		f := factor{
			kind: g.Type, method: g.DeliveryMethod,
			created: g.CreatedAt, updated: g.UpdatedAt, lastAuthenticatedAt: g.LastAuthenticatedAt,
		}
		for _, at := range []*time.Time{&f.lastAuthenticatedAt, &f.created, &f.updated} {
			if at.IsZero() {
				*at = now
			}
		}
		if err := decode(mustEncode(g), &f.details); err != nil {
			panic("stytchtest: a factor that is not JSON: " + err.Error())
		}
		maps.DeleteFunc(f.details, func(name string, _ any) bool {
			return slices.Contains([]string{"type", "delivery_method", "last_authenticated_at", "created_at", "updated_at"}, name)
		})
		made = append(made, f)
	}
	return made
}

// claim shows the factor as session JWTs do.
func (f factor) claim() object {
	o := copyObject(f.details)
	o["type"], o["delivery_method"] = f.kind, f.method
	o["last_authenticated_at"] = timestamp(f.lastAuthenticatedAt)
	return o
}

// object shows the factor as sessions do.
func (f factor) object() object {
	o := f.claim()
	o["created_at"], o["updated_at"] = timestamp(f.created), timestamp(f.updated)
	return o
}

// AddFactor proves a factor for a session, as a step-up on another device does:
// the session has it from its next JWT and its next answer on. A factor that the
// session has already, of the same type, method and details, is made fresh. One
// without LastAuthenticatedAt was authenticated now. An unknown session panics.
func (s *Server) AddFactor(sessionID string, f stytch.AuthenticationFactor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.mustSession(sessionID)
	at := s.now()
	sess.prove(factorsOf([]stytch.AuthenticationFactor{f}, at)[0])
	sess.accessedAt = at
}

// prove makes a factor a fresh one of the session. s.mu is held.
func (sess *session) prove(f factor) {
	i := slices.IndexFunc(sess.factors, func(old factor) bool {
		return old.kind == f.kind && old.method == f.method && old.sameDetails(f)
	})
	if i < 0 {
		sess.factors = append(sess.factors, f)
		return
	}
	sess.factors[i].updated, sess.factors[i].lastAuthenticatedAt = f.updated, f.lastAuthenticatedAt
}

func (f factor) sameDetails(g factor) bool {
	// Copied, because no details may be nil or empty.
	return bytes.Equal(mustEncode(copyObject(f.details)), mustEncode(copyObject(g.details)))
}
