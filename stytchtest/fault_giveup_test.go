package stytchtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestFault_CallerGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault stytchtest.Fault
	}{
		{"a hang", stytchtest.Hang()},
		{"a hang after a delay", stytchtest.Hang().After(time.Second)},
		{"a refusal after a delay", stytchtest.Refuse().After(time.Hour)},
		{"a delay", stytchtest.Fault{Delay: time.Hour}},
		{"a trickle", stytchtest.Trickle(time.Second)},
		{"a trickle slower than the deadline", stytchtest.Trickle(time.Hour)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the bubble fails the test if a goroutine remains
				srv, _, session := setup(t)
				srv.SetFault(authenticatePath, tt.fault)
				start := time.Now()
				request := func() *http.Request {
					return newRequest(t, srv, "POST", authenticatePath, `{"session_token":"`+session.Token+`"}`)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if got := try(srv.Client(), request().WithContext(ctx), 1<<20); !errors.Is(got.err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's error", got.err)
				}
				hurried := srv.Client()
				hurried.Timeout = 3 * time.Second
				var timeout interface{ Timeout() bool }
				if got := try(hurried, request(), 1<<20); !errors.As(got.err, &timeout) || !timeout.Timeout() {
					t.Errorf("got %v, want the client's timeout", got.err)
				}
				if got := time.Since(start); got != 6*time.Second {
					t.Errorf("two calls took %v, want 6s", got)
				}
			})
		})
	}
}

func TestTrickle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		srv.SetFault(policyPath, stytchtest.Trickle(time.Second).After(time.Minute))
		start := time.Now()
		resp, err := srv.Client().Do(newRequest(t, srv, "GET", policyPath, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := time.Since(start); got != time.Minute || resp.StatusCode != 200 {
			t.Errorf("got status %d after %v, want 200 after a minute", resp.StatusCode, got)
		}
		raw, err := io.ReadAll(resp.Body)
		if got := time.Since(start); err != nil || got != time.Minute+time.Duration(len(raw))*time.Second || len(raw) < 50 {
			t.Errorf("got %d bytes and error %v after %v, want a second for each byte", len(raw), err, got)
		}
	})
}

func TestFault_CloseEndsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		for _, fault := range []stytchtest.Fault{stytchtest.Trickle(time.Hour), stytchtest.Endless(), stytchtest.GzipBomb()} {
			srv.SetFault(policyPath, fault)
			resp, err := srv.Client().Do(newRequest(t, srv, "GET", policyPath, ""))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			const wait = time.Hour + time.Second
			time.AfterFunc(wait, func() { resp.Body.Close() })
			if n, err := resp.Body.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("got %d bytes and error %v, want 1", n, err)
			}
			for err == nil && time.Since(start) < 2*wait {
				_, err = resp.Body.Read(make([]byte, 1))
				time.Sleep(time.Minute)
			}
			if got := time.Since(start); err == nil || got > wait+2*time.Minute {
				t.Errorf("got error %v after %v, want an error after Close", err, got)
			}
		}
	})
}

func TestTrickle_SendsTheHeaderAtOnce(t *testing.T) {
	everyWay(t, func(t *testing.T, srv *stytchtest.Server, c *http.Client, _ stytchtest.Session) {
		srv.SetFault(policyPath, stytchtest.Trickle(time.Hour))
		resp, err := c.Do(newRequest(t, srv, "GET", policyPath, ""))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %d, want 200 and JSON", resp.StatusCode)
		}
	})
}

// Close waits for the calls in progress. This test hangs if a call does not notice that its caller
// has gone.
func TestFault_CallerGivesUpOnSocket(t *testing.T) {
	srv, _, session := setup(t)
	ts := httptest.NewServer(srv)
	defer ts.Close()
	srv.URL = ts.URL
	for _, fault := range []stytchtest.Fault{
		stytchtest.Hang(), stytchtest.Trickle(time.Hour), stytchtest.Endless(), {Delay: time.Hour}, {Delay: time.Hour, Status: 500},
	} {
		srv.SetFault("", fault)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		got := try(ts.Client(), newRequest(t, srv, "POST", authenticatePath, `{"session_token":"`+session.Token+`"}`).WithContext(ctx), 1<<40)
		cancel()
		if !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", got.err)
		}
	}
}

func TestFault_HTTP2(t *testing.T) {
	srv, user, _ := setup(t)
	ts := httptest.NewUnstartedServer(srv)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	srv.URL = ts.URL
	for _, fault := range []stytchtest.Fault{stytchtest.Reset(), stytchtest.BrokenOff(), stytchtest.Refuse()} {
		srv.SetFault(userPath, fault)
		if got := try(ts.Client(), newRequest(t, srv, "GET", "/v1/users/"+user.ID, ""), 1<<20); got.err == nil {
			t.Errorf("got %d, want an error", got.StatusCode)
		}
	}
	srv.SetFault(userPath, stytchtest.Fault{})
	got := try(ts.Client(), newRequest(t, srv, "GET", "/v1/users/"+user.ID, ""), 1<<20)
	if got.err != nil || got.StatusCode != 200 || got.ProtoMajor != 2 {
		t.Errorf("got %+v, want 200 through HTTP/2", got)
	}
}

func TestReset_TLS(t *testing.T) {
	srv := stytchtest.NewServer()
	ts := httptest.NewTLSServer(srv)
	defer ts.Close()
	srv.URL = ts.URL
	srv.SetFault(policyPath, stytchtest.Reset())
	if got := try(ts.Client(), newRequest(t, srv, "GET", policyPath, ""), 1<<20); got.err == nil {
		t.Errorf("got %d, want an error", got.StatusCode)
	}
}
