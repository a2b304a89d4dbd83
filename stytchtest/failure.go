package stytchtest

import (
	"fmt"
	"net/http"
)

// A failure is an answer other than success.
// See https://stytch.com/docs/api/errors.
type failure struct {
	status  int
	kind    string // error_type
	message string
}

func (f *failure) object() object {
	return object{
		"error_type":    f.kind,
		"error_message": f.message,
		"error_url":     fmt.Sprintf("https://stytch.com/docs/api/errors/%d#%s", f.status, f.kind),
	}
}

// Types and messages are Stytch's where they are documented or were recorded;
// the statuses of the 400s follow their names.
var (
	errBadRequest              = &failure{400, "bad_request", "The submitted request is invalid."}
	errUnauthorizedCredentials = &failure{401, "unauthorized_credentials", "Unauthorized credentials."}
	errUnknownProject          = &failure{400, "invalid_project_id_authentication", "The project_id is not known."} // a guess
	errRouteNotFound           = &failure{404, "route_not_found", "The requested route could not be found."}
	errMethodNotAllowed        = &failure{405, "method_not_allowed", "The requested method is not allowed for this route."}

	errNoSessionArguments      = &failure{400, "no_session_arguments", "Please include either a session_token or a session_jwt in the request."}
	errTooManySessionArguments = &failure{400, "too_many_session_arguments", "Please include at most one of session_token, session_jwt, or intermediate_session_token in an authenticate request, not multiple."}
	errNoRevokeArguments       = &failure{400, "no_session_revoke_arguments", "Please include one of session_id, session_token, or session_jwt in the request."}
	errTooManyRevokeArguments  = &failure{400, "too_many_session_revoke_arguments", "Please include only one of session_id, session_token, or session_jwt in the request."}
	errInvalidSessionID        = &failure{400, "invalid_session_id", "Session ID format is invalid."}
	errInvalidSessionToken     = &failure{400, "invalid_session_token", "Session token format is invalid."}
	errInvalidSessionDuration  = &failure{400, "invalid_session_duration_minutes", "session_duration_minutes is invalid, should be between 5 to 527040 minutes."}
	errUnparsableJWT           = &failure{400, "unable_to_parse_session_jwt", "The session JWT could not be parsed."}
	errSessionNotFound         = &failure{404, "session_not_found", "Session could not be found."}
	errNotPermitted            = &failure{403, "consumer_session_authorization_error", "The User is not authorized to perform the requested action on that resource."}

	errStytchClaims   = &failure{400, "stytch_claims_in_custom_claims", "Custom claims may not begin with https://stytch.com/."}
	errClaimsTooLarge = &failure{400, "custom_claims_too_large", "Custom claims may not be larger than 4KB."}

	errUserNotFound   = &failure{404, "user_not_found", "User could not be found."}
	errEmailNotFound  = &failure{404, "email_not_found", "Email could not be found."}
	errInvalidEmail   = &failure{400, "invalid_email", "Email format is invalid."}
	errDuplicateEmail = &failure{400, "duplicate_email", "A user with the specified email already exists for this project."}
	errNoUserPassword = &failure{400, "no_user_password", "user doesn't have an associated password."}
	errResetPassword  = &failure{400, "reset_password", "user must reset their password"}
	errUserLocked     = &failure{429, "user_lock_limit_reached", "The user has been locked out due to too many failed authentication attempts. Please try again later."}
	errWeakPassword   = &failure{400, "weak_password", "password doesn't meet our strength requirements."}

	errTooManyRequests   = &failure{429, "too_many_requests", "Too many requests have been made."}
	errClientClosed      = &failure{499, "client_closed_request", "The client closed the request."}
	errInternalServer    = &failure{500, "internal_server_error", "Oops, something seems to have gone wrong."}
	errServerUnavailable = &failure{503, "server_unavailable", "The server is unavailable."}
)

// failureOf finds the error of a status that names no reason of its own.
func failureOf(status int) *failure {
	for _, f := range []*failure{
		errUnauthorizedCredentials, errNotPermitted, errRouteNotFound, errMethodNotAllowed,
		errTooManyRequests, errClientClosed, errServerUnavailable,
	} {
		if f.status == status {
			return f
		}
	}
	if status < http.StatusInternalServerError {
		return &failure{status, errBadRequest.kind, errBadRequest.message}
	}
	return &failure{status, errInternalServer.kind, errInternalServer.message}
}
