// Package sessionjwt verifies Stytch's session JWTs locally, against the
// project's key set.
//
// The order is fixed: form, header, signature, claims. golang-jwt checks the
// signature; it is not strict enough about the rest (an unknown crit, repeated
// names, line breaks inside base64), so the form of a token is checked before
// the library sees it. Whether a good token is still fresh is not decided here:
// Verify gives its times, and the caller holds them against the clock at every
// use.
package sessionjwt

import (
	"context"
	"crypto/rsa"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sessionauth/sessionauth/internal/remote"
	"github.com/sessionauth/sessionauth/internal/strictjson"
	"github.com/sessionauth/sessionauth/stytch"
)

// A Reason says what is wrong with a token.
type Reason string

// The reasons for refusing a token, in the order of the checks.
const (
	Malformed     Reason = "malformed"      // not a JWS of strict JSON
	BadHeader     Reason = "bad_header"     // algorithm, type or an extension we refuse
	UnknownKey    Reason = "unknown_key"    // no such key in the project's set
	BadSignature  Reason = "bad_signature"  // not signed by that key
	BadClaims     Reason = "bad_claims"     // no session of a user, or a claim of the wrong type
	WrongIssuer   Reason = "wrong_issuer"   //
	WrongAudience Reason = "wrong_audience" // another project's
	BadTime       Reason = "bad_time"       // not valid yet, or times that no token of Stytch has
)

// A RefusedError is a final no: the token is not one of the project's.
type RefusedError struct{ Reason Reason }

func (e *RefusedError) Error() string { return "session JWT refused: " + string(e.Reason) }

func refused(r Reason) error { return &RefusedError{r} }

// An UnavailableError says that nothing can be said of the token now, because
// the key that would decide cannot be had.
type UnavailableError struct {
	RetryAfter time.Duration // when a key set may be asked for again
	Cause      error         // why there is none
}

func (e *UnavailableError) Error() string { return "no key to verify the session JWT with" }
func (e *UnavailableError) Unwrap() error { return e.Cause }

// A Verifier verifies the session JWTs of one project.
type Verifier struct {
	Issuers  []string      // accepted values of iss, byte for byte
	Audience string        // the project id
	Leeway   time.Duration // clock difference allowed for nbf and iat
	Keys     *KeySet

	seen atomic.Pointer[seenHeader]
}

// A Token is a session JWT with a good signature, from our issuer and for our
// project. It may be past its exp.
type Token struct {
	Session   *stytch.Session
	IssuedAt  time.Time
	ExpiresAt time.Time
	Foreign   bool // carries scope or client_id: perhaps another kind of token, so only Stytch can vouch for it

	header, payload string // as they were sent: without the signature nobody's credential

	keyID string
	key   *rsa.PublicKey
	set   *remote.Snapshot[keys] // that key was in when the token was verified
}

// Verify checks a compact JWT. The error is a *RefusedError, an
// *UnavailableError, or the context's. Nothing in the token causes I/O, but a
// key id never seen may cause one bounded fetch of the key set.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	seen := v.seen.Load()
	c, err := parseCompact(raw, seen)
	if err != nil {
		return nil, err
	}
	var few [24]strictjson.Member // seven of Stytch, and as many custom claims as most have; more go to the heap
	payload, err := strictjson.Object(c.payload, few[:0])
	if err != nil {
		return nil, refused(Malformed)
	}
	set, err := v.setOf(ctx, c.keyID, payload)
	if err != nil {
		return nil, err
	}
	key := set.Value[c.keyID]
	if err := c.verify(key); err != nil {
		return nil, err
	}
	if seen == nil || seen.segment != c.sent.Header {
		seen = &seenHeader{strings.Clone(c.sent.Header), c.keyID}
		v.seen.Store(seen)
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := v.judge(&claims, time.Now()); err != nil {
		return nil, err
	}
	return &Token{
		Session: claims.session, IssuedAt: claims.issuedAt, ExpiresAt: claims.expiresAt, Foreign: claims.foreign,
		// A copy: the request's own memory holds the signature beside it.
		header: seen.segment, payload: strings.Clone(c.sent.Payload),
		keyID: c.keyID, key: key, set: set,
	}, nil
}

// Size is how many bytes it keeps alive beside its session. Its header is counted,
// though tokens of one key mostly share it.
func (t *Token) Size() int { return len(t.header) + len(t.payload) }

// Covers reports whether a JWT with the same signature is this token, byte for
// byte.
func (t *Token) Covers(p Parts) bool { return t.payload == p.Payload && t.header == p.Header }

// Trusts reports whether the key that signed the token is still in the key set:
// a withdrawn key takes the tokens verified with it along.
func (v *Verifier) Trusts(t *Token, now time.Time) bool {
	set := v.Keys.Usable(now)
	return set != nil && (set == t.set || set.Value[t.keyID] == t.key)
}

// judge holds the claims of a token with a good signature against what we
// expect, all but exp.
func (v *Verifier) judge(c *claims, now time.Time) error {
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

// setOf finds the key set that has the key of the header, and fetches it for a key
// never seen unless the set we hold is proof that the key does not exist.
func (v *Verifier) setOf(ctx context.Context, keyID string, payload []strictjson.Member) (*remote.Snapshot[keys], error) {
	arrived := time.Now()
	set := v.Keys.Usable(arrived)
	if set != nil && set.Value[keyID] != nil {
		return set, nil
	}
	issued, ok := issuedAt(payload)
	if !ok || issued.After(arrived.Add(v.Leeway)) {
		// It would be refused for its times; it is not worth a fetch.
		return nil, refused(BadTime)
	}
	issued = issued.Add(v.Leeway)
	if set != nil && proves(set, arrived, issued) {
		return nil, refused(UnknownKey)
	}
	err := v.Keys.Refresh(ctx)
	if set = v.Keys.Usable(time.Now()); set == nil {
		return nil, v.Keys.unavailable(err)
	}
	if set.Value[keyID] != nil {
		return set, nil
	}
	if proves(set, arrived, issued) {
		return nil, refused(UnknownKey)
	}
	return nil, v.Keys.unavailable(err)
}
