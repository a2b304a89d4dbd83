package sessionauth

import (
	"context"
	"time"
)

// Readiness is the state of an Authenticator. The zero value of a field means
// that nothing is wrong with it.
type Readiness struct {
	// Degraded names what does not work as it should: "key_set", "policy",
	// "breaker: <endpoint>", "revocations". Requests may still be let in.
	Degraded []string `json:"degraded,omitempty"`

	KeySetAge          time.Duration `json:"key_set_age_ns"`          // since the key set was fetched
	PolicyAge          time.Duration `json:"policy_age_ns"`           // since the RBAC policy was fetched; zero if it was never needed
	OpenBreakers       []string      `json:"open_breakers,omitempty"` // endpoints that are not called at the moment
	PendingRevocations int           `json:"pending_revocations"`     // revoked here, not yet confirmed by Stytch
}

// Warm fetches the key set ahead of traffic, so that the first request with a
// JWT does not wait for it. The error is ErrUnavailable.
func (a *Authenticator) Warm(ctx context.Context) error {
	return translate(a.sessions.verifier.Keys.Load(ctx), nil)
}

// Ready reports what is degraded, for a health check. It returns ErrUnavailable
// only if no request can be decided: there is no key set, none can be fetched,
// and Stytch has not answered for a minute. A process that can still decide is
// ready, whatever is degraded: taking it out of service would sign its users
// out.
func (a *Authenticator) Ready(ctx context.Context) (Readiness, error) {
	err := a.Warm(ctx)
	if err != nil && time.Since(a.sessions.upstream.LastSuccess()) < time.Minute {
		err = nil
	}
	return a.sessions.readiness(time.Now()), err
}

// readiness makes no call.
func (s *sessions) readiness(now time.Time) Readiness {
	r := Readiness{PendingRevocations: s.denied.Pending(), OpenBreakers: s.upstream.OpenBreakers()}
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
	if r.PendingRevocations > 0 {
		r.Degraded = append(r.Degraded, "revocations")
	}
	return r
}
