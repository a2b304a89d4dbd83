// Package api is the HTTP face of the project that package stytchtest serves:
// the endpoints of the Stytch consumer API, the checks that they share, and the
// form of their answers and errors. Package state decides the rest.
package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"

	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
	"github.com/sessionauth/sessionauth/stytchtest/internal/wire"
)

// maxBody is how much of a request's body is read, in bytes. It is an
// assumption.
const maxBody = 1 << 20

// Credentials are what calls authenticate with: HTTP Basic, with the project id
// as the user name and the secret as the password.
type Credentials struct{ ProjectID, Secret string }

// An API answers calls to the endpoints.
type API struct {
	project     *state.Project
	credentials func() Credentials
	endpoints   map[string]endpoint // by pattern
}

// New returns the API of a project. It calls credentials for each call.
func New(project *state.Project, credentials func() Credentials) *API {
	a := &API{project: project, credentials: credentials, endpoints: map[string]endpoint{}}
	s := service{project: project, id: func() string { return credentials().ProjectID }}
	for _, e := range s.endpoints() {
		a.endpoints[e.pattern] = e
	}
	return a
}

// Patterns returns the patterns of the endpoints, in no particular order. They
// are those of http.ServeMux, without a method: the mux would answer a wrong
// method, and not in JSON.
func (a *API) Patterns() []string {
	var patterns []string
	for pattern := range a.endpoints {
		patterns = append(patterns, pattern)
	}
	return patterns
}

// NotFound returns the reply to a call of an unknown path.
func (a *API) NotFound() wire.Reply { return a.reply(http.Header{}, nil, errRouteNotFound) }

// A Call is a call of an endpoint.
type Call struct {
	api      *API
	endpoint endpoint
	request  *request
}

// Receive reads a request to the endpoint with this pattern. It reads the whole
// body, because net/http does not notice before that its caller has gone.
func (a *API) Receive(pattern string, w http.ResponseWriter, r *http.Request) *Call {
	in := &request{Request: r, header: http.Header{}}
	in.raw, in.rawErr = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	return &Call{a, a.endpoints[pattern], in}
}

// Context returns the context of the call, which ends when its caller goes.
func (c *Call) Context() context.Context { return c.request.Context() }

// Answer lets the call take effect and returns the correct reply.
func (c *Call) Answer() wire.Reply {
	if err := c.admit(); err != nil {
		return c.api.reply(c.request.header, nil, err)
	}
	answer, err := c.endpoint.answer(c.request)
	return c.api.reply(c.request.header, answer, err)
}

// Reply returns a successful reply with another answer.
func (c *Call) Reply(answer state.Object) wire.Reply {
	return c.api.reply(c.request.header, answer, nil)
}

// Fail returns the reply of a failure. If errorType is empty, it is the one that
// Stytch documents for the status.
func (c *Call) Fail(status int, errorType string) wire.Reply {
	f := failureWithStatus(status)
	if errorType != "" {
		f.kind = state.Error(errorType)
	}
	return c.api.reply(c.request.header, nil, &f)
}

// admit makes the checks that all endpoints share: method, secret, then body.
func (c *Call) admit() error {
	r := c.request
	if r.Method != c.endpoint.method {
		r.header.Set("Allow", c.endpoint.method)
		return errMethodNotAllowed
	}
	if !c.endpoint.public && !c.api.authorized(r.Request) {
		return errUnauthorizedCredentials
	}
	if r.Method == http.MethodGet {
		return nil
	}
	// Stytch is known to reject "application/json; charset=utf-8".
	if r.Header.Get("Content-Type") != "application/json" {
		return errBadRequest
	}
	// The body "null" decodes to a nil map, and is not an object either.
	if r.rawErr != nil || json.Unmarshal(r.raw, &r.body) != nil || r.body == nil {
		return errBadRequest
	}
	return nil
}

func (a *API) authorized(r *http.Request) bool {
	want := a.credentials()
	id, secret, ok := r.BasicAuth()
	sameID := subtle.ConstantTimeCompare([]byte(id), []byte(want.ProjectID))
	sameSecret := subtle.ConstantTimeCompare([]byte(secret), []byte(want.Secret))
	return ok && sameID&sameSecret == 1
}

// reply returns the reply of an answer or of an error, with the members that
// every body has.
func (a *API) reply(header http.Header, answer state.Object, err error) wire.Reply {
	status := http.StatusOK
	if err != nil {
		f := failureOf(err)
		answer, status = f.object(), f.status
	}
	answer["status_code"] = status
	answer["request_id"] = a.project.NewID("request-id")
	body, err := state.Encode(answer)
	if err != nil {
		panic("stytchtest: an answer has no JSON form: " + err.Error())
	}
	header.Set("Content-Type", "application/json")
	return wire.Reply{Status: status, Header: header, Text: body}
}
