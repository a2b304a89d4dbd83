package sessionauth_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// setCookies returns the Set-Cookie fields of a response without the cookie values.
func setCookies(resp *http.Response) []string {
	var all []string
	for _, field := range resp.Header["Set-Cookie"] {
		name, rest, _ := strings.Cut(field, "=")
		_, attributes, _ := strings.Cut(rest, "; ")
		all = append(all, name+"; "+attributes)
	}
	return all
}

func TestCookies_WriteBackAttributes(t *testing.T) {
	const left = "; Max-Age=3240; " // the session lasts an hour, and six minutes have passed
	rows := []struct {
		name    string
		cookies sessionauth.Cookies
		want    string
	}{
		{"default", sessionauth.Cookies{}, "stytch_session_jwt; Path=/" + left + "HttpOnly; Secure; SameSite=Lax"},
		{"domain", sessionauth.Cookies{Domain: "example.com"}, "stytch_session_jwt; Path=/; Domain=example.com" + left + "HttpOnly; Secure; SameSite=Lax"},
		{"path", sessionauth.Cookies{Path: "/app"}, "stytch_session_jwt; Path=/app" + left + "HttpOnly; Secure; SameSite=Lax"},
		{"strict", sessionauth.Cookies{SameSite: http.SameSiteStrictMode}, "stytch_session_jwt; Path=/" + left + "HttpOnly; Secure; SameSite=Strict"},
		{"none", sessionauth.Cookies{SameSite: http.SameSiteNoneMode}, "stytch_session_jwt; Path=/" + left + "HttpOnly; Secure; SameSite=None"},
		{"for scripts", sessionauth.Cookies{ScriptReadable: true}, "stytch_session_jwt; Path=/" + left + "Secure; SameSite=Lax"},
		{"for development", sessionauth.Cookies{AllowHTTP: true}, "stytch_session_jwt; Path=/" + left + "HttpOnly; SameSite=Lax"},
		{"other names", sessionauth.Cookies{Token: "__Host-t", JWT: "__Host-j"}, "__Host-j; Path=/" + left + "HttpOnly; Secure; SameSite=Lax"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) { c.Cookies = row.cookies; c.Cookies.WriteBack = true })
				name, _, _ := strings.Cut(row.want, ";")
				s.Expire()
				for range 2 { // the second response comes from the cache
					r := newRequest("GET", "Cookie: "+name+"="+s.Session.JWT)
					// The cookie does not depend on header fields that a proxy or an attacker may
					// set.
					r.Host, r.TLS = "evil.example", nil
					for _, field := range []string{"Host", "X-Forwarded-Host", "X-Original-Host", "Forwarded"} {
						r.Header.Set(field, "host=evil.example")
					}
					r.Header.Set("X-Forwarded-Proto", "http")
					r.Header.Set("X-Forwarded-Prefix", "/evil")
					resp := s.Do(r)
					s.Want(resp, 200)
					if got := setCookies(resp); !slices.Equal(got, []string{row.want}) {
						t.Errorf("got %q, want %q", got, row.want)
					}
					if got := resp.Header.Get("Cache-Control"); got != "no-store" {
						t.Errorf("got Cache-Control %q, want no-store", got)
					}
				}
				s.WantCalls(pathAuthenticate, 1)
			})
		})
	}
}

