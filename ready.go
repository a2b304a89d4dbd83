package sessionauth

import (
	"context"
	"time"

	"github.com/sessionauth/sessionauth/internal/upstream"
)

// Readiness is the state of an Authenticator, as far as it is known: reading it
// makes no call.
type Readiness struct {
	// Degraded names what does not work as it should. If it is empty, nothing is
	// known to be wrong. Requests may still be let in. The names are
	//
	//	misconfigured        Stytch refuses the project's credentials: requests that need a call get 503
	//	key_set              none was ever fetched, or the last fetch failed
	//	policy               the last fetch of the RBAC policy failed
	//	breaker: <endpoint>  the endpoint failed many times in a row
	//	failing: <endpoint>  likewise, with answers that open no breaker, such as those of a proxy
	//	paused: <endpoint>   not called for some seconds, because Stytch answered 429
	//	revocations          see PendingRevocations
	Degraded []string `json:"degraded,omitempty"`

	KeySetAge          time.Duration `json:"key_set_age_ns"`          // since the key set was fetched; zero if none ever was: see Degraded
	PolicyAge          time.Duration `json:"policy_age_ns"`           // since the RBAC policy was fetched; zero if none ever was, which is no fault
	OpenBreakers       []string      `json:"open_breakers,omitempty"` // endpoints that are not called at the moment
	PendingRevocations int           `json:"pending_revocations"`     // revoked here, not yet confirmed by Stytch
}

// Warm makes two calls ahead of traffic. It fetches the key set, so that the
// first request with a JWT does not wait for it, and the RBAC policy, because that
// call sends the project's secret. What is held already is not fetched again.
//
// The error is ErrUnavailable: there is no key set, or, with ReasonMisconfigured,
// Stytch refuses the secret. It is nil if the policy cannot be fetched for another
// reason, as not every service needs it.
func (a *Authenticator) Warm(ctx context.Context) error {
	s := a.sessions
	if err := translate(s.verifier.Keys.Load(ctx), nil); err != nil {
		return err
	}
	fetch := func(ctx context.Context) error { _, err := s.policies.Get(ctx); return err }
	if s.upstream.Misconfigured() != nil || s.policies.IsFailing() {
		seen := s.policies.Latest()
		fetch = func(ctx context.Context) error { return s.policies.Refresh(ctx, seen) } // what was wrong may be right by now
	}
	if err := fetch(ctx); err != nil && ctx.Err() != nil {
		return translate(upstream.CanceledBy(ctx.Err()), nil)
	}
	return translate(s.upstream.Misconfigured(), nil)
}

// Ready reports what is degraded, for a health check. The error is ErrUnavailable
// only if no request can be decided: there is no key set, none can be fetched, and
// Stytch has not answered for a minute; or, with ReasonMisconfigured, Stytch has
// never accepted the project's secret in this process, and SessionOnly is not set.
// A process that can still decide is ready, whatever is degraded: taking it out of
// service would sign its users out.
//
// Ready fetches the key set unless it is held. Until Stytch has accepted the
// secret, Ready also makes a call that sends it, at most once a minute.
func (a *Authenticator) Ready(ctx context.Context) (Readiness, error) {
	s := a.sessions
	err := translate(s.verifier.Keys.Load(ctx), nil)
	if err == nil {
		_ = s.checkProject(ctx) // Misconfigured knows the result
	} else if time.Since(s.upstream.LastSuccess()) < time.Minute {
		err = nil
	}
	if refused := s.upstream.Misconfigured(); refused != nil && !s.upstream.EverAccepted() && !s.config.SessionOnly {
		err = translate(refused, nil)
	}
	return s.readiness(time.Now()), err
}

// readiness makes no call.
func (s *sessions) readiness(now time.Time) Readiness {
	r := Readiness{PendingRevocations: s.denied.Pending(), OpenBreakers: s.upstream.OpenBreakers()}
	if s.upstream.Misconfigured() != nil {
		r.Degraded = append(r.Degraded, string(ReasonMisconfigured))
	}
	keys := s.verifier.Keys.Latest()
	if keys != nil {
		r.KeySetAge = now.Sub(keys.AsOf)
	}
	if keys == nil || s.verifier.Keys.IsFailing() {
		r.Degraded = append(r.Degraded, "key_set")
	}
	if policy := s.policies.Latest(); policy != nil {
		r.PolicyAge = now.Sub(policy.AsOf)
	}
	if s.policies.IsFailing() {
		r.Degraded = append(r.Degraded, "policy")
	}
	for _, name := range r.OpenBreakers {
		r.Degraded = append(r.Degraded, "breaker: "+name)
	}
	for _, name := range s.upstream.Failing() {
		r.Degraded = append(r.Degraded, "failing: "+name)
	}
	for _, name := range s.upstream.Paused(now) {
		r.Degraded = append(r.Degraded, "paused: "+name)
	}
	if r.PendingRevocations > 0 {
		r.Degraded = append(r.Degraded, "revocations")
	}
	return r
}
