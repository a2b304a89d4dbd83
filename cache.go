package sessionauth

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/lru"
	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytch"
)

// A digest identifies a credential in the caches. The time of a look-up depends
// on no secret, and the caches hold nothing that authenticates anyone.
type digest = lru.Key

func digestOf(s string) digest {
	var buffer [512]byte // on the stack; holds a session token, or the signature of a JWT
	if len(s) <= len(buffer) {
		return sha256.Sum256(buffer[:copy(buffer[:], s)])
	}
	return sha256.Sum256([]byte(s))
}

// userKey contains a colon, which no session token does.
func userKey(id string) digest { return digestOf("user:" + id) }

// sessionKey contains a colon, which no session token does.
func sessionKey(id string) digest { return digestOf("session:" + id) }

// An entry is an authenticated session. Entries are shared by requests and never
// changed.
type entry struct {
	session *stytch.Session
	user    *stytch.User      // nil with SessionOnly
	token   *sessionjwt.Token // the JWT that was verified locally; nil if Stytch answered

	// refreshed is the new JWT in an answer about an old one. Only the cache of
	// answers keeps it.
	refreshed string

	// thirdParty reports that the answer is about a JWT that may be another
	// kind of token: a rejection of it says nothing about the session.
	thirdParty bool

	vouchedAt time.Time         // iat of the JWT, or when Stytch was called
	asOf      time.Time         // vouchedAt, less the possible skew of the clock that it is from
	expiresAt time.Time         // when the session must be vouched for again
	end       deadline.Deadline // of its life in a cache; a hit never extends it
	staleEnd  deadline.Deadline // until then it may be used if Stytch cannot be reached
}

// decidedBy returns the Decider for a request that found the entry in a cache,
// or did not.
func (e *entry) decidedBy(cached bool) Decider {
	switch {
	case cached:
		return Cache
	case e.token != nil:
		return Local
	}
	return Stytch
}

// isAbout reports whether two entries are of the same session and user. If s has
// no id, because the session claim of its JWT cannot be read, the user decides.
func (e *entry) isAbout(s *stytch.Session) bool {
	return (e.session.ID == s.ID || s.ID == "") && e.session.UserID == s.UserID
}

// subjects returns the session and the user that an entry is about.
func (e *entry) subjects() [2]string { return [2]string{e.session.ID, e.session.UserID} }

// size estimates the memory of an entry. Its user is counted where users are
// cached.
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

type userEntry struct {
	user     *stytch.User
	end      deadline.Deadline
	staleEnd deadline.Deadline
}

// subjects returns the user that an entry is about.
func (u *userEntry) subjects() [2]string { return [2]string{"", u.user.ID} }

func (u *userEntry) size() int {
	p := u.user
	lists := len(p.Emails) + len(p.Roles) + len(p.PhoneNumbers) + len(p.WebAuthnRegistrations) + len(p.Providers) +
		len(p.TOTPs) + len(p.CryptoWallets) + len(p.BiometricRegistrations)
	return 1024 + 256*lists + len(p.TrustedMetadata) + len(p.UntrustedMetadata)
}

const (
	maxAnswers    = 1024 // each holds a JWT
	maxRejections = 4096
	rejectionTTL  = 10 * time.Second
)

// caches holds everything that an Authenticator remembers about credentials.
type caches struct {
	jwts    *lru.Cache[*entry]     // verified locally, by SHA-256 of the signature
	jwtsOf  *lru.Cache[*ring]      // the JWTs of a session, by SHA-256 of its id
	tokens  *lru.Cache[*entry]     // Stytch's answers, by SHA-256 of the token
	answers *lru.Cache[*entry]     // recent answers about a session, by sessionKey, or by the key of a third-party JWT
	users   *lru.Cache[*userEntry] // by userKey

	// rejected is a cache of its own, so that rejections evict nothing else.
	rejected *lru.Cache[deadline.Deadline]

	forgotten forgotten
}

func newCaches(size, bytes int) *caches {
	return &caches{
		jwts:     lru.NewIndexed(size, bytes/2, (*entry).size, (*entry).subjects),
		jwtsOf:   lru.New(size, bytes, func(*ring) int { return 0 }), // bounded by the number of JWTs
		tokens:   lru.NewIndexed(size, bytes/4, (*entry).size, (*entry).subjects),
		answers:  lru.NewIndexed(min(size, maxAnswers), bytes/8, (*entry).size, (*entry).subjects),
		users:    lru.New(size, bytes/8, (*userEntry).size),
		rejected: lru.New(maxRejections, 1, func(deadline.Deadline) int { return 0 }),
	}
}

