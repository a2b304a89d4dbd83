package sessionauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Requests with the signed-out token cost no call, and are a reason to try again
// all the same: there may be no others.
func TestASignOutReachesStytchWithoutOtherTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.Want(s.Get(bearer(s.Session.Token)), 200)
		s.SetFault(pathRevoke, status(503))
		if err := s.Auth.SignOut(t.Context(), sessionauth.Credential{Token: s.Session.Token}); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrUnavailable)
		}
		s.SetFault(pathRevoke, stytchtest.Fault{})
		for range 3 {
			time.Sleep(10 * time.Second)
			s.Want(s.Get(bearer(s.Session.Token)), 401)
			synctest.Wait()
		}
		s.WantCalls(pathAuthenticate, 1)
		s.WantCalls(pathRevoke, 2)
		wantElsewhere(s, s.Session.Token, sessionauth.ErrInvalidSession)
	})
}

// wantElsewhere checks what another process decides about a token.
func wantElsewhere(s *stage, token string, want error) {
	s.T.Helper()
	other, err := sessionauth.New(s.Config)
	if err != nil {
		s.T.Fatal(err)
	}
	if _, err := other.Verify(s.T.Context(), sessionauth.Credential{Token: token}); !errors.Is(err, want) {
		s.T.Errorf("got %v in another process, want %v", err, want)
	}
}

// A session id that Stytch never confirms must not keep the others waiting.
func TestARevocationThatIsNeverConfirmedStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		busy := s.SignIn(stytchtest.SessionOptions{})
		s.Tap(pathRevoke, func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(body), "poison") {
				return authtest.Reply(400, `{"status_code":400,"error_type":"bad_request","request_id":"r","error_message":"m"}`), nil
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			return stytch.RoundTrip(r)
		})
		if err := s.Auth.Revoke(t.Context(), "session-poison"); err == nil {
			t.Error("got no error, want one")
		}
		s.SetFault(pathAuthenticate, status(503))
		if err := s.Auth.SignOut(t.Context(), sessionauth.Credential{Token: s.Session.Token}); !errors.Is(err, sessionauth.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessionauth.ErrUnavailable)
		}
		s.SetFault(pathAuthenticate, stytchtest.Fault{})
		time.Sleep(time.Minute)
		s.Want(s.Get(bearer(busy.Token)), 200)
		synctest.Wait()
		wantElsewhere(s, s.Session.Token, sessionauth.ErrInvalidSession)
	})
}

// Of two credentials one could be kept and one not: the caller must hear of that.
func TestSignOutSaysWhatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if err := s.Auth.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := s.SignIn(stytchtest.SessionOptions{}).JWT
		s.SetFault("", status(503))
		for i := range 1024 { // a stranger fills what there is room for
			_ = s.Auth.SignOut(t.Context(), sessionauth.Credential{Token: fmt.Sprintf("%s%06d", inventedToken, i)})
		}
		repeated, err := s.Auth.Credential(newRequest("POST", bothCookies(s.Session.Token, other)+"; stytch_session_jwt="+s.Session.JWT))
		if err != nil {
			t.Fatal(err)
		}
		for name, cred := range map[string]sessionauth.Credential{
			"alone": {Token: s.Session.Token}, "with a JWT of another session": {Token: s.Session.Token, JWT: other}, "repeated": repeated,
		} {
			err := s.Auth.SignOut(t.Context(), cred)
			var e *sessionauth.Error
			if !errors.As(err, &e) || e.Reason != sessionauth.ReasonNotKept {
				t.Errorf("%s: got %v, want %s", name, err, sessionauth.ReasonNotKept)
			}
		}
	})
}

// An error is the caller's to keep and change.
func TestErrorsAreTheCallersOwn(t *testing.T) {
	s := newStage(t)
	malformed := "Authorization: Bearer ==="
	crossOrigin := func() *http.Request {
		return newRequest("POST", tokenCookie(s.Session.Token), "Sec-Fetch-Site: cross-site")
	}
	for name, get := range map[string]func() error{
		"Credential": func() error { _, err := s.Auth.Credential(newRequest("GET", malformed)); return err },
		"FromBearer": func() error {
			_, err := sessionauth.FromBearer(newRequest("GET", "Authorization: Bearer "))
			return err
		},
		"CheckOrigin": func() error { return s.Auth.CheckOrigin(crossOrigin()) },
	} {
		var e *sessionauth.Error
		if !errors.As(get(), &e) {
			t.Fatalf("%s: got no *Error", name)
		}
		e.Kind, e.Status = sessionauth.ErrUnavailable, 422
	}
	s.Want(s.Get(malformed), 400)
	s.Want(s.Get("Authorization: Bearer "), 400)
	s.Want(s.Do(crossOrigin()), 403)
}

// What a custom Extractor finds is judged alike by whoever asks.
func TestAHeadersSyntaxIsTheJWTs(t *testing.T) {
	var found sessionauth.Credential
	s := newStage(t, func(c *sessionauth.Config) {
		c.Extractor = func(*http.Request) (sessionauth.Credential, error) { return found, nil }
	})
	for _, row := range []struct {
		name string
		cred sessionauth.Credential
		want int
	}{
		{"a good JWT and no token at all", sessionauth.Credential{JWT: s.Session.JWT, Token: "a b c", Header: true}, 200},
		{"a token with blanks", sessionauth.Credential{Token: "a b c", Header: true}, 400},
		{"a JWT with blanks", sessionauth.Credential{JWT: "e a.b.c", Header: true}, 400},
		{"a JWT with blanks and a good token", sessionauth.Credential{JWT: "e a.b.c", Token: s.Session.Token, Header: true}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			found = row.cred
			if _, err := s.Auth.Credential(newRequest("GET")); (err != nil) != (row.want == 400) {
				t.Errorf("got %v of Credential, want what Require does: %d", err, row.want)
			}
			if got := s.Get().StatusCode; got != row.want {
				t.Errorf("got status %d, want %d", got, row.want)
			}
		})
	}
}
