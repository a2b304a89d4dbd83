package sessionauth_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Mixed traffic in fault that changes every second, and an oracle that knows
// what each credential may get. SOAK is its length in simulated time ("10m"; a
// minute without), SOAK_SEED repeats one that was printed.

const (
	soakUsers    = 40
	soakWorkers  = 12
	soakTTL      = 5 * time.Second  // CacheTTL
	soakLifetime = 20 * time.Second // of a JWT
	soakLeeway   = 5 * time.Second

	// A fault may be felt for Timeout, by a call that began in it, and then for
	// as long as a breaker stays open.
	soakRecovery = 3*time.Second + 5*time.Second + 500*time.Millisecond
	// A new key is looked for once in 30 seconds.
	soakSlot = 30 * time.Second
)

func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		length = time.Minute
	}
	seed, err := strconv.ParseUint(os.Getenv("SOAK_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	for _, stale := range []time.Duration{0, 30 * time.Second} {
		t.Run("StaleIfError "+stale.String(), func(t *testing.T) {
			t.Logf("SOAK=%v SOAK_SEED=%d", length, seed)
			synctest.Test(t, func(t *testing.T) { newSoak(t, seed, stale).run(length) })
		})
	}
}

type soak struct {
	*stage
	stale time.Duration
	seed  uint64

	mu       sync.Mutex
	chance   *rand.Rand
	people   []*person
	rotated  map[string]time.Time // by key id
	fault    string               // empty in fair fault
	faultEnd time.Time
	refused  map[[sha256.Size]byte]time.Time // credentials that got a 401
	counts   map[string]int
	wrong    int
	slowest  time.Duration
}

// A person is a session, and what is known of it. The times are zero while they
// have not come.
type person struct {
	session   stytchtest.Session
	end       time.Time
	jwts      []minted
	elsewhere time.Time // revoked at Stytch
	here      time.Time // Revoke has returned
	leaving   time.Time // Revoke was called
}

type minted struct {
	text, kid string
	at        time.Time
}

func newSoak(t *testing.T, seed uint64, stale time.Duration) *soak {
	st := &stage{Server: stytchtest.NewServer(), T: t}
	st.JWTLifetime = soakLifetime
	st.Wire = &authtest.Wire{Next: st.Client().Transport}
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: st.ProjectID, Secret: st.Secret, BaseURL: st.URL, HTTPClient: &http.Client{Transport: st.Wire},
		Logger: slog.New(slog.DiscardHandler), CacheTTL: soakTTL, StaleIfError: stale, Leeway: soakLeeway,
		CacheSize: 256, // full after a minute: then the heap must be flat
	})
	if err != nil {
		t.Fatal(err)
	}
	st.Auth = auth
	st.Handler = auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := sessionauth.SessionFromContext(r.Context())
		user, _ := sessionauth.UserFromContext(r.Context())
		w.Header().Set("As", session.ID+" "+user.ID)
	}))
	s := &soak{
		stage: st, stale: stale, seed: seed, chance: rand.New(rand.NewPCG(seed, 0)),
		people: make([]*person, soakUsers), rotated: map[string]time.Time{}, refused: map[[sha256.Size]byte]time.Time{}, counts: map[string]int{},
	}
	for i := range s.people {
		s.people[i] = s.arrive()
	}
	return s
}

// arrive starts a session: every third one ends by itself within a minute.
func (s *soak) arrive() *person {
	length := 24 * time.Hour
	if s.chance.IntN(3) == 0 {
		length = time.Duration(20+s.chance.IntN(40)) * time.Second
	}
	p := &person{session: s.SignIn(stytchtest.SessionOptions{Duration: length}), end: time.Now().Add(length)}
	p.jwts = []minted{{p.session.JWT, s.KeyID(), time.Now()}}
	return p
}

// run is the test: half a minute of fault, half a minute without, and so on.
func (s *soak) run(length time.Duration) {
	if err := s.Auth.Warm(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	var wg sync.WaitGroup
	over := make(chan struct{})
	for i := range soakWorkers {
		wg.Go(func() {
			own := rand.New(rand.NewPCG(s.seed, uint64(i+1)))
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Duration(20+own.IntN(180)) * time.Millisecond):
					s.one(own)
				}
			}
		})
	}
	var heap uint64
	seconds := int(length / time.Second)
	for second := range seconds {
		s.turn(second%60 < 30)
		time.Sleep(time.Second)
		if second == seconds/2 {
			heap = authtest.LiveHeap()
		}
	}
	close(over)
	wg.Wait()
	s.turn(false)
	time.Sleep(soakRecovery)
	s.WantIdle()
	s.report(heap, authtest.LiveHeap())
}

