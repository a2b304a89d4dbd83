package sessionjwt

import (
	"context"
	"crypto/rsa"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

const (
	refreshAfter = 15 * time.Minute // Stytch's own max-age; refreshed in passing from then on
	maxAge       = 24 * time.Hour   // a set that could not be refreshed for so long decides nothing
	minInterval  = 30 * time.Second // between two fetches while we hold a set, whatever key ids arrive

	// Without a set nothing can be decided, so we ask more often.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = time.Second
)

// A KeySet holds the keys of a project (JWKS, RFC 7517, section 5). It fetches
// them when they are first needed, keeps them when a refresh fails, and
// replaces them whole, so that a key that was withdrawn dies.
type KeySet struct {
	fetch   func(context.Context) ([]byte, error)
	current atomic.Pointer[snapshot]

	mu       sync.Mutex
	flight   *flight   // the fetch under way, or nil
	next     time.Time // no fetch begins before
	failures int       // in a row
}

// A flight is one fetch that several requests may wait for.
type flight struct {
	done chan struct{}
	err  error // written before done is closed
}

// A snapshot is one fetched key set. It never changes.
type snapshot struct {
	keys    map[string]*rsa.PublicKey
	asOf    time.Time // when its fetch began: what it lacks did not exist then
	refresh deadline.Deadline
	end     deadline.Deadline
}

// proves reports whether the set is new enough for a missing key to be a final
// no: fetched after the request came, or after the token was minted.
func (s *snapshot) proves(arrived, issued time.Time) bool {
	return !s.asOf.Before(arrived) || s.asOf.After(issued)
}

// NewKeySet makes a key set that fetch fills. fetch bounds its own time and
// does not panic.
func NewKeySet(fetch func(context.Context) ([]byte, error)) *KeySet {
	return &KeySet{fetch: fetch}
}

// Fetch makes sure that there is a usable set, and waits for one if need be.
func (k *KeySet) Fetch(ctx context.Context) error {
	if k.usable(time.Now()) != nil {
		return nil
	}
	if err := k.refresh(ctx); err != nil {
		return k.unavailable(err)
	}
	return nil
}

// AsOf returns when the keys were fetched; the zero time if there are none.
func (k *KeySet) AsOf() time.Time {
	if s := k.current.Load(); s != nil {
		return s.asOf
	}
	return time.Time{}
}

// usable returns the set that may decide now, or nil. A set that has grown old
// is refreshed in passing: nobody waits for it.
func (k *KeySet) usable(now time.Time) *snapshot {
	s := k.current.Load()
	if s == nil || s.end.Passed(now) {
		return nil
	}
	if s.refresh.Passed(now) {
		_, _ = k.start(context.Background(), now) // a slot that is not free yet will be soon
	}
	return s
}

// refresh fetches the set and waits for it, as long as ctx allows. Whoever
// comes while a fetch is under way waits for the same one.
func (k *KeySet) refresh(ctx context.Context) error {
	f, err := k.start(ctx, time.Now())
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start joins the fetch under way or begins one. The fetch does not end with
// the request that happened to begin it.
func (k *KeySet) start(ctx context.Context, now time.Time) (*flight, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight, nil
	}
	if now.Before(k.next) {
		return nil, errTooSoon
	}
	k.next = now.Add(minInterval)
	f := &flight{done: make(chan struct{})}
	k.flight = f
	go k.run(context.WithoutCancel(ctx), f, now)
	return f, nil
}

func (k *KeySet) run(ctx context.Context, f *flight, began time.Time) {
	keys, err := k.load(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.failures = 0
		k.current.Store(&snapshot{
			keys:    keys,
			asOf:    began,
			refresh: deadline.In(began, refreshAfter),
			end:     deadline.In(began, maxAge),
		})
	} else {
		k.failures++
		if s := k.current.Load(); s == nil || s.end.Passed(time.Now()) {
			k.next = time.Now().Add(backoff(k.failures))
		}
	}
	k.flight = nil
	f.err = err
	close(f.done)
}

func (k *KeySet) load(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	document, err := k.fetch(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeySet(document)
	if err != nil {
		return nil, err
	}
	// A key that stays keeps its identity, by which Trusts compares.
	if old := k.current.Load(); old != nil {
		for id, key := range keys {
			if before := old.keys[id]; before != nil && before.Equal(key) {
				keys[id] = before
			}
		}
	}
	return keys, nil
}

func backoff(failures int) time.Duration {
	return min(firstBackoff<<min(failures-1, 8), lastBackoff)
}

var errTooSoon = errors.New("the key set was asked for a moment ago")

// unavailable says when the key set may be asked for again.
func (k *KeySet) unavailable(cause error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &UnavailableError{RetryAfter: max(time.Second, time.Until(k.next)), Cause: cause}
}
