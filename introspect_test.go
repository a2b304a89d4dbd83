package sessionauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestRequire_ExpiredJWT(t *testing.T) {
	rows := []struct {
		name  string
		field func(*env) string
		sent  string
	}{
		{"alone in a header", func(s *env) string { return bearer(s.Session.JWT) }, "session_jwt"},
		{"alone in a cookie", func(s *env) string { return jwtCookie(s.Session.JWT) }, "session_jwt"},
		{"with the token", func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) }, "session_token"},
		{"with a malformed token", func(s *env) string { return bothCookies("short", s.Session.JWT) }, "session_jwt"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				var sent map[string]any
				s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
					body, _ := r.GetBody()
					_ = json.NewDecoder(body).Decode(&sent)
					return stytch.RoundTrip(r)
				})
				s.Expire()
				s.Want(s.Get(row.field(s)), 200)
				s.WantPassed(1, s.Session.ID)
				if len(sent) != 1 || sent[row.sent] == nil {
					t.Errorf("got a call with %d fields, want %s alone", len(sent), row.sent)
				}
				s.Want(s.Get(row.field(s)), 200) // again with the old JWT
				s.WantCalls(pathAuthenticate, 1)
			})
		})
	}
}

func TestAuthenticate_SessionDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.SessionDuration = 2 * time.Hour })
		id, err := s.Auth.Authenticate(newRequest("GET", bearer(s.Session.Token)))
		if err != nil || !id.Session.ExpiresAt.Equal(time.Now().Add(2*time.Hour)) {
			t.Errorf("got %+v, %v, want a session of two hours", id, err)
		}
	})
}

func TestRequire_AnswerAboutAnotherSession(t *testing.T) {
	t.Run("call by token: refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			other := s.SignIn(stytchtest.SessionOptions{})
			second := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{}) // of the same user
			s.Expire()
			s.Want(s.Get(bothCookies(other.Token, s.Session.JWT)), 401)
			s.Want(s.Get(bothCookies(second.Token, s.Session.JWT)), 401)
			s.WantPassed(0, "")
			s.Want(s.Get(tokenCookie(other.Token)), 200) // each is good alone
			s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		})
	})
	t.Run("call by token: one call for many requests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			other := s.SignIn(stytchtest.SessionOptions{})
			s.Expire()
			for range 5 {
				s.Want(s.Get(bothCookies(other.Token, s.Session.JWT)), 401)
			}
			s.WantCalls(pathAuthenticate, 1)
		})
	})
	for _, field := range []string{"session_id", "user_id"} {
		for _, by := range authtest.Carriers {
			t.Run("170 call by JWT: unavailable, other "+field+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { answerAboutAnother(t, field, by.Carry) })
			})
		}
	}
}

func answerAboutAnother(t *testing.T, field string, carry func(string) string) {
	var log authtest.Log
	s := newEnv(t, log.Record)
	s.Expire()
	s.Tap(pathAuthenticate, authtest.EditAnswers(func(answer map[string]any) {
		answer["session"].(map[string]any)[field] = "other-test-1"
		if field == "user_id" {
			answer["user"].(map[string]any)[field] = "other-test-1"
		}
	}))
	jwt := carry(bearer(s.Session.JWT))
	s.WantAnswer(s.Get(jwt), want503r)
	s.WantAnswer(s.Get(jwt), want503r)
	s.WantPassed(0, "")
	log.WantErrors(t, 1)
	s.Tap("", nil)
	s.Want(s.Get(jwt), 200)
	s.WantCalls(pathAuthenticate, 3)
}

func TestRequire_RejectionDeniesTheSession(t *testing.T) {
	rows := []struct {
		name  string
		field func(*env) string
		calls int
	}{
		{"call by JWT", func(s *env) string { return jwtCookie(s.Session.JWT) }, 1},
		{"call by token, which may be of another session, then by JWT", func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) }, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.Expire()
				s.RevokeSession(s.Session.ID)
				s.Want(s.Get(row.field(s)), 401)
				s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401) // a fresh JWT of the same session
				s.WantCalls(pathAuthenticate, row.calls)
			})
		})
	}
}

func TestRequire_TokenIsIntrospectedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		for _, field := range []string{bearer(s.Session.Token), tokenCookie(s.Session.Token)} {
			s.Want(s.Get(field), 200)
			s.Want(s.Get(field), 200)
		}
		s.WantCalls(pathAuthenticate, 1)
		s.WantCalls(pathUser, 0)
		for range 3 {
			s.Want(s.Get(bearer(inventedToken)), 401)
		}
		s.WantCalls(pathAuthenticate, 2)
		for _, bad := range []string{"fifteen-bytes-1", strings.Repeat("x", 257), inventedToken + "===", "bad.token.1.0000000", inventedToken + "+"} {
			s.Want(s.Get(tokenCookie(bad)), 401)
			s.Want(s.Get(bearer(bad)), 401)
		}
		s.WantCalls(pathAuthenticate, 2)
		s.WantPassed(4, s.Session.ID)
	})
}

func TestRequire_PlantedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		s.Expire()
		planted := bothCookies(inventedToken, s.Session.JWT) // planted by a sibling domain
		resp := s.Get(planted)
		s.Want(resp, 200)
		if len(setCookies(resp)) != 1 {
			t.Errorf("got %v, want the new JWT", setCookies(resp))
		}
		s.Want(s.Get(planted), 200)
		s.WantCalls(pathAuthenticate, 2) // by the token, then by the JWT
	})
}

func TestRequire_OldJWTsShareAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		var old []string
		for range 20 {
			old = append(old, s.JWT(s.Session.ID))
			time.Sleep(time.Second)
		}
		s.Expire()
		for _, jwt := range old {
			s.Want(s.Get(bearer(jwt)), 200)
		}
		s.WantCalls(pathAuthenticate, 1)
	})
}

// Applications choose external IDs. A user whose external ID equals the user ID
// of somebody else is not that user.
func TestRequire_UserByExternalID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		mallory := s.AddUser(stytchtest.User{}).ID
		s.Tap("/v1/users/", authtest.EditAnswers(func(user map[string]any) {
			user["external_id"], user["user_id"] = user["user_id"], mallory
		}))
		s.Want(s.Get(bearer(s.Session.JWT)), 503)
		s.WantCalls(pathUser, 1)
		s.WantPassed(0, "")
		s.Tap("/v1/users/", nil)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
	})
}
