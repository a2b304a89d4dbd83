package lru_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/lru"
)

// A cache stores texts by name. If it is small, it has one shard.
type cache struct {
	*lru.Cache[string]
	t *testing.T
}

func newCache(t *testing.T, size, bytes int) *cache {
	sizeOf := func(text string) int { return len(text) }
	subjectsOf := func(text string) [2]string { return [2]string{text, text[:1]} }
	return &cache{lru.NewIndexed(size, bytes, sizeOf, subjectsOf), t}
}

func key(name string) lru.Key { return sha256.Sum256([]byte(name)) }

// start is the time at which the tests begin.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// add adds values, each with itself as the key.
func (c *cache) add(values ...string) {
	for _, v := range values {
		c.Add(key(v), v, start)
	}
}

// use gets values some time after start.
func (c *cache) use(after time.Duration, values ...string) {
	for _, v := range values {
		c.Get(key(v), start.Add(after))
	}
}

// want checks which values are present and which are absent. It does not count as a use of the
// values.
func (c *cache) want(present, absent []string) {
	c.t.Helper()
	for _, v := range present {
		if got, ok := c.Get(key(v), start); got != v || !ok {
			c.t.Errorf("got %q, %t, want %q", got, ok, v)
		}
	}
	for _, v := range absent {
		if got, ok := c.Get(key(v), start); got != "" || ok {
			c.t.Errorf("got %q, %t, want no %q", got, ok, v)
		}
	}
}

// count counts the entries whose names are the first n numbers, and their bytes.
func (c *cache) count(n int) (entries, bytes int) {
	for i := range n {
		if v, ok := c.Get(key(strconv.Itoa(i)), start); ok {
			entries, bytes = entries+1, bytes+len(v)
		}
	}
	return entries, bytes
}

func list(values ...string) []string { return values }

func TestCache_EvictsLeastRecentlyUsed(t *testing.T) {
	rows := []struct {
		name            string
		do              func(c *cache)
		present, absent []string
	}{
		{"room for all", func(c *cache) { c.add("a", "b", "c") }, list("a", "b", "c"), list("d")},
		{"the oldest", func(c *cache) { c.add("a", "b", "c", "d") }, list("b", "c", "d"), list("a")},
		{"a hit after a second counts", func(c *cache) { c.add("a", "b", "c"); c.use(time.Second, "a"); c.add("d") }, list("a", "c", "d"), list("b")},
		{"a hit within a second does not", func(c *cache) { c.add("a", "b", "c"); c.use(time.Second-1, "a"); c.add("d") }, list("b", "c", "d"), list("a")},
		{"a hit counts once in a second", func(c *cache) {
			c.add("a", "b", "c")
			c.use(time.Second, "a", "b")
			c.use(2*time.Second-1, "a")
			c.add("d", "e")
		}, list("b", "d", "e"), list("a", "c")},
		{"a hit with an earlier time counts", func(c *cache) { c.add("a", "b", "c"); c.use(-time.Second, "a"); c.add("d") }, list("a", "c", "d"), list("b")},
		{"adding again counts", func(c *cache) { c.add("a", "b", "c", "a", "d") }, list("a", "c", "d"), list("b")},
		{"a removed entry makes room", func(c *cache) { c.add("a", "b", "c"); c.Remove(key("b")); c.add("d") }, list("a", "c", "d"), list("b")},
		{"removing what is absent", func(c *cache) { c.add("a", "b"); c.Remove(key("x")) }, list("a", "b"), list("x")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := newCache(t, 3, 1000)
			row.do(c)
			c.want(row.present, row.absent)
		})
	}
}

func TestCache_BoundInBytes(t *testing.T) {
	rows := []struct {
		name            string
		do              func(c *cache)
		present, absent []string
	}{
		{"exactly full", func(c *cache) { c.add("aaaaa", "bbbbb") }, list("aaaaa", "bbbbb"), nil},
		{"one byte more", func(c *cache) { c.add("aaaaa", "bbbbb", "c") }, list("bbbbb", "c"), list("aaaaa")},
		{"a value that needs the space of several others", func(c *cache) { c.add("aa", "bb", "cc", "dddddddd") }, list("cc", "dddddddd"), list("aa", "bb")},
		{"as large as the cache", func(c *cache) { c.add("aa", "bbbbbbbbbb") }, list("bbbbbbbbbb"), list("aa")},
		{"larger than the cache", func(c *cache) { c.add("aa", "bbbbbbbbbbb") }, list("aa"), list("bbbbbbbbbbb")},
		{"larger than the cache, in place of another value", func(c *cache) {
			c.add("aa")
			c.Add(key("aa"), "a value that is too large", start)
		}, nil, list("aa")},
		{"added again", func(c *cache) { c.add("aaaaa", "aaaaa", "aaaaa", "bbbbb") }, list("aaaaa", "bbbbb"), nil},
		{"replaced by a larger value", func(c *cache) {
			c.add("aaaaa")
			c.Add(key("b"), "b", start)
			c.Add(key("b"), "bbbbbb", start)
		}, nil, list("aaaaa")},
		{"removed", func(c *cache) { c.add("aaaaa"); c.Remove(key("aaaaa")); c.add("bbbbb", "ccccc") }, list("bbbbb", "ccccc"), list("aaaaa")},
		{"removed by its subject", func(c *cache) {
			c.add("aaaaa")
			c.RemoveSubject("aaaaa")
			c.add("bbbbb", "ccccc")
		}, list("bbbbb", "ccccc"), list("aaaaa")},
		{"evicted because of the number of entries", func(c *cache) { c.add("a", "b", "c", "d", "e", "eeeee") }, list("c", "d", "e", "eeeee"), list("a", "b")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := newCache(t, 4, 10)
			row.do(c)
			c.want(row.present, row.absent)
		})
	}
}

