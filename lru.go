package sessionauth

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A cache is an LRU bounded in entries and in bytes, in shards so that requests
// on several cores do not wait for each other.
type cache[V any] struct {
	shards []shard[V]
	sizeOf func(V) int
	budget int // bytes of one shard
}

type shard[V any] struct {
	mu    sync.RWMutex
	lru   *simplelru.LRU[digest, *slot[V]]
	bytes int

	_ [64]byte // two shards in one cache line would slow each other down
}

// A slot is the place of a value. It moves to the front of the LRU at most once
// in moveAfter: simplelru's Get writes, and a hit that only reads need not wait
// for another. So a value may have to go that was used within the last second,
// if that second brought a whole shard of new ones.
type slot[V any] struct {
	value V
	moved atomic.Int64 // Unix nanoseconds
}

const moveAfter = int64(time.Second)

// maxShards is enough for the lock to vanish from profiles of many cores; small
// caches get fewer, or their bound would be far from the one asked for.
const maxShards = 16

// newCache makes a cache of at most size entries that are together of about
// bytes, by sizeOf.
func newCache[V any](size, bytes int, sizeOf func(V) int) *cache[V] {
	n := 1
	for n < maxShards && size/(2*n) >= 64 {
		n *= 2
	}
	c := &cache[V]{make([]shard[V], n), sizeOf, bytes / n}
	for i := range c.shards {
		s := &c.shards[i]
		s.lru, _ = simplelru.NewLRU((size+n-1)/n, func(_ digest, v *slot[V]) { s.bytes -= sizeOf(v.value) }) // fails for sizes below 1 only
	}
	return c
}

func (c *cache[V]) shard(k digest) *shard[V] { return &c.shards[int(k[0])%len(c.shards)] }

func (c *cache[V]) get(k digest, now time.Time) (v V, ok bool) {
	s := c.shard(k)
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

// add keeps v and drops what was used longest ago if need be. What is larger
// than a shard's budget alone is not kept.
func (c *cache[V]) add(k digest, v V, now time.Time) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.put(s, k, v, now)
}

// getOrAdd gives what is kept, or adds a new value: the same to all who ask at one
// time.
func (c *cache[V]) getOrAdd(k digest, newValue func() V, now time.Time) V {
	if v, ok := c.get(k, now); ok {
		return v
	}
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.lru.Peek(k); ok {
		return found.value
	}
	v := newValue()
	c.put(s, k, v, now)
	return v
}

// put is called with the shard's mu held.
func (c *cache[V]) put(s *shard[V], k digest, v V, now time.Time) {
	size := c.sizeOf(v)
	s.lru.Remove(k)
	if size > c.budget {
		return
	}
	s.bytes += size
	place := &slot[V]{value: v}
	place.moved.Store(now.UnixNano())
	s.lru.Add(k, place)
	for s.bytes > c.budget {
		s.lru.RemoveOldest()
	}
}

func (c *cache[V]) remove(k digest) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Remove(k)
}

// removeIf drops what match recognizes. It looks at everything: for the rare
// Forget, not for requests.
func (c *cache[V]) removeIf(match func(V) bool) {
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
