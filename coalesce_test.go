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
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestAThousandRequestsWithOneNewCredentialMakeOneCall(t *testing.T) {
	for _, ask := range asking {
		for _, by := range carriers {
			t.Run("155 "+ask.name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					ask.prepare(s)
					s.SetFault(ask.path, stytchtest.Fault{Delay: 100 * time.Millisecond})
					for _, resp := range s.together(1000, by.carry(ask.field(s))) {
						s.want(resp, 200)
					}
					s.wantThrough(1000, s.session.ID)
					s.wantCalls(ask.path, 1)
					if got := s.Calls(pathKeySet); got > 1 {
						t.Errorf("got %d calls for the key set, want 1 at most", got)
					}
				})
			})
		}
	}
}

// In a bubble everybody is waiting when the answer comes. Here an answer comes
// at once, and requests meet it at every step of the way.
func TestAnAnswerThatComesAtOnceIsSharedToo(t *testing.T) {
	for _, ask := range asking {
		t.Run(ask.name, func(t *testing.T) {
			for range 20 {
				s := newStage(t)
				if ask.name == "an expired JWT" {
					// No time passes here: it was minted in the past.
					s.session.JWT = s.sign(func(_, c map[string]any) {
						for _, name := range []string{"iat", "nbf", "exp"} {
							c[name] = c[name].(int64) - 360
						}
					})
				}
				for _, resp := range s.together(200, ask.field(s)) {
					s.want(resp, 200)
				}
				s.wantCalls(ask.path, 1)
				if t.Failed() {
					return
				}
			}
		})
	}
}

func TestARejectionThatComesAtOnceIsSharedToo(t *testing.T) {
	for range 20 {
		s := newStage(t)
		for _, resp := range s.together(200, bearer(inventedToken)) {
			s.want(resp, 401)
		}
		s.wantCalls(pathAuthenticate, 1)
		if t.Failed() {
			return
		}
	}
}

func TestAFailedCallFailsAllWhoWaitForItAndIsNotKept(t *testing.T) {
	for _, ask := range asking {
		for _, by := range carriers {
			t.Run("157 "+ask.name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					ask.prepare(s)
					s.SetFault(ask.path, stytchtest.Fault{Delay: 100 * time.Millisecond, Status: 500})
					field := by.carry(ask.field(s))
					for _, resp := range s.together(1000, field) {
						s.wantVerdict(resp, want503r)
					}
					s.wantCalls(ask.path, 1)
					s.wantThrough(0, "")
					s.SetFault(ask.path, stytchtest.Fault{})
					s.want(s.get(field), 200)
					s.wantCalls(ask.path, 2)
				})
			})
		}
	}
}

// askingAll is asking, and the key set.
var askingAll = append(slices.Clip(asking), struct {
	name, path, prefix string
	prepare            func(*stage)
	field              func(*stage) string
}{"the key set", pathKeySet, "/v1/sessions/jwks/", func(*stage) {}, func(s *stage) string { return bearer(s.session.JWT) }})

func TestTheFirstCallerGoingAwayFailsNoneOfTheOthers(t *testing.T) {
	for _, ask := range askingAll {
		for _, by := range carriers {
			t.Run("156 "+ask.name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					ask.prepare(s)
					if ask.path != pathKeySet {
						if err := s.auth.Warm(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					s.SetFault(ask.path, stytchtest.Fault{Delay: 100 * time.Millisecond})
					s.firstGoesAway(by.carry(ask.field(s)))
					s.wantCalls(ask.path, 1)
				})
			})
		}
	}
}

// firstGoesAway sends a field a thousand times while a call is under way; the
// first caller leaves after a millisecond.
func (s *stage) firstGoesAway(field string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		began := time.Now()
		s.wantVerdict(s.do(newRequest("GET", field).WithContext(ctx)), want503r)
		if took := time.Since(began); took != time.Millisecond {
			s.t.Errorf("the first caller got an answer after %v, want 1ms", took)
		}
	})
	synctest.Wait() // the first call is under way
	for range 999 {
		wg.Go(func() { s.want(s.get(field), 200) })
	}
	time.Sleep(time.Millisecond)
	cancel()
	wg.Wait()
	s.wantThrough(999, s.session.ID)
}

func TestNobodyWaitsPastTheirOwnDeadline(t *testing.T) {
	hang := func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for _, ask := range askingAll {
		t.Run(ask.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				ask.prepare(s)
				s.tap(ask.prefix, hang)
				var wg sync.WaitGroup
				for i := range 100 {
					own := time.Duration(i) * 50 * time.Millisecond // up to 5 s
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), own)
						defer cancel()
						began := time.Now()
						s.want(s.do(newRequest("GET", ask.field(s)).WithContext(ctx)), 503)
						if took := time.Since(began); took > min(own, 3*time.Second) {
							t.Errorf("got an answer after %v, want it within %v and 3s", took, own)
						}
					})
				}
				wg.Wait()
				time.Sleep(3 * time.Second)
				s.wantIdle()
				s.tap("", nil)
				s.want(s.get(ask.field(s)), 200)
			})
		})
	}
}

func TestARequestWithoutALifeLeftIsNoReasonToFailAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.auth.Authenticate(newRequest("GET", bearer(inventedToken)).WithContext(ctx))
		if !errors.Is(err, sessionauth.ErrUnavailable) && !errors.Is(err, sessionauth.ErrInvalidSession) {
			t.Errorf("got %v, want ErrUnavailable, or ErrInvalidSession if Stytch was faster", err)
		}
		synctest.Wait()
		s.want(s.get(bearer(s.session.Token)), 200)
	})
}

func TestFiftyRequestsWithAnExpiredJWTGetTheSameNewOne(t *testing.T) {
	for _, field := range []func(*stage) string{
		func(s *stage) string { return jwtCookie(s.session.JWT) },
		func(s *stage) string { return bothCookies(s.session.Token, s.session.JWT) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, writeBack)
			s.expire()
			s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 100 * time.Millisecond})
			answers := s.together(49, field(s))
			time.Sleep(20 * time.Second)
			answers = append(answers, s.get(field(s))) // one is late
			fresh := ""
			for _, resp := range answers {
				s.want(resp, 200)
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
			s.wantCalls(pathAuthenticate, 1)
			if fresh == s.session.JWT {
				t.Error("got the old JWT")
			}
			s.want(s.get(bearer(fresh)), 200)
			s.wantCalls(pathAuthenticate, 1)
		})
	}
}

func TestWhatExceedsMaxInFlightIs503AtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.MaxInFlight = 8 })
		var busy, most atomic.Int64
		s.tap(pathAuthenticate, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
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
				resp := s.get(bearer(fmt.Sprintf("invented-token-%d", i)))
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
		s.want(s.get(bearer(s.session.Token)), 200) // there is room again
	})
}

func TestWaitingForAnothersCallTakesNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *sessionauth.Config) { c.MaxInFlight = 2 })
		s.tap(pathAuthenticate, lateAnswers(time.Second))
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, resp := range s.together(100, bearer(s.session.Token)) {
				s.want(resp, 200)
			}
		})
		synctest.Wait()
		s.want(s.get(bearer(s.session.JWT)), 200) // the key set and the user, one after the other
		wg.Wait()
		s.wantCalls(pathAuthenticate, 1)
	})
}
