package login_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const inventedToken = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"

func observe(events *[]sessionauth.Event) func(*setup) {
	return func(c *setup) {
		c.auth.Observe = func(_ context.Context, e sessionauth.Event) { *events = append(*events, e) }
	}
}

func bearer(credential string) string { return "Authorization: Bearer " + credential }

func TestLogout_WithoutSession(t *testing.T) {
	rows := []struct{ name, fields string }{
		{"190 nothing", ""},
		{"190 another cookie", "Cookie: theme=dark"},
		{"190 empty cookies", "Cookie: stytch_session=; stytch_session_jwt="},
		{"190 an unknown token", "Cookie: stytch_session=" + inventedToken},
		{"190 a malformed token", "Cookie: stytch_session=x"},
		{"190 a malformed JWT", "Cookie: stytch_session_jwt=x"},
		{"190 a header of another scheme", "Authorization: Basic eDp5"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				var fields []string
				if row.fields != "" {
					fields = []string{row.fields}
				}
				for range 2 { // a second sign-out has the same result
					resp := s.send("POST", "/logout", "", fields...)
					s.want(resp, 204)
					s.wantCleared(s.browser, resp)
					if peek(resp) != "" || resp.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("got %q and %q, want nothing and no-store", peek(resp), resp.Header.Get("Cache-Control"))
					}
				}
				s.WantCalls(pathRevoke, 0)
			})
		})
	}
}

func TestLogout_RevokesTheSession(t *testing.T) {
	for name, hold := range held {
		for _, seen := range []bool{false, true} {
			t.Run(fmt.Sprintf("168 %s, seen before: %t", name, seen), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					mine := s.StartSession(s.ada.ID, stytchtest.SessionOptions{}) // the session of the user on another device
					hold(s, s.browser, session)
					time.Sleep(time.Minute)
					refreshed := s.JWT(session.ID)
					if seen {
						s.want(s.get("/me"), 200)
						s.want(s.other().get("/me", bearer(refreshed)), 200)
					}
					resp := s.postJSON("/logout", "")
					s.want(resp, 204)
					s.wantCleared(s.browser, resp)
					s.wantAlive(session.Token, false)
					for _, token := range []string{bearer(session.Token), "Cookie: stytch_session=" + session.Token} {
						s.wantProblem(s.other().get("/me", token), 401, "invalid-session")
					}
					for _, jwt := range []string{session.JWT, refreshed, s.JWT(session.ID)} { // 169: the JWT that was signed out and later JWTs of the session
						s.wantProblem(s.other().get("/me", bearer(jwt)), 401, "invalid-session")
						s.wantProblem(s.other().get("/me", "Cookie: stytch_session_jwt="+jwt), 401, "invalid-session")
					}
					s.want(s.other().get("/me", bearer(mine.JWT)), 200)
					s.want(s.get("/me"), 401)
					s.want(s.postJSON("/logout", "", "Cookie: stytch_session_jwt="+session.JWT), 204) // a second sign-out has the same result
				})
			})
		}
	}
}

func TestLogout_ExpiredJWT(t *testing.T) {
	for _, row := range []struct {
		name string
		send func(s *env, jwt string) *http.Response
	}{
		{"191 in a cookie", func(s *env, jwt string) *http.Response { s.hold("", jwt); return s.postJSON("/logout", "") }},
		{"191 in a header", func(s *env, jwt string) *http.Response { return s.postJSON("/logout", "", bearer(jwt)) }},
	} {
		for _, age := range []time.Duration{6 * time.Minute, 50 * time.Minute} {
			t.Run(fmt.Sprintf("%s, after %v", row.name, age), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					time.Sleep(age)
					resp := row.send(s, session.JWT)
					s.want(resp, 204)
					s.wantCleared(s.browser, resp)
					s.WantCalls(pathRevoke, 1)
					s.WantCalls(pathAuthenticate, 0) // the signature of the JWT is enough to identify the session
					s.wantAlive(session.Token, false)
					s.wantProblem(s.other().get("/me", bearer(s.JWT(session.ID))), 401, "invalid-session")
				})
			})
		}
	}
}

func TestLogout_ForgedJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		parts := strings.Split(session.JWT, ".")
		other := strings.Split(s.StartSession(s.bob.ID, stytchtest.SessionOptions{}).JWT, ".")
		for _, forged := range []string{
			parts[0] + "." + parts[1] + "." + other[2],
			parts[0] + "." + parts[1] + ".",
			"eyJhbGciOiJub25lIn0." + parts[1] + ".",
			parts[0] + "." + parts[1] + "." + strings.Repeat("A", 342),
		} {
			resp := s.other().postJSON("/logout", "", "Cookie: stytch_session_jwt="+forged)
			s.want(resp, 204)
			if len(setCookies(resp)) != 2 {
				t.Error("got cookies that stay, want them cleared")
			}
		}
		s.WantCalls(pathRevoke, 0)
		s.WantCalls(pathAuthenticate, 0)
		s.want(s.other().get("/me", bearer(session.JWT)), 200)
		s.wantAlive(session.Token, true)
	})
}

