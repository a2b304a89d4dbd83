package outagetest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestRejection_IsCachedForTenSeconds(t *testing.T) {
	rejections := []string{"session_not_found", "invalid_session_token", "unable_to_parse_session_jwt"}
	rows := []struct {
		needs int // index in NeedsCall
		types []string
	}{{0, rejections}, {1, rejections}, {2, []string{"user_not_found"}}}
	for _, row := range rows {
		needs := authtest.NeedsCall[row.needs]
		for _, kind := range row.types {
			for _, status := range []int{400, 401, 404, 429, 500, 503} {
				t.Run(needs.Name+": "+kind+" with "+http.StatusText(status), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newEnv(t)
						needs.Prepare(s)
						s.SetFault(needs.Path, stytchtest.Fault{Status: status, ErrorType: kind})
						s.Want(s.Get(needs.Field(s)), 401)
						s.SetFault(needs.Path, stytchtest.Fault{})
						time.Sleep(10*time.Second - time.Millisecond)
						s.Want(s.Get(needs.Field(s)), 401)
						s.WantCalls(needs.Path, 1)
						s.WantPassed(0, "")
						if row.needs == 1 && kind == "session_not_found" {
							return // Stytch rejected the session, which is denied for longer than ten seconds
						}
						time.Sleep(time.Millisecond)
						s.Want(s.Get(needs.Field(s)), 200)
						s.WantCalls(needs.Path, 2)
					})
				})
			}
		}
	}
}

func TestAnswers_OtherErrorTypeIsNoRejection(t *testing.T) {
	rows := []struct {
		needs int // index in NeedsCall
		kind  string
	}{
		{0, "user_not_found"}, {1, "user_not_found"}, {0, "email_not_found"}, {0, "too_many_session_arguments"}, {1, "too_many_session_arguments"},
		{0, "route_not_found"}, {0, "bad_request"}, {0, "consumer_session_authorization_error"}, {0, ""},
	}
	for _, row := range rows {
		needs := authtest.NeedsCall[row.needs]
		for _, status := range []int{400, 404} {
			for _, by := range authtest.Carriers {
				t.Run(fmt.Sprintf("173 %s: %d %s/%s", needs.Name, status, row.kind, by.Name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newEnv(t)
						needs.Prepare(s)
						s.SetFault(needs.Path, stytchtest.Fault{Status: status, ErrorType: row.kind})
						s.WantAnswer(s.Get(by.Carry(needs.Field(s))), want503r)
						s.WantCalls(needs.Path, 1)
						s.WantPassed(0, "")
						s.SetFault(needs.Path, stytchtest.Fault{})
						s.Want(s.Get(by.Carry(needs.Field(s))), 200)
					})
				})
			}
		}
	}
}

func TestAnswers_CredentialsOfTheProjectRefused(t *testing.T) {
	types := []string{
		"unauthorized_credentials", "invalid_project_id_authentication", "invalid_secret_authentication",
		"invalid_authorization_header", "unauthorized_project_id_live", "unauthorized_project_id_test",
		"wrong_stack_live", "wrong_stack_test", "live_id_used_in_test_environment",
		"test_id_used_in_live_environment", "invalid_consumer_endpoint", "use_https",
	}
	for _, kind := range types {
		for _, by := range authtest.Carriers {
			t.Run("172 "+kind+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { alarmsOnceAMinute(t, kind, by.Carry) })
			})
		}
	}
}

func alarmsOnceAMinute(t *testing.T, kind string, carry func(string) string) {
	var log authtest.Log
	s := newEnv(t, log.Record)
	s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 401, ErrorType: kind})
	token := carry(bearer(s.Session.Token))
	for range 30 {
		s.WantAnswer(s.Get(token), want503r)
		time.Sleep(time.Second)
	}
	s.WantCalls(pathAuthenticate, 30) // the failure is not cached
	log.WantErrors(t, 1)
	time.Sleep(30*time.Second - time.Millisecond)
	s.WantAnswer(s.Get(token), want503r)
	log.WantErrors(t, 1)
	time.Sleep(time.Millisecond)
	s.WantAnswer(s.Get(token), want503r)
	log.WantErrors(t, 2)
	s.WantPassed(0, "")
	s.SetFault(pathAuthenticate, stytchtest.Fault{})
	s.Want(s.Get(token), 200)
}

