package login_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestLogout_WhileStytchIsDown(t *testing.T) {
	faults := map[string]stytchtest.Fault{
		"500": {Status: 500}, "429": {Status: 429}, "refused": stytchtest.Refuse(), "silence": stytchtest.Hang(), "HTML": stytchtest.HTML(200),
		"404 of a proxy": stytchtest.HTML(404), "secret refused": {Status: 401, ErrorType: "unauthorized_credentials"},
	}
	for name, hold := range held {
		for faultName, fault := range faults {
			t.Run(name+" "+faultName, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var events []sessionauth.Event
					s := newEnv(t, observe(&events))
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					bob := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
					s.want(s.other().get("/me", bearer(bob.JWT)), 200) // fetches the key set and loads Bob
					hold(s, s.browser, session)
					token, jwt := s.cookie(tokenName), s.cookie(jwtName)
					s.SetFault(pathAuthenticate, fault)
					s.SetFault(pathRevoke, fault)
					resp := s.postJSON("/logout", "")
					s.want(resp, 202)
					s.wantCleared(s.browser, resp)
					if got := strings.TrimSpace(peek(resp)); got != `{"status":"revocation pending"}` || resp.Header.Get("Content-Type") != "application/json" {
						t.Errorf("got %q as %q", got, resp.Header.Get("Content-Type"))
					}
					b := s.other()
					b.hold(token, jwt)
					s.want(b.get("/me"), 401) // this process denies the session
					s.want(s.other().get("/me", bearer(bob.JWT)), 200)
					if last := events[len(events)-1]; last.PendingRevocations == 0 {
						t.Error("got no pending revocation, want one")
					}

					// Stytch is available again, and a call for another user succeeds.
					s.SetFault(pathAuthenticate, stytchtest.Fault{})
					s.SetFault(pathRevoke, stytchtest.Fault{})
					s.wantAlive(session.Token, true)
					s.want(b.get("/me"), 401)
					s.passing(bob)
					s.wantAlive(session.Token, false)
					s.want(b.get("/me"), 401)
					s.want(s.other().get("/me", bearer(s.JWT(session.ID))), 401)
					s.passing(bob)
					if last := events[len(events)-1]; last.PendingRevocations != 0 {
						t.Errorf("got %d pending revocations, want none", last.PendingRevocations)
					}
				})
			})
		}
	}
}

// passing makes calls for another user for longer than a pause or an open circuit breaker lasts.
func (s *env) passing(who stytchtest.Session) {
	s.T.Helper()
	for range 3 {
		time.Sleep(61 * time.Second)
		s.want(s.other().get("/me", bearer(s.JWT(who.ID))), 200)
		synctest.Wait()
	}
}

func TestLogout_RetriesUntilConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		bob := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
		s.hold("", session.JWT)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 503}.For(3))
		s.want(s.postJSON("/logout", ""), 202)
		for range 4 {
			s.want(s.postJSON("/logout", "", "Cookie: none=1"), 204) // the cookie belongs to no session
			time.Sleep(time.Minute)
			s.want(s.other().get("/me", bearer(s.JWT(bob.ID))), 200) // loads the user again
			synctest.Wait()
		}
		s.wantAlive(session.Token, false)
		s.WantCalls(pathRevoke, 4)
	})
}

func TestLogout_OutlastsTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{Duration: 48 * time.Hour})
		s.want(s.get("/me", bearer(session.JWT)), 200)
		s.hold("", session.JWT)
		s.SetFault(pathRevoke, stytchtest.Fault{Status: 500})
		s.want(s.postJSON("/logout", ""), 202)
		for range 24 {
			time.Sleep(time.Hour)
			s.want(s.other().get("/me", bearer(s.JWT(session.ID))), 401)
			s.want(s.other().get("/me", bearer(session.Token)), 401)
		}
	})
}

// Stytch is available, but there is no place for the call about an unverified token, and the token
// is not denied. The browser must try again, so it keeps its cookies.
func TestLogout_ClassOfUnverifiedTokensIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.MaxInFlight = 4 }) // unverified tokens have one place
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold(session.Token, "")
		s.SetFault(pathAuthenticate, stytchtest.Fault{Delay: 2 * time.Second})
		go s.other().get("/me", bearer(inventedToken))
		time.Sleep(time.Second)
		resp := s.postJSON("/logout", "")
		s.wantProblem(resp, 503, "unavailable")
		s.wantUntouched(resp)
		time.Sleep(2 * time.Second)
		s.want(s.postJSON("/logout", ""), 204)
		s.wantAlive(session.Token, false)
	})
}

// The cache still knows the session of the token, although the entry of the token has expired. The
// sign-out can therefore deny the session.
func TestLogout_TokenSeenBeforeTheOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	for _, flood := range []int{0, 50_100} { // number of invented tokens that are signed out too
		t.Run(fmt.Sprint(flood), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, "")
				s.want(s.get("/me"), 200)
				s.want(s.other().get("/me", bearer(s.JWT(session.ID))), 200)
				time.Sleep(2 * time.Minute)
				jwt := s.JWT(session.ID)
				s.SetFault(pathAuthenticate, stytchtest.Fault{Status: 503})
				s.SetFault(pathRevoke, stytchtest.Fault{Status: 503})
				for i := range flood {
					want := 202
					if i >= 50_000 {
						want = 503 // there is no place for the call, and the denylist has no room for the token
					}
					s.want(s.other().postJSON("/logout", "", fmt.Sprintf("Cookie: stytch_session=%s%06d", inventedToken, i)), want)
				}
				s.want(s.postJSON("/logout", ""), 202)
				s.want(s.other().get("/me", bearer(jwt)), 401)
				s.SetFault(pathAuthenticate, stytchtest.Fault{})
				time.Sleep(10 * time.Second) // the circuit breaker closes
				s.want(s.other().get("/me", bearer(session.Token)), 401)
			})
		})
	}
}

// The JWT identifies the session. The session is denied although there is no place for a call.
func TestLogout_NoPlaceForACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t, func(c *setup) { c.auth.MaxInFlight = 4 })
		session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
		s.hold("", session.JWT)
		s.want(s.get("/me"), 200)
		s.SetFault(pathRevoke, stytchtest.Fault{Delay: 2 * time.Second})
		for range 2 { // these calls use all places that the sign-out could use
			go s.Auth.Revoke(t.Context(), s.StartSession(s.bob.ID, stytchtest.SessionOptions{}).ID)
		}
		time.Sleep(time.Second)
		s.want(s.postJSON("/logout", ""), 202)
		s.want(s.other().get("/me", bearer(session.JWT)), 401)
		time.Sleep(2 * time.Second)
		s.want(s.other().get("/me", bearer(s.StartSession(s.bob.ID, stytchtest.SessionOptions{}).Token)), 200)
		time.Sleep(10 * time.Second)
		s.wantAlive(session.Token, false)
	})
}
