package stytchtest_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A faultRow is the answer that a caller of sessions/authenticate receives while a Fault applies.
type faultRow struct {
	name   string
	fault  stytchtest.Fault
	status int // anyStatus if the answer may have no status
	want   func(result) bool
}

const anyStatus = 0

func faults() []faultRow {
	refused := func(r result) bool { return r.err != nil && r.Response == nil }
	ends := func(body string, err error) func(result) bool {
		return func(r result) bool { return errors.Is(r.err, err) && strings.HasPrefix(r.body, body) }
	}
	halfOf := func(body string) bool {
		return strings.HasPrefix(body, `{"request_id":"`) && !json.Valid([]byte(body)) && len(body) > 100
	}
	return []faultRow{
		{"a page instead of JSON", stytchtest.HTML(502), 502, func(r result) bool {
			return r.Header.Get("Content-Type") == "text/html; charset=utf-8" && strings.Contains(r.body, "<h1>502 Bad Gateway</h1>")
		}},
		{"a page with status 200", stytchtest.HTML(200), 200, ends("<!DOCTYPE html>", nil)},
		{"an empty body", stytchtest.Raw(200, ""), 200, func(r result) bool { return r.body == "" && r.ContentLength == 0 && r.err == nil }},
		{"no content", stytchtest.Raw(204, ""), 204, func(r result) bool { return r.body == "" && r.err == nil }},
		{"null", stytchtest.Raw(200, "null"), 200, func(r result) bool {
			return r.body == "null" && r.Header.Get("Content-Type") == "application/json"
		}},
		{"a list of an error", stytchtest.Raw(404, `[{"error_type":"session_not_found"}]`), 404, ends("[", nil)},
		{"half an answer", stytchtest.Truncated(), 200, func(r result) bool {
			return halfOf(r.body) && r.err == nil && r.ContentLength == int64(len(r.body))
		}},
		{"half an answer, then the end", stytchtest.BrokenOff(), 200, func(r result) bool {
			return halfOf(r.body) && errors.Is(r.err, io.ErrUnexpectedEOF) && r.ContentLength/2 == int64(len(r.body))
		}},
		{"half an answer, then a reset", stytchtest.Reset(), anyStatus, func(r result) bool {
			return errors.Is(r.err, syscall.ECONNRESET) && (r.body == "" || halfOf(r.body))
		}},
		{"an endless body", stytchtest.Endless(), 200, func(r result) bool {
			return len(r.body) == 4<<20 && strings.HasPrefix(r.body, `{"padding":"xxx`) && r.err == nil && r.ContentLength == -1
		}},
		{"a gzip bomb", stytchtest.GzipBomb(), 200, func(r result) bool {
			return len(r.body) == 4<<20 && strings.HasPrefix(r.body, `{"padding":"xxx`) && r.err == nil && r.Uncompressed
		}},
		{"a trickle", stytchtest.Trickle(time.Microsecond), 200, func(r result) bool {
			return json.Valid([]byte(r.body)) && r.err == nil && r.ContentLength == int64(len(r.body))
		}},
		{"a redirect", stytchtest.Redirect(307, "https://bait.example/x"), 307, func(r result) bool {
			return r.Header.Get("Location") == "https://bait.example/x" && r.body == ""
		}},
		{"connection refused", stytchtest.Refuse(), anyStatus, refused},
		{"an error of the test", stytchtest.Fail(errors.New("tls: bad certificate")), anyStatus, refused},
		{"without ids", stytchtest.WithoutIDs(), 200, func(r result) bool {
			return !strings.Contains(r.body, `user_id":`) && !strings.Contains(r.body, `session_id":`) && strings.Contains(r.body, `"request_id":`)
		}},
		{"repeated names", stytchtest.RepeatedNames(), 200, func(r result) bool {
			return json.Valid([]byte(r.body)) && strings.Count(r.body, `"session_token":`) == 2 && strings.Count(r.body, `"user":`) == 2
		}},
	}
}

