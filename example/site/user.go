package site

import (
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
)

// authorOf returns the signed-in user as an author. If the user was not loaded,
// the name is the user id.
func authorOf(id *sessionauth.Identity) author {
	if id.User == nil {
		return author{id.Session.UserID, id.Session.UserID}
	}
	return author{id.Session.UserID, nameOf(id.User)}
}

// nameOf returns the name of a user, or the id if the user has no name.
func nameOf(u *stytch.User) string {
	if name := strings.TrimSpace(u.Name.FirstName + " " + u.Name.LastName); name != "" {
		return name
	}
	return u.ID
}
