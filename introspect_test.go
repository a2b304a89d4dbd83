package sessionauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestRequire_ExpiredJWT(t *testing.T) {
	rows := []struct {
		name  string
		field func(*env) string
		sent  string
	}{
		{"alone in a header", func(s *env) string { return bearer(s.Session.JWT) }, "session_jwt"},
		{"alone in a cookie", func(s *env) string { return jwtCookie(s.Session.JWT) }, "session_jwt"},
		{"with the token", func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) }, "session_token"},
		{"with a malformed token", func(s *env) string { return bothCookies("short", s.Session.JWT) }, "session_jwt"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				var sent map[string]any
				s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
					body, _ := r.GetBody()
					_ = json.NewDecoder(body).Decode(&sent)
					return stytch.RoundTrip(r)
				})
				s.Expire()
				s.Want(s.Get(row.field(s)), 200)
				s.WantPassed(1, s.Session.ID)
				if len(sent) != 1 || sent[row.sent] == nil {
					t.Errorf("got a call with %d fields, want %s alone", len(sent), row.sent)
				}
				s.Want(s.Get(row.field(s)), 200) // a second request with the old JWT
				s.WantCalls(pathAuthenticate, 1)
			})
		})
	}
}

func TestAuthenticate_SessionDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.SessionDuration = 2 * time.Hour })
		id, err := s.Auth.Authenticate(newRequest("GET", bearer(s.Session.Token)))
		if err != nil || !id.Session.ExpiresAt.Equal(time.Now().Add(2*time.Hour)) {
			t.Errorf("got %+v, %v, want a session of two hours", id, err)
		}
	})
}

// headerPair makes Require read a token and a JWT from two header fields. No other site can set
// these fields, so they are trusted to belong together.
func headerPair(c *sessionauth.Config) {
	c.Extractor = func(r *http.Request) (sessionauth.Credential, error) {
		return sessionauth.Credential{Token: r.Header.Get("X-Token"), JWT: r.Header.Get("X-Jwt"), Header: true}, nil
	}
}

func TestRequire_AnswerAboutAnotherSession(t *testing.T) {
	t.Run("call by token: refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, headerPair)
			other := s.SignIn(stytchtest.SessionOptions{})
			second := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{}) // another session of the same user
			s.Expire()
			s.Want(s.Get("X-Token: "+other.Token, "X-JWT: "+s.Session.JWT), 401)
			s.Want(s.Get("X-Token: "+second.Token, "X-JWT: "+s.Session.JWT), 401)
			s.WantPassed(0, "")
		})
	})
	t.Run("call by token: one call for many requests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, headerPair)
			other := s.SignIn(stytchtest.SessionOptions{})
			s.Expire()
			for range 5 {
				s.Want(s.Get("X-Token: "+other.Token, "X-JWT: "+s.Session.JWT), 401)
			}
			s.WantCalls(pathAuthenticate, 1)
		})
	})
	for _, field := range []string{"session_id", "user_id"} {
		for _, by := range authtest.Carriers {
			t.Run("170 call by JWT: unavailable, other "+field+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { answerAboutAnother(t, field, by.Carry) })
			})
		}
	}
}

func answerAboutAnother(t *testing.T, field string, carry func(string) string) {
	var log authtest.Log
	s := newEnv(t, log.Record)
	s.Expire()
	s.Tap(pathAuthenticate, authtest.EditAnswers(func(answer map[string]any) {
		answer["session"].(map[string]any)[field] = "other-test-1"
		if field == "user_id" {
			answer["user"].(map[string]any)[field] = "other-test-1"
		}
	}))
	jwt := carry(bearer(s.Session.JWT))
	s.WantAnswer(s.Get(jwt), want503r)
	s.WantAnswer(s.Get(jwt), want503r)
	s.WantPassed(0, "")
	log.WantErrors(t, 1)
	s.Tap("", nil)
	s.Want(s.Get(jwt), 200)
	s.WantCalls(pathAuthenticate, 3)
}

func TestRequire_RejectionDeniesTheSession(t *testing.T) {
	rows := []struct {
		name  string
		field func(*env) string
		calls int
	}{
		{"call by JWT", func(s *env) string { return jwtCookie(s.Session.JWT) }, 1},
		{"call by token, which may be of another session, then by JWT", func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) }, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.Expire()
				s.RevokeSession(s.Session.ID)
				s.Want(s.Get(row.field(s)), 401)
				s.Want(s.Get(bearer(s.JWT(s.Session.ID))), 401) // a new JWT of the rejected session
				s.WantCalls(pathAuthenticate, row.calls)
			})
		})
	}
}

