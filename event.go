package sessionauth

import (
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/internal/denylist"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/upstream"
)

// A Decider is what decided about a request.
type Decider string

// The deciders. A request that was refused before its credential was checked
// has none.
const (
	Cache  Decider = "cache"  // an earlier verification, or an earlier answer of Stytch
	Local  Decider = "local"  // verification of the JWT against the key set
	Stytch Decider = "stytch" // an answer of Stytch to this request, or to one that it shared a call with
)

// An Outcome is what became of a request.
type Outcome string

// The outcomes.
const (
	Passed      Outcome = "passed"
	Anonymous   Outcome = "anonymous"   // let in by Optional without an identity
	Refused     Outcome = "refused"     // 400, 401, 403 or 429
	Unavailable Outcome = "unavailable" // 503
	Failed      Outcome = "failed"      // 500: an error in this process
)

// A Check is what an Event is about.
type Check string

// The checks.
const (
	CheckedSession    Check = "session"    // may the request pass at all
	CheckedPermission Check = "permission" // does the policy allow it
)

// An Event is one decision, for metrics and traces. It contains no identifiers.
type Event struct {
	Decider Decider       // empty if the credential was not checked
	Check   Check         // a refusal by Reject is CheckedSession
	Outcome Outcome       //
	Reason  Reason        // why the request did not pass; empty if it did
	Latency time.Duration // from the arrival at the middleware to the decision

	// PolicyAge is the age of the RBAC policy that decided; zero if none did.
	PolicyAge time.Duration

	// The state of the Authenticator, as Ready reports it.
	KeySetAge          time.Duration
	OpenBreakers       int
	PendingRevocations int
}

// An observer reports to Config.Observe. If observe is nil it does nothing.
type observer struct {
	observe  func(context.Context, Event)
	keys     *sessionjwt.KeySet
	upstream *upstream.Upstream
	denied   *denylist.List
}

// report completes an Event about err, which may be nil, and passes it on. An
// Outcome that is set stays.
func (o *observer) report(ctx context.Context, e Event, err error) {
	if o.observe == nil {
		return
	}
	if e.Check == "" {
		e.Check = CheckedSession
	}
	if e.Outcome == "" {
		e.Outcome = outcomeOf(err)
	}
	if err != nil {
		e.Reason = reasonOf(err)
	}
	if e.Reason == ReasonPermission {
		e.Check, e.PolicyAge = CheckedPermission, details(err).policyAge
	}
	if keys := o.keys.Latest(); keys != nil {
		e.KeySetAge = time.Since(keys.AsOf)
	}
	e.OpenBreakers = o.upstream.CountOpenBreakers()
	e.PendingRevocations = o.denied.Pending()
	o.observe(ctx, e)
}

func outcomeOf(err error) Outcome {
	if err == nil {
		return Passed
	}
	switch answerTo(err).kind {
	case nil:
		return Failed
	case ErrUnavailable:
		return Unavailable
	}
	return Refused
}

// deciderOf returns what refused a session.
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
