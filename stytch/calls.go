package stytch

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"
)

const (
	minSessionMinutes = 5
	maxSessionMinutes = 527040 // 366 days
	maxCustomClaims   = 4096   // bytes, as JSON
)

// AuthenticateSessionParams contains the parameters of AuthenticateSession.
// Exactly one of SessionToken and SessionJWT must be set.
type AuthenticateSessionParams struct {
	SessionToken string // opaque
	SessionJWT   string // may be past its exp while the session is alive

	// SessionDuration sets the end of the session to this long from now. It
	// must be whole minutes, from 5 minutes to 366 days. If zero, the end does
	// not change.
	SessionDuration time.Duration

	// CustomClaims is merged into the custom claims of the session (RFC 7396):
	// a nil value deletes a claim, and claims that are not named do not change.
	// The size must be at most 4096 bytes as JSON. If empty, no claim changes.
	CustomClaims map[string]any

	// AuthorizationCheck is a permission that the session must have. If the
	// session lacks it, the call fails with an *Error with status 403. If nil,
	// no permission is checked.
	AuthorizationCheck *AuthorizationCheck
}

// An AuthorizationCheck names an action on a resource of the project's RBAC
// policy. Both fields are required.
type AuthorizationCheck struct {
	ResourceID string `json:"resource_id"` // matched exactly
	Action     string `json:"action"`      // matched exactly
}

// A Verdict is the result of an AuthorizationCheck.
type Verdict struct {
	Authorized    bool     `json:"authorized"`     // always true: a failed check is an *Error
	GrantingRoles []string `json:"granting_roles"` // the roles of the session that grant the permission
}

// AuthenticateSessionResponse describes a live session and its user.
type AuthenticateSessionResponse struct {
	RequestID    string   `json:"request_id"` // for support by Stytch
	Session      Session  `json:"session"`
	SessionToken string   `json:"session_token"` // the token that was sent, if any
	SessionJWT   string   `json:"session_jwt"`   // a new JWT, even if the call sent a JWT
	User         User     `json:"user"`          // the user of Session
	Verdict      *Verdict `json:"verdict"`       // nil unless AuthorizationCheck was set
}

// AuthenticateSession authenticates a session and loads its user: POST
// /v1/sessions/authenticate. If the session does not exist, has expired or was
// revoked, the error is an *Error with TypeSessionNotFound.
// See https://stytch.com/docs/api/session-auth.
func (c *Client) AuthenticateSession(ctx context.Context, p AuthenticateSessionParams) (*AuthenticateSessionResponse, error) {
	body := map[string]any{}
	if err := oneCredential(body, p.SessionToken, p.SessionJWT, true); err != nil {
		return nil, err
	}
	if err := sessionFields(body, p.SessionDuration, p.CustomClaims); err != nil {
		return nil, err
	}
	if check := p.AuthorizationCheck; check != nil {
		if check.ResourceID == "" {
			return nil, field("authorization_check.resource_id", "is required")
		}
		if check.Action == "" {
			return nil, field("authorization_check.action", "is required")
		}
		body["authorization_check"] = check
	}
	var answer AuthenticateSessionResponse
	if err := c.post(ctx, "/v1/sessions/authenticate", body, &answer); err != nil {
		return nil, err
	}
	if err := checkSession(&answer.Session, &answer.User); err != nil {
		return nil, err
	}
	if answer.SessionToken == "" || answer.SessionJWT == "" {
		return nil, &InvalidAnswerError{Problem: "session_token or session_jwt is missing"}
	}
	if p.SessionToken != "" && answer.SessionToken != p.SessionToken {
		return nil, &InvalidAnswerError{Problem: "session_token differs from the one sent"}
	}
	if p.AuthorizationCheck != nil && (answer.Verdict == nil || !answer.Verdict.Authorized) {
		return nil, &InvalidAnswerError{Problem: "verdict is missing or does not authorize"}
	}
	return &answer, nil
}

// RevokeSessionParams names the session to revoke. Exactly one field must be set.
type RevokeSessionParams struct {
	SessionID    string
	SessionToken string
	SessionJWT   string
}

