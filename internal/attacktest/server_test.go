package attacktest

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

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// serve starts a server with next behind Require. It also returns a request to the server with a
// header field.
func serve(s *authtest.Env, http2 bool, field string, next http.HandlerFunc) (*httptest.Server, *http.Request) {
	s.T.Helper()
	srv := httptest.NewUnstartedServer(s.Auth.Require(next))
	srv.EnableHTTP2 = http2
	srv.Config.ErrorLog = nil
	if http2 {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	s.T.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(s.T.Context(), "GET", srv.URL, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	name, value, _ := strings.Cut(field, ": ")
	r.Header.Set(name, value)
	s.Leaks.AddHeader(r.Header)
	return srv, r
}

func TestServer_ResponseWriterIsNotWrapped(t *testing.T) {
	for _, by := range authtest.Carriers {
		t.Run("198 by "+by.Name, func(t *testing.T) {
			var own http.ResponseWriter
			s := authtest.New(t)
			s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { own = w }))
			w := httptest.NewRecorder()
			s.Handler.ServeHTTP(w, authtest.NewRequest("GET", by.Carry(authtest.Bearer(s.Session.JWT))))
			if own != w {
				t.Errorf("got a %T, want the ResponseWriter of the server", own)
			}
			s.WantCalls("", 2) // one call for the key set and one for the user
		})
	}
}

func TestServer_FlushDeadlinesAndTrailers(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, by := range authtest.Carriers {
			t.Run(fmt.Sprintf("198 HTTP/2 %t/%s", http2, by.Name), func(t *testing.T) {
				s := authtest.New(t)
				worksBehindRequire(s, http2, by.Carry(authtest.Bearer(s.Session.JWT)))
			})
		}
	}
}

func worksBehindRequire(s *authtest.Env, http2 bool, field string) {
	t := s.T
	seen := make(chan struct{})
	srv, r := serve(s, http2, field, func(w http.ResponseWriter, r *http.Request) {
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
		<-seen // the client has received the first line
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

func TestServer_Hijack(t *testing.T) {
	for _, by := range authtest.Carriers {
		t.Run("198 by "+by.Name, func(t *testing.T) {
			s := authtest.New(t)
			hijacksBehindRequire(s, by.Carry(authtest.Bearer(s.Session.JWT)))
		})
	}
}

func hijacksBehindRequire(s *authtest.Env, field string) {
	t := s.T
	srv, r := serve(s, false, field, func(w http.ResponseWriter, r *http.Request) {
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
	r.Header.Set("Connection", "Upgrade") // the request has no Origin, so a cookie passes too
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

func TestServer_RefusesBeforeTheBodyIsRead(t *testing.T) {
	const head = "POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 1000000\n"
	for _, row := range []struct {
		name, fields string
		want         authtest.Answer
	}{
		{"204 no credential", "", want401n},
		{"204 a bad JWT in the header", "Authorization: Bearer {bad.jwt}\n", want401i},
		{"204 a bad JWT in a cookie", "Cookie: stytch_session_jwt={bad.jwt}\n", want401i},
		{"204 a cookie from another site", "Cookie: stytch_session_jwt={ada.jwt}\nSec-Fetch-Site: cross-site\n", want403c},
		{"204 two headers", "Authorization: Bearer {ada.jwt}\nAuthorization: Bearer {ada.jwt}\n", want400r},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			// The first response is the refusal and not 100 Continue.
			s.wantFirst(dial(s).send(head+row.fields+"\n"), row.want, 0)
		})
	}
}

func TestServer_HandlerPanics(t *testing.T) {
	for _, by := range authtest.Carriers {
		t.Run("199 by "+by.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log authtest.Log
				s := authtest.New(t, log.Record)
				for _, value := range []any{"ours", errors.New("ours"), http.ErrAbortHandler} {
					for _, wrap := range []func(http.Handler) http.Handler{s.Auth.Require, s.Auth.Optional} {
						s.Handler = wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }))
						s.WantPanic(value, by.Carry(authtest.Bearer(s.Session.JWT)))
					}
				}
				log.WantErrors(t, 0)
				s.WantCalls(authtest.PathAuthenticate, 0)
			})
		})
	}
}

