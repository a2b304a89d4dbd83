package authtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sessionauth/sessionauth"
)

// A LeakCheck checks that an Authenticator leaks no secret. It collects the secrets that occur in
// requests, in calls to Stytch and in the answers. It also collects everything that the
// Authenticator logs, from debug level on, and passes to Observe. None of the secrets may occur
// there.
type LeakCheck struct {
	mu      sync.Mutex
	log     Log
	events  map[sessionauth.Event]bool // events without their times, so that few are stored
	secrets map[string]bool
}

// Watch wraps the Logger, the Observe and the HTTPClient of c. If the Logger is nil, as in tests
// that count allocations, Watch does nothing.
func (l *LeakCheck) Watch(c *sessionauth.Config) {
	l.events, l.secrets = map[sessionauth.Event]bool{}, map[string]bool{}
	l.AddSecret(c.Secret)
	if c.Logger == nil {
		return
	}
	debug := slog.NewTextHandler(&l.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	c.Logger = slog.New(bothHandlers{debug, c.Logger.Handler()})
	observe := c.Observe
	c.Observe = func(ctx context.Context, e sessionauth.Event) {
		l.addEvent(e)
		if observe != nil {
			observe(ctx, e)
		}
	}
	c.HTTPClient = &http.Client{Transport: &watchedTransport{c.HTTPClient.Transport, l}}
}

func (l *LeakCheck) addEvent(e sessionauth.Event) {
	e.Latency, e.KeySetAge, e.PolicyAge = 0, 0, 0
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[e] = true
}

// ShortestLeak is the length in bytes from which a part of a secret counts as a leak.
const ShortestLeak = 16

// AddSecret adds a secret. It ignores texts of less than 12 bytes, which may occur by chance, and
// it ignores all secrets after the first 4096. Before Watch it does nothing.
func (l *LeakCheck) AddSecret(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secrets != nil && len(secret) >= 12 && len(l.secrets) < 4096 {
		l.secrets[strings.Clone(secret)] = true
	}
}

// AddHeader adds each value in a request header that may be a credential or part of one. It adds
// each segment of a JWT separately.
func (l *LeakCheck) AddHeader(h http.Header) {
	for _, values := range h {
		for _, value := range values {
			for run := range strings.FieldsFuncSeq(value, isSeparator) {
				if len(run) >= ShortestLeak {
					l.AddSecret(run)
				}
			}
		}
	}
}

// isSeparator reports whether r separates credentials or segments of a credential: it is in none of
// the base64 alphabets.
func isSeparator(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_+/", r))
}

// addBody adds the confidential values of a body, which may be JSON or a form. It is the body of a
// request, of a call or of an answer.
func (l *LeakCheck) addBody(body string) {
	for _, name := range []string{"session_token", "session_jwt", "password", "email", "email_address", "error_message"} {
		for rest := body; ; {
			_, after, found := strings.Cut(rest, `"`+name+`":"`)
			if !found {
				break
			}
			value, after, _ := strings.Cut(after, `"`)
			l.AddSecret(value)
			rest = after
		}
	}
	if form, err := url.ParseQuery(body); err == nil {
		l.AddSecret(form.Get("email"))
		l.AddSecret(form.Get("password"))
	}
}

// Middleware adds the secrets of each request and then calls next.
func (l *LeakCheck) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.AddHeader(r.Header)
		body := &watchedBody{ReadCloser: r.Body, check: l}
		watched := r.WithContext(r.Context()) // a copy, because the server reads the Body of its own request
		watched.Body = body
		next.ServeHTTP(w, watched)
		l.addBody(body.text.String())
	})
}

// A watchedTransport adds the secrets of calls to Stytch and of the answers.
type watchedTransport struct {
	next  http.RoundTripper
	check *LeakCheck
}

func (c *watchedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.check.AddHeader(r.Header)
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			text, _ := io.ReadAll(body)
			c.check.addBody(string(text))
		}
	}
	resp, err := c.next.RoundTrip(r)
	if err == nil && resp.Body != nil {
		resp.Body = &watchedBody{ReadCloser: resp.Body, check: c.check}
	}
	return resp, err
}

// A watchedBody stores the first 64 KiB that are read from a body.
type watchedBody struct {
	io.ReadCloser
	check *LeakCheck
	text  bytes.Buffer
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.text.Len() < 64<<10 {
		b.text.Write(p[:n])
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.check.addBody(b.text.String())
	return b.ReadCloser.Close()
}

// Output returns everything that was logged and observed.
func (l *LeakCheck) Output() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.log.String()
	for e := range l.events {
		text += fmt.Sprintf("%+v\n", e)
	}
	return text
}

// Find returns the parts of secrets that a text contains.
func (l *LeakCheck) Find(text string) []string {
	runs := map[string]bool{}
	for i := range max(0, len(text)-ShortestLeak+1) {
		runs[text[i:i+ShortestLeak]] = true
	}
	var found []string
	l.mu.Lock()
	defer l.mu.Unlock()
	for secret := range l.secrets {
		if len(secret) < ShortestLeak && strings.Contains(text, secret) {
			found = append(found, secret)
		}
		for i := range max(0, len(secret)-ShortestLeak+1) {
			if runs[secret[i:i+ShortestLeak]] {
				found = append(found, secret[i:i+ShortestLeak])
				break
			}
		}
	}
	return found
}

// Report fails t if a secret was logged or observed.
func (l *LeakCheck) Report(t *testing.T) {
	t.Helper()
	text := l.Output()
	if found := l.Find(text); found != nil {
		t.Errorf("got %q in what was logged and observed, want no secret:\n%s", found, text)
	}
}

// bothHandlers combines the handler of a LeakCheck and that of a test.
type bothHandlers [2]slog.Handler

func (bothHandlers) Enabled(context.Context, slog.Level) bool { return true }

func (h bothHandlers) Handle(ctx context.Context, r slog.Record) error {
	_ = h[0].Handle(ctx, r.Clone())
	if !h[1].Enabled(ctx, r.Level) {
		return nil
	}
	return h[1].Handle(ctx, r)
}

func (h bothHandlers) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bothHandlers{h[0].WithAttrs(attrs), h[1].WithAttrs(attrs)}
}

func (h bothHandlers) WithGroup(name string) slog.Handler {
	return bothHandlers{h[0].WithGroup(name), h[1].WithGroup(name)}
}
