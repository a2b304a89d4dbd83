package login_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestLogin_JSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		resp := s.postJSON("/login", right)
		s.want(resp, 200)
		var body map[string]map[string]any
		if err := json.Unmarshal([]byte(peek(resp)), &body); err != nil {
			t.Fatal(err)
		}
		session, user := body["session"], body["user"]
		if len(body) != 2 || session["user_id"] != s.ada.ID || user["user_id"] != s.ada.ID || session["session_id"] == "" {
			t.Errorf("got %v, want Ada's session and Ada", body)
		}
		for _, secret := range []string{s.cookie(tokenName), s.cookie(jwtName), adasPassword} {
			if secret == "" || strings.Contains(peek(resp), secret) {
				t.Error("got a credential in the body, or no cookie")
			}
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("got %s %q, want %q", name, got, want)
			}
		}
		if got := s.session(s.get("/me")); got.ID != session["session_id"] {
			t.Errorf("got session %s on the next request, want %v", got.ID, session["session_id"])
		}
		s.WantCalls(pathPassword, 1)
		s.WantCalls("/v1/users/{user_id}", 0) // the user is in the answer to the sign-in
	})
}

func TestLogin_Form(t *testing.T) {
	for _, row := range []struct{ name, body, want string }{
		{"without return_to", rightForm, "/"},
		{"with an empty return_to", rightForm + "&return_to=", "/"},
		{"with return_to", rightForm + "&return_to=%2Fnotes%3Fpage%3D2", "/notes?page=2"},
		{"with fields in another order", "return_to=/notes&" + rightForm, "/notes"},
		{"with a return_to on another host", rightForm + "&return_to=https://evil.example/", "/"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				resp := s.postForm("/login", row.body)
				s.want(resp, 303)
				if got := resp.Header.Get("Location"); got != row.want {
					t.Errorf("got Location %q, want %q", got, row.want)
				}
				if got := resp.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("got Cache-Control %q, want no-store", got)
				}
				s.want(s.get("/me"), 200)
			})
		})
	}
}

func TestLogin_Cookies(t *testing.T) {
	rows := []struct {
		name    string
		cookies sessionauth.Cookies
		want    string // after the name
	}{
		{"186 default", sessionauth.Cookies{}, "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"186 Domain only if configured", sessionauth.Cookies{Domain: "example.com"}, "; Path=/; Domain=example.com; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"186 Path", sessionauth.Cookies{Path: "/app"}, "; Path=/app; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"186 Strict", sessionauth.Cookies{SameSite: http.SameSiteStrictMode}, "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict"},
		{"186 None", sessionauth.Cookies{SameSite: http.SameSiteNoneMode}, "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=None"},
		{"186 __Host- names", sessionauth.Cookies{Token: "__Host-t", JWT: "__Host-j"}, "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"186 for scripts", sessionauth.Cookies{ScriptReadable: true}, "; Path=/; Max-Age=3600; Secure; SameSite=Lax"},
		{"186 for development", sessionauth.Cookies{AllowHTTP: true}, "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *setup) { c.auth.Cookies = row.cookies; c.auth.Cookies.WriteBack = true })
				names := s.Auth.Cookies()
				want := []string{names.Token + row.want, names.JWT + row.want}
				// What the connection claims to be does not matter.
				r := newRequest("POST", "/login", right, jsonType, "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.example", "Forwarded: proto=http;host=evil.example")
				r.Host, r.TLS, r.RemoteAddr = "localhost", nil, "127.0.0.1:1"
				resp := s.do(r)
				s.want(resp, 200)
				if got := setCookies(resp); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				cleared := setCookies(s.postJSON("/logout", ""))
				for i := range want {
					want[i] = strings.Replace(want[i], "Max-Age=3600", "Max-Age=0", 1)
				}
				if !slices.Equal(cleared, want) {
					t.Errorf("got %q cleared, want %q: the attributes they were set with", cleared, want)
				}
			})
		})
	}
}

func TestLogin_MaxAgeEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		// The answer of Stytch takes a while.
		s.Tap(pathPassword, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			time.Sleep(1500 * time.Millisecond)
			return resp, err
		})
		for _, c := range s.postJSON("/login", right).Cookies() {
			if c.MaxAge != 3598 {
				t.Errorf("got Max-Age %d, want 3598", c.MaxAge)
			}
		}
	})
}

