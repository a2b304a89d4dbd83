package sessionauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A mask is an encoded text, so that the test itself does not put the text into memory.
type mask []byte

func masked(s string) mask {
	m := []byte(s)
	for i := range m {
		m[i] ^= 0x55
	}
	return m
}

func (m mask) isIn(dump []byte) bool { return bytes.Contains(dump, masked(string(m))) }

// After a request, the memory of the process contains no usable credential. It contains digests of
// secrets, and JWTs without their signature. An attacker who reads the memory can therefore not use
// the sessions.
func TestNoCredentialStaysInMemory(t *testing.T) {
	auth, public, secrets := letOneIn(t)
	dump := heapDump(t)
	if !public.isIn(dump) {
		t.Error("the payload of the JWT is not in the dump: this test sees nothing")
	}
	for name, secret := range secrets {
		if secret.isIn(dump) {
			t.Errorf("the %s stays in memory", name)
		}
	}
	runtime.KeepAlive(auth)
}

// letOneIn authenticates a session with its JWT and with its token, and then drops the in-memory
// Stytch, which also holds them.
func letOneIn(t *testing.T) (auth *sessionauth.Authenticator, public mask, secrets map[string]mask) {
	var srv atomic.Pointer[stytchtest.Server]
	srv.Store(stytchtest.NewServer())
	config := sessionauth.Config{ProjectID: srv.Load().ProjectID, Secret: srv.Load().Secret, BaseURL: srv.Load().URL}
	config.HTTPClient = &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		return srv.Load().Client().Transport.RoundTrip(r)
	})}
	auth, err := sessionauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	user := srv.Load().AddUser(stytchtest.User{Email: "ada@example.com"})
	session := srv.Load().StartSession(user.ID, stytchtest.SessionOptions{})
	h := auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, field := range []string{
		bearer(session.JWT), bearer(session.Token), bearer(session.JWT), bearer(session.Token),
		bothCookies(session.Token, session.JWT), tokenCookie(session.Token),
	} {
		r := newRequest(http.MethodGet, field)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("got %d, want 200", w.Code)
		}
	}
	segments := strings.Split(session.JWT, ".")
	signature, err := base64.RawURLEncoding.DecodeString(segments[2])
	if err != nil {
		t.Fatal(err)
	}
	srv.Store(nil)
	return auth, masked(segments[1]), map[string]mask{
		"token": masked(session.Token), "signature": masked(segments[2]), "signature's bytes": masked(string(signature)),
	}
}

// heapDump returns the contents of all live memory.
func heapDump(t *testing.T) []byte {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/heap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 { // the contents of a sync.Pool survive the first collection
		runtime.GC()
	}
	debug.WriteHeapDump(f.Fd())
	dump, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return dump
}

// A background job may keep the context of the request that started it. The context must not keep
// the body of that request in memory.
func TestRequire_KeptContextKeepsNoRequest(t *testing.T) {
	s := newEnv(t)
	freed := make(chan struct{})
	ctx := contextOfRequest(s, freed)
	deadline := time.After(10 * time.Second)
	for {
		runtime.GC()
		select {
		case <-freed:
			if _, ok := sessionauth.SessionFromContext(ctx); !ok {
				t.Error("no session in the context")
			}
			return
		case <-deadline:
			t.Fatal("the body is still there")
		default:
			runtime.Gosched()
		}
	}
}

// contextOfRequest returns the context of a request that has ended. It closes freed when the body
// of the request is garbage.
func contextOfRequest(s *env, freed chan struct{}) (ctx context.Context) {
	h := s.Auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = context.WithoutCancel(r.Context()) }))
	r := newRequest(http.MethodGet, bearer(s.Session.JWT))
	body := &struct{ io.ReadCloser }{http.NoBody}
	runtime.AddCleanup(body, func(freed chan struct{}) { close(freed) }, freed)
	r.Body = body
	h.ServeHTTP(httptest.NewRecorder(), r)
	return ctx
}

// CacheBytes limits the memory of the users that cached sessions hold.
func TestCacheBytes_UsersWithMuchMetadata(t *testing.T) {
	authtest.SkipIfShort(t)
	s := newEnv(t, func(c *sessionauth.Config) { c.CacheBytes = 2 << 20 })
	blob := strings.Repeat("m", 4000)
	var sessions []stytchtest.Session
	for range 1000 {
		user := s.AddUser(stytchtest.User{TrustedMetadata: map[string]any{"a": blob}, UntrustedMetadata: map[string]any{"a": blob}})
		sessions = append(sessions, s.StartSession(user.ID, stytchtest.SessionOptions{}))
	}
	s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
	before := authtest.LiveHeap()
	for _, session := range sessions {
		for _, field := range []string{tokenCookie(session.Token), jwtCookie(session.JWT)} {
			if _, err := s.Auth.Authenticate(newRequest(http.MethodGet, field)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if grown := int64(authtest.LiveHeap()) - int64(before); grown > 4<<20 {
		t.Errorf("the live heap has grown by %d KiB, want 4,096 at most", grown>>10)
	}
	runtime.KeepAlive(s)
}
