package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
)

//go:embed pages
var files embed.FS

// templates are the pages by name, each within the layout.
var templates = parsePages("home", "login", "step-up", "notes", "delete-all", "account", "error")

func parsePages(names ...string) map[string]*template.Template {
	parsed := map[string]*template.Template{}
	for _, name := range names {
		parsed[name] = template.Must(template.ParseFS(files, "pages/layout.html", "pages/"+name+".html"))
	}
	return parsed
}

// A page is what every template is given.
type page struct {
	User      string // who is signed in; empty if nobody is
	Undecided bool   // that cannot be told
	Path      string // of the page, for the navigation
	Error     string // what went wrong, for people
	Body      any    // what only this page has
}

// show writes a page. None is kept by the browser: after signing out, the back
// button must show nothing private, and all of them name who is signed in.
func show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Path = r.URL.Path
	if id, ok := sessionauth.FromContext(r.Context()); ok {
		p.User = authorOf(id).Name
	}
	var html bytes.Buffer
	if err := templates[name].ExecuteTemplate(&html, "layout", p); err != nil {
		sessionauth.WriteError(w, r, err) // a mistake in a template
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	setPolicies(h)
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // what fails now is the connection
}

// setPolicies allows a page its own style sheet, images and forms, and nothing
// else.
func setPolicies(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	// Not no-referrer: browsers would then send forms with "Origin: null", which
	// the cross-origin check of those without Sec-Fetch-Site has to refuse.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}

// asset serves an embedded file.
func asset(name, contentType string) http.HandlerFunc {
	content, err := files.ReadFile("pages/" + name)
	if err != nil {
		panic(err) // of the build, not of a request
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=60")
		setPolicies(w.Header())
		_, _ = w.Write(content)
	}
}

// A problem is what the error page says.
type problem struct {
	Title, Text string
	SignIn      string // where to return to after signing in; empty if that does not help
}

// refuse answers what sessionauth does not let pass. People who asked for a page
// are led to where they can do something about it, or get a page; everybody else
// gets problem+json.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if !wantsPage(r) {
		sessionauth.WriteError(w, r, err)
		return
	}
	isGet := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case errors.Is(err, sessionauth.ErrStepUp):
		// What was posted is asked for again: its page has the same path.
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, stepUpURL(r), http.StatusSeeOther)
	case isSignedOut(err) && isGet:
		login.RedirectTo("/login")(w, r, err)
	default:
		show(w, r, statusOf(w, r, err), "error", page{
			Undecided: errors.Is(err, sessionauth.ErrUnavailable), Body: problemOf(err),
		})
	}
}

func problemOf(err error) problem {
	switch {
	case isSignedOut(err):
		return problem{"You are not signed in", "Your session has ended. Sign in, and do it once more.", "/app/notes"}
	case errors.Is(err, sessionauth.ErrUnavailable):
		return problem{"Try again in a moment", "Stytch cannot be asked who you are. You have not been signed out.", ""}
	case errors.Is(err, sessionauth.ErrCrossOrigin):
		return problem{"Refused", "This request was sent by a page of another site.", ""}
	case errors.Is(err, sessionauth.ErrForbidden):
		return problem{"Not allowed", "You are signed in, but may not do this.", ""}
	case errors.Is(err, sessionauth.ErrInvalidRequest):
		return problem{"Not understood", "This request makes no sense. Deleting this site's cookies may help.", ""}
	}
	return problem{"Something went wrong", "The server's log says what.", ""}
}

// notFound answers what has no route.
func notFound(w http.ResponseWriter, r *http.Request) {
	if !wantsPage(r) {
		writeError(w, errNoPage)
		return
	}
	show(w, r, http.StatusNotFound, "error", page{Body: problem{"Nothing here", "There is nothing at this address.", ""}})
}

// wantsPage tells browsers from programs.
func wantsPage(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

func isSignedOut(err error) bool {
	return errors.Is(err, sessionauth.ErrNoCredential) || errors.Is(err, sessionauth.ErrInvalidSession)
}

// statusOf gives the status that sessionauth answers an error with, and sets the
// header fields that go with it, such as Retry-After: only the body is ours.
func statusOf(w http.ResponseWriter, r *http.Request, err error) int {
	h := head{header: w.Header()}
	sessionauth.WriteError(&h, r, err)
	return h.status
}

// A head takes an answer without its body.
type head struct {
	header http.Header
	status int
}

func (h *head) Header() http.Header         { return h.header }
func (h *head) WriteHeader(status int)      { h.status = status }
func (h *head) Write(b []byte) (int, error) { return len(b), nil }
