package login_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/login"
)

// FuzzSignInBody compares the call to Stytch with the result of another parser of the same body. An
// ambiguous body must cause no call, and a valid one must.
func FuzzSignInBody(f *testing.F) {
	var sent []byte // body of the call to Stytch
	h := newFuzzed(f, func(r *http.Request) {
		if r.URL.Path == pathPassword {
			sent, _ = io.ReadAll(r.Body) // cannot fail, because the body is in memory
		}
	})
	for _, body := range []string{
		right, wrong, "{}", "", `{"email":"a","password":"b","x":1}`, `{"email":"a","email":"b","password":"c"}`, `{"email":"\u0061","password":"\ud83d\ude00"}`,
		`{"email":"a","password":"\ud800"}`, `{"email":"a","pass\u0077ord":"c"}`, " {\"email\":\"a\",\n\"password\":\"b\"}\t", `{"email":"a","password":"b"}{}`,
	} {
		f.Add([]byte(body), false)
	}
	for _, body := range []string{
		rightForm, "email=a&password=b&return_to=/x", "email=a&password=b&password=c", "email=a;password=b", "email=+a%0c&password=+b+", "email=+%09&password=b", "email=a&password=%zz", "email=a&password=%00",
		"email=a&&password=b", "email=a&password=+", "%65mail=a&password=b", "email=a&password=b=c", "email=a&password=%c3%bc", "&email=a&password=b&",
	} {
		f.Add([]byte(body), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, form bool) {
		contentType, read := jsonType, readJSON
		if form {
			contentType, read = formType, readForm
		}
		sent = nil
		w := httptest.NewRecorder()
		h.Login(w, newRequest("POST", "/login", string(body), contentType))
		email, password, err := read(body)
		if sent == nil {
			if err == nil && len(body) <= 8192 {
				t.Errorf("got %d, want %q and a password sent", w.Code, email)
			}
			if w.Code != 400 && w.Code != 413 {
				t.Errorf("got %d, want 400 or 413", w.Code)
			}
			return
		}
		var got struct{ Email, Password string }
		if jsonErr := json.Unmarshal(sent, &got); jsonErr != nil || err != nil || got.Email != email || got.Password != password {
			t.Errorf("got %q sent, want e-mail %q and password %q (%v)", sent, email, password, err)
		}
	})
}

// newFuzzed returns handlers whose Stytch answers 429, because this answer opens no circuit breaker
// and is not delayed.
func newFuzzed(f *testing.F, see func(*http.Request)) *login.Handlers {
	f.Helper()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: "project-test-fuzz", Secret: "secret", BaseURL: "https://stytch.invalid", Logger: slog.New(slog.DiscardHandler),
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { see(r); return authtest.Reply(429, "{}"), nil })},
		Cookies:    sessionauth.Cookies{WriteBack: true},
	})
	if err != nil {
		f.Fatal(err)
	}
	h, err := login.New(login.Config{Auth: auth})
	if err != nil {
		f.Fatal(err)
	}
	return h
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errBad = errors.New("not one e-mail address and one password")

// readJSON decodes a body token by token, because json.Unmarshal accepts repeated names.
func readJSON(body []byte) (email, password string, err error) {
	fields := map[string]string{}
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", "", errBad
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return "", "", errBad
		}
		value, err := d.Token()
		text, ok := value.(string)
		if _, repeated := fields[name.(string)]; err != nil || !ok || repeated {
			return "", "", errBad
		}
		fields[name.(string)] = text
	}
	if _, err := d.Token(); err != nil {
		return "", "", errBad
	}
	if _, err := d.Token(); err != io.EOF {
		return "", "", errBad
	}
	email = strings.Trim(fields["email"], "\t\n\f\r ")
	if !utf8.Valid(body) || halfSurrogate(body) || len(fields) != 2 || email == "" || fields["password"] == "" {
		return "", "", errBad
	}
	return email, fields["password"], nil
}

// halfSurrogate reports whether the decoder has inserted U+FFFD.
func halfSurrogate(body []byte) bool {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return true
	}
	read := strings.Count(strings.Join(texts(v), ""), "\ufffd")
	lower := strings.ToLower(string(body))
	return read > strings.Count(lower, "\ufffd")+strings.Count(lower, `\ufffd`)
}

func texts(v any) (all []string) {
	members, _ := v.(map[string]any)
	for name, value := range members {
		text, _ := value.(string)
		all = append(all, name, text)
	}
	return all
}

func readForm(body []byte) (email, password string, err error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", "", errBad
	}
	for name, list := range values {
		if !strings.Contains(" email password return_to ", " "+name+" ") || name == "" || len(list) != 1 || !utf8.ValidString(list[0]) {
			return "", "", errBad
		}
	}
	email = strings.Trim(values.Get("email"), "\t\n\f\r ")
	if email == "" || values.Get("password") == "" {
		return "", "", errBad
	}
	return email, values.Get("password"), nil
}
