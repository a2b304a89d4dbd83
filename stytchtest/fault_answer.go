package stytchtest

import (
	"maps"
	"net/http"
	"strings"
)

// OtherUser mixes people up: the answer as it should be, but for another user
// and a live session of that user's, from the ids to the signed JWT. It is for
// the endpoints that answer with a user. That other user is one that this
// server adds for the purpose.
func OtherUser() Fault {
	return mixedUp("OtherUser", []string{pathAuthenticate, pathCreate, pathSignIn, pathUser}, func(s *Server, a object) object {
		return s.aboutUser(a, s.someoneElse())
	})
}

// OtherSession is the answer as it should be, but with another live session of
// the same user's, which is started if there is none. It is for the endpoints
// that answer with a session.
func OtherSession() Fault {
	return mixedUp("OtherSession", []string{pathAuthenticate, pathCreate, pathSignIn}, func(s *Server, a object) object {
		shown, _ := a["session"].(object)
		if shown == nil {
			return a // a sign-in that was not to start a session
		}
		id, _ := shown["session_id"].(string)
		sess := s.findSession(id, "")
		if sess == nil {
			return a // it has ended meanwhile
		}
		return s.aboutSession(a, s.another(sess.user, sess))
	})
}

// WithoutIDs is the answer as it should be, but without any id in it: of
// sessions, users, keys, roles, at any depth. The session JWT keeps its own.
func WithoutIDs() Fault {
	return mixedUp("WithoutIDs", nil, func(_ *Server, a object) object {
		dropIDs(a)
		return a
	})
}

// RepeatedNames is the answer as it should be, but with every member of the
// object twice. Readers of such JSON differ in which one they take (RFC 8259,
// section 4).
func RepeatedNames() Fault {
	return spoiled("RepeatedNames", func(_ *call, p reply) reply {
		members := p.text[1 : len(p.text)-1]
		p.text = []byte("{" + string(members) + "," + string(members) + "}")
		return p
	})
}

// mixedUp makes Fault in which a good answer is replaced by another one. bend
// may keep the object; s.mu is held.
func mixedUp(name string, paths []string, bend func(*Server, object) object) Fault {
	return Fault{effect: &effect{name: name, paths: paths, reply: func(s *Server, c *call, e endpoint) reply {
		p := s.answer(c, e)
		if p.status != http.StatusOK {
			return p
		}
		var good object
		if err := decode(p.text, &good); err != nil {
			panic("stytchtest: an answer that cannot be read again: " + err.Error())
		}
		return s.jsonReply(c.header, s.bent(good, bend), nil)
	}}}
}

func (s *Server) bent(good object, bend func(*Server, object) object) object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bend(s, good)
}

// aboutUser returns an answer that is about u instead. s.mu is held.
func (s *Server) aboutUser(a object, u *user) object {
	if _, nested := a["user"]; !nested { // GET /v1/users/{user_id}
		return u.object(s.now())
	}
	if a["session"] != nil {
		a = s.aboutSession(a, s.another(u, nil))
	}
	a["user"] = u.object(s.now())
	if a["user_id"] != nil {
		a["user_id"] = u.id
	}
	return a
}

// aboutSession returns an answer with another session. s.mu is held.
func (s *Server) aboutSession(a object, sess *session) object {
	maps.Copy(a, s.credentials(sess))
	return a
}

// another returns a live session of a user's other than the one given, which
// may be nil. s.mu is held.
func (s *Server) another(u *user, than *session) *session {
	for _, sess := range s.live(u) {
		if sess != than {
			return sess
		}
	}
	return s.start(u, defaultSessionDuration, object{}, []factor{passwordFactor(s.now())})
}

// someoneElse returns a user whom no test has added. s.mu is held.
func (s *Server) someoneElse() *user {
	if s.stranger == nil {
		s.stranger = s.newUser(User{Email: newUUID() + "@stytchtest.invalid"}, true)
		s.keep(s.stranger)
	}
	return s.stranger
}

// dropIDs takes the ids out of JSON of any kind, in place. That of the request
// stays: every answer has it.
func dropIDs(v any) {
	switch v := v.(type) {
	case object:
		for name, member := range v {
			if strings.HasSuffix(name, "_id") && name != "request_id" || name == "kid" {
				delete(v, name)
			}
			dropIDs(member)
		}
	case []any:
		for _, member := range v {
			dropIDs(member)
		}
	}
}