// If the Logger panics, the responses do not change.
func TestServer_LoggerPanics(t *testing.T) {
	for _, by := range authtest.Carriers {
		t.Run("200 by "+by.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := authtest.New(t, func(c *sessionauth.Config) { c.Logger = slog.New(panickyHandler{slog.DiscardHandler}) })
				token := by.Carry(authtest.Bearer(s.Session.Token))
				s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{Status: 401, ErrorType: stytch.TypeUnauthorizedCredentials}) // this error is logged
				s.WantAnswer(s.Get(token), want503r)
				s.Tap(authtest.PathAuthenticate, func(*http.Request, http.RoundTripper) (*http.Response, error) { panic("transport") })
				s.WantAnswer(s.Get(token), authtest.Answer{Status: 500})
				s.Tap("", nil)
				s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{Status: 500})
				for range 10 { // opening the circuit breaker is logged
					s.WantAnswer(s.Get(token), want503r)
				}
				s.WantPassed(0, "")
				s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{})
				time.Sleep(time.Minute)
				s.Want(s.Get(token), 200)
				if n := strings.Count(s.Leaks.Output(), "level="); n < 3 {
					t.Errorf("got %d lines logged, want one of each:\n%s", n, s.Leaks.Output())
				}
			})
		})
	}
}

type panickyHandler struct{ slog.Handler }

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("Logger") }

func TestServer_CancelledRequest(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		for _, by := range authtest.Carriers {
			t.Run("203 "+ask.Name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := authtest.New(t)
					ask.Prepare(s)
					s.SetFault(ask.Path, stytchtest.Fault{Delay: time.Hour})
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					began := time.Now()
					s.WantAnswer(s.Do(authtest.NewRequest("GET", by.Carry(ask.Field(s))).WithContext(ctx)), want503r)
					if took := time.Since(began); took != time.Second {
						t.Errorf("got an answer after %v, want 1s", took)
					}
					s.WantCalls(ask.Path, 1)
					s.WantPassed(0, "")
					time.Sleep(3 * time.Second)
					s.WantIdle()
				})
			})
		}
	}
}

func TestServer_AnswersReflectNothing(t *testing.T) {
	const mark = "MARK4711"
	session, invalid := authtest.Problem(401, "invalid-session", "Invalid session"), authtest.Problem(400, "invalid-request", "Ambiguous or malformed request")
	crossOrigin := authtest.Problem(403, "cross-origin", "Cross-origin request")
	for _, row := range []struct {
		name, method, fields string
		want                 authtest.Answer
		calls                int
		body                 string
	}{
		{"209 no credential", "POST", "", want401n, 0, authtest.Problem(401, "no-credential", "Authentication required")},
		{"209 a malformed header", "POST", "Authorization: " + mark, want400r, 0, invalid},
		{"209 a token in the header", "POST", "Authorization: Bearer " + mark + mark, want401i, 1, session},
		{"209 a JWT in the header", "POST", "Authorization: Bearer " + mark + ".e30." + mark, want401i, 0, session},
		{"209 two headers", "POST", "Authorization: Bearer " + mark + "\nAuthorization: Basic " + mark, want400r, 0, invalid},
		{"209 a token cookie", "GET", "Cookie: stytch_session=" + mark + mark, want401i, 1, session},
		{"209 a JWT cookie", "GET", "Cookie: stytch_session_jwt=" + mark + "." + mark + "." + mark, want401i, 0, session},
		{"209 two cookies of two users", "GET", "Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt={bob.jwt}; " + mark + "=x", want400r, 0, invalid},
		{"209 a token cookie from another site", "POST", "Cookie: stytch_session=" + mark + mark, want403c, 0, crossOrigin},
		{"209 a JWT cookie of another origin", "POST", "Cookie: stytch_session_jwt=" + mark + "; " + mark + "=x\nOrigin: https://" + mark, want403c, 0, crossOrigin},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			r := s.request(row.method, "/"+mark+"?"+mark, mark, row.fields+"\nUser-Agent: "+mark+"\nSec-Fetch-Site: cross-site\nX-Request-ID: "+mark)
			r.Host = mark
			resp := s.Do(r)
			s.WantAnswer(resp, row.want)
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSuffix(string(body), "\n"); got != row.body || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %s %s, want the problem %s", resp.Header.Get("Content-Type"), got, row.body)
			}
			if strings.Contains(fmt.Sprint(resp.Header)+string(body), mark) {
				t.Errorf("got %v %s, want nothing of the request", resp.Header, body)
			}
			s.wantFirst(resp, row.want, row.calls)
		})
	}
}
