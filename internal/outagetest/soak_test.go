package outagetest

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

// The soak sends mixed traffic while the fault changes every second. An oracle knows which
// responses each credential may get. The variable SOAK sets the length in simulated time. It is a
// minute by default, and 20 seconds with -short. SOAK_SEED repeats a run.

const (
	soakUsers    = 40
	soakWorkers  = 12
	soakTTL      = 5 * time.Second  // CacheTTL
	soakLifetime = 20 * time.Second // lifetime of a JWT
	soakLeeway   = 5 * time.Second

	// A call that began during a fault may last for Timeout, and the circuit breaker may stay open
	// after that. soakRecovery is the sum, with a margin.
	soakRecovery = 3*time.Second + 5*time.Second + 500*time.Millisecond
	// The key set is fetched at most once per soakSlot.
	soakSlot = 30 * time.Second
)

func TestSoak(t *testing.T) {
	authtest.SkipIfShort(t)
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		length = time.Minute
		if testing.Short() {
			length = 20 * time.Second
		}
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
	*authtest.Env
	stale time.Duration
	seed  uint64

	mu       sync.Mutex
	chance   *rand.Rand
	users    []*user
	rotated  map[string]time.Time // time of the rotation, by key id
	fault    string               // name of the current fault; empty if there is none
	faultEnd time.Time
	refused  map[[sha256.Size]byte]time.Time // when each credential first got a 401
	counts   map[string]int
	wrong    int
	slowest  time.Duration
}

// A user is a session, together with the times at which it was revoked.
type user struct {
	session  stytchtest.Session
	end      time.Time
	jwts     []issued
	remotely time.Time // when the session was revoked directly at Stytch; zero if it was not
	revoked  time.Time // when Revoke had returned; zero if it has not
	revoking time.Time // when Revoke was called; zero if it was not
}

type issued struct {
	text, kid string
	at        time.Time
}

// newSoak returns an environment without a leak check, because that would store the traffic on the
// heap.
func newSoak(t *testing.T, seed uint64, stale time.Duration) *soak {
	st := &env{Server: stytchtest.NewServer(), T: t}
	st.JWTLifetime = soakLifetime
	st.Wire = &authtest.Wire{Next: st.Client().Transport}
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: st.ProjectID, Secret: st.Secret, BaseURL: st.URL, HTTPClient: &http.Client{Transport: st.Wire},
		Logger: slog.New(slog.DiscardHandler), CacheTTL: soakTTL, StaleIfError: stale, Leeway: soakLeeway,
		CacheSize: 256, // the cache is full after a minute; from then on the heap must not grow
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
		Env: st, stale: stale, seed: seed, chance: rand.New(rand.NewPCG(seed, 0)),
		users: make([]*user, soakUsers), rotated: map[string]time.Time{}, refused: map[[sha256.Size]byte]time.Time{}, counts: map[string]int{},
	}
	for i := range s.users {
		s.users[i] = s.signIn()
	}
	return s
}

// signIn starts a session. Every third session expires within a minute.
func (s *soak) signIn() *user {
	length := 24 * time.Hour
	if s.chance.IntN(3) == 0 {
		length = time.Duration(20+s.chance.IntN(40)) * time.Second
	}
	u := &user{session: s.SignIn(stytchtest.SessionOptions{Duration: length}), end: time.Now().Add(length)}
	u.jwts = []issued{{u.session.JWT, s.KeyID(), time.Now()}}
	return u
}

// run alternates between half a minute with faults and half a minute without them.
func (s *soak) run(length time.Duration) {
	if err := s.Auth.Warm(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	var wg sync.WaitGroup
	over := make(chan struct{})
	for i := range soakWorkers {
		wg.Go(func() {
			chance := rand.New(rand.NewPCG(s.seed, uint64(i+1)))
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Duration(20+chance.IntN(180)) * time.Millisecond):
					s.send(chance)
				}
			}
		})
	}
	var heap uint64
	seconds := int(length / time.Second)
	for second := range seconds {
		s.step(second%60 < 30)
		time.Sleep(time.Second)
		if second == seconds/2 {
			heap = authtest.LiveHeap()
		}
	}
	close(over)
	wg.Wait()
	s.step(false)
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

