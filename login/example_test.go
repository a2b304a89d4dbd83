package login_test

import (
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// startStytch starts an in-memory Stytch in which Ada has a password, and makes an Authenticator
// for it. A real service calls Stytch itself and leaves BaseURL and HTTPClient of the Config empty.
func startStytch(onError func(http.ResponseWriter, *http.Request, error)) (*stytchtest.Server, *sessionauth.Authenticator) {
	srv := stytchtest.NewServer()
	srv.AddUser(stytchtest.User{ExternalID: "ada", Email: "ada@example.com", Password: "correct horse battery staple"})
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID:    srv.ProjectID, // os.Getenv("STYTCH_PROJECT_ID")
		Secret:       srv.Secret,    // os.Getenv("STYTCH_SECRET")
		BaseURL:      srv.URL,
		HTTPClient:   srv.Client(),
		Cookies:      sessionauth.Cookies{WriteBack: true}, // required by package login
		ErrorHandler: onError,
	})
	if err != nil {
		log.Fatal(err)
	}
	return srv, auth
}

// post sends a body like a browser that has these cookies.
func post(h http.Handler, path, contentType, body string, cookies ...*http.Cookie) *http.Response {
	r := httptest.NewRequest(http.MethodPost, "https://app.example.com"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// A page with a script signs in with JSON. The response sets the cookies of the session, which a
// script cannot read.
func ExampleHandlers_Login_json() {
	_, auth := startStytch(nil)
	h, err := login.New(login.Config{Auth: auth})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", h.Login)

	resp := post(mux, "/login", "application/json", `{"email":"ada@example.com","password":"correct horse battery staple"}`)
	fmt.Println(resp.StatusCode)
	for _, c := range resp.Cookies() {
		fmt.Println(c.Name, c.HttpOnly, c.Secure, c.Path)
	}
	// Output:
	// 200
	// stytch_session true true /
	// stytch_session_jwt true true /
}

// A page without a script signs in with a form. The browser then returns to the page that it came
// from, if that page belongs to the site.
func ExampleHandlers_Login_form() {
	_, auth := startStytch(nil)
	h, err := login.New(login.Config{Auth: auth})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", h.Login)

	form := url.Values{"email": {"ada@example.com"}, "password": {"correct horse battery staple"}}
	for _, returnTo := range []string{"/notes?page=2", "https://evil.example/"} {
		form.Set("return_to", returnTo)
		resp := post(mux, "/login", "application/x-www-form-urlencoded", form.Encode())
		fmt.Println(resp.StatusCode, resp.Header.Get("Location"))
	}
	// Output:
	// 303 /notes?page=2
	// 303 /
}

// RedirectTo sends a browser whose user is not signed in to the sign-in page. After the sign-in,
// the browser returns. A script gets the 401.
func ExampleRedirectTo() {
	_, auth := startStytch(login.RedirectTo("/login"))
	page := template.Must(template.New("").Parse(`<input type="hidden" name="return_to" value="{{.}}">`))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		_ = page.Execute(w, login.ReturnTo(r))
	})
	mux.Handle("GET /notes", auth.Require(http.NotFoundHandler()))

	get := func(path, accept string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Result()
	}
	resp := get("/notes?page=2", "text/html")
	fmt.Println(resp.StatusCode, resp.Header.Get("Location"))
	fmt.Println(peek(get(resp.Header.Get("Location"), "text/html")))
	fmt.Println(get("/notes?page=2", "application/json").StatusCode)
	// Output:
	// 303 /login?return_to=%2Fnotes%3Fpage%3D2
	// <input type="hidden" name="return_to" value="/notes?page=2">
	// 401
}

// A route requires a fresh factor. It responds with 401 and the challenge of RFC 9470. The page
// asks for the password again, sends it to StepUp, and repeats the request.
func ExampleHandlers_StepUp() {
	srv, auth := startStytch(nil)
	h, err := login.New(login.Config{Auth: auth})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /step-up", auth.Require(http.HandlerFunc(h.StepUp)))
	mux.Handle("POST /delete-account", auth.Require(guard.Fresh(10*time.Minute)(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "deleted") },
	))))

	// Ada signed in an hour ago.
	password := stytch.AuthenticationFactor{Type: "password", DeliveryMethod: "knowledge", LastAuthenticatedAt: time.Now().Add(-time.Hour)}
	session := srv.StartSession("ada", stytchtest.SessionOptions{Factors: []stytch.AuthenticationFactor{password}})
	cookies := []*http.Cookie{{Name: "stytch_session", Value: session.Token}, {Name: "stytch_session_jwt", Value: session.JWT}}

	resp := post(mux, "/delete-account", "", "", cookies...)
	fmt.Println(resp.StatusCode, resp.Header.Get("WWW-Authenticate"))

	cookies = post(mux, "/step-up", "application/json", `{"password":"correct horse battery staple"}`, cookies...).Cookies()
	fmt.Println(post(mux, "/delete-account", "", "", cookies...).StatusCode)
	// Output:
	// 401 Bearer realm="api", error="insufficient_user_authentication", max_age="600"
	// 200
}
