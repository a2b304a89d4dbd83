package sessionauth_test

import (
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

func TestRequire_GoodJWTCausesNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		for _, field := range []string{bearer(s.Session.JWT), jwtCookie(s.Session.JWT)} {
			s.Want(s.Get(field), 200)
		}
		s.WantPassed(2, s.Session.ID)
		s.WantCalls(pathAuthenticate, 0)
		s.WantCalls(pathUser, 1)
		s.WantCalls(pathKeySet, 1)
	})
}

func TestAuthenticate_SessionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		for _, credential := range []string{s.Session.JWT, s.Session.Token} {
			id, err := s.Auth.Authenticate(newRequest("GET", bearer(credential)))
			if err != nil || id.User != nil || id.Session.ID != s.Session.ID {
				t.Errorf("got %+v, %v, want the session and no user", id, err)
			}
		}
		s.WantCalls(pathUser, 0)
	})
}

func TestRequire_BadJWTFallsBackToToken(t *testing.T) {
	other := stytchtest.NewServer()
	other.ProjectID = "project-test-00000000-0000-4000-8000-000000000000"
	rows := []struct {
		name string
		jwt  func(*env) string
	}{
		{"forged: another signature", func(s *env) string { return s.Session.JWT[:len(s.Session.JWT)-8] + "AAAAAAAA" }},
		{"forged: another payload", func(s *env) string {
			p := strings.Split(s.SignJWT(func(_, c map[string]any) { c["extra"] = 1 }), ".")
			q := strings.Split(s.Session.JWT, ".")
			return q[0] + "." + p[1] + "." + q[2]
		}},
		{"forged: no algorithm", func(s *env) string { return s.SignJWT(func(h, _ map[string]any) { h["alg"] = "none" }) }},
		{"malformed: three short segments", func(*env) string { return "a.b.c" }},
		{"malformed: longer than 16 KiB", func(s *env) string {
			return s.SignJWT(func(_, c map[string]any) { c["long"] = strings.Repeat("x", 12<<10) })
		}},
		{"third party: another project", func(*env) string {
			return other.StartSession(other.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{}).JWT
		}},
		{"third party: another audience", func(s *env) string { return s.SignJWT(func(_, c map[string]any) { c["aud"] = []string{"other"} }) }},
		{"third party: another issuer", func(s *env) string {
			return s.SignJWT(func(_, c map[string]any) { c["iss"] = "https://other.example" })
		}},
		{"third party: no session claim", func(s *env) string {
			return s.SignJWT(func(_, c map[string]any) { delete(c, "https://stytch.com/session") })
		}},
		{"its session has ended", func(s *env) string {
			return s.SignJWT(func(_, c map[string]any) {
				c["https://stytch.com/session"].(map[string]any)["expires_at"] = "1999-12-31T23:59:59Z"
			})
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
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

func TestRequire_MaxTokenAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.MaxTokenAge = time.Minute })
		s.RevokeSession(s.Session.ID)
		time.Sleep(time.Minute - time.Millisecond)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WantCalls(pathAuthenticate, 0)
		time.Sleep(time.Millisecond)
		s.Want(s.Get(bearer(s.Session.JWT)), 401)
		s.WantCalls(pathAuthenticate, 1)
	})
}

func TestRequire_UnknownKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		for i := range 4 { // each request fetches the key set, because the key does not exist
			s.Want(s.Get(bearer(s.UnknownKeyJWT("jwk-1", 0))), 401)
			s.WantCalls(pathKeySet, i+1)
			time.Sleep(time.Second)
		}
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(6 * time.Second)
		s.WantRetry(s.Get(bearer(s.UnknownKeyJWT("jwk-2", 0))), "20")
		s.Want(s.Get(bothCookies(s.Session.Token, s.UnknownKeyJWT("jwk-2", 0))), 200)
		s.Want(s.Get(bothCookies(inventedToken, s.UnknownKeyJWT("jwk-2", 0))), 503) // the JWT may be good
		s.Want(s.Get(bearer(s.UnknownKeyJWT("jwk-3", 13*time.Second))), 401)        // the JWT was issued before the last fetch
		s.WantRetry(s.Get(bearer(s.UnknownKeyJWT("jwk-3", 12*time.Second))), "20")
		s.WantCalls(pathKeySet, 4)

		s.RotateKeys()
		rotated := s.JWT(s.Session.ID)
		s.WantRetry(s.Get(bearer(rotated)), "20")
		time.Sleep(20 * time.Second)
		s.Want(s.Get(bearer(rotated)), 200)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		s.WantCalls(pathKeySet, 5)
		s.WantCalls(pathAuthenticate, 2) // calls for the two requests that also have a token
	})
}

// A key may be published right after the key set was fetched. The first JWT of that key must pass.
func TestRequire_RotationJustAfterFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(time.Millisecond)
		s.RotateKeys()
		s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 200)
		s.WantCalls(pathKeySet, 2)
	})
}

func TestRequire_NoKeySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
		s.Want(s.Get(bearer(s.Session.JWT)), 503)
		s.WantRetry(s.Get(jwtCookie(s.Session.JWT)), "1")
		s.Expire()
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 503) // Require makes no call for an unverified JWT
		s.WantCalls(pathAuthenticate, 0)
		s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 200)
		s.Want(s.Get(bothCookies(inventedToken, s.Session.JWT)), 503)                               // the JWT may be good
		s.Want(s.Get(bothCookies(s.SignIn(stytchtest.SessionOptions{}).Token, s.Session.JWT)), 503) // the token may be planted
		s.WantCalls(pathAuthenticate, 3)
		s.WantPassed(1, s.Session.ID)
	})
}

