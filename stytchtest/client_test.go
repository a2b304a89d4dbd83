package stytchtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestServer_Client_InvalidGzip(t *testing.T) {
	srv := stytchtest.NewServer()
	fault := stytchtest.Raw(200, `{"not":"gzip"}`)
	fault.Header = http.Header{"Content-Encoding": {"gzip"}}
	srv.SetFault(policyPath, fault)
	if got := try(srv.Client(), newRequest(t, srv, "GET", policyPath, ""), 1<<20); got.Response == nil || got.err == nil {
		t.Errorf("got %+v, want an answer whose body cannot be read", got)
	}
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

func TestServer_Client_AnswerOutlivesItsContext(t *testing.T) {
	srv := stytchtest.NewServer()
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := srv.Client().Do(newRequest(t, srv, "GET", policyPath, "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	if raw, err := io.ReadAll(resp.Body); err != nil || len(raw) == 0 {
		t.Errorf("got %d bytes and error %v, want the answer", len(raw), err)
	}
}
