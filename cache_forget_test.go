package sessionauth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestForgetDropsWhatIsCached(t *testing.T) {
	rows := []struct {
		name          string
		id            func(*stage) string
		session, user int // calls after it
	}{
		{"of a session, by its id", func(s *stage) string { return s.session.ID }, 2, 1},
		{"of a user, by their id", func(s *stage) string { return s.session.UserID }, 2, 2},
		{"of another session", func(*stage) string { return "session-test-other" }, 1, 1},
		{"of nobody", func(*stage) string { return "" }, 1, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				other := s.signIn(stytchtest.SessionOptions{})
				s.want(s.get(bearer(s.session.JWT)), 200)
				s.want(s.get(bearer(s.session.Token)), 200)
				s.want(s.get(bearer(other.Token)), 200)
				s.wantCalls(pathUser, 1)
				s.wantCalls(pathAuthenticate, 2)
				s.auth.Forget("session-test-1", row.id(s))
				s.want(s.get(bearer(s.session.JWT)), 200) // forgotten is not refused
				s.wantCalls(pathUser, row.user)
				s.want(s.get(bearer(s.session.Token)), 200)
				s.want(s.get(bearer(other.Token)), 200)
				s.wantCalls(pathAuthenticate, row.session+1)
			})
		})
	}
}

func TestForgetDropsTheAnswerAboutAnOldJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.expire()
		s.want(s.get(jwtCookie(s.session.JWT)), 200)
		s.RevokeSession(s.session.ID)
		s.want(s.get(jwtCookie(s.session.JWT)), 200)
		s.auth.Forget(s.session.ID)
		s.want(s.get(jwtCookie(s.session.JWT)), 401)
	})
}

func TestForgetMakesTheJWTBeVerifiedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for _, want := range []sessionauth.Decider{sessionauth.Local, sessionauth.Cache} {
			if id := s.mustDecide(bearer(s.session.JWT)); id.DecidedBy != want {
				t.Errorf("got %s, want %s", id.DecidedBy, want)
			}
		}
		s.auth.Forget(s.session.UserID)
		if id := s.mustDecide(bearer(s.session.JWT)); id.DecidedBy != sessionauth.Local {
			t.Errorf("got %s, want %s", id.DecidedBy, sessionauth.Local)
		}
	})
}

func TestWhatWasUnderWayAtAForgetIsNotKept(t *testing.T) {
	for _, ask := range asking {
		t.Run(ask.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				ask.prepare(s)
				s.tap(ask.prefix, lateAnswers(time.Second))
				done := make(chan struct{})
				go func() {
					defer close(done)
					s.want(s.get(ask.field(s)), 200) // it came before
				}()
				time.Sleep(500 * time.Millisecond)
				s.auth.Forget(s.session.UserID)
				s.want(s.get(ask.field(s)), 200) // does not share the older call
				s.wantCalls(ask.path, 2)
				<-done
				s.want(s.get(ask.field(s)), 200)
				s.wantCalls(ask.path, 2) // the newer answer was kept
			})
		})
	}
}

func TestAnAnswerUnderWayAtAForgetIsLost(t *testing.T) {
	for _, ask := range asking {
		t.Run(ask.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				ask.prepare(s)
				s.tap(ask.prefix, lateAnswers(time.Second))
				time.AfterFunc(500*time.Millisecond, func() { s.auth.Forget(s.session.ID, s.session.UserID) })
				s.want(s.get(ask.field(s)), 200)
				s.wantCalls(ask.path, 1)
				s.want(s.get(ask.field(s)), 200)
				s.wantCalls(ask.path, 2)
			})
		})
	}
}
