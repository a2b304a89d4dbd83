package sessionauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// expire passes the time until the session's first JWT is past its exp and the
// leeway.
func (s *stage) expire() { time.Sleep(6 * time.Minute) }

func TestAGoodJWTCostsNoCallAboutItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, field := range []string{bearer(s.session.JWT), jwtCookie(s.session.JWT), bothCookies(s.session.Token, s.session.JWT)} {
			s.want(s.get(field), 200)
		}
		s.wantThrough(3, s.session.ID)
		s.wantCalls(pathAuthenticate, 0)
		s.wantCalls(pathUser, 1)
		s.wantCalls(pathKeySet, 1)
	})
}

func TestSessionOnlyLoadsNoUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		for _, credential := range []string{s.session.JWT, s.session.Token} {
			id, err := s.auth.Authenticate(newRequest("GET", bearer(credential)))
			if err != nil || id.User != nil || id.Session.ID != s.session.ID {
				t.Errorf("got %+v, %v, want the session and no user", id, err)
			}
		}
		s.wantCalls(pathUser, 0)
	})
}

func TestAJWTThatProvesNothingLeavesItToTheTokenAlong(t *testing.T) {
	other := stytchtest.NewServer()
	other.ProjectID = "project-test-00000000-0000-4000-8000-000000000000"
	rows := []struct {
		name string
		jwt  func(*stage) string
	}{
		{"forged: another signature", func(s *stage) string { return s.session.JWT[:len(s.session.JWT)-8] + "AAAAAAAA" }},
		{"forged: another payload", func(s *stage) string {
			p := strings.Split(s.sign(func(_, c map[string]any) { c["extra"] = 1 }), ".")
			q := strings.Split(s.session.JWT, ".")
			return q[0] + "." + p[1] + "." + q[2]
		}},
		{"forged: no algorithm", func(s *stage) string { return s.sign(func(h, _ map[string]any) { h["alg"] = "none" }) }},
		{"malformed: three segments of nothing", func(*stage) string { return "a.b.c" }},
		{"malformed: longer than 8 KiB", func(s *stage) string {
			return s.sign(func(_, c map[string]any) { c["long"] = strings.Repeat("x", 8<<10) })
		}},
		{"foreign: another project's", func(*stage) string {
			return other.StartSession(other.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{}).JWT
		}},
		{"foreign: another audience", func(s *stage) string { return s.sign(func(_, c map[string]any) { c["aud"] = []string{"other"} }) }},
		{"foreign: another issuer", func(s *stage) string { return s.sign(func(_, c map[string]any) { c["iss"] = "https://other.example" }) }},
		{"foreign: no session claim", func(s *stage) string {
			return s.sign(func(_, c map[string]any) { delete(c, "https://stytch.com/session") })
		}},
		{"its session has ended", func(s *stage) string {
			return s.sign(func(_, c map[string]any) {
				c["https://stytch.com/session"].(map[string]any)["expires_at"] = "1999-12-31T23:59:59Z"
			})
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				jwt := row.jwt(s)
				s.want(s.get(bearer(jwt)), 401)
				s.want(s.get(jwtCookie(jwt)), 401)
				s.want(s.get(bothCookies("short", jwt)), 401)
				s.wantCalls(pathAuthenticate, 0)
				s.want(s.get(bothCookies(inventedToken, jwt)), 401)
				s.wantCalls(pathAuthenticate, 1)
				s.wantThrough(0, "")
				s.want(s.get(bothCookies(s.session.Token, jwt)), 200)
				s.wantThrough(1, s.session.ID)
				s.wantCalls(pathAuthenticate, 2)
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
		{"alone in a header", func(s *stage) string { return bearer(s.session.JWT) }, "session_jwt"},
		{"alone in a cookie", func(s *stage) string { return jwtCookie(s.session.JWT) }, "session_jwt"},
		{"with the token", func(s *stage) string { return bothCookies(s.session.Token, s.session.JWT) }, "session_token"},
		{"with what is no token", func(s *stage) string { return bothCookies("short", s.session.JWT) }, "session_jwt"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				var sent map[string]any
				s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
					body, _ := r.GetBody()
					_ = json.NewDecoder(body).Decode(&sent)
					return stytch.RoundTrip(r)
				})
				s.expire()
				s.want(s.get(row.field(s)), 200)
				s.wantThrough(1, s.session.ID)
				if len(sent) != 1 || sent[row.sent] == nil {
					t.Errorf("got a call with %d fields, want %s alone", len(sent), row.sent)
				}
				s.want(s.get(row.field(s)), 200) // late, with the old JWT
				s.wantCalls(pathAuthenticate, 1)
			})
		})
	}
}

