package sessionjwt_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// env is an in-memory Stytch server with a user and a session, and a verifier for
// its project.
type env struct {
	*stytchtest.Server
	t        *testing.T
	session  stytchtest.Session
	verifier *sessionjwt.Verifier
	keys     *source
}

func newEnv(t *testing.T) *env {
	e := &env{Server: stytchtest.NewServer(), t: t, keys: &source{}}
	e.session = e.StartSession(e.AddUser(stytchtest.User{}).ID, stytchtest.SessionOptions{})
	e.keys.serve(keySetOf(e.jwk()))
	e.verifier = &sessionjwt.Verifier{
		Issuers: []string{"stytch.com/" + e.ProjectID}, Audience: e.ProjectID, Keys: sessionjwt.NewKeySet(e.keys.fetch),
	}
	return e
}

func (e *env) verify(token string) (*sessionjwt.Token, error) {
	return e.verifier.Verify(e.t.Context(), token)
}

// want verifies a token. It fails the test unless the result, as resultOf returns it, is want.
func (e *env) want(token, want string) *sessionjwt.Token {
	e.t.Helper()
	got, err := e.verify(token)
	if resultOf(err) != want {
		e.t.Errorf("got %s, want %s", resultOf(err), want)
	}
	if (got == nil) != (err != nil) {
		e.t.Errorf("got token %v and error %v, want exactly one of them", got, err)
	}
	return got
}

// wantRetry fails the test unless Verify returns an *UnavailableError with this
// RetryAfter.
func (e *env) wantRetry(token string, want time.Duration) {
	e.t.Helper()
	_, err := e.verify(token)
	var unavailable *sessionjwt.UnavailableError
	if !errors.As(err, &unavailable) {
		e.t.Errorf("got %s, want unavailable", resultOf(err))
	} else if unavailable.RetryAfter != want {
		e.t.Errorf("got RetryAfter %v, want %v", unavailable.RetryAfter, want)
	}
}

func (e *env) wantTrust(token *sessionjwt.Token, want bool) {
	e.t.Helper()
	if got := e.verifier.Trusts(token, time.Now()); got != want {
		e.t.Errorf("got trusted %t, want %t", got, want)
	}
}

// valid returns a valid token.
func (e *env) valid() string { return e.JWT(e.session.ID) }

// unknown returns a token that was issued some time ago and has an unknown key id.
func (e *env) unknown(ago time.Duration) string {
	header, claims := e.Header(), e.Claims(e.session.ID)
	header["kid"] = "unknown"
	claims["iat"] = time.Now().Add(-ago).Unix()
	return e.Sign(asJSON(header), asJSON(claims))
}

func (e *env) header() []byte { return asJSON(e.Header()) }
func (e *env) claims() []byte { return asJSON(e.Claims(e.session.ID)) }

// jwk returns the current public key as a JWK.
func (e *env) jwk() string { return jwkOf(e.KeyID(), &e.Key().PublicKey) }

func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// source is the server side of a key set.
type source struct {
	mu       sync.Mutex
	calls    int
	document string
	err      error
	delay    time.Duration
}

func (s *source) serve(document string) { s.set(func() { s.document, s.err = document, nil }) }
func (s *source) fail(err error)        { s.set(func() { s.err = err }) }
func (s *source) slow(d time.Duration)  { s.set(func() { s.delay = d }) }
func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *source) fetch(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	s.calls++
	document, err, delay := s.document, s.err, s.delay
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []byte(document), err
}

func (s *source) wantCalls(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != n {
		t.Errorf("got %d fetches, want %d", s.calls, n)
	}
}

var errDown = errors.New("down")

