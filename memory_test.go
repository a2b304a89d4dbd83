package sessionauth_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A mask is a text that is not to be found in memory because of the test itself.
type mask []byte

func masked(s string) mask {
	m := []byte(s)
	for i := range m {
		m[i] ^= 0x55
	}
	return m
}

func (m mask) isIn(dump []byte) bool { return bytes.Contains(dump, masked(string(m))) }

// Whoever reads the memory of a process can use no session it remembers: only
// digests of what is secret stay, and a JWT without its signature.
func TestNoCredentialStaysInMemory(t *testing.T) {
	auth, token, payload, signature := letOneIn(t)
	dump := heapDump(t)
	if !payload.isIn(dump) {
		t.Error("the payload of the JWT is not in the dump: this test sees nothing")
	}
	if signature.isIn(dump) {
		t.Error("the signature of the JWT stays in memory")
	}
	if token.isIn(dump) {
		t.Error("the token stays in memory")
	}
	runtime.KeepAlive(auth)
}

// letOneIn lets a session in by its JWT, then by its token, and forgets Stytch.
func letOneIn(t *testing.T) (auth *sessionauth.Authenticator, token, payload, signature mask) {
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
	for _, credential := range []string{session.JWT, session.Token, session.JWT, session.Token} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+credential)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("got %d, want 200", w.Code)
		}
	}
	segments := strings.Split(session.JWT, ".")
	srv.Store(nil)
	return auth, masked(session.Token), masked(segments[1]), masked(segments[2])
}

// heapDump returns the contents of what is alive.
func heapDump(t *testing.T) []byte {
	f, err := os.Create(t.TempDir() + "/heap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 { // what a sync.Pool holds outlives one
		runtime.GC()
	}
	debug.WriteHeapDump(f.Fd())
	dump, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return dump
}
