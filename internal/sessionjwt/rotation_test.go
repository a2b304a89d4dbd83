package sessionjwt

import (
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever key ids arrive, there is one fetch per 30 s for everybody. A set
// that was fetched after a request came is proof for that request.
func TestUnknownKeyFetchesOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.want(p.unknown(0), string(UnknownKey)) // the first fetch: after the request came
		p.keys.wantCalls(t, 1)
		time.Sleep(time.Second)
		p.wantRetry(p.unknown(0), 29*time.Second)
		time.Sleep(28500 * time.Millisecond)
		p.wantRetry(p.unknown(0), time.Second) // never less than a second
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		p.want(p.unknown(0), "unavailable")
		p.keys.wantCalls(t, 1)
		time.Sleep(time.Nanosecond)
		p.want(p.unknown(0), string(UnknownKey))
		p.keys.wantCalls(t, 2)
		var wg sync.WaitGroup
		for range 300 { // ten minutes
			time.Sleep(2 * time.Second)
			for range 4 {
				wg.Go(func() { _, _ = p.verify(p.unknown(0)) })
			}
			p.want(p.good(), "ok")
		}
		wg.Wait()
		p.keys.wantCalls(t, 2+20)
	})
}

// A set that was fetched after a token was minted is proof for that token.
func TestUnknownKeyOfAnOldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.verifier.Leeway = 5 * time.Second
		p.want(p.good(), "ok")
		time.Sleep(10 * time.Second)
		p.want(p.unknown(16*time.Second), string(UnknownKey)) // 6 s before the fetch: more than Leeway
		p.want(p.unknown(15*time.Second), "unavailable")      // 5 s before the fetch, by Stytch's clock
		p.want(p.unknown(10*time.Second), "unavailable")
		p.keys.wantCalls(t, 1)
		time.Sleep(20 * time.Second)
		p.want(p.unknown(36*time.Second), string(UnknownKey))
		p.keys.wantCalls(t, 1)
	})
}

// Who joins a fetch that began before they came has no proof by it.
func TestUnknownKeyDuringAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.slow(3 * time.Second)
		token := p.unknown(0)
		var wg sync.WaitGroup
		wg.Go(func() { p.want(token, string(UnknownKey)) })
		time.Sleep(time.Second)
		wg.Go(func() { p.wantRetry(token, 27*time.Second) })
		wg.Wait()
		p.keys.wantCalls(t, 1)
	})
}

// A fetch that fails says nothing about a key.
func TestUnknownKeyWhileTheEndpointIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.want(p.good(), "ok")
		p.keys.fail(errDown)
		time.Sleep(31 * time.Second)
		p.wantRetry(p.unknown(0), 30*time.Second)
		p.keys.wantCalls(t, 2)
		p.want(p.good(), "ok")
		time.Sleep(29 * time.Second)
		p.wantRetry(p.unknown(0), time.Second)
		p.keys.wantCalls(t, 2)
		time.Sleep(time.Second)
		p.keys.serve(keySetOf(p.jwk()))
		p.want(p.unknown(0), string(UnknownKey))
		p.keys.wantCalls(t, 3)
	})
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		first, oldKey := p.good(), p.jwk()
		old := p.want(first, "ok")
		time.Sleep(time.Minute)
		p.RotateKeys()
		p.want(p.good(), string(UnknownKey)) // not published yet
		p.keys.serve(keySetOf(oldKey, p.jwk()))
		time.Sleep(30 * time.Second)
		rotated := p.want(p.good(), "ok")
		p.keys.wantCalls(t, 3)
		p.want(first, "ok")
		p.wantTrust(old, true)
		p.wantTrust(rotated, true)
		// The endpoint dies: both go on.
		p.keys.fail(errDown)
		time.Sleep(time.Hour)
		p.want(p.good(), "ok")
		p.wantTrust(old, true)
		p.wantTrust(rotated, true)
	})
}

func TestWithdrawnKeyDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		first, oldKey := p.good(), p.jwk()
		p.RotateKeys()
		p.keys.serve(keySetOf(oldKey, p.jwk()))
		old, other := p.want(first, "ok"), p.want(p.good(), "ok")
		p.keys.serve(keySetOf(p.jwk()))
		time.Sleep(15 * time.Minute)
		p.wantTrust(old, true) // refreshes in passing
		synctest.Wait()
		p.wantTrust(old, false)
		p.wantTrust(other, true)
		p.want(first, string(UnknownKey))
		// Back again it is a key like any other.
		p.keys.serve(keySetOf(oldKey, p.jwk()))
		time.Sleep(15 * time.Minute)
		p.wantTrust(other, true)
		synctest.Wait()
		p.want(first, "ok")
		p.wantTrust(other, true)
	})
}

// A key id that comes back with another key is another key.
func TestKeyReplacedUnderItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		first, kid := p.good(), p.KeyID()
		old := p.want(first, "ok")
		p.RotateKeys()
		p.keys.serve(keySetOf(jwkOf(kid, &p.Key().PublicKey)))
		time.Sleep(15 * time.Minute)
		p.wantTrust(old, true)
		synctest.Wait()
		p.wantTrust(old, false)
		p.want(first, string(BadSignature))
		p.want(p.Sign([]byte(`{"alg":"RS256","kid":"`+kid+`"}`), p.claims()), "ok")
	})
}

// A key that stays keeps its identity, in whatever spelling it is published.
func TestKeyStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		verified := p.want(p.good(), "ok")
		for _, document := range []string{
			keySetOf(p.jwk()),
			keySetOf(`{"kty":"oct","kid":"x","k":"AA"}`, p.jwk()),
			keySetOf(jwkWith(p.KeyID(), p.Key().N, big.NewInt(65537), "")),
		} {
			p.keys.serve(document)
			time.Sleep(15 * time.Minute)
			p.wantTrust(verified, true)
			synctest.Wait()
			p.wantTrust(verified, true)
		}
		p.keys.wantCalls(t, 4)
	})
}

// While the key set grows old and is replaced, tokens are verified by many.
func TestKeySetUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProject(t)
		p.keys.slow(2 * time.Second)
		oldKey, verified := p.jwk(), p.want(p.good(), "ok")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					time.Sleep(10 * time.Second)
					p.want(p.good(), "ok")
					p.wantTrust(verified, true)
				}
			})
		}
		for range 10 {
			time.Sleep(3 * time.Minute)
			p.keys.serve(keySetOf(p.jwk(), oldKey+""))
			if p.jwk() == oldKey {
				p.keys.serve(keySetOf(oldKey))
			}
		}
		wg.Wait()
		p.keys.wantCalls(t, 3)
	})
}
