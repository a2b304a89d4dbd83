package attacktest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

// A bait is a server whose address a hostile JWT contains. It serves a key set with the key that
// signed the JWT. A verifier that fetched this key set would accept the JWT.
type bait struct {
	*httptest.Server
	hits atomic.Int64
}

func newBait(t *testing.T) *bait {
	b := &bait{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.hits.Add(1)
		_, _ = w.Write([]byte(`{"keys":[` + jwkText(&otherKey().PublicKey, r.URL.Query().Get("kid")) + `]}`))
	}))
	t.Cleanup(b.Close)
	return b
}

// reachable lets the HTTP client of the Authenticator reach both the bait and Stytch.
func (b *bait) reachable(c *sessionauth.Config) {
	stytch := c.HTTPClient.Transport
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if "http://"+r.URL.Host == b.URL {
			return b.Client().Transport.RoundTrip(r)
		}
		return stytch.RoundTrip(r)
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestJWT_NamesAServer(t *testing.T) {
	b := newBait(t)
	url := func(s *authtest.Env) any { return b.URL + "/?kid=" + s.KeyID() }
	named := fromEnv(url)
	runJWTRows(t, []jwtRow{
		{"72 jku to a bait", signedWith(signByOtherKey, "jku", named), jwtRefused},
		{"72 jku to a bait with an unknown kid", signedWith(signByOtherKey, "jku", named, "kid", "x"), jwtRefused},
		{"72 jku to a bait without kid", signedWith(signByOtherKey, "jku", named, "kid", absent), jwtRefused},
		{"72 jku beside the right key", bentHeader("jku", named), jwtPasses},
		{"72 x5u to a bait", signedWith(signByOtherKey, "x5u", named), jwtRefused},
		{"72 x5u beside the right key", bentHeader("x5u", named), jwtPasses},
		{"73 kid is the bait", signedWith(signByOtherKey, "kid", named), jwtRefused},
		{"73 iss is the bait", bentClaims("iss", b.URL), jwtRefused},
		{"73 iss is the bait, signed with another key", func(s *authtest.Env) string {
			input := b64url(jwtHeader(s)) + "." + b64url(objectText(bendMembers(s, s.Claims(s.Session.ID), []any{"iss", b.URL})))
			return input + "." + b64url(string(signRS256(otherKey(), input)))
		}, jwtRefused},
	}, b.reachable)
	if got := b.hits.Load(); got != 0 {
		t.Errorf("got %d hits of the bait, want 0", got)
	}
	// This shows that the bait is reachable, so that a fetch would be noticed.
	s := authtest.New(t, b.reachable)
	resp, err := s.Config.HTTPClient.Get(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := b.hits.Load(); got != 1 {
		t.Errorf("got %d hits of the bait after a call by the test, want 1", got)
	}
}

// 74: whatever key IDs arrive, the key set is fetched at most four times in a row, and then at most
// once in 30 s.
func TestJWT_UnknownKey(t *testing.T) {
	authtest.SkipIfShort(t)
	for _, by := range authtest.Carriers {
		t.Run("74 by "+by.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { costsFiveFetches(t, by.Carry) })
		})
	}
}

