package sessionauth

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// A digest is what caches know a credential by: looking one up takes no time
// that depends on a secret, and whoever reads their memory can use none of it.
type digest [sha256.Size]byte

func digestOf(s string) digest {
	// The bytes of the string itself: Sum256 only reads them, and a copy would be
	// nearly as much as all else that a warm request allocates.
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// An entry is somebody's word for a session: Stytch's, or that of a verified
// JWT. Entries are shared between requests and never changed.
type entry struct {
	session *stytch.Session
	user    *stytch.User      // nil with SessionOnly
	token   *sessionjwt.Token // the JWT that was verified here; nil if Stytch answered

	// refreshed is the new JWT that came with Stytch's answer. Only the answers
	// to old JWTs keep it.
	refreshed string

	foreign   bool              // about a JWT of another kind: that it ended says nothing of the session
	vouchedAt time.Time         // iat of the JWT by Stytch's clock, or when Stytch was asked by ours
	expiresAt time.Time         // when it must be vouched for anew
	end       deadline.Deadline // of its life in a cache; fixed, a hit never extends it
	staleEnd  deadline.Deadline // until then it may be used if Stytch cannot be asked
}

// by tells who vouched for it, to a request that found it in a cache or did not.
func (e *entry) by(cached bool) Decider {
	switch {
	case cached:
		return Cache
	case e.token != nil:
		return Local
	}
	return Stytch
}

// identity copies all that a caller could change.
func (e *entry) identity(cached bool) *Identity {
	return &Identity{
		Session:    e.session.Clone(),
		User:       e.user.Clone(),
		Refreshed:  Credential{JWT: e.refreshed},
		DecidedBy:  e.by(cached),
		VerifiedAt: e.vouchedAt,
		ExpiresAt:  e.expiresAt,
	}
}

const (
	maxAnswers    = 1024             // answers to old JWTs: each keeps a raw JWT
	answerTTL     = 30 * time.Second // long enough for the requests a page had under way
	maxRejections = 4096
	rejectionTTL  = 10 * time.Second
)

// caches is all that an Authenticator remembers of credentials. Its methods
// say what may be kept, and until when.
type caches struct {
	jwts      *cache[*entry]            // verified here, by SHA-256 of its signature
	jwtsOf    *cache[*ring]             // the JWTs of one session, by SHA-256 of its id
	tokens    *cache[*entry]            // Stytch's answers, by SHA-256 of the token
	answers   *cache[*entry]            // Stytch's answers about old JWTs, by SHA-256 of the session's id, or of a JWT of another kind
	rechecked *cache[*entry]            // Stytch's answers to guards, by SHA-256 of the session id
	users     *cache[*userEntry]        // by SHA-256 of the user id
	rejected  *cache[deadline.Deadline] // a cache of its own, so that strangers evict nobody

	ttl   time.Duration // CacheTTL; zero keeps nothing
	stale time.Duration // StaleIfError

	// A call that began before a Forget must not bring back what was forgotten.
	forgetMu sync.RWMutex
	forgets  uint64 // guarded by forgetMu; how many there were
}

type userEntry struct {
	user     *stytch.User
	end      deadline.Deadline
	staleEnd deadline.Deadline
}

func newCaches(c *Config) *caches {
	size, bytes := c.CacheSize, c.CacheBytes
	return &caches{
		jwts:      newCache(size, bytes/2, (*entry).size),
		jwtsOf:    newCache(size, bytes, func(*ring) int { return 0 }), // as small as the JWTs are many
		tokens:    newCache(size, bytes/4, (*entry).size),
		answers:   newCache(min(size, maxAnswers), bytes/16, (*entry).size),
		rechecked: newCache(min(size, maxAnswers), bytes/16, (*entry).size),
		users:     newCache(size, bytes/8, (*userEntry).size),
		rejected:  newCache(maxRejections, 1, func(deadline.Deadline) int { return 0 }),
		ttl:       max(0, c.CacheTTL),
		stale:     c.StaleIfError,
	}
}

// A ring holds the newest verified JWTs of one session. Whoever owns a session
// can have it mint JWTs without end; they drop each other out of the cache and
// nobody else's.
type ring struct {
	mu     sync.Mutex
	keys   []digest // grows to ringSize: most sessions have one JWT or two here
	oldest int      // once it has
}

const ringSize = 8

// add takes a JWT in, and returns the one that has to go for it, if any.
func (r *ring) add(key digest) (dropped digest, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.keys, key) {
		return digest{}, false // verified again
	}
	if len(r.keys) < ringSize {
		r.keys = append(r.keys, key)
		return digest{}, false
	}
	dropped, r.keys[r.oldest] = r.keys[r.oldest], key
	r.oldest = (r.oldest + 1) % ringSize
	return dropped, true
}

