package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Users of the in-memory Stytch of the example.
const (
	ada      = "ada@example.com"
	grace    = "grace@example.com" // an admin
	password = "correct horse battery staple"
)

// patience is the time limit of one step, also on a slow machine.
const patience = 30 * time.Second

// eventually polls until holds returns true, and fails the test at the deadline.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("got nothing in %v, want %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A site is a running example.
type site struct {
	url    string
	stytch *stytch.Client // calls the in-memory Stytch directly, not through the site
}

// buildExample builds the program, because "go run" does not forward signals.
func buildExample(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "example")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./example")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build ./example: %v\n%s", err, out)
	}
	return program
}

var (
	siteLine   = regexp.MustCompile(`(?m)^sessionauth example: (\S+)$`)
	stytchLine = regexp.MustCompile(`(?m)^in-memory Stytch: (\S+) (\S+) (\S+)$`)
)

// startExample starts the program. When the test ends, it interrupts the program as
// Ctrl-C does.
func startExample(t *testing.T, program string, flags ...string) *site {
	t.Helper()
	printed := &output{}
	cmd := exec.Command(program, append([]string{"-addr", "127.0.0.1:0"}, flags...)...)
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.Env = withoutStytch(os.Environ())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() { stopExample(t, cmd, exited, printed) })

	eventually(t, patience, "the addresses on standard output", func() bool {
		return siteLine.MatchString(printed.String()) && stytchLine.MatchString(printed.String())
	})
	in := stytchLine.FindStringSubmatch(printed.String())
	client, err := stytch.NewClient(stytch.Config{BaseURL: in[1], ProjectID: in[2], Secret: in[3]})
	if err != nil {
		t.Fatal(err)
	}
	return &site{url: siteLine.FindStringSubmatch(printed.String())[1], stytch: client}
}

func stopExample(t *testing.T, cmd *exec.Cmd, exited <-chan error, printed *output) {
	_ = cmd.Process.Signal(os.Interrupt) // fails if the program has already ended, which Wait reports
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("the example ended with %v, want a clean stop", err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-exited
		t.Errorf("the example did not stop in %v", patience)
	}
	if t.Failed() {
		_, log, _ := strings.Cut(printed.String(), "Stop with Ctrl-C.")
		t.Logf("log of the example:%s", log)
	}
}

// withoutStytch removes the variables of a real Stytch project from the environment.
func withoutStytch(env []string) []string {
	kept := []string{}
	for _, e := range env {
		if !strings.HasPrefix(e, "STYTCH_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// An output collects what a program prints. It is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}
