package stytchtest

import (
	"cmp"
	"slices"
	"strings"
)

// authenticateSession answers POST /v1/sessions/authenticate.
// See https://stytch.com/docs/api/session-auth.
func (s *Server) authenticateSession(c *call) (object, *failure) {
	check := c.authorizationCheck()
	f, fail := c.sessionFields(true)
	if fail != nil {
		return nil, fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sess, fail := s.present(f.token, f.jwt)
	if fail != nil {
		return nil, fail
	}
	var granting []string
	if check != nil {
		granting = s.policy.granting(sess.user.allRoles(), check.resource, check.action)
		if len(granting) == 0 {
			return nil, errNotPermitted
		}
	}
	if fail := s.touch(sess, f); fail != nil {
		return nil, fail
	}
	answer := s.credentials(sess)
	if check != nil {
		answer["verdict"] = object{"authorized": true, "granting_roles": granting}
	}
	return answer, nil
}

// revokeSession answers POST /v1/sessions/revoke. That revoking an ended
// session is session_not_found is a guess.
// See https://stytch.com/docs/api/session-revoke.
func (s *Server) revokeSession(c *call) (object, *failure) {
	var id, token, jwt string
	c.read("session_id", &id)
	c.read("session_token", &token)
	c.read("session_jwt", &jwt)
	given := 0
	for _, v := range []string{id, token, jwt} {
		if v != "" {
			given++
		}
	}
	switch {
	case c.wrong:
		return nil, errBadRequest
	case given == 0:
		return nil, errNoRevokeArguments
	case given > 1:
		return nil, errTooManyRevokeArguments
	case id != "" && !strings.HasPrefix(id, "session-"+s.env()+"-"):
		return nil, errInvalidSessionID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sess, fail := s.findSession(id, ""), (*failure)(nil)
	if id == "" {
		sess, fail = s.present(token, jwt)
	} else if sess == nil {
		fail = errSessionNotFound
	}
	if fail != nil {
		return nil, fail
	}
	sess.revoked = true
	return object{}, nil
}

// listSessions answers GET /v1/sessions: the live sessions of one user, the
// oldest first. See https://stytch.com/docs/api/session-get.
func (s *Server) listSessions(c *call) (object, *failure) {
	id := c.URL.Query().Get("user_id")
	if id == "" {
		return nil, errBadRequest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.findUser(id)
	if u == nil {
		return nil, errUserNotFound
	}
	sessions := []object{}
	for _, sess := range s.live(u) {
		sessions = append(sessions, sess.object())
	}
	return object{"sessions": sessions}, nil
}

// live returns the live sessions of a user, the oldest first. s.mu is held.
func (s *Server) live(u *user) []*session {
	var live []*session
	for _, sess := range s.sessions {
		if sess.user == u && s.alive(sess) {
			live = append(live, sess)
		}
	}
	slices.SortFunc(live, func(a, b *session) int {
		return cmp.Or(a.startedAt.Compare(b.startedAt), strings.Compare(a.id, b.id))
	})
	return live
}
