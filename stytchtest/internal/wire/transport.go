package wire

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
	"sync"
)

// A Transport is an http.RoundTripper that calls Handler on the goroutine of
// its caller. It opens no socket. A request to another scheme or host than that
// of the base URL fails as if the name did not exist.
type Transport struct {
	Handler http.Handler
	BaseURL func() string

	mu         sync.Mutex
	unexpected []string
}

// Unexpected returns the requests to other hosts, in the form "POST
// https://host/path".
func (t *Transport) Unexpected() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.unexpected)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := t.dial(r); err != nil {
		return nil, err
	}
	// Closing the body ends a stream that is still waiting.
	ctx, cancel := context.WithCancel(r.Context())
	if err := ctx.Err(); err != nil {
		cancel()
		return nil, err
	}
	d := &delivery{ResponseWriter: httptest.NewRecorder()}
	t.Handler.ServeHTTP(d, incoming(r.WithContext(ctx)))
	// If the context of the caller has ended, the caller gets no response.
	if err := ctx.Err(); err != nil {
		cancel()
		return nil, err
	}
	if err := d.reply.Err; err != nil {
		cancel()
		return nil, err
	}
	return d.reply.response(r, &body{ctx: ctx, cancel: cancel}), nil
}

// dial fails for every address except that of the base URL.
func (t *Transport) dial(r *http.Request) error {
	to := r.URL
	base, err := url.Parse(t.BaseURL())
	if err == nil && base.Scheme == to.Scheme && base.Host == to.Host {
		return nil
	}
	elsewhere := url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path} // without the query, which may contain a secret
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unexpected = append(t.unexpected, r.Method+" "+elsewhere.String())
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
		Err: "no such host: this client reaches stytchtest only", Name: to.Hostname(), IsNotFound: true,
	}}
}

// incoming returns the request as a server would have received it.
func incoming(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.URL.Scheme, in.URL.Host, in.URL.User, in.URL.Fragment = "", "", nil, ""
	in.RemoteAddr = "192.0.2.1:1234" // reserved for documentation (RFC 5737)
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// response returns the response that http.Transport would return for a reply.
func (p Reply) response(r *http.Request, b *body) *http.Response {
	length := p.Length
	b.Reader = p.Stream
	if p.Stream == nil {
		b.cancel() // the body is complete and may be read after the request has ended
		b.ctx = context.WithoutCancel(b.ctx)
		b.Reader, length = bytes.NewReader(p.Text), int64(len(p.Text))
	}
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status)),
		StatusCode: p.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        p.Header,
		Body:          b,
		ContentLength: length,
		Request:       r,
	}
	// Like http.Transport, decompress unless the caller negotiates the encoding.
	if strings.EqualFold(p.Header.Get("Content-Encoding"), "gzip") && r.Header.Get("Accept-Encoding") == "" {
		b.Reader = &gunzip{from: b.Reader}
		resp.Header.Del("Content-Encoding")
		resp.ContentLength, resp.Uncompressed = -1, true
	}
	if resp.ContentLength >= 0 {
		resp.Header.Set("Content-Length", fmt.Sprint(resp.ContentLength))
	}
	return resp
}

// A body is the body of a response.
type body struct {
	io.Reader
	ctx    context.Context // context of the request; canceled when the body is closed
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

// A gunzip is a stream that decompresses another stream. It reads the gzip
// header in the first Read, so that a bad header is an error of the body.
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