func TestAnswers_WrongSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log authtest.Log
		s := newEnv(t, log.Record, func(c *sessionauth.Config) { c.Secret = "secret-test-wrong" })
		s.Want(s.Get(bearer(s.Session.Token)), 503)
		s.Want(s.Get(bearer(s.Session.JWT)), 503) // the call that loads the user fails
		log.WantErrors(t, 1)
		if strings.Contains(log.String(), "secret-test-wrong") {
			t.Error("got the secret in the log")
		}
	})
}

func TestRetryAfter_IsClamped(t *testing.T) {
	rows := []struct{ name, header, want string }{
		{"seconds", "7", "7"},
		{"none", "", "1"},
		{"zero", "0", "1"},
		{"negative", "-5", "1"},
		{"absurd", "1000000000", "60"},
		{"text", "soon", "1"},
		{"a date", "Sat, 01 Jan 2000 00:00:20 GMT", "20"},
		{"a date in the past", "Fri, 31 Dec 1999 23:00:00 GMT", "1"},
		{"a date next year", "Mon, 01 Jan 2001 00:00:00 GMT", "60"},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			t.Run("175 "+row.name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					token := by.Carry(bearer(s.Session.Token))
					s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {row.header}}})
					resp := s.Get(token)
					s.WantAnswer(resp, want503r)
					s.WantRetry(resp, row.want)
					s.WantCalls(pathAuthenticate, 1)
					s.SetFault(pathAuthenticate, stytchtest.Fault{})
					time.Sleep(time.Minute)
					s.Want(s.Get(token), 200)
				})
			})
		}
	}
}

func TestAnswers_InvalidAre503AndNotCached(t *testing.T) {
	authtest.SkipIfShort(t)
	const ids = `"session":{"session_id":"session-test-1","user_id":"user-test-1"},"user":{"user_id":"user-test-1"},"user_id":"user-test-1"`
	answer := func(status int, body string, fields ...string) authtest.Tap {
		return func(*http.Request, http.RoundTripper) (*http.Response, error) {
			return authtest.Reply(status, body, fields...), nil
		}
	}
	without := func(names ...string) authtest.Tap {
		return authtest.EditAnswers(func(a map[string]any) {
			for _, object := range []string{"session", "user"} {
				if o, ok := a[object].(map[string]any); ok {
					for _, name := range names {
						delete(o, name)
					}
				}
			}
			for _, name := range names {
				delete(a, name)
			}
		})
	}
	rows := []struct {
		name  string
		tap   authtest.Tap
		calls int // number of calls; zero means 1. It is 2 if a retry may succeed
	}{
		{"500", answer(500, `{"error_type":"internal_server_error"}`), 0},
		{"502 and HTML", answer(502, "<html>Bad gateway</html>"), 2},
		{"503", answer(503, `{}`), 2},
		{"504", answer(504, ""), 2},
		{"404 and HTML that names a type", answer(404, `<p>"error_type":"session_not_found"</p>`), 0},
		{"404 with the type twice", answer(404, `{"error_type":"session_not_found","error_type":"session_not_found"}`), 0},
		{"404 with the type in other case", answer(404, `{"Error_Type":"session_not_found"}`), 0},
		{"404 with a list", answer(404, `[{"error_type":"session_not_found"}]`), 0},
		{"404 and more after the object", answer(404, `{"error_type":"session_not_found"} {}`), 0},
		{"200 and HTML", answer(200, "<html>welcome</html>"), 0},
		{"200 and nothing", answer(200, ""), 0},
		{"200 and null", answer(200, "null"), 0},
		{"200 and a list", answer(200, "[{"+ids+"}]"), 0},
		{"200 and a truncated object", answer(200, "{"+ids), 0},
		{"200 and more after the object", answer(200, "{"+ids+"}{}"), 0},
		{"200 of 1 MiB and a byte", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			if err == nil {
				spaces := strings.NewReader(strings.Repeat(" ", 1<<20+1-int(resp.ContentLength)))
				resp.Body = io.NopCloser(io.MultiReader(resp.Body, spaces))
			}
			return resp, err
		}, 0},
		{"200 without ids", without("session_id", "user_id"), 0},
		{"200 without a user id", without("user_id"), 0},
		{"200 without the id of the session or user", authtest.EditAnswers(func(a map[string]any) {
			if session, ok := a["session"].(map[string]any); ok {
				a = session
			}
			delete(a, map[bool]string{true: "session_id", false: "user_id"}[a["session_id"] != nil])
		}), 0},
		{"200 with empty objects", answer(200, `{"session":{},"user":{}}`), 0},
		{"200 with null objects", answer(200, `{"session":null,"user":null}`), 0},
		{"200 with another user", authtest.EditAnswers(func(a map[string]any) {
			if u, ok := a["user"].(map[string]any); ok {
				a = u
			}
			a["user_id"] = "user-test-other"
		}), 0},
		{"200 with a repeated name", answer(200, "{"+ids+","+ids+"}"), 0},
		{"200 with another type", authtest.EditAnswers(func(a map[string]any) {
			a["session"], a["emails"] = "x", "x"
		}), 0},
		{"204", answer(204, ""), 0},
		{"a body that breaks off", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			if err == nil {
				resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 100), broken{}))
			}
			return resp, err
		}, 0},
		{"a connection error", func(*http.Request, http.RoundTripper) (*http.Response, error) {
			return nil, errors.New("connection refused")
		}, 2},
		{"a redirect to other hosts", redirect("https://bait.example/v1/sessions/authenticate"), 0},
		{"a redirect to another port", redirect("https://stytch.invalid:8443/"), 0},
		{"a redirect to http", redirect("http://stytch.invalid/"), 0},
	}
	for _, needs := range authtest.NeedsCall {
		for _, row := range rows {
			for _, by := range authtest.Carriers {
				t.Run("171 "+needs.Name+": "+row.name+"/"+by.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newEnv(t)
						needs.Prepare(s)
						isUnavailable(s, by.Carry(needs.Field(s)), needs.Prefix, row.tap, row.calls)
					})
				})
			}
		}
	}
}

