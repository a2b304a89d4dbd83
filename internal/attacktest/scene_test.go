package attacktest

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// The answers, named as in hostile.md.
var (
	want401n = authtest.NoCredential
	want401i = authtest.InvalidToken
	want400r = authtest.InvalidRequest
	want403c = authtest.CrossOrigin
	want503r = authtest.Unavailable
	net400   = authtest.Answer{Status: 400} // answered by net/http itself
)

// passAs is the answer to a request that passes. The user is "ada", "bob" or "nobody".
func passAs(who string) authtest.Answer { return authtest.Answer{Status: 200, As: who} }

// A scene is an environment with a second user. Its requests contain placeholders: {ada.jwt},
// {ada.token}, {bob.jwt} and {bob.token} are credentials, {bad.jwt} is the JWT of Ada with an
// invalid signature, {unknown} is a token that does not exist, and {basic} is a Basic credential
// with {ada.token} as the password.
type scene struct {
	*authtest.Env
	bob     stytchtest.Session
	words   *strings.Replacer
	secrets []string // texts that no response may contain
}

func newScene(t *testing.T, changes ...func(*sessionauth.Config)) *scene {
	t.Helper()
	s := authtest.New(t, changes...)
	bob := s.StartSession(s.AddUser(stytchtest.User{Email: "bob@example.com"}).ID, stytchtest.SessionOptions{})
	bad := authtest.OtherSignature(s.Session.JWT)
	return &scene{
		Env: s, bob: bob,
		words: strings.NewReplacer("{ada.jwt}", s.Session.JWT, "{ada.token}", s.Session.Token,
			"{bob.jwt}", bob.JWT, "{bob.token}", bob.Token, "{bad.jwt}", bad, "{unknown}", authtest.InventedToken,
			"{basic}", base64.StdEncoding.EncodeToString([]byte("ada:"+s.Session.Token))),
		secrets: []string{s.Session.JWT, s.Session.Token, bob.JWT, bob.Token, bad, authtest.InventedToken, s.Secret},
	}
}

// request returns a request with these header fields ("Name: value", one per line).
func (s *scene) request(method, target, body, fields string) *http.Request {
	r := httptest.NewRequest(method, "https://app.example.com"+s.words.Replace(target), strings.NewReader(s.words.Replace(body)))
	for field := range strings.SplitSeq(s.words.Replace(fields), "\n") {
		if name, value, ok := strings.Cut(field, ": "); ok {
			r.Header.Add(name, value)
		}
	}
	return r
}

// wantFirst checks the first response in a scene, which user passed, and the number of calls.
func (s *scene) wantFirst(resp *http.Response, v authtest.Answer, calls int) {
	s.T.Helper()
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != v.Status || got != v.Challenge {
		s.T.Errorf("got %d %q, want %d %q", resp.StatusCode, got, v.Status, v.Challenge)
	}
	names := map[string]string{s.Session.ID: "ada", s.bob.ID: "bob", "": "nobody"}
	var passed, want []string
	for _, id := range s.Passed() {
		passed = append(passed, names[id])
	}
	if v.As != "" {
		want = []string{v.As}
	}
	if !slices.Equal(passed, want) {
		s.T.Errorf("got through: %q, want %q", passed, want)
	}
	s.WantCalls(authtest.PathAuthenticate, calls)
	s.wantNoReflection(resp)
}

func (s *scene) wantNoReflection(resp *http.Response) {
	s.T.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.T.Errorf("got error %v while reading the answer, want none", err)
	}
	text := fmt.Sprint(resp.Header) + string(body)
	for _, secret := range s.secrets {
		if strings.Contains(text, secret) {
			s.T.Errorf("got an answer that contains %q, want nothing of the request", secret[:8])
		}
	}
}
