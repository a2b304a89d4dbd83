package stytch

// FactorImpersonated is the type of the factor of a session in which a member
// of the Stytch workspace acts as the user. Such a session has no other factor.
// See https://stytch.com/docs/api/impersonation.
const FactorImpersonated = "impersonated"

// Impersonator returns who impersonates the user in the session. The result is
// false if nobody does. The ImpersonatedFactor is zero if Stytch did not name
// the impersonator.
func (s *Session) Impersonator() (ImpersonatedFactor, bool) {
	for i := range s.Factors {
		if f := &s.Factors[i]; f.Type == FactorImpersonated {
			if f.ImpersonatedFactor == nil {
				return ImpersonatedFactor{}, true
			}
			return *f.ImpersonatedFactor, true
		}
	}
	return ImpersonatedFactor{}, false
}
