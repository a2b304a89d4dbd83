package stytch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

const (
	liveBase = "https://api.stytch.com"
	testBase = "https://test.stytch.com"

	maxAnswer = 1 << 20   // bytes; far above a user with 4 KB of metadata
	maxKeySet = 128 << 10 // bytes; about 60 keys with certificates
)

// Config configures a Client.
type Config struct {
	ProjectID string // required: "project-test-…" or "project-live-…"
	Secret    string // required: a secret of the project

	// BaseURL is the scheme and host of the API: https, or http to a loopback
	// address. It must not have a path, query or user. If empty, it is the live
	// or the test host of Stytch, depending on ProjectID.
	BaseURL string

	// HTTPClient provides the Transport that sends the requests and an upper
	// bound for Timeout. Its other fields are ignored. The client does not
	// follow redirects, because net/http would send the secret and the body to
	// the new address, and it does not store cookies. If HTTPClient is nil, the
	// client uses a transport of its own.
	HTTPClient *http.Client

	// Timeout limits the time of one call, including reading the response body.
	// If zero, it is 3 seconds. If HTTPClient has a shorter Timeout, the
	// shorter one applies.
	Timeout time.Duration
}

// A Client calls the Stytch API for one project. Its methods are safe for
// concurrent use by multiple goroutines. Use NewClient to create a Client; the
// zero value is not usable.
type Client struct {
	base      string
	projectID string
	secret    *string // a pointer, so that printing a struct that contains a Client shows an address
	transport http.RoundTripper
	timeout   time.Duration
}

// NewClient returns a Client for c. It does no I/O. Its errors name the invalid
// field.
func NewClient(c Config) (*Client, error) {
	if err := checkProjectID(c.ProjectID); err != nil {
		return nil, err
	}
	if err := checkSecret(c.Secret, c.ProjectID); err != nil {
		return nil, err
	}
	base, err := baseURL(c.BaseURL, c.ProjectID)
	if err != nil {
		return nil, err
	}
	if err := checkTimeouts(&c); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	client := &Client{base: base, projectID: c.ProjectID, secret: &c.Secret, timeout: c.Timeout}
	if c.HTTPClient == nil {
		client.transport = defaultTransport(c.Timeout)
		return client, nil
	}
	client.transport = c.HTTPClient.Transport
	if client.transport == nil {
		client.transport = http.DefaultTransport
	}
	if t := c.HTTPClient.Timeout; t > 0 {
		client.timeout = min(client.timeout, t)
	}
	return client, nil
}

func checkProjectID(id string) error {
	if id == "" {
		return errors.New("ProjectID is required")
	}
	if !strings.HasPrefix(id, "project-test-") && !strings.HasPrefix(id, "project-live-") {
		return errors.New(`ProjectID must begin with "project-test-" or "project-live-"`)
	}
	// The id becomes part of a URL, of the issuer and of the audience.
	if identifier(id) == "" || strings.Contains(id, "_") || len(id) == len("project-test-") {
		return errors.New("ProjectID must consist of at most 100 letters, digits and hyphens")
	}
	return nil
}

func baseURL(base, projectID string) (string, error) {
	if base == "" {
		if isLive(projectID) {
			return liveBase, nil
		}
		return testBase, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return "", errors.New("BaseURL must be an absolute URL")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("BaseURL must consist of scheme and host only, without user, path, query and fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", errors.New("BaseURL must be https, or http to a loopback address")
	}
	origin := u.Scheme + "://" + u.Host
	switch {
	case origin == testBase && isLive(projectID):
		return "", errors.New("BaseURL is the host of test projects, but ProjectID is that of a live project")
	case origin == liveBase && !isLive(projectID):
		return "", errors.New("BaseURL is the host of live projects, but ProjectID is that of a test project")
	}
	return origin, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// defaultTransport returns a transport for calls with this timeout. A dial may
// take half of the timeout, so that time for a retry remains if the network is
// down. A TLS handshake may take all of it, because a slow handshake does not
// mean that the server is down.
//
// One HTTP/2 connection carries all calls. If the connection becomes silent,
// for example because a NAT has dropped it, only a ping can detect this.
// Without pings, every call on the connection would wait until its timeout. The
// ping and its response together take no longer than the timeout of a call, but
// at least two and at most ten seconds.
func defaultTransport(timeout time.Duration) *http.Transport {
	ping := min(max(timeout/2, time.Second), 5*time.Second)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: timeout / 2, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: timeout,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: ping, PingTimeout: ping},
	}
}

// BaseURL returns the scheme and host of the API, without a trailing slash.
func (c *Client) BaseURL() string { return c.base }

// ProjectID returns the id of the project.
func (c *Client) ProjectID() string { return c.projectID }

// post sends body as JSON and decodes a successful response into answer.
func (c *Client) post(ctx context.Context, path string, body map[string]any, answer any) error {
	b, err := encode(body)
	if err != nil {
		return field("session_custom_claims", "cannot be encoded as JSON")
	}
	return c.call(ctx, http.MethodPost, path, b, answer)
}

