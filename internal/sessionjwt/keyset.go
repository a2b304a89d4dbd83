package sessionjwt

import (
	"context"
	"errors"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/stytch"
)

// A KeySet holds the keys that sign the session JWTs of a project (a JWK Set,
// RFC 7517, section 5). It is fetched when it is first needed. It is refreshed
// once it is older than 15 minutes, the max-age that Stytch sends. If refreshes
// fail, it is used for up to 24 hours. Each fetch replaces the whole set, so a
// withdrawn key can no longer verify tokens. An unknown key id causes a fetch,
// but whatever ids arrive, there are at most four fetches at once, and one more
// every 30 seconds.
type KeySet struct{ remote.Value[keys] }

// NewKeySet returns a KeySet that calls fetch to load the JSON document. fetch
// must return in bounded time and must not panic.
func NewKeySet(fetch func(context.Context) ([]byte, error)) *KeySet {
	k := &KeySet{}
	k.RefreshAfter = 15 * time.Minute
	k.MaxAge = 24 * time.Hour
	k.Burst = 4 // a key may be published soon after a fetch
	k.Fetch = func(ctx context.Context, old *remote.Snapshot[keys]) (keys, error) {
		document, err := fetch(ctx)
		if err != nil {
			return nil, err
		}
		fetched, err := parseKeySet(document)
		if err != nil {
			return nil, &stytch.InvalidAnswerError{Problem: err.Error(), Garbled: true}
		}
		if old != nil {
			reuseKeys(fetched, old.Value)
		}
		return fetched, nil
	}
	return k
}

// reuseKeys replaces each key of fetched that is equal to the key with the same
// id in old by the pointer in old, because Verifier.Trusts compares pointers.
func reuseKeys(fetched, old keys) {
	for id, key := range fetched {
		if before := old[id]; before != nil && before.Equal(key) {
			fetched[id] = before
		}
	}
}

// Load fetches the key set unless there is a usable one. It stops waiting when
// ctx is done. The error is an *UnavailableError.
func (k *KeySet) Load(ctx context.Context) error {
	if _, err := k.Get(ctx); err != nil {
		return k.unavailable(err)
	}
	return nil
}

// unavailable returns an *UnavailableError. If no fetch was made because one has
// failed a moment ago, its cause is that of the failure.
func (k *KeySet) unavailable(cause error) error {
	if failed := k.LastError(); failed != nil && errors.Is(cause, remote.ErrTooSoon) {
		cause = failed
	}
	return &UnavailableError{RetryAfter: k.RetryAfter(), Cause: cause}
}

// isConclusive reports whether set is recent enough to prove that a missing key
// does not exist. This is the case if its fetch began after the request arrived
// or after the token was issued.
func isConclusive(set *remote.Snapshot[keys], arrived, issued time.Time) bool {
	return !set.AsOf.Before(arrived) || set.AsOf.After(issued)
}