func TestSessionDurationExtendsTheSessionWithEachCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.SessionDuration = 2 * time.Hour })
		id, err := s.auth.Authenticate(newRequest("GET", bearer(s.session.Token)))
		if err != nil || !id.Session.ExpiresAt.Equal(time.Now().Add(2*time.Hour)) {
			t.Errorf("got %+v, %v, want a session of two hours", id, err)
		}
	})
}

func TestAJWTOfAnotherSessionThanTheAnswers(t *testing.T) {
	t.Run("asked by the token it is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			other := s.signIn(stytchtest.SessionOptions{})
			second := s.StartSession(s.session.UserID, stytchtest.SessionOptions{}) // of the same user
			s.expire()
			s.want(s.get(bothCookies(other.Token, s.session.JWT)), 401)
			s.want(s.get(bothCookies(second.Token, s.session.JWT)), 401)
			s.wantThrough(0, "")
			s.want(s.get(tokenCookie(other.Token)), 200) // nothing is wrong with either alone
			s.want(s.get(jwtCookie(s.session.JWT)), 200)
		})
	})
	t.Run("asked by the token it costs one call, however often it comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			other := s.signIn(stytchtest.SessionOptions{})
			s.expire()
			for range 5 {
				s.want(s.get(bothCookies(other.Token, s.session.JWT)), 401)
			}
			s.wantCalls(pathAuthenticate, 1)
		})
	})
	for _, field := range []string{"session_id", "user_id"} {
		for _, by := range carriers {
			t.Run("170 asked by the JWT nobody can decide: other "+field+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { answersOfAnother(t, field, by.carry) })
			})
		}
	}
}

func answersOfAnother(t *testing.T, field string, carry func(string) string) {
	var log logbook
	s := newStage(t, log.logTo)
	s.expire()
	s.tap(pathAuthenticate, bentAnswers(func(answer map[string]any) {
		answer["session"].(map[string]any)[field] = "other-test-1"
		if field == "user_id" {
			answer["user"].(map[string]any)[field] = "other-test-1"
		}
	}))
	jwt := carry(bearer(s.session.JWT))
	s.wantVerdict(s.get(jwt), want503r)
	s.wantVerdict(s.get(jwt), want503r)
	s.wantThrough(0, "")
	log.wantErrors(t, 1)
	s.tap("", nil)
	s.want(s.get(jwt), 200)
	s.wantCalls(pathAuthenticate, 3)
}

func TestMaxTokenAgeChecksAnOlderJWTWithStytch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.MaxTokenAge = time.Minute })
		s.RevokeSession(s.session.ID)
		time.Sleep(time.Minute - time.Millisecond)
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.wantCalls(pathAuthenticate, 0)
		time.Sleep(time.Millisecond)
		s.want(s.get(bearer(s.session.JWT)), 401)
		s.wantCalls(pathAuthenticate, 1)
	})
}

func TestAJWTWithScopeOrClientIDIsStytchsToJudge(t *testing.T) {
	for _, claim := range []string{"scope", "client_id"} {
		t.Run(claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				jwt := s.sign(func(_, c map[string]any) { c[claim] = "x" })
				s.want(s.get(bearer(jwt)), 200)
				s.wantCalls(pathAuthenticate, 1)
				time.Sleep(31 * time.Second)
				s.RevokeSession(s.session.ID)
				s.want(s.get(bearer(jwt)), 401)
				s.want(s.get(bearer(jwt)), 401)
				s.wantCalls(pathAuthenticate, 2)
				// A rejection of a token of another kind says nothing of the session.
				s.want(s.get(bearer(s.session.JWT)), 200)
				s.wantCalls(pathAuthenticate, 2)
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
		{"asked by the JWT", func(s *stage) string { return jwtCookie(s.session.JWT) }, 1},
		{"asked by the token, which may be of another, and then by the JWT", func(s *stage) string { return bothCookies(s.session.Token, s.session.JWT) }, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.expire()
				s.RevokeSession(s.session.ID)
				s.want(s.get(row.field(s)), 401)
				s.want(s.get(bearer(s.JWT(s.session.ID))), 401) // fresh, and of the same session
				s.wantCalls(pathAuthenticate, row.calls)
			})
		})
	}
}

// unknownKey signs a JWT whose kid nobody has; minted says how long ago.
func (s *stage) unknownKey(kid string, minted time.Duration) string {
	return s.sign(func(h, c map[string]any) {
		h["kid"] = kid
		c["iat"], c["nbf"] = time.Now().Add(-minted).Unix(), time.Now().Add(-minted).Unix()
		c["exp"] = time.Now().Add(5*time.Minute - minted).Unix()
	})
}

func TestAJWTOfAnUnknownKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		s.want(s.get(bearer(s.unknownKey("jwk-1", 0))), 401) // fetched for it, and no such key
		s.wantCalls(pathKeySet, 1)
		s.want(s.get(bearer(s.session.JWT)), 200)
		time.Sleep(10 * time.Second)
		s.wantRetry(s.get(bearer(s.unknownKey("jwk-2", 0))), "20")
		s.want(s.get(bothCookies(s.session.Token, s.unknownKey("jwk-2", 0))), 200)
		s.want(s.get(bothCookies(inventedToken, s.unknownKey("jwk-2", 0))), 401)
		s.want(s.get(bearer(s.unknownKey("jwk-3", 16*time.Second))), 401) // minted before the fetch
		s.wantRetry(s.get(bearer(s.unknownKey("jwk-3", 15*time.Second))), "20")
		s.wantCalls(pathKeySet, 1)

		s.RotateKeys()
		rotated := s.JWT(s.session.ID)
		s.wantRetry(s.get(bearer(rotated)), "20")
		time.Sleep(20 * time.Second)
		s.want(s.get(bearer(rotated)), 200)
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.wantCalls(pathKeySet, 2)
		s.wantCalls(pathAuthenticate, 2) // for the tokens that came along
	})
}

func TestNoKeySetToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
		s.want(s.get(bearer(s.session.JWT)), 503)
		s.wantRetry(s.get(jwtCookie(s.session.JWT)), "1")
		s.expire()
		s.want(s.get(jwtCookie(s.session.JWT)), 503) // no call with an unverified JWT
		s.wantCalls(pathAuthenticate, 0)
		s.want(s.get(bothCookies(s.session.Token, s.session.JWT)), 200)
		s.want(s.get(bothCookies(inventedToken, s.session.JWT)), 401)
		s.wantCalls(pathAuthenticate, 2)
		s.wantThrough(1, s.session.ID)
	})
}

func TestAKeySetServesForADayWhileItCannotBeRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sessionOnly)
		long := s.signIn(stytchtest.SessionOptions{Duration: 48 * time.Hour})
		s.want(s.get(bearer(long.JWT)), 200)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 503})
		for range 24*60 - 1 {
			time.Sleep(time.Minute)
			s.want(s.get(bearer(s.JWT(long.ID))), 200)
		}
		time.Sleep(time.Minute)
		s.want(s.get(bearer(s.JWT(long.ID))), 503)
		s.wantCalls(pathAuthenticate, 0)
		s.SetFault(pathKeySet, stytchtest.Fault{})
		time.Sleep(time.Second)
		s.want(s.get(bearer(s.JWT(long.ID))), 200)
	})
}

func TestAnOpaqueTokenIsAskedOfStytchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, field := range []string{bearer(s.session.Token), tokenCookie(s.session.Token)} {
			s.want(s.get(field), 200)
			s.want(s.get(field), 200)
		}
		s.wantCalls(pathAuthenticate, 1)
		s.wantCalls(pathUser, 0)
		for range 3 {
			s.want(s.get(bearer(inventedToken)), 401)
		}
		s.wantCalls(pathAuthenticate, 2)
		for _, bad := range []string{"fifteen-bytes-1", strings.Repeat("x", 257), inventedToken + "===", "bad.token.1.0000000", inventedToken + "+"} {
			s.want(s.get(tokenCookie(bad)), 401)
			s.want(s.get(bearer(bad)), 401)
		}
		s.wantCalls(pathAuthenticate, 2)
		s.wantThrough(4, s.session.ID)
	})
}

func TestAPlantedTokenSignsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, writeBack)
		s.expire()
		planted := bothCookies(inventedToken, s.session.JWT) // by a sibling domain
		resp := s.get(planted)
		s.want(resp, 200)
		if len(setCookies(resp)) != 1 {
			t.Errorf("got %v, want the new JWT", setCookies(resp))
		}
		s.want(s.get(planted), 200)
		s.wantCalls(pathAuthenticate, 2) // by the token, then by the JWT
	})
}

func TestOldJWTsOfOneSessionShareAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var old []string
		for range 20 {
			old = append(old, s.JWT(s.session.ID))
			time.Sleep(time.Second)
		}
		s.expire()
		for _, jwt := range old {
			s.want(s.get(bearer(jwt)), 200)
		}
		s.wantCalls(pathAuthenticate, 1)
	})
}

// An external id is what an application makes of it: a user whose external id is
// another's user id is nevertheless not that other user.
func TestAUserByExternalIDIsNotTheUserOfTheJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		mallory := s.AddUser(stytchtest.User{}).ID
		s.tap("/v1/users/", bentAnswers(func(user map[string]any) {
			user["external_id"], user["user_id"] = user["user_id"], mallory
		}))
		s.want(s.get(bearer(s.session.JWT)), 503)
		s.wantCalls(pathUser, 1)
		s.wantThrough(0, "")
		s.tap("/v1/users/", nil)
		s.want(s.get(bearer(s.session.JWT)), 200)
	})
}
