package sessionauth_test

import (
	"testing"
	"testing/synctest"
	"time"

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