// RevokeSession revokes a session: POST /v1/sessions/revoke. Session JWTs that
// were issued earlier remain valid until their exp.
// See https://stytch.com/docs/api/session-revoke.
func (c *Client) RevokeSession(ctx context.Context, p RevokeSessionParams) error {
	body := map[string]any{}
	set := 0
	for name, v := range map[string]string{"session_id": p.SessionID, "session_token": p.SessionToken, "session_jwt": p.SessionJWT} {
		if v != "" {
			body[name] = v
			set++
		}
	}
	if set != 1 {
		return field("session_id, session_token or session_jwt", "is required, exactly one")
	}
	var answer struct{}
	return c.post(ctx, "/v1/sessions/revoke", body, &answer)
}

// AuthenticatePasswordParams contains the parameters of AuthenticatePassword.
type AuthenticatePasswordParams struct {
	Email    string // required
	Password string // required

	// SessionToken or SessionJWT names an existing session of the user, to which
	// the password is added as a factor. At most one may be set.
	SessionToken string
	SessionJWT   string

	// SessionDuration is the duration of a new session, or the time from now to
	// which an existing session is extended. It must be whole minutes, from 5
	// minutes to 366 days. If zero, no session is started or extended.
	SessionDuration time.Duration

	// CustomClaims is merged into the custom claims of the session, as in
	// AuthenticateSessionParams.
	CustomClaims map[string]any
}

// AuthenticatePasswordResponse describes a user whose password was correct, and the
// session.
type AuthenticatePasswordResponse struct {
	RequestID    string   `json:"request_id"` // for support by Stytch
	UserID       string   `json:"user_id"`    // the same as User.ID
	User         User     `json:"user"`
	Session      *Session `json:"session"`       // nil if no session was named or started
	SessionToken string   `json:"session_token"` // empty if Session is nil
	SessionJWT   string   `json:"session_jwt"`   // empty if Session is nil
}

// AuthenticatePassword authenticates a user by e-mail address and password: POST
// /v1/passwords/authenticate.
// See https://stytch.com/docs/api/password-authenticate.
func (c *Client) AuthenticatePassword(ctx context.Context, p AuthenticatePasswordParams) (*AuthenticatePasswordResponse, error) {
	if p.Email == "" {
		return nil, field("email", "is required")
	}
	if p.Password == "" {
		return nil, field("password", "is required")
	}
	// json.Marshal replaces invalid UTF-8 with U+FFFD, so that different passwords
	// would become the same.
	if !utf8.ValidString(p.Email) {
		return nil, field("email", "is not valid UTF-8")
	}
	if !utf8.ValidString(p.Password) {
		return nil, field("password", "is not valid UTF-8")
	}
	body := map[string]any{"email": p.Email, "password": p.Password}
	if err := oneCredential(body, p.SessionToken, p.SessionJWT, false); err != nil {
		return nil, err
	}
	if err := sessionFields(body, p.SessionDuration, p.CustomClaims); err != nil {
		return nil, err
	}
	var answer AuthenticatePasswordResponse
	if err := c.post(ctx, "/v1/passwords/authenticate", body, &answer); err != nil {
		return nil, err
	}
	if answer.UserID == "" || answer.UserID != answer.User.ID {
		return nil, &InvalidAnswerError{Problem: "user_id is missing or differs from user.user_id"}
	}
	wantSession := p.SessionDuration > 0 || p.SessionToken != "" || p.SessionJWT != ""
	if !wantSession && answer.Session == nil {
		return &answer, nil
	}
	if answer.Session == nil {
		return nil, &InvalidAnswerError{Problem: "session is missing"}
	}
	if answer.SessionToken == "" || answer.SessionJWT == "" {
		return nil, &InvalidAnswerError{Problem: "session_token or session_jwt is missing"}
	}
	if err := checkSession(answer.Session, &answer.User); err != nil {
		return nil, err
	}
	return &answer, nil
}

