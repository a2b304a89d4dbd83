package stytchtest

import (
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Stytch's test environment has values that always give the same answer.
// See https://stytch.com/docs/guides/testing/sandbox-values. The token that
// gives session_not_found, 59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw, needs
// no line here: it is unknown like any other.
const (
	sandboxToken  = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"
	sandboxEmail  = "sandbox@stytch.com"
	sandboxUserID = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd"

	// The further ids are guesses, but they stay the same.
	sandboxSessionID  = "session-test-fe6c042b-6286-479f-8a4f-b046a6c46509"
	sandboxEmailID    = "email-test-81bf03a8-86e1-4d95-bd44-bb3495224953"
	sandboxPasswordID = "password-test-15bf9e31-8b8d-4b37-a5a1-2a2c5e1d6c0b"
)

var sandboxStart = time.Date(2021, 8, 28, 0, 41, 58, 935673000, time.UTC)

// hasSandbox reports whether the sandbox values are known: only in a test
// project.
func (s *Server) hasSandbox() bool { return s.env() == "test" }

func (s *Server) isSandbox(email string) bool { return s.hasSandbox() && fold(email) == sandboxEmail }

func sandboxUser() *user {
	return &user{
		id:    sandboxUserID,
		name:  stytch.Name{FirstName: "Sandbox", LastName: "User"},
		email: sandboxEmail, emailID: sandboxEmailID, verified: true,
		passwordID: sandboxPasswordID,
		createdAt:  sandboxStart,
	}
}

// sandboxSession makes the sandbox session anew each time: what a call changes
// in it is gone with the call. That it ends an hour from now is a guess.
func sandboxSession(at time.Time) *session {
	return &session{
		id: sandboxSessionID, token: sandboxToken, user: sandboxUser(),
		startedAt: sandboxStart, accessedAt: at, expiresAt: at.Add(defaultSessionDuration),
		factors: []factor{passwordFactor(sandboxStart)},
		bare:    true,
	}
}

// sandboxSignIn answers calls with the sandbox address, whatever the password.
func (s *Server) sandboxSignIn(f sessionFields) object {
	var sess *session
	if f.minutes != 0 || f.token != "" || f.jwt != "" {
		sess = sandboxSession(s.now())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signedIn(sandboxUser(), sess)
}
