package login_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// down lists faults of the passwords endpoint, and the time after which the response must arrive.
var down = []struct {
	name  string
	fault stytchtest.Fault
	want  time.Duration
}{
	{"187 500", stytchtest.Fault{Status: 500}, 0},
	{"187 502 and HTML", stytchtest.HTML(502), 0},
	{"187 503", stytchtest.Fault{Status: 503}, 0},
	{"187 504 and HTML", stytchtest.HTML(504), 0},
	{"187 404 and HTML", stytchtest.HTML(404), 0},
	{"187 401 and HTML", stytchtest.HTML(401), 0},
	{"187 401 with the type twice", stytchtest.Raw(401, `{"error_type":"unauthorized_credentials","error_type":"unauthorized_credentials"}`), 0},
	{"187 404 with the type in capitals", stytchtest.Raw(404, `{"ERROR_TYPE":"email_not_found"}`), 0},
	{"187 400 with another type", stytchtest.Raw(400, `{"error_type":["reset_password"]}`), 0},
	{"187 200 and HTML", stytchtest.HTML(200), 0},
	{"187 200 and nothing", stytchtest.Raw(200, ""), 0},
	{"187 200 and null", stytchtest.Raw(200, "null"), 0},
	{"187 200 and {}", stytchtest.Raw(200, "{}"), 0},
	{"187 200 and a list", stytchtest.Raw(200, "[]"), 0},
	{"187 204", stytchtest.Raw(204, ""), 0},
	{"187 200 without ids", stytchtest.WithoutIDs(), 0},
	{"187 200 with repeated names", stytchtest.RepeatedNames(), 0},
	{"187 200 cut off", stytchtest.Truncated(), 0},
	{"187 a connection that breaks off", stytchtest.BrokenOff(), 0},
	{"187 a connection that is reset", stytchtest.Reset(), 0},
	{"187 an endless answer", stytchtest.Endless(), 0},
	{"187 a gzip bomb", stytchtest.GzipBomb(), 0},
	{"187 connection refused", stytchtest.Refuse(), 0},
	{"187 no such host", stytchtest.Fail(errors.New("no such host " + adasEmail + " " + adasPassword)), 0},
	{"187 a redirect to another host", stytchtest.Redirect(307, "https://bait.example/v1/passwords/authenticate"), 0},
	{"187 a redirect to another port", stytchtest.Redirect(308, "https://stytch.invalid:8443/"), 0},
	{"187 a redirect to http", stytchtest.Redirect(302, "http://stytch.invalid/"), 0},
	{"187 silence", stytchtest.Hang(), 3 * time.Second},
	{"187 a byte a second", stytchtest.Trickle(time.Second), 3 * time.Second},
	{"187 an answer after a minute", stytchtest.Fault{Delay: time.Minute}, 3 * time.Second},
}

func TestLogin_WhileStytchIsDown(t *testing.T)  { testDown(t, "/login") }
func TestStepUp_WhileStytchIsDown(t *testing.T) { testDown(t, "/step-up") }

func testDown(t *testing.T, path string) {
	for _, row := range down {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, session.JWT)
				s.SetFault(pathPassword, row.fault)
				began := time.Now()
				resp := s.postJSON(path, right)
				s.wantProblem(resp, 503, "unavailable")
				s.wantUntouched(resp)
				if got := resp.Header.Get("Retry-After"); got != "1" {
					t.Errorf("got Retry-After %q, want 1", got)
				}
				if took := time.Since(began); took != row.want {
					t.Errorf("got an answer after %v, want %v", took, row.want)
				}
				s.want(s.postForm(path, rightForm), 503)
				s.WantCalls(pathPassword, 2) // one call for each request: a password is not sent again
				s.wantErrors(0)
				if got := s.UnexpectedCalls(); len(got) != 0 {
					t.Errorf("got calls of %v, want none", got)
				}
				s.want(s.get("/me"), 200)
				s.SetFault(pathPassword, stytchtest.Fault{})
				s.want(s.postJSON(path, right), 200)
			})
		})
	}
}

func TestStepUp_AnswerAboutAnother(t *testing.T) {
	for name, fault := range map[string]stytchtest.Fault{"another user": stytchtest.OtherUser(), "another session": stytchtest.OtherSession()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, session.JWT)
				token := s.takesToken()
				s.SetFault(pathPassword, fault)
				resp := s.postJSON("/step-up", right)
				s.want(resp, 401)
				s.wantUntouched(resp)
				if *token == "" || *token == session.Token {
					t.Fatal("got no other session, want one")
				}
				s.wantAlive(*token, false)
				s.wantAlive(session.Token, true)
				if got := s.session(s.get("/me")); got.ID != session.ID {
					t.Errorf("got session %s, want the one from before", got.ID)
				}
			})
		})
	}
}
