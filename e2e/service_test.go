package e2e_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/e2e/internal/proxy"
	"github.com/sessionauth/sessionauth/e2e/internal/service"
)

// A serviceEnv is a service behind a TLS proxy, and a browser that resolves https://app.example.com
// and other names to the proxy.
type serviceEnv struct {
	*testing.T
	*service.Service
	browser context.Context
}

// serviceScenarios need settings that the example does not have. Each scenario has its own service.
// They take turns behind the same proxy.
var serviceScenarios = []struct {
	name string
	run  func(*serviceEnv)
}{
	{"a JWT that is too large for a cookie, at sign-in", largeJWTAtSignIn},
	{"a JWT that is too large for a cookie, at a refresh", largeJWTAtRefresh},
	{"the cookies of two users", cookiesOfTwoUsers},
	{"a refresh whose response follows a sign-out", lateAfterSignOut},
	{"a refresh whose response follows a sign-in", lateAfterSignIn},
	{"WebSockets behind a proxy that changes Host", webSockets},
}

func TestService(t *testing.T) {
	var current http.Handler // the service of the current scenario
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.ServeHTTP(w, r) }))
	front.Config.ErrorLog = discard
	front.StartTLS()
	t.Cleanup(front.Close)
	address := front.Listener.Addr().String()
	browser := startChromium(t, behind(address)...)
	for _, sc := range serviceScenarios {
		t.Run(sc.name, func(t *testing.T) {
			s := service.Start(t)
			current = proxyTo(t, s.URL)
			sc.run(&serviceEnv{t, s, browser})
		})
	}
}

// HAProxy lets a browser open a WebSocket over HTTP/2 (RFC 8441).
func TestService_HAProxy(t *testing.T) {
	s := service.Start(t)
	p := proxy.HAProxy.Start(t, s, s)
	webSockets(&serviceEnv{t, s, startChromium(t, behind(p.Address)...)})
}

// behind returns options that make the browser connect to a proxy for these names.
func behind(address string) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("host-resolver-rules", "MAP *.example.com "+address+", MAP evil.example "+address),
		chromedp.Flag("ignore-certificate-errors", true),
	}
}

// proxyTo returns a proxy that changes the Host field as some proxies do: it writes the name in
// capitals and adds the port.
func proxyTo(t *testing.T, address string) http.Handler {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = "APP.Example.COM:443"
	}
	return &httputil.ReverseProxy{Rewrite: rewrite, ErrorLog: discard}
}

// discard drops the log lines about requests that a browser cancels.
var discard = log.New(io.Discard, "", 0)

// newBrowser opens a tab in a new browser context, without cookies.
func (s *serviceEnv) newBrowser() *tab {
	s.Helper()
	return newTab(s.T, s.browser, "https://"+service.Host, chromedp.WithNewBrowserContext())
}

// signInAs signs in and checks that the service shows this user.
func (tb *tab) signInAs(email string) {
	tb.t.Helper()
	tb.open("/login?return_to=/me")
	wantStatus(tb.t, "sign-in", tb.submitSignIn(email, service.Password), 200)
	tb.wantAt("/me")
	tb.wantUser(email)
}

func (tb *tab) wantUser(email string) {
	tb.t.Helper()
	if got := tb.text("#user"); got != email {
		tb.t.Fatalf("got the page of %s, want %s", got, email)
	}
}

// setJWT replaces the JWT cookie.
func (tb *tab) setJWT(jwt string) {
	tb.t.Helper()
	tb.setCookie(jwtCookie, jwt)
	if c := tb.cookies()[jwtCookie]; c == nil || c.Value != jwt {
		tb.t.Fatal("the JWT cookie was not set")
	}
}

func (tb *tab) setCookie(name, value string) {
	tb.t.Helper()
	yes := true
	call(tb, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: tb.base, Secure: &yes, HTTPOnly: &yes})
}

// wantNoJWT checks that the browser has a session token and no JWT.
func (tb *tab) wantNoJWT() {
	tb.t.Helper()
	cookies := tb.cookies()
	if cookies[jwtCookie] != nil || cookies[tokenCookie] == nil {
		tb.t.Errorf("got %d cookies, JWT %v, want only the session token", len(cookies), cookies[jwtCookie] != nil)
	}
}

// A browser ignores a cookie that is too large and keeps the cookie of the previous user. The
// sign-in must remove that cookie.
func largeJWTAtSignIn(s *serviceEnv) {
	tb := s.newBrowser()
	tb.signInAs(service.Ada)
	before, _ := tb.jwt()
	tb.open("/oversized")
	if after, _ := tb.jwt(); after != before {
		s.Fatal("the browser did not keep the old cookie: the test shows nothing")
	}

	tb.signInAs(service.Large)
	tb.wantNoJWT()
	tb.open("/me")
	tb.wantUser(service.Large)
}

