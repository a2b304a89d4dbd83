package login

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/strictjson"
)

const maxBody = 8 << 10

// Refusals of a request's form, built once.
var (
	errMethod    = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusMethodNotAllowed}
	errTooLarge  = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusRequestEntityTooLarge}
	errMediaType = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusUnsupportedMediaType}
	errBody      = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusBadRequest}
	errMissing   = errBody
	errAmbiguous = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonAmbiguous, Status: http.StatusBadRequest}
	errSignIn    = &sessionauth.Error{Kind: sessionauth.ErrSignIn, Reason: sessionauth.ReasonRejected}
)

// An input is what a sign-in form holds.
type input struct {
	email, password string
	returnTo        string // safe to redirect to
	form            bool
}

// checkRequest takes POST only, and from our own origin: a page of another site
// must not sign anybody in or out, whatever header it sends along.
func (h *Handlers) checkRequest(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return errMethod
	}
	return h.config.Auth.CheckOrigin(r)
}

func (h *Handlers) read(w http.ResponseWriter, r *http.Request) (input, error) {
	if err := h.checkRequest(w, r); err != nil {
		return input{}, err
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || len(r.Header["Content-Type"]) != 1 {
		return input{}, errMediaType
	}
	var parse func([]byte) (input, error)
	switch mediaType {
	case "application/json":
		parse = parseJSON
	case "application/x-www-form-urlencoded":
		parse = parseForm
	default:
		return input{}, errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if errors.As(err, new(*http.MaxBytesError)) {
		return input{}, errTooLarge
	}
	if err != nil {
		return input{}, errBody
	}
	return parse(body)
}

// parseJSON refuses unknown and repeated members: another reader of the same
// body might have taken the other one.
func parseJSON(body []byte) (input, error) {
	if strictjson.CheckObject(body) != nil {
		return input{}, errBody
	}
	var in input
	for name, value := range strictjson.Members(body) {
		s, ok := strictjson.String(value)
		if !ok || !in.set(string(name), s) || string(name) == "return_to" {
			return input{}, errBody
		}
	}
	return in, nil
}

func parseForm(body []byte) (input, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return input{}, errBody
	}
	in := input{form: true, returnTo: "/"}
	for name, list := range values {
		if len(list) != 1 || !in.set(name, list[0]) {
			return input{}, errBody
		}
	}
	return in, nil
}

// set stores a field and reports whether there is one of that name. What is not
// UTF-8 cannot be sent on as it is.
func (in *input) set(name, value string) bool {
	if !utf8.ValidString(value) {
		return false
	}
	switch name {
	case "email":
		in.email = value
	case "password":
		in.password = value
	case "return_to":
		in.returnTo = localPath(value)
	default:
		return false
	}
	return true
}

func isForm(r *http.Request) bool {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return mediaType == "application/x-www-form-urlencoded"
}
