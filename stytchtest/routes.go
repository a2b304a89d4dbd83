package stytchtest

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// maxBody bounds what is read of a request, in bytes. A guess.
const maxBody = 1 << 20

// object is a JSON object; encoding/json writes its names in alphabetical
// order, as Stytch does.
type object = map[string]any

// An endpoint is one method of one path.
type endpoint struct {
	method  string
	pattern string // of http.ServeMux, without method; Calls and SetFault know it by this
	public  bool   // needs no secret
	answer  func(*call) (object, *failure)
}

// The paths that more than one place speaks of.
const (
	pathAuthenticate = "/v1/sessions/authenticate"
	pathCreate       = "/v1/passwords"
	pathSignIn       = "/v1/passwords/authenticate"
	pathUser         = "/v1/users/{user_id}"
)

var keySetPaths = []string{
	"/.well-known/jwks.json",
	"/v1/public/{project_id}/.well-known/jwks.json",
	"/v1/sessions/jwks/{project_id}",
}

func (s *Server) endpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	all := []endpoint{
		{get, "/v1/sessions", false, s.listSessions},
		{post, pathAuthenticate, false, s.authenticateSession},
		{post, "/v1/sessions/revoke", false, s.revokeSession},
		{post, pathCreate, false, s.createPassword},
		{post, pathSignIn, false, s.authenticatePassword},
		{get, pathUser, false, s.getUser},
		{get, "/v1/rbac/policy", false, s.getPolicy},
	}
	for _, path := range keySetPaths {
		all = append(all, endpoint{get, path, true, s.keySet})
	}
	return all
}

// register puts the endpoints into the mux. The mux gets paths without methods:
// what it says of a wrong method would not be JSON.
func (s *Server) register() {
	for _, e := range s.endpoints() {
		s.calls[e.pattern] = 0
		s.mux.HandleFunc(e.pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
	}
	s.mux.HandleFunc("/", s.notFound)
}

// mustKnow panics if no endpoint has this pattern. s.mu is held.
func (s *Server) mustKnow(pattern string) {
	if _, known := s.calls[pattern]; !known && pattern != "" {
		panic("stytchtest: no endpoint has the pattern " + strconv.Quote(pattern))
	}
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.arrive("")
	s.send(w, r, s.jsonReply(http.Header{}, nil, errRouteNotFound))
}

// serve takes a call through fault, method, secret and body, in this order,
// to its endpoint.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	fault := s.arrive(e.pattern)
	c := &call{Request: r, header: http.Header{}}
	// At once: net/http does not see a caller go before the body is read.
	c.raw, c.rawErr = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	s.send(w, r, s.meet(fault, c, e))
}

// meet makes the reply to a call in the fault that it met.
func (s *Server) meet(w Fault, c *call, e endpoint) reply {
	if err := wait(c.Context(), w.Delay); err != nil {
		return reply{err: err} // the caller has gone
	}
	var p reply
	switch {
	case w.effect != nil:
		p = w.effect.reply(s, c, e)
	case w.Status != 0:
		p = s.jsonReply(c.header, nil, w.failure())
	default:
		p = s.answer(c, e)
	}
	if p.err == nil {
		maps.Copy(p.header, w.Header.Clone())
	}
	return p
}

// answer makes the reply to a call as it should be.
func (s *Server) answer(c *call, e endpoint) reply {
	if fail := s.admit(c, e); fail != nil {
		return s.jsonReply(c.header, nil, fail)
	}
	answer, fail := e.answer(c)
	return s.jsonReply(c.header, answer, fail)
}

// admit makes the checks that all endpoints share.
func (s *Server) admit(c *call, e endpoint) *failure {
	if c.Method != e.method {
		c.header.Set("Allow", e.method)
		return errMethodNotAllowed
	}
	if !e.public && !s.authorized(c.Request) {
		return errUnauthorizedCredentials
	}
	if e.method == http.MethodGet {
		return nil
	}
	// Stytch is known to refuse "application/json; charset=utf-8".
	if c.Header.Get("Content-Type") != "application/json" {
		return errBadRequest
	}
	// The nil map of a body that says null is no object either.
	if c.rawErr != nil || json.Unmarshal(c.raw, &c.body) != nil || c.body == nil {
		return errBadRequest
	}
	return nil
}

func (s *Server) authorized(r *http.Request) bool {
	id, secret, ok := r.BasicAuth()
	sameID := subtle.ConstantTimeCompare([]byte(id), []byte(s.ProjectID))
	sameSecret := subtle.ConstantTimeCompare([]byte(secret), []byte(s.Secret))
	return ok && sameID&sameSecret == 1
}

// encode writes JSON without the HTML escapes of json.Marshal: other languages
// do not write them, and they would count against the size of custom claims.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
