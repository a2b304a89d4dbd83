package authtest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/sessionauth/sessionauth"
)

// A Log stores the log of an Authenticator. The zero value is an empty Log.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Record makes c log to l, from debug level on. Pass it to New as a change.
func (l *Log) Record(c *sessionauth.Config) {
	c.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns everything that was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// WantErrors checks how many errors have been logged so far.
func (l *Log) WantErrors(t *testing.T, n int) {
	t.Helper()
	if got := strings.Count(l.String(), "level=ERROR"); got != n {
		t.Errorf("got %d errors in the log, want %d:\n%s", got, n, l)
	}
}

// RecordEvents returns a change for New. It makes Observe append each event to events. Read events
// only while no request is being handled.
func RecordEvents(events *[]sessionauth.Event) func(*sessionauth.Config) {
	var mu sync.Mutex
	return func(c *sessionauth.Config) {
		c.Observe = func(_ context.Context, e sessionauth.Event) {
			mu.Lock()
			defer mu.Unlock()
			*events = append(*events, e)
		}
	}
}