func TestCookies_WriteBackTarget(t *testing.T) {
	const jwtName = "stytch_session_jwt"
	type fields = func(*env) []string
	field := func(f func(*env) string) fields { return func(s *env) []string { return []string{f(s)} } }
	rows := []struct {
		name   string
		change func(*sessionauth.Config)
		fields fields
		want   string // name of the cookie; empty if there is none
	}{
		{"a JWT cookie", writeBack, field(func(s *env) string { return jwtCookie(s.Session.JWT) }), jwtName},
		{"both cookies", writeBack, field(func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) }), jwtName},
		{"off by default", func(*sessionauth.Config) {}, field(func(s *env) string { return jwtCookie(s.Session.JWT) }), ""},
		{"a token cookie", writeBack, field(func(s *env) string { return tokenCookie(s.Session.Token) }), ""},
		{"a header", writeBack, field(func(s *env) string { return bearer(s.Session.JWT) }), ""},
		{"a header, with the cookie beside it", writeBack, func(s *env) []string { return []string{bearer(s.Session.JWT), jwtCookie(s.Session.JWT)} }, ""},
		{"a custom header", func(c *sessionauth.Config) {
			writeBack(c)
			c.Extractor = sessionauth.FromHeader("X-Session")
		}, func(s *env) []string { return []string{"X-Session: " + s.Session.JWT, jwtCookie(s.Session.JWT)} }, ""},
		{"a custom extractor", func(c *sessionauth.Config) {
			writeBack(c)
			c.Extractor = func(r *http.Request) (sessionauth.Credential, error) {
				cookie, err := r.Cookie(jwtName)
				if err != nil {
					return sessionauth.Credential{}, sessionauth.ErrNoCredential
				}
				return sessionauth.Credential{JWT: cookie.Value}, nil
			}
		}, field(func(s *env) string { return jwtCookie(s.Session.JWT) }), ""},
		{"other cookie names", func(c *sessionauth.Config) {
			writeBack(c)
			c.Extractor = sessionauth.FromCookies("t", "j")
		}, field(func(s *env) string { return "Cookie: j=" + s.Session.JWT }), "j"},
		{"a repeated JWT cookie", writeBack, field(func(s *env) string { return jwtCookie(s.Session.JWT) + "; stytch_session_jwt=a.b.c" }), jwtName},
		{"a repeated token cookie", writeBack, field(func(s *env) string {
			return bothCookies(s.Session.Token, s.Session.JWT) + "; stytch_session=" + inventedToken
		}), jwtName},
		{"the same JWT cookie twice", writeBack, field(func(s *env) string { return jwtCookie(s.Session.JWT) + "; stytch_session_jwt=" + s.Session.JWT }), jwtName},
		{"a fresh JWT", writeBack, field(func(s *env) string { return jwtCookie(s.JWT(s.Session.ID)) }), ""},
		{"a forged JWT and a good token", writeBack, field(func(s *env) string { return bothCookies(s.Session.Token, "a.b.c") }), jwtName},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, row.change)
				s.Expire()
				resp := s.Get(row.fields(s)...)
				s.Want(resp, 200)
				cookies := resp.Cookies()
				switch {
				case row.want == "" && len(cookies) > 0:
					t.Errorf("got %s, want no cookie", setCookies(resp))
				case row.want != "" && (len(cookies) != 1 || cookies[0].Name != row.want):
					t.Fatalf("got %s, want %s", setCookies(resp), row.want)
				case row.want != "":
					if _, err := s.Auth.Verify(t.Context(), sessionauth.Credential{JWT: cookies[0].Value}); err != nil {
						t.Errorf("the new JWT: %v", err)
					}
				}
				if row.want == "" && resp.Header.Get("Cache-Control") != "private" {
					t.Errorf("got Cache-Control %q, want private", resp.Header.Get("Cache-Control"))
				}
			})
		})
	}
}

func TestCookies_WriteBackIsNeverEmpty(t *testing.T) {
	for name, jwt := range map[string]any{"empty": "", "null": nil, "not a JWT": "x", "too long": strings.Repeat("x", 9000) + "..", "absent": stytchtest.Fault{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, writeBack)
				s.Expire()
				s.Tap(pathAuthenticate, authtest.EditAnswers(func(answer map[string]any) {
					if answer["session_jwt"] = jwt; name == "absent" {
						delete(answer, "session_jwt")
					}
				}))
				resp := s.Get(jwtCookie(s.Session.JWT))
				if got := setCookies(resp); len(got) > 0 {
					t.Errorf("got %s, want no cookie", got)
				}
			})
		})
	}
}

func TestCookies_RefusalSetsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		s.Expire()
		other := s.SignIn(stytchtest.SessionOptions{})
		for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
			s.Handler = wrap(s.Next())
			for _, fault := range []stytchtest.Fault{{}, {Status: 500}, {Status: 429}, {Status: 401}} {
				s.SetFault(pathAuthenticate, fault)
				for _, field := range []string{
					bothCookies(other.Token, s.Session.JWT), tokenCookie(inventedToken), jwtCookie("a.b.c"),
				} {
					resp := s.Get(field)
					if got := setCookies(resp); len(got) > 0 {
						t.Errorf("status %d: got %s, want no cookie", resp.StatusCode, got)
					}
				}
			}
		}
		s.WantPassed(len(s.Passed()), "")
	})
}

