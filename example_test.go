package sessionauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// startStytch starts an in-memory Stytch in which Ada is signed in. A real service calls Stytch
// itself and leaves BaseURL and HTTPClient of the Config empty.
func startStytch() (*stytchtest.Server, stytchtest.Session) {
	srv := stytchtest.NewServer()
	ada := srv.AddUser(stytchtest.User{
		Email: "ada@example.com",
		Name:  stytch.Name{FirstName: "Ada", LastName: "Lovelace"},
	})
	return srv, srv.StartSession(ada.ID, stytchtest.SessionOptions{
		CustomClaims: map[string]any{"tenant": "engines"},
	})
}

// show sends a GET request with one header field and prints the response.
func show(h http.Handler, field, value string) {
	r := httptest.NewRequest(http.MethodGet, "https://app.example.com/me", nil)
	if field != "" {
		r.Header.Set(field, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
}

// Require protects a handler or a whole mux. The handler reads the user from the context of the
// request.
func Example() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID:  srv.ProjectID, // os.Getenv("STYTCH_PROJECT_ID")
		Secret:     srv.Secret,    // os.Getenv("STYTCH_SECRET")
		BaseURL:    srv.URL,
		HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		if user, ok := sessionauth.UserFromContext(r.Context()); ok {
			fmt.Fprintf(w, "Hello %s!", user.Name.FirstName)
		}
	})
	handler := auth.Require(mux)

	show(handler, "Authorization", "Bearer "+session.JWT)
	show(handler, "Cookie", "stytch_session="+session.Token)
	show(handler, "", "")
	// Output:
	// 200 Hello Ada!
	// 200 Hello Ada!
	// 401 {"type":"https://github.com/sessionauth/sessionauth#no-credential","title":"Authentication required","status":401}
}

// A reverse proxy adds the header fields of its backend to those that Require has set. Deleting
// Cache-Control first leaves one value: the value of the backend if it sets one, and private
// otherwise.
func ExampleAuthenticator_Require_reverseProxy() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/prices" {
			w.Header().Set("Cache-Control", "max-age=60")
		}
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		log.Fatal(err)
	}

	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Cookie") // the backend does not need the session
			r.Out.Header.Del("Authorization")
		},
		ModifyResponse: func(resp *http.Response) error {
			if resp.Header.Get("Cache-Control") == "" {
				resp.Header.Set("Cache-Control", "private")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			log.Print("backend: ", err)
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	handler := auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("Cache-Control") // Require has set it to private
		proxy.ServeHTTP(w, r)
	}))

	for _, path := range []string{"/orders", "/prices"} {
		r := httptest.NewRequest(http.MethodGet, "https://app.example.com"+path, nil)
		r.Header.Set("Authorization", "Bearer "+session.JWT)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(path, w.Code, w.Header().Values("Cache-Control"))
	}
	// Output:
	// /orders 200 [private]
	// /prices 200 [max-age=60]
}

// A public page greets users who are signed in. A stale cookie does not cause an error: the page is
// shown without a user.
func ExampleAuthenticator_Optional() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	front := auth.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := sessionauth.UserFromContext(r.Context())
		if !ok {
			fmt.Fprint(w, "Welcome, stranger.")
			return
		}
		fmt.Fprintf(w, "Welcome back, %s.", user.Name.FirstName)
	}))

	show(front, "", "")
	show(front, "Cookie", "stytch_session="+session.Token)
	show(front, "Cookie", "stytch_session=of-a-session-that-has-ended")
	// Output:
	// 200 Welcome, stranger.
	// 200 Welcome back, Ada.
	// 200 Welcome, stranger.
}

// Verify authenticates a credential that did not arrive in an http.Request, for example one in gRPC
// metadata. Distinguish a rejected credential from an outage: only a rejection means that the user
// is signed out.
func ExampleAuthenticator_Verify() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	intercept := func(ctx context.Context, metadata map[string]string) string {
		id, err := auth.Verify(ctx, sessionauth.Credential{JWT: metadata["session"]})
		switch {
		case errors.Is(err, sessionauth.ErrUnavailable):
			return "Unavailable"
		case err != nil:
			return "Unauthenticated"
		}
		return "OK, " + id.User.Name.FirstName
	}

	ctx := context.Background()
	fmt.Println(intercept(ctx, map[string]string{"session": session.JWT}))
	fmt.Println(intercept(ctx, map[string]string{"session": "forged"}))
	fmt.Println(intercept(ctx, nil))
	// Output:
	// OK, Ada
	// Unauthenticated
	// Unauthenticated
}