func largeJWTAtRefresh(s *serviceEnv) {
	tb := s.newBrowser()
	tb.signInAs(service.Large)
	large := s.Session(service.Large)
	tb.setCookie(tokenCookie, large.Token)
	tb.setJWT(s.SmallExpiredJWT(tb.t, large.ID))
	wantStatus(s.T, "the refresh", tb.open("/me"), 200)
	tb.wantUser(service.Large)
	tb.wantNoJWT()
}

// A browser may have the cookies of two users, for whatever reason. The service must not show it
// the user of the JWT. Signing in replaces both cookies.
func cookiesOfTwoUsers(s *serviceEnv) {
	tb := s.newBrowser()
	tb.signInAs(service.Large)
	tb.setJWT(s.Session(service.Ada).JWT)
	if status := tb.open("/me"); status == 200 && tb.has("#user") {
		s.Errorf("got the page of %s, want neither user", tb.text("#user"))
	}
	tb.signInAs(service.Large)
	tb.wantNoJWT()
}

// refreshSlowly requests /slow with an expired JWT and returns when the request has arrived. The
// returned function serves the request and waits for the page.
func refreshSlowly(s *serviceEnv, tb *tab) (finish func()) {
	s.Helper()
	_, claims := tb.jwt()
	tb.setJWT(s.ExpiredJWT(s, claims.Session.ID))
	loaded := make(chan error, 1)
	go func() {
		_, err := tb.load("/slow")
		loaded <- err
	}()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if err := s.Arrived(ctx); err != nil {
		s.Fatalf("the slow request did not arrive: %v", err)
	}
	return func() {
		s.Helper()
		s.Release()
		if err := <-loaded; err != nil {
			s.Fatalf("the slow page: %v", err)
		}
		tb.wantUser(service.Ada) // the page of the old request
	}
}

func lateAfterSignOut(s *serviceEnv) {
	slow := s.newBrowser()
	slow.signInAs(service.Ada)
	refreshSlowly(s, slow)()
	if _, claims := slow.jwt(); claims.Session.ID == "" || len(slow.jwtsSet()) < 2 {
		s.Fatal("a slow response sets no JWT: the test shows nothing")
	}

	other := slow.another()
	other.open("/me")
	finish := refreshSlowly(s, slow)
	wantStatus(s.T, "sign-out", other.click("#sign-out button"), 200)
	if n := len(other.cookies()); n > 0 {
		s.Fatalf("got %d cookies after signing out, want none", n)
	}
	finish()
	if n := len(other.cookies()); n > 0 {
		s.Errorf("got %d cookies after the late response, want none", n)
	}
}

func lateAfterSignIn(s *serviceEnv) {
	slow := s.newBrowser()
	slow.signInAs(service.Ada)
	finish := refreshSlowly(s, slow)
	other := slow.another()
	other.signInAs(service.Full)
	signedIn := other.cookies()
	finish()
	for name, c := range other.cookies() {
		if signedIn[name] == nil || signedIn[name].Value != c.Value {
			s.Errorf("the late response changed the cookie %s", name)
		}
	}
	other.open("/me")
	other.wantUser(service.Full)
}

// openWebSocket is a script that returns the first message of a WebSocket.
const openWebSocket = `new Promise(resolve => {
	const socket = new WebSocket("wss://` + service.Host + `/ws");
	socket.onmessage = e => { resolve(e.data); socket.close() };
	socket.onerror = () => resolve("refused");
})`

func webSockets(s *serviceEnv) {
	tb := s.newBrowser()
	tb.signInAs(service.Ada)
	if got := tb.evaluate(openWebSocket); got != service.Ada {
		s.Errorf("a page of the service: got %q, want %q", got, service.Ada)
	}
	// Because of SameSite, the browser sends the cookies only from a page of a sibling domain.
	for _, row := range []struct {
		page   string
		reason sessionauth.Reason
	}{
		{"https://other.example.com/login", sessionauth.ReasonCrossOrigin},
		{"https://evil.example/login", sessionauth.ReasonNoCredential},
	} {
		tb.visit(row.page)
		if got := tb.evaluate(openWebSocket); got != "refused" {
			s.Errorf("%s: got %q, want the WebSocket refused", row.page, got)
		}
		if got := s.LastReason(); got != row.reason {
			s.Errorf("%s: got the reason %q, want %q", row.page, got, row.reason)
		}
	}
}

// evaluate runs a script in the page and returns its result.
func (tb *tab) evaluate(script string) string {
	tb.t.Helper()
	call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	run(tb, chromedp.Reload())
	defer call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return run(tb, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
}
