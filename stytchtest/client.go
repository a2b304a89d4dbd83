package stytchtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
)

// Client returns an HTTP client that reaches this server, under URL, and
// nothing else: its transport calls ServeHTTP on the caller's goroutine and
// hands over the answer. It opens no socket, so a call to any other scheme or
// host fails as if the name did not exist; UnexpectedCalls lists those. A call whose
// context ends first fails with the context's error.
func (s *Server) Client() *http.Client {
	return &http.Client{Transport: transport{s}}
}

// UnexpectedCalls returns the calls that Client was asked to send elsewhere, all of
// which failed, as "POST https://bait.example/": a redirect that was followed,
// or a wrong base URL.
func (s *Server) UnexpectedCalls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unexpected)
}

type transport struct{ server *Server }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := t.dial(r); err != nil {
		return nil, err
	}
	// The fault of a body that takes its time ends when the body is closed.
	ctx, cancel := context.WithCancel(r.Context())
	if err := ctx.Err(); err != nil {
		cancel()
		return nil, err
	}
	d := &delivery{ResponseWriter: httptest.NewRecorder()}
	t.server.ServeHTTP(d, incoming(r.WithContext(ctx)))
	// An answer that came too late is none.
	if err := ctx.Err(); err != nil {
		cancel()
		return nil, err
	}
	if err := d.reply.err; err != nil {
		cancel()
		return nil, err
	}
	return d.reply.response(r, &body{ctx: ctx, cancel: cancel}), nil
}

// dial fails for everything but the server's own address.
func (t transport) dial(r *http.Request) error {
	to := r.URL
	own, err := url.Parse(t.server.URL)
	if err == nil && own.Scheme == to.Scheme && own.Host == to.Host {
		return nil
	}
	elsewhere := url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path} // a query may hold a secret
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	t.server.unexpected = append(t.server.unexpected, r.Method+" "+elsewhere.String())
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
		Err: "no such host: this client reaches stytchtest only", Name: to.Hostname(), IsNotFound: true,
	}}
}

// incoming turns a client's request into what a server would have received.
func incoming(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.URL.Scheme, in.URL.Host, in.URL.User, in.URL.Fragment = "", "", nil, ""
	in.RemoteAddr = "192.0.2.1:1234" // of the range for documentation
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// response makes of a reply what http.Transport would.
func (p reply) response(r *http.Request, b *body) *http.Response {
	length := p.length
	b.Reader = p.stream
	if p.stream == nil {
		b.cancel() // everything is here
		b.ctx = context.WithoutCancel(b.ctx)
		b.Reader, length = bytes.NewReader(p.text), int64(len(p.text))
	}
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", p.status, http.StatusText(p.status)),
		StatusCode: p.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        p.header,
		Body:          b,
		ContentLength: length,
		Request:       r,
	}
	// http.Transport asks for gzip, and opens it, unless its caller does.
	if strings.EqualFold(p.header.Get("Content-Encoding"), "gzip") && r.Header.Get("Accept-Encoding") == "" {
		b.Reader = &gunzip{from: b.Reader}
		resp.Header.Del("Content-Encoding")
		resp.ContentLength, resp.Uncompressed = -1, true
	}
	if resp.ContentLength >= 0 {
		resp.Header.Set("Content-Length", fmt.Sprint(resp.ContentLength))
	}
	return resp
}

// A body is the body of an answer.
type body struct {
	io.Reader
	ctx    context.Context // of the call, until the body is closed
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.cancel()
	return nil
}

// A gunzip opens gzip as it is read.
type gunzip struct {
	from io.Reader
	open *gzip.Reader
}

// Read implements io.Reader.
func (g *gunzip) Read(p []byte) (int, error) {
	if g.open == nil {
		open, err := gzip.NewReader(g.from)
		if err != nil {
			return 0, err
		}
		g.open = open
	}
	return g.open.Read(p)
}
