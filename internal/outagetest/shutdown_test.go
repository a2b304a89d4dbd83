package outagetest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// A server that is stopped, as by SIGTERM, completes the requests in progress. A client receives
// either the correct response or a closed connection.
func TestShutdown_UnderLoad(t *testing.T) {
	s := newEnv(t)
	s.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) // runs the code once, so that only code and no session is warm
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.Handler}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var right, closed atomic.Int64
	send := func(field, value string, want int) {
		r, _ := http.NewRequest(http.MethodGet, url, nil)
		r.Header.Set(field, value)
		resp, err := client.Do(r)
		if err != nil {
			closed.Add(1)
			return
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("got status %d, want %d or a closed connection", resp.StatusCode, want)
		}
		right.Add(1)
	}
	var clients, wg sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for closed.Load() == 0 {
				send("Authorization", "Bearer "+s.Session.JWT, 200)
				send("Authorization", "Bearer "+s.Session.Token, 200)
				send("Authorization", "Bearer "+s.Session.JWT[:len(s.Session.JWT)-4]+"AAAA", 401)
			}
		})
	}
	for right.Load() < 200 {
		send("X-Nothing", "at all", 401)
	}
	wg.Go(func() {
		clients.Wait()
		client.CloseIdleConnections() // otherwise Shutdown waits 5 s for connections that were never used
	})
	if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := <-served; err != http.ErrServerClosed {
		t.Errorf("got %v, want %v", err, http.ErrServerClosed)
	}
	if closed.Load() == 0 || right.Load() < 200 {
		t.Errorf("got %d answers and %d closed connections, want both", right.Load(), closed.Load())
	}
}