func TestCookies_SetAndClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.Cookies = sessionauth.Cookies{Domain: "example.com", Path: "/app"} })
		at := func(end time.Duration) *stytch.Session {
			return &stytch.Session{ID: s.Session.ID, ExpiresAt: time.Now().Add(end)}
		}
		const attributes = "; HttpOnly; Secure; SameSite=Lax"
		const place = "; Path=/app; Domain=example.com"
		rows := []struct {
			name    string
			session *stytch.Session
			cred    sessionauth.Credential
			want    []string
		}{
			{"both", at(time.Hour), sessionauth.Credential{Token: "t", JWT: "j"}, []string{"stytch_session" + place + "; Max-Age=3600" + attributes, "stytch_session_jwt" + place + "; Max-Age=3600" + attributes}},
			{"the token alone", at(time.Minute), sessionauth.Credential{Token: "t"}, []string{"stytch_session" + place + "; Max-Age=60" + attributes}},
			{"the JWT alone", at(time.Minute), sessionauth.Credential{JWT: "j"}, []string{"stytch_session_jwt" + place + "; Max-Age=60" + attributes}},
			{"neither", at(time.Minute), sessionauth.Credential{}, nil},
			{"rounded down", at(1999 * time.Millisecond), sessionauth.Credential{Token: "t"}, []string{"stytch_session" + place + "; Max-Age=1" + attributes}},
			{"about to end", at(999 * time.Millisecond), sessionauth.Credential{Token: "t"}, nil},
			{"ended", at(-time.Hour), sessionauth.Credential{Token: "t", JWT: "j"}, nil},
			{"without a stated end", &stytch.Session{ID: s.Session.ID}, sessionauth.Credential{JWT: "j"}, []string{"stytch_session_jwt" + place + attributes}},
		}
		set := func(session *stytch.Session, cred sessionauth.Credential) *http.Response {
			w := httptest.NewRecorder()
			s.Auth.SetCookies(w, session, cred)
			return w.Result()
		}
		for _, row := range rows {
			resp := set(row.session, row.cred)
			if got := setCookies(resp); !slices.Equal(got, row.want) {
				t.Errorf("%s: got %q, want %q", row.name, got, row.want)
			}
			if len(row.want) > 0 && resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: got Cache-Control %q, want no-store", row.name, resp.Header.Get("Cache-Control"))
			}
		}
		if err := s.Auth.Revoke(t.Context(), s.Session.ID); err != nil {
			t.Fatal(err)
		}
		if got := setCookies(set(at(time.Hour), sessionauth.Credential{Token: "t", JWT: "j"})); len(got) > 0 {
			t.Errorf("of a revoked session: got %q, want no cookie", got)
		}

		w := httptest.NewRecorder()
		s.Auth.ClearCookies(w)
		want := []string{"stytch_session" + place + "; Max-Age=0" + attributes, "stytch_session_jwt" + place + "; Max-Age=0" + attributes}
		if got := setCookies(w.Result()); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("got no Cache-Control: no-store with cleared cookies")
		}
	})
}

// Require writes a refreshed JWT when the response starts, because the handler may revoke the
// session before that. The response must not be cached, whatever Cache-Control the handler sets.
func TestCookies_WrittenWhenTheResponseStarts(t *testing.T) {
	revoke := func(s *env, _ http.ResponseWriter, r *http.Request) { _ = s.Auth.Revoke(r.Context(), s.Session.ID) }
	rows := []struct {
		name    string
		handler func(*env, http.ResponseWriter, *http.Request)
		cookies int
		cache   string
	}{
		{"nothing is written", func(*env, http.ResponseWriter, *http.Request) {}, 1, "no-store"},
		{"the handler writes", func(_ *env, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }, 1, "no-store"},
		{"a public response", func(_ *env, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.WriteHeader(200)
		}, 1, "no-store"},
		{"revoked meanwhile", revoke, 0, "private"},
		{"revoked meanwhile, then written", func(s *env, w http.ResponseWriter, r *http.Request) {
			revoke(s, w, r)
			_, _ = io.WriteString(w, "x")
		}, 0, "private"},
		{"revoked after it was written", func(s *env, w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			revoke(s, w, r)
		}, 1, "no-store"},
		{"cleared by the handler", func(s *env, w http.ResponseWriter, _ *http.Request) { s.Auth.ClearCookies(w) }, 2, "no-store"},
		{"set twice by the handler", func(s *env, w http.ResponseWriter, r *http.Request) {
			id, _ := sessionauth.FromContext(r.Context())
			for range 2 {
				s.Auth.SetCookies(w, id.Session, sessionauth.Credential{Token: s.Session.Token, JWT: s.Session.JWT})
			}
		}, 2, "no-store"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, writeBack)
				s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { row.handler(s, w, r) }))
				s.Expire()
				resp := s.Get(jwtCookie(s.Session.JWT))
				if got := len(resp.Cookies()); got != row.cookies || resp.Header.Get("Cache-Control") != row.cache {
					t.Errorf("got %s and Cache-Control %q, want %d cookies and %q", setCookies(resp), resp.Header["Cache-Control"], row.cookies, row.cache)
				}
				names := map[string]bool{}
				for _, cookie := range resp.Cookies() {
					if names[cookie.Name] {
						t.Errorf("got %s, want each cookie once", setCookies(resp))
					}
					names[cookie.Name] = true
				}
			})
		})
	}
}

