package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// screenshots is the folder for screenshots. Git ignores it.
const screenshots = "screenshots"

// save writes a screenshot.
func save(t *testing.T, file string, png []byte) {
	t.Helper()
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Error(err)
		return
	}
	if err := os.WriteFile(filepath.Join(screenshots, file), png, 0o644); err != nil {
		t.Error(err)
	}
}

// looks lists the colour schemes and widths of the screenshots. The narrow one is
// the minimum width for a page without horizontal scrolling (WCAG 2.2, 1.4.10).
var looks = []struct {
	name, scheme string
	width        int64
}{
	{"light", "light", 1200},
	{"dark", "dark", 1200},
	{"narrow", "light", 320},
	{"narrow-dark", "dark", 320},
}

func appearance(s *env) {
	tb := s.newBrowser()
	show := func(name string, status, want int64) {
		s.Helper()
		wantStatus(s.T, "the page "+name, status, want)
		tb.inspect(name)
	}
	show("home", tb.open("/"), 200)
	show("sign-in", tb.open("/login?return_to=/app/notes"), 200)
	show("sign-in-refused", tb.submitSignIn(ada, "wrong"), 401)
	show("notes", tb.submitSignIn(ada, password), 200)
	for _, text := range []string{
		"Buy milk", "Two lines\nof text, and <b>no markup</b>",
		"A word that does not fit: " + strings.Repeat("Donaudampfschifffahrt", 10),
		strings.Repeat("A note that goes on and on. ", 20),
	} {
		tb.fill("form#add [name=text]", text)
		tb.click("form#add button")
	}
	show("notes-several", tb.open("/app/notes"), 200)
	show("account", tb.open("/app/account"), 200)
	show("home-signed-in", tb.open("/"), 200)
	show("not-found", tb.open("/app/nowhere"), 404)
	show("unavailable", tb.open("/outage/me"), 503)
	show("refused", foreignClick(s, tb), 403)
	eventually(s.T, patience, "a redirect to the step-up page", func() bool {
		tb.open("/app/notes/delete-all")
		return strings.HasPrefix(tb.path(), "/step-up")
	})
	show("step-up", 200, 200)
	tb.fill("form#step-up [name=password]", "wrong")
	show("step-up-refused", tb.click("form#step-up button"), 401)
	tb.fill("form#step-up [name=password]", password)
	show("delete-all", tb.click("form#step-up button"), 200)
	tb.click("form#sign-out button")
	tb.signIn(grace, "/app/notes")
	show("notes-of-an-admin", 200, 200)
	show("account-of-an-admin", tb.open("/app/account"), 200)
	s.Log("screenshots are in " + screenshots)
}

// foreignClick sends a form from a page of another origin and returns the status.
func foreignClick(s *env, tb *tab) (status int64) {
	tb.visit(foreign(s) + "/app/notes?text=planted")
	return tb.click("button")
}

// inspect takes screenshots of the page and checks its structure.
func (tb *tab) inspect(name string) {
	tb.t.Helper()
	for _, look := range looks {
		call(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		run(tb, chromedp.EmulateViewport(look.width, 800))
		eventually(tb.t, patience, "the end of all animations", func() bool {
			return run(tb, chromedp.Evaluate[bool](`document.getAnimations().length === 0`))
		})
		if over := run(tb, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); over > 0 {
			tb.t.Errorf("%s: the page is %d pixels too wide for the look %s", name, over, look.name)
		}
		save(tb.t, fmt.Sprintf("%s-%s.png", name, look.name), tb.picture(look.width))
	}
	run(tb, chromedp.EmulateViewport(looks[0].width, 800))
	for _, check := range []struct{ want, js string }{
		{"one h1 heading", `document.querySelectorAll('h1').length === 1`},
		{"a title and a language", `document.title !== '' && document.documentElement.lang !== ''`},
		{"a label for each field", `Array.from(document.querySelectorAll('input:not([type=hidden]), textarea')).every(e => e.labels.length === 1)`},
		{"a name for each button and link", `Array.from(document.querySelectorAll('button, a')).every(e => e.innerText.trim() || e.ariaLabel)`},
		{"unique ids", `new Set(Array.from(document.querySelectorAll('[id]'), e => e.id)).size === document.querySelectorAll('[id]').length`},
		{"no scripts and no inline styles", `!document.querySelector('script, style, [style], [onclick]')`},
		{"the style sheet", `document.styleSheets.length > 0`},
	} {
		if !run(tb, chromedp.Evaluate[bool](check.js)) {
			tb.t.Errorf("%s: got a page without it, want %s", name, check.want)
		}
	}
}

// picture returns a screenshot of the whole page.
func (tb *tab) picture(width int64) []byte {
	tb.t.Helper()
	height := run(tb, chromedp.Evaluate[float64](`Math.max(document.documentElement.scrollHeight, 500)`))
	yes := true
	return call(tb, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &yes, OptimizeForSpeed: &yes,
		Clip: &page.Viewport{Width: float64(width), Height: height, Scale: 1},
	}).Data
}
