package stytchtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/sessionauth/sessionauth/stytchtest/internal/api"
	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
)

// A KeySetFault selects the error in the key set that the Fault of KeySet
// sends. The zero value is not valid.
type KeySetFault int

const (
	// NoKeys is an empty key set. Stytch documents that a new project may have
	// no keys.
	NoKeys KeySetFault = iota + 1

	// RolledBack is the key set without the current key. A cache between Stytch
	// and its caller may send it after RotateKeys.
	RolledBack

	// BadKeys contains keys that cannot or must not verify a session JWT,
	// followed by the correct keys. The bad keys have other types or uses, are
	// too short, or are incomplete.
	BadKeys

	// OnlyBadKeys is BadKeys without the correct keys.
	OnlyBadKeys

	// ManyKeys contains 10,000 other well-formed keys, followed by the correct
	// keys.
	ManyKeys

	// HugeKeys contains the correct keys, the first with 10 MiB of
	// certificates.
	HugeKeys

	// DuplicateKeyIDs contains two keys for each key id: first another key,
	// then the correct one.
	DuplicateKeyIDs

	// ExponentOne contains the correct keys with the public exponent 1, which
	// anyone can sign for.
	ExponentOne
)

const manyKeys = 10_000

// KeySet returns a Fault that sends a key set that is well-formed JSON but
// wrong. It applies to the paths of the key set. KeySet panics if f is unknown.
func KeySet(f KeySetFault) Fault {
	change, ok := map[KeySetFault]func(*state.Project, []state.Object) []state.Object{
		NoKeys:      func(*state.Project, []state.Object) []state.Object { return []state.Object{} },
		RolledBack:  withoutCurrent,
		BadKeys:     func(_ *state.Project, good []state.Object) []state.Object { return append(badKeys(good[0]), good...) },
		OnlyBadKeys: func(_ *state.Project, good []state.Object) []state.Object { return badKeys(good[0]) },
		ManyKeys: func(_ *state.Project, good []state.Object) []state.Object {
			return append(inventedKeys(good[0]), good...)
		},
		HugeKeys:        hugeKeys,
		DuplicateKeyIDs: duplicateKeyIDs,
		ExponentOne:     exponentOne,
	}[f]
	if !ok {
		panic("stytchtest: KeySet: unknown KeySetFault " + strconv.Itoa(int(f)))
	}
	return swapped("KeySet", api.KeySetPaths(), func(p *state.Project, answer state.Object) state.Object {
		good := p.KeySet()
		if len(good) == 0 && f != NoKeys && f != RolledBack {
			panic("stytchtest: KeySet: the key set is empty after WithdrawKey, so no key can be changed")
		}
		answer["keys"] = change(p, good)
		return answer
	})
}

// withoutCurrent returns the keys other than the current one.
func withoutCurrent(p *state.Project, good []state.Object) []state.Object {
	current := p.KeyID()
	return slices.DeleteFunc(good, func(k state.Object) bool { return k["kid"] == current })
}

// badKeys returns one key for each reason to ignore a key. Each has its own key
// id, except the key whose error is a missing id.
func badKeys(good state.Object) []state.Object {
	short := base64.RawURLEncoding.EncodeToString(big.NewInt(0).SetBit(big.NewInt(1), 1023, 1).Bytes())
	coordinate := strings.Repeat("A", 43)
	var bad []state.Object
	for i, change := range []state.Object{
		{"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate, "alg": "ES256", "n": nil, "e": nil},
		{"kty": "OKP", "crv": "Ed25519", "x": coordinate, "alg": "EdDSA", "n": nil, "e": nil},
		{"kty": "oct", "k": good["n"], "alg": "HS256", "n": nil, "e": nil},
		{"kty": nil},
		{"use": "enc"},
		{"key_ops": []string{"sign"}},
		{"alg": "RS512"},
		{"n": nil},
		{"n": short},
		{"n": good["n"].(string) + "="},
		{"e": nil},
		{"e": "AQ"},
		{"e": 65537},
		{"d": good["n"]}, // looks like a private key
		{"kid": nil},
	} {
		k := maps.Clone(good)
		k["kid"] = fmt.Sprint("jwk-bad-", i)
		delete(k, "x5c")
		delete(k, "x5tS256")
		for name, v := range change {
			k[name] = v
			if v == nil {
				delete(k, name)
			}
		}
		bad = append(bad, k)
	}
	return bad
}

func inventedKeys(good state.Object) []state.Object {
	var keys []state.Object
	for i := range manyKeys {
		keys = append(keys, state.Object{
			"kty": "RSA", "use": "sig", "key_ops": good["key_ops"], "alg": "RS256",
			"kid": fmt.Sprint("jwk-invented-", i), "n": good["n"], "e": good["e"],
		})
	}
	return keys
}

func hugeKeys(_ *state.Project, good []state.Object) []state.Object {
	good[0]["x5c"] = []string{strings.Repeat("A", 10<<20)}
	return good
}

func duplicateKeyIDs(p *state.Project, good []state.Object) []state.Object {
	var keys []state.Object
	for _, k := range good {
		for _, twin := range p.FixedKeySet() {
			if twin["n"] != k["n"] {
				twin["kid"] = k["kid"]
				keys = append(keys, twin, k)
				break
			}
		}
	}
	return keys
}

func exponentOne(_ *state.Project, good []state.Object) []state.Object {
	for _, k := range good {
		k["e"] = "AQ"
	}
	return good
}
