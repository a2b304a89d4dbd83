package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/example/site"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// environment stands in for os.Getenv.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// start runs the program on a free port and returns the guide that it prints. When
// the test ends, it stops the program and checks that the shutdown is clean.
func start(t *testing.T, getenv func(string) string) (guide string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0"}, getenv, w)
		w.Close()
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got %v from a clean shutdown, want nil", err)
		}
	})
	var printed strings.Builder
	for b := make([]byte, 1024); !strings.Contains(printed.String(), "Ctrl-C.\n"); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("the program ended early and printed:\n%s", &printed)
		}
		printed.Write(b[:n])
	}
	go io.Copy(io.Discard, r) // reads and discards the log until the program ends
	return printed.String()
}

// A command is a curl command of the guide, parsed as a shell and curl would parse it.
type command struct {
	status int
	title  string
	line   string
	req    *http.Request
}

var credentials = regexp.MustCompile(`[\w.-]{40,}`)

var word = regexp.MustCompile(`'[^']*'|[^ ']+`)

// commands returns the curl commands of a guide.
func commands(t *testing.T, guide string) (list []command) {
	t.Helper()
	comment := regexp.MustCompile(`^# (\d{3}): (.+)$`)
	var p command
	for line := range strings.Lines(guide) {
		line = strings.TrimSpace(line)
		if m := comment.FindStringSubmatch(line); m != nil {
			p.status, _ = strconv.Atoi(m[1])
			p.title = m[2]
		}
		if strings.HasPrefix(line, "curl ") {
			p.line, p.req = line, parseCurl(t, line)
			list = append(list, p)
			p = command{}
		}
	}
	return list
}

func parseCurl(t *testing.T, line string) *http.Request {
	t.Helper()
	method, body, url, header := "GET", "", "", http.Header{}
	words := word.FindAllString(line, -1)
	for i, w := range words {
		words[i] = strings.Trim(w, "'")
	}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-i":
			continue
		case "-X":
			method = words[i+1]
		case "-H":
			name, value, _ := strings.Cut(words[i+1], ": ")
			header.Add(name, value)
		case "-b":
			header.Add("Cookie", words[i+1])
		case "-d":
			method, body = "POST", words[i+1]
		default:
			url = words[i]
			continue
		}
		i++
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	r.Header = header
	return r
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// wants lists the expected commands of the guide, in order.
var wants = []struct {
	title  string // prefix of the title
	status int
	shows  string // text that the header or the body of the response contains
	logs   string // text that the log contains
}{
	{"the home page", 200, "You are not signed in.", "outcome=anonymous reason=no_credential"},
	{"the API without a credential", 401, "#no-credential", "outcome=refused reason=no_credential"},
	{"a session token", 200, `"decided_by": "stytch"`, `outcome=passed reason="" by=stytch`},
	{"a session JWT", 200, `"decided_by": "local"`, `outcome=passed reason="" by=local`},
	{"both session cookies", 200, `"first_name": "Ada"`, `outcome=passed reason="" by=cache`},
	{"create a note", 201, `"text": "Hello"`, `outcome=passed reason="" by=cache`},
	{"list the notes", 200, `"text": "Delete me"`, `outcome=passed reason="" by=cache`},
	{"delete a note", 204, "", `outcome=passed reason="" by=cache`},
	{"an expired JWT of an active session", 200, "Set-Cookie: stytch_session_jwt=ey", `outcome=passed reason="" by=stytch`},
	{"an expired JWT of a session that has ended", 401, "#invalid-session", "outcome=refused reason=ended"},
	{"a forged JWT", 401, `error="invalid_token"`, "outcome=refused reason=bad_signature"},
	{"a JWT that has not expired, of a session that this server revoked", 401, "#invalid-session", "outcome=refused reason=revoked"},
	{"a malformed Authorization header", 400, "#invalid-request", "outcome=refused reason=malformed"},
	{"a request from a page of another site", 403, "#cross-origin", "outcome=refused reason=cross_origin"},
	{"Stytch is down", 503, "Retry-After: ", "outcome=unavailable reason=unreachable"},
}

func TestRun_GuideCommands(t *testing.T) {
	list := commands(t, start(t, environment()))
	if len(list) != len(wants) {
		t.Fatalf("got %d commands, want %d", len(list), len(wants))
	}
	for i, want := range wants {
		p := list[i]
		if !strings.HasPrefix(p.title, want.title) || p.status != want.status {
			t.Errorf("command %d: got %d %q, want %d %q", i, p.status, p.title, want.status, want.title)
		}
		resp, body := do(t, p.req)
		var head bytes.Buffer
		_ = resp.Header.Write(&head)
		if resp.StatusCode != want.status || !strings.Contains(head.String()+body, want.shows) {
			t.Errorf("%s: got %d\n%s%s\nwant %d with %s", p.title, resp.StatusCode, &head, body, want.status, want.shows)
		}
	}
}

// The log contains the reason for a rejection, but no credentials.
func TestSite_Log(t *testing.T) {
	var log bytes.Buffer
	s, err := site.New(t.Context(), site.Options{
		Fresh: time.Minute, Loopback: true, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, environment())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range commands(t, s.Guide("http://127.0.0.1:8080", "http://127.0.0.1:8081")) {
		log.Reset()
		s.ServeHTTP(httptest.NewRecorder(), p.req)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "msg=authentication "+wants[i].logs) {
			t.Errorf("%s: got log %q, want one line with %s", p.title, got, wants[i].logs)
		}
		for _, credential := range credentials.FindAllString(p.line, -1) {
			if strings.Contains(log.String(), credential) {
				t.Errorf("%s: the log contains a credential", p.title)
			}
		}
	}
}