func TestRequire_TokenIsIntrospectedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		for _, field := range []string{bearer(s.Session.Token), tokenCookie(s.Session.Token)} {
			s.Want(s.Get(field), 200)
			s.Want(s.Get(field), 200)
		}
		s.WantCalls(pathAuthenticate, 1)
		s.WantCalls(pathUser, 0)
		for range 3 {
			s.Want(s.Get(bearer(inventedToken)), 401)
		}
		s.WantCalls(pathAuthenticate, 2)
		for _, bad := range []string{"fifteen-bytes-1", strings.Repeat("x", 257), inventedToken + "===", "bad.token.1.0000000", inventedToken + "+"} {
			s.Want(s.Get(tokenCookie(bad)), 401)
			s.Want(s.Get(bearer(bad)), 401)
		}
		s.WantCalls(pathAuthenticate, 2)
		s.WantPassed(4, s.Session.ID)
	})
}

func TestRequire_PlantedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, writeBack)
		s.Expire()
		planted := bothCookies(inventedToken, s.Session.JWT) // a sibling domain planted the token
		resp := s.Get(planted)
		s.Want(resp, 200)
		if len(setCookies(resp)) != 1 {
			t.Errorf("got %v, want the new JWT", setCookies(resp))
		}
		s.Want(s.Get(planted), 200)
		s.WantCalls(pathAuthenticate, 2) // one call with the token, then one with the JWT
	})
}

func TestRequire_OldJWTsShareAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		var old []string
		for range 20 {
			old = append(old, s.JWT(s.Session.ID))
			time.Sleep(time.Second)
		}
		s.Expire()
		for _, jwt := range old {
			s.Want(s.Get(bearer(jwt)), 200)
		}
		s.WantCalls(pathAuthenticate, 1)
	})
}

// Applications choose the external ids of users. If the external id of one user equals the user id
// of another, the two must not be confused.
func TestRequire_UserByExternalID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		mallory := s.AddUser(stytchtest.User{}).ID
		s.Tap("/v1/users/", authtest.EditAnswers(func(user map[string]any) {
			user["external_id"], user["user_id"] = user["user_id"], mallory
		}))
		s.Want(s.Get(bearer(s.Session.JWT)), 503)
		s.WantCalls(pathUser, 1)
		s.WantPassed(0, "")
		s.Tap("/v1/users/", nil)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
	})
}

func TestRequire_CoalescesCalls(t *testing.T) {
	for _, needs := range authtest.NeedsCall {
		for _, by := range authtest.Carriers {
			t.Run("155 "+needs.Name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					needs.Prepare(s)
					s.SetFault(needs.Path, stytchtest.Fault{Delay: 100 * time.Millisecond})
					for _, resp := range s.Together(1000, by.Carry(needs.Field(s))) {
						s.Want(resp, 200)
					}
					s.WantPassed(1000, s.Session.ID)
					s.WantCalls(needs.Path, 1)
					if got := s.Calls(pathKeySet); got > 1 {
						t.Errorf("got %d calls for the key set, want 1 at most", got)
					}
				})
			})
		}
	}
}

