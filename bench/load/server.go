package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
	"unsafe"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// An env is a server under load and the in-memory Stytch that it calls.
type env struct {
	stytch   *stytchtest.Server
	socket   *httptest.Server // serves the in-memory Stytch
	auth     *sessionauth.Authenticator
	warmedAt time.Time
	servers  []*http.Server

	sessions []stytchtest.Session
}

// newEnv starts the given number of sessions, each with its own user.
func newEnv(sessions int, change func(*sessionauth.Config)) (*env, error) {
	s := &env{stytch: stytchtest.NewServer()}
	s.stytch.JWTLifetime = time.Hour
	s.socket = httptest.NewServer(s.stytch)
	for i := range sessions {
		user := s.stytch.AddUser(stytchtest.User{
			Email: fmt.Sprintf("user%d@example.com", i), Name: stytch.Name{FirstName: "Ada"},
		})
		s.sessions = append(s.sessions, s.stytch.StartSession(user.ID, stytchtest.SessionOptions{
			CustomClaims: map[string]any{"tenant": "7f3c", "plan": "pro"},
		}))
	}
	config := sessionauth.Config{ProjectID: s.stytch.ProjectID, Secret: s.stytch.Secret, BaseURL: s.socket.URL}
	if change != nil {
		change(&config)
	}
	var err error
	if s.auth, err = sessionauth.New(config); err != nil {
		return nil, err
	}
	s.warmedAt = time.Now()
	return s, s.auth.Warm(context.Background())
}

// serve starts a server on loopback and returns its address.
func (s *env) serve(h http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	go server.Serve(listener) // returns after Close
	return listener.Addr().String(), nil
}

func (s *env) close() {
	for _, server := range s.servers {
		server.Close()
	}
	s.socket.Close()
}

// hello is a cheap handler with a response body.
var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", "6")
	_, _ = w.Write([]byte("hello\n"))
})

type byHandKey struct{}

// byHand does the work that Require does for a cached JWT, but checks nothing. It computes a
// SHA-256 of the signature, clones the request and sets the same two header fields.
var byHand = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	credential := r.Header.Get("Authorization")
	signature := credential[strings.IndexByte(credential, '.')+1:]
	signature = signature[strings.IndexByte(signature, '.')+1:]
	// Sum256 does not change its argument, so the bytes of the string need not be copied.
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(signature), len(signature)))
	fields := []string{"Cookie, Authorization", "private"}
	w.Header()["Vary"], w.Header()["Cache-Control"] = fields[:1:1], fields[1:]
	hello.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), byHandKey{}, sum[0])))
})

// request returns the bytes of one request.
func request(credential string) []byte {
	return []byte("GET / HTTP/1.1\r\nHost: example.com\r\nAccept: application/json\r\n" +
		"User-Agent: load\r\nAuthorization: Bearer " + credential + "\r\n\r\n")
}
