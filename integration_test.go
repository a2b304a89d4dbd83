package sessionauth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// serve serves next behind Require on a socket, and returns a request to it that
// carries a field.
func (s *stage) serve(http2 bool, field string, next http.HandlerFunc) (*httptest.Server, *http.Request) {
	s.t.Helper()
	srv := httptest.NewUnstartedServer(s.auth.Require(next))
	srv.EnableHTTP2 = http2
	srv.Config.ErrorLog = nil
	if http2 {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	s.t.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(s.t.Context(), "GET", srv.URL, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	name, value, _ := strings.Cut(field, ": ")
	r.Header.Set(name, value)
	s.lookout.Sent(r.Header)
	return srv, r
}

func TestTheHandlerBehindHasTheServersOwnResponseWriter(t *testing.T) {
	for _, by := range carriers {
		t.Run("198 by "+by.name, func(t *testing.T) {
			var own http.ResponseWriter
			s := newStage(t)
			s.handler = s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { own = w }))
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, newRequest("GET", by.carry(bearer(s.session.JWT))))
			if own != w {
				t.Errorf("got a %T, want the ResponseWriter as it came", own)
			}
			s.wantCalls("", 2) // the key set and the user
		})
	}
}

func TestFlushDeadlinesAndTrailersWorkBehindRequire(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, by := range carriers {
			t.Run(fmt.Sprintf("198 HTTP/2 %t/%s", http2, by.name), func(t *testing.T) {
				s := newStage(t)
				s.worksBehindRequire(http2, by.carry(bearer(s.session.JWT)))
			})
		}
	}
}

func (s *stage) worksBehindRequire(http2 bool, field string) {
	t := s.t
	seen := make(chan struct{})
	srv, r := s.serve(http2, field, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		rc := http.NewResponseController(w)
		for name, err := range map[string]error{
			"SetReadDeadline":  rc.SetReadDeadline(time.Now().Add(time.Minute)),
			"SetWriteDeadline": rc.SetWriteDeadline(time.Now().Add(time.Minute)),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, _ = io.WriteString(w, "first\n")
		if err := rc.Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		<-seen // the client has the first line while we are still at work
		_, _ = io.WriteString(w, "second\n")
		w.Header().Set("X-Sum", "2")
	})
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	line, _ := body.ReadString('\n')
	close(seen)
	rest, err := io.ReadAll(body)
	if line != "first\n" || string(rest) != "second\n" || err != nil {
		t.Errorf("got %q, %q, %v", line, rest, err)
	}
	if got := resp.Trailer.Get("X-Sum"); got != "2" || (resp.ProtoMajor == 2) != http2 {
		t.Errorf("got trailer %q over %s, want 2", got, resp.Proto)
	}
}

func TestHijackWorksBehindRequire(t *testing.T) {
	for _, by := range carriers {
		t.Run("198 by "+by.name, func(t *testing.T) {
			s := newStage(t)
			s.hijacksBehindRequire(by.carry(bearer(s.session.JWT)))
		})
	}
}

func (s *stage) hijacksBehindRequire(field string) {
	t := s.t
	srv, r := s.serve(false, field, func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_ = buffered.Flush()
		line, _ := buffered.ReadString('\n')
		_, _ = buffered.WriteString("echo " + line)
		_ = buffered.Flush()
	})
	r.Header.Set("Upgrade", "echo")
	r.Header.Set("Connection", "Upgrade") // by no browser: it names no origin, so that a cookie passes too
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriter)
	if resp.StatusCode != 101 || !ok {
		t.Fatalf("got status %d, want 101 and a connection", resp.StatusCode)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if got, _ := io.ReadAll(conn); string(got) != "echo hello\n" {
		t.Errorf("got %q, want echo hello", got)
	}
}