// soakFaults are faults that must not sign a user out. Rejections and faults with a long pause are
// not included.
var soakFaults = append(slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.status == 401 || f.retry == "60" || f.retry == "7" }),
	fault{name: "429 for two seconds", fault: tooMany("2")},
	fault{name: "a second late", fault: stytchtest.Fault{Delay: time.Second}},
	fault{name: "one in three", fault: status(500).For(1)},
	fault{name: "another user", fault: stytchtest.OtherUser(), at: pathAuthenticate},
	fault{name: "another user", fault: stytchtest.OtherUser(), at: pathUser},
	fault{name: "an empty key set", fault: stytchtest.KeySet(stytchtest.NoKeys), at: pathKeySet},
	fault{name: "a key set with the exponent 1", fault: stytchtest.KeySet(stytchtest.ExponentOne), at: pathKeySet},
)

// step changes the fault. It may also revoke or start a session, or rotate the keys.
func (s *soak) step(bad bool) {
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
	i := s.chance.IntN(len(s.users))
	switch u := s.users[i]; {
	case !u.revoked.IsZero() || !u.remotely.IsZero() || time.Now().After(u.end):
		if s.chance.IntN(3) == 0 {
			s.users[i] = s.signIn()
		}
	case s.chance.IntN(4) == 0:
		s.RevokeSession(u.session.ID)
		u.remotely = time.Now()
		s.counts["revocations at Stytch"]++
	case s.chance.IntN(4) == 0:
		u.revoking = time.Now()
		s.counts["revocations by Revoke"]++
		s.mu.Unlock()
		_ = s.Auth.Revoke(context.Background(), u.session.ID)
		s.mu.Lock()
		u.revoked = u.revoking // Revoke takes effect immediately
	}
}

// jwt returns a JWT of a user: the newest one or an older one.
func (s *soak) jwt(u *user, chance *rand.Rand) issued {
	last := u.jwts[len(u.jwts)-1]
	isLive := u.revoking.IsZero() && u.remotely.IsZero() && time.Now().Before(u.end)
	if isLive && time.Since(last.at) >= 5*time.Second {
		last = issued{s.JWT(u.session.ID), s.KeyID(), time.Now()}
		u.jwts = append(u.jwts, last)
		u.jwts = u.jwts[max(0, len(u.jwts)-8):]
	}
	if chance.IntN(3) == 0 {
		return u.jwts[chance.IntN(len(u.jwts))]
	}
	return last
}

// send sends one request and checks the response.
func (s *soak) send(chance *rand.Rand) {
	s.mu.Lock()
	u := s.users[chance.IntN(len(s.users))]
	jwt := s.jwt(u, chance)
	s.mu.Unlock()
	var kind, field string
	forged := false
	switch chance.IntN(10) {
	case 0:
		kind, field = "JWT in a cookie", jwtCookie(jwt.text)
	case 1, 2:
		kind, field = "JWT", bearer(jwt.text)
	case 3, 4:
		kind, field = "token", bearer(u.session.Token)
	case 5:
		kind, field = "token in a cookie", tokenCookie(u.session.Token)
	case 6:
		kind, field = "both cookies", bothCookies(u.session.Token, jwt.text)
	case 7:
		kind, field, forged = "forged JWT", bearer(authtest.OtherSignature(jwt.text)), true
	case 8:
		kid := "invented-" + strconv.Itoa(chance.IntN(1e6))
		header, claims := s.Header(), s.Claims(u.session.ID)
		header["kid"] = kid
		unknown := authtest.ForgedJWT(header, claims)
		if chance.IntN(4) == 0 { // only every fourth is signed, because signing takes most of the time of the test
			unknown = s.Sign(authtest.JSON(header), authtest.JSON(claims))
		}
		kind, field, forged = "invented key", bearer(unknown), true
	default:
		kind, field, forged = "invented token", bearer(inventedToken+strconv.Itoa(chance.IntN(1e6))), true
	}
	r := newRequest(http.MethodGet, field)
	w := httptest.NewRecorder()
	began := time.Now()
	s.Handler.ServeHTTP(w, r)
	s.check(result{kind, field, forged, u, jwt, began, w.Code, w.Header().Get("As")})
}