func TestLogin_RevokesTheOldSession(t *testing.T) {
	rows := []struct {
		name    string
		hold    func(*env, stytchtest.Session) (fields string) // what the browser sends
		revoked bool
	}{
		{"185 both cookies", func(s *env, old stytchtest.Session) string { s.hold(old.Token, old.JWT); return "" }, true},
		{"185 the token alone", func(s *env, old stytchtest.Session) string { s.hold(old.Token, ""); return "" }, true},
		{"185 the JWT alone", func(s *env, old stytchtest.Session) string { s.hold("", old.JWT); return "" }, true},
		{"185 the JWT, expired", func(s *env, old stytchtest.Session) string {
			s.hold("", old.JWT)
			time.Sleep(6 * time.Minute)
			return ""
		}, true},
		{"185 a repeated cookie", func(s *env, old stytchtest.Session) string {
			s.hold(old.Token, "")
			return "Cookie: stytch_session=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
		}, true},
		{"185 not of a token in a header", func(_ *env, old stytchtest.Session) string { return "Authorization: Bearer " + old.Token }, false},
		{"185 not of a JWT in a header", func(_ *env, old stytchtest.Session) string { return "Authorization: Bearer " + old.JWT }, false},
	}
	for _, row := range rows {
		for _, email := range []string{adasEmail, bobsEmail} {
			t.Run(row.name+" of "+email, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					owner := map[string]stytch.User{adasEmail: s.ada, bobsEmail: s.bob}[email]
					old := s.StartSession(owner.ID, stytchtest.SessionOptions{})
					later := s.JWT(old.ID)
					fields := []string{jsonType}
					if f := row.hold(s, old); f != "" {
						fields = append(fields, f)
					}
					resp := s.send("POST", "/login", right, fields...)
					s.want(resp, 200)
					if sent := s.sent(); sent["session_token"] != nil || sent["session_jwt"] != nil {
						t.Error("got the old session sent along, want a new one")
					}
					fresh := s.session(s.get("/me"))
					if fresh.UserID != s.ada.ID || fresh.ID == old.ID || s.cookie(tokenName) == old.Token || s.cookie(jwtName) == old.JWT {
						t.Errorf("got session %s of %s, want a new one of Ada's", fresh.ID, fresh.UserID)
					}
					s.wantAlive(old.Token, !row.revoked)
					if row.revoked {
						s.want(s.other().get("/me", "Authorization: Bearer "+later), 401)
						s.want(s.other().get("/me", "Authorization: Bearer "+old.Token), 401)
					}
				})
			})
		}
	}
}

func TestLogin_FailureKeepsTheOldSession(t *testing.T) {
	for _, body := range []string{wrong, `{"email":"nobody@example.com","password":"x"}`, `{`, `{}`} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			old := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
			s.hold(old.Token, old.JWT)
			s.wantUntouched(s.postJSON("/login", body))
			before := s.Claims(old.ID)["exp"]
			if got := s.session(s.get("/me")); got.ID != old.ID || s.Claims(old.ID)["exp"] != before {
				t.Errorf("got session %s, want the old one as it was", got.ID)
			}
			s.WantCalls(pathRevoke, 0)
			s.wantAlive(old.Token, true)
		})
	}
}

func TestLogin_OldSessionCannotBeRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		old := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.hold(old.Token, old.JWT)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
		s.want(s.postJSON("/login", right), 200)
		s.want(s.other().get("/me", "Authorization: Bearer "+old.JWT), 401)
		s.SetFault(pathRevoke, stytchtest.Fault{})
		time.Sleep(2 * time.Second)
		s.want(s.other().get("/me", "Authorization: Bearer "+s.cookie(tokenName)), 200)
		synctest.Wait()
		s.wantAlive(old.Token, false)
	})
}

func TestLogin_CanceledRequestRevokesTheOldSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		old := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.hold(old.Token, "")
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: time.Second}) // the call that introspects the old token
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		s.do(newRequest("POST", "/login", right, jsonType).WithContext(ctx))
		synctest.Wait()
		s.SetFault(pathAuthenticate, stytchtest.Fault{})
		s.wantAlive(old.Token, false)
	})
}

