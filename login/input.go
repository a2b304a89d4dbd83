package login

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// maxBody is the maximum size of a request body in bytes.
const maxBody = 8 << 10

// Errors for requests that the handlers refuse.
var (
	errMethod    = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusMethodNotAllowed}
	errTooLarge  = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusRequestEntityTooLarge}
	errMediaType = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusUnsupportedMediaType}
	errBody      = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonMalformed, Status: http.StatusBadRequest}
	errMissing   = errBody
	errAmbiguous = &sessionauth.Error{Kind: sessionauth.ErrInvalidRequest, Reason: sessionauth.ReasonAmbiguous, Status: http.StatusBadRequest}
	errCanceled  = &sessionauth.Error{Kind: sessionauth.ErrUnavailable, Reason: sessionauth.ReasonCanceled}
	errSignIn    = &sessionauth.Error{Kind: sessionauth.ErrSignIn, Reason: sessionauth.ReasonRejected}
)

// input holds the fields of a request.
type input struct {
	email, password string
	returnTo        string // a result of localPath; empty for JSON
	form            bool   // an HTML form, not JSON
}

// checkRequest refuses cross-origin requests and methods other than POST, so
// that a page of another site cannot sign a user in or out.
func (h *Handlers) checkRequest(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return errMethod
	}
	return h.config.Auth.CheckOrigin(r)
}

// read checks a request and parses its body.
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

// parseJSON parses a JSON body. It refuses unknown and repeated members, so
// that another reader of the body, such as a firewall, cannot see different
// values. It also refuses return_to, which is for forms only.
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

// set stores a field. It returns false if the name is unknown or the value is
// not valid UTF-8, which JSON cannot represent.
func (in *input) set(name, value string) bool {
	if !utf8.ValidString(value) {
		return false
	}
	switch name {
	case "email":
		// Trim white space, as browsers do for a field of type email. It comes
		// from autofill and the clipboard, and no address begins or ends with
		// it.
		in.email = strings.Trim(value, "\t\n\f\r ")
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