// User loads a user: GET /v1/users/{user_id}. id is the user's id or external id.
// If there is no such user, the error is an *Error with TypeUserNotFound.
// See https://stytch.com/docs/api/get-user.
func (c *Client) User(ctx context.Context, id string) (*User, error) {
	if id == "" {
		return nil, field("user_id", "is required")
	}
	if id == "." || id == ".." {
		return nil, field("user_id", "must not be a path segment with a special meaning")
	}
	var u User
	if err := c.get(ctx, "/v1/users/"+url.PathEscape(id), &u); err != nil {
		return nil, err
	}
	if u.ID == "" {
		return nil, &InvalidAnswerError{Problem: "user_id is missing"}
	}
	if u.ID != id && (u.ExternalID == nil || *u.ExternalID != id) {
		return nil, &InvalidAnswerError{Problem: "user_id differs from the one requested"}
	}
	return &u, nil
}

// KeySet loads the JSON Web Key Set (RFC 7517, section 5) with the keys that sign
// the project's session JWTs: GET /v1/sessions/jwks/{project_id}. It returns the
// document of at most 128 KiB without parsing it. The endpoint is public, so the
// request contains no secret.
// See https://stytch.com/docs/api/jwks-get.
func (c *Client) KeySet(ctx context.Context) ([]byte, error) {
	return c.exchange(ctx, http.MethodGet, "/v1/sessions/jwks/"+c.projectID, nil, false, maxKeySet)
}

// Policy loads the project's RBAC policy: GET /v1/rbac/policy.
// See https://stytch.com/docs/guides/authorization/rbac/overview.
func (c *Client) Policy(ctx context.Context) (*Policy, error) {
	var answer struct {
		Policy *Policy `json:"policy"`
	}
	if err := c.get(ctx, "/v1/rbac/policy", &answer); err != nil {
		return nil, err
	}
	if answer.Policy == nil || answer.Policy.Roles == nil {
		return nil, &InvalidAnswerError{Problem: "policy.roles is missing"}
	}
	return answer.Policy, nil
}

// oneCredential adds a token or a JWT to body. It returns an error if both are
// set, or if required is true and neither is set.
func oneCredential(body map[string]any, token, jwt string, required bool) error {
	if token != "" && jwt != "" {
		return field("session_token and session_jwt", "must not both be set")
	}
	if required && token == "" && jwt == "" {
		return field("session_token or session_jwt", "is required")
	}
	if token != "" {
		body["session_token"] = token
	}
	if jwt != "" {
		body["session_jwt"] = jwt
	}
	return nil
}

// sessionFields adds the duration and the custom claims of a session to body.
func sessionFields(body map[string]any, d time.Duration, claims map[string]any) error {
	if d != 0 {
		if err := CheckSessionDuration(d); err != nil {
			return field("session_duration_minutes", err.Error())
		}
		body["session_duration_minutes"] = int(d / time.Minute)
	}
	if len(claims) == 0 {
		return nil
	}
	b, err := encode(claims)
	if err != nil {
		return field("session_custom_claims", "cannot be encoded as JSON")
	}
	if len(b) > maxCustomClaims {
		return field("session_custom_claims", "are larger than 4096 bytes as JSON")
	}
	body["session_custom_claims"] = json.RawMessage(b)
	return nil
}

// CheckSessionDuration returns an error unless d is a valid session duration:
// whole minutes, from 5 to 527040 (366 days).
func CheckSessionDuration(d time.Duration) error {
	if d%time.Minute != 0 || d < minSessionMinutes*time.Minute || d > maxSessionMinutes*time.Minute {
		return errSessionDuration
	}
	return nil
}

var errSessionDuration = errors.New("must be whole minutes, 5 to 527040")

// checkSession returns an error if a response with a success status lacks an id
// or contains a user who is not the user of the session. Such a response must
// not become an identity.
func checkSession(s *Session, u *User) error {
	switch {
	case s.ID == "":
		return &InvalidAnswerError{Problem: "session.session_id is missing"}
	case s.UserID == "":
		return &InvalidAnswerError{Problem: "session.user_id is missing"}
	case u.ID != s.UserID:
		return &InvalidAnswerError{Problem: "user.user_id differs from session.user_id"}
	}
	return nil
}