// The program also serves the API of the in-memory Stytch, for example to revoke a session without
// the site.
func TestRun_ServesInMemoryStytch(t *testing.T) {
	guide := start(t, environment())
	m := regexp.MustCompile(`(?m)^sessionauth example: (http://127\S+)\nin-memory Stytch: (http://127\S+) (\S+) (\S+)$`).FindStringSubmatch(guide)
	if m == nil {
		t.Fatalf("got guide\n%s\nwant both addresses at its beginning", guide)
	}
	client, err := stytch.NewClient(stytch.Config{BaseURL: m[2], ProjectID: m[3], Secret: m[4]})
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{
		Email: "ada@example.com", Password: "correct horse battery staple", SessionDuration: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RevokeSession(t.Context(), stytch.RevokeSessionParams{SessionID: response.Session.ID}); err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", m[1]+"/me", nil)
	r.Header.Set("Authorization", "Bearer "+response.SessionToken)
	if resp, body := do(t, r); resp.StatusCode != 401 {
		t.Errorf("got %d %s for a session revoked elsewhere, want 401", resp.StatusCode, body)
	}
}

// Users may paste a title into a shell that does not accept comments. A title must therefore
// contain no special character.
func TestGuide_TitlesAreSafeInAShell(t *testing.T) {
	for _, p := range commands(t, start(t, environment())) {
		if strings.ContainsAny(p.title, "'\"`$><|&;?*()[]{}!\\") {
			t.Errorf("got title %q, want one without special characters", p.title)
		}
	}
}

func TestRun_RealProject(t *testing.T) {
	srv := stytchtest.NewServer()
	socket := httptest.NewServer(srv)
	defer socket.Close()
	session := srv.StartSession(srv.AddUser(stytchtest.User{Email: "ada@example.com"}).ID, stytchtest.SessionOptions{})

	guide := start(t, environment("STYTCH_PROJECT_ID", srv.ProjectID, "STYTCH_SECRET", srv.Secret, "STYTCH_BASE_URL", socket.URL))
	if strings.Contains(guide, srv.Secret) {
		t.Error("the guide contains the secret")
	}
	lines := commands(t, guide)
	if len(lines) != 2 || !strings.HasPrefix(lines[0].req.URL.String(), socket.URL+"/v1/passwords/") {
		t.Fatalf("got guide\n%s\nwant a command for Stytch and one for /me", guide)
	}
	me := lines[1].req
	me.Header.Set("Authorization", strings.Replace(me.Header.Get("Authorization"), "SESSION_TOKEN", session.Token, 1))
	resp, body := do(t, me)
	if resp.StatusCode != 200 || !strings.Contains(body, session.ID) {
		t.Errorf("got %d %s, want 200 and the session", resp.StatusCode, body)
	}
	if n := srv.Calls("/v1/sessions/authenticate"); n != 1 {
		t.Errorf("got %d calls about the session, want 1", n)
	}
}

func TestRun_InvalidConfiguration(t *testing.T) {
	const id, secret = "project-test-00000000-0000-4000-8000-000000000000", "secret-test-x"
	for _, tt := range []struct {
		name, args string
		env        []string
		want       string
	}{
		{"a project without its secret", "", []string{"STYTCH_PROJECT_ID", id}, "STYTCH_SECRET is not set"},
		{"a secret without its project", "", []string{"STYTCH_SECRET", secret}, "STYTCH_PROJECT_ID is not set"},
		{"a base URL alone", "", []string{"STYTCH_BASE_URL", "https://test.stytch.com"}, "STYTCH_BASE_URL is set"},
		{"an invalid project id", "", []string{"STYTCH_PROJECT_ID", "x", "STYTCH_SECRET", secret}, "ProjectID"},
		{"an invalid base URL", "", []string{"STYTCH_PROJECT_ID", id, "STYTCH_SECRET", secret, "STYTCH_BASE_URL", "x"}, "BaseURL"},
		{"an unknown flag", "-verbose", nil, "flag provided but not defined"},
		{"an unexpected argument", "serve", nil, `unexpected argument "serve"`},
		{"an address without port", "-addr 127.0.0.1", nil, "missing port"},
		{"a zero duration for fresh", "-fresh 0", nil, "-fresh"},
		{"a negative JWT lifetime", "-jwt-lifetime -5s", nil, "-jwt-lifetime"},
		{"a JWT lifetime with a real project", "-jwt-lifetime 10s", []string{"STYTCH_PROJECT_ID", id, "STYTCH_SECRET", secret}, "-jwt-lifetime"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // ends the program if it starts by mistake
			defer cancel()
			err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, strings.Fields(tt.args)...), environment(tt.env...), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, which contains the secret", err)
			}
		})
	}
}

func TestRun_Help(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, environment(), &out); err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	for _, want := range []string{"-addr", "127.0.0.1:8080", "-jwt-lifetime", "-cache-ttl", "-fresh", "-max-token-age", "STYTCH_PROJECT_ID", "STYTCH_SECRET", "STYTCH_BASE_URL"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %s:\n%s", want, &out)
		}
	}
}

func TestRun_PortInUse(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	addr := strings.TrimPrefix(taken.URL, "http://")
	if err := run(t.Context(), []string{"-addr", addr}, environment(), io.Discard); err == nil {
		t.Error("got nil, want an error")
	}
}

func TestServe_ShutdownWaitsForRequests(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	arrived, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-finish
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, ln, h, slog.New(slog.DiscardHandler)) }()
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Get(baseURL(ln.Addr()))
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-arrived
	cancel()
	close(finish)
	if got := <-answered; got != 200 {
		t.Errorf("got status %d, want 200", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