func costsFiveFetches(t *testing.T, carry func(string) string) {
	s := authtest.New(t)
	unknown := func(kid string) string { return carry(authtest.Bearer(bentHeader("kid", kid)(s))) }
	// This request causes a fetch of the key set, which shows that the key does not exist.
	s.WantAnswer(s.Get(unknown("a")), want401i)
	s.WantCalls(authtest.PathKeySet, 1)
	s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200)
	for _, kid := range []string{"b", "c", "d"} {
		time.Sleep(time.Nanosecond)
		s.WantAnswer(s.Get(unknown(kid)), want401i)
	}
	s.WantCalls(authtest.PathKeySet, 4)
	time.Sleep(time.Second - 3*time.Nanosecond)
	// If a JWT was issued after the last fetch, its key may exist. The key of an older JWT does not
	// exist.
	resp := s.Get(unknown("b"))
	s.WantAnswer(resp, want503r)
	s.WantRetry(resp, "29")
	iat := time.Now().Unix() - 7
	older := s.Sign([]byte(objectText(bendMembers(s, s.Header(), []any{"kid", "b"}))),
		[]byte(objectText(bendMembers(s, s.Claims(s.Session.ID), []any{"iat", iat}))))
	s.WantAnswer(s.Get(carry(authtest.Bearer(older))), want401i)
	// If a request also has a session token, Require uses the token.
	s.Want(s.Get(authtest.BothCookies(s.Session.Token, bentHeader("kid", "c")(s))), 200)
	s.WantCalls(authtest.PathAuthenticate, 1)
	for range 1000 {
		s.WantAnswer(s.Get(unknown("d")), want503r)
	}
	s.WantCalls(authtest.PathKeySet, 4)
	time.Sleep(29*time.Second - time.Nanosecond)
	s.WantAnswer(s.Get(unknown("e")), want503r)
	s.WantCalls(authtest.PathKeySet, 4)
	time.Sleep(time.Nanosecond)
	s.WantAnswer(s.Get(unknown("f")), want401i)
	time.Sleep(time.Nanosecond)
	s.WantAnswer(s.Get(unknown("g")), want503r)
	s.WantCalls(authtest.PathKeySet, 5)
	s.Want(s.Get(authtest.Bearer(s.JWT(s.Session.ID))), 200)
	s.WantCalls(authtest.PathAuthenticate, 1)
	s.WantPassed(3, s.Session.ID)
}

// 74: the first JWT of a new key passes after one fetch, even right after another fetch.
func TestJWT_AfterRotation(t *testing.T) {
	for _, after := range []time.Duration{time.Nanosecond, time.Millisecond, time.Second, 30 * time.Second} {
		t.Run("74 after "+after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := authtest.New(t)
				old := s.JWT(s.Session.ID)
				s.Want(s.Get(authtest.Bearer(old)), 200)
				time.Sleep(after)
				s.RotateKeys()
				s.Want(s.Get(authtest.Bearer(s.JWT(s.Session.ID))), 200)
				s.Want(s.Get(authtest.Bearer(old)), 200)
				s.WantCalls(authtest.PathKeySet, 2)
				s.WantCalls(authtest.PathAuthenticate, 0)
				// A JWT with the id of the new key is refused if another key signed it.
				s.WantAnswer(s.Get(authtest.Bearer(signedWith(signByOtherKey)(s))), want401i)
			})
		})
	}
}

// 76: a key ID is never logged.
func TestJWT_KeyIDIsNotLogged(t *testing.T) {
	for name, kid := range map[string]string{
		"76 line breaks": "a\r\nlevel=ERROR owned", "76 a path": "../../etc/passwd", "76 NUL": "k\x00d", "76 a template": "${jndi:ldap://x}",
		"76 20 kB": strings.Repeat("k", 20_000), "76 a header field": "Set-Cookie: owned=1",
	} {
		for _, by := range authtest.Carriers {
			t.Run(name+"/"+by.Name, func(t *testing.T) {
				var log authtest.Log
				s := authtest.New(t, log.Record)
				resp := s.Get(by.Carry(authtest.Bearer(bentHeader("kid", kid)(s))))
				s.WantAnswer(resp, want401i)
				s.WantNothingOf(kid, resp)
				line := regexp.MustCompile(`^time=\S+ level=DEBUG msg="sessionauth: refused" method=GET path=/ status=401 reason=[a-z_]+\n$`)
				if got := log.String(); !line.MatchString(got) {
					t.Errorf("got a log of %q, want one line with the reason", got)
				}
			})
		}
	}
}

