package api

import (
	"net/http"

	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
)

// The patterns of the endpoints to which particular faults apply.
const (
	PathAuthenticate = "/v1/sessions/authenticate"
	PathCreateUser   = "/v1/passwords"
	PathSignIn       = "/v1/passwords/authenticate"
	PathUser         = "/v1/users/{user_id}"
)

// KeySetPaths returns the patterns of the key set.
func KeySetPaths() []string {
	return []string{
		"/.well-known/jwks.json",
		"/v1/public/{project_id}/.well-known/jwks.json",
		"/v1/sessions/jwks/{project_id}",
	}
}

// An endpoint is one method of one path.
type endpoint struct {
	method  string
	pattern string // pattern for http.ServeMux, without the method
	public  bool   // the endpoint needs no secret
	answer  func(*request) (state.Object, error)
}

// A service implements the endpoints for a project.
type service struct {
	project *state.Project
	id      func() string // returns the project id
}

func (s service) endpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	all := []endpoint{
		{get, "/v1/sessions", false, s.sessions},
		{post, PathAuthenticate, false, s.authenticateSession},
		{post, "/v1/sessions/revoke", false, s.revokeSession},
		{post, PathCreateUser, false, s.createUser},
		{post, PathSignIn, false, s.signIn},
		{get, PathUser, false, s.user},
		{get, "/v1/rbac/policy", false, s.policy},
	}
	for _, path := range KeySetPaths() {
		all = append(all, endpoint{get, path, true, s.keySet})
	}
	return all
}

// authenticateSession implements POST /v1/sessions/authenticate.
// See https://stytch.com/docs/api/session-auth.
func (s service) authenticateSession(r *request) (state.Object, error) {
	check := r.authorizationCheck()
	params, err := r.sessionParams(true)
	if err != nil {
		return nil, err
	}
	return s.project.AuthenticateSession(params, check)
}

// revokeSession implements POST /v1/sessions/revoke.
// See https://stytch.com/docs/api/session-revoke.
func (s service) revokeSession(r *request) (state.Object, error) {
	var id, token, jwt string
	r.read("session_id", &id)
	r.read("session_token", &token)
	r.read("session_jwt", &jwt)
	present := 0
	for _, v := range []string{id, token, jwt} {
		if v != "" {
			present++
		}
	}
	switch {
	case r.wrong:
		return nil, errBadRequest
	case present == 0:
		return nil, errNoRevokeArguments
	case present > 1:
		return nil, errTooManyRevokeArguments
	}
	if err := s.project.RevokeSession(id, token, jwt); err != nil {
		return nil, err
	}
	return state.Object{}, nil
}

// sessions implements GET /v1/sessions, which returns the live sessions of one
// user.
// See https://stytch.com/docs/api/session-get.
func (s service) sessions(r *request) (state.Object, error) {
	id := r.URL.Query().Get("user_id")
	if id == "" {
		return nil, errBadRequest
	}
	sessions, err := s.project.Sessions(id)
	if err != nil {
		return nil, err
	}
	return state.Object{"sessions": sessions}, nil
}

// signIn implements POST /v1/passwords/authenticate.
// See https://stytch.com/docs/api/password-authenticate.
func (s service) signIn(r *request) (state.Object, error) {
	var email, password string
	r.read("email", &email)
	r.read("password", &password)
	params, err := r.sessionParams(false)
	switch {
	case err != nil:
		return nil, err
	case !isEmail(email):
		return nil, errInvalidEmail
	case password == "":
		return nil, errBadRequest
	}
	return s.project.SignIn(email, password, params)
}

// createUser implements POST /v1/passwords.
// See https://stytch.com/docs/api/password-create.
func (s service) createUser(r *request) (state.Object, error) {
	u := r.newUser()
	params, err := r.sessionParams(false)
	switch {
	case err != nil:
		return nil, err
	case !isEmail(u.Email):
		return nil, errInvalidEmail
	}
	return s.project.CreateUser(u, params)
}

// user implements GET /v1/users/{user_id}. The response contains the members of
// the user at the top level.
// See https://stytch.com/docs/api/get-user.
func (s service) user(r *request) (state.Object, error) {
	return s.project.User(r.PathValue("user_id"))
}

// policy implements GET /v1/rbac/policy.
// See https://stytch.com/docs/guides/authorization/rbac/overview.
func (s service) policy(*request) (state.Object, error) {
	return state.Object{"policy": s.project.Policy()}, nil
}

// keySet implements the paths of the key set, which need no secret.
// See https://stytch.com/docs/api/jwks-get.
func (s service) keySet(r *request) (state.Object, error) {
	if id := r.PathValue("project_id"); id != "" && id != s.id() {
		return nil, errUnknownProject
	}
	r.header.Set("Cache-Control", "public, max-age=900")
	return state.Object{"keys": s.project.KeySet()}, nil
}