// FromHeader reads the credential from a header field of its own, and no cookie. A browser does not
// send such a field by itself, so these requests need no cross-origin check.
func ExampleFromHeader() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
		Extractor: sessionauth.FromHeader("X-Session"),
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := sessionauth.FromContext(r.Context())
		fmt.Fprintf(w, "%s, by %s", id.User.Name.FirstName, id.DecidedBy)
	}))

	show(handler, "X-Session", session.JWT)
	show(handler, "X-Session", session.JWT)
	show(handler, "X-Session", session.Token)
	// Output:
	// 200 Ada, by local
	// 200 Ada, by cache
	// 200 Ada, by stytch
}

// A web page redirects users who are not signed in to the sign-in page. WriteError writes all other
// responses.
func ExampleConfig_errorHandler() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, sessionauth.ErrNoCredential) || errors.Is(err, sessionauth.ErrInvalidSession) {
				http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
				return
			}
			sessionauth.WriteError(w, r, err)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	page := auth.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the page") }))

	show(page, "", "")
	show(page, "Authorization", "Bearer "+session.JWT)
	srv.SetFault("/v1/sessions/authenticate", stytchtest.Fault{Status: 500})
	show(page, "Authorization", "Bearer "+session.Token)
	// Output:
	// 303 <a href="/sign-in">See Other</a>.
	// 200 the page
	// 503 {"type":"https://github.com/sessionauth/sessionauth#unavailable","title":"Cannot decide at this time","status":503}
}

// Observe updates metrics: what decided the request, its outcome, and the reason. All three have a
// fixed set of values, so they are suitable as labels.
func ExampleConfig_observe() {
	srv, session := startStytch()
	counts := map[string]int{}
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
		Observe: func(_ context.Context, e sessionauth.Event) {
			counts[fmt.Sprintf("%s by %q because %q", e.Outcome, e.Decider, e.Reason)]++
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for range 3 {
		_, _ = auth.Verify(ctx, sessionauth.Credential{Token: session.Token})
	}
	_, _ = auth.Verify(ctx, sessionauth.Credential{Token: "not of a session"})
	for what, n := range counts {
		fmt.Println(n, what)
	}
	// Unordered output:
	// 1 passed by "stytch" because ""
	// 2 passed by "cache" because ""
	// 1 refused by "" because "malformed"
}

// ClaimsFromContext decodes the custom claims of the session into a type of the application.
func ExampleClaimsFromContext() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	type claims struct {
		Tenant string `json:"tenant"`
	}
	handler := auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := sessionauth.ClaimsFromContext[claims](r.Context())
		if err != nil {
			sessionauth.Reject(w, r, err)
			return
		}
		fmt.Fprint(w, "tenant ", c.Tenant)
	}))

	show(handler, "Authorization", "Bearer "+session.JWT)
	// Output:
	// 200 tenant engines
}

// A test of a handler needs no Stytch: NewContext puts a user into the context. This does not
// bypass Require, which ignores such a context.
func ExampleNewContext() {
	greet := func(w http.ResponseWriter, r *http.Request) {
		user, _ := sessionauth.UserFromContext(r.Context())
		fmt.Fprintf(w, "Hello %s!", user.Name.FirstName)
	}

	r := httptest.NewRequest(http.MethodGet, "/me", nil)
	r = r.WithContext(sessionauth.NewContext(r.Context(), &sessionauth.Identity{
		Session: &stytch.Session{ID: "session-test-1", UserID: "user-test-1"},
		User:    &stytch.User{ID: "user-test-1", Name: stytch.Name{FirstName: "Ada"}},
	}))
	w := httptest.NewRecorder()
	greet(w, r)
	fmt.Println(w.Body)
	// Output:
	// Hello Ada!
}

// Revoke ends a session at Stytch. This process refuses it immediately, including its JWT, although
// the JWT has not expired.
func ExampleAuthenticator_Revoke() {
	srv, session := startStytch()
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	jwt := sessionauth.Credential{JWT: session.JWT}

	_, err = auth.Verify(ctx, jwt)
	fmt.Println("before:", err)
	if err := auth.Revoke(ctx, session.ID); err != nil {
		log.Fatal(err) // ErrUnavailable: this process refuses the session and retries the call
	}
	_, err = auth.Verify(ctx, jwt)
	fmt.Println("after:", err)
	// Output:
	// before: <nil>
	// after: sessionauth: credential refused: revoked
}
