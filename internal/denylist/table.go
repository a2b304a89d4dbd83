package denylist

import (
	"container/list"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

const bucketCount = 1024

// A table holds entries that end. The zero table is empty.
//
// put removes what has ended. It visits one bucket at a time, and each bucket
// only once many entries were added to it, so that an entry costs the same at
// any size.
type table[V any] struct {
	buckets []bucket[V] // nil, or bucketCount of them
	size    int
}

type bucket[V any] struct {
	entries map[id]V
	added   int // since the bucket was last visited
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
// which to ask. The zero queue is empty.
type queue[V any] struct {
	entries map[id]*list.Element // of order
	order   list.List            // of *waiting[V]
	bytes   int
}

// A waiting is kept behind a pointer: its value is secret, and fmt does not
// follow pointers inside a struct.
type waiting[V any] struct {
	key   id
	value V
	bytes int // that the value counts
	end   deadline.Deadline
}

func (q *queue[V]) len() int { return len(q.entries) }

// get returns nil if there is no such entry.
func (q *queue[V]) get(key id) *waiting[V] {
	at := q.entries[key]
	if at == nil {
		return nil
	}
	return at.Value.(*waiting[V])
}

// add adds an entry that must not be there yet.
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

// next returns the first value and moves it to the end of the order, or removes
// it if it has ended and returns the zero value.
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
