package sessionauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// carriers are the two ways in which a credential travels: they turn a field of
// one kind ("Authorization: Bearer …", "Cookie: stytch_session=…") into one of
// their own.
var carriers = []struct {
	name  string
	carry func(field string) string
}{
	{"header", func(field string) string { return bearer(credentialIn(field)) }},
	{"cookie", inCookie},
}

// credentialIn is what stands behind the last = or blank. A token of the stage's
// Stytch has no =.
func credentialIn(field string) string { return field[strings.LastIndexAny(field, "= ")+1:] }

func inCookie(field string) string {
	if credential := credentialIn(field); strings.Count(credential, ".") == 2 {
		return jwtCookie(credential)
	}
	return tokenCookie(credentialIn(field))
}

// wantVerdict checks status and challenge of an answer, and that a refusal is
// cached by nobody, sets no cookie, and says when to come back if there is use.
func (s *stage) wantVerdict(resp *http.Response, want ruling) {
	s.t.Helper()
	h := resp.Header
	if got := h.Get("WWW-Authenticate"); resp.StatusCode != want.status || got != want.challenge {
		s.t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, want.status, want.challenge)
	}
	if want.status == 200 {
		return
	}
	if got := h.Get("Cache-Control"); got != "no-store" || h["Set-Cookie"] != nil {
		s.t.Errorf("got Cache-Control %q and %d cookies, want no-store and none", got, len(h["Set-Cookie"]))
	}
	if got := h.Get("Retry-After"); (got != "") != (want.status == 503) {
		s.t.Errorf("got %d with Retry-After %q, want one with 503 only", resp.StatusCode, got)
	}
}

func TestTokensBesideAGoodOne(t *testing.T) {
	invented := func(edit func(string) string) func(*stage) string {
		return func(*stage) string { return edit(inventedToken) }
	}
	good := func(edit func(string) string) func(*stage) string {
		return func(s *stage) string { return edit(s.session.Token) }
	}
	is := func(text string) func(*stage) string { return func(*stage) string { return text } }
	const letters = "abcdefghijklmnop"
	for _, row := range []struct {
		name           string
		token          func(*stage) string
		header, cookie ruling
		calls          int // about it, in ten seconds
	}{
		{"151 of 15 bytes", is(letters[:15]), want401i, want401i, 0},
		{"151 of 16 bytes", is(letters), want401i, want401i, 1},
		{"151 of 256 bytes", is(strings.Repeat(letters, 16)), want401i, want401i, 1},
		{"151 of 257 bytes", is(strings.Repeat(letters, 16) + "q"), want401i, want401i, 0},
		{"151 of 100 kB", is(strings.Repeat(letters, 6250)), want401i, want401i, 0},
		{"151 with a dot", invented(func(s string) string { return s[:20] + "." + s[20:] }), want401i, want401i, 0},
		{"151 with three dots", is("bad.token.1.0000000"), want401i, want401i, 0},
		{"151 with three = behind", invented(func(s string) string { return s + "===" }), want401i, want401i, 0},
		{"151 with = inside", invented(func(s string) string { return s[:20] + "=" + s[20:] }), want400r, want401i, 0},
		{"151 with a plus", invented(func(s string) string { return s + "+" }), want401i, want401i, 0},
		{"151 with a slash", invented(func(s string) string { return s + "/" }), want401i, want401i, 0},
		{"151 with a tilde", invented(func(s string) string { return s + "~" }), want401i, want401i, 0},
		{"151 with an exclamation mark", invented(func(s string) string { return s + "!" }), want400r, want401i, 0},
		{"151 with a percent sign", invented(func(s string) string { return s + "%41" }), want400r, want401i, 0},
		{"151 with a blank inside", invented(func(s string) string { return s[:20] + " " + s[20:] }), want400r, want401i, 0},
		{"151 with a letter beyond ASCII", invented(func(s string) string { return s + "é" }), want400r, want401n, 0},
		{"151 with NUL", invented(func(s string) string { return s + "\x00" }), want400r, want401n, 0},
		{"152 that nobody has", is(inventedToken), want401i, want401i, 1},
		{"152 that nobody has, with = behind", is(inventedToken + "=="), want401i, want401i, 1},
		{"153 truncated", good(func(s string) string { return s[:len(s)-1] }), want401i, want401i, 1},
		{"153 truncated at the front", good(func(s string) string { return s[1:] }), want401i, want401i, 1},
		{"153 extended", good(func(s string) string { return s + "A" }), want401i, want401i, 1},
		{"153 extended by =", good(func(s string) string { return s + "=" }), want401i, want401i, 1},
		{"153 case-swapped", good(swapCase), want401i, want401i, 1},
		{"153 in lower case", good(strings.ToLower), want401i, want401i, 1},
		{"153 with its last character changed", good(func(s string) string { return s[:len(s)-1] + otherLetter(s[len(s)-1]) }), want401i, want401i, 1},
		{"153 doubled", good(func(s string) string { return s + s }), want401i, want401i, 1},
	} {
		wants := []ruling{row.header, row.cookie}
		for i, by := range []func(string) string{bearer, tokenCookie} {
			t.Run(row.name+"/"+carriers[i].name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					s.want(s.get(by(s.session.Token)), 200) // cached
					for period := range 2 {
						for range 3 {
							s.wantVerdict(s.get(by(row.token(s))), wants[i])
						}
						s.wantCalls("", 1+row.calls*(1+period)) // none for a user or the key set
						time.Sleep(10 * time.Second)
					}
					s.want(s.get(by(s.session.Token)), 200)
					s.wantThrough(2, s.session.ID)
					s.wantCalls("", 1+2*row.calls)
				})
			})
		}
	}
}

