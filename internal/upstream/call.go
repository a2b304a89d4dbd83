package upstream

import "crypto/sha256"

// A Class is a group of calls with a capacity of its own. Calls that anyone can
// cause must not use up the capacity for signed-in users.
type Class int

// The classes.
const (
	Verified   Class = iota // JWTs with a valid signature, tokens that were alive before, users, step-up, key set and policy
	Live                    // guards that call Stytch for each request; one user can cause many
	Unverified              // tokens that were never alive here
	SignIns                 // passwords
	classCount
)

// A Subject is the SHA-256 digest of what a call is about: a credential, a
// session, a user or an e-mail address. The zero Subject stands for none.
type Subject [sha256.Size]byte

// A Bound determines how calls about a subject are limited.
type Bound int

// The bounds. If the client chose the subject, the bound must be NoBound.
// Otherwise the calls of an attacker would count against another user.
const (
	NoBound         Bound = iota
	BoundRejections       // for a known session: limits calls in progress and calls that Stytch rejected
	BoundCalls            // for a known session whose client chose what is sent: limits all calls that Stytch answered
)

// A Call describes a kind of call to Stytch.
type Call struct {
	// Endpoint names the circuit breaker. Calls with the same Endpoint share it.
	Endpoint string

	Class Class

	// Subject is what the call is about. A 429 pauses calls about it. About
	// sets it.
	Subject Subject
	Bound   Bound

	// Idempotent reports whether the call may be retried once.
	Idempotent bool

	// Rare reports whether the call is exempt from circuit breakers and pauses,
	// which would only delay the recovery after an outage.
	Rare bool

	// Personal reports whether Stytch limits the call for each person. A 429
	// then pauses nothing, because anyone can send the address of a person and
	// could otherwise lock out others.
	Personal bool

	// Public reports whether the call does not send the project's secret. Its
	// success then does not show that Stytch accepts the secret.
	Public bool
}

// The calls that package sessionauth makes.
var (
	Introspect           = Call{Endpoint: "sessions", Class: Verified, Idempotent: true}
	IntrospectUnverified = Call{Endpoint: "unverified sessions", Class: Unverified, Idempotent: true}
	IntrospectLive       = Call{Endpoint: "sessions", Class: Live, Idempotent: true}
	Extend               = Call{Endpoint: "sessions", Class: Verified} // extends the session
	ExtendUnverified     = Call{Endpoint: "unverified sessions", Class: Unverified}
	LoadUser             = Call{Endpoint: "users", Class: Verified, Idempotent: true}
	LoadKeySet           = Call{Endpoint: "key set", Class: Verified, Idempotent: true, Rare: true, Public: true}
	LoadPolicy           = Call{Endpoint: "policy", Class: Verified, Idempotent: true, Rare: true}
	Revoke               = Call{Endpoint: "revoke", Class: Verified}
	SignIn               = Call{Endpoint: "passwords", Class: SignIns, Personal: true}
	StepUp               = Call{Endpoint: "passwords", Class: Verified, Personal: true}
)

// About returns a copy of c with a subject and a bound.
func (c Call) About(subject Subject, bound Bound) Call {
	c.Subject, c.Bound = subject, bound
	return c
}

// withBreaker lists one call of each endpoint that has a circuit breaker.
var withBreaker = []Call{Introspect, IntrospectUnverified, LoadUser, Revoke, SignIn}
