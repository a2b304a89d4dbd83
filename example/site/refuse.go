package site

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
)

// signedIn returns the signed-in user. Behind Require there is always one. If a route is outside
// the guarded group by mistake, signedIn responds with 401.
func signedIn(w http.ResponseWriter, r *http.Request) (who author, ok bool) {
	id, ok := sessionauth.FromContext(r.Context())
	if !ok {
		refuse(w, r, sessionauth.ErrNoCredential)
		return author{}, false
	}
	return authorOf(id), true
}

// refuse responds to a request that sessionauth rejects. It is the ErrorHandler of the site. A
// browser is redirected to a page where the user can solve the problem, or gets an error page.
// Other clients get problem+json.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if !wantsPage(r) {
		sessionauth.WriteError(w, r, err)
		return
	}
	isGet := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case errors.Is(err, sessionauth.ErrStepUp):
		// After the step-up, the browser opens the path of this request with GET. This works
		// because each guarded form is sent to the path of the page that it is on.
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, stepUpURL(r), http.StatusSeeOther)
	case isGet && (isSignedOut(err) || isAmbiguous(err)):
		login.RedirectTo("/login")(w, r, err)
	default:
		show(w, r, statusOf(w, r, err), "error", page{
			Unavailable: errors.Is(err, sessionauth.ErrUnavailable), Body: messageOf(err),
		})
	}
}

// stepUpURL returns the address of the step-up page. After the step-up, the browser returns to the
// path of the request.
func stepUpURL(r *http.Request) string {
	return "/step-up?" + url.Values{"return_to": {r.URL.RequestURI()}}.Encode()
}

// A message is the content of the error page.
type message struct {
	Title, Text string
	SignIn      string // path to return to after signing in; if empty, the page has no sign-in link
}

func messageOf(err error) message {
	switch {
	case isSignedOut(err):
		return message{"You are not signed in", "Your session has ended. Sign in and try again.", "/app/notes"}
	case errors.Is(err, sessionauth.ErrUnavailable):
		return message{"Temporarily unavailable", "Stytch cannot be reached to verify your session. You have not been signed out. Try again in a moment.", ""}
	case errors.Is(err, sessionauth.ErrCrossOrigin):
		return message{"Request blocked", "The request came from a page of another site.", ""}
	case errors.Is(err, sessionauth.ErrForbidden):
		return message{"Not allowed", "You do not have permission to do this.", ""}
	case errors.Is(err, sessionauth.ErrInvalidRequest):
		return message{"Invalid request", "The request cannot be processed. Sign in again, or delete the cookies of this site.", "/app/notes"}
	}
	return message{"Something went wrong", "The server log contains the details.", ""}
}

// notFound responds to a request that matches no route.
func notFound(w http.ResponseWriter, r *http.Request) {
	if !wantsPage(r) {
		writeError(w, errNoPage)
		return
	}
	show(w, r, http.StatusNotFound, "error", page{Body: message{"Page not found", "There is no page at this address.", ""}})
}

// wantsPage reports whether the client is a browser that expects a page. Scripts get
// problem+json.
func wantsPage(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (mode == "" || mode == "navigate") && strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// isAmbiguous reports whether the cookies belong to two users. Signing in replaces such cookies.
func isAmbiguous(err error) bool {
	var e *sessionauth.Error
	return errors.As(err, &e) && e.Kind == sessionauth.ErrInvalidRequest && e.Reason == sessionauth.ReasonAmbiguous
}

func isSignedOut(err error) bool {
	return errors.Is(err, sessionauth.ErrNoCredential) || errors.Is(err, sessionauth.ErrInvalidSession)
}

// statusOf returns the status that sessionauth uses for err. It sets the header fields that belong
// to it, such as Retry-After. The caller writes the body.
func statusOf(w http.ResponseWriter, r *http.Request, err error) int {
	h := head{header: w.Header()}
	sessionauth.WriteError(&h, r, err)
	return h.status
}

// A head is a ResponseWriter that discards the body.
type head struct {
	header http.Header
	status int
}

func (h *head) Header() http.Header         { return h.header }
func (h *head) WriteHeader(status int)      { h.status = status }
func (h *head) Write(b []byte) (int, error) { return len(b), nil }
