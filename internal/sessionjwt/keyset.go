package sessionjwt

import (
	"context"
	"crypto/rsa"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
)

// keys are the usable keys of a project, by key id. They never change.
type keys = map[string]*rsa.PublicKey

// A KeySet holds the keys of a project (JWKS, RFC 7517, section 5): refreshed
// once older than Stytch's own max-age of 15 minutes, kept for 24 hours when
// that fails, and replaced whole, so that a key that was withdrawn dies.
type KeySet struct{ remote.Value[keys] }

// NewKeySet makes a key set that fetch fills. fetch bounds its own time and
// does not panic.
func NewKeySet(fetch func(context.Context) ([]byte, error)) *KeySet {
	k := &KeySet{}
	k.RefreshAfter = 15 * time.Minute
	k.MaxAge = 24 * time.Hour
	k.Fetch = func(ctx context.Context, old *remote.Snapshot[keys]) (keys, error) {
		document, err := fetch(ctx)
		if err != nil {
			return nil, err
		}
		fetched, err := parseKeySet(document)
		if err == nil && old != nil {
			keepIdentity(fetched, old.Value)
		}
		return fetched, err
	}
	return k
}

// keepIdentity lets a key that stays be the same pointer, by which Trusts
// compares: a key id that comes back with another key is another key.
func keepIdentity(fetched, old keys) {
	for id, key := range fetched {
		if before := old[id]; before != nil && before.Equal(key) {
			fetched[id] = before
		}
	}
}

// Load makes sure that there is a usable set, and waits for one if need be. The
// error is an *UnavailableError.
func (k *KeySet) Load(ctx context.Context) error {
	if _, err := k.Get(ctx); err != nil {
		return k.unavailable(err)
	}
	return nil
}

// proves reports whether a set is new enough for a missing key to be a final
// no: fetched after the request came, or after the token was minted.
func proves(s *remote.Snapshot[keys], arrived, issued time.Time) bool {
	return !s.AsOf.Before(arrived) || s.AsOf.After(issued)
}

func (k *KeySet) unavailable(cause error) error {
	return &UnavailableError{RetryAfter: k.RetryAfter(), Cause: cause}
}
