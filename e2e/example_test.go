// Package e2e_test tests ../example with a real browser.
package e2e_test

import (
	"context"
	"flag"
	"os"
	"testing"
)

// TestMain allows more parallel scenarios than there are processors, because most scenarios spend
// most of their time waiting. The -parallel flag takes precedence.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A scenario runs on its own instance of the example, so that scenarios do not
// depend on each other.
type scenario struct {
	name  string
	flags []string // flags of the example
	run   func(*env)
}

// scenarios lists the scenarios that wait for an expiry first, so that the others run meanwhile.
var scenarios = []scenario{
	{"refresh of an expired JWT", []string{"-jwt-lifetime", "10s", "-cache-ttl", "2s"}, silentRefresh},
	{"revocation elsewhere with both cookies", []string{"-jwt-lifetime", "5s", "-cache-ttl", "2s"}, revokedElsewhere},
	{"revocation elsewhere with MaxTokenAge", []string{"-max-token-age", "3s", "-cache-ttl", "2s"}, revokedElsewhereTokenAge},
	{"revocation elsewhere with only the session token", []string{"-cache-ttl", "2s"}, revokedElsewhereToken},
	{"step-up before deleting all notes", []string{"-fresh", "10s"}, stepUp},
	{"twenty tabs with an expired JWT", []string{"-jwt-lifetime", "3s"}, manyTabs},
	{"appearance of the pages", []string{"-fresh", "5s"}, appearance},

	{"sign-in with a wrong password", nil, wrongPassword},
	{"sign-in returns to the requested page", nil, signInReturns},
	{"sign-in does not redirect to another site", nil, signInStaysHere},
	{"sign-in again ends the old session", nil, signInAgain},
	{"adding and deleting notes", nil, notes},
	{"only an admin deletes notes of other users", nil, othersNotes},
	{"sign-out makes the cookies invalid", nil, signOut},
	{"an outage does not sign out", nil, outage},
	{"the back button after sign-out", nil, backButton},
	{"forms of another origin are refused", nil, otherOrigin},
	{"forms of another site are refused", nil, otherSite},
}

func TestExample(t *testing.T) {
	browser := startChromium(t)
	program := buildExample(t)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			sc.run(&env{T: t, site: startExample(t, program, sc.flags...), browser: browser})
		})
	}
}

// An env is the environment of a scenario.
type env struct {
	*testing.T
	*site
	browser context.Context
}
