// Package lru implements a bounded least-recently-used cache. It has a limit on
// entries and a limit on bytes. An index allows the removal of all values for
// one subject.
//
// The cache consists of several shards of golang-lru, so that requests on
// several cores do not wait for each other. A hit seldom takes a write lock.
package lru

import (
	"crypto/sha256"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A Key is a SHA-256 digest. Its first byte selects the shard, so keys must be
// uniformly distributed.
type Key = [sha256.Size]byte

// A Cache is safe for concurrent use by multiple goroutines. Use New or
// NewIndexed to create a Cache.
type Cache[V any] struct {
	shards     []shard[V]
	sizeOf     func(V) int
	subjectsOf func(V) [subjects]string // nil if there is no index
	seed       maphash.Seed             // of the hashes of subjects
	budget     int                      // limit on the bytes of one shard

	limited struct { // for AddAtMost
		mu     sync.Mutex
		latest time.Time // of the last value; no two values get the same time
	}
}

// subjects is the number of subjects of a value: a session and its user.
const subjects = 2

type shard[V any] struct {
	mu    sync.RWMutex
	lru   *simplelru.LRU[Key, *slot[V]]
	bytes int
	index map[uint64]*slot[V] // the first slot of each subject, by its hash; nil if there is no index

	_ [64]byte // keeps two shards out of one cache line
}

// A slot holds a value and the time when it was last moved to the front of the
// LRU. simplelru.Get writes and needs an exclusive lock, so a hit moves the
// slot at most once in moveAfter. The order of use is therefore exact to one
// second.
type slot[V any] struct {
	value V
	moved atomic.Int64 // Unix nanoseconds

	key   Key
	links *[subjects]link[V] // nil if there is no index; a pointer, so that a hit reads less memory
}

// A link is an element of the list of slots for one subject in a shard. The
// index holds the first slot.
type link[V any] struct {
	subject    uint64 // hash; zero for none
	prev, next *slot[V]
}

const moveAfter = int64(time.Second)

// maxShards is high enough that the locks do not appear in profiles on many
// cores. A small cache gets fewer shards, because the limits of the shards add
// up to the limit of the cache only if each shard holds many entries.
const maxShards = 16

// New returns a Cache with at most size entries and about bytes bytes, as
// counted by sizeOf. size must be positive.
func New[V any](size, bytes int, sizeOf func(V) int) *Cache[V] {
	n := 1
	for n < maxShards && size/(2*n) >= 64 {
		n *= 2
	}
	c := &Cache[V]{shards: make([]shard[V], n), sizeOf: sizeOf, budget: bytes / n}
	for i := range c.shards {
		s := &c.shards[i]
		// NewLRU fails only for sizes below 1.
		s.lru, _ = simplelru.NewLRU((size+n-1)/n, func(_ Key, v *slot[V]) {
			s.bytes -= sizeOf(v.value)
			s.unlink(v)
		})
	}
	return c
}

// NewIndexed is like New and adds an index for RemoveSubject. subjectsOf
// returns the subjects of a value. An empty subject is not indexed.
func NewIndexed[V any](size, bytes int, sizeOf func(V) int, subjectsOf func(V) [subjects]string) *Cache[V] {
	c := New(size, bytes, sizeOf)
	c.subjectsOf, c.seed = subjectsOf, maphash.MakeSeed()
	for i := range c.shards {
		s := &c.shards[i]
		s.index = map[uint64]*slot[V]{}
	}
	return c
}

// Get returns the value of k, and whether there is one.
func (c *Cache[V]) Get(k Key, now time.Time) (v V, ok bool) {
	s := &c.shards[int(k[0])%len(c.shards)]
	s.mu.RLock()
	found, ok := s.lru.Peek(k)
	s.mu.RUnlock()
	if !ok {
		return v, false
	}
	at, moved := now.UnixNano(), found.moved.Load()
	if since := at - moved; (since < 0 || since >= moveAfter) && found.moved.CompareAndSwap(moved, at) {
		s.mu.Lock()
		s.lru.Get(k)
		s.mu.Unlock()
	}
	return found.value, true
}

// Add stores v and evicts the least recently used values to make room. It does
// not store a value that is larger than the limit of a shard.
func (c *Cache[V]) Add(k Key, v V, now time.Time) {
	s := c.lock(k)
	defer s.mu.Unlock()
	c.put(s, k, v, now)
}

// AddAtMost adds v, which must have the subject, and then evicts the least
// recently used other values of the subject until there are at most limit of
// them. The Cache must have an index, and limit must be positive.
func (c *Cache[V]) AddAtMost(k Key, v V, now time.Time, subject string, limit int) {
	hash := c.hash(subject)
	c.limited.mu.Lock() // otherwise two goroutines could evict two values instead of one
	defer c.limited.mu.Unlock()
	if !now.After(c.limited.latest) {
		now = c.limited.latest.Add(1)
	}
	c.limited.latest = now
	c.Add(k, v, now)
	for {
		n, oldest := c.leastRecentlyUsed(hash, k)
		if n <= limit {
			return
		}
		c.Remove(oldest)
	}
}

// leastRecentlyUsed returns the number of values of a subject, and the key of
// the one among them, except k, that was least recently used.
func (c *Cache[V]) leastRecentlyUsed(subject uint64, k Key) (n int, oldest Key) {
	at := int64(math.MaxInt64)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		for v := s.index[subject]; v != nil; v = v.linkOf(subject).next {
			n++
			if moved := v.moved.Load(); v.key != k && moved < at {
				oldest, at = v.key, moved
			}
		}
		s.mu.RUnlock()
	}
	return n, oldest
}

