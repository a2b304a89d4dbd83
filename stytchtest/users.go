package stytchtest

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// defaultRole is carried by every session of a consumer project.
const defaultRole = "stytch_user"

// User is what AddUser makes a user of. Every field may be left zero.
type User struct {
	ID         string // if empty, a random "user-test-<uuid>"
	ExternalID string // the app's own id, good wherever a user id is; if empty, there is none
	Email      string // counts as verified; letter case does not matter; if empty, there is none
	Password   string // of any strength; if empty, the user has none
	Name       stytch.Name
	Roles      []string // explicit roles, beside the default "stytch_user"; see SetRoles

	// RequiresReset has the right password answered with reset_password: it was
	// found in a breach, or the user has signed in without one since.
	RequiresReset bool

	TrustedMetadata   map[string]any // if nil, {}
	UntrustedMetadata map[string]any // if nil, {}
}

// Format prints no password.
func (User) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "stytchtest.User{redacted}") }

// MarshalJSON writes no password.
func (User) MarshalJSON() ([]byte, error) { return []byte(`"stytchtest.User{redacted}"`), nil }

// AddUser adds an active user and returns it as GET /v1/users/{user_id} does.
// An id, external id or e-mail address that is taken already panics: it is a
// mistake in the test. The password is hashed.
func (s *Server) AddUser(u User) stytch.User {
	added := s.newUser(u, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken(added) {
		panic("stytchtest: a user with this id, external id or e-mail address exists")
	}
	s.keep(added)
	var answer stytch.User
	if err := decode(mustEncode(added.object(added.createdAt)), &answer); err != nil {
		panic("stytchtest: stytch.User does not take a user as the API shows it: " + err.Error())
	}
	return answer
}

// A user is a user as the server keeps it.
type user struct {
	id, externalID     string
	name               stytch.Name
	email, emailID     string
	verified           bool
	roles              []string // explicit
	passwordID         string   // empty if the user has no password
	password           hash
	mustReset          bool
	lock               lock
	trusted, untrusted object
	createdAt          time.Time
}

func (s *Server) newUser(u User, verified bool) *user {
	made := &user{
		id:         u.ID,
		externalID: u.ExternalID,
		name:       u.Name,
		email:      u.Email,
		verified:   verified,
		roles:      slices.Clone(u.Roles),
		trusted:    copyObject(u.TrustedMetadata),
		untrusted:  copyObject(u.UntrustedMetadata),
		createdAt:  s.now(),
		mustReset:  u.RequiresReset,
	}
	if made.id == "" {
		made.id = s.newID("user")
	}
	if made.email != "" {
		made.emailID = s.newID("email")
	}
	if u.Password != "" {
		made.passwordID, made.password = s.newID("password"), newHash(u.Password)
	}
	return made
}

// taken reports whether another user has one of u's names. s.mu is held.
func (s *Server) taken(u *user) bool {
	return s.findUser(u.id) != nil || s.findUser(u.externalID) != nil ||
		s.emails[fold(u.email)] != nil || s.isSandbox(u.email)
}

// keep adds a user whose names are not taken. s.mu is held.
func (s *Server) keep(u *user) {
	s.users[u.id] = u
	if u.email != "" {
		s.emails[fold(u.email)] = u
	}
}

// findUser finds a user by id or external id, or returns nil. s.mu is held.
func (s *Server) findUser(id string) *user {
	if u := s.users[id]; u != nil {
		return u
	}
	if id == sandboxUserID && s.hasSandbox() {
		return sandboxUser()
	}
	for _, u := range s.users {
		if id != "" && u.externalID == id {
			return u
		}
	}
	return nil
}

// mustUser is findUser for the test's side of the server. s.mu is held.
func (s *Server) mustUser(id string) *user {
	u := s.findUser(id)
	if u == nil {
		panic("stytchtest: no user has the id " + strconv.Quote(id))
	}
	return u
}

// SetRoles replaces the explicit roles of a user, by id or external id: the
// next JWT and the next answer of every session of the user's carry these, and
// "stytch_user". Without roles it takes all away. An unknown user panics.
func (s *Server) SetRoles(userID string, roles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustUser(userID)
	if u.id == sandboxUserID {
		panic("stytchtest: the sandbox user always stays the same")
	}
	u.roles = slices.Clone(roles)
}

// getUser answers GET /v1/users/{user_id}: the user's members stand at the top
// of the body. See https://stytch.com/docs/api/get-user.
func (s *Server) getUser(c *call) (object, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.findUser(c.PathValue("user_id"))
	if u == nil {
		return nil, errUserNotFound
	}
	return u.object(s.now()), nil
}

// allRoles are the roles of the user's sessions: the default one and the
// explicit ones, each once.
func (u *user) allRoles() []string {
	all := []string{defaultRole}
	for _, role := range u.roles {
		if !slices.Contains(all, role) {
			all = append(all, role)
		}
	}
	return all
}

// object shows the user, at a time, with every member that the API documents.
// See https://stytch.com/docs/api/user-object.
func (u *user) object(at time.Time) object {
	emails := []object{}
	if u.email != "" {
		emails = append(emails, object{"email_id": u.emailID, "email": u.email, "verified": u.verified})
	}
	var lock lock // the one that holds
	if u.lock.holds(at) {
		lock = u.lock
	}
	return object{
		"user_id": u.id,
		"status":  "active",
		"name": object{
			"first_name":  u.name.FirstName,
			"middle_name": u.name.MiddleName,
			"last_name":   u.name.LastName,
		},
		"emails":                  emails,
		"phone_numbers":           []object{},
		"webauthn_registrations":  []object{},
		"providers":               []object{},
		"totps":                   []object{},
		"crypto_wallets":          []object{},
		"biometric_registrations": []object{},
		"roles":                   u.allRoles(),
		"password":                u.passwordObject(),
		"external_id":             orNull(u.externalID),
		"trusted_metadata":        copyObject(u.trusted),
		"untrusted_metadata":      copyObject(u.untrusted),
		"created_at":              timestamp(u.createdAt),
		"is_locked":               u.lock.holds(at),
		"lock_created_at":         timestampOrNull(lock.created),
		"lock_expires_at":         timestampOrNull(lock.expires),
	}
}

func (u *user) passwordObject() object {
	if u.passwordID == "" {
		return nil
	}
	return object{"password_id": u.passwordID, "requires_reset": u.mustReset}
}

func timestampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timestamp(t)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// fold makes e-mail addresses comparable. That Stytch ignores the case of
// letters is a guess.
func fold(email string) string { return strings.ToLower(email) }
