package upstream

import "crypto/sha256"

// A Class groups the calls that share places of their own. Calls that anyone can
// cause must not take the capacity of signed-in users.
type Class int

// The classes.
const (
	Verified   Class = iota // for JWTs with a good signature, tokens seen alive, users, step-up, key set and policy
	Live                    // for guards that call Stytch on each request, which one user can send many of
	Unverified              // for tokens never seen alive
	SignIns                 // for passwords
	classCount
)

// A Subject is the SHA-256 digest of what a call is about: a credential, a
// session, a user or an e-mail address. The zero Subject stands for none.
type Subject [sha256.Size]byte

// A Bound is how the calls about a subject are limited.
type Bound int

// The bounds. A subject that the client chose must be NoBound: the calls of an
// attacker must not count against someone else.
const (
	NoBound         Bound = iota
	BoundRejections       // of a proven session: calls under way, and calls that Stytch rejected
	BoundCalls            // of a proven session whose client chose what is sent: all calls that Stytch answered
)

// A Call is a kind of call to Stytch.
type Call struct {
	// Endpoint names the circuit breaker. Calls with the same Endpoint share it.
	Endpoint string

	Class Class

	// Subject is what the call is about, set by About: a 429 pauses it.
	Subject Subject
	Bound   Bound

	// Idempotent calls are repeated once if a retry may succeed.
	Idempotent bool

	// Rare calls have neither breaker nor pause, which would only delay the
	// recovery after an outage.
	Rare bool

	// Personal calls are limited by Stytch for each person, whose address anyone
	// can send: a 429 pauses nothing, so that nobody can lock others out.
	Personal bool

	// Public calls do not send the project's secret: their success does not
	// show that Stytch accepts it.
	Public bool
}

// The calls that package sessionauth makes.
var (
	Introspect           = Call{Endpoint: "sessions", Class: Verified, Idempotent: true}
	IntrospectUnverified = Call{Endpoint: "unverified sessions", Class: Unverified, Idempotent: true}
	IntrospectLive       = Call{Endpoint: "sessions", Class: Live, Idempotent: true}
	Extend               = Call{Endpoint: "sessions", Class: Verified} // moves the end of the session
	ExtendUnverified     = Call{Endpoint: "unverified sessions", Class: Unverified}
	LoadUser             = Call{Endpoint: "users", Class: Verified, Idempotent: true}
	LoadKeySet           = Call{Endpoint: "key set", Class: Verified, Idempotent: true, Rare: true, Public: true}
	LoadPolicy           = Call{Endpoint: "policy", Class: Verified, Idempotent: true, Rare: true}
	Revoke               = Call{Endpoint: "revoke", Class: Verified}
	SignIn               = Call{Endpoint: "passwords", Class: SignIns, Personal: true}
	StepUp               = Call{Endpoint: "passwords", Class: Verified, Personal: true}
)

// About returns a Call about a subject.
func (c Call) About(subject Subject, bound Bound) Call {
	c.Subject, c.Bound = subject, bound
	return c
}

// withBreaker lists one call of each endpoint that has a circuit breaker.
var withBreaker = []Call{Introspect, IntrospectUnverified, LoadUser, Revoke, SignIn}
