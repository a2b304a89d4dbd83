// Package sessionjwt verifies Stytch session JWTs locally with the key set of
// the project.
//
// Verify checks the form, the header, the signature and the claims, in this
// order. A token with an invalid signature is therefore never reported as
// expired. The signature is verified by golang-jwt. That library accepts
// unknown crit parameters, repeated names and line breaks inside base64, so
// this package checks the form of a token before it calls the library.
//
// Verify does not check exp. It returns the times of the token, and the caller
// compares them with the clock each time it uses the token.
//
// The files form layers: errors.go and decode.go, then jws.go, then session.go
// and claims.go, then jwk.go and keyset.go, then token.go and verifier.go. Each
// file uses only files of earlier layers.
package sessionjwt

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// maxLifetime is the longest accepted time between iat and exp. Stytch issues
// session JWTs for 5 minutes. A longer lifetime could outlast the entries of the
// denylist.
const maxLifetime = time.Hour

// A Verifier verifies the session JWTs of one project. Set its exported fields
// before the first call of a method. The methods are safe for concurrent use by
// multiple goroutines.
type Verifier struct {
	Issuers  []string      // accepted values of iss, compared byte for byte
	Audience string        // the project ID, which aud must contain
	Leeway   time.Duration // clock skew allowed for iat and nbf
	Keys     *KeySet       // required

	header atomic.Pointer[knownHeader] // header of the last token whose header differed from the previous one
}

// Verify verifies a compact JWT. The error is a *RefusedError, an
// *UnavailableError or the error of ctx. A token can cause I/O only if its key
// id is unknown, which may cause a fetch of the key set. All tokens together
// can cause at most four fetches at once, and one more every 30 seconds.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	known := v.header.Load()
	c, err := parseCompact(raw, known)
	if err != nil {
		return nil, err
	}
	var few [24]strictjson.Member // Stytch sets seven claims, and there are usually few custom claims; if there are more, the slice grows
	payload, err := strictjson.Object(c.decodedPayload, few[:0], isCustom)
	if err != nil {
		return nil, refused(Malformed)
	}
	set, err := v.keySetFor(ctx, c.keyID, payload)
	if err != nil {
		return nil, err
	}
	key := set.Value[c.keyID]
	if err := c.verify(key); err != nil {
		return nil, err
	}
	if known == nil || known.segment != c.header {
		known = &knownHeader{strings.Clone(c.header), c.keyID}
		v.header.Store(known)
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := v.validateClaims(&claims, time.Now()); err != nil {
		return nil, err
	}
	return &Token{
		Session: claims.session, IssuedAt: claims.issuedAt, ExpiresAt: claims.expiresAt, ThirdParty: claims.isUndecided(),
		// a copy, because a substring would keep the whole JWT in memory,
		// including its signature
		header: known.segment, payload: strings.Clone(c.payload),
		keyID: c.keyID, key: key, set: set,
	}, nil
}

// Trusts reports whether the key that signed t is still in the key set. A token
// must not be used after its key was withdrawn. If a refresh of the key set is
// due, Trusts starts it, as Verify does, but does not wait for it. now must
// come from time.Now.
func (v *Verifier) Trusts(t *Token, now time.Time) bool {
	set := v.Keys.Usable(now)
	return set != nil && (set == t.set || set.Value[t.keyID] == t.key)
}

// validateClaims checks the values of all claims except exp (RFC 7519, section
// 4.1). The signature must have been verified. The error is a *RefusedError.
func (v *Verifier) validateClaims(c *claims, now time.Time) error {
	if !slices.Contains(v.Issuers, c.issuer) {
		return refused(WrongIssuer)
	}
	if !slices.Contains(c.audience, v.Audience) {
		return refused(WrongAudience)
	}
	lifetime := c.expiresAt.Sub(c.issuedAt)
	latest := now.Add(v.Leeway)
	if lifetime <= 0 || lifetime > maxLifetime || c.issuedAt.After(latest) || c.notBefore.After(latest) {
		return refused(BadTime)
	}
	return nil
}

// keySetFor returns a key set that contains the key. If the current set does
// not contain it, keySetFor fetches a new set, unless the current set proves
// that the key does not exist.
func (v *Verifier) keySetFor(ctx context.Context, keyID string, payload []strictjson.Member) (*remote.Snapshot[keys], error) {
	arrived := time.Now()
	seen := v.Keys.Latest()
	set := v.Keys.Usable(arrived)
	if set != nil && set.Value[keyID] != nil {
		return set, nil
	}
	issued, ok := unverifiedIssuedAt(payload)
	if !ok || issued.After(arrived.Add(v.Leeway)) {
		// The claims would be refused with any key, so no fetch is needed.
		return nil, refused(BadTime)
	}
	issued = issued.Add(v.Leeway)
	if set != nil && isConclusive(set, arrived, issued) {
		return nil, refused(UnknownKey)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, v.Keys.unavailable(err) // nobody waits for a fetch
		}
		err := v.Keys.Refresh(ctx, seen)
		seen = v.Keys.Latest()
		if set = v.Keys.Usable(time.Now()); set == nil {
			return nil, v.Keys.unavailable(err)
		}
		switch {
		case set.Value[keyID] != nil:
			return set, nil
		case isConclusive(set, arrived, issued):
			return nil, refused(UnknownKey)
		case err != nil:
			return nil, v.Keys.unavailable(err)
		}
		// The fetch began before the token arrived, and perhaps before its key was
		// published. The next one proves whether the key exists.
	}
}
