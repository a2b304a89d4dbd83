package denylist

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// Requests read the counters without the lock. While an entry is replaced, no counter may therefore
// be too low. This test looks inside the list, because from outside only one request in thousands
// would see the error.
func TestDenyCredential_CountersDuringReplacement(t *testing.T) {
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

// While a full list is purged, a session that was revoked must be Denied or Purged.
func TestCheck_DuringPurge(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	for range 5 {
		l := New(time.Hour)
		l.maxConfirmed = 100_000
		now := time.Now()
		for i := range l.maxConfirmed {
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
					if l.Check("1", "", Key{}, now.Add(-time.Minute), now) == Clear {
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
		if got := l.Check(tt.session, "", tt.credential, now, tt.at); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := l.Pending(); got != 2 {
		t.Errorf("got %d pending, want 2", got)
	}
	l.Confirm("denied", now)
	key := Key{1}
	l.RemoveCredential(key)
	if got := l.Pending(); got != 0 || !l.IsConfirmed("denied", now) || l.Check("", "", key, now, now) != Clear {
		t.Errorf("got %d pending after all were confirmed, want 0", got)
	}
}

func TestDenyCredential_Bounded(t *testing.T) {
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

func TestCheck_UserBefore(t *testing.T) {
	now := time.Now()
	l := New(time.Hour)
	l.DenyUserBefore("ada", now, now)
	l.DenyUserBefore("ada", now.Add(-time.Minute), now) // an older time changes nothing
	l.DenyUserBefore("bob", now.Round(0).Add(time.Second), now)
	for _, row := range []struct {
		name      string
		user      string
		vouchedAt time.Time
		at        time.Time
		want      Status
	}{
		{"another user", "eve", now.Add(-time.Hour), now, Clear},
		{"no user", "", now.Add(-time.Hour), now, Clear},
		{"an hour before", "ada", now.Add(-time.Hour), now, Purged},
		{"at that moment", "ada", now, now, Purged},
		{"a nanosecond after", "ada", now.Add(1), now, Clear},
		{"at that moment, of a JWT", "ada", now.Round(0), now, Purged},
		{"a nanosecond after, of a JWT", "ada", now.Round(0).Add(1), now, Clear},
		{"another clock, at that moment", "bob", now.Add(time.Second), now, Purged},
		{"another clock, after", "bob", now.Add(time.Second + 1), now, Clear},
		{"until keep is over", "ada", now, now.Add(time.Hour - 1), Purged},
		{"when keep is over", "ada", now, now.Add(time.Hour), Clear},
	} {
		if got := l.Check("session", row.user, Key{}, row.vouchedAt, row.at); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
	if l.Pending() != 0 {
		t.Errorf("got %d pending, want none", l.Pending())
	}
}

// jump returns the time that would be read if the monotonic clock had advanced by d more than the
// wall clock. No API can set the monotonic clock, so jump changes the field of time.Time.
func jump(t *testing.T, now time.Time, d time.Duration) time.Time {
	t.Helper()
	jumped := now
	(*struct {
		wall uint64
		ext  int64 // the monotonic reading, if there is one
	})(unsafe.Pointer(&jumped)).ext += int64(d)
	if !jumped.Round(0).Equal(now.Round(0)) || jumped.Sub(now) != d {
		t.Fatal("got another time.Time than this test knows")
	}
	return jumped
}

// Setting the wall clock forward or back ends no revocation early, even if other sessions are
// revoked while it is wrong.
func TestCheck_ClocksThatDisagree(t *testing.T) {
	for _, row := range []struct {
		name            string
		wall, monotonic time.Duration // time that passed by each clock
		want            Status
	}{
		{"neither clock has reached it", time.Minute, time.Minute, Denied},
		{"wall clock set forward", 400 * 24 * time.Hour, time.Second, Denied},
		{"wall clock set forward and back", time.Minute, time.Minute, Denied},
		{"wall clock set back", -time.Hour, 400 * 24 * time.Hour, Denied},
		{"machine suspended", 400 * 24 * time.Hour, time.Minute, Denied},
		{"both clocks have reached it", 400 * 24 * time.Hour, 400 * 24 * time.Hour, Clear},
	} {
		t.Run(row.name, func(t *testing.T) {
			now := time.Now()
			l := New(time.Hour)
			at := jump(t, now.Add(row.wall), row.monotonic-row.wall)
			forward := jump(t, now.Add(500*24*time.Hour), -500*24*time.Hour)
			l.Confirm("confirmed", now)
			l.Deny("unconfirmed", now)
			l.DenyCredential(Key{1}, Credential{Token: "x"}, now)
			for i := range 100_000 { // these visit every bucket while the wall clock is wrong
				l.Confirm(fmt.Sprint(i), forward)
			}
			for i := range 2 {
				l.NextSession(forward)
				l.NextCredential(forward)
				for name, got := range map[string]Status{
					"confirmed":   l.Check("confirmed", "", Key{}, at, at),
					"unconfirmed": l.Check("unconfirmed", "", Key{}, at, at),
					"credential":  l.Check("", "", Key{1}, at, at),
				} {
					if got != row.want {
						t.Errorf("%s, look %d: got %d, want %d", name, i, got, row.want)
					}
				}
			}
		})
	}
}

// Adding entries removes those that have expired, so that the list does not grow without bound.
func TestConfirm_RemovesWhatHasEnded(t *testing.T) {
	now := time.Now()
	l := New(time.Hour)
	for i := range 120_000 { // 20,000 per hour
		now = now.Add(180 * time.Millisecond)
		l.Confirm(fmt.Sprint(i), now)
		l.DenyUserBefore(fmt.Sprint(i), now, now)
	}
	if got := l.size.Load(); got > 90_000 {
		t.Errorf("got %d entries, want at most twice 40,000", got)
	}
	if l.purged.Load() != nil {
		t.Error("got a purge, want none")
	}
}

// If there are too many confirmed entries, all of them are dropped together.
func TestConfirm_Purge(t *testing.T) {
	l := New(time.Hour)
	l.maxConfirmed = 1000
	before := time.Now()
	for i := range 600 {
		l.Confirm(fmt.Sprint(i), before)
		l.DenyUserBefore(fmt.Sprint(i), before, before)
	}
	l.Deny("unconfirmed", before)
	now := time.Now()
	for name, row := range map[string]struct{ got, want Status }{
		"revoked": {l.Check("0", "", Key{}, before, now), Purged},
		"not revoked, authenticated before the purge": {l.Check("other", "", Key{}, before, now), Purged},
		"not revoked, authenticated after the purge":  {l.Check("other", "", Key{}, now, now), Clear},
		"a user, authenticated before the purge":      {l.Check("other", "0", Key{}, before, now), Purged},
		"revoked after the purge":                     {l.Check("599", "", Key{}, now, now), Denied},
		"unconfirmed":                                 {l.Check("unconfirmed", "", Key{}, now, now), Denied},
	} {
		if row.got != row.want {
			t.Errorf("%s: got %d, want %d", name, row.got, row.want)
		}
	}
	if got := l.size.Load(); got > 1001 {
		t.Errorf("got %d entries, want 1,001 at most", got)
	}
}

func TestDeny_IsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	now := time.Now()
	t.Run("entries", func(t *testing.T) {
		l := New(time.Hour)
		for i := range maxCredentials {
			l.DenyCredential(Key{byte(i), byte(i >> 8)}, Credential{Token: "x"}, now)
		}
		for i := range maxPending - maxCredentials {
			if !l.Deny(fmt.Sprint(i), now) {
				t.Fatalf("got no room for session %d", i)
			}
		}
		if l.Deny("one more", now) || l.Check("one more", "", Key{0, 0, 1}, now, now) != Clear {
			t.Error("got room for one more session, want none")
		}
		if !l.Deny("0", now) {
			t.Error("got no room for a session that is denied already")
		}
		l.Confirm("one more", now)
		l.Confirm("0", now)
		if !l.Deny("another", now) || l.Check("one more", "", Key{0, 0, 1}, now, now) != Denied {
			t.Error("got no room once a session was confirmed")
		}
	})
	t.Run("bytes", func(t *testing.T) {
		l := New(time.Hour)
		kept := func(jwt int, add func(i int, text string) bool) (n int) {
			for i := range 5000 {
				if add(i, fmt.Sprintf("%0*d", jwt, i)) {
					n++
				}
			}
			return n
		}
		credentials := kept(16<<10, func(i int, text string) bool {
			return l.DenyCredential(Key{byte(i), byte(i >> 8)}, Credential{JWT: text}, now)
		})
		sessions := kept(16<<10, func(_ int, text string) bool { return l.Deny(text, now) })
		if credentials != 512 || sessions != 512 {
			t.Errorf("got %d credentials and %d sessions of 16 KiB, want 512 each", credentials, sessions)
		}
	})
}

// A credential is a part of a header line. The list must copy it, because otherwise it would keep
// the whole line in memory.
func TestDeny_Copies(t *testing.T) {
	line := strings.Repeat("x", 1000)
	l := New(time.Hour)
	l.DenyCredential(Key{1}, Credential{Token: line[100:200], JWT: line[200:300]}, time.Now())
	l.Deny(line[300:400], time.Now())
	_, c := l.NextCredential(time.Now())
	for name, text := range map[string]string{"token": c.Token, "JWT": c.JWT, "session": l.NextSession(time.Now())} {
		at, begin := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.StringData(line)))
		if len(text) != 100 || begin <= at && at < begin+1000 {
			t.Errorf("%s: got %d bytes of the line, want a copy of 100", name, len(text))
		}
	}
}

// Next returns each waiting revocation equally often.
func TestNext_IsFair(t *testing.T) {
	now := time.Now()
	l := New(time.Hour)
	for i := range 100 {
		l.Deny(fmt.Sprint(i), now)
		l.DenyCredential(Key{byte(i)}, Credential{Token: fmt.Sprint(i)}, now)
	}
	sessions, credentials := map[string]int{}, map[Key]int{}
	for i := range 350 {
		sessions[l.NextSession(now)]++
		key, c := l.NextCredential(now)
		credentials[key]++
		if c.Token != fmt.Sprint(key[0]) {
			t.Fatalf("got the credential of another key")
		}
		if i == 0 {
			l.Remove("50")
			l.Confirm("51", now)
			l.RemoveCredential(Key{50})
		}
	}
	if len(sessions) != 98 || len(credentials) != 99 {
		t.Errorf("got %d sessions and %d credentials, want 98 and 99", len(sessions), len(credentials))
	}
	for id, n := range sessions {
		if n < 3 || n > 4 {
			t.Errorf("session %s: got it %d times, want 3 or 4 times", id, n)
		}
	}
	later := now.Add(longestSession)
	for range 100 {
		l.NextSession(later)
		l.NextCredential(later)
	}
	if l.Pending() != 0 || l.NextSession(later) != "" {
		t.Errorf("got %d pending after the longest session, want none", l.Pending())
	}
}

// A List does not print its contents, and neither do the credentials that it returns.
func TestList_Redacts(t *testing.T) {
	l := New(time.Hour)
	l.DenyCredential(Key{1}, Credential{Token: "hush-hush"}, time.Now())
	l.Deny("hush-hush", time.Now())
	_, c := l.NextCredential(time.Now())
	marshalled, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ Denied *List }{l}
	got := string(marshalled)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		got += fmt.Sprintf(verb+verb+verb+verb, l, c, &c, holder)
	}
	for _, secret := range []string{"hush", fmt.Sprintf("%x", "hush")} {
		if strings.Contains(got, secret) {
			t.Errorf("got %q, want no secret", got)
		}
	}
}

func TestCheck_DoesNotAllocate(t *testing.T) {
	now := time.Now()
	l := filled(1000)
	l.DenyUserBefore("user", now, now)
	l.DenyCredential(Key{1}, Credential{Token: "x"}, now)
	session, user := "session-live-"+strings.Repeat("0", 36), "user-live-"+strings.Repeat("0", 36)
	if got := testing.AllocsPerRun(100, func() { l.Check(session, user, Key{2}, now, now) }); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

// filled returns a List with n confirmed sessions and with n waiting ones, or as many of those as
// fit.
func filled(n int) *List {
	l, now := New(time.Hour), time.Now()
	for i := range n {
		l.Confirm(fmt.Sprint("confirmed ", i), now)
		l.Deny(fmt.Sprint("unconfirmed ", i), now)
	}
	return l
}

// No operation takes longer because the list is long. The bound is far above the usual time and far
// below the time of a search.
func TestList_CostsTheSameAtAnySize(t *testing.T) {
	const n = 1000
	l := filled(150_000)
	for name, do := range map[string]func(i int, now time.Time){
		"Confirm":        func(i int, now time.Time) { l.Confirm(fmt.Sprint("more ", i), now) },
		"Deny":           func(i int, now time.Time) { l.Deny(fmt.Sprint("more ", i), now) },
		"DenyUserBefore": func(i int, now time.Time) { l.DenyUserBefore(fmt.Sprint(i), now, now) },
		"DenyCredential": func(i int, now time.Time) { l.DenyCredential(Key{byte(i), byte(i >> 8)}, Credential{Token: "x"}, now) },
		"NextSession":    func(_ int, now time.Time) { l.NextSession(now) },
		"Check":          func(i int, now time.Time) { l.Check(fmt.Sprint(i), "user", Key{1}, now, now) },
	} {
		began := time.Now()
		for i := range n {
			do(i, time.Now())
		}
		if took := time.Since(began) / n; took > 50*time.Microsecond {
			t.Errorf("%s: got %v, want less than 50 µs", name, took)
		}
	}
}

func BenchmarkList(b *testing.B) {
	session := "session-live-" + strings.Repeat("0", 36)
	for _, n := range []int{0, 1, 150_000, maxConfirmed - 1} {
		l, now := filled(n), time.Now()
		b.Run(fmt.Sprint("Check of ", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Check(session, session, Key{1}, now, now)
			}
		})
		if n < 1000 {
			continue
		}
		b.Run(fmt.Sprint("Confirm of ", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				l.Confirm(fmt.Sprint("more ", i), now)
				i++
			}
		})
		b.Run(fmt.Sprint("Deny of ", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				l.Deny(fmt.Sprint("more ", i), now)
				i++
			}
		})
	}
}
