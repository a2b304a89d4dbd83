package sessionauth

import (
	"crypto/sha256"
	"sync"
	"time"
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// A digest is what caches know a credential by: looking one up takes no time
// that depends on a secret, and a memory dump of a cache shows none.
type digest [sha256.Size]byte

func digestOf(s string) digest {
	// The bytes of the string itself: Sum256 only reads them, and a copy of a
	// JWT would be most of what a warm request allocates.
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

	vouchedAt time.Time         // iat of the JWT, or when Stytch was asked
	expiresAt time.Time         // when it must be vouched for anew
	end       deadline.Deadline // of its life in a cache; fixed, a hit never extends it
	staleEnd  deadline.Deadline // until then it may be used if Stytch cannot be asked
}

// A cache is an LRU of entries or other values, in shards so that requests on
// several cores do not wait for each other.
type cache[V any] struct{ shards []shard[V] }

type shard[V any] struct {
	mu  sync.Mutex
	lru *simplelru.LRU[digest, V]
}

// maxShards is enough for the lock to vanish from profiles of many cores; small
// caches get fewer, or their bound would be far from the one asked for.
const maxShards = 16

func newCache[V any](size int) *cache[V] {
	n := 1
	for n < maxShards && size/(2*n) >= 64 {
		n *= 2
	}
	c := &cache[V]{make([]shard[V], n)}
	for i := range c.shards {
		c.shards[i].lru, _ = simplelru.NewLRU[digest, V]((size+n-1)/n, nil) // fails for sizes below 1 only
	}
	return c
}

func (c *cache[V]) shard(k digest) *shard[V] { return &c.shards[int(k[0])%len(c.shards)] }

func (c *cache[V]) get(k digest) (V, bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lru.Get(k)
}

func (c *cache[V]) add(k digest, v V) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Add(k, v)
}

// removeIf drops what match recognizes. It looks at everything: for the rare
// Forget, not for requests.
func (c *cache[V]) removeIf(match func(V) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, k := range s.lru.Keys() {
			if v, ok := s.lru.Peek(k); ok && match(v) {
				s.lru.Remove(k)
			}
		}
		s.mu.Unlock()
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
	jwts     *cache[*entry]            // verified here, by SHA-256 of the JWT
	tokens   *cache[*entry]            // Stytch's answers, by SHA-256 of the token
	answers  *cache[*entry]            // Stytch's answers about old JWTs, by SHA-256 of the old JWT
	users    *cache[*userEntry]        // by SHA-256 of the user id
	rejected *cache[deadline.Deadline] // a cache of its own, so that strangers evict nobody

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
	size := c.CacheSize
	return &caches{
		jwts:     newCache[*entry](size),
		tokens:   newCache[*entry](size),
		answers:  newCache[*entry](min(size, maxAnswers)),
		users:    newCache[*userEntry](size),
		rejected: newCache[deadline.Deadline](maxRejections),
		ttl:      max(0, c.CacheTTL),
		stale:    c.StaleIfError,
	}
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

// forget drops everything about these sessions and users.
func (c *caches) forget(ids map[string]bool) {
	c.forgetMu.Lock()
	defer c.forgetMu.Unlock()
	c.forgets++
	matches := func(e *entry) bool { return ids[e.session.ID] || ids[e.session.UserID] }
	c.jwts.removeIf(matches)
	c.tokens.removeIf(matches)
	c.answers.removeIf(matches)
	c.users.removeIf(func(u *userEntry) bool { return ids[u.user.ID] })
}

// rejection remembers for a moment that Stytch said no. Nothing transient may
// be remembered here.
func (c *caches) rejection(k digest, now time.Time) {
	c.rejected.add(k, deadline.In(now, rejectionTTL))
}

func (c *caches) isRejected(k digest, now time.Time) bool {
	end, ok := c.rejected.get(k)
	return ok && !end.Passed(now)
}
