package stytchtest_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestServer_SetFault_PanicsOnContradictions(t *testing.T) {
	hang, page := stytchtest.Hang(), stytchtest.HTML(200)
	hang.Header, page.Status = http.Header{"Retry-After": {"7"}}, 500
	srv := stytchtest.NewServer()
	for name, fault := range map[string]stytchtest.Fault{
		"a header without an answer":   hang,
		"two answers":                  page,
		"an error type without status": {ErrorType: "session_not_found"},
		"a negative delay":             {Status: 500, Delay: -1},
		"a negative number of calls":   {Status: 500, Calls: -1},
		"calls of a healthy Fault":     {Calls: 1},
		"a key set for a policy":       stytchtest.KeySet(stytchtest.NoKeys),
		"another session for a policy": stytchtest.OtherSession(),
		"another user for a policy":    stytchtest.OtherUser(),
	} {
		panics(t, name, func() { srv.SetFault(policyPath, fault) })
	}
	panics(t, "another user for every endpoint", func() { srv.SetFault("", stytchtest.OtherUser()) })
	for name, f := range map[string]func(){
		"a page without status":        func() { stytchtest.HTML(0) },
		"a page with status 204":       func() { stytchtest.HTML(204) },
		"a body with status 304":       func() { stytchtest.Raw(304, "x") },
		"status 600":                   func() { stytchtest.Raw(600, "") },
		"a redirect with status 200":   func() { stytchtest.Redirect(200, "https://bait.example/") },
		"a redirect with status 304":   func() { stytchtest.Redirect(304, "https://bait.example/") },
		"a redirect without host":      func() { stytchtest.Redirect(302, "/") },
		"a redirect to an invalid URL": func() { stytchtest.Redirect(302, "https://%zz/") },
		"a trickle without delay":      func() { stytchtest.Trickle(0) },
		"a nil error":                  func() { stytchtest.Fail(nil) },
		"the zero KeySetFault":         func() { stytchtest.KeySet(0) },
		"an unknown KeySetFault":       func() { stytchtest.KeySet(99) },
	} {
		panics(t, name, f)
	}
	get(t, srv, policyPath).want(t, 200, "") // none of these Faults was set
}

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
	srv.Calls("") // would hang if a panic had left a lock held
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
	for _, path := range []string{policyPath, userPath} { // once its own Fault has ended, the Fault of all endpoints applies
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
