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

// A Log keeps what an Authenticator logs. The zero value is empty.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Record sets the Logger of c to one that writes to l from debug level on. It is
// a change to pass to New.
func (l *Log) Record(c *sessionauth.Config) {
	c.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// WantErrors checks how many errors were logged so far.
func (l *Log) WantErrors(t *testing.T, n int) {
	t.Helper()
	if got := strings.Count(l.String(), "level=ERROR"); got != n {
		t.Errorf("got %d errors in the log, want %d:\n%s", got, n, l)
	}
}

// RecordEvents returns a change to pass to New: Observe appends each event to
// events. Read events only while no request is being handled.
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
