package sessionauth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/lru"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// A digest identifies a credential in the caches. With digests, the time of a
// lookup does not depend on a secret, and the caches contain no credentials.
type digest = lru.Key

func digestOf(s string) digest {
	var buffer [512]byte // on the stack; large enough for a session token or the signature of a JWT
	if len(s) <= len(buffer) {
		return sha256.Sum256(buffer[:copy(buffer[:], s)])
	}
	return sha256.Sum256([]byte(s))
}

// userKey returns the cache key of a user. It differs from every digest of a
// session token, because no session token contains a colon.
func userKey(id string) digest { return digestOf("user:" + id) }

// sessionKey returns the cache key of a session. See userKey.
func sessionKey(id string) digest { return digestOf("session:" + id) }

// An entry is an authenticated session. Requests share entries, so they are
// never changed.
type entry struct {
	session *stytch.Session
	user    *stytch.User      // nil with SessionOnly
	token   *sessionjwt.Token // the JWT that was verified locally; nil if the entry is a response of Stytch

	// refreshed is the new JWT in a response about an old one. It is kept only
	// in the cache of answers.
	refreshed string

	// thirdParty reports whether the entry is for a JWT that may be another
	// kind of token. A rejection of such a JWT does not mean that the session
	// has ended.
	thirdParty bool

	vouchedAt time.Time         // iat of the JWT, or the time of the call to Stytch
	expiresAt time.Time         // when the session must be authenticated again
	end       deadline.Deadline // when the entry expires; a hit never extends it
	staleEnd  deadline.Deadline // until when the entry may be used if Stytch cannot be reached
}

// decidedBy returns the Decider for a request, depending on whether it found
// the entry in a cache.
func (e *entry) decidedBy(cached bool) Decider {
	switch {
	case cached:
		return Cache
	case e.token != nil:
		return Local
	}
	return Stytch
}

// isAbout reports whether an entry is for the session s and its user. If s has
// no id, because the session claim of its JWT cannot be read, only the users
// are compared.
func (e *entry) isAbout(s *stytch.Session) bool {
	return (e.session.ID == s.ID || s.ID == "") && e.session.UserID == s.UserID
}

// subjects returns the session and the user of an entry.
func (e *entry) subjects() [2]string { return [2]string{e.session.ID, e.session.UserID} }

