package sessionauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/sessionauth/sessionauth/internal/denylist"
	"github.com/sessionauth/sessionauth/internal/requestlog"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/upstream"
	"github.com/sessionauth/sessionauth/stytch"
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

	// The state of the Authenticator, as Ready reports it. KeySetAge is zero if no
	// key set was ever fetched.
	KeySetAge          time.Duration
	OpenBreakers       int
	PendingRevocations int
}

// An observer reports decisions to Config.Observe, and refusals to Config.Logger.
type observer struct {
	observe  func(context.Context, Event)
	logger   func() *slog.Logger
	session  func(Credential) *stytch.Session // of a refused credential, or nil
	keys     *sessionjwt.KeySet
	upstream *upstream.Upstream
	denied   *denylist.List
}

// report completes an Event about err, which may be nil, and passes it on. An
// Outcome that is set stays. Without an Observe it does nothing.
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

// refused logs why the credential of a request is not accepted. r is nil if it did
// not come in a request.
func (o *observer) refused(ctx context.Context, r *http.Request, cred Credential, anonymous bool, err error) {
	if o.logs(ctx) {
		o.logRefusal(ctx, r, o.session(cred), anonymous, err)
	}
}

// logs reports whether refusals are logged. A Logger that panics logs nothing.
func (o *observer) logs(ctx context.Context) (enabled bool) {
	defer func() { _ = recover() }()
	return o.logger().Enabled(ctx, slog.LevelDebug)
}

// logRefusal logs why a request is not let in, or is let in without an identity.
// r and session may be nil. The line contains no credential: of the cause only what causeText
// returns, and of the URL no query.
func (o *observer) logRefusal(ctx context.Context, r *http.Request, session *stytch.Session, anonymous bool, err error) {
	defer func() { _ = recover() }() // a Logger that panics must not change the answer
	text := "sessionauth: refused"
	if anonymous {
		text = "sessionauth: anonymous"
	}
	attrs := append(make([]slog.Attr, 0, 9), requestlog.Attrs(ctx, r)...)
	if !anonymous {
		attrs = append(attrs, slog.Int("status", answerTo(err).status))
	}
	if reason := reasonOf(err); reason != ReasonInternal || outcomeOf(err) == Failed { // an application's Error may have none
		attrs = append(attrs, slog.String("reason", string(reason)))
	}
	if e := details(err); e.Resource != "" {
		attrs = append(attrs, slog.String("resource", e.Resource), slog.String("action", e.Action))
	}
	if cause := causeText(err); cause != "" {
		attrs = append(attrs, slog.String("cause", cause))
	}
	if session != nil {
		attrs = append(attrs, slog.String("session", session.ID), slog.String("user", session.UserID))
	}
	o.logger().LogAttrs(ctx, slog.LevelDebug, text, attrs...)
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
