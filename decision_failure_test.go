package sessionauth_test

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

func TestStytchsNoIsRememberedForTenSeconds(t *testing.T) {
	sessionNo := []string{"session_not_found", "invalid_session_token", "unable_to_parse_session_jwt"}
	rows := []struct {
		ask   int // of asking
		types []string
	}{{0, sessionNo}, {1, sessionNo}, {2, []string{"user_not_found"}}}
	for _, row := range rows {
		ask := authtest.NeedsCall[row.ask]
		for _, kind := range row.types {
			for _, status := range []int{400, 401, 404, 429, 500, 503} {
				t.Run(ask.Name+": "+kind+" with "+http.StatusText(status), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(t)
						ask.Prepare(s)
						s.SetFault(ask.Path, stytchtest.Fault{Status: status, ErrorType: kind})
						s.Want(s.Get(ask.Field(s)), 401)
						s.SetFault(ask.Path, stytchtest.Fault{})
						time.Sleep(10*time.Second - time.Millisecond)
						s.Want(s.Get(ask.Field(s)), 401)
						s.WantCalls(ask.Path, 1)
						s.WantPassed(0, "")
						if row.ask == 1 && kind == "session_not_found" {
							return // its session is denied for longer
						}
						time.Sleep(time.Millisecond)
						s.Want(s.Get(ask.Field(s)), 200)
						s.WantCalls(ask.Path, 2)
					})
				})
			}
		}
	}
}

func TestANoThatIsNotAboutWhatWasAskedDecidesNothing(t *testing.T) {
	rows := []struct {
		ask  int
		kind string
	}{
		{0, "user_not_found"}, {1, "user_not_found"}, {0, "email_not_found"}, {0, "too_many_session_arguments"}, {1, "too_many_session_arguments"},
		{0, "route_not_found"}, {0, "bad_request"}, {0, "consumer_session_authorization_error"}, {0, ""},
	}
	for _, row := range rows {
		ask := authtest.NeedsCall[row.ask]
		for _, status := range []int{400, 404} {
			for _, by := range authtest.Carriers {
				t.Run(fmt.Sprintf("173 %s: %d %s/%s", ask.Name, status, row.kind, by.Name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(t)
						ask.Prepare(s)
						s.SetFault(ask.Path, stytchtest.Fault{Status: status, ErrorType: row.kind})
						s.WantAnswer(s.Get(by.Carry(ask.Field(s))), want503r)
						s.WantCalls(ask.Path, 1)
						s.WantPassed(0, "")
						s.SetFault(ask.Path, stytchtest.Fault{})
						s.Want(s.Get(by.Carry(ask.Field(s))), 200)
					})
				})
			}
		}
	}
}

func TestOurOwnConfigurationIsWrong(t *testing.T) {
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
	s := newStage(t, log.Record)
	s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 401, ErrorType: kind})
	token := carry(bearer(s.Session.Token))
	for range 30 {
		s.WantAnswer(s.Get(token), want503r)
		time.Sleep(time.Second)
	}
	s.WantCalls(pathAuthenticate, 30) // nothing is remembered
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

func TestAWrongSecretSignsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log authtest.Log
		s := newStage(t, log.Record, func(c *sessionauth.Config) { c.Secret = "secret-test-wrong" })
		s.Want(s.Get(bearer(s.Session.Token)), 503)
		s.Want(s.Get(bearer(s.Session.JWT)), 503) // the user cannot be loaded
		log.WantErrors(t, 1)
		if strings.Contains(log.String(), "secret-test-wrong") {
			t.Error("got the secret in the log")
		}
	})
}

func TestRetryAfterIsClampedToAMinute(t *testing.T) {
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
					s := newStage(t)
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

func TestWhatDecidesNothingIs503AndNotKept(t *testing.T) {
	const ids = `"session":{"session_id":"session-test-1","user_id":"user-test-1"},"user":{"user_id":"user-test-1"},"user_id":"user-test-1"`
	answer := func(status int, body string, fields ...string) authtest.Tap {
		return func(*http.Request, http.RoundTripper) (*http.Response, error) {
			return authtest.Reply(status, body, fields...), nil
		}
	}
	bent := authtest.EditAnswers
	without := func(names ...string) authtest.Tap {
		return bent(func(a map[string]any) {
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
		calls int // if zero, 1; 2 where it is safe to ask again
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
		{"200 without the id of what was asked for", bent(func(a map[string]any) {
			if session, ok := a["session"].(map[string]any); ok {
				a = session
			}
			delete(a, map[bool]string{true: "session_id", false: "user_id"}[a["session_id"] != nil])
		}), 0},
		{"200 with empty objects", answer(200, `{"session":{},"user":{}}`), 0},
		{"200 with null objects", answer(200, `{"session":null,"user":null}`), 0},
		{"200 with another user", bent(func(a map[string]any) {
			if u, ok := a["user"].(map[string]any); ok {
				a = u
			}
			a["user_id"] = "user-test-other"
		}), 0},
		{"200 with a repeated name", answer(200, "{"+ids+","+ids+"}"), 0},
		{"200 with another type", bent(func(a map[string]any) {
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
	for _, ask := range authtest.NeedsCall {
		for _, row := range rows {
			for _, by := range authtest.Carriers {
				t.Run("171 "+ask.Name+": "+row.name+"/"+by.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(t)
						ask.Prepare(s)
						decidesNothing(s, by.Carry(ask.Field(s)), ask.Prefix, row.tap, row.calls)
					})
				})
			}
		}
	}
}

// decidesNothing sends a field twice while calls of paths with this prefix get
// another answer, which they are asked for so often each time.
func decidesNothing(s *stage, field, prefix string, answer authtest.Tap, each int) {
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

// broken is a body whose connection is gone.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestAHangingStytchIs503AtTheTimeout(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, func(c *sessionauth.Config) { c.Timeout = 2 * time.Second })
				ask.Prepare(s)
				s.SetFault(ask.Path, stytchtest.Fault{Delay: time.Hour})
				began := time.Now()
				s.Want(s.Get(ask.Field(s)), 503)
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("got an answer after %v, want 2s", took)
				}
				s.SetFault(ask.Path, stytchtest.Fault{})
				s.Want(s.Get(ask.Field(s)), 200)
			})
		})
	}
}

