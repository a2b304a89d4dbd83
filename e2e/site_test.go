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

// The users of the example's in-memory Stytch.
const (
	ada      = "ada@example.com"
	grace    = "grace@example.com" // an admin
	password = "correct horse battery staple"
)

// patience is what one step may take on a slow machine.
const patience = 30 * time.Second

// eventually asks until it holds, and fails the test if it never does.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("got nothing in %v, want %s", within, what)
		}
		time.Sleep(20 * time.Millisecond) // between two questions
	}
}

// A site is an example that runs.
type site struct {
	url    string
	stytch *stytch.Client // of its in-memory Stytch: what happens there happens elsewhere
}

// buildExample builds the program: `go run` would not pass a signal on.
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

// startExample starts the program and has it stopped, as by Ctrl-C, when the
// test ends.
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
	_ = cmd.Process.Signal(os.Interrupt) // fails if it has ended by itself: told below
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
		_, decisions, _ := strings.Cut(printed.String(), "Stop with Ctrl-C.")
		t.Logf("the example logged:%s", decisions)
	}
}

// withoutStytch keeps the example from a real project that the environment
// names.
func withoutStytch(env []string) []string {
	kept := []string{}
	for _, e := range env {
		if !strings.HasPrefix(e, "STYTCH_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// An output is what a program has printed so far.
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
