package sessionauth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

// What the tests of this package use most, under short names.
const (
	pathAuthenticate = authtest.PathAuthenticate
	pathKeySet       = authtest.PathKeySet
	pathPolicy       = authtest.PathPolicy
	pathRevoke       = authtest.PathRevoke
	pathUser         = authtest.PathUser

	inventedToken = authtest.InventedToken
)

type stage = authtest.Env

var (
	newStage    = authtest.New
	newRequest  = authtest.NewRequest
	bearer      = authtest.Bearer
	jwtCookie   = authtest.JWTCookie
	tokenCookie = authtest.TokenCookie
	bothCookies = authtest.BothCookies
	sessionOnly = authtest.SessionOnly
	writeBack   = authtest.WriteBack

	want401n = authtest.NoCredential
	want401i = authtest.InvalidToken
	want400r = authtest.InvalidRequest
	want503r = authtest.Unavailable
)

func TestOneSessionFromSignInToRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		both := bothCookies(s.Session.Token, s.Session.JWT)
		s.Want(s.Get(), 401)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.Want(s.Get(both), 200)
		s.WantCalls(pathAuthenticate, 0)
		s.WantCalls(pathKeySet, 1)
		s.WantCalls(pathUser, 1)

		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.WantCalls(pathAuthenticate, 1)

		time.Sleep(6 * time.Minute) // past the JWT's exp
		s.Want(s.Get(both), 200)
		s.Want(s.Get(both), 200)
		s.WantCalls(pathAuthenticate, 2)

		s.RevokeSession(s.Session.ID)
		time.Sleep(31 * time.Second) // the answer about the old JWT has ended, the token's has not
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 401)
		s.Want(s.Get(bearer(s.Session.Token)), 401) // what Stytch said of the JWT holds for its session
	})
}

func TestOneLineProtectsAChiRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		r := chi.NewRouter()
		r.Use(s.Auth.Require)
		r.Get("/notes/{id}", func(w http.ResponseWriter, r *http.Request) {
			user, ok := sessionauth.UserFromContext(r.Context())
			fmt.Fprint(w, ok, user.ID, chi.URLParam(r, "id"))
		})
		r.Mount("/public", s.Auth.Optional(s.Next())) // inside Require it opens nothing
		s.Handler = r
		for path, status := range map[string]int{"/notes/7": 200, "/nowhere": 404, "/public": 200} {
			r := httptest.NewRequest("GET", path, nil)
			s.Want(s.Do(r), 401)
			r.Header.Set("Authorization", "Bearer "+s.Session.JWT)
			resp := s.Do(r)
			s.Want(resp, status)
			if body, _ := io.ReadAll(resp.Body); path == "/notes/7" && string(body) != "true"+s.Session.UserID+"7" {
				t.Errorf("got %q", body)
			}
		}
	})
}
