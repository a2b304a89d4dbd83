package upstream

// A Class groups the calls that share one capacity limit. Calls that anyone can
// cause must not take the capacity of signed-in users.
type Class int

// The classes.
const (
	Verified   Class = iota // for JWTs with a good signature, tokens seen alive, users, key set and policy
	Live                    // for guards that call Stytch on each request, which one user can send many of
	Unverified              // for tokens never seen alive
	SignIns                 // for passwords
	classCount
)

// A Call is a kind of call to Stytch.
type Call struct {
	// Endpoint names the circuit breaker and the pause after a 429. Calls with
	// the same Endpoint share both.
	Endpoint string

	Class Class

	// Idempotent calls are repeated once if a retry may succeed.
	Idempotent bool

	// Rare calls have neither breaker nor pause, which would only delay the
	// recovery after an outage.
	Rare bool

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
	SignIn               = Call{Endpoint: "passwords", Class: SignIns}
)

// withBreaker lists one call of each endpoint that has a circuit breaker.
var withBreaker = []Call{Introspect, IntrospectUnverified, LoadUser, Revoke, SignIn}
