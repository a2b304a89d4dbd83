package denylist

import (
	"container/list"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

const bucketCount = 1024

// A table is a map of entries that expire. The zero table is empty.
//
// put removes expired entries. It visits one bucket at a time, and each bucket
// only after many entries were added to it. The cost per entry therefore does
// not depend on the size of the table.
type table[V any] struct {
	buckets []bucket[V] // nil, or bucketCount of them
	size    int
}

type bucket[V any] struct {
	entries map[id]V
	added   int // entries added since the bucket was last visited
}

func (t *table[V]) len() int { return t.size }

func (t *table[V]) at(key id) *bucket[V] {
	return &t.buckets[(int(key[0])|int(key[1])<<8)%bucketCount]
}

func (t *table[V]) get(key id) (v V, ok bool) {
	if t.buckets == nil {
		return v, false
	}
	v, ok = t.at(key).entries[key]
	return v, ok
}

func (t *table[V]) put(key id, v V, hasEnded func(V) bool) {
	if t.buckets == nil {
		t.buckets = make([]bucket[V], bucketCount)
	}
	b := t.at(key)
	if b.entries == nil {
		b.entries = map[id]V{}
	}
	before := len(b.entries)
	b.entries[key] = v
	if b.added++; b.added > 16+before/4 {
		b.added = 0
		for key, v := range b.entries {
			if hasEnded(v) {
				delete(b.entries, key)
			}
		}
		if len(b.entries) == 0 {
			b.entries = nil // a map does not shrink
		}
	}
	t.size += len(b.entries) - before
}

// A queue holds entries that wait for Stytch to confirm them, in the order in
// which they are retried. The zero queue is empty.
type queue[V any] struct {
	entries map[id]*list.Element // values are elements of order
	order   list.List            // values are *waiting[V]
	bytes   int
}

// A waiting is an entry of a queue. The queue refers to it with a pointer,
// because its value is secret and fmt does not follow pointers inside a struct.
type waiting[V any] struct {
	key   id
	value V
	bytes int // size of the value
	end   deadline.Deadline
}

func (q *queue[V]) len() int { return len(q.entries) }

// get returns an entry, or nil if there is none.
func (q *queue[V]) get(key id) *waiting[V] {
	at := q.entries[key]
	if at == nil {
		return nil
	}
	return at.Value.(*waiting[V])
}

// add adds an entry. The key must not be in the queue.
func (q *queue[V]) add(key id, value V, bytes int, end deadline.Deadline) {
	if q.entries == nil {
		q.entries = map[id]*list.Element{}
	}
	q.entries[key] = q.order.PushBack(&waiting[V]{key, value, bytes, end})
	q.bytes += bytes
}

func (q *queue[V]) remove(key id) {
	at := q.entries[key]
	if at == nil {
		return
	}
	delete(q.entries, key)
	q.order.Remove(at)
	q.bytes -= at.Value.(*waiting[V]).bytes
	if len(q.entries) == 0 {
		q.entries = nil // a map does not shrink
	}
}

// next returns the first value and moves it to the end. If the value has
// expired, next removes it and returns the zero value.
func (q *queue[V]) next(now time.Time) (value V) {
	first := q.order.Front()
	if first == nil {
		return value
	}
	e := first.Value.(*waiting[V])
	if e.end.PassedByAll(now) {
		q.remove(e.key)
		return value
	}
	q.order.MoveToBack(first)
	return e.value
}