func TestFault_InMemoryAndOnSocket(t *testing.T) {
	for _, tt := range faults() {
		t.Run(tt.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, srv *stytchtest.Server, c *http.Client, session stytchtest.Session) {
				c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				call := func() result {
					return try(c, newRequest(t, srv, "POST", authenticatePath, `{"session_token":"`+session.Token+`"}`), 4<<20)
				}
				srv.SetFault(authenticatePath, tt.fault.For(1))
				got := call()
				if tt.status != anyStatus && (got.Response == nil || got.StatusCode != tt.status) {
					t.Fatalf("got %+v, want status %d", got, tt.status)
				}
				if !tt.want(got) {
					t.Errorf("got %d bytes, %.200q, error %v", len(got.body), got.body, got.err)
				}
				if after := call(); after.err != nil || after.StatusCode != 200 || !json.Valid([]byte(after.body)) {
					t.Errorf("got %+v after the Fault, want 200", after)
				}
				if got := srv.Calls(authenticatePath); got != 2 {
					t.Errorf("got %d calls, want 2", got)
				}
			})
		})
	}
}

func TestFault_BrokenAnswerTakesEffect(t *testing.T) {
	for _, fault := range []stytchtest.Fault{stytchtest.Truncated(), stytchtest.BrokenOff(), stytchtest.Reset()} {
		srv, _, session := setup(t)
		srv.SetFault("/v1/sessions/revoke", fault)
		try(srv.Client(), newRequest(t, srv, "POST", "/v1/sessions/revoke", `{"session_token":"`+session.Token+`"}`), 1<<20)
		post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`).want(t, 404, "session_not_found")
	}
}

func TestFault_KeepsRejections(t *testing.T) {
	srv, _, _ := setup(t)
	for _, fault := range []stytchtest.Fault{
		stytchtest.OtherUser(), stytchtest.OtherSession(), stytchtest.WithoutIDs(), stytchtest.RepeatedNames(), stytchtest.Trickle(1),
	} {
		srv.SetFault(authenticatePath, fault)
		got := try(srv.Client(), newRequest(t, srv, "POST", authenticatePath, `{}`), 1<<20)
		if got.err != nil || got.StatusCode != 400 || !strings.Contains(got.body, `"no_session_arguments"`) {
			t.Errorf("got %+v, want a 400", got)
		}
	}
}

func TestOtherUser(t *testing.T) {
	srv, user, session := setup(t)
	srv.SetFault(authenticatePath, stytchtest.OtherUser())
	srv.SetFault(signInPath, stytchtest.OtherUser())
	srv.SetFault(userPath, stytchtest.OtherUser())
	a := post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
	a.want(t, 200, "")
	other, _ := a.at("user", "user_id").(string)
	if other == "" || other == user.ID || a.at("session", "session_id") == session.ID || a.body["session_token"] == session.Token {
		t.Fatalf("got %s, want another user's session", a.raw)
	}
	equal(t, "user of the session", a.at("session", "user_id"), `"`+other+`"`)
	_, claims := verified(t, srv, a.body["session_jwt"].(string))
	equal(t, "subject", claims["sub"], `"`+other+`"`)
	if _, there := a.body["user_id"]; there {
		t.Error("got a user_id at the top, want none: this endpoint has none")
	}

	in := post(t, srv, signInPath, `{`+credentials+`,"session_duration_minutes":60}`)
	in.want(t, 200, "")
	equal(t, "user_id", in.body["user_id"], `"`+other+`"`)
	equal(t, "session", in.at("session", "session_id"), `"`+a.at("session", "session_id").(string)+`"`)
	in = post(t, srv, signInPath, `{`+credentials+`}`)
	equal(t, "user_id without session", in.body["user_id"], `"`+other+`"`)
	equal(t, "no session", in.body["session"], `null`)
	equal(t, "user", get(t, srv, "/v1/users/"+user.ID).body["user_id"], `"`+other+`"`)

	srv.SetFault(authenticatePath, stytchtest.Fault{})
	b := post(t, srv, authenticatePath, `{"session_token":"`+a.body["session_token"].(string)+`"}`)
	b.want(t, 200, "")
	equal(t, "the session is alive", b.at("user", "user_id"), `"`+other+`"`)
}

func TestOtherSession(t *testing.T) {
	srv, user, session := setup(t)
	srv.SetFault(authenticatePath, stytchtest.OtherSession())
	body := `{"session_token":"` + session.Token + `"}`
	a := post(t, srv, authenticatePath, body)
	other := a.at("session", "session_id")
	if a.at("user", "user_id") != user.ID || other == nil || other == session.ID {
		t.Fatalf("got %s, want another session of the same user", a.raw)
	}
	equal(t, "again", post(t, srv, authenticatePath, body).at("session", "session_id"), `"`+other.(string)+`"`)
	srv.RevokeSession(other.(string))
	if third := post(t, srv, authenticatePath, body).at("session", "session_id"); third == nil || third == other || third == session.ID {
		t.Errorf("got session %v, want a live one", third)
	}
	srv.SetFault(signInPath, stytchtest.OtherSession())
	equal(t, "no session", post(t, srv, signInPath, `{`+credentials+`}`).body["session"], `null`)
}

func TestWithoutIDs(t *testing.T) {
	srv, user, session := setup(t)
	srv.SetPolicy(samplePolicy())
	srv.SetFault("", stytchtest.WithoutIDs())
	for _, raw := range []string{
		get(t, srv, "/v1/users/"+user.ID).raw,
		get(t, srv, "/v1/sessions?user_id="+user.ID).raw,
		get(t, srv, policyPath).raw,
		get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID).raw,
		post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`).raw,
	} {
		if n := strings.Count(raw, `_id":`); n != 1 || strings.Contains(raw, `"kid"`) {
			t.Errorf("got %d ids, want the request's only: %s", n, raw)
		}
	}
}