func (s *soak) report(half, end uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong > 0 {
		s.T.Errorf("got %d wrong answers, want none", s.wrong)
	}
	if end > half+2<<20 {
		s.T.Errorf("got a live heap of %d KiB at half-time and %d KiB at the end, want it flat", half>>10, end>>10)
	}
	var names []string
	for name := range s.counts {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "\n\t%-40s %d", name, s.counts[name])
	}
	s.T.Logf("slowest answer %v, live heap %d KiB at half-time, %d KiB at the end, calls %d, fetches of the key set %d%s",
		s.slowest, half>>10, end>>10, s.Calls(""), s.Calls(pathKeySet), text.String())
}

// soakFaults are those that must not become a no. What is left out is Stytch's
// own word: session_not_found, and a key set without a key.
var soakFaults = append(slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.status == 401 || f.retry == "60" || f.retry == "7" }),
	fault{name: "429 for two seconds", fault: tooMany("2")},
	fault{name: "a second late", fault: stytchtest.Fault{Delay: time.Second}},
	fault{name: "one in three", fault: status(500).For(1)},
	fault{name: "another user", fault: stytchtest.OtherUser(), at: pathAuthenticate},
	fault{name: "another user", fault: stytchtest.OtherUser(), at: pathUser},
	fault{name: "an empty key set", fault: stytchtest.KeySet(stytchtest.NoKeys), at: pathKeySet},
	fault{name: "a key set that anybody can sign for", fault: stytchtest.KeySet(stytchtest.ExponentOne), at: pathKeySet},
)

// turn changes the fault, and what else happens in a second.
func (s *soak) turn(bad bool) {
	for _, path := range []string{"", pathAuthenticate, pathUser, pathKeySet} {
		s.SetFault(path, stytchtest.Fault{})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != "" {
		s.fault, s.faultEnd = "", time.Now()
	}
	if bad && s.chance.IntN(3) > 0 {
		f := soakFaults[s.chance.IntN(len(soakFaults))]
		if f.at == "" {
			f.at = []string{"", pathAuthenticate, pathUser, pathKeySet}[s.chance.IntN(4)]
		}
		s.fault = f.name + " of " + f.at
		s.SetFault(f.at, f.fault)
	}
	if s.chance.IntN(60) == 0 && len(s.rotated) < 4 {
		s.rotated[s.RotateKeys()] = time.Now()
		s.counts["rotations"]++
	}
	i := s.chance.IntN(len(s.people))
	switch p := s.people[i]; {
	case !p.here.IsZero() || !p.elsewhere.IsZero() || time.Now().After(p.end):
		if s.chance.IntN(3) == 0 {
			s.people[i] = s.arrive()
		}
	case s.chance.IntN(4) == 0:
		s.RevokeSession(p.session.ID)
		p.elsewhere = time.Now()
		s.counts["revocations elsewhere"]++
	case s.chance.IntN(4) == 0:
		p.leaving = time.Now()
		s.counts["revocations here"]++
		s.mu.Unlock()
		_ = s.Auth.Revoke(context.Background(), p.session.ID)
		s.mu.Lock()
		p.here = p.leaving // it holds at once
	}
}

// jwt gives a JWT of a person: the newest, or one minted a while ago.
func (s *soak) jwt(p *person, own *rand.Rand) minted {
	last := p.jwts[len(p.jwts)-1]
	alive := p.leaving.IsZero() && p.elsewhere.IsZero() && time.Now().Before(p.end)
	if alive && time.Since(last.at) >= 5*time.Second {
		last = minted{s.JWT(p.session.ID), s.KeyID(), time.Now()}
		p.jwts = append(p.jwts, last)
		p.jwts = p.jwts[max(0, len(p.jwts)-8):]
	}
	if own.IntN(3) == 0 {
		return p.jwts[own.IntN(len(p.jwts))]
	}
	return last
}

// one sends one request and judges its answer.
func (s *soak) one(own *rand.Rand) {
	s.mu.Lock()
	p := s.people[own.IntN(len(s.people))]
	jwt := s.jwt(p, own)
	s.mu.Unlock()
	var kind, field string
	forged := false
	switch own.IntN(10) {
	case 0:
		kind, field = "JWT in a cookie", jwtCookie(jwt.text)
	case 1, 2:
		kind, field = "JWT", bearer(jwt.text)
	case 3, 4:
		kind, field = "token", bearer(p.session.Token)
	case 5:
		kind, field = "token in a cookie", tokenCookie(p.session.Token)
	case 6:
		kind, field = "both cookies", bothCookies(p.session.Token, jwt.text)
	case 7:
		kind, field, forged = "forged JWT", bearer(forge(jwt.text)), true
	case 8:
		kid := "invented-" + strconv.Itoa(own.IntN(1e6))
		header, claims := s.Header(), s.Claims(p.session.ID)
		header["kid"] = kid
		kind, field, forged = "invented key", bearer(s.Sign(authtest.JSON(header), authtest.JSON(claims))), true
	default:
		kind, field, forged = "invented token", bearer(inventedToken+strconv.Itoa(own.IntN(1e6))), true
	}
	r := newRequest(http.MethodGet, field)
	w := httptest.NewRecorder()
	began := time.Now()
	s.Handler.ServeHTTP(w, r)
	s.judge(verdict{kind, field, forged, p, jwt, began, w.Code, w.Header().Get("As")})
}

// forge changes one character in the middle of the signature.
func forge(jwt string) string {
	i := len(jwt) - 100
	other := "A"
	if jwt[i] == 'A' {
		other = "B"
	}
	return jwt[:i] + other + jwt[i+1:]
}

// A verdict is what a request got.
type verdict struct {
	kind, field string
	forged      bool
	person      *person
	jwt         minted
	began       time.Time
	status      int
	as          string
}

func (s *soak) judge(v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, time.Since(v.began))
	s.counts[v.kind+": "+strconv.Itoa(v.status)]++
	problem := ""
	switch v.status {
	case 200:
		problem = s.wrongPass(v)
	case 401:
		if _, ok := s.refused[v.digest()]; !ok && !v.forged {
			s.refused[v.digest()] = time.Now()
		}
		if !v.forged && s.isLive(v) {
			problem = "a live session was refused"
		}
	case 503:
		if !s.mayBeUndecided(v) {
			problem = "nothing was wrong"
		}
	default:
		problem = "no such answer is expected"
	}
	if problem == "" {
		return
	}
	s.wrong++
	if s.wrong <= 20 {
		s.T.Errorf("got %d for a %s in the fault %q: %s", v.status, v.kind, s.fault, problem)
	}
}

