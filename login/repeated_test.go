package login_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// invented returns n session tokens that do not exist.
func invented(n int) []string {
	var tokens []string
	for i := range n {
		tokens = append(tokens, fmt.Sprintf("%s%03d", inventedToken, i))
	}
	return tokens
}

// cookies returns a Cookie field in which each value has the same name.
func cookies(name string, values ...string) string {
	return "Cookie: " + name + "=" + strings.Join(values, "; "+name+"=")
}

// A repetition is a request with repeated session cookies.
type repetition struct {
	name   string
	fields func(a, b stytchtest.Session) []string // header fields; both sessions are alive
	left   bool                                   // true if there are more values than are examined
	alive  [2]bool                                // whether each session is alive after a sign-in or sign-out
}

var repetitions = []repetition{
	{name: "the session among five tokens", fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, append(invented(4), a.Token, b.Token)...)}
	}},
	{name: "the session first", fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, append([]string{a.Token, b.Token}, invented(4)...)...)}
	}},
	{name: "two users, token and JWT", fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, a.Token), cookies(jwtName, b.JWT)}
	}},
	{name: "two users, two tokens and two JWTs", fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, a.Token, b.Token), cookies(jwtName, a.JWT, b.JWT)}
	}},
	{name: "five JWTs of one session", fields: func(a, b stytchtest.Session) []string {
		forged := a.JWT[:len(a.JWT)-8]
		return []string{cookies(jwtName, forged+"AAAAAAAA", forged+"BBBBBBBB", forged+"CCCCCCCC", forged+"DDDDDDDD", a.JWT, b.JWT)}
	}},
	{name: "malformed and oversized values before it", fields: func(a, b stytchtest.Session) []string {
		junk := []string{"x", "", "%", strings.Repeat("x", 300), "a.b", "a.b.c", "e" + strings.Repeat("x", 40000), "e.x", "null"}
		for i := range 20 {
			junk = append(junk, fmt.Sprint("short", i))
		}
		return []string{cookies(tokenName, append(junk, a.Token)...), cookies(jwtName, append(junk, b.JWT)...)}
	}},
	{name: "sixteen values", fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, append(invented(14), a.Token, b.Token)...)}
	}},
	{name: "one value many times", fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, append(slices.Repeat(invented(1), 100), a.Token, b.Token)...)}
	}},
	{name: "seventeen values", left: true, alive: [2]bool{false, true}, fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(tokenName, append(invented(15), a.Token, b.Token)...)}
	}},
	{name: "seventeen values of two names", left: true, alive: [2]bool{false, true}, fields: func(a, b stytchtest.Session) []string {
		return []string{cookies(jwtName, a.JWT), cookies(tokenName, append(invented(15), b.Token)...)}
	}},
}

func testRepetitions(t *testing.T, test func(t *testing.T, s *env, row repetition, fields []string)) {
	for _, row := range repetitions {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				a := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				b := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
				s.StartSession(s.bob.ID, stytchtest.SessionOptions{}) // the session of the user on another device
				test(t, s, row, row.fields(a, b))
				s.wantAlive(a.Token, row.alive[0])
				s.wantAlive(b.Token, row.alive[1])
				for i, session := range []stytchtest.Session{a, b} {
					want := 401
					if row.alive[i] {
						want = 200
					}
					s.want(s.other().get("/me", bearer(s.JWT(session.ID))), want)
				}
			})
		})
	}
}

func TestLogout_RepeatedCookies(t *testing.T) {
	testRepetitions(t, func(t *testing.T, s *env, row repetition, fields []string) {
		resp := s.postJSON("/logout", "", fields...)
		s.wantCleared(s.browser, resp)
		if !row.left {
			s.want(resp, 204)
			return
		}
		s.want(resp, 202)
		if got := strings.TrimSpace(peek(resp)); got != `{"status":"revocation incomplete"}` || resp.Header.Get("Sign-Out") != "incomplete" {
			t.Errorf("got %q and Sign-Out %q, want what was not revoked to be said", got, resp.Header.Get("Sign-Out"))
		}
	})
}

func TestLogout_RepeatedCookiesByForm(t *testing.T) {
	testRepetitions(t, func(t *testing.T, s *env, row repetition, fields []string) {
		resp := s.postForm("/logout", "", fields...)
		s.wantCleared(s.browser, resp)
		s.want(resp, 303)
		if got := resp.Header.Get("Sign-Out"); (got == "incomplete") != row.left || got != "" && !row.left {
			t.Errorf("got Sign-Out %q, want what was not revoked to be said: %t", got, row.left)
		}
	})
}

