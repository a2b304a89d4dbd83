package stytchtest

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"io"
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
	pattern string // of http.ServeMux, without method; Calls and SetWeather know it by this
	public  bool   // needs no secret
	answer  func(*call) (object, *failure)
}

func (s *Server) endpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	return []endpoint{
		{get, "/.well-known/jwks.json", true, s.keySet},
		{get, "/v1/public/{project_id}/.well-known/jwks.json", true, s.keySet},
		{get, "/v1/sessions/jwks/{project_id}", true, s.keySet},
		{get, "/v1/sessions", false, s.listSessions},
		{post, "/v1/sessions/authenticate", false, s.authenticateSession},
		{post, "/v1/sessions/revoke", false, s.revokeSession},
		{post, "/v1/passwords", false, s.createPassword},
		{post, "/v1/passwords/authenticate", false, s.authenticatePassword},
		{get, "/v1/users/{user_id}", false, s.getUser},
		{get, "/v1/rbac/policy", false, s.getPolicy},
	}
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

// arrive counts a call and returns the weather it meets.
func (s *Server) arrive(pattern string) Weather {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[pattern]++
	if w, ok := s.weather[pattern]; ok {
		return w
	}
	return s.weather[""]
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.arrive("")
	s.write(w, nil, errRouteNotFound)
}

// serve takes a call through weather, method, secret and body, in this order,
// to its endpoint.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	weather := s.arrive(e.pattern)
	if !weather.pass(r.Context()) {
		return // the caller has gone
	}
	if weather.Status != 0 {
		weather.setHeader(w.Header())
		s.write(w, nil, weather.failure())
		return
	}
	c := &call{Request: r, header: w.Header()}
	fail := s.admit(w, c, e)
	if fail != nil {
		s.write(w, nil, fail)
		return
	}
	answer, fail := e.answer(c)
	s.write(w, answer, fail)
}

// admit makes the checks that all endpoints share.
func (s *Server) admit(w http.ResponseWriter, c *call, e endpoint) *failure {
	if c.Method != e.method {
		w.Header().Set("Allow", e.method)
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
	raw, err := io.ReadAll(http.MaxBytesReader(w, c.Body, maxBody))
	// The nil map of a body that says null is no object either.
	if err != nil || json.Unmarshal(raw, &c.body) != nil || c.body == nil {
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

// write sends an answer or a failure, with the members that all bodies have.
func (s *Server) write(w http.ResponseWriter, answer object, fail *failure) {
	status := http.StatusOK
	if fail != nil {
		answer, status = fail.object(), fail.status
	}
	answer["status_code"] = status
	answer["request_id"] = s.newID("request-id")
	body, err := encode(answer)
	if err != nil {
		panic("stytchtest: answer cannot be written as JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails when the caller has gone: nobody is left to tell
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