func TestLogin_OnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []error
		s := newEnv(t, func(c *setup) {
			c.login.OnFailure = func(w http.ResponseWriter, _ *http.Request, err error) {
				got = append(got, err)
				w.WriteHeader(http.StatusTeapot)
			}
		})
		resp := s.postForm("/login", "email=ada%40example.com&password=x")
		s.want(resp, http.StatusTeapot)
		s.wantUntouched(resp)
		if len(got) != 1 || !errors.Is(got[0], sessionauth.ErrSignIn) || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %v, want ErrSignIn once, and no-store", got)
		}
		s.want(s.postForm("/login", rightForm), 303)
		s.want(s.postForm("/step-up", "password=x"), http.StatusTeapot)
		if len(got) != 2 || !errors.Is(got[1], sessionauth.ErrSignIn) {
			t.Errorf("got %v, want ErrSignIn twice", got)
		}
	})
}

func TestLogin_EmptyFieldsOfAForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) {
			c.login.OnFailure = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusTeapot) }
		})
		email, password := s.postForm("/login", "email=&password=x"), s.postForm("/login", "email=ada%40example.com&password=")
		if email.StatusCode != password.StatusCode {
			t.Errorf("got %d without e-mail and %d without password, want one answer for both", email.StatusCode, password.StatusCode)
		}
	})
}

func TestLogin_SessionDuration(t *testing.T) {
	rows := []struct {
		name     string
		duration time.Duration
		want     any // session_duration_minutes as sent; nil if New refuses
	}{
		{"default is an hour", 0, 60.0},
		{"the least", 5 * time.Minute, 5.0},
		{"the most", 366 * 24 * time.Hour, 527040.0},
		{"less than five minutes", 4 * time.Minute, nil},
		{"more than 366 days", 366*24*time.Hour + time.Minute, nil},
		{"half a minute over", 10*time.Minute + 30*time.Second, nil},
		{"a nanosecond over", 5*time.Minute + 1, nil},
		{"negative", -time.Hour, nil},
		{"without a unit", 60, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if row.want == nil {
					_, err := login.New(login.Config{Auth: newEnv(t).Auth, SessionDuration: row.duration})
					if err == nil || !strings.Contains(err.Error(), "SessionDuration") {
						t.Errorf("got %v, want an error that names SessionDuration", err)
					}
					return
				}
				s := newEnv(t, func(c *setup) { c.login.SessionDuration = row.duration })
				s.want(s.postJSON("/login", right), 200)
				if got := s.sent()["session_duration_minutes"]; got != row.want {
					t.Errorf("got %v minutes, want %v", got, row.want)
				}
			})
		})
	}
}

func TestNew_InvalidConfig(t *testing.T) {
	s := newEnv(t)
	plain, err := sessionauth.New(sessionauth.Config{ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name   string
		config login.Config
		names  string // what the error names; empty if there is none
	}{
		{"no Auth", login.Config{}, "Auth"},
		{"cookies that cannot be written back", login.Config{Auth: plain}, "WriteBack"},
		{"AfterLogout on another host", login.Config{Auth: s.Auth, AfterLogout: "https://evil.example/"}, "AfterLogout"},
		{"AfterLogout without scheme", login.Config{Auth: s.Auth, AfterLogout: "//evil.example"}, "AfterLogout"},
		{"AfterLogout with a backslash", login.Config{Auth: s.Auth, AfterLogout: `/\evil.example`}, "AfterLogout"},
		{"AfterLogout that is relative", login.Config{Auth: s.Auth, AfterLogout: "bye"}, "AfterLogout"},
		{"AfterLogout with a line break", login.Config{Auth: s.Auth, AfterLogout: "/bye\r\nSet-Cookie: a=b"}, "AfterLogout"},
		{"AfterLogout on this site", login.Config{Auth: s.Auth, AfterLogout: "/bye?now=1"}, ""},
		{"Auth alone", login.Config{Auth: s.Auth}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			h, err := login.New(row.config)
			if (err == nil) != (row.names == "") || (h == nil) != (err != nil) {
				t.Fatalf("got %v, %v, want an error: %t", h, err, row.names != "")
			}
			if err != nil && (!strings.HasPrefix(err.Error(), "login: ") || !strings.Contains(err.Error(), row.names)) {
				t.Errorf("got %q, want login: and %s", err, row.names)
			}
		})
	}
}