func TestLogout_AccessToken(t *testing.T) {
	rows := []struct {
		name   string
		fault  stytchtest.Fault
		status int
		alive  bool
	}{
		{"that Stytch accepts", stytchtest.Fault{}, 204, false},
		{"that Stytch does not know", stytchtest.Fault{Status: 404, ErrorType: "session_not_found"}, 204, true},
		{"that Stytch cannot read", stytchtest.Fault{Status: 400, ErrorType: "unable_to_parse_session_jwt"}, 204, true},
		{"while Stytch is down", stytchtest.Fault{Status: 500}, 202, true},
	}
	for _, row := range rows {
		for _, claim := range []string{"scope and jti", "client_id"} {
			t.Run(row.name+" "+claim, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					claims := s.Claims(session.ID)
					for name := range strings.SplitSeq(claim, " and ") {
						claims[name] = "openid"
					}
					accessToken := s.Sign(asJSON(s.Header()), asJSON(claims))
					s.SetFault(pathAuthenticate, row.fault)
					b := s.other()
					b.hold("", accessToken)
					resp := b.postJSON("/logout", "")
					s.want(resp, row.status)
					s.wantCleared(b, resp)
					want := 401
					if row.alive {
						want = 200
					}
					s.want(s.other().get("/me", bearer(session.JWT)), want)
					synctest.Wait() // until retries in the background end
					s.SetFault(pathAuthenticate, stytchtest.Fault{})
					s.wantAlive(session.Token, row.alive)
				})
			})
		}
	}
}

func TestLogout_MalformedHeader(t *testing.T) {
	rows := []struct{ name, fields string }{
		{"a header without credential", "Authorization: Bearer"},
		{"a header with two words", "Authorization: Bearer a b"},
		{"two headers", bearer(inventedToken) + "\n" + bearer(inventedToken+"1")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, "")
				resp := s.postJSON("/logout", "", strings.Split(row.fields, "\n")...)
				s.wantProblem(resp, 400, "invalid-request", badCredential)
				s.wantCleared(s.browser, resp)
				s.wantAlive(session.Token, false) // without the cookie, nobody could end the session later
			})
		})
	}
}

func TestLogout_Form(t *testing.T) {
	for _, after := range []string{"", "/bye?a=b"} {
		for _, status := range []int{0, 503} { // status of the revocation
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *setup) { c.login.AfterLogout = after })
				session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, session.JWT)
				s.SetFault(pathRevoke, stytchtest.Fault{Status: status})
				resp := s.postForm("/logout", "return_to=https://evil.example")
				s.want(resp, 303)
				s.wantCleared(s.browser, resp)
				if got := resp.Header.Get("Location"); got != max(after, "/") {
					t.Errorf("got Location %q, want %q", got, max(after, "/"))
				}
				s.want(s.other().get("/me", bearer(session.JWT)), 401)
			})
		}
	}
}

func TestLogout_ClearsTheCookiesOfLogin(t *testing.T) {
	rows := []struct {
		name    string
		cookies sessionauth.Cookies
	}{
		{"default", sessionauth.Cookies{}},
		{"Domain and Path", sessionauth.Cookies{Domain: "app.example.com", Path: "/app"}},
		{"other names", sessionauth.Cookies{Token: "__Host-t", JWT: "__Host-j", SameSite: 3}},
		{"None, for scripts", sessionauth.Cookies{SameSite: 4, ScriptReadable: true}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *setup) { c.auth.Cookies = row.cookies; c.auth.Cookies.WriteBack = true })
				set := setCookies(s.postJSON("/login", right))
				cleared := setCookies(s.postJSON("/logout", ""))
				for i := range set {
					set[i] = strings.Replace(set[i], "Max-Age=3600", "Max-Age=0", 1)
				}
				if len(set) != 2 || !slices.Equal(cleared, set) {
					t.Errorf("got %q cleared, want %q", cleared, set)
				}
			})
		})
	}
}

func TestLogout_CanceledRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold("", session.JWT)
		s.SetFault(pathRevoke, stytchtest.Fault{Delay: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		s.do(newRequest("POST", "/logout", "").WithContext(ctx))
		s.wantAlive(session.Token, false)
		time.Sleep(10 * time.Second) // until retries in the background end
	})
}
