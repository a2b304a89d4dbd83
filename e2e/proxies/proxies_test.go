// Package proxies_test runs a service behind each proxy that docs/operations.md
// describes, with the configuration of that page.
package proxies_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/e2e/internal/proxy"
	"github.com/sessionauth/sessionauth/e2e/internal/service"
)

// checks are the behaviours that each proxy must not break.
var checks = []struct {
	name string
	run  func(c *client, s *service.Service)
}{
	{"sign-in", signIn},
	{"cookies in several fields", cookieFields},
	{"refresh", refresh},
	{"WebSocket", webSocket},
	{"cross-origin requests", crossOrigin},
	{"a JWT of 5 KB", largeJWT},
	{"a header of 12 KB", largeHeader},
	{"a JWT that just fits in a cookie", fullJWT},
	{"Retry-After", retryAfter},
	{"return_to behind StripPrefix", stripPrefix},
	{"return_to behind a proxy that removes a prefix", removedPrefix},
}

func TestProxies(t *testing.T) {
	for _, p := range []proxy.Proxy{proxy.Nginx, proxy.HAProxy, proxy.Caddy, proxy.Apache} {
		t.Run(p.Program, func(t *testing.T) {
			t.Parallel()
			s := service.Start(t)
			run(newClient(t, p.Start(t, s, service.StartBelow(t, "/shop"))), s)
		})
	}
}

func run(c *client, s *service.Service) {
	for _, check := range checks {
		c.Run(check.name, func(t *testing.T) { check.run(c.in(t), s) })
	}
}

// The service also works without a proxy: the server of net/http serves TLS and HTTP/2 itself.
func TestProxies_None(t *testing.T) {
	t.Parallel()
	s := service.Start(t)
	mux := http.NewServeMux()
	mux.Handle("/", s.Handler)
	below := service.StartBelow(t, "/shop")
	mux.Handle("/shop/", http.StripPrefix("/shop", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI = r.URL.RequestURI()
		below.Handler.ServeHTTP(w, r)
	})))
	srv := httptest.NewUnstartedServer(mux)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	run(newClient(t, proxy.Running{Address: srv.Listener.Addr().String(), Pool: pool}), s)
}

// The documentation says that nginx needs proxy_buffer_size. Without it, a sign-in fails.
func TestProxies_NginxDefaultBuffers(t *testing.T) {
	t.Parallel()
	s := service.Start(t)
	c := newClient(t, proxy.Nginx.Start(t, s, s, "proxy_buffer_size 16k;", "proxy_buffers 8 16k;"))
	if r := c.signIn(service.Full); r.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d for a sign-in with a large JWT and the default buffers of nginx, want 502", r.StatusCode)
	}
	if r := c.signIn(service.Ada); r.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d for a sign-in with a small JWT, want 303", r.StatusCode)
	}
}

func signIn(c *client, _ *service.Service) {
	r := c.signIn(service.Ada)
	c.wantStatus(r, http.StatusSeeOther)
	c.wantField(r, "Location", "/me")
	c.wantField(r, "Cache-Control", "no-store")
	set := r.cookies(c)
	for _, name := range []string{service.TokenCookie, service.JWTCookie} {
		got := set[name]
		if got == nil || got.Value == "" {
			c.Fatalf("got no cookie %s", name)
		}
		if !got.Secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
			c.Errorf("got the cookie %s with Secure %v, HttpOnly %v, SameSite %v, path %q, domain %q", name, got.Secure, got.HttpOnly, got.SameSite, got.Path, got.Domain)
		}
	}
	session := cookie(set[service.TokenCookie].Value, set[service.JWTCookie].Value)
	c.wantUser(c.get("/me", http.StatusOK, session), service.Ada)

	r = c.post("/logout", http.StatusSeeOther, session, "Origin: "+origin)
	for name, got := range r.cookies(c) {
		if got.Value != "" || got.MaxAge >= 0 {
			c.Errorf("got the cookie %s with Max-Age %d after sign-out, want it removed", name, got.MaxAge)
		}
	}
	c.get("/me", http.StatusUnauthorized, session)
}

