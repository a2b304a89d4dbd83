package stytchtest

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const defaultSessionDuration = time.Hour

// SessionOptions say how StartSession starts a session. The zero value is a
// session of an hour that began with a password.
type SessionOptions struct {
	// Duration is the length of the session, in whole seconds. If zero, it is
	// 60 minutes; if negative, the session has ended already.
	Duration time.Duration

	// CustomClaims are the session's custom claims, under the rules of
	// session_custom_claims: reserved names are dropped. Claims that Stytch
	// would refuse panic. If nil, there are none.
	CustomClaims map[string]any

	// Factors are what the user has proved. A factor without
	// LastAuthenticatedAt was authenticated now. If nil, there is one password.
	Factors []stytch.AuthenticationFactor
}

// A Session is a session that StartSession started, with its credentials.
type Session struct {
	ID, UserID string
	Token      string // session_token, opaque
	JWT        string // session_jwt, minted at the start; Server.JWT mints later ones
}

// Format prints the ids and no credential.
func (s Session) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "stytchtest.Session{"+s.ID+" "+s.UserID+" redacted}")
}

// MarshalJSON writes the ids and no credential.
func (s Session) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"session_id": s.ID, "user_id": s.UserID})
}

// StartSession signs a user in, by id or external id. An unknown user panics.
func (s *Server) StartSession(userID string, opts SessionOptions) Session {
	claims, fail := mergeClaims(nil, opts.CustomClaims)
	if fail != nil {
		panic("stytchtest: SessionOptions.CustomClaims: " + fail.kind)
	}
	factors := []factor{passwordFactor(s.now())}
	if opts.Factors != nil {
		factors = factorsOf(opts.Factors, s.now())
	}
	if opts.Duration == 0 {
		opts.Duration = defaultSessionDuration
	}
	started, jwt := s.startFor(userID, opts.Duration, claims, factors)
	started.JWT = jwt.compact()
	return started
}

func (s *Server) startFor(userID string, d time.Duration, claims object, factors []factor) (Session, jws) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.start(s.mustUser(userID), d, claims, factors)
	return Session{ID: sess.id, UserID: sess.user.id, Token: sess.token}, s.mint(sess)
}

// RevokeSession ends a session, as POST /v1/sessions/revoke does. One that has
// ended stays ended; an unknown one panics.
func (s *Server) RevokeSession(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustSession(id).revoked = true
}

// A session is a session as the server keeps it.
type session struct {
	id, token  string
	user       *user
	startedAt  time.Time
	accessedAt time.Time
	expiresAt  time.Time
	revoked    bool
	claims     object
	factors    []factor
	bare       bool // attributes are null
}

// start begins a session. s.mu is held.
func (s *Server) start(u *user, d time.Duration, claims object, factors []factor) *session {
	at := s.now()
	sess := &session{
		id: s.newID("session"), token: newToken(), user: u,
		startedAt: at, accessedAt: at, expiresAt: at.Add(d),
		claims: claims, factors: factors,
	}
	s.sessions[sess.id] = sess
	s.tokens[sess.token] = sess
	return sess
}

// alive reports whether a session goes on: nothing but the clock ends one that
// is not revoked.
func (s *Server) alive(sess *session) bool { return !sess.revoked && s.clock().Before(sess.expiresAt) }

// findSession finds a live session by its id or token, or returns nil; the
// other argument is empty. s.mu is held.
func (s *Server) findSession(id, token string) *session {
	sess := s.sessions[id]
	if token != "" {
		sess = s.tokens[token]
	}
	if sess == nil && s.hasSandbox() && (id == sandboxSessionID || token == sandboxToken) {
		sess = sandboxSession(s.now())
	}
	if sess == nil || !s.alive(sess) {
		return nil
	}
	return sess
}

// mustSession finds a session, ended or not, for the test's side of the server.
// s.mu is held.
func (s *Server) mustSession(id string) *session {
	sess := s.sessions[id]
	if sess == nil {
		panic("stytchtest: no session has the id " + strconv.Quote(id))
	}
	return sess
}

// present finds the live session of a credential; exactly one is not empty.
// What is wrong with its form is told apart from a session that is not there.
// s.mu is held.
func (s *Server) present(token, jwt string) (*session, *failure) {
	id := ""
	if jwt != "" {
		ok := false
		if id, ok = s.verify(jwt); !ok {
			return nil, errUnparsableJWT
		}
	} else if !tokenForm(token) {
		return nil, errInvalidSessionToken
	}
	sess := s.findSession(id, token)
	if sess == nil {
		return nil, errSessionNotFound
	}
	return sess, nil
}

// touch makes the changes that a successful call makes to a session: nothing
// changes if the claims are refused. s.mu is held.
func (s *Server) touch(sess *session, f sessionFields) *failure {
	claims, fail := mergeClaims(sess.claims, f.claims)
	if fail != nil {
		return fail
	}
	sess.claims = claims
	sess.accessedAt = s.now()
	if f.minutes != 0 {
		sess.expiresAt = sess.accessedAt.Add(time.Duration(f.minutes) * time.Minute)
	}
	return nil
}

// attributes are empty unless an app states them, which this server does not
// listen to.
func (sess *session) attributes() object {
	if sess.bare {
		return nil
	}
	return object{"ip_address": "", "user_agent": ""}
}

// object shows the session. See https://stytch.com/docs/api/session-object.
func (sess *session) object() object {
	factors := []object{}
	for _, f := range sess.factors {
		factors = append(factors, f.object())
	}
	return object{
		"session_id":             sess.id,
		"user_id":                sess.user.id,
		"started_at":             timestamp(sess.startedAt),
		"last_accessed_at":       timestamp(sess.accessedAt),
		"expires_at":             timestamp(sess.expiresAt),
		"attributes":             sess.attributes(),
		"authentication_factors": factors,
		"roles":                  sess.user.allRoles(),
		"custom_claims":          copyObject(sess.claims),
	}
}

// credentials are the members that answers with a session share. s.mu is held.
func (s *Server) credentials(sess *session) object {
	return object{
		"session":       sess.object(),
		"session_token": sess.token,
		"session_jwt":   s.mint(sess),
		"user":          sess.user.object(s.now()),
	}
}
