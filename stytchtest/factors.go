package stytchtest

import (
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
func factorsOf(given []stytch.AuthenticationFactor) []factor {
	made := []factor{}
	for _, g := range given {
		f := factor{
			kind: g.Type, method: g.DeliveryMethod,
			created: g.CreatedAt, updated: g.UpdatedAt, lastAuthenticatedAt: g.LastAuthenticatedAt,
		}
		for _, at := range []*time.Time{&f.lastAuthenticatedAt, &f.created, &f.updated} {
			if at.IsZero() {
				*at = now()
			}
		}
		if err := decode(mustEncode(g), &f.details); err != nil {
			panic("stytchtest: SessionOptions.Factors: " + err.Error())
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

// provePassword makes the password a fresh factor of the session. s.mu is held.
func (sess *session) provePassword() {
	at := now()
	i := slices.IndexFunc(sess.factors, func(f factor) bool { return f.kind == "password" })
	if i < 0 {
		sess.factors = append(sess.factors, passwordFactor(at))
		return
	}
	sess.factors[i].updated, sess.factors[i].lastAuthenticatedAt = at, at
}