// isUnavailable sends a request twice while answer replaces the answers to calls whose path has
// this prefix. Both responses must be 503, and each request must make the given number of calls.
func isUnavailable(s *env, field, prefix string, answer authtest.Tap, each int) {
	s.T.Helper()
	calls := 0
	s.Tap("", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		switch {
		case r.URL.Host != "stytch.invalid":
			s.T.Errorf("got a call of %s, want none", r.URL.Host)
		case strings.HasPrefix(r.URL.Path, prefix):
			calls++
			return answer(r, stytch)
		}
		return stytch.RoundTrip(r)
	})
	for round := range 2 {
		resp := s.Get(field)
		s.WantAnswer(resp, want503r)
		s.WantRetry(resp, "1")
		if want := max(1, each) * (1 + round); calls != want {
			s.T.Errorf("got %d calls, want %d", calls, want)
		}
	}
	s.WantPassed(0, "")
	s.Tap("", nil)
	s.Want(s.Get(field), 200)
}

func redirect(to string) authtest.Tap {
	return func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return authtest.Reply(307, `{"error_type":"moved"}`, "Location: "+to), nil
	}
}

// broken is a response body whose connection is reset.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestTimeout_StytchHangs(t *testing.T) {
	for _, needs := range authtest.NeedsCall {
		t.Run(needs.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, func(c *sessionauth.Config) { c.Timeout = 2 * time.Second })
				needs.Prepare(s)
				s.SetFault(needs.Path, stytchtest.Fault{Delay: time.Hour})
				began := time.Now()
				s.Want(s.Get(needs.Field(s)), 503)
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("got an answer after %v, want 2s", took)
				}
				s.SetFault(needs.Path, stytchtest.Fault{})
				s.Want(s.Get(needs.Field(s)), 200)
			})
		})
	}
}

func TestAnswers_AfterTheEndOfTheSession(t *testing.T) {
	for _, needs := range authtest.NeedsCall {
		t.Run(needs.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{Duration: 6*time.Minute + time.Second})
				s.Expire() // the session lives for one more second
				if needs.Path == pathUser {
					s.Session.JWT = s.JWT(s.Session.ID)
				}
				s.Tap(needs.Prefix, authtest.DelayAnswers(time.Second))
				s.Want(s.Get(needs.Field(s)), 401)
				s.WantCalls(needs.Path, 1)
				s.WantPassed(0, "")
			})
		})
	}
}
