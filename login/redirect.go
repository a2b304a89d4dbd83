package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionauth/sessionauth"
)

// RedirectTo returns a sessionauth.Config.ErrorHandler that redirects browsers
// to the sign-in page at path. The status is 303, and the query contains the
// requested path as return_to. RedirectTo redirects navigations (see below) of
// browsers that have no session, whose session has ended, or whose cookies
// belong to two users, because signing in replaces the cookies. For all other
// requests and errors it calls [sessionauth.WriteError]: a 403, a step-up
// challenge or a 503 never becomes a redirect.
//
// A request is a navigation if its method is GET or HEAD, Sec-Fetch-Mode is
// navigate and Sec-Fetch-Dest is document. If a client does not send these
// fields, a request is a navigation if Accept contains text/html and prefers it
// to JSON. Requests of scripts (X-Requested-With, HX-Request, Turbo-Frame) and
// prefetches (Sec-Purpose, Purpose, X-Moz) are not navigations.
//
// A request for the sign-in page itself is never redirected, because the
// browser would repeat it endlessly. Do not put Require or Optional in front of
// the sign-in page, because browsers with any cookies must be able to open it.
//
// return_to is the path as the browser sent it, even behind http.StripPrefix.
// If Request.RequestURI is empty, as with FastCGI, return_to is the path of
// Request.URL. In that case put Require in front of StripPrefix.
//
// RedirectTo panics if path is not an absolute path such as "/login", without
// query and fragment.
func RedirectTo(path string) func(http.ResponseWriter, *http.Request, error) {
	if localPath(path) != path || strings.ContainsAny(path, "?#") || strings.Contains(path, "//") {
		panic("login: RedirectTo: path must be an absolute path without query or fragment")
	}
	return func(w http.ResponseWriter, r *http.Request, err error) {
		if !isNavigation(r) || !needsSignIn(r, err) {
			sessionauth.WriteError(w, r, err)
			return
		}
		requested := requestedPath(r)
		if before, _, _ := strings.Cut(requested, "?"); before == path {
			sessionauth.WriteError(w, r, err)
			return
		}
		query := url.Values{"return_to": {requested}}
		if len(query.Encode()) > maxBody/2 { // the form must have room for return_to
			query.Set("return_to", "/")
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, path+"?"+query.Encode(), http.StatusSeeOther)
	}
}

// needsSignIn reports whether signing in would resolve err: the request has no
// valid session, or has cookies of several sessions. An error may match several
// sentinels, so needsSignIn first excludes the others.
func needsSignIn(r *http.Request, err error) bool {
	for _, other := range []error{sessionauth.ErrUnavailable, sessionauth.ErrCrossOrigin, sessionauth.ErrForbidden, sessionauth.ErrStepUp} {
		if errors.Is(err, other) {
			return false
		}
	}
	if errors.Is(err, sessionauth.ErrInvalidRequest) {
		// Signing in replaces cookies only, so it does not help if a header is
		// repeated.
		var e *sessionauth.Error
		return errors.As(err, &e) && e.Reason == sessionauth.ReasonAmbiguous && len(r.Header["Authorization"]) < 2
	}
	return errors.Is(err, sessionauth.ErrNoCredential) || errors.Is(err, sessionauth.ErrInvalidSession)
}

// requestedPath returns the path and query that the client requested, or "/" if they
// are not safe to redirect to.
func requestedPath(r *http.Request) string {
	target := r.RequestURI // unchanged by http.StripPrefix
	if u, err := url.ParseRequestURI(target); err == nil && u.Scheme != "" {
		target = u.RequestURI() // absolute form (RFC 9112, section 3.2.2)
	}
	if target == "" {
		target = r.URL.RequestURI()
		if r.URL.Path != "" && r.URL.Path[0] != '/' { // behind StripPrefix("/app/")
			target = "/" + target
		}
	}
	return localPath(target)
}

// ReturnTo returns the return_to parameter in the query of a request for the
// sign-in page, for the hidden field return_to of its form. It returns "/" if the
// parameter is missing or is not safe to redirect to.
func ReturnTo(r *http.Request) string { return localPath(r.URL.Query().Get("return_to")) }

// seeOther redirects to a result of localPath. http.Redirect would replace //
// by / in it.
func seeOther(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// localPath returns s in normalized form if every browser interprets it as a
// path on the same origin, and "/" otherwise. Browsers treat a backslash as a
// slash and ignore tabs and line breaks. They interpret the text after two
// slashes at the start as a host, so redirecting to such a value would be an
// open redirect (RFC 9700, section 4.11).
func localPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsFunc(s, isControl) {
		return "/"
	}
	if end := strings.IndexAny(s, `\?#`); end >= 0 && s[end] == '\\' {
		return "/"
	}
	u, err := url.Parse(s)
	// Proxies may decode the path, so the decoded path must be safe, too.
	if err != nil || strings.ContainsFunc(u.Path, isControl) || namesHost(u.Path) {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: escapeQuery(u.RawQuery)}).String()
}

// namesHost reports whether a browser interprets a decoded path as a host,
// before or after it resolves the dot segments (RFC 3986, section 5.2.4).
func namesHost(decoded string) bool {
	decoded = strings.ReplaceAll(decoded, `\`, "/")
	var resolved []string
	for segment := range strings.SplitSeq(decoded[1:], "/") {
		switch {
		case segment == ".":
		case segment != "..":
			resolved = append(resolved, segment)
		case len(resolved) > 0:
			resolved = resolved[:len(resolved)-1]
		}
	}
	return strings.HasPrefix(decoded, "//") || len(resolved) > 1 && resolved[0] == ""
}

// escapeQuery escapes the bytes that browsers or other clients send in a query
// although a URL must not contain them (RFC 3986, section 3.4).
func escapeQuery(query string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\"<>`, c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
