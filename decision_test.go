package sessionauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestAGoodJWTCostsNoCallAboutItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, field := range []string{bearer(s.Session.JWT), jwtCookie(s.Session.JWT), bothCookies(s.Session.Token, s.Session.JWT)} {
			s.Want(s.Get(field), 200)
		}
		s.WantPassed(3, s.Session.ID)
		s.WantCalls(pathAuthenticate, 0)
		s.WantCalls(pathUser, 1)
		s.WantCalls(pathKeySet, 1)
	})
}

func TestSessionOnlyLoadsNoUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		for _, credential := range []string{s.Session.JWT, s.Session.Token} {
			id, err := s.Auth.Authenticate(newRequest("GET", bearer(credential)))
			if err != nil || id.User != nil || id.Session.ID != s.Session.ID {
				t.Errorf("got %+v, %v, want the session and no user", id, err)
			}
		}
		s.WantCalls(pathUser, 0)
	})
}

func TestAJWTThatProvesNothingLeavesItToTheTokenAlong(t *testing.T) {
	other := stytchtest.NewServer()
	other.ProjectID = "project-test-00000000-0000-4000-8000-000000000000"
	rows := []struct {
		name string
		jwt  func(*stage) string
	}{
		{"forged: another signature", func(s *stage) string { return s.Session.JWT[:len(s.Session.JWT)-8] + "AAAAAAAA" }},
		{"forged: another payload", func(s *stage) string {
			p := strings.Split(s.SignJWT(func(_, c map[string]any) { c["extra"] = 1 }), ".")
			q := strings.Split(s.Session.JWT, ".")
			return q[0] + "." + p[1] + "." + q[2]
		}},
		{"forged: no algorithm", func(s *stage) string { return s.SignJWT(func(h, _ map[string]any) { h["alg"] = "none" }) }},
		{"malformed: three segments of nothing", func(*stage) string { return "a.b.c" }},
		{"malformed: longer than 8 KiB", func(s *stage) string {
			return s.SignJWT(func(_, c map[string]any) { c["long"] = strings.Repeat("x", 8<<10) })
		}},
		{"foreign: another project's", func(*stage) string {
			return other.StartSession(other.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{}).JWT
		}},
		{"foreign: another audience", func(s *stage) string { return s.SignJWT(func(_, c map[string]any) { c["aud"] = []string{"other"} }) }},
		{"foreign: another issuer", func(s *stage) string {
			return s.SignJWT(func(_, c map[string]any) { c["iss"] = "https://other.example" })
		}},
		{"foreign: no session claim", func(s *stage) string {
			return s.SignJWT(func(_, c map[string]any) { delete(c, "https://stytch.com/session") })
		}},
		{"its session has ended", func(s *stage) string {
			return s.SignJWT(func(_, c map[string]any) {
				c["https://stytch.com/session"].(map[string]any)["expires_at"] = "1999-12-31T23:59:59Z"
			})
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				jwt := row.jwt(s)
				s.Want(s.Get(bearer(jwt)), 401)
				s.Want(s.Get(jwtCookie(jwt)), 401)
				s.Want(s.Get(bothCookies("short", jwt)), 401)
				s.WantCalls(pathAuthenticate, 0)
				s.Want(s.Get(bothCookies(inventedToken, jwt)), 401)
				s.WantCalls(pathAuthenticate, 1)
				s.WantPassed(0, "")
				s.Want(s.Get(bothCookies(s.Session.Token, jwt)), 200)
				s.WantPassed(1, s.Session.ID)
				s.WantCalls(pathAuthenticate, 2)
			})
		})
	}
}

func TestAnExpiredJWTIsRefreshedWithTheTokenIfThereIsOne(t *testing.T) {
	rows := []struct {
		name  string
		field func(*stage) string
		sent  string
	}{
		{"alone in a header", func(s *stage) string { return bearer(s.Session.JWT) }, "session_jwt"},
		{"alone in a cookie", func(s *stage) string { return jwtCookie(s.Session.JWT) }, "session_jwt"},
		{"with the token", func(s *stage) string { return bothCookies(s.Session.Token, s.Session.JWT) }, "session_token"},
		{"with what is no token", func(s *stage) string { return bothCookies("short", s.Session.JWT) }, "session_jwt"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
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
				s.Want(s.Get(row.field(s)), 200) // late, with the old JWT
				s.WantCalls(pathAuthenticate, 1)
			})
		})
	}
}

