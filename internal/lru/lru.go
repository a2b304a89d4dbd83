// Package lru is a least-recently-used cache bounded in entries and in bytes,
// with an index by which the values about one subject can be removed.
//
// It is sharded golang-lru: requests on several cores do not wait for each
// other, and a hit takes no write lock.
package lru

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A Key is a SHA-256 digest. Its first byte selects the shard, so keys must be
// uniformly distributed.
type Key = [sha256.Size]byte

// A Cache is safe for use by several goroutines. Make one with New.
type Cache[V any] struct {
	shards     []shard[V]
	sizeOf     func(V) int
	subjectsOf func(V) [subjects]string // nil: there is no index
	budget     int                      // bytes of one shard
}

// subjects is how many subjects a value has: a session and its user.
const subjects = 2

type shard[V any] struct {
	mu    sync.RWMutex
	lru   *simplelru.LRU[Key, *slot[V]]
	bytes int
	index map[string]*slot[V] // the first slot of each subject; nil without an index

	_ [64]byte // keeps two shards out of one cache line
}

// A slot holds a value and the time it was last moved to the front of the LRU.
// A hit moves it at most once in moveAfter: simplelru's Get writes, and hits
// that only read need no exclusive lock. The order of use is therefore exact
// to one second.
type slot[V any] struct {
	value V
	moved atomic.Int64 // Unix nanoseconds

	key   Key
	links *[subjects]link[V] // nil without an index; behind a pointer, so that a hit reads less memory
}

// A link joins the slots of one subject in a shard: the first of them is in the
// index.
type link[V any] struct {
	subject    string
	prev, next *slot[V]
}

const moveAfter = int64(time.Second)

// maxShards is enough for the locks to vanish from profiles of many cores.
// Small caches get fewer shards: the bound of a shard is only near the bound of
// the cache if a shard holds many entries.
const maxShards = 16

// New returns a Cache of at most size entries, which must be positive, and
// about bytes bytes in total as counted by sizeOf.
func New[V any](size, bytes int, sizeOf func(V) int) *Cache[V] {
	n := 1
	for n < maxShards && size/(2*n) >= 64 {
		n *= 2
	}
	c := &Cache[V]{shards: make([]shard[V], n), sizeOf: sizeOf, budget: bytes / n}
	for i := range c.shards {
		s := &c.shards[i]
		// NewLRU fails for sizes below 1 only.
		s.lru, _ = simplelru.NewLRU((size+n-1)/n, func(_ Key, v *slot[V]) {
			s.bytes -= sizeOf(v.value)
			s.unlink(v)
		})
	}
	return c
}

// NewIndexed is New with an index for RemoveSubject. subjectsOf returns the
// subjects of a value; an empty one is not indexed.
func NewIndexed[V any](size, bytes int, sizeOf func(V) int, subjectsOf func(V) [subjects]string) *Cache[V] {
	c := New(size, bytes, sizeOf)
	c.subjectsOf = subjectsOf
	for i := range c.shards {
		s := &c.shards[i]
		s.index = map[string]*slot[V]{}
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

// Add stores v, and evicts what was used least recently to make room. A value
// larger than the budget of a shard is not stored.
func (c *Cache[V]) Add(k Key, v V, now time.Time) {
	s := c.lock(k)
	defer s.mu.Unlock()
	c.put(s, k, v, now)
}

// GetOrAdd returns the value of k, and adds newValue's result if there is none.
// Goroutines that call it at the same time get the same value.
func (c *Cache[V]) GetOrAdd(k Key, newValue func() V, now time.Time) V {
	if v, ok := c.Get(k, now); ok {
		return v
	}
	s := c.lock(k)
	defer s.mu.Unlock()
	if found, ok := s.lru.Peek(k); ok {
		return found.value
	}
	v := newValue()
	c.put(s, k, v, now)
	return v
}

// Remove removes k.
func (c *Cache[V]) Remove(k Key) {
	s := c.lock(k)
	defer s.mu.Unlock()
	s.lru.Remove(k)
}

// RemoveSubject removes the values of a subject. It visits no others.
func (c *Cache[V]) RemoveSubject(subject string) {
	if subject == "" {
		return
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for first := s.index[subject]; first != nil; first = s.index[subject] {
			s.lru.Remove(first.key) // unlinks it
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

// put requires s.mu.
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
		s.link(added, c.subjectsOf(v))
	}
	s.lru.Add(k, added)
	for s.bytes > c.budget {
		s.lru.RemoveOldest()
	}
}

// link adds a slot to the index. It requires mu.
func (s *shard[V]) link(added *slot[V], of [subjects]string) {
	added.links = new([subjects]link[V])
	for i, subject := range of {
		if subject == "" || i > 0 && subject == of[0] {
			continue
		}
		l := &added.links[i]
		l.subject = subject
		first := s.index[subject]
		if first == nil {
			s.index[subject] = added
			continue
		}
		// After the first, which owns the key of the index.
		after := first.linkOf(subject)
		l.prev, l.next = first, after.next
		if l.next != nil {
			l.next.linkOf(subject).prev = added
		}
		after.next = added
	}
}

// unlink removes a slot from the index. It requires mu.
func (s *shard[V]) unlink(removed *slot[V]) {
	if removed.links == nil {
		return
	}
	for i := range removed.links {
		l := &removed.links[i]
		if l.subject == "" {
			continue
		}
		if l.next != nil {
			l.next.linkOf(l.subject).prev = l.prev
		}
		if l.prev != nil {
			l.prev.linkOf(l.subject).next = l.next
			continue
		}
		delete(s.index, l.subject) // also the string, which belongs to the removed value
		if l.next != nil {
			s.index[l.next.linkOf(l.subject).subject] = l.next
		}
	}
	removed.links = nil
}

// linkOf returns the link of one of the subjects of a slot.
func (v *slot[V]) linkOf(subject string) *link[V] {
	if v.links[0].subject == subject {
		return &v.links[0]
	}
	return &v.links[1]
}