func TestGzipBomb(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.SetFault(policyPath, stytchtest.GzipBomb())
	r := newRequest(t, srv, "GET", policyPath, "")
	r.Header.Set("Accept-Encoding", "gzip")
	got := try(srv.Client(), r, 1<<30)
	if got.Header.Get("Content-Encoding") != "gzip" || got.Uncompressed || len(got.body) > 2<<20 {
		t.Errorf("got %d bytes of %q, want a MiB of gzip", len(got.body), got.Header.Get("Content-Encoding"))
	}
	// Decompressing the whole body takes seconds, so the test looks only at the first members.
	if n := strings.Count(got.body, "\x1f\x8b\x08"); n != 1024+2 {
		t.Errorf("got %d members, want 1024 between a start and an end", n)
	}
	members := strings.NewReader(got.body)
	open, err := gzip.NewReader(members)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`{"padding":"`, strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20)} {
		open.Multistream(false)
		member, err := io.ReadAll(open)
		if err != nil || string(member) != want {
			t.Errorf("got %d bytes and error %v as member %d, want %d", len(member), err, i, len(want))
		}
		if err := open.Reset(members); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefuse_Fail(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.SetFault("", stytchtest.Refuse())
	_, err := srv.Client().Do(newRequest(t, srv, "GET", policyPath, ""))
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.HasSuffix(err.Error(), "connect: connection refused") {
		t.Errorf("got %v, want a refused connection", err)
	}
	own := errors.New("own")
	srv.SetFault("", stytchtest.Fail(own))
	var wrapped *url.Error
	_, err = srv.Client().Do(newRequest(t, srv, "GET", policyPath, ""))
	if !errors.Is(err, own) || !errors.As(err, &wrapped) || wrapped.Timeout() {
		t.Errorf("got %v, want the error of the test", err)
	}
	_, err = typed(t, srv).Policy(t.Context())
	if err == nil {
		t.Error("got an answer through the typed client, want an error")
	}
}

func TestRedirect(t *testing.T) {
	srv := stytchtest.NewServer()
	client := typed(t, srv)
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv.SetFault("", stytchtest.Redirect(status, "http://bait.example/steal?secret=1"))
		_, err := client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: email, Password: password})
		var e *stytch.Error
		if !errors.As(err, &e) || e.StatusCode != status {
			t.Errorf("got %v, want a %d", err, status)
		}
	}
	if got := srv.UnexpectedCalls(); len(got) != 0 {
		t.Errorf("got %q from a client that follows no redirects, want none", got)
	}
	if _, err := srv.Client().Do(newRequest(t, srv, "POST", signInPath, `{}`)); err == nil {
		t.Error("got an answer, want an error: the client must not leave the server")
	}
	equal(t, "unexpected", srv.UnexpectedCalls(), `["POST http://bait.example/steal"]`)
}
