package sessionauth

import (
	"context"
	"slices"
	"time"
)

// Readiness is how well an Authenticator can decide at this moment. The zero
// value of a field means nothing is wrong with it.
type Readiness struct {
	// Degraded names what does not work as it should: "key_set", "policy",
	// "breaker: <endpoint>", "revocations". Requests may still be decided.
	Degraded []string `json:"degraded,omitempty"`

	KeySetAge          time.Duration `json:"key_set_age_ns"`          // since the key set was fetched
	PolicyAge          time.Duration `json:"policy_age_ns"`           // since the RBAC policy was fetched; zero if nobody needed it yet
	OpenBreakers       []string      `json:"open_breakers,omitempty"` // endpoints that are left alone for the moment
	PendingRevocations int           `json:"pending_revocations"`     // revoked here, not yet confirmed by Stytch
}

// Warm fetches the key set ahead of traffic, so that the first request with a
// JWT does not wait for it. The error is ErrUnavailable.
func (a *Authenticator) Warm(ctx context.Context) error {
	if err := a.verifier.Keys.Load(ctx); err != nil {
		return a.localError(err)
	}
	return nil
}

// Ready reports what is degraded, for a health check. It fails, with
// ErrUnavailable, only where nothing can be decided: there is no key set, none
// can be had now, and Stytch has not answered for a minute. A process that can
// still decide is ready, whatever is degraded: taking it out of service would
// sign its users out.
func (a *Authenticator) Ready(ctx context.Context) (Readiness, error) {
	err := a.Warm(ctx)
	r := a.readiness(time.Now())
	if err != nil && time.Since(time.Unix(0, a.upstream.lastSuccess.Load())) < time.Minute {
		err = nil
	}
	return r, err
}

// readiness looks at what is there; it asks nobody.
func (a *Authenticator) readiness(now time.Time) Readiness {
	r := Readiness{PendingRevocations: int(a.revoked.pending.Load())}
	keys := a.verifier.Keys.Latest()
	if keys != nil {
		r.KeySetAge = now.Sub(keys.AsOf)
	}
	if keys == nil || a.verifier.Keys.IsFailing() {
		r.Degraded = append(r.Degraded, "key_set")
	}
	if policy := a.policies.Latest(); policy != nil {
		r.PolicyAge = now.Sub(policy.AsOf)
	}
	if a.policies.IsFailing() {
		r.Degraded = append(r.Degraded, "policy")
	}
	for route, b := range a.upstream.breakers {
		if b.isOpen() {
			r.OpenBreakers = append(r.OpenBreakers, route.name)
		}
	}
	slices.Sort(r.OpenBreakers)
	for _, name := range r.OpenBreakers {
		r.Degraded = append(r.Degraded, "breaker: "+name)
	}
	if r.PendingRevocations > 0 {
		r.Degraded = append(r.Degraded, "revocations")
	}
	return r
}
