package stytch_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A proxy forwards TCP connections to a server. Silence stops the traffic on the open connections
// without closing them. New connections work.
type proxy struct {
	net.Listener
	server string
	delay  time.Duration // delay before a new connection forwards anything

	opened atomic.Int32
	mu     sync.Mutex
	silent chan struct{} // closed by Silence
	done   sync.WaitGroup
}

func newProxy(t *testing.T, server string, delay time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, server: server, delay: delay, silent: make(chan struct{})}
	p.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.opened.Add(1)
			p.done.Go(func() { p.forward(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.done.Wait() })
	return p
}

// Silence stops the traffic on the open connections.
func (p *proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

func (p *proxy) forward(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	time.Sleep(p.delay)
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { copyUntil(silent, server, client) })
	both.Go(func() { copyUntil(silent, client, server) })
	both.Wait()
}

// copyUntil copies until silent is closed. Then it discards what it reads until from is closed.
func copyUntil(silent <-chan struct{}, to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-silent:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// newBehindProxy returns a client with its own transport. Its calls go through a proxy to an HTTP/2
// server.
func newBehindProxy(t *testing.T, timeout, delay time.Duration) (*stytch.Client, *proxy) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("got %s, want HTTP/2", r.Proto)
		}
		_, _ = io.WriteString(w, goodSession)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	p := newProxy(t, srv.Listener.Addr().String(), delay)
	transport := stytch.DefaultTransport(timeout)
	transport.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.NextProtos = nil
	t.Cleanup(transport.CloseIdleConnections)
	client, err := stytch.NewClient(stytch.Config{
		ProjectID: projectID, Secret: secret, BaseURL: "https://" + p.Addr().String(), Timeout: timeout,
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, p
}

// The transport detects an HTTP/2 connection that has gone silent and replaces it, even if calls
// are made on it all the time.
func TestTransport_SilentConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds; run go test without -short")
	}
	const timeout = 500 * time.Millisecond
	client, p := newBehindProxy(t, timeout, 0)
	authenticate := func() error {
		_, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
		return err
	}
	for range 3 {
		if err := authenticate(); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.opened.Load(); got != 1 {
		t.Fatalf("got %d connections, want 1", got)
	}
	p.Silence()
	began, failed := time.Now(), 0
	for authenticate() != nil {
		failed++
		if time.Since(began) > 10*time.Second {
			t.Fatal("got no answer for 10s, want a new connection")
		}
	}
	t.Logf("%d calls failed, recovered after %v", failed, time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); failed == 0 || took > timeout+4*time.Second {
		t.Errorf("got an answer after %v and %d failures, want it within %v", took, failed, timeout+4*time.Second)
	}
	if got := p.opened.Load(); got != 2 {
		t.Errorf("got %d connections, want 2", got)
	}
}

// Only the timeout of the call limits a slow handshake.
func TestTransport_SlowHandshake(t *testing.T) {
	for _, timeout := range []time.Duration{2 * time.Second, 10 * time.Second} {
		t.Run(timeout.String(), func(t *testing.T) {
			t.Parallel()
			client, _ := newBehindProxy(t, timeout, 1200*time.Millisecond)
			for range 2 {
				if _, err := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestTransport_LimitsFollowTimeout(t *testing.T) {
	for _, row := range []struct{ timeout, handshake, ping time.Duration }{
		{100 * time.Millisecond, 100 * time.Millisecond, time.Second},
		{3 * time.Second, 3 * time.Second, 1500 * time.Millisecond},
		{time.Minute, time.Minute, 5 * time.Second},
	} {
		got := stytch.DefaultTransport(row.timeout)
		if got.TLSHandshakeTimeout != row.handshake || got.HTTP2.SendPingTimeout != row.ping || got.HTTP2.PingTimeout != row.ping {
			t.Errorf("%v: got %v, %+v, want %v and %v", row.timeout, got.TLSHandshakeTimeout, got.HTTP2, row.handshake, row.ping)
		}
	}
}
