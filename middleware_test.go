package sessionauth_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/lookout"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const (
	pathAuthenticate = "/v1/sessions/authenticate"
	pathKeySet       = "/v1/sessions/jwks/{project_id}"
	pathUser         = "/v1/users/{user_id}"
	pathRevoke       = "/v1/sessions/revoke"
)

// A stage is an in-memory Stytch, an Authenticator in front of a handler that
// counts who came through, and a signed-in user.
type stage struct {
	*stytchtest.Server
	t       *testing.T
	config  sessionauth.Config
	auth    *sessionauth.Authenticator
	handler http.Handler // Require around the handler that counts
	session stytchtest.Session
	wire    *wire
	lookout lookout.Lookout

	mu     sync.Mutex
	passed []string // session ids, in order
}

// newStage makes a stage. Each change edits the Config before New. When the test
// is over, nothing secret may stand in what was logged and observed.
func newStage(t *testing.T, changes ...func(*sessionauth.Config)) *stage {
	t.Helper()
	s := &stage{Server: stytchtest.NewServer(), t: t}
	s.wire = &wire{next: s.Client().Transport}
	s.config = sessionauth.Config{
		ProjectID: s.ProjectID, Secret: s.Secret, BaseURL: s.URL, HTTPClient: &http.Client{Transport: s.wire},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&s.config)
	}
	s.lookout.Over(&s.config)
	t.Cleanup(func() { s.lookout.Report(t) })
	auth, err := sessionauth.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.auth = auth
	s.handler = auth.Require(s.next())
	user := s.AddUser(stytchtest.User{Email: "ada@example.com", Password: adasPassword})
	s.session = s.StartSession(user.ID, stytchtest.SessionOptions{})
	for _, secret := range []string{"ada@example.com", adasPassword, s.session.Token, s.session.JWT} {
		s.lookout.Keep(secret)
	}
	return s
}

// signIn starts a session of another user.
func (s *stage) signIn(opts stytchtest.SessionOptions) stytchtest.Session {
	return s.StartSession(s.AddUser(stytchtest.User{}).ID, opts)
}

// next counts who comes through; anonymous is "".
func (s *stage) next() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := ""
		if session, ok := sessionauth.SessionFromContext(r.Context()); ok {
			id = session.ID
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.passed = append(s.passed, id)
	})
}

// get sends a GET with these header fields ("Name: value") to the handler.
func (s *stage) get(fields ...string) *http.Response { return s.send(http.MethodGet, fields...) }

func (s *stage) send(method string, fields ...string) *http.Response {
	s.t.Helper()
	return s.do(newRequest(method, fields...))
}

func (s *stage) do(r *http.Request) *http.Response {
	s.lookout.Sent(r.Header)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result()
}

// together sends the same GET n times at once.
func (s *stage) together(n int, fields ...string) []*http.Response {
	answers := make([]*http.Response, n)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.get(fields...) })
	}
	wg.Wait()
	return answers
}

func newRequest(method string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, "https://app.example.com/", nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func bearer(credential string) string { return "Authorization: Bearer " + credential }
func jwtCookie(jwt string) string     { return "Cookie: stytch_session_jwt=" + jwt }
func tokenCookie(token string) string { return "Cookie: stytch_session=" + token }
func bothCookies(token, jwt string) string {
	return "Cookie: stytch_session=" + token + "; stytch_session_jwt=" + jwt
}

// inventedToken has the form of a session token and is none.
const inventedToken = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"

// sign signs a JWT of the stage's session, bent first.
func (s *stage) sign(bend func(header, claims map[string]any)) string {
	header, claims := s.Header(), s.Claims(s.session.ID)
	bend(header, claims)
	return s.Sign(asJSON(header), asJSON(claims))
}

func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// want checks an answer's status.
func (s *stage) want(resp *http.Response, status int) {
	s.t.Helper()
	if resp.StatusCode != status {
		s.t.Errorf("got status %d (%s), want %d", resp.StatusCode, resp.Header.Get("WWW-Authenticate"), status)
	}
}

// wantRetry checks for a 503 that asks to come back after so many seconds.
func (s *stage) wantRetry(resp *http.Response, seconds string) {
	s.t.Helper()
	s.want(resp, 503)
	if got := resp.Header.Get("Retry-After"); got != seconds {
		s.t.Errorf("got Retry-After %q, want %q", got, seconds)
	}
}

// wantCalls checks how often an endpoint was called so far.
func (s *stage) wantCalls(path string, n int) {
	s.t.Helper()
	if got := s.Calls(path); got != n {
		s.t.Errorf("got %d calls of %s, want %d", got, path, n)
	}
}

// wantThrough checks how many requests came through so far, the last as whom.
func (s *stage) wantThrough(n int, last string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.passed) != n || n > 0 && s.passed[n-1] != last {
		s.t.Errorf("got %d through (%v), want %d, the last as %s", len(s.passed), s.passed, n, last)
	}
}