// In a synctest bubble all requests are waiting when the answer arrives. Outside of a bubble the
// answer arrives immediately, so that requests meet the cache in every state.
func TestRequire_CoalescesCallsOutsideABubble(t *testing.T) {
	authtest.SkipIfShort(t)
	for _, needs := range authtest.NeedsCall {
		t.Run(needs.Name, func(t *testing.T) {
			for range rounds() {
				s := newEnv(t)
				if needs.Name == "an expired JWT" {
					// Time does not pass in this test, so the JWT is issued in the past.
					s.Session.JWT = s.SignJWT(func(_, c map[string]any) {
						for _, name := range []string{"iat", "nbf", "exp"} {
							c[name] = c[name].(int64) - 360
						}
					})
				}
				for _, resp := range s.Together(200, needs.Field(s)) {
					s.Want(resp, 200)
				}
				s.WantCalls(needs.Path, 1)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// rounds returns how often a test repeats an attempt to meet a race.
func rounds() int {
	if authtest.Slow {
		return 50
	}
	return 10
}

func TestRequire_CoalescesCallsThatAreRejected(t *testing.T) {
	for range rounds() {
		s := newEnv(t)
		for _, resp := range s.Together(200, bearer(inventedToken)) {
			s.Want(resp, 401)
		}
		s.WantCalls(pathAuthenticate, 1)
		if t.Failed() {
			return
		}
	}
}

func TestRequire_CoalescedCallFails(t *testing.T) {
	authtest.SkipIfShort(t)
	for _, needs := range authtest.NeedsCall {
		for _, by := range authtest.Carriers {
			t.Run("157 "+needs.Name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					needs.Prepare(s)
					s.SetFault(needs.Path, stytchtest.Fault{Delay: 100 * time.Millisecond, Status: 500})
					field := by.Carry(needs.Field(s))
					for _, resp := range s.Together(1000, field) {
						s.WantAnswer(resp, want503r)
					}
					s.WantCalls(needs.Path, 1)
					s.WantPassed(0, "")
					s.SetFault(needs.Path, stytchtest.Fault{})
					s.Want(s.Get(field), 200)
					s.WantCalls(needs.Path, 2)
				})
			})
		}
	}
}

// needsAnyCall contains the cases of NeedsCall and the fetch of the key set.
var needsAnyCall = append(slices.Clip(authtest.NeedsCall), struct {
	Name    string
	Path    string
	Prefix  string
	Prepare func(*env)
	Field   func(*env) string
}{"the key set", pathKeySet, "/v1/sessions/jwks/", func(*env) {}, func(s *env) string { return bearer(s.Session.JWT) }})

func TestRequire_CoalescedCallWhoseFirstRequestIsCanceled(t *testing.T) {
	authtest.SkipIfShort(t)
	for _, needs := range needsAnyCall {
		for _, by := range authtest.Carriers {
			t.Run("156 "+needs.Name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					needs.Prepare(s)
					if needs.Path != pathKeySet {
						if err := s.Auth.Warm(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					s.SetFault(needs.Path, stytchtest.Fault{Delay: 100 * time.Millisecond})
					cancelFirst(s, by.Carry(needs.Field(s)))
					s.WantCalls(needs.Path, 1)
				})
			})
		}
	}
}

// cancelFirst sends the same request a thousand times while one call is in progress. The first
// request is canceled after a millisecond, and the others must still pass.
func cancelFirst(s *env, field string) {
	s.T.Helper()
	ctx, cancel := context.WithCancel(s.T.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		began := time.Now()
		s.WantAnswer(s.Do(newRequest("GET", field).WithContext(ctx)), want503r)
		if took := time.Since(began); took != time.Millisecond {
			s.T.Errorf("got an answer to the first request after %v, want 1ms", took)
		}
	})
	synctest.Wait() // the first call is in progress
	for range 999 {
		wg.Go(func() { s.Want(s.Get(field), 200) })
	}
	time.Sleep(time.Millisecond)
	cancel()
	wg.Wait()
	s.WantPassed(999, s.Session.ID)
}

func TestRequire_ContextDeadline(t *testing.T) {
	hang := func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for _, needs := range needsAnyCall {
		t.Run(needs.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				needs.Prepare(s)
				s.Tap(needs.Prefix, hang)
				var wg sync.WaitGroup
				for i := range 100 {
					own := time.Duration(i) * 50 * time.Millisecond // up to 5 s
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), own)
						defer cancel()
						began := time.Now()
						s.Want(s.Do(newRequest("GET", needs.Field(s)).WithContext(ctx)), 503)
						if took := time.Since(began); took > min(own, 3*time.Second) {
							t.Errorf("got an answer after %v, want it within %v and 3s", took, own)
						}
					})
				}
				wg.Wait()
				time.Sleep(3 * time.Second)
				s.WantIdle()
				s.Tap("", nil)
				s.Want(s.Get(needs.Field(s)), 200)
			})
		})
	}
}

func TestAuthenticate_CanceledContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Auth.Authenticate(newRequest("GET", bearer(inventedToken)).WithContext(ctx))
		if !errors.Is(err, sessionauth.ErrUnavailable) && !errors.Is(err, sessionauth.ErrInvalidSession) {
			t.Errorf("got %v, want ErrUnavailable, or ErrInvalidSession if Stytch was faster", err)
		}
		synctest.Wait()
		s.Want(s.Get(bearer(s.Session.Token)), 200)
	})
}

