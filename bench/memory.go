package main

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
)

// memory is the memory of a cached session in bytes.
type memory struct {
	Path     string  `json:"path"`
	Sessions int     `json:"sessions"`
	Total    float64 `json:"total"` // growth of the heap for one session
	Data     float64 `json:"data"`  // size of a decoded session and user
}

func (m memory) overhead() float64 { return m.Total - m.Data }

func (m memory) verdict() verdict {
	return atMost("cached session, "+m.Path, "at most 2 KB plus user and claims data", "bytes", 2048, []float64{m.overhead()})
}

// heap returns the bytes in use after garbage collection.
func heap() float64 {
	runtime.GC()
	runtime.GC() // frees what a finalizer or a sync.Pool held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// measureMemory authenticates n distinct sessions of n users, by opaque token and
// by JWT, and compares the heap before and after.
func measureMemory(p *provider, n int) ([]memory, error) {
	s, err := newScript(p)
	if err != nil {
		return nil, err
	}
	data, err := s.dataOf(n)
	if err != nil {
		return nil, err
	}
	opaque, err := s.weigh(n, func(i int) string { return fmt.Sprintf("%s%012x", tokenPrefix, i) })
	if err != nil {
		return nil, err
	}
	jwt, err := s.weigh(n, s.jwt)
	if err != nil {
		return nil, err
	}
	return []memory{{"opaque token", n, opaque, data}, {"JWT", n, jwt, data}}, nil
}

const tokenPrefix = "bench-token-0000000000-"

// A script is a stand-in for Stytch that has no state. It replays the responses for one session
// with other ids, so that only the memory of the middleware is measured.
type script struct {
	p               *provider
	key             *rsa.PrivateKey
	session, user   string // ids to replace
	token           string // session token to replace
	header, payload string // header and payload of the session JWT
	answer          string // response to POST /v1/sessions/authenticate
	userAnswer      string // response to GET /v1/users/{user_id}
	keySet          string
}

func newScript(p *provider) (*script, error) {
	session := p.signIn()
	s := &script{p: p, key: p.stytch.Key(), session: session.ID, user: session.UserID, token: session.Token}
	var err error
	call := func(method, path, body string) string {
		req, e := http.NewRequest(method, p.stytch.URL+path, strings.NewReader(body))
		if e != nil {
			err = e
			return ""
		}
		req.SetBasicAuth(p.stytch.ProjectID, p.stytch.Secret)
		req.Header.Set("Content-Type", "application/json")
		resp, e := p.stytch.Client().Do(req)
		if e != nil {
			err = e
			return ""
		}
		defer resp.Body.Close()
		answer, e := io.ReadAll(resp.Body)
		if e != nil || resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s, %w", path, resp.Status, e)
		}
		return string(answer)
	}
	s.answer = call(http.MethodPost, "/v1/sessions/authenticate", `{"session_token":"`+session.Token+`"}`)
	s.userAnswer = call(http.MethodGet, "/v1/users/"+session.UserID, "")
	s.keySet = call(http.MethodGet, "/.well-known/jwks.json", "")
	header, _ := json.Marshal(p.stytch.Header())
	payload, _ := json.Marshal(p.stytch.Claims(session.ID))
	s.header, s.payload = base64.RawURLEncoding.EncodeToString(header), string(payload)
	return s, err
}

// renamed replaces the ids in text with those of the i-th session and user.
func (s *script) renamed(text string, i int) string {
	tail := fmt.Sprintf("%012x", i)
	return strings.NewReplacer(
		s.session, s.session[:len(s.session)-12]+tail,
		s.user, s.user[:len(s.user)-12]+tail,
		s.token, tokenPrefix+tail,
	).Replace(text)
}

// RoundTrip returns the response that Stytch would send.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := s.keySet
	switch {
	case r.URL.Path == "/v1/sessions/authenticate":
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_, rest, _ := bytes.Cut(sent, []byte(tokenPrefix))
		body = s.renamed(s.answer, index(string(rest[:12])))
	case strings.HasPrefix(r.URL.Path, "/v1/users/"):
		body = s.renamed(s.userAnswer, index(r.URL.Path[len(r.URL.Path)-12:]))
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func index(tail string) int {
	var i int
	if _, err := fmt.Sscanf(tail, "%x", &i); err != nil {
		panic("bench: unexpected id: " + tail)
	}
	return i
}

func (s *script) jwt(i int) string {
	signed := s.header + "." + base64.RawURLEncoding.EncodeToString([]byte(s.renamed(s.payload, i)))
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	if err != nil {
		panic("bench: " + err.Error())
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// weigh authenticates n sessions and returns by how much each of them increases the heap.
func (s *script) weigh(n int, credential func(i int) string) (float64, error) {
	auth, err := newAuthenticator(s.p, func(c *sessionauth.Config) {
		c.HTTPClient = &http.Client{Transport: s}
		c.CacheSize = n + n/4 // larger than n, because shards fill unevenly and no session may be evicted
		c.CacheBytes = n * 64 << 10
		c.CacheTTL = 24 * time.Hour
	})
	if err != nil {
		return 0, err
	}
	before := heap()
	if err := each(n, func(i int) error {
		_, err := auth.Authenticate(bearer(credential(i)))
		return err
	}); err != nil {
		return 0, fmt.Errorf("a valid session was refused: %w", err)
	}
	after := heap()
	// If a session is not cached, the measured heap is too small.
	for i := 0; i < n; i += max(1, n/64) {
		id, err := auth.Authenticate(bearer(credential(i)))
		if err != nil {
			return 0, err
		}
		if id.DecidedBy != sessionauth.Cache {
			return 0, fmt.Errorf("session %d of %d was verified by %s, want the cache", i, n, id.DecidedBy)
		}
	}
	runtime.KeepAlive(auth)
	return (after - before) / float64(n), nil
}

// each calls do with the numbers from 0 to n-1 on all cores and returns one of the errors.
func each(n int, do func(int) error) error {
	var group sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += workers {
				errs[worker] = do(i)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// dataOf returns the size of a session and a user decoded into the exported types.
func (s *script) dataOf(n int) (float64, error) {
	type both struct {
		Session stytch.Session `json:"session"`
		User    stytch.User    `json:"user"`
	}
	kept := make([]*both, n)
	before := heap()
	for i := range kept {
		kept[i] = new(both)
		if err := json.Unmarshal([]byte(s.renamed(s.answer, i)), kept[i]); err != nil {
			return 0, err
		}
	}
	after := heap()
	if kept[n-1].User.ID == "" || kept[n-1].Session.ID == "" {
		return 0, fmt.Errorf("the response has no session or no user")
	}
	runtime.KeepAlive(kept)
	return (after - before) / float64(n), nil
}

var _ http.RoundTripper = (*script)(nil)