// A JWT that is too large is refused before it is parsed.
func TestJWT_TooLarge(t *testing.T) {
	p2c := `{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"c2FsdA","p2c":2147483647,"kid":"x"}`
	rows := []jwtRow{
		{"87 header nested 20000 deep", bentHeader("x", jsonText(nestedLists(20000))), jwtRefused},
		{"104 10000 dots", func(*authtest.Env) string { return strings.Repeat(".", 10000) }, jwtRefused},
		{"104 900000 dots", func(*authtest.Env) string { return strings.Repeat(".", 900000) }, jwtRefused},
		{"104 900000 dots after a good JWT", func(s *authtest.Env) string { return s.Session.JWT + strings.Repeat(".", 900000) }, jwtRefused},
		{"106 JWE", func(*authtest.Env) string { return b64url(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".a.b.c.d" }, jwtRefused},
		{"106 PBES2 with p2c 2^31-1", func(*authtest.Env) string { return b64url(p2c) + ".AAAA.AAAA.AAAA.AAAA" }, jwtRefused},
		{"106 PBES2 with p2c 2^31-1 in 3 segments", func(*authtest.Env) string { return b64url(p2c) + ".AAAA.AAAA" }, jwtRefused},
		{"106 PBES2 with p2c 2^31-1, signed so", bentHeader("alg", "PBES2-HS512+A256KW", "p2c", 1<<31-1, "p2s", "c2FsdA"), jwtRefused},
		{"106 dir", func(*authtest.Env) string { return b64url(`{"alg":"dir","enc":"A256GCM"}`) + "..AAAA.AAAA.AAAA" }, jwtRefused},
		{"106 dir in 3 segments", bentHeader("alg", "dir", "enc", "A256GCM"), jwtRefused},
		{"109 8 KiB and a byte", sized(8<<10 + 1), jwtPasses},
		{"109 12 KB", sized(12_000), jwtPasses},
		{"109 16 KiB", sized(maxJWT), jwtPasses},
		{"109 16 KiB and a byte", sized(maxJWT + 1), jwtRefused},
		{"109 100 kB", sized(100_000), jwtRefused},
		{"109 2 MB", sized(2_000_000), jwtRefused},
		{"147 payload nested 3000 deep", bentClaims("x", jsonText(nestedLists(3000))), jwtRefused},
		{"147 payload nested 20000 deep", bentClaims("x", jsonText(nestedLists(20000))), jwtRefused},
		{"147 payload nested 60000 deep", bentClaims("x", jsonText(nestedLists(60000))), jwtRefused},
		{"148 60000 members", editedClaims(putAfter(manyMembers(60000))), jwtRefused},
		{"148 number of 300 kB", bentClaims("exp", jsonText(strings.Repeat("9", 300_000))), jwtRefused},
	}
	runJWTRows(t, rows)
	authtest.SkipIfShort(t)
	limit := 50 * time.Millisecond
	if authtest.UnderRace() {
		limit = 500 * time.Millisecond
	}
	for _, row := range rows {
		t.Run(row.name+" in time", func(t *testing.T) {
			s := authtest.New(t)
			s.Get(authtest.Bearer(s.Session.JWT))
			token := row.token(s)
			for _, field := range []string{authtest.Bearer(token), authtest.JWTCookie(token)} {
				best := time.Hour
				for range 3 { // the best of three, because another process may delay one of them
					began := time.Now()
					s.Get(field)
					best = min(best, time.Since(began))
				}
				if best > limit {
					t.Errorf("got %v, want at most %v", best, limit)
				}
			}
		})
	}
}

// 104: a text with 900000 dots is not split into 900001 strings.
func TestJWT_DotsAreNotSplit(t *testing.T) {
	s := authtest.New(t)
	token := strings.Repeat(".", 900_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = verifyText(s, token)
	runtime.ReadMemStats(&after)
	// The digest may copy the text once.
	if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
		t.Errorf("got %d bytes allocated, want at most 2 MiB", got)
	}
}

const maxJWT = 16 << 10

// sized signs a JWT of this size. If base64 allows no JWT of exactly this size, it is the next
// smaller one for the limit itself, and the next larger one otherwise.
func sized(size int) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		token := bentClaims("pad", "")(s)
		for n := (size - len(token)) * 3 / 4; ; n++ {
			next := bentClaims("pad", strings.Repeat("p", n))(s)
			if len(next) > size {
				if size == maxJWT {
					return token
				}
				return next
			}
			token = next
		}
	}
}

func manyMembers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = `"m` + string(authtest.JSON(i)) + `":0`
	}
	return strings.Join(list, ",")
}
