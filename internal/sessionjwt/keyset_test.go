package sessionjwt

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A script is where a key set is fetched from.
type script struct {
	mu       sync.Mutex
	calls    int
	document string
	err      error
	delay    time.Duration
}

func (s *script) serve(document string) { s.set(func() { s.document, s.err = document, nil }) }
func (s *script) fail(err error)        { s.set(func() { s.err = err }) }
func (s *script) slow(d time.Duration)  { s.set(func() { s.delay = d }) }
func (s *script) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *script) fetch(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	s.calls++
	document, err, delay := s.document, s.err, s.delay
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []byte(document), err
}

func (s *script) wantCalls(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != n {
		t.Errorf("got %d fetches, want %d", s.calls, n)
	}
}

var errDown = errors.New("down")

// verdictOf puts the error of Verify in a word: ok, a reason, unavailable, or
// what else it is.
func verdictOf(err error) string {
	var missing *UnavailableError
	switch {
	case err == nil:
		return "ok"
	case reasonOf(err) != "":
		return string(reasonOf(err))
	case errors.As(err, &missing):
		return "unavailable"
	}
	return err.Error()
}

func (p *project) want(token, want string) *Token {
	p.t.Helper()
	got, err := p.verify(token)
	if verdictOf(err) != want {
		p.t.Errorf("got %s, want %s", verdictOf(err), want)
	}
	if (got == nil) != (err != nil) {
		p.t.Errorf("got token %v together with %v, want one of them", got, err)
	}
	return got
}

// wantRetry checks for an *UnavailableError with this RetryAfter.
func (p *project) wantRetry(token string, want time.Duration) {
	p.t.Helper()
	_, err := p.verify(token)
	var missing *UnavailableError
	if !errors.As(err, &missing) || missing.RetryAfter != want {
		p.t.Errorf("got %v (%s), want unavailable for %v", err, verdictOf(err), want)
	}
	if errors.As(err, &missing) && missing.RetryAfter != want {
		p.t.Errorf("got RetryAfter %v, want %v", missing.RetryAfter, want)
	}
}

func (p *project) wantTrust(token *Token, want bool) {
	p.t.Helper()
	if got := p.verifier.Trusts(token, time.Now()); got != want {
		p.t.Errorf("got trusted %t, want %t", got, want)
	}
}

// good is a fresh token.
func (p *project) good() string { return p.JWT(p.session.ID) }

// unknown is a fresh token of a key that the project has not, minted so long ago.
func (p *project) unknown(ago time.Duration) string {
	header, claims := p.Header(), p.Claims(p.session.ID)
	header["kid"] = "unknown"
	claims["iat"] = time.Now().Add(-ago).Unix()
	return p.Sign(asJSON(header), asJSON(claims))
}

func TestKeySetIsFetchedWhenNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.want("a.b.c", string(Malformed))
		p.want(p.Sign([]byte(`{"alg":"none"}`), p.claims()), string(BadHeader))
		p.want(p.Sign(p.header(), []byte("x")), string(Malformed))
		p.keys.wantCalls(t, 0)
		p.want(p.good(), "ok")
		p.want(p.good(), "ok")
		p.keys.wantCalls(t, 1)
	})
}

// A token that would be refused for its iat is worth no fetch.
func TestKeySetIsNotFetchedForImpossibleTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.verifier.Leeway = 5 * time.Second
		for _, iat := range []any{nil, "1", 1e300, 0, time.Now().Add(6 * time.Second).Unix()} {
			claims := p.Claims(p.session.ID)
			claims["iat"] = iat
			p.want(p.Sign(p.header(), asJSON(claims)), string(BadTime))
		}
		claims := p.Claims(p.session.ID)
		delete(claims, "iat")
		p.want(p.Sign(p.header(), asJSON(claims)), string(BadTime))
		p.keys.wantCalls(t, 0)
	})
}

func TestKeySetFetchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.slow(time.Second)
		token := p.good()
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { p.want(token, "ok") })
		}
		wg.Wait()
		p.keys.wantCalls(t, 1)
	})
}

// The fetch goes on when the request that began it goes away, and nobody waits
// longer than their own request.
func TestKeySetFetchSurvivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.slow(2 * time.Second)
		token := p.good()
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := p.verifier.Verify(ctx, token)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
			if got := time.Since(began); got != time.Millisecond {
				t.Errorf("got an answer after %v, want %v", got, time.Millisecond)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() { p.want(token, "ok") })
		}
		wg.Wait()
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("got an answer after %v, want %v", got, 2*time.Second)
		}
		p.keys.wantCalls(t, 1)
	})
}

func TestKeySetIsKeptForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.slow(30 * time.Second) // the set is as old as the question
		began := time.Now()
		verified := p.want(p.good(), "ok")
		p.keys.slow(0)
		p.keys.fail(errDown)
		for time.Since(began) < 24*time.Hour-time.Minute {
			time.Sleep(time.Minute)
			p.want(p.good(), "ok")
			p.wantTrust(verified, true)
		}
		time.Sleep(24*time.Hour - time.Since(began) - time.Nanosecond)
		p.want(p.good(), "ok")
		time.Sleep(time.Nanosecond)
		p.wantTrust(verified, false)
		p.wantRetry(p.good(), time.Second)
		p.keys.serve(keySetOf(p.jwk()))
		time.Sleep(time.Second)
		p.want(p.good(), "ok")
		p.wantTrust(verified, true) // it is the same key
	})
}

func TestKeySetIsRefreshedInPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.slow(2 * time.Second)
		verified := p.want(p.good(), "ok")
		time.Sleep(15*time.Minute - 2*time.Second - time.Nanosecond)
		p.want(p.good(), "ok")
		synctest.Wait()
		p.keys.wantCalls(t, 1)
		time.Sleep(time.Nanosecond)
		began := time.Now()
		for range 100 {
			p.want(p.good(), "ok")
			p.wantTrust(verified, true)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("got %v of waiting, want none", got)
		}
		synctest.Wait()
		p.keys.wantCalls(t, 2)
		time.Sleep(2*time.Second + 15*time.Minute)
		p.wantTrust(verified, true) // a hit refreshes too
		synctest.Wait()
		p.keys.wantCalls(t, 3)
		time.Sleep(time.Minute) // nobody asks, nobody fetches
		p.keys.wantCalls(t, 3)
	})
}

// While the endpoint is down, a set that has grown old is asked for once per
// interval.
func TestKeySetRefreshIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.want(p.good(), "ok")
		p.keys.fail(errDown)
		time.Sleep(15 * time.Minute)
		for range 60 { // one minute
			p.want(p.good(), "ok")
			time.Sleep(time.Second)
		}
		p.keys.wantCalls(t, 3)
	})
}

func TestKeySetOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.fail(errDown)
		token := p.good()
		_, err := p.verify(token)
		if verdictOf(err) != "unavailable" || !errors.Is(err, errDown) {
			t.Errorf("got %v, want unavailable because of %v", err, errDown)
		}
		p.wantRetry(token, time.Second)
		p.keys.wantCalls(t, 1)
		// A quarter of a second, half, and a second from then on.
		for i, pause := range []time.Duration{250, 500, 1000, 1000, 1000} {
			time.Sleep(pause*time.Millisecond - time.Nanosecond)
			p.want(token, "unavailable")
			p.keys.wantCalls(t, 1+i)
			time.Sleep(time.Nanosecond)
			p.want(token, "unavailable")
			p.keys.wantCalls(t, 2+i)
		}
		for range 60 {
			time.Sleep(time.Second)
			p.want(p.good(), "unavailable")
		}
		// The endpoint is back: within a second we are too.
		p.keys.serve(keySetOf(p.jwk()))
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			_, _ = p.verify(p.good())
		}
		p.want(p.good(), "ok")
	})
}

// After a success the pauses begin anew.
func TestKeySetBackoffBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		for range 2 {
			p.keys.fail(errDown)
			for range 5 {
				p.want(p.good(), "unavailable")
				time.Sleep(time.Second)
			}
			p.keys.serve(keySetOf(p.jwk()))
			p.want(p.good(), "ok")
			time.Sleep(25 * time.Hour) // nobody asks, and the set ends
		}
		p.keys.fail(errDown)
		p.want(p.good(), "unavailable")
		p.keys.wantCalls(t, 13)
		time.Sleep(250 * time.Millisecond)
		p.want(p.good(), "unavailable")
		p.keys.wantCalls(t, 14)
	})
}

// A fetch that fails in whatever way never replaces a good set.
func TestKeySetKeepsWhatIsGood(t *testing.T) {
	for name, document := range brokenSets() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProject(t)
				verified := p.want(p.good(), "ok")
				p.keys.serve(document)
				for i := range 3 {
					time.Sleep(15*time.Minute + time.Second)
					p.want(p.good(), "ok")
					synctest.Wait()
					p.keys.wantCalls(t, 2+i)
				}
				p.wantTrust(verified, true)
			})
		})
	}
}

func TestKeySetOfBrokenSetOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.serve(`{"keys":[]}`)
		p.want(p.good(), "unavailable")
		if err := p.verifier.Keys.Load(t.Context()); verdictOf(err) != "unavailable" {
			t.Errorf("got %v, want unavailable", err)
		}
		p.keys.serve(keySetOf(p.jwk()))
		time.Sleep(time.Second)
		if err := p.verifier.Keys.Load(t.Context()); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		p.want(p.good(), "ok")
		p.keys.wantCalls(t, 2)
	})
}
