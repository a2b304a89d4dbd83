package attacktest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestTenThousandBadJWTsCostNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t)
		other := stytchtest.NewServer()
		other.ProjectID, other.Issuer = "project-test-00000000-0000-4000-8000-000000000000", "stytch.com/"+s.ProjectID
		stranger := other.AddUser(stytchtest.User{}).ID
		good := s.Session.JWT
		bad := []func(i int) string{
			func(i int) string { return good[:len(good)-10] + fmt.Sprintf("%08dAA", i) }, // forged
			func(i int) string { return fmt.Sprintf("%s.%d.%s", good[:40], i, good) },    // malformed
			func(i int) string { return good[:20+i%len(good[20:])] },
			func(i int) string { return authtest.ForgedJWT(s.Header(), s.Claims(s.Session.ID)) },
		}
		for range 10 {
			foreign := other.StartSession(stranger, stytchtest.SessionOptions{}).JWT
			bad = append(bad, func(int) string { return foreign })
		}
		for i := range 10_000 {
			jwt := bad[i%len(bad)](i)
			resp := s.Get(authtest.JWTCookie(jwt))
			if resp.StatusCode != 401 {
				t.Fatalf("got status %d for %.60s…, want 401", resp.StatusCode, jwt)
			}
		}
		s.WantPassed(0, "")
		s.WantCalls(authtest.PathAuthenticate, 0)
		s.WantCalls(authtest.PathUser, 0)
		s.WantCalls(authtest.PathKeySet, 1)
		s.Want(s.Get(authtest.JWTCookie(good)), 200)
	})
}

func TestAThousandInventedKeysCostOneFetchInThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t)
		s.SetFault(authtest.PathKeySet, stytchtest.Fault{Delay: 50 * time.Millisecond})
		began := time.Now()
		fetches := []time.Duration{}
		s.Tap("/v1/sessions/jwks/", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			fetches = append(fetches, time.Since(began))
			return stytch.RoundTrip(r)
		})
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				header, claims := s.Header(), s.Claims(s.Session.ID)
				header["kid"] = fmt.Sprint("jwk-", i)
				sent := time.Now()
				if status := s.Get(authtest.Bearer(authtest.ForgedJWT(header, claims))).StatusCode; status != 401 && status != 503 {
					t.Errorf("got status %d, want 401 or 503", status)
				}
				if took := time.Since(sent); took > 50*time.Millisecond {
					t.Errorf("waited %v, want the fetch's 50ms at most", took)
				}
			})
			if i >= 500 { // the first half at once
				time.Sleep(200 * time.Millisecond)
			}
			if i == 700 {
				sent := time.Now()
				s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200)
				if took := time.Since(sent); took > 0 {
					t.Errorf("a good JWT waited %v", took)
				}
			}
		}
		wg.Wait()
		for i := 1; i < len(fetches); i++ {
			if gap := fetches[i] - fetches[i-1]; gap < 30*time.Second {
				t.Errorf("got two fetches %v apart, want 30s", gap)
			}
		}
		if len(fetches) != 4 {
			t.Errorf("got fetches at %v, want 4 in 100s", fetches)
		}
		s.WantCalls(authtest.PathAuthenticate, 0)
		s.WantPassed(1, s.Session.ID)
	})
}
