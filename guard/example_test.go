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

// signIn starts an in-memory Stytch where editors may write documents. Ada is an editor and signed
// in with her password the given time ago. A real service calls Stytch itself and leaves BaseURL
// and HTTPClient of the Config empty.
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

// show sends a request as Ada. It prints the status, the challenge, and the missing names in the
// body of the response.
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

// Guards stand between Require and a route. A route can have one guard or several.
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

// Role requires one of the given roles in the session.
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

// Permission checks the roles of the session against the RBAC policy of the project. The refusal
// names the missing permission.
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

// PermissionLive asks Stytch for each request, so it does not rely on the roles in a JWT that may
// be minutes old. The handler can see which roles granted the permission.
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

// Factor requires one of the given factors in the session. The challenge (RFC 9470) lists the
// factors that would be accepted.
func ExampleFactor() {
	auth, srv, ada := signIn(0)

	r := chi.NewRouter()
	r.Use(auth.Require)
	r.With(guard.Factor("totp", "webauthn")).Get("/payouts", done)

	show(r, ada, http.MethodGet, "/payouts")

	// Ada proves the factor, and her next JWT contains it.
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

// Fresh requires that the user proved a factor within the given time. Otherwise the challenge asks
// for a new proof.
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

// A session that was revoked elsewhere still has a valid JWT for some minutes. Live refuses it,
// because it asks Stytch for each request.
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