func TestLogin_RepeatedCookies(t *testing.T) {
	testRepetitions(t, func(t *testing.T, s *env, _ repetition, fields []string) {
		resp := s.postJSON("/login", right, fields...)
		s.want(resp, 200)
		if got := s.session(s.get("/me")); got.UserID != s.ada.ID || len(setCookies(resp)) != 2 {
			t.Errorf("got %d cookies and a session of %s, want a new one of Ada", len(setCookies(resp)), got.UserID)
		}
	})
}

// A header identifies the client, and the request also has cookies. The cookies are removed or
// replaced all the same.
func TestLogout_HeaderAndCookies(t *testing.T) {
	for _, row := range []struct {
		name   string
		header func(stytchtest.Session) string
		status int
		alive  bool // whether the session of the header is alive afterwards
	}{
		{"a token in a header", func(b stytchtest.Session) string { return bearer(b.Token) }, 204, false},
		{"a JWT in a header", func(b stytchtest.Session) string { return bearer(b.JWT) }, 204, false},
		{"an invented token in a header", func(stytchtest.Session) string { return bearer(inventedToken) }, 204, true},
		{"a malformed header", func(stytchtest.Session) string { return "Authorization: Bearer" }, 400, true},
		{"another scheme", func(stytchtest.Session) string { return "Authorization: Basic eDp5" }, 204, true},
	} {
		for _, path := range []string{"/logout", "/login"} {
			t.Run(row.name+" "+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					a := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					b := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
					s.hold(a.Token, a.JWT)
					resp := s.postJSON(path, right, row.header(b))
					if path == "/login" { // a sign-in does not end the session in the header
						row.status, row.alive = 200, true
					}
					s.want(resp, row.status)
					if len(setCookies(resp)) != 2 {
						t.Errorf("got %q, want two cookies", setCookies(resp))
					}
					s.wantAlive(a.Token, false)
					s.wantAlive(b.Token, row.alive)
				})
			})
		}
	}
}

func TestLogout_RepeatedCookiesWhileStytchIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		a := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		b := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		third := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.want(s.other().get("/me", bearer(a.JWT)), 200) // fetches the key set
		s.SetFault("", stytchtest.Fault{Status: 503})
		resp := s.postForm("/logout", "", cookies(tokenName, append(invented(4), a.Token)...), cookies(jwtName, b.JWT))
		s.want(resp, 303)
		if got := resp.Header.Get("Sign-Out"); got != "pending" {
			t.Errorf("got Sign-Out %q, want pending", got)
		}
		s.want(s.other().get("/me", cookies(tokenName, a.Token)), 401)
		s.want(s.other().get("/me", bearer(b.JWT)), 401)
		s.SetFault("", stytchtest.Fault{})
		s.passing(third)
		s.wantAlive(a.Token, false)
		s.wantAlive(b.Token, false)
	})
}

// The Extractor may read cookies of other names than those that Cookies configures.
func TestLogout_CookiesOfOtherNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.Extractor = sessionauth.FromCookies("t", "j") })
		a := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		b := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		third := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.want(s.postJSON("/logout", "", cookies("t", append(invented(4), a.Token)...), cookies("j", b.JWT), cookies(tokenName, third.Token)), 204)
		for _, session := range []stytchtest.Session{a, b, third} {
			s.wantAlive(session.Token, false)
		}
	})
}

func TestLogin_OneCookieOfEachName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		for _, path := range []string{"/login", "/bare", "/logout"} {
			var names []string
			for _, c := range s.postJSON(path, right).Cookies() {
				names = append(names, c.Name)
			}
			if !slices.Equal(names, []string{tokenName, jwtName}) {
				t.Errorf("%s: got cookies %q, want each once", path, names)
			}
			time.Sleep(time.Minute)
		}
	})
}

// While Stytch hangs, a sign-in or sign-out waits for one Timeout at most, however many session
// cookies the browser sent.
func TestLogin_RepeatedCookiesWhileStytchHangs(t *testing.T) {
	for path, status := range map[string]int{"/login": 200, "/logout": 202} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			a := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
			b := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
			s.SetFault(pathAuthenticate, stytchtest.Hang())
			began := time.Now()
			s.want(s.postJSON(path, right, cookies(tokenName, append(invented(15), a.Token)...)), status)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s: got the response after %v, want 3s at most", path, took)
			}
			time.Sleep(3 * time.Second)
			s.SetFault(pathAuthenticate, stytchtest.Fault{})
			s.want(s.other().get("/me", cookies(tokenName, a.Token)), 401)
			s.passing(b)
			s.wantAlive(a.Token, false)
		})
	}
}
