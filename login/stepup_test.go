package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// held lists the session cookies that a browser may have.
var held = map[string]func(*env, *browser, stytchtest.Session){
	"both cookies":    func(_ *env, b *browser, session stytchtest.Session) { b.hold(session.Token, session.JWT) },
	"the token alone": func(_ *env, b *browser, session stytchtest.Session) { b.hold(session.Token, "") },
	"the JWT alone":   func(_ *env, b *browser, session stytchtest.Session) { b.hold("", session.JWT) },
}

func TestStepUp_HasAnImmediateEffect(t *testing.T) {
	for name, hold := range held {
		for _, body := range []string{right, `{"password":"` + adasPassword + `"}`, `{"email":"","password":"` + adasPassword + `"}`} {
			t.Run(name+" "+body, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					time.Sleep(12 * time.Minute)
					session.JWT = s.JWT(session.ID) // a new JWT with the old factor
					hold(s, s.browser, session)
					before := s.session(s.get("/me"))
					s.want(s.get("/me"), 200) // answered from the cache
					s.want(s.get("/fresh"), 401)
					resp := s.postJSON("/step-up", body)
					s.want(resp, 200)
					want := []string{"stytch_session; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax", "stytch_session_jwt; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"}
					if got := setCookies(resp); !slices.Equal(got, want) || resp.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("got %q, want %q and no-store", got, want)
					}
					after := s.session(s.get("/me"))
					if after.ID != session.ID || time.Since(after.LastFactorAt()) != 0 || time.Until(after.ExpiresAt) != time.Hour || !before.ExpiresAt.Before(after.ExpiresAt) {
						t.Errorf("got %+v, want the same session with a new factor and an hour left", after)
					}
					s.want(s.get("/fresh"), 200)
					// Requests from another tab, with the old cookies, are still in progress.
					late := s.other()
					hold(s, late, session)
					s.want(late.get("/fresh"), 200)
					sent := s.sent()
					if (sent["session_token"] == nil) == (sent["session_jwt"] == nil) || sent["email"] != adasEmail {
						t.Errorf("got %d fields sent, want one credential of the session, and the address", len(sent))
					}
					s.WantCalls(pathRevoke, 0)
				})
			})
		}
	}
}

func TestStepUp_Form(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, session.JWT)
		time.Sleep(11 * time.Minute)
		resp := s.postForm("/step-up", "password=correct+horse+battery+staple&return_to=/notes?a=b")
		s.want(resp, 303)
		if got := resp.Header.Get("Location"); got != "/notes?a=b" {
			t.Errorf("got Location %q, want /notes?a=b", got)
		}
		s.want(s.get("/fresh"), 200)
	})
}

func TestStepUp_ExpiredJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold("", session.JWT)
		time.Sleep(11 * time.Minute)
		s.want(s.get("/me", "Cookie: stytch_session_jwt="+session.JWT), 200) // refreshes the JWT and caches the answer
		s.want(s.postJSON("/step-up", right), 200)
		if after := s.session(s.get("/fresh")); after.ID != session.ID || time.Since(after.LastFactorAt()) != 0 {
			t.Errorf("got %+v, want the same session with a new factor", after)
		}
		b := s.other()
		b.hold("", session.JWT) // the JWT was refreshed just before the step-up
		s.want(b.get("/fresh"), 200)
	})
}

func TestStepUp_PasswordOfAnotherUser(t *testing.T) {
	bobs := `{"email":"` + bobsEmail + `","password":"` + bobsPassword + `"}`
	bodies := map[string]string{"another's address and password": bobs, "a wrong password": wrong, "another's password": `{"password":"` + bobsPassword + `"}`}
	for name, hold := range held {
		for what, body := range bodies {
			t.Run(name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					bob := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
					hold(s, s.browser, session)
					time.Sleep(time.Minute)
					resp := s.postJSON("/step-up", body)
					s.want(resp, 401)
					s.wantUntouched(resp)
					after := s.session(s.get("/me"))
					if after.ID != session.ID || time.Since(after.LastFactorAt()) != time.Minute+500*time.Millisecond && body != bobs {
						t.Errorf("got %+v, want Ada's session as it was", after)
					}
					s.wantAlive(session.Token, true)
					s.wantAlive(bob.Token, true)
				})
			})
		}
	}
}

func TestStepUp_RefusalKeepsTheSession(t *testing.T) {
	bobs := `{"email":"` + bobsEmail + `","password":"` + bobsPassword + `"}`
	for _, body := range []string{wrong, bobs} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
			s.hold(session.Token, session.JWT)
			s.wantProblem(s.postJSON("/step-up", body), 401, "sign-in-refused") // the problem is not invalid-session, because the session is alive
		})
	}
}

