package stytchtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

const policyPath = "/v1/rbac/policy"

func TestFault_Status(t *testing.T) {
	srv := stytchtest.NewServer()
	for _, tt := range []struct {
		fault     stytchtest.Fault
		errorType string
	}{
		{stytchtest.Fault{Status: 400}, "bad_request"},
		{stytchtest.Fault{Status: 401}, "unauthorized_credentials"},
		{stytchtest.Fault{Status: 404}, "route_not_found"},
		{stytchtest.Fault{Status: 404, ErrorType: "user_not_found"}, "user_not_found"},
		{stytchtest.Fault{Status: 418}, "bad_request"},
		{stytchtest.Fault{Status: 429}, "too_many_requests"},
		{stytchtest.Fault{Status: 500}, "internal_server_error"},
		{stytchtest.Fault{Status: 502}, "internal_server_error"},
		{stytchtest.Fault{Status: 503}, "server_unavailable"},
	} {
		srv.SetFault(policyPath, tt.fault)
		a := get(t, srv, policyPath)
		a.want(t, tt.fault.Status, tt.errorType)
		if a.body["status_code"] != float64(tt.fault.Status) {
			t.Errorf("got status_code %v, want %d", a.body["status_code"], tt.fault.Status)
		}
	}
	srv.SetFault(policyPath, stytchtest.Fault{})
	get(t, srv, policyPath).want(t, 200, "")
}

func TestServer_SetFault_AppliesToItsEndpoint(t *testing.T) {
	srv, user, _ := setup(t)
	srv.SetFault(policyPath, stytchtest.Fault{Status: 500})
	get(t, srv, "/v1/users/"+user.ID).want(t, 200, "")
	srv.SetFault("", stytchtest.Fault{Status: 503})
	get(t, srv, "/v1/users/"+user.ID).want(t, 503, "server_unavailable")
	get(t, srv, "/.well-known/jwks.json").want(t, 503, "server_unavailable")
	get(t, srv, policyPath).want(t, 500, "internal_server_error")
	srv.SetFault("", stytchtest.Fault{})
	get(t, srv, "/v1/users/"+user.ID).want(t, 200, "")
	panics(t, "a misspelt pattern", func() { srv.SetFault("/v1/policy", stytchtest.Fault{}) })
	panics(t, "a status that is no error", func() { srv.SetFault(policyPath, stytchtest.Fault{Status: 200}) })
	srv.Calls("") // no lock is held after a panic
}

func TestFault_Calls(t *testing.T) {
	srv, user, _ := setup(t)
	userPath := "/v1/users/" + user.ID
	srv.SetFault(policyPath, stytchtest.Fault{Status: 500, Calls: 2})
	for _, want := range []int{500, 500, 200, 200} {
		if got := get(t, srv, policyPath).status; got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	srv.SetFault("", stytchtest.HTML(503).For(2))
	srv.SetFault(policyPath, stytchtest.Fault{Status: 500}.For(1))
	get(t, srv, policyPath).want(t, 500, "internal_server_error")
	for _, path := range []string{policyPath, userPath} { // after its own Fault, the one of all endpoints applies
		if got := try(srv.Client(), newRequest(t, srv, "GET", path, ""), 1<<20).StatusCode; got != 503 {
			t.Errorf("%s: got %d, want 503", path, got)
		}
	}
	get(t, srv, userPath).want(t, 200, "")
	srv.SetFault(policyPath, stytchtest.Fault{Status: 500, Calls: 9})
	get(t, srv, policyPath).want(t, 500, "internal_server_error")
	srv.SetFault(policyPath, stytchtest.Fault{})
	get(t, srv, policyPath).want(t, 200, "")
}

func TestFault_CallsConcurrently(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.SetFault(policyPath, stytchtest.Fault{Status: 500, Calls: 20})
	var failed atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if get(t, srv, policyPath).status == 500 {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if got := failed.Load(); got != 20 {
		t.Errorf("got %d failures, want 20", got)
	}
}

func TestFault_Header(t *testing.T) {
	srv := stytchtest.NewServer()
	h := http.Header{"Retry-After": {"7"}, "Content-Type": {"text/plain"}}
	page, healthy := stytchtest.HTML(503), stytchtest.Fault{}
	page.Header, healthy.Header = h, h
	for _, fault := range []stytchtest.Fault{page, healthy} {
		srv.SetFault(policyPath, fault)
		got := try(srv.Client(), newRequest(t, srv, "GET", policyPath, ""), 1<<20).Header
		if got.Get("Retry-After") != "7" || got.Get("Content-Type") != "text/plain" {
			t.Errorf("got %v, want these fields", got)
		}
	}
}

func TestFault_RetryAfter(t *testing.T) {
	srv := stytchtest.NewServer()
	h := http.Header{"Retry-After": {"7"}}
	srv.SetFault(policyPath, stytchtest.Fault{Status: 429, Header: h})
	h.Set("Retry-After", "changed later")
	_, err := typed(t, srv).Policy(t.Context())
	var e *stytch.Error
	if !errors.As(err, &e) || e.StatusCode != 429 || e.RetryAfter != 7*time.Second || e.Type != "too_many_requests" {
		t.Errorf("got %v, want a 429 with 7 s", err)
	}
}

func TestFault_Delay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, user, _ := setup(t)
		session := srv.StartSession(user.ID, stytchtest.SessionOptions{Duration: 10 * time.Second})
		srv.SetFault("/v1/sessions/authenticate", stytchtest.Fault{Delay: 9 * time.Second})
		start := time.Now()
		body := `{"session_token":"` + session.Token + `"}`
		post(t, srv, "/v1/sessions/authenticate", body).want(t, 200, "")
		if got := time.Since(start); got != 9*time.Second {
			t.Errorf("got an answer after %v, want 9s", got)
		}
		post(t, srv, "/v1/sessions/authenticate", body).want(t, 404, "session_not_found")
		srv.SetFault("/v1/sessions/authenticate", stytchtest.Fault{Delay: time.Second, Status: 500})
		post(t, srv, "/v1/sessions/authenticate", body).want(t, 500, "internal_server_error")
		if got := time.Since(start); got != 19*time.Second {
			t.Errorf("got the last answer after %v, want 19s", got)
		}
	})
}

