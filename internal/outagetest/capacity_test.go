package outagetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/guard"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A tally counts the results of one kind of request.
type tally struct{ made, failed atomic.Int64 }

func (t *tally) add(err error) {
	t.made.Add(1)
	if err != nil {
		t.failed.Add(1)
	}
}

func (t *tally) want(tt *testing.T, name string, made, failed int64) {
	tt.Helper()
	tt.Logf("%s: %d of %d failed", name, t.failed.Load(), t.made.Load())
	if t.made.Load() != made || t.failed.Load() > failed {
		tt.Errorf("%s: got %d of %d failed, want at most %d of %d", name, t.failed.Load(), t.made.Load(), failed, made)
	}
}

// at calls do n times, each in its own goroutine, at random times, with an average of rate calls
// per second. It returns when all calls have returned.
func at(seed uint64, rate float64, n int, do func(i int)) {
	random := rand.New(rand.NewPCG(seed, 1))
	var wg sync.WaitGroup
	for i := range n {
		time.Sleep(time.Duration(random.ExpFloat64() / rate * float64(time.Second)))
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// During a flood of invented tokens, which Stytch rejects after 50 ms, there is room for calls of
// signed-in users and for sign-ins. Live tokens that are not cached, as after a restart, also find
// room as long as the flood leaves some of the places for unverified tokens free.
func TestRequire_FloodOfInventedTokens(t *testing.T) {
	authtest.SkipIfShort(t)
	seconds := everyOf(8, 20)
	for _, rate := range []int{400, 1000} {
		t.Run(fmt.Sprint(rate, " a second"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { floods(t, rate, seconds) })
		})
	}
}

func floods(t *testing.T, rate, seconds int) {
	s := newEnv(t, sessionOnly)
	s.Want(s.Get(bearer(s.Session.JWT)), 200)
	old, cold := s.SignInMany(60), s.SignInMany(30*seconds)
	s.Expire()
	verify := func(c sessionauth.Credential) error {
		_, err := s.Auth.Verify(context.Background(), c)
		return err
	}
	if err := verify(sessionauth.Credential{Token: s.Session.Token}); err != nil {
		t.Fatal(err)
	}
	s.SetFault("", stytchtest.Fault{Delay: 50 * time.Millisecond})
	var flood, signIns, stepUps, refreshes, tokens tally
	var wg sync.WaitGroup
	wg.Go(func() {
		at(1, float64(rate), rate*seconds, func(i int) {
			flood.add(verify(sessionauth.Credential{Token: fmt.Sprintf("%s%07d", inventedToken, i)}))
		})
	})
	time.Sleep(time.Second)
	every := float64(60) / float64(seconds-2)
	wg.Go(func() {
		at(2, every, 60, func(int) {
			_, err := s.Auth.SignIn(context.Background(), signInOf(authtest.Password))
			signIns.add(err)
		})
	})
	wg.Go(func() {
		at(3, every, 60, func(int) {
			p := signInOf(authtest.Password)
			p.SessionToken = s.Session.Token
			_, err := s.Auth.SignIn(context.Background(), p)
			stepUps.add(err)
		})
	})
	wg.Go(func() {
		at(4, every, 60, func(i int) { refreshes.add(verify(sessionauth.Credential{JWT: old[i].JWT})) })
	})
	at(5, 30*float64(seconds)/float64(seconds-2), len(cold), func(i int) {
		tokens.add(verify(sessionauth.Credential{Token: cold[i].Token}))
	})
	wg.Wait()
	flood.want(t, "invented tokens", int64(rate*seconds), int64(rate*seconds))
	signIns.want(t, "sign-ins", 60, 1)
	stepUps.want(t, "step-ups", 60, 1)
	refreshes.want(t, "refreshes", 60, 1)
	most := int64(len(cold)) // how many of the live tokens may fail: with a slow flood, one in a hundred
	if rate <= 400 {
		most /= 100
	}
	tokens.want(t, "live tokens", int64(len(cold)), most)
}

// tapBody makes tap answer the calls of a path whose body contains a text.
func tapBody(s *env, path, text string, tap authtest.Tap) {
	s.Tap(path, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(text)) {
			return stytch.RoundTrip(r)
		}
		return tap(r, stytch)
	})
}

