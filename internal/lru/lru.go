// Package lru is a least-recently-used cache bounded in entries and in bytes.
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
	shards []shard[V]
	sizeOf func(V) int
	budget int // bytes of one shard
}

type shard[V any] struct {
	mu    sync.RWMutex
	lru   *simplelru.LRU[Key, *slot[V]]
	bytes int

	_ [64]byte // keeps two shards out of one cache line
}

// A slot holds a value and the time it was last moved to the front of the LRU.
// A hit moves it at most once in moveAfter: simplelru's Get writes, and hits
// that only read need no exclusive lock. The order of use is therefore exact
// to one second.
type slot[V any] struct {
	value V
	moved atomic.Int64 // Unix nanoseconds
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
	c := &Cache[V]{make([]shard[V], n), sizeOf, bytes / n}
	for i := range c.shards {
		s := &c.shards[i]
		// NewLRU fails for sizes below 1 only.
		s.lru, _ = simplelru.NewLRU((size+n-1)/n, func(_ Key, v *slot[V]) { s.bytes -= sizeOf(v.value) })
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

// RemoveIf removes each value for which match reports true. It visits every
// entry.
func (c *Cache[V]) RemoveIf(match func(V) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, k := range s.lru.Keys() {
			if v, ok := s.lru.Peek(k); ok && match(v.value) {
				s.lru.Remove(k)
			}
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
	added := &slot[V]{value: v}
	added.moved.Store(now.UnixNano())
	s.lru.Add(k, added)
	for s.bytes > c.budget {
		s.lru.RemoveOldest()
	}
}
