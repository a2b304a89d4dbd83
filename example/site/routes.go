package site

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/login"
)

// routes returns a router with the pages for browsers and the API for programs.
func (a *app) routes() (*chi.Mux, error) {
	handlers, err := login.New(login.Config{Auth: a.auth, OnFailure: a.signInFailed, AfterLogout: "/"})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	r.NotFound(a.auth.Optional(http.HandlerFunc(notFound)).ServeHTTP)
	a.api(r)
	r.Get("/style.css", asset("style.css", "text/css; charset=utf-8"))
	r.Get("/favicon.svg", asset("favicon.svg", "image/svg+xml"))
	r.With(a.auth.Optional).Get("/", a.home)
	r.Get("/login", a.signInPage)
	r.With(keepForm).Post("/login", handlers.Login)
	r.Post("/logout", handlers.Logout)
	r.Group(func(r chi.Router) {
		r.Use(a.auth.Require)
		r.Get("/step-up", a.stepUpPage)
		r.With(keepForm).Post("/step-up", handlers.StepUp)
		r.Get("/app/account", a.account)
		r.Get("/app/notes", a.notesPage)
		r.Post("/app/notes", a.addNote)
		r.Post("/app/notes/{id}/delete", a.removeNote)
		r.With(guard.Fresh(a.fresh)).Get("/app/notes/delete-all", a.removeAllPage)
		r.With(guard.Fresh(a.fresh)).Post("/app/notes/delete-all", a.removeAllNotes)
	})
	return r, nil
}

// home shows the home page, which needs no credential.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	show(w, r, http.StatusOK, "home", page{Body: map[string]any{"Demo": len(a.accounts) > 0, "Fresh": inWords(a.fresh)}})
}