// A signed-in user sends a valid JWT, each time with another invented token. This causes only a few
// calls and affects no other user, whatever Stytch answers.
func TestGuard_InventedTokensOfOneUser(t *testing.T) {
	authtest.SkipIfShort(t)
	rows := []struct {
		name   string
		answer authtest.Tap
		guard  func(http.Handler) http.Handler
		most   int // maximum number of calls in 5 seconds
	}{
		{"Factor", authtest.DelayAnswers(50 * time.Millisecond), guard.Factor("totp"), 4},
		{"Fresh", authtest.DelayAnswers(50 * time.Millisecond), guard.Fresh(time.Second), 4},
		{"Live", authtest.DelayAnswers(50 * time.Millisecond), guard.Live(), 16}, // the bound takes effect when the first rejection arrives
		{"Factor, rate limited", func(*http.Request, http.RoundTripper) (*http.Response, error) {
			return authtest.Reply(429, `{"error_type":"too_many_requests"}`, "Retry-After: 60"), nil
		}, guard.Factor("totp"), 4},
		{"Factor, odd answers", func(*http.Request, http.RoundTripper) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			return authtest.Reply(200, `{}`), nil
		}, guard.Factor("totp"), 4},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t, sessionOnly)
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				others := s.SignInMany(100)
				s.Expire()
				var mu sync.Mutex
				var calls []time.Time
				tapBody(s, pathAuthenticate, inventedToken, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
					mu.Lock()
					calls = append(calls, time.Now())
					mu.Unlock()
					return row.answer(r, stytch)
				})
				h, jwt := s.Behind(row.guard), s.JWT(s.Session.ID)
				var wg sync.WaitGroup
				wg.Go(func() {
					at(1, 50, 500, func(i int) {
						s.GetFrom(h, bothCookies(fmt.Sprintf("%s%03d", inventedToken, i), jwt))
					})
				})
				at(2, 10, len(others), func(i int) { s.Want(s.Get(bearer(others[i].JWT)), 200) })
				wg.Wait()
				t.Logf("%d calls for 500 requests", len(calls))
				slices.SortFunc(calls, time.Time.Compare)
				for i := range max(0, len(calls)-row.most) {
					if within := calls[i+row.most].Sub(calls[i]); within < 5*time.Second {
						t.Errorf("got %d calls within %v, want at most %d in 5s", row.most+1, within, row.most)
						break
					}
				}
				s.WantIdle()
			})
		})
	}
}

// Invalid answers about one user must not open a circuit breaker for other users.
func TestRequire_OddAnswersAboutOneUser(t *testing.T) {
	authtest.SkipIfShort(t)
	rows := []struct{ name, answer string }{
		{"a record of 2 MiB", `{"untrusted_metadata":{"a":"` + strings.Repeat("a", 2<<20) + `"}}`},
		{"a record that ends early", `{"user_id":"user-test-1","name":`},
		{"bytes that are not UTF-8", "{\"user_id\":\"\xff\"}"},
		{"a field of the wrong type", `{"user_id":7}`},
		{"nothing", ""},
		{"a page", "<html></html>"},
	}
	for _, row := range rows {
		for _, ask := range authtest.NeedsCall {
			t.Run(row.name+"/"+ask.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var events []sessionauth.Event
					s := newEnv(t, authtest.RecordEvents(&events))
					ask.Prepare(s)
					own := s.Session
					odd := func(*http.Request, http.RoundTripper) (*http.Response, error) {
						return authtest.Reply(200, row.answer), nil
					}
					field := ask.Field(s)
					if ask.Path == pathUser {
						s.Tap("/v1/users/"+own.UserID, odd)
					} else {
						tapBody(s, ask.Path, authtest.CredentialIn(field), odd)
					}
					for range 60 {
						s.Want(s.Get(field), 503)
						time.Sleep(time.Second)
					}
					for _, other := range s.SignInMany(3) {
						if ask.Name == "a token" {
							s.Want(s.Get(bearer(other.Token)), 200)
						}
						s.Want(s.Get(bearer(other.JWT)), 200)
						time.Sleep(6 * time.Minute)
						s.Want(s.Get(bearer(other.JWT)), 200)
						if ask.Path == pathAuthenticate {
							s.Want(s.Get(field), 503)
						}
					}
					if got := events[len(events)-1].OpenBreakers; got != 0 {
						t.Errorf("got %d open breakers, want none", got)
					}
				})
			})
		}
	}
}

// A request joins a call that is about to time out. When the call times out, the request is not
// refused but makes a new call, which Stytch may answer.
func TestRequire_JoinsACallLate(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				ask.Prepare(s)
				var hung atomic.Bool
				s.Tap(ask.Prefix, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
					if hung.Swap(true) {
						return stytch.RoundTrip(r)
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				var wg sync.WaitGroup
				wg.Go(func() { s.Want(s.Get(ask.Field(s)), 503) })
				time.Sleep(2900 * time.Millisecond)
				began := time.Now()
				for range 50 {
					wg.Go(func() {
						s.Want(s.Get(ask.Field(s)), 200)
						if took := time.Since(began); took != 100*time.Millisecond {
							t.Errorf("got an answer after %v, want 100ms", took)
						}
					})
				}
				wg.Wait()
				s.WantCalls(ask.Path, 1) // the other call never reached Stytch
				s.WantIdle()
			})
		})
	}
}

// A 429 must not count as an outage for StaleIfError. Otherwise a user could cause 429s to keep
// using old data about themselves.
func TestStaleIfError_429OfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, staleFor(time.Hour))
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
		time.Sleep(2 * time.Minute)
		s.SetFault(pathUser, tooMany("7"))
		s.WantRetry(s.Get(bearer(s.Session.JWT)), "7")
		s.WantRetry(s.Get(bearer(s.Session.JWT)), "7")
		s.WantCalls(pathUser, 2)
		s.SetFault(pathUser, status(500))
		time.Sleep(7 * time.Second)
		s.Want(s.Get(bearer(s.Session.JWT)), 200)
	})
}
