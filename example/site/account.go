package site

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
)

// An accountView is the content of the session page.
type accountView struct {
	Session     *stytch.Session
	DecidedBy   sessionauth.Decider
	Explained   string   // DecidedBy as text for people
	Left        string   // time until the session ends
	JWT         *jwtView // nil if the request has no session JWT
	Permissions []stytch.Permission
	Unknown     bool // true if the permissions could not be loaded
	Fresh       bool // true if the password was entered recently enough to delete all notes
	FreshFor    string
}

// A jwtView describes a session JWT. Times are in seconds.
type jwtView struct {
	Left     int64 // time until it expires; negative if it has expired
	Ago      int64 // time since it expired
	Lifetime int64
	Renewed  bool // true if this request refreshed the JWT
}

// explanations describes each decider.
var explanations = map[sessionauth.Decider]string{
	sessionauth.Cache:  "This credential was verified a moment ago.",
	sessionauth.Local:  "The session JWT was verified without a call to Stytch.",
	sessionauth.Stytch: "Stytch was called.",
}

// account shows the session and the permissions of its user.
func (a *app) account(w http.ResponseWriter, r *http.Request) {
	id, ok := sessionauth.FromContext(r.Context())
	if !ok {
		refuse(w, r, sessionauth.ErrNoCredential)
		return
	}
	now := time.Now()
	view := accountView{
		Session: id.Session, DecidedBy: id.DecidedBy, Explained: explanations[id.DecidedBy],
		Left:  inWords(id.Session.ExpiresAt.Sub(now)),
		JWT:   a.jwtOf(r, id, now),
		Fresh: now.Sub(id.Session.LastFactorAt()) <= a.fresh, FreshFor: inWords(a.fresh),
	}
	var err error
	view.Permissions, err = a.auth.Permissions(r.Context())
	view.Unknown = err != nil
	show(w, r, http.StatusOK, "account", page{Body: view})
}

// jwtOf describes the session JWT that the browser has after this request. It does not verify the
// JWT, because the result is only displayed.
func (a *app) jwtOf(r *http.Request, id *sessionauth.Identity, now time.Time) *jwtView {
	jwt, renewed := id.Refreshed.JWT, true
	if jwt == "" {
		cred, _ := a.auth.Credential(r) // if there is no credential, the JWT is empty
		jwt, renewed = cred.JWT, false
	}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil
	}
	var claims struct {
		IssuedAt int64 `json:"iat"`
		Expiry   int64 `json:"exp"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return nil
	}
	left := claims.Expiry - now.Unix()
	return &jwtView{left, -left, claims.Expiry - claims.IssuedAt, renewed}
}