// A client may send each cookie in a field of its own. A service behind a proxy receives one field
// with all cookies.
func cookieFields(c *client, s *service.Service) {
	ada := s.Session(service.Ada)
	r := c.get("/me", http.StatusOK, cookie(ada.Token, ada.JWT))
	c.wantUser(r, service.Ada)
	c.wantField(r, "Cookie-Fields", "1")
	if got := strings.ReplaceAll(strings.Join(r.Header["Vary"], ","), " ", ""); got != "Cookie,Authorization" {
		c.Errorf("got Vary %q, want Cookie and Authorization", got)
	}
	c.wantField(r, "Cache-Control", "private")
}

func refresh(c *client, s *service.Service) {
	ada := s.Session(service.Ada)
	r := c.get("/me", http.StatusOK, cookie(ada.Token, s.ExpiredJWT(c, ada.ID)))
	c.wantUser(r, service.Ada)
	c.wantField(r, "Cache-Control", "no-store")
	renewed := r.cookies(c)[service.JWTCookie]
	if renewed == nil || !renewed.Secure || !renewed.HttpOnly {
		c.Fatalf("got a new JWT cookie %v, want one with Secure and HttpOnly", renewed != nil)
	}
	c.wantUser(c.get("/me", http.StatusOK, cookie("", renewed.Value)), service.Ada)
}

