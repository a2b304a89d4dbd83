package sessionauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

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

// In a bubble all requests wait when the answer comes. Here it comes at once, and
// requests see every state of the cache.
func TestRequire_CoalescesCallsOutsideABubble(t *testing.T) {
	for _, needs := range authtest.NeedsCall {
		t.Run(needs.Name, func(t *testing.T) {
			for range rounds() {
				s := newEnv(t)
				if needs.Name == "an expired JWT" {
					// No time passes here: it was issued in the past.
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

// rounds returns how often a test looks for a race that it meets by chance.
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

// needsAnyCall is NeedsCall and the key set.
var needsAnyCall = append(slices.Clip(authtest.NeedsCall), struct {
	Name    string
	Path    string
	Prefix  string
	Prepare func(*env)
	Field   func(*env) string
}{"the key set", pathKeySet, "/v1/sessions/jwks/", func(*env) {}, func(s *env) string { return bearer(s.Session.JWT) }})

func TestRequire_CoalescedCallWhoseFirstRequestIsCanceled(t *testing.T) {
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

// cancelFirst sends a field a thousand times while a call is under way. The first
// request is canceled after a millisecond.
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
	synctest.Wait() // the first call is under way
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
			answers = append(answers, s.Get(field(s))) // one is late
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
		s.Want(s.Get(bearer(s.Session.Token)), 200) // the places are free again
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
		s.Want(s.Get(bearer(s.Session.JWT)), 200) // the key set and the user, one after the other
		wg.Wait()
		s.WantCalls(pathAuthenticate, 1)
	})
}
