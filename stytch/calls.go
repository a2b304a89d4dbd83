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

// AuthenticateSessionParams are the fields of POST /v1/sessions/authenticate.
// Exactly one of SessionToken and SessionJWT is set.
// See https://stytch.com/docs/api/session-auth.
type AuthenticateSessionParams struct {
	SessionToken string
	SessionJWT   string // may be past its exp, if the session is alive

	// SessionDuration, if not zero, moves the end of the session to this long
	// from now: whole minutes, 5 to 527040.
	SessionDuration time.Duration

	// CustomClaims are merged into the session's (RFC 7396): a nil value
	// deletes a claim, a claim not named stays. At most 4 KB as JSON.
	CustomClaims map[string]any

	// AuthorizationCheck, if not nil, also asks whether the session may do
	// this. If it may not, the call fails with status 403.
	AuthorizationCheck *AuthorizationCheck
}

// An AuthorizationCheck is a question to the project's RBAC policy. Both fields
// are required.
type AuthorizationCheck struct {
	ResourceID string `json:"resource_id"`
	Action     string `json:"action"`
}

// A Verdict is Stytch's answer to an AuthorizationCheck that passed.
type Verdict struct {
	Authorized    bool     `json:"authorized"`
	GrantingRoles []string `json:"granting_roles"` // all roles of the session that grant it
}

// AuthenticateSessionResponse is the answer about a session that is alive.
type AuthenticateSessionResponse struct {
	RequestID    string   `json:"request_id"`
	Session      Session  `json:"session"`
	SessionToken string   `json:"session_token"`
	SessionJWT   string   `json:"session_jwt"` // new, whichever credential was sent
	User         User     `json:"user"`
	Verdict      *Verdict `json:"verdict"` // nil unless AuthorizationCheck was set
}

// AuthenticateSession asks Stytch whether a session is alive. A session that
// is not gives an *Error of TypeSessionNotFound.
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
		return nil, &InvalidAnswerError{Problem: "session_token is another than the one asked about"}
	}
	if p.AuthorizationCheck != nil && (answer.Verdict == nil || !answer.Verdict.Authorized) {
		return nil, &InvalidAnswerError{Problem: "verdict is missing or does not authorize"}
	}
	return &answer, nil
}

// RevokeSessionParams name the session to revoke: exactly one is set.
type RevokeSessionParams struct {
	SessionID    string
	SessionToken string
	SessionJWT   string
}

// RevokeSession ends a session: POST /v1/sessions/revoke. JWTs of it that were
// minted before stay good until their exp.
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

// AuthenticatePasswordParams are the fields of POST /v1/passwords/authenticate.
// See https://stytch.com/docs/api/password-authenticate.
type AuthenticatePasswordParams struct {
	Email    string // required
	Password string // required

	// SessionToken or SessionJWT, at most one, is an existing session that
	// gains the password as a fresh factor.
	SessionToken string
	SessionJWT   string

	// SessionDuration starts a session of this length, or extends the existing
	// one to it: whole minutes, 5 to 527040. If zero, no session is started.
	SessionDuration time.Duration

	// CustomClaims are merged into the session's, as in
	// AuthenticateSessionParams.
	CustomClaims map[string]any
}

// AuthenticatePasswordResponse is the answer to the right password.
type AuthenticatePasswordResponse struct {
	RequestID    string   `json:"request_id"`
	UserID       string   `json:"user_id"`
	User         User     `json:"user"`
	Session      *Session `json:"session"` // nil without SessionDuration and existing session
	SessionToken string   `json:"session_token"`
	SessionJWT   string   `json:"session_jwt"`
}

// AuthenticatePassword signs a user in by e-mail address and password.
func (c *Client) AuthenticatePassword(ctx context.Context, p AuthenticatePasswordParams) (*AuthenticatePasswordResponse, error) {
	if p.Email == "" {
		return nil, field("email", "is required")
	}
	if p.Password == "" {
		return nil, field("password", "is required")
	}
	// JSON would turn what is not UTF-8 into U+FFFD, and other passwords into this one.
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

// User loads a user: GET /v1/users/{user_id}. The id may also be the user's
// external id. See https://stytch.com/docs/api/get-user.
func (c *Client) User(ctx context.Context, id string) (*User, error) {
	if id == "" {
		return nil, field("user_id", "is required")
	}
	if id == "." || id == ".." {
		return nil, field("user_id", "is a part of a path")
	}
	var u User
	if err := c.get(ctx, "/v1/users/"+url.PathEscape(id), &u); err != nil {
		return nil, err
	}
	if u.ID == "" {
		return nil, &InvalidAnswerError{Problem: "user_id is missing"}
	}
	if u.ID != id && (u.ExternalID == nil || *u.ExternalID != id) {
		return nil, &InvalidAnswerError{Problem: "another user than the one asked for"}
	}
	return &u, nil
}

// KeySet loads the keys that sign the project's session JWTs, as the JSON Web
// Key Set it is (RFC 7517, section 5): GET /v1/sessions/jwks/{project_id}. It
// is not parsed here: the verifier alone says which keys it takes. The call
// needs no secret and sends none.
func (c *Client) KeySet(ctx context.Context) ([]byte, error) {
	return c.exchange(ctx, http.MethodGet, "/v1/sessions/jwks/"+c.projectID, nil, false, maxKeySet)
}

// Policy loads the project's RBAC policy: GET /v1/rbac/policy.
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

func oneCredential(body map[string]any, token, jwt string, required bool) error {
	if token != "" && jwt != "" {
		return field("session_token and session_jwt", "are both set: Stytch takes one")
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
		return field("session_custom_claims", "cannot be written as JSON")
	}
	if len(b) > maxCustomClaims {
		return field("session_custom_claims", "are larger than 4096 bytes as JSON")
	}
	body["session_custom_claims"] = json.RawMessage(b)
	return nil
}

// CheckSessionDuration reports whether Stytch takes d as the length of a
// session: whole minutes, 5 to 527040 (366 days).
func CheckSessionDuration(d time.Duration) error {
	if d%time.Minute != 0 || d < minSessionMinutes*time.Minute || d > maxSessionMinutes*time.Minute {
		return errSessionDuration
	}
	return nil
}

var errSessionDuration = errors.New("must be whole minutes, 5 to 527040")

// checkSession refuses a success that does not say who: it must never become
// an identity with an empty or a foreign id.
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
