package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// start runs the command until the test ends. It returns the URL of the command and the guide that
// it prints. The test fails if the shutdown fails.
func start(t *testing.T, args ...string) (url, guide string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, w)
		w.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got %v from a clean shutdown, want nil", err)
		}
	})
	var printed strings.Builder
	for b := make([]byte, 1024); !strings.HasSuffix(printed.String(), "Ctrl-C.\n"); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("the command ended early, having printed:\n%s", printed.String())
		}
		printed.Write(b[:n])
	}
	_, rest, _ := strings.Cut(printed.String(), "URL         ")
	url, _, _ = strings.Cut(rest, "\n")
	return url, printed.String()
}

func TestRun_DemoUserSignsIn(t *testing.T) {
	url, _ := start(t, "-addr", "127.0.0.1:0", "-email", "eve@example.com", "-password", "it's a secret", "-jwt-lifetime", "90s")
	defaults := stytchtest.NewServer()
	client, err := stytch.NewClient(stytch.Config{ProjectID: defaults.ProjectID, Secret: defaults.Secret, BaseURL: url, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	in, err := client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{
		Email: "eve@example.com", Password: "it's a secret", SessionDuration: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if in.User.Name.FirstName != "Demo" || in.SessionToken == "" {
		t.Errorf("got user %q and token length %d, want the demo user and a session", in.User.Name.FirstName, len(in.SessionToken))
	}
}

func TestRun_PrintedCurlCommands(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	_, guide := start(t, "-addr", "127.0.0.1:0", "-password", `o'Neill "quoted" \ $HOME`)
	_, script, _ := strings.Cut(guide, "Try it with curl:\n")
	script, _, _ = strings.Cut(script, "Stop with")
	sh := exec.CommandContext(t.Context(), "sh", "-c", script)
	sh.Env = append(os.Environ(), "no_proxy=127.0.0.1")
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`"user_device":null`, `"x5tS256"`, `"policy":{`,
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the output lacks %s:\n%s", want, out)
		}
	}
	if got := bytes.Count(out, []byte(`"status_code":200`)); got != 6 {
		t.Errorf("got %d answers with status 200, want 6:\n%s", got, out)
	}
}

func TestRun_BadFlags(t *testing.T) {
	for _, tt := range []struct{ name, args, want string }{
		{"all interfaces", "-addr :8123", "not a loopback address"},
		{"any address", "-addr 0.0.0.0:8123", "not a loopback address"},
		{"the address of another machine", "-addr 192.0.2.1:8123", "not a loopback address"},
		{"a host name", "-addr example.com:8123", "not a loopback address"},
		{"no port", "-addr 127.0.0.1", "missing port"},
		{"an argument that is not a flag", "serve", `unexpected argument "serve"`},
		{"an unknown flag", "-public", "flag provided but not defined"},
		{"no e-mail", "-email=", "-email and -password"},
		{"no password", "-password=", "-email and -password"},
		{"a negative JWT lifetime", "-jwt-lifetime -1s", "-jwt-lifetime"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(tt.args), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestRun_Help(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &out); err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	for _, want := range []string{"-addr", "-email", "-password", "-jwt-lifetime"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %s:\n%s", want, &out)
		}
	}
}

func TestRun_PortInUse(t *testing.T) {
	url, _ := start(t, "-addr", "127.0.0.1:0")
	if err := run(t.Context(), []string{"-addr", strings.TrimPrefix(url, "http://")}, io.Discard); err == nil {
		t.Error("got nil, want an error")
	}
}