// Stytch may start a session for another user, whose password it was. That session must be revoked.
func TestStepUp_RevokesASessionOfAnotherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		bob := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, session.JWT)
		foreign := s.signInAnswer()
		bobs := strings.NewReplacer(s.ada.ID, s.bob.ID)
		s.Tap(pathPassword, nil)
		s.SetFault(pathPassword, stytchtest.Raw(200, bobs.Replace(foreign)))
		resp := s.postJSON("/step-up", right)
		s.wantProblem(resp, 401, "sign-in-refused")
		s.wantUntouched(resp)
		_, rest, _ := strings.Cut(foreign, `"session_token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		s.wantAlive(token, false)
		s.wantAlive(bob.Token, true)
		s.want(s.get("/me"), 200)
	})
}

func TestStepUp_SameSessionOfAnotherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, session.JWT)
		s.Tap(pathPassword, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			return authtest.Reply(200, strings.ReplaceAll(peek(resp), s.ada.ID, s.bob.ID)), err
		})
		resp := s.postJSON("/step-up", right)
		s.wantProblem(resp, 401, "sign-in-refused")
		s.wantUntouched(resp)
		s.WantCalls(pathRevoke, 0) // the session of the user is not revoked
		s.want(s.get("/me"), 200)
	})
}

func TestStepUp_WithoutSession(t *testing.T) {
	rows := []struct {
		name   string
		fields string
		kind   string
	}{
		{"no credential", "", "no-credential"},
		{"a forged JWT", "Cookie: stytch_session_jwt=eyJhbGciOiJSUzI1NiJ9.e30.x", "invalid-session"},
		{"a token that does not exist", "Cookie: stytch_session=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH", "invalid-session"},
		{"a header with a token that does not exist", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH", "invalid-session"},
	}
	for _, row := range rows {
		for _, way := range []string{"/step-up", "/bare"} {
			t.Run(row.name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					fields := []string{"X-Nothing: 1"}
					if row.fields != "" {
						fields = append(fields, row.fields)
					}
					resp := s.postJSON(way, right, fields...)
					s.wantProblem(resp, 401, row.kind)
					s.wantUntouched(resp)
					s.WantCalls(pathPassword, 0)
				})
			})
		}
	}
}

func TestStepUp_WithoutRequire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, session.JWT)
		s.want(s.postJSON("/bare", right), 200)
		if s.sent()["session_token"] != session.Token {
			t.Error("got another session sent, want the request's")
		}
		s.RevokeSession(session.ID)
		if err := s.Auth.Revoke(t.Context(), session.ID); err != nil {
			t.Fatal(err)
		}
		s.want(s.postJSON("/bare", right), 401)
	})
}

func TestStepUp_RepeatedCookies(t *testing.T) {
	for way, status := range map[string]int{"/step-up": 200, "/bare": 400} { // /bare is not behind Require
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
			s.hold(session.Token, "")
			resp := s.postJSON(way, right, "Cookie: stytch_session=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH")
			if status == 200 {
				s.want(resp, 200)
				if got := s.sent()["session_token"]; got != session.Token {
					t.Errorf("got %v sent to Stytch, want the token that Require accepted", got)
				}
				return
			}
			s.wantProblem(resp, 400, "invalid-request")
			s.wantUntouched(resp)
			s.WantCalls(pathPassword, 0)
			s.wantAlive(session.Token, true)
		})
	}
}

func TestStepUp_CookiesOfTwoSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		planted := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.hold(planted.Token, session.JWT)
		resp := s.postJSON("/step-up", right)
		s.want(resp, 400)
		s.wantUntouched(resp)
		s.wantAlive(session.Token, true)
	})
}

func TestStepUp_SessionOnlyNeedsTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.SessionOnly = true })
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, session.JWT)
		s.wantProblem(s.postJSON("/step-up", `{"password":"`+adasPassword+`"}`), 400, "invalid-request")
		s.WantCalls(pathPassword, 0)
		s.want(s.postJSON("/step-up", right), 200)
	})
}

func TestStepUp_HeaderSetsNoCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		resp := s.postJSON("/step-up", right, "Authorization: Bearer "+session.Token)
		s.want(resp, 200)
		s.wantUntouched(resp) // the client is not a browser, so it gets no cookies
	})
}

func TestHandlers_NoFieldChoosesBetweenLoginAndStepUp(t *testing.T) {
	for _, field := range []string{"session_token", "session_jwt", "session", "step_up", "mode", "action", "session_id"} {
		for _, way := range []string{"/login", "/step-up"} {
			t.Run(way+" "+field, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					s.hold(session.Token, session.JWT)
					s.want(s.postJSON(way, strings.Replace(right, "{", `{"`+field+`":"`+session.Token+`",`, 1)), 400)
					s.want(s.postForm(way, rightForm+"&"+field+"="+session.Token), 400)
					// The query and header fields do not set these values either.
					resp := s.postJSON(way+"?"+field+"="+session.Token, right, "X-Session-Token: "+session.Token, "X-Step-Up: 1")
					s.want(resp, 200)
					if along := s.sent()["session_token"] != nil; along != (way == "/step-up") {
						t.Errorf("got the session sent along: %t", along)
					}
				})
			})
		}
	}
}

func TestStepUp_Observe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []sessionauth.Event
		s := newEnv(t, observe(&got))
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, session.JWT)
		s.want(s.postJSON("/step-up", wrong), 401)
		if last := got[len(got)-1]; len(got) != 2 || last.Outcome != sessionauth.Refused || last.Reason != sessionauth.ReasonRejected {
			t.Errorf("got %+v, want a session that passed and a refusal", got)
		}
	})
}
