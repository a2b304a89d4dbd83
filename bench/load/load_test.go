package main

import (
	"bufio"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadResponse(t *testing.T) {
	const two = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nVary: Cookie\r\n\r\nhello\nHTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	r := bufio.NewReader(strings.NewReader(two))
	for _, want := range []int{200, 503} {
		if got, err := readResponse(r); got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	for _, bad := range []string{"", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhi"} {
		if got, err := readResponse(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q: got %d, want an error", bad, got)
		}
	}
}

func TestSummarize(t *testing.T) {
	var samples []sample
	for i := range 1000 {
		samples = append(samples, sample{at: time.Duration(i) * time.Millisecond, took: time.Duration(i+1) * time.Microsecond, status: 200})
	}
	samples[999].status = 503
	s := summarize("x", samples, 0, time.Second)
	if s.PerSecond != 1000 || s.P50 != 500 || s.P99 != 990 || s.P999 != 999 || s.Status[200] != 999 || s.Status[503] != 1 {
		t.Errorf("got %+v", s)
	}
	if s := summarize("x", samples, 500*time.Millisecond, time.Second); s.PerSecond != 1000 || s.P50 != 750 {
		t.Errorf("the second half: got %+v", s)
	}
}

// The comparison is fair only if both servers send the same header.
func TestByHand_SameHeaderAsRequire(t *testing.T) {
	s, err := newEnv(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var headers [2]http.Header
	for i, h := range []http.Handler{byHand, s.auth.Require(hello)} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+s.sessions[0].JWT)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("got %d, want 200", w.Code)
		}
		headers[i] = w.Header()
	}
	if !maps.EqualFunc(headers[0], headers[1], slices.Equal) {
		t.Errorf("got %v by hand, want %v as from Require", headers[0], headers[1])
	}
}