func TestRequire_KeySetServesForADay(t *testing.T) {
	authtest.SlowOnly(t)
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
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

func TestRequire_StartWhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.Tap("", func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errors.New("no such host") })
		for range 100 {
			s.Want(s.Get(bearer(s.Session.JWT)), 503) // not 401, because the JWT may be valid
			s.Want(s.Get(bearer(s.Session.Token)), 503)
			s.Want(s.Get(bothCookies(s.Session.Token, s.Session.JWT)), 503)
			time.Sleep(2 * time.Second)
		}
		s.Want(s.Get(bearer("a.b.c")), 401) // refusing a malformed JWT needs no key
		s.WantPassed(0, "")
		s.Tap("", nil)
		s.Want(s.Get(bearer(s.Session.JWT)), 200) // the next request fetches the key set
		time.Sleep(time.Minute)                   // a circuit breaker may still be open
		s.Want(s.Get(bearer(s.Session.Token)), 200)
	})
}

func TestRequire_KeySetIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, sessionOnly)
		s.SetFault(pathKeySet, stytchtest.Fault{Status: 500})
		for range 600 {
			s.Want(s.Get(bearer(s.Session.JWT)), 503)
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

func TestRequire_RepeatedCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		time.Sleep(time.Minute)
		newer := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{}) // a second session of the same user
		other := s.SignIn(stytchtest.SessionOptions{})
		ended := s.SignIn(stytchtest.SessionOptions{})
		s.RevokeSession(ended.ID)
		values := map[string]string{
			"live": s.Session.Token, "newer": newer.Token, "other": other.Token, "ended": ended.Token, "invented": inventedToken, "short": "short", "empty": "",
			"JWT": s.Session.JWT, "newer JWT": newer.JWT, "other JWT": other.JWT, "forged": "a.b.c",
		}
		rows := []struct {
			cookies string // names of the cookie values, in order
			status  int
			as      string // id of the session that passes
			calls   int    // at most one for each value
		}{
			{"live, invented", 200, s.Session.ID, 2},
			{"invented, live", 200, s.Session.ID, 2},
			{"live, ended", 200, s.Session.ID, 2},
			{"ended, live", 200, s.Session.ID, 2},
			{"short, live", 200, s.Session.ID, 1},
			{"live, live", 200, s.Session.ID, 1},
			{"empty, live", 200, s.Session.ID, 1},
			{"live, empty", 200, s.Session.ID, 1},
			{"live, live, invented", 200, s.Session.ID, 2},
			{"live, newer", 200, newer.ID, 2},
			{"newer, live", 200, newer.ID, 2},
			{"newer, ended, live, short", 200, newer.ID, 3},
			{"live, other", 400, "", 2},
			{"other, live", 400, "", 2},
			{"live, newer, other", 400, "", 3},
			{"invented, ended", 401, "", 2},
			{"JWT, forged", 200, s.Session.ID, 0},
			{"forged, JWT", 200, s.Session.ID, 0},
			{"JWT, newer JWT", 200, newer.ID, 0},
			{"newer JWT, JWT", 200, newer.ID, 0},
			{"JWT, other JWT", 400, "", 0},
			{"JWT, forged, live", 200, s.Session.ID, 1},
			{"JWT, forged, newer", 200, newer.ID, 1},
			{"JWT, forged, other", 400, "", 1},
			{"JWT, newer JWT, forged, live", 200, newer.ID, 1},
			{"JWT, newer JWT, forged, live, newer", 400, "", 0}, // Require makes no call if a cookie has five values
			{"live, newer, ended, invented, other", 400, "", 0},
		}
		for _, row := range rows {
			var cookies []string
			for _, name := range strings.Split(row.cookies, ", ") {
				cookie := "stytch_session="
				if strings.Contains(name, "JWT") || name == "forged" {
					cookie = "stytch_session_jwt="
				}
				cookies = append(cookies, cookie+values[name])
			}
			s.Handler = s.Fresh()
			before, through := s.Calls(pathAuthenticate), len(s.Passed())
			resp := s.Get("Cookie: " + strings.Join(cookies, "; "))
			as := ""
			if len(s.Passed()) > through {
				as = s.Passed()[through]
			}
			if resp.StatusCode != row.status || as != row.as {
				t.Errorf("%s: got status %d as %q, want %d as %q", row.cookies, resp.StatusCode, as, row.status, row.as)
			}
			if got := s.Calls(pathAuthenticate) - before; got != row.calls {
				t.Errorf("%s: got %d calls, want %d", row.cookies, got, row.calls)
			}
		}
	})
}

func TestRequire_PlantedCookieInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		planted := s.SignIn(stytchtest.SessionOptions{})
		s.Want(s.Get(tokenCookie(planted.Token)), 200) // caches the planted token
		s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 503})
		cookies := []string{"stytch_session=" + planted.Token, "stytch_session=" + s.Session.Token, "stytch_session=" + inventedToken}
		for _, order := range [][]int{{0, 1}, {1, 0}, {0, 1, 2}, {2, 1, 0}} {
			header := []string{}
			for _, i := range order {
				header = append(header, cookies[i])
			}
			s.Want(s.Get("Cookie: "+strings.Join(header, "; ")), 503)
		}
		s.WantPassed(1, planted.ID)
	})
}
