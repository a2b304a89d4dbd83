package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sessionauth/sessionauth/stytch"
)

// leeway is how long the example accepts a JWT after its exp. slack is the time that
// loading a page may take.
const (
	leeway = 5 * time.Second
	slack  = 3 * time.Second
)

// A sessionJWT has the claims of a session JWT that these tests read.
type sessionJWT struct {
	Expires int64 `json:"exp"` // in Unix seconds
	Session struct {
		ID string `json:"id"`
	} `json:"https://stytch.com/session"`
}

// jwt returns the JWT cookie and its claims without verifying it.
func (tb *tab) jwt() (value string, claims sessionJWT) {
	tb.t.Helper()
	c := tb.cookies()[jwtCookie]
	if c == nil {
		tb.t.Fatal("got no JWT cookie")
	}
	parts := strings.Split(c.Value, ".")
	if len(parts) != 3 {
		tb.t.Fatal("the JWT cookie is not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		tb.t.Fatalf("the JWT cookie: %v", err)
	}
	return c.Value, claims
}

// refusedFrom returns the time from which the JWT is refused.
func (j sessionJWT) refusedFrom() time.Time { return time.Unix(j.Expires, 0).Add(leeway) }

func silentRefresh(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/account")
	token := tb.cookies()[tokenCookie].Value
	first, claims := tb.jwt()
	refused := claims.refusedFrom()

	// Reload the page until the JWT changes.
	eventually(s.T, time.Until(refused)+slack, "a new JWT in the cookie", func() bool {
		run(tb, chromedp.Reload())
		tb.wantAt("/app/account") // not redirected to the sign-in page
		now, _ := tb.jwt()
		return now != first
	})
	if early := time.Until(refused); early > time.Second {
		s.Errorf("got a new JWT %v before the old one was refused", early)
	}
	if got := tb.text("dl#session #decided-by"); got != "stytch" {
		s.Errorf("got the refresh verified by %s, want stytch", got)
	}
	if got := tb.text("#user"); got != "Ada Lovelace" {
		s.Errorf("got %q signed in, want Ada Lovelace", got)
	}
	if tb.cookies()[tokenCookie].Value != token {
		s.Error("the session token changed")
	}
	second, renewed := tb.jwt()
	if renewed.Session.ID != claims.Session.ID || renewed.Expires <= claims.Expires {
		s.Errorf("got the JWT %+v after %+v, want a newer one of the same session", renewed, claims)
	}
	c := tb.cookies()[jwtCookie]
	if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Secure {
		s.Errorf("the refreshed cookie: got HttpOnly %v, SameSite %s, Secure %v", c.HTTPOnly, c.SameSite, c.Secure)
	}

	// The next page must be served with the new JWT alone.
	run(tb, chromedp.Reload())
	if got := tb.text("dl#session #decided-by"); got == "stytch" {
		s.Error("the new JWT was refreshed immediately")
	}
	if third, _ := tb.jwt(); third != second {
		s.Error("the new JWT was replaced immediately")
	}
}

func manyTabs(s *env) {
	first := s.newBrowser()
	first.signIn(ada, "/app/account")
	old, claims := first.jwt()
	tabs := []*tab{first}
	for len(tabs) < 20 {
		tabs = append(tabs, first.another())
	}
	eventually(s.T, time.Until(claims.refusedFrom())+slack, "the JWT to expire", func() bool {
		return time.Now().After(claims.refusedFrom())
	})

	var open sync.WaitGroup
	for _, tb := range tabs {
		open.Go(func() {
			if status, err := tb.load("/app/account"); err != nil || status != 200 {
				s.Errorf("a tab: got %d, %v, want 200", status, err)
			}
		})
	}
	open.Wait()
	now, _ := first.jwt()
	if now == old {
		s.Error("got the old JWT in the cookie")
	}
	set := []string{}
	for _, tb := range tabs {
		tb.wantAt("/app/account")
		if got := tb.text("#user"); got != "Ada Lovelace" {
			s.Errorf("got %q signed in, want Ada Lovelace", got)
		}
		set = append(set, tb.jwtsSet()...)
	}
	slices.Sort(set)
	s.Logf("%d responses set the JWT", len(set))
	for _, value := range slices.Compact(set) {
		if value != old && value != now {
			s.Errorf("got another JWT in a Set-Cookie: %d bytes", len(value))
		}
	}
}

// wantOutWithin revokes the session of a tab directly at Stytch, so the site does not know of it.
// It checks that the site refuses requests that are sent later than bound.
func wantOutWithin(s *env, tb *tab, bound time.Duration) {
	s.Helper()
	token := tb.cookies()[tokenCookie].Value
	err := s.stytch.RevokeSession(s.Context(), stytch.RevokeSessionParams{SessionToken: token})
	if err != nil {
		s.Fatal(err)
	}
	revoked := time.Now()
	var last time.Duration // from the revocation to the last accepted request
	eventually(s.T, bound+slack, "the session refused", func() bool {
		sent := time.Since(revoked)
		tb.open("/app/account")
		if tb.path() != "/app/account" {
			return true
		}
		last = sent
		return false
	})
	s.Logf("accepted for %v after the revocation, the bound is %v", last.Round(time.Millisecond), bound)
	if last > bound {
		s.Errorf("accepted for %v after the revocation, want at most %v", last, bound)
	}
	tb.wantAt("/login?return_to=%2Fapp%2Faccount")
	if tb.has("form#sign-out") || tb.has("#user") {
		s.Error("the sign-in page shows who was signed in")
	}
}

// After a revocation elsewhere, the site accepts a JWT until its exp plus the leeway without
// calling Stytch. If Stytch refreshed the JWT just before the revocation, that response is used for
// CacheTTL more.
func revokedElsewhere(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/account")
	wantOutWithin(s, tb, 5*time.Second+leeway+2*time.Second)
}

func revokedElsewhereTokenAge(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/account")
	wantOutWithin(s, tb, 3*time.Second+2*time.Second)
}

// After a revocation elsewhere, a session token without a JWT is accepted from the cache for up to
// CacheTTL.
func revokedElsewhereToken(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/account")
	call(tb, network.DeleteCookies, network.DeleteCookiesParams{Name: jwtCookie, URL: s.url})
	tb.open("/app/account")
	tb.wantAt("/app/account")
	wantOutWithin(s, tb, 2*time.Second)
}

func stepUp(s *env) {
	const page = "/app/notes/delete-all"
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	tb.addNote("one")
	tb.addNote("two")
	session := func() string { _, claims := tb.jwt(); return claims.Session.ID }
	before := session()

	eventually(s.T, 10*time.Second+leeway+slack, "a redirect to the step-up page", func() bool {
		tb.open(page)
		return tb.path() != page
	})
	tb.wantAt("/step-up?return_to=%2Fapp%2Fnotes%2Fdelete-all")
	if tb.has("form#step-up [name=email]") {
		s.Error("the step-up asks for an e-mail address")
	}
	tb.fill("form#step-up [name=password]", "not "+password)
	wantStatus(s.T, "a wrong password", tb.click("form#step-up button"), 401)
	if tb.text("p#error[role=alert]") == "" {
		s.Error("got no message for a wrong password")
	}
	other := tb.another()
	other.open(page)
	if other.path() == page {
		s.Fatal("a wrong password passed the step-up")
	}
	other.open("/app/notes")
	if got := other.notes(); !slices.Contains(got, "one") || !slices.Contains(got, "two") {
		s.Fatalf("got the notes %q before the step-up, want all of them", got)
	}

	tb.fill("form#step-up [name=password]", password)
	wantStatus(s.T, "the right password", tb.click("form#step-up button"), 200)
	tb.wantAt(page)
	if session() != before {
		s.Error("the step-up started another session")
	}
	wantStatus(s.T, "deleting all notes", tb.click("form#delete-all button"), 200)
	tb.wantAt("/app/notes")
	if got := tb.notes(); len(got) > 0 {
		s.Errorf("got the notes %q, want none", got)
	}
}

// Below /outage the example serves its API without a connection to Stytch.
func outage(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	before := tb.cookies()
	wantStatus(s.T, "a page while Stytch is down", tb.open("/outage/me"), 503)
	tb.wantAt("/outage/me") // not redirected to the sign-in page
	after := tb.cookies()
	for _, name := range []string{tokenCookie, jwtCookie} {
		if after[name] == nil || after[name].Value != before[name].Value {
			s.Errorf("the cookie %s changed", name)
		}
	}
	tb.open("/app/notes")
	tb.wantAt("/app/notes")
}
