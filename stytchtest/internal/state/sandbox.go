package state

import (
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Stytch defines values with fixed responses in the test environment.
// See https://stytch.com/docs/guides/testing/sandbox-values.
// The token 59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw, whose response is
// session_not_found, needs no constant, because it is unknown here.
const (
	sandboxToken  = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"
	sandboxEmail  = "sandbox@stytch.com"
	sandboxUserID = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd"

	// These ids differ from those of Stytch. They are the same in every run.
	sandboxSessionID  = "session-test-fe6c042b-6286-479f-8a4f-b046a6c46509"
	sandboxEmailID    = "email-test-81bf03a8-86e1-4d95-bd44-bb3495224953"
	sandboxPasswordID = "password-test-15bf9e31-8b8d-4b37-a5a1-2a2c5e1d6c0b"
)

var sandboxStart = time.Date(2021, 8, 28, 0, 41, 58, 935673000, time.UTC)

// hasSandbox reports whether the project has the sandbox values, which only a
// test project has.
func (e *environment) hasSandbox() bool { return e.name() == "test" }

func (e *environment) isSandboxEmail(email string) bool {
	return e.hasSandbox() && fold(email) == sandboxEmail
}

func sandboxUser() *user {
	return &user{
		id:    sandboxUserID,
		name:  stytch.Name{FirstName: "Sandbox", LastName: "User"},
		email: sandboxEmail, emailID: sandboxEmailID, verified: true,
		passwordID: sandboxPasswordID,
		createdAt:  sandboxStart,
	}
}

// sandboxSession returns a new copy of the sandbox session, so that a call that
// changes it does not affect the next call. That it ends an hour from now is an
// assumption. At Stytch the session is known to have another id and another
// factor, a magic link, and cannot be revoked.
func sandboxSession(at time.Time) *session {
	return &session{
		id: sandboxSessionID, token: sandboxToken, user: sandboxUser(),
		startedAt: sandboxStart, accessedAt: at, expiresAt: at.Add(defaultSessionDuration),
		factors:      []factor{passwordFactor(sandboxStart)},
		noAttributes: true,
	}
}