// A handler that signs the user out, or sets a JWT of its own, has the last word.
func TestCookies_OfTheHandlerStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { s.Auth.ClearCookies(w) }))
		s.Expire()
		resp := s.Get(jwtCookie(s.Session.JWT))
		s.Want(resp, 200)
		for _, c := range resp.Cookies() {
			if c.MaxAge != -1 || c.Value != "" {
				t.Errorf("got %s, want it removed", c.Name)
			}
		}
	})
}

// A handler behind Require receives a ResponseWriter that implements the same interfaces as that of
// net/http.
func TestCookies_LateWriterIsComplete(t *testing.T) {
	s := newEnv(t, writeBack, func(c *sessionauth.Config) { c.MaxTokenAge = time.Millisecond })
	old := s.SignJWT(func(_, claims map[string]any) { claims["iat"] = time.Now().Add(-time.Minute).Unix() })
	srv := httptest.NewServer(s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Hijacker); !ok {
			t.Error("got no http.Hijacker, want one")
		}
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("got no io.ReaderFrom, want one")
		}
		w.WriteHeader(http.StatusEarlyHints) // an informational response sets no cookie
		if got := w.Header()["Set-Cookie"]; got != nil {
			t.Errorf("got %q in an informational response, want none", got)
		}
		c := http.NewResponseController(w)
		if err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}), c.Flush()); err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/hijack" {
			conn, _, err := c.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			_ = conn.Close()
			return
		}
		if _, err := io.Copy(w, strings.NewReader("body")); err != nil {
			t.Error(err)
		}
	})))
	defer srv.Close()
	for _, path := range []string{"/", "/hijack"} {
		r := newRequest("GET", jwtCookie(old))
		r.RequestURI, r.URL = "", &url.URL{Scheme: "http", Host: srv.Listener.Addr().String(), Path: path}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if path == "/" && len(resp.Cookies()) != 1 {
			t.Errorf("got %s, want the refreshed JWT", setCookies(resp))
		}
	}
}

// Browsers ignore a cookie of more than 4,096 bytes and keep the previous one, which may belong to
// another session. Require removes the cookie instead.
func TestCookies_LargeJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		session := s.StartSession(s.User.ID, stytchtest.SessionOptions{CustomClaims: map[string]any{"x": strings.Repeat("x", 3000)}})
		s.Expire()
		resp := s.Get(jwtCookie(session.JWT))
		s.Want(resp, 200)
		if c := resp.Cookies(); len(c) != 1 || c[0].Name != "stytch_session_jwt" || c[0].MaxAge != -1 || c[0].Value != "" {
			t.Errorf("got %s, want the JWT cookie removed", setCookies(resp))
		}
	})
}

// With SessionDuration each call extends the session. The cookie of the token must be extended too,
// because otherwise a session in constant use would lose its token.
func TestCookies_SessionDurationRenewsTheToken(t *testing.T) {
	for name, field := range map[string]func(*env) string{
		"token": func(s *env) string { return tokenCookie(s.Session.Token) },
		"both":  func(s *env) string { return bothCookies(s.Session.Token, s.JWT(s.Session.ID)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, writeBack, func(c *sessionauth.Config) { c.SessionDuration = time.Hour })
				s.Want(s.Get(field(s)), 200)
				time.Sleep(30 * time.Minute)
				stale := field(s)
				s.Expire()
				resp := s.Get(stale)
				s.Want(resp, 200)
				renewed := false
				for _, c := range resp.Cookies() {
					renewed = renewed || c.Name == "stytch_session" && c.Value == s.Session.Token && c.MaxAge == 3600
				}
				if !renewed {
					t.Errorf("got %s, want the token's cookie for another hour", setCookies(resp))
				}
			})
		})
	}
}

// Sign-in and sign-out remove the cookies that an earlier configuration set with another Domain or
// Path (Cookies.Old).
func TestCookies_Old(t *testing.T) {
	s := newEnv(t, func(c *sessionauth.Config) {
		c.Cookies.Old = []sessionauth.Cookie{{Domain: "example.com"}, {Path: "/app"}, {}}
	})
	for name, write := range map[string]func(http.ResponseWriter){
		"SetCookies": func(w http.ResponseWriter) {
			s.Auth.SetCookies(w, &stytch.Session{ID: s.Session.ID}, sessionauth.Credential{Token: s.Session.Token, JWT: s.Session.JWT})
		},
		"ClearCookies": s.Auth.ClearCookies,
	} {
		w := httptest.NewRecorder()
		write(w)
		removed := 0
		for _, c := range w.Result().Cookies() {
			if c.MaxAge == -1 && (c.Domain == "example.com" && c.Path == "/" || c.Domain == "" && c.Path == "/app") {
				removed++
			}
		}
		if removed != 4 {
			t.Errorf("%s: got %s, want both cookies removed from both places", name, setCookies(w.Result()))
		}
	}
}
