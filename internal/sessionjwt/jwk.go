package sessionjwt

import (
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

const (
	maxKeySetSize = 128 << 10
	maxKeys       = 32 // maximum number of usable keys
)

var errInvalidKeySet = errors.New("the key set is invalid or contains no usable key")

// keys are the usable keys of a project by key id. They are never changed.
type keys = map[string]*rsa.PublicKey

// parseKeySet parses a JWK Set (RFC 7517, section 5). It returns an error if
// the document is malformed or larger than maxKeySetSize. It also returns an
// error if the document contains no usable key, more than maxKeys usable keys,
// or two usable keys with the same id. As section 5 recommends, it skips weak
// keys and keys of another type or purpose, however many there are. Keys of
// different types may have the same id (section 4.5).
func parseKeySet(document []byte) (keys, error) {
	if len(document) > maxKeySetSize || strictjson.CheckObject(document) != nil {
		return nil, errInvalidKeySet
	}
	usable := keys{}
	for name, list := range strictjson.Members(document) {
		if string(name) != "keys" || list[0] != '[' {
			continue
		}
		for element := range strictjson.Elements(list) {
			if element[0] != '{' {
				return nil, errInvalidKeySet
			}
			k := parseJWK(element)
			key := k.rsa()
			if key == nil || k.keyID == "" { // no token can refer to a key without an id
				continue
			}
			if len(usable) == maxKeys || usable[k.keyID] != nil {
				return nil, errInvalidKeySet
			}
			usable[k.keyID] = key
		}
	}
	if len(usable) == 0 {
		return nil, errInvalidKeySet
	}
	return usable, nil
}

// jwk holds the members of a JSON Web Key that an RSA key needs (RFC 7517,
// section 4, and RFC 7518, section 6.3).
type jwk struct {
	keyType, keyID, alg, use string
	keyOps                   []string
	n, e                     string
	invalid                  bool // a member has the wrong type, or the key is private; it is not usable
}

func parseJWK(object []byte) jwk {
	var k jwk
	for name, value := range strictjson.Members(object) {
		ok := true
		switch string(name) {
		case "kty":
			k.keyType, ok = strictjson.String(value)
		case "kid":
			k.keyID, ok = strictjson.String(value)
		case "alg":
			k.alg, ok = strictjson.String(value)
		case "use":
			k.use, ok = strictjson.String(value)
		case "key_ops":
			k.keyOps, ok = stringArray(value)
		case "n":
			k.n, ok = strictjson.String(value)
		case "e":
			k.e, ok = strictjson.String(value)
		case "d":
			ok = false // a private key that was published is compromised
		}
		k.invalid = k.invalid || !ok
	}
	return k
}

// rsa returns the public key, or nil if the key must not be used to verify RS256
// signatures.
func (k *jwk) rsa() *rsa.PublicKey {
	if k.invalid || k.keyType != "RSA" ||
		k.alg != "" && k.alg != "RS256" ||
		k.use != "" && k.use != "sig" ||
		k.keyOps != nil && !slices.Contains(k.keyOps, "verify") {
		return nil
	}
	n, err1 := base64url.DecodeString(k.n)
	e, err2 := base64url.DecodeString(k.e)
	if err1 != nil || err2 != nil || len(e) > 4 {
		return nil
	}
	modulus := new(big.Int).SetBytes(n)
	exponent := new(big.Int).SetBytes(e).Int64()
	// crypto/rsa supports exponents up to 2^31-1. NIST SP 800-56B, section 6.2,
	// requires odd exponents of at least 65537.
	if exponent < 65537 || exponent > 1<<31-1 || exponent%2 == 0 ||
		modulus.BitLen() < 2048 || modulus.BitLen() > 8192 || modulus.Bit(0) == 0 ||
		isROCA(modulus) {
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent)}
}

// isROCA reports whether n has the form of the moduli of CVE-2017-15361, which
// can be factored: all its residues modulo small primes are powers of 65537.
// The probability that a secure modulus has this form is below 2^-27.
func isROCA(n *big.Int) bool {
	for _, p := range []int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
		97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		residue := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power := int64(1)
		for range p {
			if power == residue {
				break
			}
			power = power * 65537 % p
		}
		if power != residue {
			return false
		}
	}
	return true
}