// Remove removes k.
func (c *Cache[V]) Remove(k Key) {
	s := c.lock(k)
	defer s.mu.Unlock()
	s.lru.Remove(k)
}

// RemoveSubject removes all values for a subject. Its cost does not depend on
// the number of other values.
func (c *Cache[V]) RemoveSubject(subject string) {
	if subject == "" {
		return
	}
	hash := c.hash(subject)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for first := s.index[hash]; first != nil; first = s.index[hash] {
			s.lru.Remove(first.key) // also unlinks the slot
		}
		s.mu.Unlock()
	}
}

// lock returns the shard of k with its mu held.
func (c *Cache[V]) lock(k Key) *shard[V] {
	s := &c.shards[int(k[0])%len(c.shards)]
	s.mu.Lock()
	return s
}

// put stores v. The caller must hold s.mu.
func (c *Cache[V]) put(s *shard[V], k Key, v V, now time.Time) {
	size := c.sizeOf(v)
	s.lru.Remove(k)
	if size > c.budget {
		return
	}
	s.bytes += size
	added := &slot[V]{value: v, key: k}
	added.moved.Store(now.UnixNano())
	if c.subjectsOf != nil {
		var hashes [subjects]uint64
		for i, subject := range c.subjectsOf(v) {
			hashes[i] = c.hash(subject)
		}
		s.link(added, hashes)
	}
	s.lru.Add(k, added)
	for s.bytes > c.budget {
		s.lru.RemoveOldest()
	}
}

// link adds a slot to the index. The caller must hold mu.
func (s *shard[V]) link(added *slot[V], of [subjects]uint64) {
	added.links = new([subjects]link[V])
	for i, subject := range of {
		if subject == 0 || i > 0 && subject == of[0] {
			continue
		}
		l := &added.links[i]
		l.subject = subject
		first := s.index[subject]
		if first == nil {
			s.index[subject] = added
			continue
		}
		after := first.linkOf(subject)
		l.prev, l.next = first, after.next
		if l.next != nil {
			l.next.linkOf(subject).prev = added
		}
		after.next = added
	}
}

// unlink removes a slot from the index. The caller must hold mu.
func (s *shard[V]) unlink(removed *slot[V]) {
	if removed.links == nil {
		return
	}
	for i := range removed.links {
		l := &removed.links[i]
		if l.subject == 0 {
			continue
		}
		if l.next != nil {
			l.next.linkOf(l.subject).prev = l.prev
		}
		if l.prev != nil {
			l.prev.linkOf(l.subject).next = l.next
			continue
		}
		delete(s.index, l.subject)
		if l.next != nil {
			s.index[l.subject] = l.next
		}
	}
	removed.links = nil
}

// linkOf returns the link of a slot for one of its subjects.
func (v *slot[V]) linkOf(subject uint64) *link[V] {
	if v.links[0].subject == subject {
		return &v.links[0]
	}
	return &v.links[1]
}

// hash returns the hash of a subject, and zero for an empty one. If two subjects
// have the same hash, removing one also removes the other, which only costs a
// call.
func (c *Cache[V]) hash(subject string) uint64 {
	if subject == "" {
		return 0
	}
	return max(1, maphash.String(c.seed, subject))
}
