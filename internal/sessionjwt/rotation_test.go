package sessionjwt_test

import (
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
)

// Unknown key ids cause four fetches in a row and then one fetch per 30 seconds, for all ids
// together. A set that was fetched after the request arrived shows that the key does not exist.
func TestUnknownKey_Fetches(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.verifier.Leeway = 5 * time.Second
		e.want(e.unknown(0), string(sessionjwt.UnknownKey)) // the fetch began after the request arrived
		e.keys.wantCalls(t, 1)
		time.Sleep(time.Second)
		for n := 2; n <= 4; n++ {
			e.want(e.unknown(0), string(sessionjwt.UnknownKey))
			e.keys.wantCalls(t, n)
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(time.Second)
		e.wantRetry(e.unknown(0), 28*time.Second-3*time.Nanosecond)
		time.Sleep(27500 * time.Millisecond)
		e.wantRetry(e.unknown(0), time.Second) // RetryAfter is never less than a second
		time.Sleep(500*time.Millisecond - 4*time.Nanosecond)
		e.want(e.unknown(0), "unavailable")
		e.keys.wantCalls(t, 4)
		time.Sleep(time.Nanosecond)
		e.want(e.unknown(0), string(sessionjwt.UnknownKey))
		e.keys.wantCalls(t, 5)
		var wg sync.WaitGroup
		for range 300 { // ten minutes
			time.Sleep(2 * time.Second)
			for range 4 {
				wg.Go(func() { _, _ = e.verify(e.unknown(0)) })
			}
			e.want(e.valid(), "ok")
		}
		wg.Wait()
		e.keys.wantCalls(t, 5+20)
		time.Sleep(time.Hour) // after a pause of any length, at most four fetches in a row are allowed
		for range 6 {
			time.Sleep(time.Millisecond)
			_, _ = e.verify(e.unknown(0))
		}
		e.keys.wantCalls(t, 5+20+4)
	})
}

// A thousand invented key ids within 31 seconds cause five fetches.
func TestUnknownKey_Flood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.verifier.Leeway = 5 * time.Second
		e.keys.slow(50 * time.Millisecond)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				_, err := e.verify(e.unknown(0))
				if got := resultOf(err); got != string(sessionjwt.UnknownKey) && got != "unavailable" {
					t.Errorf("got %s, want unknown_key or unavailable", got)
				}
			})
			time.Sleep(31 * time.Millisecond)
		}
		wg.Wait()
		e.keys.wantCalls(t, 5)
	})
}

// A set that was fetched after a token was issued shows that the key of the token does not exist.
func TestUnknownKey_OldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.verifier.Leeway = 5 * time.Second
		e.want(e.valid(), "ok")
		time.Sleep(10 * time.Second)
		e.want(e.unknown(16*time.Second), string(sessionjwt.UnknownKey)) // issued 6 s before the fetch, which is more than Leeway
		e.keys.wantCalls(t, 1)
		e.want(e.unknown(15*time.Second), string(sessionjwt.UnknownKey)) // issued 5 s before the fetch; by the clock of Stytch it may be later
		e.keys.wantCalls(t, 2)
		time.Sleep(20 * time.Second)
		e.want(e.unknown(26*time.Second), string(sessionjwt.UnknownKey))
		e.keys.wantCalls(t, 2)
		e.want(e.unknown(25*time.Second), string(sessionjwt.UnknownKey))
		e.keys.wantCalls(t, 3)
	})
}

// A fetch that began before the request arrived shows nothing about the key of the request, so the
// request causes another fetch.
func TestUnknownKey_DuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.slow(3 * time.Second)
		token := e.unknown(0)
		var wg sync.WaitGroup
		wg.Go(func() { e.want(token, string(sessionjwt.UnknownKey)) })
		time.Sleep(time.Second)
		for range 10 {
			wg.Go(func() { e.want(token, string(sessionjwt.UnknownKey)) })
		}
		// The key of the next token is published while the fetch is in progress.
		oldKey := e.jwk()
		e.RotateKeys()
		wg.Go(func() { e.want(e.valid(), "ok") })
		synctest.Wait()
		e.keys.serve(keySetOf(oldKey, e.jwk()))
		wg.Wait()
		e.keys.wantCalls(t, 2)
	})
}

// A failed fetch shows nothing about a key. A short failure does not use up the four fetches.
func TestUnknownKey_WhileEndpointIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.want(e.valid(), "ok")
		e.keys.fail(errDown)
		time.Sleep(31 * time.Second)
		e.wantRetry(e.unknown(0), time.Second)
		for range 100 {
			e.wantRetry(e.unknown(0), time.Second)
		}
		e.keys.wantCalls(t, 2)
		time.Sleep(time.Second)
		e.wantRetry(e.unknown(0), time.Second)
		time.Sleep(time.Second)
		e.wantRetry(e.unknown(0), time.Second)
		e.keys.wantCalls(t, 4)
		e.want(e.valid(), "ok")
		time.Sleep(time.Second)
		e.keys.serve(keySetOf(e.jwk()))
		e.want(e.unknown(0), string(sessionjwt.UnknownKey))
		e.keys.wantCalls(t, 5)
		time.Sleep(time.Second)
		e.wantRetry(e.unknown(0), 26*time.Second)
		e.keys.wantCalls(t, 5)
	})
}