// wantIdle checks, in a bubble, that no goroutine of ours goes on.
func (s *stage) wantIdle() {
	s.t.Helper()
	synctest.Wait()
	stacks := make([]byte, 1<<20)
	for goroutine := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		for _, ours := range []string{"sessionauth/sessionauth.", "internal/sessionjwt.", "singleflight."} {
			if strings.Contains(goroutine, ours) {
				s.t.Errorf("got a goroutine that goes on, want none:\n%s", goroutine)
				break
			}
		}
	}
}

// A wire carries the Authenticator's calls to Stytch. A test may tap it.
type wire struct {
	next http.RoundTripper

	mu     sync.Mutex
	prefix string
	tap    tap
}

// A tap stands between the Authenticator and Stytch.
type tap func(r *http.Request, stytch http.RoundTripper) (*http.Response, error)

// tap puts f between for calls of paths with this prefix; nil takes it away.
func (s *stage) tap(prefix string, f tap) {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	s.wire.prefix, s.wire.tap = prefix, f
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	prefix, f := w.prefix, w.tap
	w.mu.Unlock()
	if f == nil || !strings.HasPrefix(r.URL.Path, prefix) {
		return w.next.RoundTrip(r)
	}
	return f(r, w.next)
}

// reply is an answer of nobody's: status, body, and header fields.
func reply(status int, body string, fields ...string) *http.Response {
	w := httptest.NewRecorder()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		w.Header().Add(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
	return w.Result()
}

// bentAnswers gives Stytch's answers with their JSON bent.
func bentAnswers(bend func(answer map[string]any)) tap {
	return func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		resp, err := stytch.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		answer := map[string]any{}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return nil, err
		}
		bend(answer)
		return reply(resp.StatusCode, string(asJSON(answer))), nil
	}
}

// lateAnswers gives Stytch's answers a while after they were made.
func lateAnswers(delay time.Duration) tap {
	return func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
		resp, err := stytch.RoundTrip(r)
		time.Sleep(delay)
		return resp, err
	}
}

// A logbook keeps what was logged.
type logbook struct{ lookout.Log }

// logTo is a change of the Config.
func (l *logbook) logTo(c *sessionauth.Config) {
	c.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// wantErrors checks how many errors were logged so far.
func (l *logbook) wantErrors(t *testing.T, n int) {
	t.Helper()
	if got := strings.Count(l.String(), "level=ERROR"); got != n {
		t.Errorf("got %d errors in the log, want %d:\n%s", got, n, l)
	}
}

func sessionOnly(c *sessionauth.Config) { c.SessionOnly = true }
func writeBack(c *sessionauth.Config)   { c.Cookies.WriteBack = true }

func TestOneSessionFromSignInToRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		both := bothCookies(s.session.Token, s.session.JWT)
		s.want(s.get(), 401)
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.want(s.get(bearer(s.session.JWT)), 200)
		s.want(s.get(both), 200)
		s.wantCalls(pathAuthenticate, 0)
		s.wantCalls(pathKeySet, 1)
		s.wantCalls(pathUser, 1)

		s.want(s.get(bearer(s.session.Token)), 200)
		s.want(s.get(bearer(s.session.Token)), 200)
		s.wantCalls(pathAuthenticate, 1)

		time.Sleep(6 * time.Minute) // past the JWT's exp
		s.want(s.get(both), 200)
		s.want(s.get(both), 200)
		s.wantCalls(pathAuthenticate, 2)

		s.RevokeSession(s.session.ID)
		time.Sleep(31 * time.Second) // the answer about the old JWT has ended, the token's has not
		s.want(s.get(bearer(s.session.Token)), 200)
		s.want(s.get(jwtCookie(s.session.JWT)), 401)
		s.want(s.get(bearer(s.session.Token)), 401) // what Stytch said of the JWT holds for its session
	})
}