// size estimates the memory of an entry. It counts the user, although other
// entries may share it, because each entry keeps the user in memory.
func (e *entry) size() int {
	s := e.session
	n := 1024 + len(s.CustomClaims) + len(e.refreshed) + 768*len(s.Factors)
	if e.user != nil {
		n += userSize(e.user)
	}
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

type userEntry struct {
	user     *stytch.User
	end      deadline.Deadline
	staleEnd deadline.Deadline
}

// subjects returns the user of an entry.
func (u *userEntry) subjects() [2]string { return [2]string{"", u.user.ID} }

func (u *userEntry) size() int { return 512 + userSize(u.user) }

func userSize(p *stytch.User) int {
	lists := len(p.Emails) + len(p.Roles) + len(p.PhoneNumbers) + len(p.WebAuthnRegistrations) + len(p.Providers) +
		len(p.TOTPs) + len(p.CryptoWallets) + len(p.BiometricRegistrations)
	return 512 + 256*lists + len(p.TrustedMetadata) + len(p.UntrustedMetadata)
}

const (
	maxAnswers    = 1024 // each entry holds a JWT
	maxRejections = 4096
	rejectionTTL  = 10 * time.Second
)

// caches holds everything that an Authenticator remembers about credentials.
type caches struct {
	jwts    *lru.Cache[*entry]     // verified locally; by SHA-256 of the signature
	tokens  *lru.Cache[*entry]     // responses of Stytch; by SHA-256 of the token
	answers *lru.Cache[*entry]     // recent responses about a session; by sessionKey, or by the key of a third-party JWT
	users   *lru.Cache[*userEntry] // by userKey

	// rejected is a separate cache, so that rejections do not evict sessions.
	rejected *lru.Cache[deadline.Deadline]

	forgotten forgotten
}

// newCaches divides bytes so that the default CacheBytes suffices for the
// default CacheSize of sessions that each have a JWT, a token and a user.
func newCaches(size, bytes int) *caches {
	share := func(n int) int { return bytes / 32 * n }
	return &caches{
		jwts:     lru.NewIndexed(size, share(14), (*entry).size, (*entry).subjects),
		tokens:   lru.NewIndexed(size, share(11), (*entry).size, (*entry).subjects),
		answers:  lru.NewIndexed(min(size, maxAnswers), share(2), (*entry).size, (*entry).subjects),
		users:    lru.New(size, share(5), (*userEntry).size),
		rejected: lru.New(maxRejections, 1, func(deadline.Deadline) int { return 0 }),
	}
}

// jwt returns the entry of a JWT that was verified before, or nil. It hashes
// only the signature, which is a quarter of the text, because only the
// signature is secret. It compares the header and the payload directly.
func (c *caches) jwt(signature digest, signingInput string, now time.Time) *entry {
	e, ok := c.jwts.Get(signature, now)
	if !ok || !e.token.Matches(signingInput) {
		return nil
	}
	return e
}

// maxJWTs is the number of cached JWTs of one session. The owner of a session
// can make Stytch mint any number of JWTs. With this limit, they evict only each
// other from the cache.
const maxJWTs = 8

// addJWT adds a verified JWT.
func (c *caches) addJWT(key digest, e *entry, now time.Time) {
	c.jwts.AddAtMost(key, e, now, e.session.ID, maxJWTs)
}

// begin returns the generation, and whether Stytch has recently rejected the
// credential or user with this key.
func (c *caches) begin(key digest, now time.Time) (generation uint64, rejected bool) {
	return c.generation(), c.isRejected(key, now)
}

// generation returns the current generation. Read it before a call begins, and
// pass it to store with the response.
func (c *caches) generation() uint64 {
	c.forgotten.mu.RLock()
	defer c.forgotten.mu.RUnlock()
	return c.forgotten.count
}

// An identified value belongs to a session, a user, or both.
type identified interface{ subjects() [2]string }

// store calls add unless a subject of a was forgotten since generation.
func (c *caches) store(generation uint64, a identified, add func()) {
	c.forgotten.mu.RLock()
	defer c.forgotten.mu.RUnlock()
	if !c.forgotten.since(generation, a) {
		add()
	}
}

// isForgotten reports whether a subject of a was forgotten after its call began
// and before the request arrived. Both are generations.
func (c *caches) isForgotten(began, arrived uint64, a identified) bool {
	if began >= arrived {
		return false
	}
	c.forgotten.mu.RLock()
	defer c.forgotten.mu.RUnlock()
	return c.forgotten.since(began, a)
}

// forget removes everything about these sessions and users. It first records
// the ids, so that calls that began earlier store nothing about them. Every
// miss needs the lock, so forget does not hold it while it searches the caches.
func (c *caches) forget(ids []string) {
	c.forgotten.mu.Lock()
	c.forgotten.record(ids)
	c.forgotten.mu.Unlock()
	for _, id := range ids {
		c.jwts.RemoveSubject(id)
		c.tokens.RemoveSubject(id)
		c.answers.RemoveSubject(id)
		c.users.Remove(userKey(id))
	}
}

// forgotten records what was recently forgotten, so that a call that began
// earlier does not store it.
type forgotten struct {
	mu     sync.RWMutex
	count  uint64            // number of calls of record
	latest map[digest]uint64 // the newer half: by digest of the id, the count when it was recorded
	older  map[digest]uint64 // the older half
	floor  uint64            // the highest count that was dropped; until then, any id may have been forgotten
}

// maxForgotten is the maximum size of latest and of older. It is far above the
// number of ids that an application forgets during one call to Stytch.
const maxForgotten = 1024

// record records ids. The caller must hold mu.
func (f *forgotten) record(ids []string) {
	f.count++
	for _, id := range ids {
		if len(f.latest) >= maxForgotten || f.latest == nil {
			for _, count := range f.older {
				f.floor = max(f.floor, count)
			}
			f.older, f.latest = f.latest, map[digest]uint64{}
		}
		f.latest[digestOf(id)] = f.count
	}
}

// since reports whether a subject of a may have been recorded after generation.
// The caller must hold mu.
func (f *forgotten) since(generation uint64, a identified) bool {
	if f.count == generation {
		return false
	}
	if f.floor > generation {
		return true
	}
	for _, subject := range a.subjects() {
		key := digestOf(subject)
		if subject != "" && max(f.latest[key], f.older[key]) > generation {
			return true
		}
	}
	return false
}

// reject records for rejectionTTL that Stytch rejected a credential or a user.
// It must not be called for a temporary error.
func (c *caches) reject(k digest, now time.Time) {
	c.rejected.Add(k, deadline.In(now, rejectionTTL), now)
}

func (c *caches) isRejected(k digest, now time.Time) bool {
	end, ok := c.rejected.Get(k, now)
	return ok && !end.Passed(now)
}