func TestARefusalComesBeforeTheBodyIsRead(t *testing.T) {
	const head = "POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 1000000\n"
	for _, row := range []struct {
		name, fields string
		want         ruling
	}{
		{"204 no credential", "", want401n},
		{"204 a bad JWT in the header", "Authorization: Bearer {bad.jwt}\n", want401i},
		{"204 a bad JWT in a cookie", "Cookie: stytch_session_jwt={bad.jwt}\n", want401i},
		{"204 a cookie from another site", "Cookie: stytch_session_jwt={ada.jwt}\nSec-Fetch-Site: cross-site\n", want403c},
		{"204 two headers", "Authorization: Bearer {ada.jwt}\nAuthorization: Bearer {ada.jwt}\n", want400r},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			// The first answer is the last: no 100 Continue came before it.
			s.wantRuling(dial(s).send(head+row.fields+"\n"), row.want, 0)
		})
	}
}

func TestAPanicOfTheHandlerPassesThrough(t *testing.T) {
	for _, by := range carriers {
		t.Run("199 by "+by.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logbook
				s := newStage(t, log.logTo)
				for _, value := range []any{"ours", errors.New("ours"), http.ErrAbortHandler} {
					for _, wrap := range []func(http.Handler) http.Handler{s.auth.Require, s.auth.Optional} {
						s.handler = wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }))
						s.wantPanic(value, by.carry(bearer(s.session.JWT)))
					}
				}
				log.wantErrors(t, 0)
				s.wantCalls(pathAuthenticate, 0)
			})
		})
	}
}

// wantPanic sends a field to a handler that panics with a value.
func (s *stage) wantPanic(value any, field string) {
	s.t.Helper()
	defer func() {
		if got := recover(); got != value {
			s.t.Errorf("got panic %v, want %v", got, value)
		}
	}()
	s.get(field)
}

// What a Logger does wrong decides about nobody.
func TestAPanicInTheLoggerDecidesNothing(t *testing.T) {
	for _, by := range carriers {
		t.Run("200 by "+by.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, func(c *sessionauth.Config) { c.Logger = slog.New(panickyHandler{slog.DiscardHandler}) })
				token := by.carry(bearer(s.session.Token))
				s.SetFault(pathAuthenticate, refusedAs(401, stytch.TypeUnauthorizedCredentials)) // which is logged
				s.wantVerdict(s.get(token), want503r)
				s.tap(pathAuthenticate, func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("transport") })
				s.wantVerdict(s.get(token), ruling{status: 500})
				s.tap("", nil)
				s.SetFault(pathAuthenticate, status(500))
				for range 10 { // the breaker opens, which is logged too
					s.wantVerdict(s.get(token), want503r)
				}
				s.wantThrough(0, "")
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Minute)
				s.want(s.get(token), 200)
				if n := strings.Count(s.lookout.Said(), "level="); n < 3 {
					t.Errorf("got %d lines logged, want one of each:\n%s", n, s.lookout.Said())
				}
			})
		})
	}
}

type panickyHandler struct{ slog.Handler }

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("Logger") }

func TestTheIdentityFollowsTheRequest(t *testing.T) {
	type key string
	another := func(ctx context.Context) context.Context {
		//lint:ignore SA1029 the clash is the point
		return context.WithValue(context.WithValue(ctx, key("session"), "another's"), "session", "another's")
	}
	for _, row := range []struct {
		name   string
		change func(*http.Request) *http.Request // in the handler
	}{
		{"201 a session of somebody else's in the context", func(r *http.Request) *http.Request { return r.WithContext(another(r.Context())) }},
		{"202 Clone", func(r *http.Request) *http.Request { return r.Clone(r.Context()) }},
		{"202 WithContext", func(r *http.Request) *http.Request { return r.WithContext(context.WithoutCancel(r.Context())) }},
		{"202 Clone with more in the context", func(r *http.Request) *http.Request { return r.Clone(another(r.Context())) }},
	} {
		for _, by := range carriers {
			t.Run(row.name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					next := s.next()
					behind := s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, row.change(r)) }))
					s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						behind.ServeHTTP(w, r.WithContext(another(r.Context()))) // in front too
					})
					s.want(s.get(by.carry(bearer(s.session.JWT))), 200)
					s.wantThrough(1, s.session.ID)
					s.wantVerdict(s.get(), want401n)
					s.wantCalls("", 2) // the key set and the user
				})
			})
		}
	}
}

