package stytchtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestServer_SetClock(t *testing.T) {
	for _, tt := range []struct {
		name      string
		offset    time.Duration
		wantStart string
	}{
		{"ahead", 2 * time.Minute, `"2000-01-01T00:02:00Z"`},
		{"behind", -2 * time.Minute, `"1999-12-31T23:58:00Z"`},
		{"by less than a second", -time.Millisecond, `"1999-12-31T23:59:59Z"`},
		{"correct", 0, `"2000-01-01T00:00:00Z"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := stytchtest.NewServer()
				srv.SetClock(tt.offset)
				user := srv.AddUser(stytchtest.User{Email: email, Password: password})
				session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
				want := time.Now().Add(tt.offset).Unix()
				_, claims := split(t, session.JWT)
				if claims["iat"] != float64(want) || claims["nbf"] != float64(want) || claims["exp"] != float64(want+300) {
					t.Errorf("got iat %v, nbf %v and exp %v, want %d, and 300 more", claims["iat"], claims["nbf"], claims["exp"], want)
				}
				a := post(t, srv, authenticatePath, `{"session_token":"`+session.Token+`"}`)
				a.want(t, 200, "")
				equal(t, "start", a.at("session", "started_at"), tt.wantStart)
				equal(t, "access", a.at("session", "last_accessed_at"), tt.wantStart)
				equal(t, "factor", a.at("session", "authentication_factors", 0, "last_authenticated_at"), tt.wantStart)
				equal(t, "user", a.at("user", "created_at"), tt.wantStart)
			})
		})
	}
}

func TestServer_SetClock_EndsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _, session := setup(t)
		body := `{"session_token":"` + session.Token + `"}`
		srv.SetClock(time.Hour - time.Nanosecond)
		post(t, srv, authenticatePath, body).want(t, 200, "")
		srv.SetClock(time.Hour)
		post(t, srv, authenticatePath, body).want(t, 404, "session_not_found")
		srv.SetClock(-time.Hour)
		post(t, srv, authenticatePath, body).want(t, 200, "")
		time.Sleep(90 * time.Minute)
		post(t, srv, authenticatePath, body).want(t, 200, "")
		srv.SetClock(0)
		post(t, srv, authenticatePath, body).want(t, 404, "session_not_found")
	})
}
