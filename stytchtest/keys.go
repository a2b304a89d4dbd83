package stytchtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"time"
)

// keysPEM holds public test keys: making an RSA key takes long under the race
// detector, and fixed ones make key ids that stay the same from run to run.
//
//go:embed keys.pem
var keysPEM []byte

const keyBits = 2048 // of keys made at run time

// A signingKey is an RSA key with all that the key set says of it. It is never
// changed.
type signingKey struct {
	private *rsa.PrivateKey
	uuid    string // derived from the modulus; the kid is "jwk-<env>-<uuid>"
	cert    []byte // self-signed, DER
}

// fixedKeys parses keysPEM, once for all servers: it is a constant.
var fixedKeys = sync.OnceValue(func() []*signingKey {
	var keys []*signingKey
	for block, rest := pem.Decode(keysPEM); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			panic("stytchtest: keys.pem: " + err.Error())
		}
		keys = append(keys, newSigningKey(key.(*rsa.PrivateKey)))
	}
	return keys
})

func newSigningKey(private *rsa.PrivateKey) *signingKey {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "stytchtest"},
		// Fixed, so that the key set is the same in every run.
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic("stytchtest: certificate of a signing key: " + err.Error())
	}
	sum := sha256.Sum256(private.N.Bytes())
	return &signingKey{private: private, uuid: uuid(sum[:16]), cert: cert}
}

// kid returns a key's id in the key set and in the header of JWTs.
func (s *Server) kid(k *signingKey) string { return "jwk-" + s.env() + "-" + k.uuid }

// Key returns the key that signs session JWTs now. It is one of a few that are
// printed in this package's source until RotateKeys has used them up.
func (s *Server) Key() *rsa.PrivateKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.private
}

// KeyID returns the kid of Key.
func (s *Server) KeyID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kid(s.current)
}

// RotateKeys lets a new key sign from now on and returns its kid. The old ones
// stay in the key set until WithdrawKey; Stytch keeps them for a month.
func (s *Server) RotateKeys() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotated++
	if fixed := fixedKeys(); s.rotated < len(fixed) {
		s.current = fixed[s.rotated]
	} else {
		private, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			panic("stytchtest: " + err.Error())
		}
		s.current = newSigningKey(private)
	}
	s.served = append(s.served, s.current)
	return s.kid(s.current)
}

// WithdrawKey takes a key out of the key set. The server itself then refuses
// JWTs signed by it too. If it is the current key it goes on signing, until
// RotateKeys, what nobody can verify. A kid that is not in the key set panics.
func (s *Server) WithdrawKey(kid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.served, func(k *signingKey) bool { return s.kid(k) == kid })
	if i < 0 {
		panic("stytchtest: the key set has no key " + strconv.Quote(kid))
	}
	s.served = slices.Delete(slices.Clone(s.served), i, i+1)
}

// keySet answers all paths of the key set. It is the one call without secret.
// See https://stytch.com/docs/api/jwks-get.
func (s *Server) keySet(c *call) (object, *failure) {
	if id := c.PathValue("project_id"); id != "" && id != s.ProjectID {
		return nil, errUnknownProject
	}
	s.mu.Lock()
	served := s.served // replaced, never changed in place
	s.mu.Unlock()
	keys := []object{}
	for _, k := range served {
		keys = append(keys, s.jwk(k))
	}
	c.header.Set("Cache-Control", "public, max-age=900")
	return object{"keys": keys}, nil
}

// jwk returns the public half of a key. "x5tS256" is how Stytch spells what
// RFC 7517, section 4.9, calls "x5t#S256".
func (s *Server) jwk(k *signingKey) object {
	thumbprint := sha256.Sum256(k.cert)
	return object{
		"kty":     "RSA",
		"use":     "sig",
		"key_ops": []string{"verify"},
		"alg":     "RS256",
		"kid":     s.kid(k),
		"n":       base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
		"e":       base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		"x5c":     []string{base64.StdEncoding.EncodeToString(k.cert)},
		"x5tS256": base64.RawURLEncoding.EncodeToString(thumbprint[:]),
	}
}

// newUUID returns a random UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return uuid(b[:])
}

// uuid writes 16 bytes as a UUID of version 4 (RFC 9562, section 5.4).
func uuid(from []byte) string {
	var b [16]byte
	copy(b[:], from)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