// A result is a request together with its response.
type result struct {
	kind, field string
	forged      bool
	user        *user
	jwt         issued
	began       time.Time
	status      int
	as          string
}

func (s *soak) check(v result) {
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
		if !s.mayBeUnavailable(v) {
			problem = "nothing was wrong"
		}
	default:
		problem = "such an answer is never expected"
	}
	if problem == "" {
		return
	}
	s.wrong++
	if s.wrong <= 20 {
		s.T.Errorf("got %d for a %s in the fault %q: %s", v.status, v.kind, s.fault, problem)
	}
}

// wrongPass returns the reason for which a request must not pass, or "" if it may.
func (s *soak) wrongPass(v result) string {
	u, jwt := v.user, strings.Contains(v.kind, "JWT")
	both := v.kind == "both cookies"
	// The time until which a session may be accepted after it was revoked at Stytch.
	byToken := u.remotely.Add(soakTTL + s.stale)
	byJWT := v.jwt.at.Add(soakLifetime + soakLeeway + time.Second)
	if byAnswer := u.remotely.Add(soakTTL + s.stale); byAnswer.After(byJWT) {
		byJWT = byAnswer // answers about old JWTs are cached too
	}
	unnoticed := byToken
	if jwt || both && byJWT.After(byToken) {
		unnoticed = byJWT
	}
	switch {
	case v.forged:
		return "it has no good signature"
	case v.as != u.session.ID+" "+u.session.UserID:
		return "it passed as " + v.as
	case !v.began.Before(u.end):
		return "its session had ended"
	case !u.revoked.IsZero() && v.began.After(u.revoked):
		return "Revoke had returned"
	case !u.remotely.IsZero() && v.began.After(unnoticed):
		return "it was revoked at Stytch " + v.began.Sub(u.remotely).String() + " ago"
	case both && !v.began.After(byJWT):
		return "" // the token was refused earlier, when the key of the JWT was unknown
	case s.wasRefused(v):
		return "it was refused before"
	}
	return ""
}

// wasRefused reports whether the same credential got a 401 before this request.
func (s *soak) wasRefused(v result) bool {
	at, ok := s.refused[v.digest()]
	return ok && v.began.After(at)
}

func (v *result) digest() [sha256.Size]byte { return sha256.Sum256([]byte(v.field)) }

// isLive reports whether the session was alive during the whole request.
func (s *soak) isLive(v result) bool {
	u := v.user
	return u.revoking.IsZero() && u.remotely.IsZero() && time.Now().Before(u.end)
}

// mayBeUnavailable reports whether a 503 is a correct response.
func (s *soak) mayBeUnavailable(v result) bool {
	settled := s.faultEnd.Add(soakRecovery)
	if s.fault != "" || !s.faultEnd.IsZero() && v.began.Before(settled) {
		return true
	}
	if v.kind == "invented key" {
		return true // until the next fetch it is unknown whether the key exists
	}
	rotated, ok := s.rotated[v.jwt.kid]
	// A live token beside the JWT suffices. A dead one proves nothing against a JWT that cannot be
	// checked.
	needsJWT := strings.Contains(v.kind, "JWT") || v.kind == "both cookies" && !s.isLive(v)
	if !ok || !needsJWT {
		return false
	}
	if settled.After(rotated) {
		rotated = settled
	}
	return v.began.Before(rotated.Add(soakSlot))
}
