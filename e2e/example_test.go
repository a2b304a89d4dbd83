// Package e2e_test signs in to ../example with a real browser.
package e2e_test

import (
	"context"
	"flag"
	"os"
	"testing"
)

// TestMain has more scenarios played at a time than there are processors: most
// of them wait most of the time. The command line may say otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A scenario is played on a site of its own, so that none depends on another.
type scenario struct {
	name  string
	flags []string // of the example
	play  func(*stage)
}

// scenarios begins with those that wait for something to expire.
var scenarios = []scenario{
	{"an expired JWT is refreshed and nobody notices", []string{"-jwt-lifetime", "10s", "-cache-ttl", "2s"}, silentRefresh},
	{"a session revoked elsewhere is out when its JWT expires", []string{"-jwt-lifetime", "5s", "-cache-ttl", "2s"}, revokedElsewhere},
	{"a session revoked elsewhere is out at MaxTokenAge", []string{"-max-token-age", "3s", "-cache-ttl", "2s"}, revokedElsewhereTokenAge},
	{"a session token revoked elsewhere is out within CacheTTL", []string{"-cache-ttl", "2s"}, revokedElsewhereToken},
	{"all notes are deleted after a step-up only", []string{"-fresh", "10s"}, stepUp},
	{"twenty tabs with an expired JWT share one refresh", []string{"-jwt-lifetime", "3s"}, manyTabs},
	{"the pages look right", []string{"-fresh", "5s"}, appearance},

	{"a wrong password shows a message and sets no cookie", nil, wrongPassword},
	{"sign-in leads back to the page that was asked for", nil, signInReturns},
	{"sign-in leads to no other site", nil, signInStaysHere},
	{"signing in again ends the old session", nil, signInAgain},
	{"notes are added and deleted", nil, notes},
	{"an admin deletes anybody's note, others only their own", nil, othersNotes},
	{"after signing out the cookies are worth nothing", nil, signOut},
	{"while Stytch is down nobody is signed out", nil, outage},
	{"the back button shows nothing private", nil, backButton},
	{"forms of another origin change nothing", nil, otherOrigin},
	{"forms of another site change nothing", nil, otherSite},
}

func TestExample(t *testing.T) {
	browser := startChromium(t)
	program := buildExample(t)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			sc.play(&stage{T: t, site: startExample(t, program, sc.flags...), browser: browser})
		})
	}
}

// A stage is what a scenario is played on.
type stage struct {
	*testing.T
	*site
	browser context.Context
}
