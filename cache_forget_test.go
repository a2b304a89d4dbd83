package sessionauth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestForgetDropsWhatIsCached(t *testing.T) {
	rows := []struct {
		name          string
		id            func(*stage) string
		session, user int // calls after it
	}{
		{"of a session, by its id", func(s *stage) string { return s.Session.ID }, 2, 1},
		{"of a user, by their id", func(s *stage) string { return s.Session.UserID }, 2, 2},
		{"of another session", func(*stage) string { return "session-test-other" }, 1, 1},
		{"of nobody", func(*stage) string { return "" }, 1, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				other := s.SignIn(stytchtest.SessionOptions{})
				s.Want(s.Get(bearer(s.Session.JWT)), 200)
				s.Want(s.Get(bearer(s.Session.Token)), 200)
				s.Want(s.Get(bearer(other.Token)), 200)
				s.WantCalls(pathUser, 1)
				s.WantCalls(pathAuthenticate, 2)
				s.Auth.Forget("session-test-1", row.id(s))
				s.Want(s.Get(bearer(s.Session.JWT)), 200) // forgotten is not refused
				s.WantCalls(pathUser, row.user)
				s.Want(s.Get(bearer(s.Session.Token)), 200)
				s.Want(s.Get(bearer(other.Token)), 200)
				s.WantCalls(pathAuthenticate, row.session+1)
			})
		})
	}
}

func TestForgetDropsTheAnswerAboutAnOldJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.Expire()
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		s.RevokeSession(s.Session.ID)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 200)
		s.Auth.Forget(s.Session.ID)
		s.Want(s.Get(jwtCookie(s.Session.JWT)), 401)
	})
}

func TestForgetMakesTheJWTBeVerifiedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, want := range []sessionauth.Decider{sessionauth.Local, sessionauth.Cache} {
			if id := s.Authenticate(bearer(s.Session.JWT)); id.DecidedBy != want {
				t.Errorf("got %s, want %s", id.DecidedBy, want)
			}
		}
		s.Auth.Forget(s.Session.UserID)
		if id := s.Authenticate(bearer(s.Session.JWT)); id.DecidedBy != sessionauth.Local {
			t.Errorf("got %s, want %s", id.DecidedBy, sessionauth.Local)
		}
	})
}

func TestWhatWasUnderWayAtAForgetIsNotKept(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				ask.Prepare(s)
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second))
				done := make(chan struct{})
				go func() {
					defer close(done)
					s.Want(s.Get(ask.Field(s)), 200) // it came before
				}()
				time.Sleep(500 * time.Millisecond)
				s.Auth.Forget(s.Session.UserID)
				s.Want(s.Get(ask.Field(s)), 200) // does not share the older call
				s.WantCalls(ask.Path, 2)
				<-done
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, 2) // the newer answer was kept
			})
		})
	}
}

func TestAnAnswerUnderWayAtAForgetIsLost(t *testing.T) {
	for _, ask := range authtest.NeedsCall {
		t.Run(ask.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				ask.Prepare(s)
				s.Tap(ask.Prefix, authtest.DelayAnswers(time.Second))
				time.AfterFunc(500*time.Millisecond, func() { s.Auth.Forget(s.Session.ID, s.Session.UserID) })
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, 1)
				s.Want(s.Get(ask.Field(s)), 200)
				s.WantCalls(ask.Path, 2)
			})
		})
	}
}
