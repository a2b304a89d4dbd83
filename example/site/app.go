package site

import (
	"time"

	"github.com/sessionauth/sessionauth"
)

// An app holds what the handlers need. It has no access to credentials.
type app struct {
	auth     *sessionauth.Authenticator
	notes    *notebook
	fresh    time.Duration // maximum age of the password factor for deleting all notes
	accounts []account     // demo users for the sign-in page; empty with a real project
}

// An account is a demo user that the sign-in page lists.
type account struct{ Email, Password, CanDo string }
