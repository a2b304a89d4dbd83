package sessionjwt

import (
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

const (
	maxKeySetSize = 64 << 10
	maxKeys       = 32
)

var errBrokenKeySet = errors.New("the key set is broken or holds no usable key")

// parseKeySet reads a JWKS. A document that is broken, too large, names a key
// id twice or holds no key we can use is refused whole. A key of another kind,
// for another purpose or too weak is passed over (RFC 7517, section 5).
func parseKeySet(document []byte) (map[string]*rsa.PublicKey, error) {
	if len(document) > maxKeySetSize || strictjson.CheckObject(document) != nil {
		return nil, errBrokenKeySet
	}
	usable := map[string]*rsa.PublicKey{}
	seen := map[string]bool{}
	count := 0
	for name, list := range strictjson.Members(document) {
		if string(name) != "keys" || list[0] != '[' {
			continue
		}
		for element := range strictjson.Elements(list) {
			if element[0] != '{' {
				return nil, errBrokenKeySet
			}
			k := parseJWK(element)
			if count++; count > maxKeys || seen[k.keyID] {
				return nil, errBrokenKeySet
			}
			if k.keyID == "" {
				continue // no token can name it
			}
			seen[k.keyID] = true
			if key := k.rsa(); key != nil {
				usable[k.keyID] = key
			}
		}
	}
	if len(usable) == 0 {
		return nil, errBrokenKeySet
	}
	return usable, nil
}

// A jwk is the part of a JSON Web Key (RFC 7517, section 4) that we read. A
// member of another type than the RFC's makes the key unusable.
type jwk struct {
	keyType, keyID, alg, use string
	keyOps                   []string
	n, e                     string
	invalid                  bool
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
			ok = false // a private key that was published is nobody's any more
		}
		k.invalid = k.invalid || !ok
	}
	return k
}

// rsa returns the key if it may verify RS256 signatures, else nil.
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
	// crypto/rsa takes exponents up to 2^31-1 (RFC 8017, section 8.2.2 asks no
	// more), and NIST SP 800-56B asks for odd ones from 65537.
	if exponent < 65537 || exponent > 1<<31-1 || exponent%2 == 0 ||
		modulus.BitLen() < 2048 || modulus.BitLen() > 8192 || modulus.Bit(0) == 0 ||
		isROCA(modulus) {
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent)}
}

// isROCA recognizes the moduli of CVE-2017-15361, which can be factored: their
// residues modulo small primes all are powers of 65537. A sound modulus passes
// all of these with a probability below 2^-27.
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