// originRows are values of Origin in requests with a cookie. The service checks the origin of these
// requests.
var originRows = []struct {
	name    string
	fields  []string
	allowed bool
}{
	{"a page of the service", []string{"Origin: " + origin, "Sec-Fetch-Site: same-origin"}, true},
	{"a browser without Sec-Fetch-Site", []string{"Origin: " + origin}, true},
	{"Host with the port 443", []string{"Origin: " + origin, "Host: " + service.Host + ":443"}, true},
	{"Host in capitals", []string{"Origin: " + origin, "Host: APP.Example.COM"}, true},
	{"Host in capitals with the port 443", []string{"Origin: " + origin, "Host: APP.Example.COM:443"}, true},
	{"another origin", []string{"Origin: https://evil.example"}, false},
	{"a sibling domain", []string{"Origin: https://other.example.com", "Sec-Fetch-Site: same-site"}, false},
	{"another port", []string{"Origin: " + origin + ":8443"}, false},
	{"another scheme", []string{"Origin: http://evil.example", "Host: " + service.Host + ":443"}, false},
	{"a forged X-Forwarded-Host", []string{"Origin: https://evil.example", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"}, false},
}

func webSocket(c *client, s *service.Service) {
	ada := s.Session(service.Ada)
	for _, row := range originRows {
		want := http.StatusForbidden
		if row.allowed {
			want = http.StatusSwitchingProtocols
		}
		if got := c.webSocket(service.Ada, append([]string{cookie(ada.Token, ada.JWT)}, row.fields...)...); got != want {
			c.Errorf("%s: got %d, want %d", row.name, got, want)
		}
	}
	if got := c.webSocket(service.Ada, "Origin: "+origin); got != http.StatusUnauthorized {
		c.Errorf("no credential: got %d, want 401", got)
	}
}

func crossOrigin(c *client, s *service.Service) {
	ada := s.Session(service.Ada)
	for _, row := range originRows {
		want := http.StatusForbidden
		if row.allowed {
			want = http.StatusNoContent
		}
		r := c.send(http.MethodPost, "/notes", nil, append([]string{cookie(ada.Token, ada.JWT)}, row.fields...)...)
		if r.StatusCode != want {
			c.Errorf("%s: got %d, want %d", row.name, r.StatusCode, want)
		}
	}
}

// A JWT that is too large for a browser reaches the service in a cookie of another client and in
// Authorization. The service never sets such a cookie.
func largeJWT(c *client, s *service.Service) {
	large := s.Session(service.Large)
	if size := len(large.JWT); size < 5000 || size > 6000 {
		c.Fatalf("got a JWT of %d bytes, want 5 KB", size)
	}
	c.wantUser(c.get("/me", http.StatusOK, cookie("", large.JWT)), service.Large)
	c.wantUser(c.get("/me", http.StatusOK, cookie(large.Token, large.JWT)), service.Large)
	c.wantUser(c.get("/me", http.StatusOK, "Authorization: Bearer "+large.JWT), service.Large)

	r := c.get("/me", http.StatusOK, cookie(large.Token, s.ExpiredJWT(c, large.ID)))
	c.wantRemoved(r)
	r = c.signIn(service.Large)
	c.wantStatus(r, http.StatusSeeOther)
	c.wantRemoved(r)
	c.wantUser(c.get("/me", http.StatusOK, cookie(r.cookies(c)[service.TokenCookie].Value, "")), service.Large)
}

// Clients other than browsers may send even larger JWTs.
func largeHeader(c *client, _ *service.Service) {
	const size = 12 << 10
	r := c.get("/", http.StatusOK, "Authorization: "+strings.Repeat("x", size))
	c.wantField(r, "Authorization-Size", strconv.Itoa(size))
}

// wantRemoved checks that a response removes the JWT cookie.
func (c *client) wantRemoved(r *response) {
	c.Helper()
	if got := r.cookies(c)[service.JWTCookie]; got == nil || got.Value != "" || got.MaxAge >= 0 {
		c.Errorf("got the JWT cookie set %v, want it removed", got != nil)
	}
}

// The response to a sign-in has the largest header, because it sets both cookies. It must pass the
// proxy.
func fullJWT(c *client, s *service.Service) {
	r := c.signIn(service.Full)
	c.wantStatus(r, http.StatusSeeOther)
	set := r.cookies(c)
	if set[service.TokenCookie] == nil || set[service.JWTCookie] == nil {
		c.Fatalf("got %d cookies, want both", len(set))
	}
	jwt := set[service.JWTCookie].Value
	if size := len(service.JWTCookie) + len(jwt); size < 4000 || size > 4096 {
		c.Errorf("got a JWT cookie of %d bytes, want 4,000 to 4,096", size)
	}
	c.wantUser(c.get("/me", http.StatusOK, cookie(set[service.TokenCookie].Value, jwt)), service.Full)

	full := s.Session(service.Full)
	r = c.get("/me", http.StatusOK, cookie(full.Token, s.ExpiredJWT(c, full.ID)))
	if renewed := r.cookies(c)[service.JWTCookie]; renewed == nil || len(renewed.Value) < 4000 {
		c.Error("got no new JWT cookie of that size")
	}
}

func retryAfter(c *client, s *service.Service) {
	ada := s.Session(service.Ada)
	r := c.get("/down", http.StatusServiceUnavailable, cookie(ada.Token, ""))
	if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || seconds < 1 {
		c.Errorf("got Retry-After %q, want seconds", r.Header.Values("Retry-After"))
	}
	c.wantField(r, "Cache-Control", "no-store")
	c.wantField(r, "Content-Type", "application/problem+json")
	if len(r.Cookies()) > 0 {
		c.Errorf("got %d cookies, want none", len(r.Cookies()))
	}
}

// page contains the header fields that a browser sends to load a page.
var page = []string{"Accept: text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}

func stripPrefix(c *client, _ *service.Service) {
	r := c.get("/app/caf%C3%A9/a%20b%2Fc?tab=1&of=%2F2", http.StatusSeeOther, page...)
	c.wantField(r, "Location", "/login?return_to=%2Fapp%2Fcaf%25C3%25A9%2Fa%2520b%252Fc%3Ftab%3D1%26of%3D%252F2")
}

func removedPrefix(c *client, _ *service.Service) {
	r := c.get("/shop/me?tab=1", http.StatusSeeOther, page...)
	c.wantField(r, "Location", "/shop/login?return_to=%2Fshop%2Fme%3Ftab%3D1")
}
