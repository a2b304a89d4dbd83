package sessionjwt

import "time"

// A Reason is the reason why a token was refused. The values are fixed texts
// that are safe to log.
type Reason string

// The reasons to refuse a token, in the order in which Verify checks them.
const (
	Malformed     Reason = "malformed"      // not a compact JWS of strict JSON, or longer than MaxSize
	BadHeader     Reason = "bad_header"     // unsupported algorithm, type or extension
	UnknownKey    Reason = "unknown_key"    // the key id is not in the project's key set
	BadSignature  Reason = "bad_signature"  // the signature does not match the key
	BadClaims     Reason = "bad_claims"     // no session of a user, or a claim has the wrong type
	AccessToken   Reason = "access_token"   // the access token of a Connected App
	Member        Reason = "member_session" // the session of a B2B member
	Machine       Reason = "machine_token"  // the access token of a machine (M2M)
	WrongIssuer   Reason = "wrong_issuer"   // iss is not one of Verifier.Issuers
	WrongAudience Reason = "wrong_audience" // aud does not contain Verifier.Audience
	BadTime       Reason = "bad_time"       // exp or iat is missing, the token is not valid yet, or its lifetime exceeds one hour
)

// A RefusedError reports that a token is not a valid session JWT of the
// project. Verifying the token again cannot succeed, unless the token was not
// valid yet.
type RefusedError struct{ Reason Reason }

func (e *RefusedError) Error() string { return "session JWT refused: " + string(e.Reason) }

func refused(r Reason) error { return &RefusedError{r} }

// An UnavailableError reports that a token could not be verified, because the
// key set could not be fetched. It does not mean that the token is invalid.
type UnavailableError struct {
	RetryAfter time.Duration // until the next fetch is allowed, at least one second
	Cause      error         // why the fetch failed or was not made; may be nil
}

func (e *UnavailableError) Error() string { return "session JWT not verified: no key set available" }

// Unwrap returns e.Cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }
