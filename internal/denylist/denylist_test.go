package denylist

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// A request reads the counters without the lock, so no counter may be too low
// while an entry is replaced. From outside, one request in thousands would see
// it.
func TestCountersWhileAnEntryIsReplaced(t *testing.T) {
	now := time.Now()
	l := New(time.Hour)
	replace := func() { l.DenyCredential(Key{1}, Credential{Token: "x"}, now) }
	for name, counter := range map[string]*atomic.Int64{"size": &l.size, "pending": &l.pending, "credentials": &l.credentials} {
		replace()
		replaced := make(chan struct{})
		go func() {
			defer close(replaced)
			for range 200_000 {
				replace()
			}
		}()
		for busy := true; busy; {
			for range 1000 {
				if n := counter.Load(); n < 1 {
					t.Fatalf("%s: got %d, want at least 1", name, n)
				}
			}
			select {
			case <-replaced:
				busy = false
			default:
			}
		}
	}
}

// While a full list is purged, a revoked session must be Denied or Purged.
func TestCheckDuringPurge(t *testing.T) {
	for range 5 {
		l := New(time.Hour)
		now := time.Now()
		for i := range maxEntries {
			l.Confirm(fmt.Sprint(i), now)
		}
		begun, purged, done := make(chan struct{}), make(chan struct{}), make(chan int)
		go func() {
			passed := 0
			close(begun)
			for more := true; more; {
				select {
				case <-purged:
					more = false
				default:
				}
				for range 100 {
					if l.Check("1", Key{}, now.Add(-time.Minute), now) == Clear {
						passed++
					}
				}
			}
			done <- passed
		}()
		<-begun
		l.Confirm("one more", time.Now())
		close(purged)
		if passed := <-done; passed > 0 {
			t.Fatalf("got Clear for a revoked session %d times, want never", passed)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Now()
	l := New(time.Hour)
	l.Confirm("confirmed", now)
	l.Deny("denied", now)
	if !l.DenyCredential(Key{1}, Credential{Token: "x"}, now) {
		t.Fatal("got no room for a credential, want some")
	}
	for _, tt := range []struct {
		name       string
		session    string
		credential Key
		at         time.Time
		want       Status
	}{
		{"another session", "other", Key{2}, now, Clear},
		{"confirmed", "confirmed", Key{2}, now, Denied},
		{"confirmed, until keep is over", "confirmed", Key{2}, now.Add(time.Hour - 1), Denied},
		{"confirmed, when keep is over", "confirmed", Key{2}, now.Add(time.Hour), Clear},
		{"unconfirmed, when keep is over", "denied", Key{2}, now.Add(time.Hour), Denied},
		{"a credential", "other", Key{1}, now.Add(time.Hour), Denied},
		{"no session", "", Key{}, now, Clear},
	} {
		if got := l.Check(tt.session, tt.credential, now, tt.at); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := l.Pending(); got != 2 {
		t.Errorf("got %d pending, want 2", got)
	}
	l.Confirm("denied", now)
	key := Key{1}
	l.Remove(string(key[:]))
	if got := l.Pending(); got != 0 || !l.IsConfirmed("denied", now) || l.Check("", key, now, now) != Clear {
		t.Errorf("got %d pending after all were confirmed, want 0", got)
	}
}

func TestDenyCredentialIsBounded(t *testing.T) {
	now := time.Now()
	l := New(time.Hour)
	for i := range maxCredentials {
		if !l.DenyCredential(Key{byte(i), byte(i >> 8)}, Credential{Token: "x"}, now) {
			t.Fatalf("got no room for credential %d, want room for %d", i, maxCredentials)
		}
	}
	if l.DenyCredential(Key{0, 0, 1}, Credential{Token: "x"}, now) {
		t.Error("got room for one more, want none")
	}
	if !l.DenyCredential(Key{0, 0}, Credential{Token: "x"}, now) {
		t.Error("got no room for one that is denied already, want some")
	}
}
