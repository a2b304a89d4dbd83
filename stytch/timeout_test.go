package stytch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// slowWorld returns a client of a server that answers after a minute. The client has this timeout,
// and its http.Client has clientTimeout.
func slowWorld(t *testing.T, timeout, clientTimeout time.Duration) *stytch.Client {
	t.Helper()
	srv := stytchtest.NewServer()
	given := srv.Client()
	given.Timeout = clientTimeout
	srv.SetFault("", stytchtest.Fault{Delay: time.Minute})
	client, err := stytch.NewClient(stytch.Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: given, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestTimeout_NoAnswer(t *testing.T) {
	for _, test := range []struct {
		name                 string
		timeout, given, want time.Duration // given is the timeout of the http.Client
	}{
		{"3 seconds by default", 0, 0, 3 * time.Second},
		{"a shorter one", 20 * time.Millisecond, 0, 20 * time.Millisecond},
		{"a longer one", 50 * time.Second, 0, 50 * time.Second},
		{"a shorter one of the http.Client", 0, time.Second, time.Second},
		{"a longer one of the http.Client", time.Second, 20 * time.Second, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := slowWorld(t, test.timeout, test.given)
				for _, c := range methods {
					began := time.Now()
					value, err := c.call(t, client)
					if value || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s: got %v, want %v", c.name, err, context.DeadlineExceeded)
					}
					if got := time.Since(began); got != test.want {
						t.Errorf("%s: got the end after %v, want %v", c.name, got, test.want)
					}
				}
			})
		})
	}
}

func TestTimeout_Context(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := slowWorld(t, 0, 0)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.User(ctx, userID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := client.KeySet(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if got, want := time.Since(began), 2*time.Second; got != want {
			t.Errorf("got the end after %v, want %v", got, want)
		}
		if _, err := client.Policy(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: got %v, want %v", err, context.Canceled)
		}
	})
}

// hanging is a body whose Read blocks until the context of the request is done.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) { <-h.ctx.Done(); return 0, h.ctx.Err() }

func TestTimeout_HangingBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{200, 503} {
			client := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Body: io.NopCloser(hanging{r.Context()})}, nil
			}))
			began := time.Now()
			_, err := methods[0].call(t, client)
			if status == 200 && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
			if status != 200 {
				wantType(t, err, status, "")
			}
			if got, want := time.Since(began), 3*time.Second; got != want {
				t.Errorf("%d: got the end after %v, want %v", status, got, want)
			}
		}
	})
}

// The timeout also applies over a socket, where http.Transport returns the error.
func TestTimeout_OverASocket(t *testing.T) {
	for _, begun := range []bool{false, true} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body) // the server notices a closed connection only after it has read the body
			if begun {
				_, _ = io.WriteString(w, "{")
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		}))
		client, err := stytch.NewClient(stytch.Config{ProjectID: projectID, Secret: secret, BaseURL: srv.URL, Timeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
		var none *stytch.NoAnswerError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &none) || none.Begun != begun {
			t.Errorf("begun %v: got %v, want %v", begun, err, context.DeadlineExceeded)
		}
		srv.Close()
	}
}