func TestAHandlerCannotChangeWhatOthersGet(t *testing.T) {
	for _, credential := range []string{"token", "jwt", "old jwt"} {
		for _, by := range carriers {
			t.Run("163 "+credential+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { changesNothing(t, credential, by.carry) })
			})
		}
	}
}

func changesNothing(t *testing.T, credential string, carry func(string) string) {
	s := newStage(t)
	s.session = s.StartSession(s.AddUser(stytchtest.User{
		Email: "grace@example.com", Roles: []string{"editor"}, TrustedMetadata: map[string]any{"plan": "basic"},
	}).ID, stytchtest.SessionOptions{
		CustomClaims: map[string]any{"tier": "basic"},
		Factors:      []stytch.AuthenticationFactor{{Type: "otp", DeliveryMethod: "email", EmailFactor: &stytch.EmailFactor{EmailID: "email-test-1"}}},
	})
	field := bearer(s.session.JWT)
	if credential == "token" {
		field = bearer(s.session.Token)
	}
	if credential == "old jwt" {
		s.expire()
	}
	field = carry(field)
	want := ""
	s.handler = s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := sessionauth.FromContext(r.Context())
		again, _ := sessionauth.FromContext(r.Context())
		session, _ := sessionauth.SessionFromContext(r.Context())
		user, _ := sessionauth.UserFromContext(r.Context())
		if !ok || again != id || session != id.Session || user != id.User {
			t.Error("got another copy within one request")
		}
		got := string(asJSON(id.Session)) + string(asJSON(id.User))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		session.ID, session.UserID, session.Roles[0] = "x", "x", "admin"
		session.CustomClaims[2] = 'X'
		session.Factors[0].EmailFactor.EmailID = "x"
		session.Factors[0].Type = "x"
		session.Attributes.IPAddress = "x"
		user.ID, user.Emails[0].Email, user.Roles[0] = "x", "x", "admin"
		for i := range user.TrustedMetadata {
			user.TrustedMetadata[i] = 'x'
		}
		id.Session, id.User = nil, nil
	}))
	for range 3 {
		s.want(s.get(field), 200)
	}
	if id := s.mustDecide(field); id.DecidedBy != sessionauth.Cache || !strings.Contains(want, "editor") {
		t.Errorf("got %s of %s, want Cache", id.DecidedBy, want)
	}
}

func TestACancelledRequestReturnsAtOnce(t *testing.T) {
	for _, ask := range asking {
		for _, by := range carriers {
			t.Run("203 "+ask.name+"/"+by.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					ask.prepare(s)
					s.SetFault(ask.path, stytchtest.Fault{Delay: time.Hour})
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					began := time.Now()
					s.wantVerdict(s.do(newRequest("GET", by.carry(ask.field(s))).WithContext(ctx)), want503r)
					if took := time.Since(began); took != time.Second {
						t.Errorf("got an answer after %v, want 1s", took)
					}
					s.wantCalls(ask.path, 1)
					s.wantThrough(0, "")
					time.Sleep(3 * time.Second)
					s.wantIdle()
				})
			})
		}
	}
}

func TestOneLineProtectsAChiRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		r := chi.NewRouter()
		r.Use(s.auth.Require)
		r.Get("/notes/{id}", func(w http.ResponseWriter, r *http.Request) {
			user, ok := sessionauth.UserFromContext(r.Context())
			fmt.Fprint(w, ok, user.ID, chi.URLParam(r, "id"))
		})
		r.Mount("/public", s.auth.Optional(s.next())) // inside Require it opens nothing
		s.handler = r
		for path, status := range map[string]int{"/notes/7": 200, "/nowhere": 404, "/public": 200} {
			r := httptest.NewRequest("GET", path, nil)
			s.want(s.do(r), 401)
			r.Header.Set("Authorization", "Bearer "+s.session.JWT)
			resp := s.do(r)
			s.want(resp, status)
			if body, _ := io.ReadAll(resp.Body); path == "/notes/7" && string(body) != "true"+s.session.UserID+"7" {
				t.Errorf("got %q", body)
			}
		}
	})
}