// wrongPass says why a request should not have passed, if it should not.
func (s *soak) wrongPass(v verdict) string {
	p, jwt := v.person, strings.Contains(v.kind, "JWT")
	both := v.kind == "both cookies"
	// How long a revocation elsewhere may go unnoticed; a call that was under
	// way at that moment may take its Timeout.
	byToken := p.elsewhere.Add(soakTTL + s.stale)
	byJWT := v.jwt.at.Add(soakLifetime + soakLeeway + time.Second)
	if byAnswer := p.elsewhere.Add(soakTTL + s.stale); byAnswer.After(byJWT) {
		byJWT = byAnswer // an answer about an old JWT is reused
	}
	unnoticed := byToken
	if jwt || both && byJWT.After(byToken) {
		unnoticed = byJWT
	}
	switch {
	case v.forged:
		return "nobody signed it"
	case v.as != p.session.ID+" "+p.session.UserID:
		return "it passed as " + v.as
	case !v.began.Before(p.end):
		return "its session had ended"
	case !p.here.IsZero() && v.began.After(p.here):
		return "it was revoked here"
	case !p.elsewhere.IsZero() && v.began.After(unnoticed):
		return "it was revoked elsewhere " + v.began.Sub(p.elsewhere).String() + " ago"
	case both && !v.began.After(byJWT):
		return "" // the token was refused while the JWT's key was not known yet
	case s.wasRefused(v):
		return "it was refused before"
	}
	return ""
}

// wasRefused reports whether a 401 came before the request.
func (s *soak) wasRefused(v verdict) bool {
	at, ok := s.refused[v.digest()]
	return ok && v.began.After(at)
}

func (v *verdict) digest() [sha256.Size]byte { return sha256.Sum256([]byte(v.field)) }

// isLive reports whether a session was alive all through a request.
func (s *soak) isLive(v verdict) bool {
	p := v.person
	return p.leaving.IsZero() && p.elsewhere.IsZero() && time.Now().Before(p.end)
}

// mayBeUndecided reports whether something was wrong at the time.
func (s *soak) mayBeUndecided(v verdict) bool {
	settled := s.faultEnd.Add(soakRecovery)
	if s.fault != "" || !s.faultEnd.IsZero() && v.began.Before(settled) {
		return true
	}
	if v.kind == "invented key" {
		return true // it cannot be known while the one fetch is not due
	}
	rotated, ok := s.rotated[v.jwt.kid]
	if !ok || !strings.Contains(v.kind, "JWT") {
		return false
	}
	if settled.After(rotated) {
		rotated = settled
	}
	return v.began.Before(rotated.Add(soakSlot))
}
