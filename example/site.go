package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytch"
)

// A site is the application: it knows nothing of credentials.
type site struct {
	auth     *sessionauth.Authenticator
	notes    *notebook
	fresh    time.Duration // since the password was proved, for deleting all notes
	accounts []account     // that the sign-in page offers; none on a real project
}

// newSite makes the routes: pages for people, and those of api for programs.
func newSite(s *site) (*chi.Mux, error) {
	handlers, err := login.New(login.Config{Auth: s.auth, OnFailure: s.signInFailed, AfterLogout: "/"})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	r.NotFound(s.auth.Optional(http.HandlerFunc(notFound)).ServeHTTP)
	s.api(r)
	r.Get("/style.css", asset("style.css", "text/css; charset=utf-8"))
	r.Get("/favicon.svg", asset("favicon.svg", "image/svg+xml"))
	r.With(s.auth.Optional).Get("/", s.home)
	r.With(s.auth.Optional).Get("/login", s.signInPage)
	r.With(keepForm).Post("/login", handlers.Login)
	r.Post("/logout", handlers.Logout)
	r.Group(func(r chi.Router) {
		r.Use(s.auth.Require)
		r.Get("/step-up", s.stepUpPage)
		r.With(keepForm).Post("/step-up", handlers.StepUp)
		r.Get("/app/account", s.account)
		r.Get("/app/notes", s.notesPage)
		r.Post("/app/notes", s.addNote)
		r.Post("/app/notes/{id}/delete", s.removeNote)
		r.With(guard.Fresh(s.fresh)).Get("/app/notes/delete-all", s.removeAllPage)
		r.With(guard.Fresh(s.fresh)).Post("/app/notes/delete-all", s.removeAllNotes)
	})
	return r, nil
}

// home is a page for everybody.
func (s *site) home(w http.ResponseWriter, r *http.Request) {
	show(w, r, http.StatusOK, "home", page{Body: map[string]any{"Demo": len(s.accounts) > 0, "Fresh": inWords(s.fresh)}})
}

// inWords says roughly how long.
func inWords(d time.Duration) string {
	n, unit := d.Round(time.Second)/time.Second, "second"
	if d >= 2*time.Minute {
		n, unit = d.Round(time.Minute)/time.Minute, "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// nameOf is what to call a user, who may have told no name.
func nameOf(u *stytch.User) string {
	if name := strings.TrimSpace(u.Name.FirstName + " " + u.Name.LastName); name != "" {
		return name
	}
	return u.ID
}