// If a key is published right after a fetch, the next request finds it.
func TestRotation_JustAfterFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		first, oldKey := e.valid(), e.jwk()
		old := e.want(first, "ok")
		time.Sleep(time.Second)
		e.RotateKeys()
		e.keys.serve(keySetOf(oldKey, e.jwk()))
		began := time.Now()
		rotated := e.want(e.valid(), "ok")
		if took := time.Since(began); took != 0 {
			t.Errorf("got a token accepted after %v, want at once", took)
		}
		e.keys.wantCalls(t, 2)
		e.wantTrust(old, true)
		e.wantTrust(rotated, true)
		// A similar token is forged: it has the id of the new key and the signature of another key.
		header := e.Header()
		e.RotateKeys()
		e.want(e.Sign(asJSON(header), e.claims()), string(sessionjwt.BadSignature))
	})
}

func TestRotation_NewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		first, oldKey := e.valid(), e.jwk()
		old := e.want(first, "ok")
		time.Sleep(time.Minute)
		e.RotateKeys()
		e.want(e.valid(), string(sessionjwt.UnknownKey)) // the new key is not published yet
		e.keys.serve(keySetOf(oldKey, e.jwk()))
		time.Sleep(30 * time.Second)
		rotated := e.want(e.valid(), "ok")
		e.keys.wantCalls(t, 3)
		e.want(first, "ok")
		e.wantTrust(old, true)
		e.wantTrust(rotated, true)
		// If the endpoint fails, both keys stay valid.
		e.keys.fail(errDown)
		time.Sleep(time.Hour)
		e.want(e.valid(), "ok")
		e.wantTrust(old, true)
		e.wantTrust(rotated, true)
	})
}

func TestRotation_WithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		first, oldKey := e.valid(), e.jwk()
		e.RotateKeys()
		e.keys.serve(keySetOf(oldKey, e.jwk()))
		old, other := e.want(first, "ok"), e.want(e.valid(), "ok")
		e.keys.serve(keySetOf(e.jwk()))
		time.Sleep(15 * time.Minute)
		e.wantTrust(old, true) // starts the refresh
		synctest.Wait()
		e.wantTrust(old, false)
		e.wantTrust(other, true)
		e.want(first, string(sessionjwt.UnknownKey))
		// A key that was withdrawn and is published again is valid again.
		e.keys.serve(keySetOf(oldKey, e.jwk()))
		time.Sleep(15 * time.Minute)
		e.wantTrust(other, true)
		synctest.Wait()
		e.want(first, "ok")
		e.wantTrust(other, true)
	})
}

// If an id is published with another key, it names a new key.
func TestRotation_ReplacedKeyWithSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		first, kid := e.valid(), e.KeyID()
		old := e.want(first, "ok")
		e.RotateKeys()
		e.keys.serve(keySetOf(jwkOf(kid, &e.Key().PublicKey)))
		time.Sleep(15 * time.Minute)
		e.wantTrust(old, true)
		synctest.Wait()
		e.wantTrust(old, false)
		e.want(first, string(sessionjwt.BadSignature))
		e.want(e.Sign([]byte(`{"alg":"RS256","kid":"`+kid+`"}`), e.claims()), "ok")
	})
}

// Tokens stay trusted as long as their key is published, even if the JSON encoding of the key
// changes.
func TestRotation_UnchangedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		verified := e.want(e.valid(), "ok")
		for _, document := range []string{
			keySetOf(e.jwk()),
			keySetOf(`{"kty":"oct","kid":"x","k":"AA"}`, e.jwk()),
			keySetOf(jwkWith(e.KeyID(), e.Key().N, big.NewInt(65537), "")),
		} {
			e.keys.serve(document)
			time.Sleep(15 * time.Minute)
			e.wantTrust(verified, true)
			synctest.Wait()
			e.wantTrust(verified, true)
		}
		e.keys.wantCalls(t, 4)
	})
}

// Tokens are verified concurrently while the key set is refreshed and replaced. The race detector
// checks this test.
func TestKeySet_ConcurrentUse(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.keys.slow(2 * time.Second)
		oldKey, verified := e.jwk(), e.want(e.valid(), "ok")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					time.Sleep(10 * time.Second)
					e.want(e.valid(), "ok")
					e.wantTrust(verified, true)
				}
			})
		}
		for range 10 {
			time.Sleep(3 * time.Minute)
			e.keys.serve(keySetOf(e.jwk(), oldKey+""))
			if e.jwk() == oldKey {
				e.keys.serve(keySetOf(oldKey))
			}
		}
		wg.Wait()
		e.keys.wantCalls(t, 3)
	})
}
