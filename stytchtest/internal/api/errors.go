package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
)

// A failure is a response without a success status.
// See https://stytch.com/docs/api/errors.
type failure struct {
	status  int
	kind    state.Error // error_type
	message string
}

// Error returns the error_type.
func (f *failure) Error() string { return string(f.kind) }

func (f *failure) object() state.Object {
	return state.Object{
		"error_type":    string(f.kind),
		"error_message": f.message,
		"error_url":     fmt.Sprintf("https://stytch.com/docs/api/errors/%d#%s", f.status, f.kind),
	}
}

// The types and messages are those of Stytch, if Stytch documents them or a
// response was recorded. That the other types have the status 400 is an
// assumption.
var (
	errBadRequest              = &failure{400, state.ErrBadRequest, "The submitted request is invalid."}
	errUnauthorizedCredentials = &failure{401, state.ErrUnauthorizedCredentials, "Unauthorized credentials."}
	errNotPermitted            = &failure{403, state.ErrNotPermitted, "The User is not authorized to perform the requested action on that resource."}
	errUnknownProject          = &failure{400, "invalid_project_id_authentication", "The project_id is not known."} // an assumption
	errRouteNotFound           = &failure{404, "route_not_found", "The requested route could not be found."}
	errMethodNotAllowed        = &failure{405, "method_not_allowed", "The requested method is not allowed for this route."}

	errNoSessionArguments      = &failure{400, "no_session_arguments", "Please include either a session_token or a session_jwt in the request."}
	errTooManySessionArguments = &failure{400, "too_many_session_arguments", "Please include at most one of session_token, session_jwt, or intermediate_session_token in an authenticate request, not multiple."}
	errNoRevokeArguments       = &failure{400, "no_session_revoke_arguments", "Please include one of session_id, session_token, or session_jwt in the request."}
	errTooManyRevokeArguments  = &failure{400, "too_many_session_revoke_arguments", "Please include only one of session_id, session_token, or session_jwt in the request."}
	errInvalidSessionDuration  = &failure{400, "invalid_session_duration_minutes", "session_duration_minutes is invalid, should be between 5 to 527040 minutes."}
	errInvalidEmail            = &failure{400, "invalid_email", "Email format is invalid."}

	errTooManyRequests   = &failure{429, "too_many_requests", "Too many requests have been made."}
	errClientClosed      = &failure{499, "client_closed_request", "The client closed the request."}
	errInternalServer    = &failure{500, "internal_server_error", "Oops, something seems to have gone wrong."}
	errServerUnavailable = &failure{503, "server_unavailable", "The server is unavailable."}
)

// rejections are the failures for the errors of package state.
var rejections = []*failure{
	errBadRequest, errUnauthorizedCredentials, errNotPermitted,

	{400, state.ErrInvalidSessionID, "Session ID format is invalid."},
	{400, state.ErrInvalidSessionToken, "Session token format is invalid."},
	{400, state.ErrUnparsableJWT, "The session JWT could not be parsed."},
	{404, state.ErrSessionNotFound, "Session could not be found."},

	{400, state.ErrStytchClaims, "Custom claims may not begin with https://stytch.com/."},
	{400, state.ErrClaimsTooLarge, "Custom claims may not be larger than 4KB."},

	{404, state.ErrUserNotFound, "User could not be found."},
	{404, state.ErrEmailNotFound, "Email could not be found."},
	{400, state.ErrDuplicateEmail, "A user with the specified email already exists for this project."},
	{400, state.ErrNoUserPassword, "user doesn't have an associated password."},
	{400, state.ErrResetPassword, "user must reset their password"},
	{429, state.ErrUserLocked, "The user has been locked out due to too many failed authentication attempts. Please try again later."},
	{400, state.ErrWeakPassword, "password doesn't meet our strength requirements."},
}

// failureOf returns the failure for an error of an endpoint.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var kind state.Error
	_ = errors.As(err, &kind) // if err is not a state.Error, no rejection matches
	i := slices.IndexFunc(rejections, func(f *failure) bool { return f.kind == kind })
	if i < 0 {
		panic("stytchtest: no failure is defined for the error " + err.Error())
	}
	return rejections[i]
}

// failureWithStatus returns the failure that Stytch documents for a status. If
// there is none, it returns a general failure with this status.
func failureWithStatus(status int) failure {
	for _, f := range []*failure{
		errUnauthorizedCredentials, errNotPermitted, errRouteNotFound, errMethodNotAllowed,
		errTooManyRequests, errClientClosed, errServerUnavailable,
	} {
		if f.status == status {
			return *f
		}
	}
	general := *errInternalServer
	if status < http.StatusInternalServerError {
		general = *errBadRequest
	}
	general.status = status
	return general
}
