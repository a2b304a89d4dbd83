package sessionauth

import (
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// A Decider is who decided about a request.
type Decider string

// The deciders. A request that was refused before anybody was asked has none.
const (
	Cache  Decider = "cache"  // what was verified or answered a moment ago
	Local  Decider = "local"  // the JWT, verified against the key set
	Stytch Decider = "stytch" // an answer of Stytch to this request, or to one that came at the same time
)

// An Outcome is what became of a request.
type Outcome string

// The outcomes.
const (
	Passed      Outcome = "passed"
	Anonymous   Outcome = "anonymous"   // passed by Optional without an identity
	Refused     Outcome = "refused"     // 400, 401 or 403
	Unavailable Outcome = "unavailable" // 503
	Failed      Outcome = "failed"      // 500: an error in this process
)

// A Reason says why a request did not pass.
type Reason string

// The reasons: a closed set, fit for a metric's label.
const (
	ReasonNoCredential Reason = "no_credential"
	ReasonMalformed    Reason = Reason(sessionjwt.Malformed) // not the form of a credential
	ReasonAmbiguous    Reason = "ambiguous"                  // several credentials, or two users
	ReasonCrossOrigin  Reason = "cross_origin"

	ReasonBadHeader     Reason = Reason(sessionjwt.BadHeader)     // JWT: algorithm, type or extension
	ReasonUnknownKey    Reason = Reason(sessionjwt.UnknownKey)    // JWT: signed by a key the project has not
	ReasonBadSignature  Reason = Reason(sessionjwt.BadSignature)  // JWT: forged or damaged
	ReasonBadClaims     Reason = Reason(sessionjwt.BadClaims)     // JWT: not a user's session
	ReasonWrongIssuer   Reason = Reason(sessionjwt.WrongIssuer)   // JWT
	ReasonWrongAudience Reason = Reason(sessionjwt.WrongAudience) // JWT: of another project
	ReasonBadTime       Reason = Reason(sessionjwt.BadTime)       // JWT: not valid yet, or impossible times

	ReasonEnded        Reason = "ended"         // the session's own end has passed
	ReasonRevoked      Reason = "revoked"       // revoked in this process
	ReasonRejected     Reason = "rejected"      // Stytch says no
	ReasonOtherSession Reason = "other_session" // token and JWT are of two sessions

	ReasonRole       Reason = "role"       // none of the roles asked for
	ReasonPermission Reason = "permission" // the policy does not allow it
	ReasonFactor     Reason = "factor"     // none of the factors asked for
	ReasonRecency    Reason = "recency"    // no factor fresh enough

	ReasonNoPolicy      Reason = "no_policy"           // no RBAC policy to decide by
	ReasonNoKeySet      Reason = "no_key_set"          // no key to verify a JWT with
	ReasonUnreachable   Reason = "unreachable"         // connection refused, reset, timed out
	ReasonStytchFailing Reason = "stytch_failing"      // an error or an answer that makes no sense
	ReasonRateLimited   Reason = "rate_limited"        // 429
	ReasonMisconfigured Reason = "misconfigured"       // Stytch refuses the project's own credentials
	ReasonOverloaded    Reason = "overloaded"          // MaxInFlight calls are under way
	ReasonNotKept       Reason = "not_kept"            // a sign-out that there is no room to remember: try again
	ReasonBreakerOpen   Reason = "breaker_open"        // Stytch has failed many times in a row and is left alone for seconds
	ReasonRevocations   Reason = "revocations_dropped" // the revoked list was full a moment ago: ask again
	ReasonCanceled      Reason = "canceled"            // the client went away, or its deadline passed
	ReasonInternal      Reason = "internal"            // an error or panic in this process
)

// A Check is which question an Event answers.
type Check string

// The checks.
const (
	CheckedSession    Check = "session"    // may the request pass at all
	CheckedPermission Check = "permission" // does the policy allow it
)

// An Event is one decision, for metrics and traces. It names nobody.
type Event struct {
	Decider Decider       // who decided; empty if nobody had to be asked
	Check   Check         // what was asked; a refusal by Reject is of the session
	Outcome Outcome       // what became of the request
	Reason  Reason        // why it did not pass; empty if it did
	Latency time.Duration // from the arrival at the middleware to the decision

	// PolicyAge is how old the RBAC policy was that decided; zero if none did.
	PolicyAge time.Duration

	// How the Authenticator itself does, as Ready tells it.
	KeySetAge          time.Duration
	OpenBreakers       int
	PendingRevocations int
}

// arrival is when a request came, where somebody wants to know.
func (a *Authenticator) arrival() time.Time {
	if a.config.Observe == nil {
		return time.Time{}
	}
	return time.Now()
}

// deciderOf says who refused a session.
func deciderOf(err error) Decider {
	var e *Error
	switch {
	case !errors.As(err, &e) || e.Kind != ErrInvalidSession, e.Reason == ReasonMalformed, e.Reason == ReasonBadHeader:
		return ""
	case e.Reason == ReasonRejected && e.cause == nil:
		return Cache
	case e.Reason == ReasonRejected, e.Reason == ReasonOtherSession:
		return Stytch
	}
	return Local
}

func (a *Authenticator) observe(ctx context.Context, d *decided, arrived time.Time, anonymous bool) {
	if a.config.Observe == nil {
		return
	}
	e := a.event(CheckedSession, "")
	e.Latency = time.Since(arrived)
	if d.err == nil {
		e.Decider = d.entry.by(d.cached)
	}
	var ours *Error
	if errors.As(d.err, &ours) && ours.Reason == ReasonPermission {
		e.Check, e.PolicyAge = CheckedPermission, ours.policyAge
	}
	if d.err != nil {
		e.Decider = deciderOf(d.err)
		e.Outcome, e.Reason = answerTo(d.err).outcome, reasonOf(d.err)
		if anonymous {
			e.Outcome = Anonymous
		}
	}
	a.config.Observe(ctx, e)
}

// event makes an Event of something that passed.
func (a *Authenticator) event(check Check, by Decider) Event {
	e := Event{Decider: by, Check: check, Outcome: Passed}
	if keys := a.verifier.Keys.Latest(); keys != nil {
		e.KeySetAge = time.Since(keys.AsOf)
	}
	e.OpenBreakers = int(a.upstream.openBreakers.Load())
	e.PendingRevocations = int(a.revoked.pending.Load())
	return e
}
