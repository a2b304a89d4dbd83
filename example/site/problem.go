package site

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Errors of requests that are authenticated.
var (
	errBadNote      = errors.New(`the request body must be {"text": "…"} with 1 to 1000 bytes of text`)
	errBadText      = errors.New("a note must have 1 to 1000 bytes of text")
	errCutOff       = errors.New("the request body could not be read")
	errNoNote       = errors.New("you have no note with this id")
	errNoPage       = errors.New("there is no page at this address")
	errTooManyNotes = errors.New("you have 100 notes: delete one first")
	errTooLarge     = errors.New("the request body is larger than 8 KiB")
	errNotJSON      = errors.New("the request body must be application/json")
	errNoRoom       = errors.New("the notes of 1000 users are stored: there is no space for another user")
)

var statuses = map[error]int{
	errBadNote:      http.StatusBadRequest,
	errBadText:      http.StatusBadRequest,
	errCutOff:       http.StatusBadRequest,
	errNoNote:       http.StatusNotFound,
	errNoPage:       http.StatusNotFound,
	errTooManyNotes: http.StatusConflict,
	errTooLarge:     http.StatusRequestEntityTooLarge,
	errNotJSON:      http.StatusUnsupportedMediaType,
	errNoRoom:       http.StatusInsufficientStorage,
}

// writeError responds with a problem (RFC 9457). The problem has no type of its own, because the
// status says enough.
func writeError(w http.ResponseWriter, err error) {
	status := statuses[err]
	write(w, status, "application/problem+json", struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	write(w, status, "application/json", v)
}

func write(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // fails only if the connection is broken
}
