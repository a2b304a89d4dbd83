// Package api implements the endpoints of the Stytch consumer API that package
// stytchtest serves. It makes the checks that the endpoints share, and formats
// responses and errors. Package state implements everything else.
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

// maxBody is the number of bytes that are read from the body of a request. It
// is an assumption.
const maxBody = 1 << 20

// Credentials are what calls authenticate with. They use HTTP Basic, with the
// project id as the user name and the secret as the password.
type Credentials struct{ ProjectID, Secret string }

// An API handles calls to the endpoints.
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
// are patterns for http.ServeMux without a method. With a method, the mux would
// respond to a wrong method itself, and not in JSON.
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
// body, because net/http does not notice that the caller has disconnected
// before the body was read.
func (a *API) Receive(pattern string, w http.ResponseWriter, r *http.Request) *Call {
	in := &request{Request: r, header: http.Header{}}
	in.raw, in.rawErr = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	return &Call{a, a.endpoints[pattern], in}
}

// Context returns the context of the call. It is done when the caller
// disconnects.
func (c *Call) Context() context.Context { return c.request.Context() }

// Answer executes the call and returns the correct reply.
func (c *Call) Answer() wire.Reply {
	if err := c.admit(); err != nil {
		return c.api.reply(c.request.header, nil, err)
	}
	answer, err := c.endpoint.answer(c.request)
	return c.api.reply(c.request.header, answer, err)
}

// Reply returns a successful reply with another body.
func (c *Call) Reply(answer state.Object) wire.Reply {
	return c.api.reply(c.request.header, answer, nil)
}

// Fail returns the reply for a failure. If errorType is empty, it is the type
// that Stytch documents for the status.
func (c *Call) Fail(status int, errorType string) wire.Reply {
	f := failureWithStatus(status)
	if errorType != "" {
		f.kind = state.Error(errorType)
	}
	return c.api.reply(c.request.header, nil, &f)
}

// admit makes the checks that all endpoints share, in this order: method,
// secret, body.
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
	// The body "null" decodes to a nil map without an error, but is not an
	// object.
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

// reply returns the reply for a result or an error. It adds the members that
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
