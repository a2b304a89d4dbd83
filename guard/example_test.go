package guard_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// signIn starts an in-memory Stytch where editors may write documents, and in
// which Ada, an editor, signed in with her password so long ago. A service has
// Stytch itself, and leaves BaseURL and HTTPClient of the Config empty.
func signIn(ago time.Duration) (*sessionauth.Authenticator, *stytchtest.Server, stytchtest.Session) {
	srv := stytchtest.NewServer()
	srv.SetPolicy(stytch.Policy{Roles: []stytch.Role{
		{ID: "editor", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"read", "write"}}}},
		{ID: "admin", Permissions: []stytch.Permission{{ResourceID: "documents", Actions: []string{"*"}}}},
	}})
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	ada := srv.AddUser(stytchtest.User{Roles: []string{"editor"}})
	return auth, srv, srv.StartSession(ada.ID, stytchtest.SessionOptions{
		Factors: []stytch.AuthenticationFactor{{Type: "password", LastAuthenticatedAt: time.Now().Add(-ago)}},
	})
}

// show sends a request as Ada and prints status, challenge and the names in the
// answer's body.
func show(h http.Handler, session stytchtest.Session, method, path string) {
	r := httptest.NewRequest(method, "https://app.example.com"+path, nil)
	r.Header.Set("Authorization", "Bearer "+session.JWT)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(method, path, w.Code)
	if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
		fmt.Println(" ", challenge)
	}
	if body := strings.TrimSpace(w.Body.String()); body != "" {
		fmt.Println(" ", body)
	}
}

func done(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") }

// Guards stand between Require and a route, each for itself or several
// together.
func Example() {
	auth, _, ada := signIn(time.Hour)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.With(guard.Permission("documents", "read")).Get("/documents/{id}", done)
	r.With(guard.Permission("documents", "write"), guard.Fresh(10*time.Minute)).Put("/documents/{id}", done)
	r.With(guard.Permission("documents", "delete"), guard.Fresh(10*time.Minute)).Delete("/documents/{id}", done)

	show(r, ada, http.MethodGet, "/documents/7")
	show(r, ada, http.MethodPut, "/documents/7")
	show(r, ada, http.MethodDelete, "/documents/7")
	// Output:
	// GET /documents/7 200
	//   done
	// PUT /documents/7 401
	//   Bearer realm="api", error="insufficient_user_authentication", max_age="600"
	//   {"type":"https://github.com/sessionauth/sessionauth#step-up","title":"Fresh authentication required","status":401}
	// DELETE /documents/7 403
	//   Bearer realm="api", error="insufficient_scope"
	//   {"type":"https://github.com/sessionauth/sessionauth#forbidden","title":"Not allowed","status":403,"resource":"documents","action":"delete"}
}

// A role is one of those that the session carries.
func ExampleRole() {
	auth, _, ada := signIn(0)

	mux := http.NewServeMux()
	mux.Handle("GET /drafts", guard.Role("editor", "admin")(http.HandlerFunc(done)))
	mux.Handle("GET /settings", guard.Role("admin")(http.HandlerFunc(done)))
	handler := auth.Require(mux)

	show(handler, ada, http.MethodGet, "/drafts")
	show(handler, ada, http.MethodGet, "/settings")
	// Output:
	// GET /drafts 200
	//   done
	// GET /settings 403
	//   Bearer realm="api", error="insufficient_scope"
	//   {"type":"https://github.com/sessionauth/sessionauth#forbidden","title":"Not allowed","status":403}
}

// A permission goes by the project's RBAC policy. The refusal names what is
// missing.
func ExamplePermission() {
	auth, _, ada := signIn(0)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.With(guard.Permission("documents", "write")).Put("/documents/{id}", done)
	r.With(guard.Permission("documents", "delete")).Delete("/documents/{id}", done)

	show(r, ada, http.MethodPut, "/documents/7")
	show(r, ada, http.MethodDelete, "/documents/7")
	// Output:
	// PUT /documents/7 200
	//   done
	// DELETE /documents/7 403
	//   Bearer realm="api", error="insufficient_scope"
	//   {"type":"https://github.com/sessionauth/sessionauth#forbidden","title":"Not allowed","status":403,"resource":"documents","action":"delete"}
}

// What must not go by a JWT of some minutes ago is asked of Stytch, and the
// handler can see which roles made it a yes.
func ExamplePermissionLive() {
	auth, _, ada := signIn(0)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.With(guard.PermissionLive("documents", "write")).Put("/documents/{id}", func(w http.ResponseWriter, r *http.Request) {
		if verdict, ok := sessionauth.VerdictFromContext(r.Context()); ok {
			fmt.Fprint(w, "granted by ", verdict.GrantingRoles)
		}
	})

	show(r, ada, http.MethodPut, "/documents/7")
	// Output:
	// PUT /documents/7 200
	//   granted by [editor]
}

// A factor is one of those that the session has proved. The challenge of RFC
// 9470 says which would do.
func ExampleFactor() {
	auth, srv, ada := signIn(0)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.With(guard.Factor("totp", "webauthn")).Get("/payouts", done)

	show(r, ada, http.MethodGet, "/payouts")

	// Ada proves it: her next JWT says so.
	srv.AddFactor(ada.ID, stytch.AuthenticationFactor{Type: "totp", DeliveryMethod: "authenticator_app"})
	ada.JWT = srv.JWT(ada.ID)
	show(r, ada, http.MethodGet, "/payouts")
	// Output:
	// GET /payouts 401
	//   Bearer realm="api", error="insufficient_user_authentication", acr_values="totp webauthn"
	//   {"type":"https://github.com/sessionauth/sessionauth#step-up","title":"Fresh authentication required","status":401}
	// GET /payouts 200
	//   done
}

// Who proved something within the last minutes passes; who did not is asked to
// do so again.
func ExampleFresh() {
	auth, _, ada := signIn(30 * time.Minute)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.With(guard.Fresh(time.Hour)).Get("/account", done)
	r.With(guard.Fresh(10*time.Minute)).Delete("/account", done)

	show(r, ada, http.MethodGet, "/account")
	show(r, ada, http.MethodDelete, "/account")
	// Output:
	// GET /account 200
	//   done
	// DELETE /account 401
	//   Bearer realm="api", error="insufficient_user_authentication", max_age="600"
	//   {"type":"https://github.com/sessionauth/sessionauth#step-up","title":"Fresh authentication required","status":401}
}

// A session that was revoked elsewhere has a good JWT for some minutes. Live
// does not go by that.
func ExampleLive() {
	auth, srv, ada := signIn(0)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.Get("/documents/{id}", done)
	r.With(guard.Live()).Delete("/documents/{id}", done)

	srv.RevokeSession(ada.ID)
	show(r, ada, http.MethodGet, "/documents/7")
	show(r, ada, http.MethodDelete, "/documents/7")
	// Output:
	// GET /documents/7 200
	//   done
	// DELETE /documents/7 401
	//   Bearer realm="api", error="invalid_token"
	//   {"type":"https://github.com/sessionauth/sessionauth#invalid-session","title":"Invalid session","status":401}
}
