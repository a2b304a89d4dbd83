package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionauth/sessionauth"
)

// RedirectTo returns a sessionauth.Config.ErrorHandler that redirects browsers to
// the sign-in page at path, with status 303 and the requested path as return_to in
// the query. It redirects requests for pages (GET or HEAD with text/html in Accept)
// that carry no session, or one that has ended. For all other requests and errors
// it calls [sessionauth.WriteError]: a 403, a step-up challenge or a 503 never
// becomes a redirect.
//
// RedirectTo panics if path is not an absolute path such as "/login", without
// query and fragment.
func RedirectTo(path string) func(http.ResponseWriter, *http.Request, error) {
	if localPath(path) != path || strings.ContainsAny(path, "?#") {
		panic("login: RedirectTo: path must be an absolute path without query or fragment")
	}
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if !wantsPage(r) || !isSignedOut(err) {
			sessionauth.WriteError(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		// RequestURI is the requested path even if StripPrefix has changed r.URL.
		query := url.Values{"return_to": {localPath(r.RequestURI)}}
		http.Redirect(w, r, path+"?"+query.Encode(), http.StatusSeeOther)
	}
}

// wantsPage reports whether r is a browser's request for a page.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// isSignedOut reports whether err means that the request has no valid session, and
// nothing else. An error may match several sentinels.
func isSignedOut(err error) bool {
	for _, other := range []error{sessionauth.ErrUnavailable, sessionauth.ErrCrossOrigin, sessionauth.ErrInvalidRequest, sessionauth.ErrForbidden, sessionauth.ErrStepUp} {
		if errors.Is(err, other) {
			return false
		}
	}
	return errors.Is(err, sessionauth.ErrNoCredential) || errors.Is(err, sessionauth.ErrInvalidSession)
}

// ReturnTo returns the return_to parameter in the query of a request for the
// sign-in page, for the hidden field return_to of its form. It returns "/" if the
// parameter is missing or is not safe to redirect to.
func ReturnTo(r *http.Request) string { return localPath(r.URL.Query().Get("return_to")) }

// localPath returns s in normalized form if every browser interprets it as a path
// on the same origin, and "/" otherwise. Browsers treat a backslash as a slash,
// ignore tabs and line breaks, and interpret what follows two slashes as a host.
// A redirect to such a value would be an open redirect (RFC 9700, section 4.11).
func localPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsFunc(s, isMisread) {
		return "/"
	}
	u, err := url.Parse(s)
	// Proxies may decode the path, so an escaped second slash is refused too.
	if err != nil || strings.Contains(u.Path, "//") || strings.ContainsFunc(u.Path, isMisread) {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

// isMisread reports whether browsers ignore r or interpret it as another character.
func isMisread(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }
