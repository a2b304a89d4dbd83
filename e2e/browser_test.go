package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// findChromium returns the path of the browser.
func findChromium() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		path, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("CHROMIUM is not a program: %w", err)
		}
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium, chromium-browser or google-chrome on PATH: install one or set CHROMIUM=/path")
}

// startChromium starts the browser with an empty user data directory, which
// chromedp creates and removes. The browser stops when the test ends.
func startChromium(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := findChromium()
	if err != nil {
		t.Fatal(err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.DisableGPU,
		chromedp.Flag("no-sandbox", os.Getuid() == 0), // Chromium has no sandbox for root
		chromedp.Flag("disable-dev-shm-usage", true),  // containers limit its size
	}
	// Background activity of the browser would disturb the tests.
	for _, name := range []string{"quic", "background-networking", "component-update", "sync"} {
		options = append(options, chromedp.Flag("disable-"+name, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(stop)
	browser, quit := chromedp.NewContext(allocator)
	t.Cleanup(quit)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return browser
}

// A tab is a browser tab with JavaScript disabled, because the site must work without it. The
// browser still reports violations of the Content-Security-Policy.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string // base URL of the site

	mu         sync.Mutex
	complaints []string // errors that the browser reported
	setCookies []string // values of Set-Cookie, with attributes
}

// newBrowser opens a tab in a new browser context, without cookies.
func (s *env) newBrowser() *tab {
	s.Helper()
	return newTab(s.T, s.browser, s.url, chromedp.WithNewBrowserContext())
}

// another opens a second tab with the same cookies.
func (tb *tab) another() *tab {
	tb.t.Helper()
	return newTab(tb.t, tb.ctx, tb.base)
}

func newTab(t *testing.T, parent context.Context, base string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	tb := &tab{t: t, base: base}
	ctx, closeTab := chromedp.NewContext(parent, append(options, chromedp.WithListener(tb.listen))...)
	tb.ctx = ctx
	t.Cleanup(func() {
		tb.keepEvidence()
		closeTab()
	})
	if err := chromedp.Do(ctx); err != nil { // opens the tab; this context must live longer than every step
		t.Fatalf("a new tab: %v", err)
	}
	call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return tb
}

// listen records events of the browser.
func (tb *tab) listen(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// Failed requests are reported as errors of the network source. The tests check their
		// status instead.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			tb.complaints = append(tb.complaints, e.Entry.Text)
		}
	case *network.EventResponseReceivedExtraInfo:
		if lines, ok := e.Headers["Set-Cookie"].(string); ok {
			tb.setCookies = append(tb.setCookies, strings.Split(lines, "\n")...)
		}
	}
}

var unsafeInName = regexp.MustCompile(`[^a-z0-9]+`)

// keepEvidence fails the test if the browser reported errors, and saves a screenshot
// of a failed test.
func (tb *tab) keepEvidence() {
	tb.mu.Lock()
	for _, text := range tb.complaints {
		tb.t.Errorf("the browser reports: %s", text)
	}
	tb.mu.Unlock()
	if !tb.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	file := "failed-" + unsafeInName.ReplaceAllString(strings.ToLower(tb.t.Name()), "-") + ".png"
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		save(tb.t, file, png)
	}
	tb.t.Logf("a tab is at %s, see %s", at, filepath.Join(screenshots, file))
}

// run executes one action.
func run[T any](tb *tab, step chromedp.Action[T]) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, step)
	if err != nil {
		tb.t.Fatal(err)
	}
	return v
}

// call sends one command of the DevTools protocol.
func call[P, R any](tb *tab, command cdp.Command[P, R], params P) R {
	tb.t.Helper()
	return run(tb, func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, command, params)
	})
}

// visit opens an address and returns the status after redirects.
func (tb *tab) visit(address string) (status int64) {
	tb.t.Helper()
	return run(tb, chromedp.NavigateResponse(address)).Status
}

// open visits a path of the site.
func (tb *tab) open(path string) (status int64) {
	tb.t.Helper()
	return tb.visit(tb.base + path)
}

// load is like open, but may be called on any goroutine.
func (tb *tab) load(path string) (status int64, err error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(tb.base+path))
	if err != nil {
		return 0, err
	}
	return response.Status, nil
}

// click clicks an element that loads another page and returns the status of that
// page.
func (tb *tab) click(selector string) (status int64) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	if err != nil {
		tb.t.Fatalf("click on %s: %v", selector, err)
	}
	return response.Status
}

// fill replaces the text of a field in one step, like pasting from the clipboard.
func (tb *tab) fill(selector, text string) {
	tb.t.Helper()
	run(tb, chromedp.WaitVisible(chromedp.CSS(selector)))
	if !run(tb, chromedp.Evaluate[bool](`(e => { e.focus(); e.select(); return e === document.activeElement })(document.querySelector(`+strconv.Quote(selector)+`))`)) {
		tb.t.Fatalf("%s cannot be edited", selector)
	}
	call(tb, input.InsertText, input.InsertTextParams{Text: text})
	if got := run(tb, chromedp.Value(chromedp.CSS(selector))); got != text {
		tb.t.Fatalf("%s: got %q, want %q", selector, got, text)
	}
}

// texts returns the text of each element that matches a selector.
func (tb *tab) texts(selector string) []string {
	tb.t.Helper()
	return run(tb, chromedp.Evaluate[[]string](
		`Array.from(document.querySelectorAll(`+strconv.Quote(selector)+`), e => e.innerText.trim())`))
}

// nth returns a selector for the element with index i among siblings that match a
// selector.
func nth(selector string, i int) string { return fmt.Sprintf("%s:nth-child(%d)", selector, i+1) }

// text returns the text of the only element that matches a selector.
func (tb *tab) text(selector string) string {
	tb.t.Helper()
	all := tb.texts(selector)
	if len(all) != 1 {
		tb.t.Fatalf("got %d of %s at %s, want one", len(all), selector, tb.path())
	}
	return all[0]
}

// has reports whether an element matches the selector.
func (tb *tab) has(selector string) bool {
	tb.t.Helper()
	return len(tb.texts(selector)) > 0
}

// content returns the HTML of the page.
func (tb *tab) content() string {
	tb.t.Helper()
	return run(tb, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
}

// path returns path and query of the current page, or its full address if it is not
// on the site.
func (tb *tab) path() string {
	tb.t.Helper()
	return strings.TrimPrefix(run(tb, chromedp.Location()), tb.base)
}

// cookies returns the cookies that the browser would send to the site.
func (tb *tab) cookies() map[string]*network.Cookie {
	tb.t.Helper()
	response := call(tb, network.GetCookies, network.GetCookiesParams{URLs: []string{tb.base + "/"}})
	found := map[string]*network.Cookie{}
	for _, c := range response.Cookies {
		found[c.Name] = c
	}
	return found
}

// jwtsSet returns the session JWTs that responses to this tab have set.
func (tb *tab) jwtsSet() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	values := []string{}
	for _, line := range tb.setCookies {
		if rest, ok := strings.CutPrefix(line, jwtCookie+"="); ok {
			value, _, _ := strings.Cut(rest, ";")
			values = append(values, value)
		}
	}
	return values
}

// signIn signs in on the sign-in page and checks that the browser arrives at
// returnTo.
func (tb *tab) signIn(email, returnTo string) {
	tb.t.Helper()
	tb.open("/login?" + url.Values{"return_to": {returnTo}}.Encode())
	tb.submitSignIn(email, password)
	tb.wantAt(returnTo)
}

func (tb *tab) submitSignIn(email, password string) (status int64) {
	tb.t.Helper()
	tb.fill(`#sign-in input[name=email]`, email)
	tb.fill(`#sign-in input[name=password]`, password)
	return tb.click(`#sign-in button`)
}

func (tb *tab) wantAt(path string) {
	tb.t.Helper()
	if got := tb.path(); got != path {
		tb.t.Fatalf("got to %s, want %s", got, path)
	}
}

// wantSignedOut checks that a private page redirects to the sign-in page.
func (tb *tab) wantSignedOut() {
	tb.t.Helper()
	tb.open("/app/account")
	tb.wantAt("/login?return_to=%2Fapp%2Faccount")
}

func wantStatus(t *testing.T, what string, got, want int64) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %d, want %d", what, got, want)
	}
}
