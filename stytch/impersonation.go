package stytch

// FactorImpersonated is the type of the only factor of a session in which a
// member of the Stytch workspace acts as the user.
// See https://stytch.com/docs/api/impersonation.
const FactorImpersonated = "impersonated"

// Impersonator returns who acts as the user in the session, and whether anyone
// does. The ImpersonatedFactor is zero if Stytch did not say who it is.
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
