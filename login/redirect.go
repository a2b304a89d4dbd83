package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionauth/sessionauth"
)

// RedirectTo makes a sessionauth.Config.ErrorHandler that leads people to the
// sign-in page at path, with return_to in the query: those who ask for a page
// (GET or HEAD, Accept with text/html) and are not signed in. Everybody and
// everything else gets WriteError's answer: a 503, a 403 or a step-up is never
// a redirect. It panics if path is not a path of our own origin.
func RedirectTo(path string) func(http.ResponseWriter, *http.Request, error) {
	if localPath(path) != path || strings.ContainsAny(path, "?#") {
		panic("login: RedirectTo: not a path of our own origin")
	}
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if !wantsPage(r) || !isSignedOut(err) {
			sessionauth.WriteError(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		// What the browser asked for: a StripPrefix may have cut r.URL.
		query := url.Values{"return_to": {localPath(r.RequestURI)}}
		http.Redirect(w, r, path+"?"+query.Encode(), http.StatusSeeOther)
	}
}

func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// isSignedOut reports whether an error says nothing else than that nobody is
// signed in.
func isSignedOut(err error) bool {
	for _, other := range []error{sessionauth.ErrUnavailable, sessionauth.ErrCrossOrigin, sessionauth.ErrInvalidRequest, sessionauth.ErrForbidden, sessionauth.ErrStepUp} {
		if errors.Is(err, other) {
			return false
		}
	}
	return errors.Is(err, sessionauth.ErrNoCredential) || errors.Is(err, sessionauth.ErrInvalidSession)
}

// ReturnTo gives the return_to of a sign-in page's own query, made safe: for
// the hidden field of its form. What is not a path of our own origin is "/".
func ReturnTo(r *http.Request) string { return localPath(r.URL.Query().Get("return_to")) }

// localPath gives s back, written anew, if a browser can only read it as a path
// of our own origin, and else "/". Browsers read a backslash as a slash, drop
// tabs and line breaks, and take what follows two slashes for a host (RFC 9700,
// section 4.11).
func localPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsFunc(s, isMisread) {
		return "/"
	}
	u, err := url.Parse(s)
	// Proxies decode and merge: no spelling of a second slash may lead away.
	if err != nil || strings.Contains(u.Path, "//") || strings.ContainsFunc(u.Path, isMisread) {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

// isMisread recognizes what a browser reads as something else, or not at all.
func isMisread(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }
