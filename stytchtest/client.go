package stytchtest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
)

// Client returns an HTTP client that reaches this server, under URL, and
// nothing else: its transport calls ServeHTTP on the caller's goroutine and
// hands over the finished answer. It opens no socket, so a call to any other
// scheme or host fails as if the name did not exist. A call whose context ends
// first fails with the context's error.
func (s *Server) Client() *http.Client {
	return &http.Client{Transport: transport{s}}
}

type transport struct{ server *Server }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := t.dial(r.URL); err != nil {
		return nil, err
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	t.server.ServeHTTP(rec, incoming(r))
	// The answer came too late, or weather had it not written at all.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// dial fails for everything but the server's own address.
func (t transport) dial(to *url.URL) error {
	own, err := url.Parse(t.server.URL)
	if err == nil && own.Scheme == to.Scheme && own.Host == to.Host {
		return nil
	}
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
