package proxies_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/e2e/internal/proxy"
	"github.com/sessionauth/sessionauth/e2e/internal/service"
)

// patience is the time limit of one request, also on a slow machine.
const patience = 20 * time.Second

// origin is the origin of the pages of the service, as browsers see it.
const origin = "https://" + service.Host

// A client sends requests to a proxy.
type client struct {
	*testing.T
	proxy proxy.Running
	http  *http.Client
}

func newClient(t *testing.T, p proxy.Running) *client {
	c := &client{T: t, proxy: p}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.Address)
		},
		TLSClientConfig:    c.tls("h2"),
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// in returns a copy of the client that reports to a subtest.
func (c *client) in(t *testing.T) *client {
	sub := *c
	sub.T = t
	return &sub
}

// tls returns a TLS configuration that offers one protocol.
func (c *client) tls(protocol string) *tls.Config {
	return &tls.Config{RootCAs: c.proxy.Pool, ServerName: service.Host, NextProtos: []string{protocol}}
}

// A response is a response whose body has been read.
type response struct {
	*http.Response
	body string
}

// send sends a request with HTTP/2. The fields have the form "Name: value"; the field Host sets the
// host. Go sends each cookie in a field of its own (RFC 9113, section 8.2.3).
func (c *client) send(method, path string, form url.Values, fields ...string) *response {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	addFields(r, fields)
	resp, err := c.http.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	if resp.ProtoMajor != 2 {
		c.Errorf("%s %s: got %s, want HTTP/2", method, path, resp.Proto)
	}
	return &response{resp, string(body)}
}

func addFields(r *http.Request, fields []string) {
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
}

// get sends a GET and checks the status.
func (c *client) get(path string, status int, fields ...string) *response {
	c.Helper()
	r := c.send(http.MethodGet, path, nil, fields...)
	c.wantStatus(r, status)
	return r
}

// post sends an empty form and checks the status.
func (c *client) post(path string, status int, fields ...string) *response {
	c.Helper()
	r := c.send(http.MethodPost, path, url.Values{}, fields...)
	c.wantStatus(r, status)
	return r
}

func (c *client) wantStatus(r *response, status int) {
	c.Helper()
	if r.StatusCode != status {
		c.Fatalf("%s %s: got %d, want %d: %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.body)
	}
}

// signIn signs in with a form of the service and returns the response.
func (c *client) signIn(email string) *response {
	c.Helper()
	return c.send(http.MethodPost, "/login", url.Values{"email": {email}, "password": {service.Password}, "return_to": {"/me"}}, "Origin: "+origin)
}

// cookies returns the cookies that a response sets, and checks that no cookie is
// set twice.
func (r *response) cookies(c *client) map[string]*http.Cookie {
	c.Helper()
	set := map[string]*http.Cookie{}
	for _, cookie := range r.Cookies() {
		if set[cookie.Name] != nil {
			c.Errorf("got two Set-Cookie of %s", cookie.Name)
		}
		set[cookie.Name] = cookie
	}
	return set
}

// wantField checks that a response has a field with exactly one value.
func (c *client) wantField(r *response, name, value string) {
	c.Helper()
	if got := r.Header.Values(name); !slices.Equal(got, []string{value}) {
		c.Errorf("got %s %q, want %q", name, got, value)
	}
}

// wantUser checks that a page was served to a user.
func (c *client) wantUser(r *response, email string) {
	c.Helper()
	if !strings.Contains(r.body, `<p id="user">`+email+`</p>`) {
		c.Errorf("got %s, want the page of %s", r.body, email)
	}
}

// cookie returns a Cookie field with a session between other cookies.
func cookie(token, jwt string) string {
	field := "Cookie: theme=dark; "
	if token != "" {
		field += service.TokenCookie + "=" + token + "; "
	}
	if jwt != "" {
		field += service.JWTCookie + "=" + jwt + "; "
	}
	return field + "language=en"
}

// webSocket sends a WebSocket handshake with HTTP/1.1 and returns the status. If the handshake
// succeeds, it also checks the messages that follow.
func (c *client) webSocket(email string, fields ...string) (status int) {
	c.Helper()
	conn, err := tls.Dial("tcp", c.proxy.Address, c.tls("http/1.1"))
	if err != nil {
		c.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, origin+"/ws", nil)
	if err != nil {
		c.Fatal(err)
	}
	addFields(r, append(fields, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+key))
	if err := r.Write(conn); err != nil {
		c.Fatal(err)
	}
	read := bufio.NewReader(conn)
	resp, err := http.ReadResponse(read, r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return resp.StatusCode
	}
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != service.Accept(key) {
		c.Errorf("got Sec-WebSocket-Accept %q, want %q", got, service.Accept(key))
	}
	c.wantText(read, email)
	if err := service.WriteText(bufio.NewWriter(conn), []byte("hello")); err != nil {
		c.Fatal(err)
	}
	c.wantText(read, "hello")
	return resp.StatusCode
}

func (c *client) wantText(r io.Reader, want string) {
	c.Helper()
	if got, err := service.ReadText(r); err != nil || string(got) != want {
		c.Errorf("got the message %q, %v, want %q", got, err, want)
	}
}
