package sessionjwt_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

func TestKeySet_FetchedWhenNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.want("a.b.c", string(sessionjwt.Malformed))
		e.want(e.Sign([]byte(`{"alg":"none"}`), e.claims()), string(sessionjwt.BadHeader))
		e.want(e.Sign(e.header(), []byte("x")), string(sessionjwt.Malformed))
		e.keys.wantCalls(t, 0)
		e.want(e.valid(), "ok")
		e.want(e.valid(), "ok")
		e.keys.wantCalls(t, 1)
	})
}

// A token whose iat is invalid is refused whatever its key is, so it causes no fetch.
func TestKeySet_NotFetchedForInvalidTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.verifier.Leeway = 5 * time.Second
		for _, iat := range []any{nil, "1", 1e300, 0, time.Now().Add(6 * time.Second).Unix()} {
			claims := e.Claims(e.session.ID)
			claims["iat"] = iat
			e.want(e.Sign(e.header(), asJSON(claims)), string(sessionjwt.BadTime))
		}
		claims := e.Claims(e.session.ID)
		delete(claims, "iat")
		e.want(e.Sign(e.header(), asJSON(claims)), string(sessionjwt.BadTime))
		e.keys.wantCalls(t, 0)
	})
}

func TestKeySet_SharedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.slow(time.Second)
		token := e.valid()
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { e.want(token, "ok") })
		}
		wg.Wait()
		e.keys.wantCalls(t, 1)
	})
}

// A fetch continues if the request that started it is canceled. Each caller stops waiting when its
// own context is done.
func TestKeySet_FetchOutlivesFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.slow(2 * time.Second)
		token := e.valid()
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := e.verifier.Verify(ctx, token)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
			if got := time.Since(began); got != time.Millisecond {
				t.Errorf("got an answer after %v, want %v", got, time.Millisecond)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() { e.want(token, "ok") })
		}
		wg.Wait()
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("got an answer after %v, want %v", got, 2*time.Second)
		}
		e.keys.wantCalls(t, 1)
	})
}

func TestKeySet_UsedFor24Hours(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.slow(30 * time.Second) // the age of the set is counted from the beginning of this fetch
		began := time.Now()
		verified := e.want(e.valid(), "ok")
		e.keys.slow(0)
		e.keys.fail(errDown)
		for time.Since(began) < 24*time.Hour-time.Minute {
			time.Sleep(time.Minute)
			e.want(e.valid(), "ok")
			e.wantTrust(verified, true)
		}
		time.Sleep(24*time.Hour - time.Since(began) - time.Nanosecond)
		e.want(e.valid(), "ok")
		time.Sleep(time.Nanosecond)
		e.wantTrust(verified, false)
		e.wantRetry(e.valid(), time.Second)
		e.keys.serve(keySetOf(e.jwk()))
		time.Sleep(time.Second)
		e.want(e.valid(), "ok")
		e.wantTrust(verified, true) // the key has not changed
	})
}

func TestKeySet_RefreshedInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.slow(2 * time.Second)
		verified := e.want(e.valid(), "ok")
		time.Sleep(15*time.Minute - 2*time.Second - time.Nanosecond)
		e.want(e.valid(), "ok")
		synctest.Wait()
		e.keys.wantCalls(t, 1)
		time.Sleep(time.Nanosecond)
		began := time.Now()
		for range 100 {
			e.want(e.valid(), "ok")
			e.wantTrust(verified, true)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("got a wait of %v, want none", got)
		}
		synctest.Wait()
		e.keys.wantCalls(t, 2)
		time.Sleep(2*time.Second + 15*time.Minute)
		e.wantTrust(verified, true) // Trusts starts a refresh, as Verify does
		synctest.Wait()
		e.keys.wantCalls(t, 3)
		time.Sleep(time.Minute) // if there are no requests, there are no fetches
		e.keys.wantCalls(t, 3)
	})
}

// While the endpoint is down, there is one fetch per 30 seconds.
func TestKeySet_RefreshInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.want(e.valid(), "ok")
		e.keys.fail(errDown)
		time.Sleep(15 * time.Minute)
		for range 60 { // one minute
			e.want(e.valid(), "ok")
			time.Sleep(time.Second)
		}
		e.keys.wantCalls(t, 3)
	})
}

func TestKeySet_NeverFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.fail(errDown)
		token := e.valid()
		_, err := e.verify(token)
		if resultOf(err) != "unavailable" || !errors.Is(err, errDown) {
			t.Errorf("got %v, want unavailable because of %v", err, errDown)
		}
		e.wantRetry(token, time.Second)
		e.keys.wantCalls(t, 1)
		// The pauses between fetches are 250 ms, 500 ms, and then 1 s.
		for i, pause := range []time.Duration{250, 500, 1000, 1000, 1000} {
			time.Sleep(pause*time.Millisecond - time.Nanosecond)
			e.want(token, "unavailable")
			e.keys.wantCalls(t, 1+i)
			time.Sleep(time.Nanosecond)
			e.want(token, "unavailable")
			e.keys.wantCalls(t, 2+i)
		}
		for range 60 {
			time.Sleep(time.Second)
			e.want(e.valid(), "unavailable")
		}
		// Once the endpoint is available again, tokens are verified within a second.
		e.keys.serve(keySetOf(e.jwk()))
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			_, _ = e.verify(e.valid())
		}
		e.want(e.valid(), "ok")
	})
}

// After a success, the pauses begin at 250 ms again.
func TestKeySet_BackoffResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		for range 2 {
			e.keys.fail(errDown)
			for range 5 {
				e.want(e.valid(), "unavailable")
				time.Sleep(time.Second)
			}
			e.keys.serve(keySetOf(e.jwk()))
			e.want(e.valid(), "ok")
			time.Sleep(25 * time.Hour) // until the set is too old
		}
		e.keys.fail(errDown)
		e.want(e.valid(), "unavailable")
		e.keys.wantCalls(t, 13)
		time.Sleep(250 * time.Millisecond)
		e.want(e.valid(), "unavailable")
		e.keys.wantCalls(t, 14)
	})
}

// An invalid document must not replace a valid key set.
func TestKeySet_InvalidDocumentKeepsOldSet(t *testing.T) {
	for name, document := range invalidSets() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t)
				verified := e.want(e.valid(), "ok")
				e.keys.serve(document)
				for i := range 3 {
					time.Sleep(15*time.Minute + time.Second)
					e.want(e.valid(), "ok")
					synctest.Wait()
					e.keys.wantCalls(t, 2+i)
				}
				e.wantTrust(verified, true)
			})
		})
	}
}

func TestKeySet_InvalidDocumentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.serve(`{"keys":[]}`)
		e.want(e.valid(), "unavailable")
		if err := e.verifier.Keys.Load(t.Context()); resultOf(err) != "unavailable" {
			t.Errorf("got %v, want unavailable", err)
		}
		e.keys.serve(keySetOf(e.jwk()))
		time.Sleep(time.Second)
		if err := e.verifier.Keys.Load(t.Context()); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		e.want(e.valid(), "ok")
		e.keys.wantCalls(t, 2)
	})
}