// otherLetter is another character of the alphabet.
func otherLetter(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestJWTsBesideAGoodOne(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(s *stage, header, payload, signature string) string
	}{
		{"154 the signature of another payload", func(s *stage, h, _, sig string) string {
			return h + "." + strings.Split(bentClaims("admin", true)(s), ".")[1] + "." + sig
		}},
		{"154 the signature of another header", func(s *stage, _, p, sig string) string {
			return strings.Split(bentHeader("x", 1)(s), ".")[0] + "." + p + "." + sig
		}},
		{"154 another signature", func(_ *stage, h, p, sig string) string { return h + "." + p + "." + otherLetter(sig[0]) + sig[1:] }},
		{"154 the same beginning", func(_ *stage, h, p, sig string) string { return h + "." + p + "." + sig[:len(sig)-4] }},
		{"154 the same beginning, and other segments", func(_ *stage, h, p, _ string) string { return h + p[:40] + ".x.y" }},
		{"154 in lower case", func(_ *stage, h, p, sig string) string { return strings.ToLower(h + "." + p + "." + sig) }},
		{"154 with its cases swapped", func(_ *stage, h, p, sig string) string { return swapCase(h + "." + p + "." + sig) }},
		{"154 extended", func(_ *stage, h, p, sig string) string { return h + "." + p + "." + sig + "A" }},
		{"154 extended by =", func(_ *stage, h, p, sig string) string { return h + "." + p + "." + sig + "=" }},
		{"154 extended by a dot", func(_ *stage, h, p, sig string) string { return h + "." + p + "." + sig + "." }},
		{"154 its trailing bits set", func(_ *stage, h, p, sig string) string { return h + "." + p + "." + withTrailingBits(sig, 1) }},
	} {
		for i, by := range []func(string) string{bearer, jwtCookie} {
			t.Run(row.name+"/"+carriers[i].name, func(t *testing.T) {
				s := newStage(t)
				s.want(s.get(by(s.session.JWT)), 200) // cached
				part := strings.Split(s.session.JWT, ".")
				for range 3 {
					s.wantVerdict(s.get(by(row.edit(s, part[0], part[1], part[2]))), want401i)
				}
				s.want(s.get(by(s.session.JWT)), 200)
				s.wantThrough(2, s.session.ID)
				s.wantCalls("", 2) // the key set and the user
			})
		}
	}
}

// 160: two credentials whose texts are the same one after the other are two. A
// header carries only one.
func TestTokenAndJWTAreNotTakenTogether(t *testing.T) {
	type pair struct{ token, jwt string }
	moved := func(s *stage, n int) pair {
		at := len(s.session.Token) - n
		return pair{s.session.Token[:at], s.session.Token[at:] + s.session.JWT}
	}
	for _, row := range []struct {
		name     string
		goodSent bool // before the other
		other    func(*stage) pair
	}{
		{"160 the good one first", true, func(s *stage) pair { return moved(s, 1) }},
		{"160 the other one first", false, func(s *stage) pair { return moved(s, 1) }},
		{"160 half of the token, the good one first", true, func(s *stage) pair { return moved(s, 20) }},
		{"160 half of the token, the other one first", false, func(s *stage) pair { return moved(s, 20) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.expire()
				good := bothCookies(s.session.Token, s.session.JWT)
				calls := 0
				if row.goodSent {
					s.want(s.get(good), 200)
					calls++
				}
				p := row.other(s)
				s.wantVerdict(s.get(bothCookies(p.token, p.jwt)), want401i)
				s.want(s.get(good), 200)
				s.wantVerdict(s.get(bothCookies(p.token, p.jwt)), want401i)
				s.wantCalls(pathAuthenticate, 2)
				s.wantThrough(calls+1, s.session.ID)
			})
		})
	}
}

// 165: what a crowd of strangers sends costs the next user no time.
func TestAGoodOneAfterManyBadOnes(t *testing.T) {
	for i, by := range []func(string) string{bearer, jwtCookie} {
		t.Run("165 by "+carriers[i].name, func(t *testing.T) {
			s := newStage(t)
			s.want(s.get(by(s.session.JWT)), 200)
			for n := range 300 {
				s.wantVerdict(s.get(by(s.unknownKey(fmt.Sprint("jwk-", n), time.Minute))), want401i)
				s.wantVerdict(s.get(by(s.session.JWT[:len(s.session.JWT)-8]+fmt.Sprintf("%08d", n))), want401i)
				s.wantVerdict(s.get(by(fmt.Sprint(n, ".garbage."))), want401i)
			}
			for n := range 100 {
				id := map[string]any{"id": fmt.Sprint("session-test-", n)}
				s.wantVerdict(s.get(by(bentClaims(append(lived(7*time.Minute), sessionClaimName, id)...)(s))), want401i)
			}
			s.wantCalls(pathAuthenticate, 100) // only what was properly signed is asked about
			s.wantCalls(pathKeySet, 1)
			best := time.Hour
			for range 3 { // somebody else may have had the processor
				good := by(s.JWT(s.signIn(stytchtest.SessionOptions{}).ID))
				began := time.Now()
				s.want(s.get(good), 200)
				best = min(best, time.Since(began))
			}
			if best > 100*time.Millisecond && !underRace() {
				t.Errorf("got an answer after %v, want it within 100ms", best)
			}
		})
	}
}
