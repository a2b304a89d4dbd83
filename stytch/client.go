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

	maxAnswer = 1 << 20  // a user with 4 KB of metadata is far below; an endless body ends here
	maxKeySet = 64 << 10 // some 30 keys with their certificates
)

// Config says which project to talk to and how.
type Config struct {
	ProjectID string // required, "project-test-…" or "project-live-…"
	Secret    string // required, the project's secret

	// BaseURL is where the API is. If empty, it is Stytch's live or test host,
	// by the prefix of ProjectID. It is https, or http to a loopback address,
	// without path, query or user.
	BaseURL string

	// HTTPClient sends the requests. If nil, one of ours is used. Only its
	// Transport and Timeout count: redirects are not followed, because net/http
	// would carry the secret and the body along, and no cookies are kept.
	HTTPClient *http.Client

	// Timeout bounds one call, its body included. If zero, 3 seconds; a shorter
	// one of HTTPClient holds too.
	Timeout time.Duration
}

// A Client calls Stytch's API for one project. It may be used by several
// goroutines at once.
type Client struct {
	base      string
	projectID string
	secret    *string // behind a pointer, so that printing what holds a Client by value shows none
	transport http.RoundTripper
	timeout   time.Duration
}

// NewClient checks the configuration and makes a Client. It does no I/O. Errors
// name the field that is wrong.
func NewClient(c Config) (*Client, error) {
	if err := checkProjectID(c.ProjectID); err != nil {
		return nil, err
	}
	if c.Secret == "" {
		return nil, errors.New("Secret is required")
	}
	if strings.ContainsFunc(c.Secret, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("Secret holds a character that no secret has: white space, control or non-ASCII")
	}
	base, err := baseURL(c.BaseURL, c.ProjectID)
	if err != nil {
		return nil, err
	}
	if c.Timeout < 0 {
		return nil, errors.New("Timeout is negative: a call to Stytch always has an end")
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	client := &Client{base: base, projectID: c.ProjectID, secret: &c.Secret, timeout: c.Timeout}
	if c.HTTPClient == nil {
		client.transport = defaultTransport()
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
	// It becomes part of a URL, and of what issuer and audience are compared with.
	if identifier(id) == "" || strings.Contains(id, "_") || len(id) == len("project-test-") {
		return errors.New("ProjectID must be made of letters, digits and hyphens, at most 100")
	}
	return nil
}

func baseURL(base, projectID string) (string, error) {
	if base == "" {
		if strings.HasPrefix(projectID, "project-live-") {
			return liveBase, nil
		}
		return testBase, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return "", errors.New("BaseURL is not an absolute URL")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("BaseURL must be scheme and host only: no user, path, query or fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", errors.New("BaseURL must be https, or http to a loopback address")
	}
	return u.Scheme + "://" + u.Host, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// defaultTransport gives up on a dead network well within a call's timeout.
func defaultTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: time.Second,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
}

// BaseURL returns where the client sends its calls, without a trailing slash.
func (c *Client) BaseURL() string { return c.base }

// ProjectID returns the project the client speaks for.
func (c *Client) ProjectID() string { return c.projectID }

// post sends body as JSON and decodes a successful answer into answer.
func (c *Client) post(ctx context.Context, path string, body map[string]any, answer any) error {
	b, err := encode(body)
	if err != nil {
		return field("session_custom_claims", "cannot be written as JSON")
	}
	return c.call(ctx, http.MethodPost, path, b, answer)
}

// encode writes JSON as it is: escaped for HTML, a password or a claim would
// still be the same, but longer than the limit that its author counted against.
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

func (c *Client) call(ctx context.Context, method, path string, body []byte, answer any) error {
	raw, err := c.exchange(ctx, method, path, body, true, maxAnswer)
	if err != nil {
		return err
	}
	// Strict first: encoding/json would let a repeated name, or one in capitals,
	// override the one that was checked.
	if err := strictjson.CheckAnswer(raw); err != nil {
		garbled := errors.Is(err, strictjson.ErrSyntax) || errors.Is(err, strictjson.ErrNotObject)
		return &InvalidAnswerError{Problem: "not one strict JSON object", Garbled: garbled}
	}
	for name := range strictjson.Members(raw) {
		if string(name) == "error_type" {
			return &InvalidAnswerError{Problem: "an error with the status of success"}
		}
	}
	if err := json.Unmarshal(exact(nil, bytes.TrimSpace(raw)), answer); err != nil {
		return &InvalidAnswerError{Problem: "a field has another type than documented"}
	}
	return nil
}

// exact copies a JSON value without the members whose names no field of ours
// has: encoding/json would take "USER_ID" for "user_id". What the application
// wrote into the answer is copied as it is.
func exact(out, value []byte) []byte {
	switch value[0] {
	case '{':
		out = append(out, '{')
		for name, member := range strictjson.Members(value) {
			if !isFieldName(name) {
				continue
			}
			if out[len(out)-1] != '{' {
				out = append(out, ',')
			}
			out = append(append(append(out, '"'), name...), '"', ':')
			switch string(name) {
			case "custom_claims", "trusted_metadata", "untrusted_metadata":
				out = append(out, member...)
			default:
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

// isFieldName reports whether a name is of the kind that Stytch's API uses.
func isFieldName(name []byte) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return len(name) > 0
}

// exchange makes one HTTP exchange and returns the body of a successful answer.
func (c *Client) exchange(ctx context.Context, method, path string, body []byte, auth bool, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, noAnswer(err, false)
	}
	req.Header.Set("User-Agent", "sessionauth-go")
	if body != nil {
		// Without a charset: the API is known to refuse one.
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	if auth {
		req.SetBasicAuth(c.projectID, *c.secret)
	}
	// The transport and not http.Client: a redirect is an answer like any other.
	resp, err := c.transport.RoundTrip(req)
	if err == nil && (resp == nil || resp.Body == nil) {
		err = errors.New("the transport gave neither answer nor error")
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
		return nil, &InvalidAnswerError{Problem: "longer than its limit", Garbled: true}
	}
	return raw, nil
}

// decodeError reads what Stytch says of a failed call. A body that is not
// Stytch's JSON, or was cut off, leaves the status as all there is to know.
func decodeError(resp *http.Response, raw []byte) *Error {
	e := &Error{StatusCode: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	if strictjson.CheckAnswer(raw) != nil {
		return e
	}
	// By exact names: encoding/json would take an "ERROR_TYPE" for a decision.
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

// retryAfter reads the two forms of RFC 9110, section 10.2.3. What is neither,
// or in the past, is none.
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
