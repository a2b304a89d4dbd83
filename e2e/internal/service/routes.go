package service

import (
	"context"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
)

// routes returns the handler of the service:
//
//	GET  /, /login    the sign-in page, and the field Authorization-Size
//	POST /login       signs in
//	POST /logout      signs out
//	GET  /me          a page with the user, and the field Cookie-Fields
//	POST /notes       changes something
//	GET  /app/…       a page behind http.StripPrefix
//	GET  /ws          a WebSocket that first sends the user, and then an echo
//	GET  /down        a page whose Stytch cannot be reached
//	GET  /slow        a page that Release answers
//	GET  /oversized   sets a JWT cookie that is too large
func (s *Service) routes(auth, down *sessionauth.Authenticator, h *login.Handlers) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", signInPage)
	mux.HandleFunc("GET /{$}", signInPage)
	mux.HandleFunc("POST /login", h.Login)
	mux.HandleFunc("POST /logout", h.Logout)
	mux.Handle("GET /me", auth.Require(http.HandlerFunc(userPage)))
	mux.Handle("POST /notes", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	mux.Handle("GET /app/", http.StripPrefix("/app", auth.Require(http.HandlerFunc(userPage))))
	mux.Handle("GET /ws", auth.Require(http.HandlerFunc(serveWebSocket)))
	mux.Handle("GET /down", down.Require(http.HandlerFunc(userPage)))
	mux.Handle("GET /slow", auth.Require(http.HandlerFunc(s.slow.serve)))
	mux.HandleFunc("GET /oversized", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: JWTCookie, Value: strings.Repeat("x", 5000), Path: "/", Secure: true, HttpOnly: true})
	})
	return mux
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>A service</title><link rel="icon" href="data:,">
{{with .User}}<p id="user">{{.}}</p>{{end}}
<form id="sign-in" method="post" action="/login">
<input name="email"><input name="password" type="password"><input name="return_to" type="hidden" value="{{.ReturnTo}}">
<button>Sign in</button></form>
<form id="sign-out" method="post" action="/logout"><button>Sign out</button></form>`))

func show(w http.ResponseWriter, user, returnTo string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, struct{ User, ReturnTo string }{user, returnTo})
}

func signInPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Authorization-Size", strconv.Itoa(len(r.Header.Get("Authorization"))))
	show(w, "", login.ReturnTo(r))
}

func userPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cookie-Fields", strconv.Itoa(len(r.Header["Cookie"])))
	show(w, user(r), "/me")
}

// user returns the e-mail address of the user.
func user(r *http.Request) string {
	u, ok := sessionauth.UserFromContext(r.Context())
	if !ok || len(u.Emails) == 0 {
		return "nobody"
	}
	return u.Emails[0].Email
}

// slow lets a test decide when a page is served.
type slow struct{ arrived, release chan struct{} }

func (s *slow) serve(w http.ResponseWriter, r *http.Request) {
	s.arrived <- struct{}{}
	select {
	case <-s.release:
	case <-r.Context().Done():
	}
	userPage(w, r)
}

// Arrived waits until a request for /slow has arrived.
func (s *Service) Arrived(ctx context.Context) error {
	select {
	case <-s.slow.arrived:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release serves one request for /slow.
func (s *Service) Release() { s.slow.release <- struct{}{} }

// observe records the reasons for refused requests.
func (s *Service) observe(_ context.Context, e sessionauth.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Reason != "" {
		s.reasons = append(s.reasons, e.Reason)
	}
}

// LastReason returns the reason for which the last refused request was refused.
func (s *Service) LastReason() sessionauth.Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reasons) == 0 {
		return ""
	}
	return s.reasons[len(s.reasons)-1]
}