// jwt gives the entry of a JWT that was verified here, byte for byte the same.
// Only its signature is a secret, so only that is digested, a quarter of the text:
// header and payload give nobody a session, and are compared as they are.
func (c *caches) jwt(signature digest, signingInput string, now time.Time) (*entry, bool) {
	e, ok := c.jwts.get(signature, now)
	if !ok || !e.token.Matches(signingInput) {
		return nil, false
	}
	return e, true
}

// addJWT keeps a verified JWT.
func (c *caches) addJWT(key digest, e *entry, now time.Time) {
	r := c.jwtsOf.getOrAdd(digestOf(e.session.ID), func() *ring { return &ring{} }, now)
	c.jwts.add(key, e, now) // before another can drop it from the ring
	if dropped, ok := r.add(key); ok {
		c.jwts.remove(dropped)
	}
}

// size is about how many bytes an entry keeps alive. Its user is counted where
// users are kept.
func (e *entry) size() int {
	s := e.session
	n := 1024 + len(s.CustomClaims) + len(e.refreshed) + 1024*len(s.Factors)
	if e.token != nil {
		n += e.token.Size()
	}
	for _, role := range s.Roles {
		n += 16 + len(role)
	}
	if s.Attributes != nil {
		n += len(s.Attributes.IPAddress) + len(s.Attributes.UserAgent)
	}
	return n
}

func (u *userEntry) size() int {
	p := u.user
	lists := len(p.Emails) + len(p.Roles) + len(p.PhoneNumbers) + len(p.WebAuthnRegistrations) + len(p.Providers) +
		len(p.TOTPs) + len(p.CryptoWallets) + len(p.BiometricRegistrations)
	return 1024 + 256*lists + len(p.TrustedMetadata) + len(p.UntrustedMetadata)
}

// generation is asked before a call begins and given back with its answer.
func (c *caches) generation() uint64 {
	c.forgetMu.RLock()
	defer c.forgetMu.RUnlock()
	return c.forgets
}

// keep runs add unless something was forgotten since generation.
func (c *caches) keep(generation uint64, add func()) {
	c.forgetMu.RLock()
	defer c.forgetMu.RUnlock()
	if c.forgets == generation {
		add()
	}
}

// forget drops everything about these sessions and users. What began before is
// not kept any more once the count has changed, so the lock, which every miss
// needs, is not held while looking for what to drop.
func (c *caches) forget(ids map[string]bool) {
	c.forgetMu.Lock()
	c.forgets++
	c.forgetMu.Unlock()
	matches := func(e *entry) bool { return ids[e.session.ID] || ids[e.session.UserID] }
	c.jwts.removeIf(matches)
	c.tokens.removeIf(matches)
	c.answers.removeIf(matches)
	c.rechecked.removeIf(matches)
	c.users.removeIf(func(u *userEntry) bool { return ids[u.user.ID] })
}

// rejection remembers for a moment that Stytch said no. Nothing transient may
// be remembered here.
func (c *caches) rejection(k digest, now time.Time) {
	c.rejected.add(k, deadline.In(now, rejectionTTL), now)
}

func (c *caches) isRejected(k digest, now time.Time) bool {
	end, ok := c.rejected.get(k, now)
	return ok && !end.Passed(now)
}
