package stytchtest

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// A KeySetFault is what is wrong with the key set in the Fault of KeySet.
type KeySetFault int

const (
	// NoKeys is an empty key set, which Stytch may have before a project's first
	// session.
	NoKeys KeySetFault = iota + 1

	// RolledBack is the key set without the key that signs now, as a cache on
	// the way would still have it after RotateKeys.
	RolledBack

	// BadKeys are good keys among others that cannot, or should not, verify a
	// session JWT: of other kinds, for other purposes, too short, incomplete.
	BadKeys

	// OnlyBadKeys are BadKeys without the good ones.
	OnlyBadKeys

	// ManyKeys are the good keys at the end of 10,000, all well-formed.
	ManyKeys

	// HugeKeys are the good keys, the first one with 10 MiB of certificates.
	HugeKeys

	// DuplicateKeyIDs are two keys for each key id: another one, then the good
	// one.
	DuplicateKeyIDs

	// ExponentOne are the good keys with the public exponent 1: everybody can
	// sign for them.
	ExponentOne
)

const manyKeys = 10_000

// KeySet is a key set that is well-formed JSON, but wrong. It is for the paths
// of the key set. An unknown fault panics.
func KeySet(f KeySetFault) Fault {
	bend, ok := map[KeySetFault]func(*Server, []object) []object{
		NoKeys:          func(*Server, []object) []object { return []object{} },
		RolledBack:      (*Server).withoutCurrent,
		BadKeys:         func(_ *Server, good []object) []object { return append(badKeys(good[0]), good...) },
		OnlyBadKeys:     func(_ *Server, good []object) []object { return badKeys(good[0]) },
		ManyKeys:        func(_ *Server, good []object) []object { return append(inventedKeys(good[0]), good...) },
		HugeKeys:        hugeKeys,
		DuplicateKeyIDs: duplicateKeyIDs,
		ExponentOne:     exponentOne,
	}[f]
	if !ok {
		panic("stytchtest: KeySet: no fault has the number " + strconv.Itoa(int(f)))
	}
	return mixedUp("KeySet", keySetPaths, func(s *Server, a object) object {
		var good []object
		for _, k := range s.served {
			good = append(good, s.jwk(k))
		}
		if len(good) == 0 && f != NoKeys && f != RolledBack {
			panic("stytchtest: KeySet: WithdrawKey has left no key to make something of")
		}
		a["keys"] = bend(s, good)
		return a
	})
}

// withoutCurrent returns the keys that do not sign. s.mu is held.
func (s *Server) withoutCurrent(good []object) []object {
	return slices.DeleteFunc(good, func(k object) bool { return k["kid"] == s.kid(s.current) })
}

// badKeys returns a key for each reason not to use one, with a key id of its
// own if it has one.
func badKeys(good object) []object {
	short := base64.RawURLEncoding.EncodeToString(big.NewInt(0).SetBit(big.NewInt(1), 1023, 1).Bytes())
	coordinate := strings.Repeat("A", 43)
	var bad []object
	for i, change := range []object{
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
		{"d": good["n"]}, // the private key, or so it seems
		{"kid": nil},
	} {
		k := copyObject(good)
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

func inventedKeys(good object) []object {
	var keys []object
	for i := range manyKeys {
		keys = append(keys, object{
			"kty": "RSA", "use": "sig", "key_ops": good["key_ops"], "alg": "RS256",
			"kid": fmt.Sprint("jwk-invented-", i), "n": good["n"], "e": good["e"],
		})
	}
	return keys
}

func hugeKeys(_ *Server, good []object) []object {
	good[0]["x5c"] = []string{strings.Repeat("A", 10<<20)}
	return good
}

func duplicateKeyIDs(s *Server, good []object) []object {
	var keys []object
	for _, k := range good {
		for _, other := range fixedKeys() {
			if twin := s.jwk(other); twin["n"] != k["n"] {
				twin["kid"] = k["kid"]
				keys = append(keys, twin, k)
				break
			}
		}
	}
	return keys
}

func exponentOne(_ *Server, good []object) []object {
	for _, k := range good {
		k["e"] = "AQ"
	}
	return good
}
