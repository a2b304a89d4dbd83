package api

import (
	"encoding/json"
	"net/http"
	"net/mail"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
)

const (
	minSessionMinutes = 5
	maxSessionMinutes = 527040 // 366 days
)

// A request is a request to an endpoint. Its body may have been decoded.
type request struct {
	*http.Request
	header http.Header // header of the response

	raw    []byte // the body
	rawErr error  // why the body could not be read

	body  map[string]json.RawMessage // the members of a POST
	wrong bool                       // a member has a type other than documented
}

// read decodes a member of the body. It matches the name exactly. If the member
// is absent or null, read does not change v.
func (r *request) read(name string, v any) {
	raw, ok := r.body[name]
	if !ok || string(raw) == "null" {
		return
	}
	if state.Decode(raw, v) != nil {
		r.wrong = true
	}
}

// sessionParams reads the members that all calls about a session share. It
// makes the checks that do not depend on the state, in this order: types,
// number of credentials, duration.
func (r *request) sessionParams(credentialRequired bool) (p state.SessionParams, err error) {
	var minutes *int32
	r.read("session_token", &p.Token)
	r.read("session_jwt", &p.JWT)
	r.read("session_duration_minutes", &minutes)
	r.read("session_custom_claims", &p.CustomClaims)
	if r.wrong {
		return p, errBadRequest
	}
	// An empty string counts as absent, as in SDKs that omit it.
	if p.Token != "" && p.JWT != "" {
		return p, errTooManySessionArguments
	}
	if credentialRequired && p.Token == "" && p.JWT == "" {
		return p, errNoSessionArguments
	}
	if minutes != nil {
		if *minutes < minSessionMinutes || *minutes > maxSessionMinutes {
			return p, errInvalidSessionDuration
		}
		p.Duration = time.Duration(*minutes) * time.Minute
	}
	return p, nil
}

// authorizationCheck reads the check, or returns nil if there is none. The
// check must have both members.
func (r *request) authorizationCheck() *state.Check {
	var members map[string]string
	r.read("authorization_check", &members)
	if members == nil {
		return nil
	}
	check := &state.Check{ResourceID: members["resource_id"], Action: members["action"]}
	if check.ResourceID == "" || check.Action == "" {
		r.wrong = true
	}
	return check
}

// newUser reads the members that describe a new user.
func (r *request) newUser() (u state.NewUser) {
	var name map[string]string
	r.read("email", &u.Email)
	r.read("password", &u.Password)
	r.read("name", &name)
	r.read("trusted_metadata", &u.TrustedMetadata)
	r.read("untrusted_metadata", &u.UntrustedMetadata)
	u.Name = stytch.Name{FirstName: name["first_name"], MiddleName: name["middle_name"], LastName: name["last_name"]}
	return u
}

// isEmail reports whether a string is an e-mail address and nothing else.
func isEmail(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email
}
