package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/sessionauth/sessionauth"
)

//go:embed pages
var files embed.FS

// templates holds the pages by name, each inside the layout.
var templates = parsePages("home", "login", "step-up", "notes", "delete-all", "account", "error")

func parsePages(names ...string) map[string]*template.Template {
	parsed := map[string]*template.Template{}
	for _, name := range names {
		parsed[name] = template.Must(template.ParseFS(files, "pages/layout.html", "pages/"+name+".html"))
	}
	return parsed
}

// A page is the data of a template.
type page struct {
	User        string // name of the signed-in user; empty if no user is signed in
	Unavailable bool   // true if it is unknown whether a user is signed in
	Path        string // path of the page, for the navigation
	Error       string // error message for the user
	Body        any    // content of this page
}

// show writes a page. Every page contains the name of the signed-in user, so browsers must not
// store it: after signing out, the back button must not show it.
func show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Path = r.URL.Path
	if id, ok := sessionauth.FromContext(r.Context()); ok {
		p.User = authorOf(id).Name
	}
	var html bytes.Buffer
	if err := templates[name].ExecuteTemplate(&html, "layout", p); err != nil {
		sessionauth.WriteError(w, r, err) // fails only if the template is wrong
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	setPolicies(h)
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // fails only if the connection is broken
}

// setPolicies allows a page to use only the style sheet, images and forms of this
// site.
func setPolicies(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	// With no-referrer, browsers would send forms with "Origin: null". The
	// cross-origin check rejects that if the browser sends no Sec-Fetch-Site.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}

// asset serves an embedded file.
func asset(name, contentType string) http.HandlerFunc {
	content, err := files.ReadFile("pages/" + name)
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=60")
		setPolicies(w.Header())
		_, _ = w.Write(content)
	}
}

// inWords formats a duration for people, rounded to seconds or minutes.
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
