package lru

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

type value struct{ session, user string }

func (v value) subjects() [2]string { return [2]string{v.session, v.user} }

func keyOf(i int) Key { return sha256.Sum256([]byte(fmt.Sprint(i))) }

// check fails the test unless the index of each shard agrees with its values: it contains exactly
// the subjects of these values, and each subject leads to all of its values.
func check(t *testing.T, c *Cache[value]) {
	t.Helper()
	for i := range c.shards {
		s := &c.shards[i]
		want := map[string]int{}
		for _, v := range s.lru.Values() {
			for j, subject := range v.value.subjects() {
				if subject != "" && (j == 0 || subject != v.value.session) {
					want[subject]++
				}
			}
		}
		if len(s.index) != len(want) {
			t.Fatalf("got %d subjects in the index, want %d", len(s.index), len(want))
		}
		for subject, n := range want {
			got := 0
			var prev *slot[value]
			hash := c.hash(subject)
			for at := s.index[hash]; at != nil; at = at.linkOf(hash).next {
				if _, ok := s.lru.Peek(at.key); !ok || at.linkOf(hash).prev != prev {
					t.Fatalf("%s: got a broken index", subject)
				}
				prev = at
				got++
			}
			if got != n {
				t.Fatalf("%s: got %d values in the index, want %d", subject, got, n)
			}
		}
	}
}

// The index stays correct for every operation that adds or removes values.
func TestCache_IndexIsConsistent(t *testing.T) {
	now := time.Now()
	for _, size := range []int{1, 7, 300} {
		random := rand.New(rand.NewPCG(1, uint64(size)))
		c := NewIndexed(size, 50*size, func(v value) int { return len(v.session) }, value.subjects)
		for i := range 20_000 {
			subject := func(n int) string {
				if n = random.IntN(n); n > 0 {
					return fmt.Sprint(n)
				}
				return ""
			}
			key := keyOf(random.IntN(1000))
			switch random.IntN(10) {
			case 0:
				c.Remove(key)
			case 1:
				c.RemoveSubject(subject(40))
			case 2:
				c.Get(key, now.Add(time.Duration(i)*time.Second))
			case 3:
				c.Add(key, value{session: string(make([]byte, 10_000))}, now) // the value is too large for the cache
			default:
				c.Add(key, value{subject(40), subject(40)}, now)
			}
			if i%100 == 0 {
				check(t, c)
			}
		}
		check(t, c)
		for i := range 40 {
			c.RemoveSubject(fmt.Sprint(i))
		}
		check(t, c)
		for i := range c.shards {
			if n := len(c.shards[i].index); n != 0 {
				t.Errorf("got %d subjects once all were removed, want none", n)
			}
		}
	}
}

func TestCache_RemoveSubject(t *testing.T) {
	now := time.Now()
	c := NewIndexed(1000, 1<<20, func(value) int { return 1 }, value.subjects)
	for i := range 100 {
		c.Add(keyOf(i), value{fmt.Sprint("session ", i), fmt.Sprint("user ", i%10)}, now)
	}
	for _, row := range []struct {
		name, subject string
		left          int
	}{
		{"no subject", "", 100},
		{"an unknown subject", "session 100", 100},
		{"a session", "session 42", 99},
		{"its user", "user 2", 90},
		{"its user again", "user 2", 90},
		{"another user", "user 3", 80},
	} {
		c.RemoveSubject(row.subject)
		left := 0
		for i := range 100 {
			if _, ok := c.Get(keyOf(i), now); ok {
				left++
			}
		}
		if left != row.left {
			t.Errorf("%s: got %d values left, want %d", row.name, left, row.left)
		}
	}
}

// The index is safe for concurrent use by multiple goroutines.
func TestCache_RemoveSubjectWhileValuesCome(t *testing.T) {
	c := NewIndexed(100, 1<<20, func(value) int { return 1 }, value.subjects)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 5000 {
				c.Add(keyOf(i%300), value{fmt.Sprint(i % 50), fmt.Sprint(i % 7)}, time.Now())
				c.Get(keyOf(i%200), time.Now())
				if i%10 == g {
					c.RemoveSubject(fmt.Sprint(i % 57))
				}
			}
		})
	}
	all.Wait()
	check(t, c)
}