func TestAPanicInTheTransportKillsNobody(t *testing.T) {
	rows := []struct {
		name, prefix string
		field        func(*stage) string
		value        func(*stage) any
	}{
		{"asking about a token", pathAuthenticate, func(s *stage) string { return bearer(s.Session.Token) }, func(s *stage) any { return "token " + s.Session.Token }},
		{"loading a user", "/v1/users/", func(s *stage) string { return bearer(s.Session.JWT) }, func(s *stage) any { return errors.New("jwt " + s.Session.JWT) }},
		{"fetching the key set", "/v1/sessions/jwks/", func(s *stage) string { return bearer(s.Session.JWT) }, func(s *stage) any { return s.Session.JWT }},
		{"by http.ErrAbortHandler", pathAuthenticate, func(s *stage) string { return bearer(s.Session.Token) }, func(*stage) any { return http.ErrAbortHandler }},
		{"by the runtime", pathAuthenticate, func(s *stage) string { return bearer(s.Session.Token) }, func(*stage) any { var none []int; return none[len(none)] }},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			t.Run("200 "+row.name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log authtest.Log
					s := newStage(t, log.Record)
					field := by.Carry(row.field(s))
					s.Tap(row.prefix, func(*http.Request, http.RoundTripper) (*http.Response, error) { panic(row.value(s)) })
					resp := s.Get(field)
					s.WantAnswer(resp, authtest.Answer{Status: 500})
					s.WantPassed(0, "")
					if text := log.String(); !strings.Contains(text, "goroutine ") || !strings.Contains(text, "decision_failure_test.go") {
						t.Errorf("got the log %q, want the stack", text)
					}
					s.WantNothingOf(authtest.CredentialIn(field), resp)
					s.Tap("", nil)
					time.Sleep(time.Second) // a key set is not asked for again at once
					s.Want(s.Get(field), 200)
				})
			})
		}
	}
}

// With GODEBUG=panicnil=1 nobody who recovers sees a panic(nil).
func TestAPanicThatNobodySeesLetsNobodyIn(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	s := newStage(t, func(c *sessionauth.Config) {
		c.Extractor = func(*http.Request) (sessionauth.Credential, error) { panic(nil) }
	})
	for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
		s.Handler = wrap(s.Next())
		s.Want(s.Get(bearer(s.Session.JWT)), 500)
	}
	if id, err := s.Auth.Authenticate(newRequest("GET", "")); id != nil || err == nil {
		t.Errorf("got %v, %v, want an error", id, err)
	}
	s.WantPassed(0, "")
}

func TestAPanicInTheExtractorLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log authtest.Log
		s := newStage(t, log.Record, func(c *sessionauth.Config) {
			c.Extractor = func(r *http.Request) (sessionauth.Credential, error) { panic(r.Header.Get("Authorization")) }
		})
		for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
			s.Handler = wrap(s.Next())
			s.Want(s.Get(bearer(s.Session.JWT)), 500)
		}
		s.WantPassed(0, "")
		log.WantErrors(t, 2)
		if text := log.String(); !strings.Contains(text, "goroutine ") || strings.Contains(text, s.Session.JWT) {
			t.Errorf("got the log %q, want the stack and no credential", text)
		}
	})
}

func TestAnAnswerThatComesAfterTheSessionsEndLetsNobodyIn(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.Session = s.StartSession(s.Session.UserID, stytchtest.SessionOptions{Duration: 6*time.Minute + time.Second})
				s.Expire() // a second is left
				if ask.Path == pathUser {
					s.Session.JWT = s.JWT(s.Session.ID)
				}
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second))
				s.Want(s.Get(ask.Field(s)), 401)
				s.WantCalls(ask.Path, 1)
				s.WantPassed(0, "")
			})
		})
	}
}