// encode returns v as JSON without escaping HTML characters, which would count
// several bytes each towards the limit of custom claims.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *Client) get(ctx context.Context, path string, answer any) error {
	return c.call(ctx, http.MethodGet, path, nil, answer)
}

// call makes a request with the project's credentials and decodes a successful
// response into answer.
func (c *Client) call(ctx context.Context, method, path string, body []byte, answer any) error {
	raw, err := c.exchange(ctx, method, path, body, true, maxAnswer)
	if err != nil {
		return err
	}
	// Check strictly first, because encoding/json would let a repeated name
	// override an earlier one.
	if err := strictjson.CheckAnswer(raw, isApplicationData); err != nil {
		garbled := errors.Is(err, strictjson.ErrSyntax) || errors.Is(err, strictjson.ErrNotObject)
		return &InvalidAnswerError{Problem: "not a strict JSON object", Garbled: garbled}
	}
	for name := range strictjson.Members(raw) {
		if string(name) == "error_type" {
			return &InvalidAnswerError{Problem: "an error with a success status"}
		}
	}
	if err := json.Unmarshal(exact(nil, bytes.TrimSpace(raw)), answer); err != nil {
		return &InvalidAnswerError{Problem: "a field has the wrong type"}
	}
	return nil
}

// isApplicationData reports whether a member contains custom claims or metadata,
// which the application chooses and this package does not read.
func isApplicationData(name []byte) bool {
	switch string(name) {
	case "custom_claims", "trusted_metadata", "untrusted_metadata":
		return true
	}
	return false
}

// exact appends a JSON value to out without the members whose names are not in
// lower case, because encoding/json would match "USER_ID" to the field user_id.
// It also omits times that are empty strings, so that they count as absent. It
// copies application data unchanged.
func exact(out, value []byte) []byte {
	switch value[0] {
	case '{':
		out = append(out, '{')
		for name, member := range strictjson.Members(value) {
			if !isFieldName(name) || bytes.HasSuffix(name, []byte("_at")) && string(member) == `""` {
				continue
			}
			if out[len(out)-1] != '{' {
				out = append(out, ',')
			}
			out = append(append(append(out, '"'), name...), '"', ':')
			if isApplicationData(name) {
				out = append(out, member...)
			} else {
				out = exact(out, member)
			}
		}
		return append(out, '}')
	case '[':
		out = append(out, '[')
		for element := range strictjson.Elements(value) {
			if out[len(out)-1] != '[' {
				out = append(out, ',')
			}
			out = exact(out, element)
		}
		return append(out, ']')
	}
	return append(out, value...)
}

// isFieldName reports whether name has the form of the field names of the API.
func isFieldName(name []byte) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return len(name) > 0
}

// exchange sends one HTTP request and returns the body of a successful response.
// auth adds the project's credentials. limit is the maximum size of the body in
// bytes.
func (c *Client) exchange(ctx context.Context, method, path string, body []byte, auth bool, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, noAnswer(err, false)
	}
	req.Header.Set("User-Agent", "sessionauth-go")
	if body != nil {
		// The API refuses a Content-Type with a charset parameter.
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	if auth {
		req.SetBasicAuth(c.projectID, *c.secret)
	}
	// Call the transport directly: http.Client would follow redirects.
	resp, err := c.transport.RoundTrip(req)
	if err == nil && (resp == nil || resp.Body == nil) {
		err = errors.New("the transport returned neither a response nor an error")
	}
	if err != nil {
		return nil, noAnswer(err, false)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	success := resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated
	if !success {
		return nil, decodeError(resp, raw)
	}
	if err != nil {
		return nil, noAnswer(err, true)
	}
	if int64(len(raw)) > limit {
		return nil, &InvalidAnswerError{Problem: "larger than the limit"}
	}
	return raw, nil
}

// decodeError returns the error for a response without a success status. If the
// body is truncated or is not JSON in the form of the API, only StatusCode and
// RetryAfter are set.
func decodeError(resp *http.Response, raw []byte) *Error {
	e := &Error{StatusCode: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	if strictjson.CheckAnswer(raw, isErrorText) != nil {
		return e
	}
	// Compare names exactly: encoding/json would accept "ERROR_TYPE".
	for name, value := range strictjson.Members(raw) {
		text, _ := strictjson.String(value)
		switch string(name) {
		case "error_type":
			e.Type = identifier(text)
		case "error_message":
			e.Message = text
		case "request_id":
			e.RequestID = identifier(text)
		case "error_url":
			e.URL = text
		}
	}
	return e
}

// isErrorText reports whether a member of an error is text for people. Such a
// text may repeat parts of a request.
func isErrorText(name []byte) bool {
	return string(name) == "error_message" || string(name) == "error_details"
}

// retryAfter parses both forms of Retry-After (RFC 9110, section 10.2.3). It
// returns zero for other values and for times in the past.
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