func TestFault_DelayBlocksNoOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, user, _ := setup(t)
		srv.SetFault("", stytchtest.Fault{Delay: time.Minute})
		start := time.Now()
		for range 10 {
			go get(t, srv, "/v1/users/"+user.ID)
		}
		synctest.Wait()
		srv.SetFault("", stytchtest.Fault{})
		get(t, srv, "/v1/users/"+user.ID).want(t, 200, "")
		if time.Since(start) != 0 {
			t.Error("a call of a healthy endpoint waited")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := srv.Calls("/v1/users/{user_id}"); got != 11 {
			t.Errorf("got %d calls, want 11", got)
		}
	})
}

func TestFault_CallerGivesUpDuringDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stytchtest.NewServer()
		srv.SetFault(policyPath, stytchtest.Fault{Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := srv.Client().Do(newRequest(t, srv, "GET", policyPath, "").WithContext(ctx))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want the deadline after 1s", err, time.Since(start))
		}
		_, err = srv.Client().Do(newRequest(t, srv, "GET", policyPath, "").WithContext(ctx))
		if !errors.Is(err, context.DeadlineExceeded) || srv.Calls(policyPath) != 1 {
			t.Errorf("got %v and %d calls, want an ended context to make no call", err, srv.Calls(policyPath))
		}
	})
}

func TestServer_Client_ReachesItsServerOnly(t *testing.T) {
	srv := stytchtest.NewServer()
	for _, url := range []string{
		"https://api.stytch.com/v1/rbac/policy", "https://test.stytch.com/", "http://stytch.invalid/v1/rbac/policy",
		"https://stytch.invalid:8443/", "https://stytch.invalid.example.com/", "http://127.0.0.1/",
	} {
		closed := &body{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), "POST", url, closed)
		if err != nil {
			t.Fatal(err)
		}
		_, err = srv.Client().Do(r)
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" {
			t.Errorf("%s: got %v, want an error of dialling", url, err)
		}
		if !closed.closed {
			t.Errorf("%s: the body was not closed", url)
		}
	}
	if got := srv.Calls(""); got != 0 {
		t.Errorf("got %d calls, want none", got)
	}
}

type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestServer_Client_LargeAnswer(t *testing.T) {
	srv := stytchtest.NewServer()
	var roles []stytch.Role
	for range 1000 {
		roles = append(roles, stytch.Role{ID: "r", Description: strings.Repeat("x", 4096)})
	}
	srv.SetPolicy(stytch.Policy{Roles: roles})
	r := newRequest(t, srv, "GET", policyPath, "")
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || bytes.Count(raw, []byte("x")) < 4096*1000 || resp.ContentLength != int64(len(raw)) || resp.Request != r {
		t.Errorf("got %d bytes of %d and error %v", len(raw), resp.ContentLength, err)
	}
}
