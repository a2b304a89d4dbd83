package state

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// keysPEM holds public test keys. Generating an RSA key is slow under the race
// detector, and fixed keys make the key ids the same in every run.
//
//go:embed keys.pem
var keysPEM []byte

const keyBits = 2048 // size of generated keys

// A signingKey is an RSA key with the data for its entry in the key set. It
// never changes.
type signingKey struct {
	private *rsa.PrivateKey
	uuid    string // derived from the modulus; the kid is "jwk-<environment>-<uuid>"
	cert    []byte // self-signed, DER
}

// fixedKeys returns the keys of keysPEM. It parses them only once for all
// servers.
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
		// The time is fixed, so that the key set is the same in every run.
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic("stytchtest: cannot create the certificate of a signing key: " + err.Error())
	}
	sum := sha256.Sum256(private.N.Bytes())
	return &signingKey{private: private, uuid: uuid(sum[:16]), cert: cert}
}

// keys are the signing keys of a project.
type keys struct {
	env     *environment
	current *signingKey   // the key that signs
	served  []*signingKey // the keys in the key set; the slice is replaced, never changed in place
	rotated int           // how many keys have signed before current
}

func newKeys(env *environment) keys {
	first := fixedKeys()[0]
	return keys{env: env, current: first, served: []*signingKey{first}}
}

// kid returns the key id of a key in the key set and in JWTs.
func (ks *keys) kid(k *signingKey) string { return "jwk-" + ks.env.name() + "-" + k.uuid }

// find returns the index of the key with this id in the key set, or -1.
func (ks *keys) find(kid any) int {
	return slices.IndexFunc(ks.served, func(k *signingKey) bool { return ks.kid(k) == kid })
}

func (ks *keys) rotate() {
	ks.rotated++
	if fixed := fixedKeys(); ks.rotated < len(fixed) {
		ks.current = fixed[ks.rotated]
	} else {
		private, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			panic("stytchtest: " + err.Error())
		}
		ks.current = newSigningKey(private)
	}
	ks.served = append(slices.Clip(ks.served), ks.current)
}

func (ks *keys) withdraw(kid string) {
	i := ks.find(kid)
	if i < 0 {
		panic("stytchtest: the key set has no key " + strconv.Quote(kid))
	}
	ks.served = slices.Delete(slices.Clone(ks.served), i, i+1)
}

// jwk returns the public part of a key. Stytch uses the name "x5tS256" for the
// member that RFC 7517, section 4.9, calls "x5t#S256".
func (ks *keys) jwk(k *signingKey) Object {
	thumbprint := sha256.Sum256(k.cert)
	return Object{
		"kty":     "RSA",
		"use":     "sig",
		"key_ops": []string{"verify"},
		"alg":     "RS256",
		"kid":     ks.kid(k),
		"n":       base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
		"e":       base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		"x5c":     []string{base64.StdEncoding.EncodeToString(k.cert)},
		"x5tS256": base64.RawURLEncoding.EncodeToString(thumbprint[:]),
	}
}

func (ks *keys) jwks(of []*signingKey) []Object {
	shown := []Object{}
	for _, k := range of {
		shown = append(shown, ks.jwk(k))
	}
	return shown
}

// A jws is a JWS that has not been signed yet. Signing is slow, so it happens
// when no lock is held. A jws in a response is signed when the response is
// encoded.
type jws struct {
	key             *rsa.PrivateKey
	header, payload []byte
}

// compact signs the JWS and returns its compact form (RFC 7515, section 7.1).
func (j jws) compact() string {
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString(j.header) + "." + b64.EncodeToString(j.payload)
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, j.key, crypto.SHA256, sum[:])
	if err != nil {
		panic("stytchtest: cannot sign a JWT: " + err.Error())
	}
	return input + "." + b64.EncodeToString(sig)
}

// MarshalJSON returns the compact form.
func (j jws) MarshalJSON() ([]byte, error) { return json.Marshal(j.compact()) }

// mint returns an unsigned JWT of a session.
func (ks *keys) mint(sess *session) jws {
	return jws{ks.current.private, mustEncode(ks.header()), mustEncode(ks.claims(sess))}
}

func (ks *keys) header() Object {
	return Object{"alg": "RS256", "kid": ks.kid(ks.current), "typ": "JWT"}
}

// claims returns the payload of a JWT of a session.
func (ks *keys) claims(sess *session) Object {
	settings := ks.env.settings()
	iat := ks.env.clock().Unix()
	claims := copyObject(sess.claims)
	claims["iss"] = settings.Issuer
	claims["sub"] = sess.user.id
	claims["aud"] = []string{settings.ProjectID}
	claims["iat"], claims["nbf"] = iat, iat
	claims["exp"] = iat + int64(settings.JWTLifetime/time.Second)
	claims[sessionClaim] = sess.claim()
	return claims
}

// verify returns the session id of a session JWT that a key of the key set has
// signed for this project. It ignores the times of the JWT, because Stytch
// accepts an expired JWT of a live session and returns a new JWT.
func (ks *keys) verify(jwt string) (sessionID string, ok bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 || strings.ContainsAny(jwt, "\r\n") {
		return "", false
	}
	var segments [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return "", false
		}
		segments[i] = b
	}
	// These are maps, because encoding/json matches the names of map keys
	// exactly.
	var header, claims Object
	if json.Unmarshal(segments[0], &header) != nil || header["alg"] != "RS256" {
		return "", false
	}
	i := ks.find(header["kid"])
	if i < 0 {
		return "", false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&ks.served[i].private.PublicKey, crypto.SHA256, sum[:], segments[2]) != nil {
		return "", false
	}
	if json.Unmarshal(segments[1], &claims) != nil || !ks.isAudience(claims["aud"]) {
		return "", false
	}
	return sessionIDIn(claims[sessionClaim])
}

// sessionIDIn returns the session id in a session claim. If the claim does not
// have the form of today, the id is the first string that looks like a session
// id. A test can therefore sign a JWT whose claim has a form that the verifier
// under test does not know.
func sessionIDIn(claim any) (id string, ok bool) {
	switch claim := claim.(type) {
	case string:
		return claim, strings.HasPrefix(claim, "session-")
	case []any:
		for _, element := range claim {
			if id, ok = sessionIDIn(element); ok {
				return id, true
			}
		}
	case Object:
		id, ok = claim["id"].(string)
		return id, ok
	}
	return "", false
}

func (ks *keys) isAudience(aud any) bool {
	project := ks.env.settings().ProjectID
	list, ok := aud.([]any)
	if !ok {
		return aud == project
	}
	return slices.Contains(list, any(project))
}