// A large cache has several shards. Each shard holds its share of the entries and bytes.
func TestCache_Shards(t *testing.T) {
	for _, row := range []struct {
		name              string
		size, bytes       int
		atLeast, atMost   int
		largest, tooLarge int // lengths of values: the largest that fits, and one that does not
	}{
		{"one shard", 127, 1000, 127, 127, 1000, 1001},
		{"two shards", 128, 1000, 110, 128, 500, 501},
		{"sixteen shards", 2048, 16_000, 1800, 2048, 1000, 1001},
		{"no more than sixteen", 1 << 14, 1 << 20, 15_000, 1 << 14, 1 << 16, 1<<16 + 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCache(t, row.size, row.bytes)
			for i := range 4 * row.size {
				c.Add(key(strconv.Itoa(i)), "x", start)
			}
			n, _ := c.count(4 * row.size)
			c.RemoveSubject("x")
			if left, _ := c.count(4 * row.size); left != 0 {
				t.Errorf("got %d entries once all were removed, want none", left)
			}
			if n < row.atLeast || n > row.atMost {
				t.Errorf("got %d entries, want %d to %d", n, row.atLeast, row.atMost)
			}
			for length, stored := range map[int]bool{row.largest: true, row.tooLarge: false} {
				c.Add(key("large"), string(make([]byte, length)), start)
				if _, ok := c.Get(key("large"), start); ok != stored {
					t.Errorf("got a value of %d bytes stored: %t, want %t", length, ok, stored)
				}
			}
		})
	}
}

func TestCache_AddAtMost(t *testing.T) {
	for name, row := range map[string]struct {
		size int
		used []string // before the last value is added
		want []string
	}{
		"the oldest is evicted":       {10, nil, list("tb", "tc", "td", "u")},
		"a used value stays":          {10, list("ta"), list("ta", "tc", "td", "u")},
		"several shards, one limit":   {1024, nil, list("tb", "tc", "td", "u")},
		"the value itself never goes": {10, list("ta", "tb", "tc"), list("tb", "tc", "td", "u")},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, row.size, 1<<20)
			c.Add(key("u"), "u", start)
			for i, v := range list("ta", "tb", "tc") {
				c.AddAtMost(key(v), v, start.Add(time.Duration(i)*time.Minute), "t", 3)
			}
			for i, v := range row.used {
				c.Get(key(v), start.Add(time.Hour+time.Duration(i)*time.Minute))
			}
			c.AddAtMost(key("td"), "td", start.Add(30*time.Minute), "t", 3)
			for _, v := range list("ta", "tb", "tc", "td", "u") {
				if _, ok := c.Get(key(v), start); ok != slices.Contains(row.want, v) {
					t.Errorf("got %q present: %t, want the opposite", v, ok)
				}
			}
		})
	}
}

func TestCache_RemoveSubjectOfMany(t *testing.T) {
	c := newCache(t, 1024, 1<<20)
	for i := range 500 {
		c.add(fmt.Sprint(i%2 == 0, i))
	}
	c.RemoveSubject("t")
	for i := range 500 {
		v := fmt.Sprint(i%2 == 0, i)
		if _, ok := c.Get(key(v), start); ok != (i%2 != 0) {
			t.Errorf("got %q present: %t, want the opposite", v, ok)
		}
	}
}

// Many goroutines use a cache. The race detector checks the locks, and the limits must hold at the
// end.
func TestCache_ManyGoroutines(t *testing.T) {
	c := newCache(t, 64, 256)
	var together sync.WaitGroup
	for g := range 8 {
		together.Go(func() {
			for i := range 2000 {
				name := strconv.Itoa((i * (g + 1)) % 200)
				now := start.Add(time.Duration(i) * time.Second / 2)
				switch i % 8 {
				case 0:
					c.Add(key(name), name, now)
				case 1:
					c.Remove(key(name))
				case 2:
					if i%100 == 2 {
						c.RemoveSubject(name)
					}
				case 3:
					c.AddAtMost(key(name), name, now, name[:1], 20)
				default:
					if got, ok := c.Get(key(name), now); ok && got != name {
						t.Errorf("got %q, want %q", got, name)
					}
				}
			}
		})
	}
	together.Wait()
	entries, bytes := c.count(200)
	for i := range 10 {
		c.RemoveSubject(strconv.Itoa(i)) // every name begins with a digit
	}
	if entries > 64 || bytes > 256 {
		t.Errorf("got %d entries of %d bytes, want at most 64 of 256", entries, bytes)
	}
	for i := range 128 {
		c.Add(key(strconv.Itoa(i)), "xxxx", start)
	}
	entries, _ = c.count(128)
	if entries != 64 {
		t.Errorf("got room for %d entries of 4 bytes, want 64", entries)
	}
}