// reasonOf returns the reason of a *RefusedError, and "" for other errors.
func reasonOf(err error) sessionjwt.Reason {
	var r *sessionjwt.RefusedError
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// resultOf returns "ok" for nil, the reason of a *RefusedError, "unavailable" for an
// *UnavailableError, and the text of any other error.
func resultOf(err error) string {
	var unavailable *sessionjwt.UnavailableError
	switch {
	case err == nil:
		return "ok"
	case reasonOf(err) != "":
		return string(reasonOf(err))
	case errors.As(err, &unavailable):
		return "unavailable"
	}
	return err.Error()
}

// testKeys returns three RSA keys of 2048 bits. It does not generate them, because that is slow.
func testKeys() []*rsa.PublicKey {
	srv := stytchtest.NewServer()
	keys := []*rsa.PublicKey{&srv.Key().PublicKey}
	for range 2 {
		srv.RotateKeys()
		keys = append(keys, &srv.Key().PublicKey)
	}
	return keys
}

func jwkOf(kid string, key *rsa.PublicKey) string {
	return jwkWith(kid, key.N, big.NewInt(int64(key.E)), `"alg":"RS256","use":"sig","key_ops":["verify"],`)
}

func jwkWith(kid string, n, e *big.Int, members string) string {
	return fmt.Sprintf(`{"kty":"RSA",%s"kid":%s,"n":"%s","e":"%s"}`, members, asJSON(kid), b64(n.Bytes()), b64(e.Bytes()))
}

func keySetOf(jwks ...string) string { return `{"keys":[` + strings.Join(jwks, ",") + `]}` }

// parseKeySet returns the usable keys of a JWK Set.
func parseKeySet(document []byte) (map[string]*rsa.PublicKey, error) {
	set := sessionjwt.NewKeySet(func(context.Context) ([]byte, error) { return document, nil })
	if err := set.Load(context.Background()); err != nil {
		return nil, err
	}
	return set.Latest().Value, nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

const (
	fixedProject = "project-test-1"
	fixedHeader  = `{"alg":"RS256","kid":"k","typ":"JWT"}`
	fixedClaims  = `{"aud":["project-test-1"],"exp":1762944049,"https://stytch.com/session":{"id":"session-test-1",` +
		`"started_at":"2025-11-12T10:35:49Z","last_accessed_at":"2025-11-12T10:35:49Z","expires_at":"2025-11-12T14:35:49Z",` +
		`"attributes":{"user_agent":"","ip_address":""},"authentication_factors":[{"type":"password","delivery_method":"knowledge",` +
		`"last_authenticated_at":"2025-11-12T10:35:49Z"}],"roles":["stytch_user","admin"]},"iat":1762943749,` +
		`"iss":"stytch.com/project-test-1","nbf":1762943749,"sub":"user-test-1","email":"a@example.com"}`
)

// fixedEnv verifies tokens of a project that has one key. The key has the ids "k" and longKeyID.
// fixedClaims have expired, but fixedEnv accepts them, because Verify ignores exp.
type fixedEnv struct {
	key      *rsa.PrivateKey
	verifier *sessionjwt.Verifier
}

var longKeyID = strings.Repeat("k", 256)

func newFixedEnv() *fixedEnv {
	key := stytchtest.NewServer().Key()
	keySet := []byte(keySetOf(jwkOf("k", &key.PublicKey), jwkOf(longKeyID, &key.PublicKey)))
	e := &fixedEnv{key, &sessionjwt.Verifier{
		Issuers: []string{"stytch.com/" + fixedProject}, Audience: fixedProject,
		Keys: sessionjwt.NewKeySet(func(context.Context) ([]byte, error) { return keySet, nil }),
	}}
	if err := e.verifier.Keys.Load(context.Background()); err != nil {
		panic(err)
	}
	return e
}

func (e *fixedEnv) sign(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, e.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(signature)
}

// want is like env.want.
func (e *fixedEnv) want(t *testing.T, token, want string) *sessionjwt.Token {
	t.Helper()
	got, err := e.verifier.Verify(t.Context(), token)
	if resultOf(err) != want {
		t.Errorf("got %s, want %s", resultOf(err), want)
	}
	if (got == nil) != (err != nil) {
		t.Errorf("got token %v and error %v, want exactly one of them", got, err)
	}
	return got
}
