package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
)

// An accountView is what the page of the session shows.
type accountView struct {
	Session     *stytch.Session
	DecidedBy   sessionauth.Decider
	Decided     string   // in words
	Left        string   // of the session
	JWT         *jwtView // nil if none came along
	Permissions []stytch.Permission
	Unknown     bool // what the user may do cannot be told
	Fresh       bool // enough for deleting all notes
	FreshFor    string
}

// A jwtView is how long a JWT has, in seconds.
type jwtView struct {
	Seconds  int64 // until it expires; negative if it has
	Lifetime int64
	Renewed  bool // by this request
}

// deciders says who decided, in words.
var deciders = map[sessionauth.Decider]string{
	sessionauth.Cache:  "from memory: the same was decided a moment ago",
	sessionauth.Local:  "the session JWT, verified here",
	sessionauth.Stytch: "Stytch was asked",
}

// account shows the session, and what its user may do.
func (s *site) account(w http.ResponseWriter, r *http.Request) {
	id, ok := sessionauth.FromContext(r.Context())
	if !ok {
		refuse(w, r, sessionauth.ErrNoCredential)
		return
	}
	now := time.Now()
	view := accountView{
		Session: id.Session, DecidedBy: id.DecidedBy, Decided: deciders[id.DecidedBy],
		Left:  inWords(id.Session.ExpiresAt.Sub(now)),
		JWT:   s.jwtOf(r, id, now),
		Fresh: now.Sub(id.Session.LastFactorAt()) <= s.fresh, FreshFor: inWords(s.fresh),
	}
	var err error
	view.Permissions, err = s.auth.Permissions(r.Context())
	view.Unknown = err != nil
	show(w, r, http.StatusOK, "account", page{Body: view})
}

// jwtOf shows the JWT that the browser has after this request. It is for the eye
// only, and verifies nothing.
func (s *site) jwtOf(r *http.Request, id *sessionauth.Identity, now time.Time) *jwtView {
	jwt, renewed := id.Refreshed.JWT, true
	if jwt == "" {
		cred, _ := s.auth.Credential(r) // without one there is nothing to show
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
	return &jwtView{claims.Expiry - now.Unix(), claims.Expiry - claims.IssuedAt, renewed}
}
