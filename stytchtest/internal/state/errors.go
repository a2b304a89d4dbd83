package state

// An Error is the reason for which Stytch rejects a call. Its value is the
// error_type.
// See https://stytch.com/docs/api/errors.
type Error string

// Errors that depend on the state of the project.
const (
	ErrBadRequest              Error = "bad_request"
	ErrUnauthorizedCredentials Error = "unauthorized_credentials" // the password is wrong

	ErrInvalidSessionID    Error = "invalid_session_id"
	ErrInvalidSessionToken Error = "invalid_session_token"
	ErrUnparsableJWT       Error = "unable_to_parse_session_jwt"
	ErrSessionNotFound     Error = "session_not_found"
	ErrNotPermitted        Error = "consumer_session_authorization_error"

	ErrStytchClaims   Error = "stytch_claims_in_custom_claims"
	ErrClaimsTooLarge Error = "custom_claims_too_large"

	ErrUserNotFound   Error = "user_not_found"
	ErrEmailNotFound  Error = "email_not_found"
	ErrDuplicateEmail Error = "duplicate_email"
	ErrNoUserPassword Error = "no_user_password"
	ErrResetPassword  Error = "reset_password"
	ErrUserLocked     Error = "user_lock_limit_reached"
	ErrWeakPassword   Error = "weak_password"
)

// Error returns the error_type.
func (e Error) Error() string { return string(e) }