func TestRequire_CoalescedCallWritesTheSameJWTBack(t *testing.T) {
	for _, field := range []func(*env) string{
		func(s *env) string { return jwtCookie(s.Session.JWT) },
		func(s *env) string { return bothCookies(s.Session.Token, s.Session.JWT) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, writeBack)
			s.Expire()
			s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 100 * time.Millisecond})
			answers := s.Together(49, field(s))
			time.Sleep(20 * time.Second)
			answers = append(answers, s.Get(field(s))) // one request comes later
			fresh := ""
			for _, resp := range answers {
				s.Want(resp, 200)
				cookies := resp.Cookies()
				if len(cookies) != 1 || cookies[0].Name != "stytch_session_jwt" || cookies[0].Value == "" {
					t.Fatalf("got %d cookies, want the new JWT", len(cookies))
				}
				if fresh == "" {
					fresh = cookies[0].Value
				}
				if cookies[0].Value != fresh {
					t.Error("got another new JWT than the others")
				}
			}
			s.WantCalls(pathAuthenticate, 1)
			if fresh == s.Session.JWT {
				t.Error("got the old JWT")
			}
			s.Want(s.Get(bearer(fresh)), 200)
			s.WantCalls(pathAuthenticate, 1)
		})
	}
}

func TestRequire_MaxInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.MaxInFlight = 8 })
		var busy, most atomic.Int64
		s.Tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			n := busy.Add(1)
			defer busy.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(time.Second)
			return stytch.RoundTrip(r)
		})
		var wg sync.WaitGroup
		var refused, unavailable atomic.Int64
		for i := range 50 {
			wg.Go(func() {
				began := time.Now()
				resp := s.Get(bearer(fmt.Sprintf("invented-token-%d", i)))
				switch took := time.Since(began); {
				case resp.StatusCode == 401 && took == time.Second:
					refused.Add(1)
				case resp.StatusCode == 503 && took == 0 && resp.Header.Get("Retry-After") == "1":
					unavailable.Add(1)
				default:
					t.Errorf("got status %d after %v", resp.StatusCode, took)
				}
			})
		}
		wg.Wait()
		if refused.Load() == 0 || refused.Load()+unavailable.Load() != 50 || most.Load() > 8 {
			t.Errorf("got %d refused, %d unavailable, %d calls at a time; want 8 at a time at most",
				refused.Load(), unavailable.Load(), most.Load())
		}
		s.Want(s.Get(bearer(s.Session.Token)), 200) // all places for calls are free again
	})
}

func TestRequire_MaxInFlightCountsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *sessionauth.Config) { c.MaxInFlight = 4 })
		s.Tap(pathAuthenticate, authtest.DelayAnswers(time.Second))
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, resp := range s.Together(100, bearer(s.Session.Token)) {
				s.Want(resp, 200)
			}
		})
		synctest.Wait()
		s.Want(s.Get(bearer(s.Session.JWT)), 200) // fetches the key set and then the user
		wg.Wait()
		s.WantCalls(pathAuthenticate, 1)
	})
}

func TestRequire_PanicInTheTransport(t *testing.T) {
	rows := []struct {
		name, prefix string
		field        func(*env) string
		value        func(*env) any
	}{
		{"introspecting a token", pathAuthenticate, func(s *env) string { return bearer(s.Session.Token) }, func(s *env) any { return "token " + s.Session.Token }},
		{"loading a user", "/v1/users/", func(s *env) string { return bearer(s.Session.JWT) }, func(s *env) any { return errors.New("jwt " + s.Session.JWT) }},
		{"fetching the key set", "/v1/sessions/jwks/", func(s *env) string { return bearer(s.Session.JWT) }, func(s *env) any { return s.Session.JWT }},
		{"by http.ErrAbortHandler", pathAuthenticate, func(s *env) string { return bearer(s.Session.Token) }, func(*env) any { return http.ErrAbortHandler }},
		{"by the runtime", pathAuthenticate, func(s *env) string { return bearer(s.Session.Token) }, func(*env) any { var none []int; return none[len(none)] }},
	}
	for _, row := range rows {
		for _, by := range authtest.Carriers {
			t.Run("200 "+row.name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log authtest.Log
					s := newEnv(t, log.Record)
					field := by.Carry(row.field(s))
					s.Tap(row.prefix, func(*http.Request, http.RoundTripper) (*http.Response, error) { panic(row.value(s)) })
					resp := s.Get(field)
					s.WantAnswer(resp, authtest.Answer{Status: 500})
					s.WantPassed(0, "")
					if text := log.String(); !strings.Contains(text, "goroutine ") || !strings.Contains(text, "introspect_test.go") {
						t.Errorf("got the log %q, want the stack", text)
					}
					s.WantNothingOf(authtest.CredentialIn(field), resp)
					s.Tap("", nil)
					time.Sleep(time.Second) // a key set is not fetched again immediately
					s.Want(s.Get(field), 200)
				})
			})
		}
	}
}
