// Package lookout watches over an Authenticator in tests: what it logs, from
// debug level on, and what it tells Observe may hold nothing of what was secret
// in the requests, in the calls to Stytch and in Stytch's answers.
package lookout

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

// A Lookout keeps what is secret, and what was said. It begins with Over.
type Lookout struct {
	mu      sync.Mutex
	log     Log
	events  map[sessionauth.Event]bool // without their times, so that they are few
	secrets map[string]bool
}

// Over puts the lookout beside the Logger, the Observe and the HTTPClient of c. A
// test that has taken the Logger away, to count allocations, has no lookout.
func (l *Lookout) Over(c *sessionauth.Config) {
	l.events, l.secrets = map[sessionauth.Event]bool{}, map[string]bool{}
	l.Keep(c.Secret)
	if c.Logger == nil {
		return
	}
	debug := slog.NewTextHandler(&l.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	c.Logger = slog.New(bothHandlers{debug, c.Logger.Handler()})
	observe := c.Observe
	c.Observe = func(ctx context.Context, e sessionauth.Event) {
		l.observed(e)
		if observe != nil {
			observe(ctx, e)
		}
	}
	c.HTTPClient = &http.Client{Transport: &overheardCalls{c.HTTPClient.Transport, l}}
}

func (l *Lookout) observed(e sessionauth.Event) {
	e.Latency, e.KeySetAge, e.PolicyAge = 0, 0, 0
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[e] = true
}

// Shortest is how much of a secret makes a leak.
const Shortest = 16

// Keep remembers a secret. What is short may stand anywhere, and of a flood the
// start is enough.
func (l *Lookout) Keep(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(secret) >= 12 && len(l.secrets) < 4096 {
		l.secrets[strings.Clone(secret)] = true
	}
}

// Sent remembers all of a request's fields that may be a credential, or a part
// of one: a JWT counts as its segments.
func (l *Lookout) Sent(h http.Header) {
	for _, values := range h {
		for _, value := range values {
			for run := range strings.FieldsFuncSeq(value, isNoCredential) {
				if len(run) >= Shortest {
					l.Keep(run)
				}
			}
		}
	}
}

// isNoCredential reports what stands between credentials, and the segments of
// one: neither alphabet of base64 has it.
func isNoCredential(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_+/", r))
}

// heard remembers what is confidential in a body of a request, a call or an
// answer, JSON or a form.
func (l *Lookout) heard(body string) {
	for _, name := range []string{"session_token", "session_jwt", "password", "email", "email_address", "error_message"} {
		for rest := body; ; {
			_, after, found := strings.Cut(rest, `"`+name+`":"`)
			if !found {
				break
			}
			value, after, _ := strings.Cut(after, `"`)
			l.Keep(value)
			rest = after
		}
	}
	if form, err := url.ParseQuery(body); err == nil {
		l.Keep(form.Get("email"))
		l.Keep(form.Get("password"))
	}
}

// Before gives a handler that notes what a request brings, and passes it on.
func (l *Lookout) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.Sent(r.Header)
		body := &overheardBody{ReadCloser: r.Body, lookout: l}
		watched := r.WithContext(r.Context()) // a copy: the server looks at its own request's Body
		watched.Body = body
		next.ServeHTTP(w, watched)
		l.heard(body.text.String())
	})
}

// overheardCalls are the calls to Stytch.
type overheardCalls struct {
	next    http.RoundTripper
	lookout *Lookout
}

func (c *overheardCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	c.lookout.Sent(r.Header)
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			text, _ := io.ReadAll(body)
			c.lookout.heard(string(text))
		}
	}
	resp, err := c.next.RoundTrip(r)
	if err == nil && resp.Body != nil {
		resp.Body = &overheardBody{ReadCloser: resp.Body, lookout: c.lookout}
	}
	return resp, err
}

// An overheardBody keeps the start of what is read of a body.
type overheardBody struct {
	io.ReadCloser
	lookout *Lookout
	text    bytes.Buffer
}

func (b *overheardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.text.Len() < 64<<10 {
		b.text.Write(p[:n])
	}
	return n, err
}

func (b *overheardBody) Close() error {
	b.lookout.heard(b.text.String())
	return b.ReadCloser.Close()
}

// Said is all that was logged and observed.
func (l *Lookout) Said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.log.String()
	for e := range l.events {
		text += fmt.Sprintf("%+v\n", e)
	}
	return text
}

// Leaks gives what a text holds of the secrets.
func (l *Lookout) Leaks(text string) []string {
	runs := map[string]bool{}
	for i := range max(0, len(text)-Shortest+1) {
		runs[text[i:i+Shortest]] = true
	}
	var found []string
	l.mu.Lock()
	defer l.mu.Unlock()
	for secret := range l.secrets {
		if len(secret) < Shortest && strings.Contains(text, secret) {
			found = append(found, secret)
		}
		for i := range max(0, len(secret)-Shortest+1) {
			if runs[secret[i:i+Shortest]] {
				found = append(found, secret[i:i+Shortest])
				break
			}
		}
	}
	return found
}

// Report fails the test in which something leaked.
func (l *Lookout) Report(t *testing.T) {
	t.Helper()
	text := l.Said()
	if found := l.Leaks(text); found != nil {
		t.Errorf("got %q in what was logged and observed, want none of the secrets:\n%s", found, text)
	}
}

// bothHandlers are a lookout's own and a test's.
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