// jwt returns the entry of a JWT that was verified here, or nil. Only the
// signature is secret, so only it is hashed, a quarter of the text: header and
// payload authenticate no one, and are compared as they are.
func (c *caches) jwt(signature digest, signingInput string, now time.Time) *entry {
	e, ok := c.jwts.Get(signature, now)
	if !ok || !e.token.Matches(signingInput) {
		return nil
	}
	return e
}

// addJWT adds a verified JWT.
func (c *caches) addJWT(key digest, e *entry, now time.Time) {
	r := c.jwtsOf.GetOrAdd(digestOf(e.session.ID), func() *ring { return &ring{} }, now)
	c.jwts.Add(key, e, now) // before the ring can evict it for another
	if evicted, ok := r.add(key); ok {
		c.jwts.Remove(evicted)
	}
}

// A ring holds the newest verified JWTs of one session. The owner of a session
// can have Stytch mint any number of JWTs; they evict each other from the cache
// and no one else's.
type ring struct {
	mu     sync.Mutex
	keys   []digest // grows to ringSize: most sessions have one or two JWTs here
	oldest int      // index, once the ring is full
}

const ringSize = 8

// add adds a JWT and returns the one it replaces, if any.
func (r *ring) add(key digest) (evicted digest, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.keys, key) {
		return digest{}, false
	}
	if len(r.keys) < ringSize {
		r.keys = append(r.keys, key)
		return digest{}, false
	}
	evicted, r.keys[r.oldest] = r.keys[r.oldest], key
	r.oldest = (r.oldest + 1) % ringSize
	return evicted, true
}

// begin returns the generation, and whether Stytch rejected a credential or a user
// a moment ago.
func (c *caches) begin(key digest, now time.Time) (generation uint64, rejected bool) {
	return c.generation(), c.isRejected(key, now)
}

// generation is read before a call begins, and passed to store with its answer.
func (c *caches) generation() uint64 {
	c.forgotten.mu.RLock()
	defer c.forgotten.mu.RUnlock()
	return c.forgotten.count
}

// An identified value is about a session, a user, or both.
type identified interface{ subjects() [2]string }

// store calls add unless a subject of the answer was forgotten since generation.
func (c *caches) store(generation uint64, a identified, add func()) {
	c.forgotten.mu.RLock()
	defer c.forgotten.mu.RUnlock()
	if !c.forgotten.since(generation, a) {
		add()
	}
}

// isForgotten reports whether a subject of an answer was forgotten between the
// generations at which its call began and a request arrived.
func (c *caches) isForgotten(began, arrived uint64, a identified) bool {
	if began >= arrived {
		return false
	}
	c.forgotten.mu.RLock()
	defer c.forgotten.mu.RUnlock()
	return c.forgotten.since(began, a)
}

// forget removes everything about these sessions and users. Calls that began
// before store nothing about them once they are recorded, so that the lock,
// which every miss needs, is not held during the search.
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

// forgotten records what was forgotten a moment ago: a call that began before
// must not store it.
type forgotten struct {
	mu     sync.RWMutex
	count  uint64            // calls of record
	latest map[digest]uint64 // what was recorded last, by its digest: the count then
	older  map[digest]uint64 // what was recorded before
	floor  uint64            // the highest count that was dropped: anything may have been forgotten then
}

// maxForgotten bounds latest and older. It is far above what an application
// forgets within one call to Stytch.
const maxForgotten = 1024

// record requires mu.
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

// since reports whether a subject of an answer may have been recorded since a
// generation. It requires mu.
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

// reject remembers for a moment that Stytch rejected a credential or a user.
// Nothing transient may be remembered here.
func (c *caches) reject(k digest, now time.Time) {
	c.rejected.Add(k, deadline.In(now, rejectionTTL), now)
}

func (c *caches) isRejected(k digest, now time.Time) bool {
	end, ok := c.rejected.Get(k, now)
	return ok && !end.Passed(now)
}