func TestSessionDurationExtendsTheSessionWithEachCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.SessionDuration = 2 * time.Hour })
		id, err := s.Auth.Authenticate(newRequest("GET", bearer(s.Session.Token)))
		if err != nil || !id.Session.ExpiresAt.Equal(time.Now().Add(2*time.Hour)) {
			t.Errorf("got %+v, %v, want a session of two hours", id, err)
		}
	})
}

func TestAJWTOfAnotherSessionThanTheAnswers(t *testing.T) {
	t.Run("asked by the token it is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			other := s.SignIn(stytchtest.SessionOptions{})
			second := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{}) // of the same user
			s.Expire()
			s.Want(s.Get(bothCookies(other.Token, s.Session.JWT)), 401)
			s.Want(s.Get(bothCookies(second.Token, s.Session.JWT)), 401)
			s.WantPassed(0, "")
			s.Want(s.Get(tokenCookie(other.Token)), 200) // nothing is wrong with either alone
			s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		})
	})
	t.Run("asked by the token it costs one call, however often it comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
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
			t.Run("170 asked by the JWT nobody can decide: other "+field+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { answersOfAnother(t, field, by.Carry) })
			})
		}
	}
}

func answersOfAnother(t *testing.T, field string, carry func(string) string) {
	var log authtest.Log
	s := newStage(t, log.Record)
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

func TestMaxTokenAgeChecksAnOlderJWTWithStytch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.MaxTokenAge = time.Minute })
		s.RevokeSession(s.Session.ID)
		time.Sleep(time.Minute - time.Millisecond)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 0)
		time.Sleep(time.Millisecond)
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
		s.WantCalls(pathAuthenticate, 1)
	})
}

func TestAJWTWithScopeOrClientIDIsStytchsToJudge(t *testing.T) {
	for _, claim := range []string{"scope", "client_id"} {
		t.Run(claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				jwt := s.SignJWT(func(_, c map[string]any) { c[claim] = "x" })
				s.Want(s.Get(bearer(jwt)), 200)
				s.WantCalls(pathAuthenticate, 1)
				time.Sleep(31 * time.Second)
				s.RevokeSession(s.Session.ID)
				s.Want(s.Get(bearer(jwt)), 401)
				s.Want(s.Get(bearer(jwt)), 401)
				s.WantCalls(pathAuthenticate, 2)
				// A rejection of a token of another kind says nothing of the session.
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				s.WantCalls(pathAuthenticate, 2)
			})
		})
	}
}

func TestARejectedJWTDeniesItsSession(t *testing.T) {
	rows := []struct {
		name  string
		field func(*stage) string
		calls int
	}{
		{"asked by the JWT", func(s *stage) string { return jwtCookie(s.Session.JWT) }, 1},
		{"asked by the token, which may be of another, and then by the JWT", func(s *stage) string { return bothCookies(s.Session.Token, s.Session.JWT) }, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.Expire()
				s.RevokeSession(s.Session.ID)
				s.Want(s.Get(row.field(s)), 401)
				s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401) // fresh, and of the same session
				s.WantCalls(pathAuthenticate, row.calls)
			})
		})
	}
}

func TestAJWTOfAnUnknownKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		s.Want(s.Get(bearer(s.UnknownKeyJWT("jwk-1", 0))), 401) // fetched for it, and no such key
		s.WantCalls(pathKeySet, 1)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(10 * time.Second)
		s.WantRetry(s.Get(bearer(s.UnknownKeyJWT("jwk-2", 0))), "20")
		s.Want(s.Get(bothCookies(s.Session.Token, s.UnknownKeyJWT("jwk-2", 0))), 200)
		s.Want(s.Get(bothCookies(inventedToken, s.UnknownKeyJWT("jwk-2", 0))), 401)
		s.Want(s.Get(bearer(s.UnknownKeyJWT("jwk-3", 16*time.Second))), 401) // minted before the fetch
		s.WantRetry(s.Get(bearer(s.UnknownKeyJWT("jwk-3", 15*time.Second))), "20")
		s.WantCalls(pathKeySet, 1)

		s.RotateKeys()
		rotated := s.JWT(s.Session.ID)
		s.WantRetry(s.Get(bearer(rotated)), "20")
		time.Sleep(20 * time.Second)
		s.Want(s.Get(bearer(rotated)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WantCalls(pathKeySet, 2)
		s.WantCalls(pathAuthenticate, 2) // for the tokens that came along
	})
}

func TestNoKeySetToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
		s.Want(s.Get(bearer(s.Session.JWT)), 503)
		s.WantRetry(s.Get(jwtCookie(s.Session.JWT)), "1")
		s.Expire()
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 503) // no call with an unverified JWT
		s.WantCalls(pathAuthenticate, 0)
		s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 200)
		s.Want(s.Get(bothCookies(inventedToken, s.Session.JWT)), 401)
		s.WantCalls(pathAuthenticate, 2)
		s.WantPassed(1, s.Session.ID)
	})
}

func TestAKeySetServesForADayWhileItCannotBeRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		long := s.SignIn(stytchtest.SessionOptions{Duration: 48 * time.Hour})
		s.Want(s.Get(bearer(long.JWT)), 200)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 503})
		for range 24*60 - 1 {
			time.Sleep(time.Minute)
			s.Want(s.Get(bearer(s.JWT(long.ID))), 200)
		}
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(s.JWT(long.ID))), 503)
		s.WantCalls(pathAuthenticate, 0)
		s.SetFault(pathKeySet, stytchtest.Fault{})
		time.Sleep(time.Second)
		s.Want(s.Get(bearer(s.JWT(long.ID))), 200)
	})
}

func TestAnOpaqueTokenIsAskedOfStytchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
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

func TestAPlantedTokenSignsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, writeBack)
		s.Expire()
		planted := bothCookies(inventedToken, s.Session.JWT) // by a sibling domain
		resp := s.Get(planted)
		s.Want(resp, 200)
		if len(setCookies(resp)) != 1 {
			t.Errorf("got %v, want the new JWT", setCookies(resp))
		}
		s.Want(s.Get(planted), 200)
		s.WantCalls(pathAuthenticate, 2) // by the token, then by the JWT
	})
}

func TestOldJWTsOfOneSessionShareAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
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

// An external id is what an application makes of it: a user whose external id is
// another's user id is nevertheless not that other user.
func TestAUserByExternalIDIsNotTheUserOfTheJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
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

func TestAServiceStartsWhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.Tap("", func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errors.New("no such host") })
		for range 100 {
			s.Want(s.Get(bearer(s.Session.JWT)), 503) // not 401: it may be good
			s.Want(s.Get(bearer(s.Session.Token)), 503)
			s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 503)
			time.Sleep(2 * time.Second)
		}
		s.Want(s.Get(bearer("a.b.c")), 401) // for this no key is needed
		s.WantPassed(0, "")
		s.Tap("", nil)
		s.Want(s.Get(bearer(s.Session.JWT)), 200) // the first one
		time.Sleep(time.Minute)                   // a breaker may be open
		s.Want(s.Get(bearer(s.Session.Token)), 200)
	})
}

func TestAKeySetThatWasAskedForInVainIsAskedForAgainWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
		for range 600 {
			s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 503)
			time.Sleep(100 * time.Millisecond)
		}
		if got := s.Calls(pathKeySet); got < 50 || got > 70 {
			t.Errorf("got %d fetches in a minute of trying, want about 60", got)
		}
		s.SetFault(pathKeySet, stytchtest.Fault{})
		time.Sleep(time.Second)
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
	})
}
