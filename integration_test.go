package sessionauth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// serve serves next behind Require on a socket, and returns an authorized
// request to it.
func (s *stage) serve(http2 bool, next http.HandlerFunc) (*httptest.Server, *http.Request) {
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
	r.Header.Set("Authorization", "Bearer "+s.session.JWT)
	return srv, r
}

func TestTheHandlerBehindHasTheServersOwnResponseWriter(t *testing.T) {
	var own http.ResponseWriter
	s := newStage(t)
	s.handler = s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { own = w }))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, newRequest("GET", bearer(s.session.JWT)))
	if own != w {
		t.Errorf("got a %T, want the ResponseWriter as it came", own)
	}
}

func TestFlushDeadlinesAndTrailersWorkBehindRequire(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			s := newStage(t)
			seen := make(chan struct{})
			srv, r := s.serve(http2, func(w http.ResponseWriter, r *http.Request) {
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
		})
	}
}

func TestHijackWorksBehindRequire(t *testing.T) {
	s := newStage(t)
	srv, r := s.serve(false, func(w http.ResponseWriter, r *http.Request) {
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
	r.Header.Set("Connection", "Upgrade")
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
	s := newStage(t)
	srv, r := s.serve(false, func(http.ResponseWriter, *http.Request) { t.Error("next was called") })
	conn, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer srv.CloseClientConnections()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\nAuthorization: Bearer a.b.c\r\n\r\n", r.URL.Host)
	status, err := bufio.NewReader(conn).ReadString('\n')
	if !strings.HasPrefix(status, "HTTP/1.1 401 ") || err != nil {
		t.Errorf("got %q, %v, want 401 and no 100 before it", status, err)
	}
}

func TestAPanicOfTheHandlerPassesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		s := newStage(t, log.logTo)
		for _, value := range []any{"ours", errors.New("ours"), http.ErrAbortHandler} {
			for _, wrap := range []func(http.Handler) http.Handler{s.auth.Require, s.auth.Optional} {
				s.handler = wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }))
				func() {
					defer func() {
						if got := recover(); got != value {
							t.Errorf("got panic %v, want %v", got, value)
						}
					}()
					s.get(bearer(s.session.JWT))
				}()
			}
		}
		log.wantErrors(t, 0)
	})
}

func TestTheIdentityFollowsTheRequest(t *testing.T) {
	type key string
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		next := s.next()
		s.handler = s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := context.WithValue(r.Context(), key("session"), "another's")
			//lint:ignore SA1029 the clash is the point
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, "session", "another's"), time.Second)
			defer cancel()
			next.ServeHTTP(w, r.Clone(ctx))
			next.ServeHTTP(w, r.WithContext(context.WithoutCancel(ctx)))
		}))
		s.want(s.get(bearer(s.session.JWT)), 200)
		if len(s.passed) != 2 || s.passed[0] != s.session.ID || s.passed[1] != s.session.ID {
			t.Errorf("got %v, want the session twice", s.passed)
		}
	})
}

func TestAHandlerCannotChangeWhatOthersGet(t *testing.T) {
	for _, credential := range []string{"token", "jwt", "old jwt"} {
		t.Run(credential, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
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
			})
		})
	}
}

func TestACancelledRequestReturnsAtOnce(t *testing.T) {
	for _, ask := range asking {
		t.Run(ask.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				ask.prepare(s)
				s.SetWeather(ask.path, stytchtest.Weather{Delay: time.Hour})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				began := time.Now()
				s.want(s.do(newRequest("GET", ask.field(s)).WithContext(ctx)), 503)
				if took := time.Since(began); took != time.Second {
					t.Errorf("got an answer after %v, want 1s", took)
				}
				time.Sleep(3 * time.Second)
				s.wantIdle()
			})
		})
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
