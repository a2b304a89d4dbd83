package stytch_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
)

// Redirects are not followed. Following one would send the secret to its target and, for 307 and
// 308, also the credential.
func TestTransport_RedirectNotFollowed(t *testing.T) {
	var baited atomic.Int32
	bait := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		baited.Add(1)
		_, _ = io.WriteString(w, goodSession)
	}))
	defer bait.Close()
	var status, calls atomic.Int32
	var location atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bait" {
			baited.Add(1)
			return
		}
		calls.Add(1)
		w.Header().Set("Location", location.Load().(string))
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, goodSession)
	}))
	defer srv.Close()
	eager := srv.Client()
	eager.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }

	for name, given := range map[string]*http.Client{"our own http.Client": nil, "an eager http.Client": eager} {
		client, err := stytch.NewClient(stytch.Config{ProjectID: projectID, Secret: secret, BaseURL: srv.URL, HTTPClient: given})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{bait.URL + "/v1/sessions/authenticate", "/bait", "bait", strings.TrimPrefix(bait.URL, "http:"), ""} {
			for _, code := range []int{301, 302, 303, 307, 308} {
				status.Store(int32(code))
				location.Store(to)
				before := calls.Load()
				for _, c := range methods {
					_, err := c.call(t, client)
					wantType(t, err, code, "")
				}
				_, err := client.KeySet(t.Context())
				wantType(t, err, code, "")
				if got, want := calls.Load()-before, int32(len(methods)+1); got != want {
					t.Errorf("%s, %d to %q: got %d calls, want %d", name, code, to, got, want)
				}
			}
		}
	}
	if got := baited.Load(); got != 0 {
		t.Errorf("got %d calls of the bait, want 0", got)
	}
}

// http.Client parses the target of a redirect before it calls CheckRedirect. If it cannot parse the
// target, its error quotes it, so the client must redact the error.
func TestTransport_RedirectToAnInvalidURL(t *testing.T) {
	for _, to := range []string{"https://[hunter2", "https://example.com/%zz?hunter2", ":hunter2"} {
		client := newClient(t, answering(302, "", "Location", to))
		_, err := methods[0].call(t, client)
		wantType(t, err, 302, "")
		wantNoSecrets(t, err.Error())
	}
}

var errBroken = errors.New("broken pipe")

func TestTransport_ErrorsContainNoURL(t *testing.T) {
	const where = "https://test.stytch.com/v1/users/" + userID
	for _, test := range []struct {
		name string
		err  error
	}{
		{"an error of the transport", errBroken},
		{"an error with an address", &net.OpError{Op: "dial", Net: "tcp", Err: errBroken}},
		{"an error of another http.Client below", &url.Error{Op: "Get", URL: where, Err: errBroken}},
		{"an error of two http.Clients below", &url.Error{Op: "Get", URL: where, Err: &url.Error{Op: "Get", URL: where, Err: errBroken}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := newClient(t, transport(func(*http.Request) (*http.Response, error) { return nil, test.err }))
			for _, c := range methods {
				value, err := c.call(t, client)
				if value || !errors.Is(err, errBroken) {
					t.Errorf("%s: got %v, want what the transport said", c.name, err)
					continue
				}
				var none *stytch.NoAnswerError
				if !errors.As(err, &none) || none.Begun {
					t.Errorf("%s: got %v, want a NoAnswerError, not begun", c.name, err)
				}
				wantNoSecrets(t, err.Error())
				if strings.Contains(err.Error(), "stytch.com") || strings.Contains(err.Error(), "/v1/") {
					t.Errorf("%s: got %q, want no URL", c.name, err)
				}
			}
		})
	}
}

// breaking is a body that fails after this text.
func breaking(text string) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), failingReader{}))
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errBroken }

func TestTransport_TruncatedBody(t *testing.T) {
	for _, c := range methods {
		client := newClient(t, transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: breaking(c.good)}, nil
		}))
		value, err := c.call(t, client)
		var none *stytch.NoAnswerError
		if value || !errors.Is(err, errBroken) || !errors.As(err, &none) || !none.Begun {
			t.Errorf("%s: got %v, want a NoAnswerError, begun, with what the body said", c.name, err)
		}
	}
	// If the body of a failure breaks, the status is already known.
	_, err := methods[0].call(t, newClient(t, transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 502, Body: breaking(`{"error_type":"bad_gateway"`)}, nil
	})))
	wantType(t, err, 502, "")
}

func TestTransport_ClosedConnection(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, goodSession)
	}))
	defer srv.Close()
	client, err := stytch.NewClient(stytch.Config{ProjectID: projectID, Secret: secret, BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	value, err := methods[0].call(t, client)
	var none *stytch.NoAnswerError
	if value || !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &none) || !none.Begun {
		t.Errorf("got %v, want %v after the answer had begun", err, io.ErrUnexpectedEOF)
	}
}

func TestTransport_ClosesBodies(t *testing.T) {
	for _, status := range []int{200, 302, 404, 500} {
		body := &closer{Reader: strings.NewReader(goodSession)}
		client := newClient(t, transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: body}, nil
		}))
		_, _ = methods[0].call(t, client)
		if !body.closed {
			t.Errorf("%d: got an open body, want a closed one", status)
		}
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// Transports in tests often omit fields that http.Client would set. The client must not panic.
func TestTransport_IncompleteResponse(t *testing.T) {
	for name, resp := range map[string]*http.Response{"no response and no error": nil, "no body": {StatusCode: 200}, "no body and no success": {StatusCode: 500}} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("got the panic %v, want an error", v)
				}
			}()
			client := newClient(t, transport(func(*http.Request) (*http.Response, error) { return resp, nil }))
			if value, err := methods[0].call(t, client); value || err == nil {
				t.Errorf("got a value %v and %v, want an error", value, err)
			}
		})
	}
}

// A panic in the transport of the caller is not hidden by the client.
func TestTransport_Panic(t *testing.T) {
	defer func() {
		if got := recover(); got != errBroken {
			t.Errorf("got %v, want %v", got, errBroken)
		}
	}()
	client := newClient(t, transport(func(*http.Request) (*http.Response, error) { panic(errBroken) }))
	_, _ = methods[0].call(t, client)
	t.Error("got an answer, want a panic")
}

func TestTransport_NoRetry(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503} {
		calls := 0
		client := newClient(t, transport(func(*http.Request) (*http.Response, error) {
			calls++
			return answer(status, ""), nil
		}))
		for _, c := range methods {
			_, _ = c.call(t, client)
		}
		if got, want := calls, len(methods); got != want {
			t.Errorf("%d: got %d calls, want %d", status, got, want)
		}
	}
}
