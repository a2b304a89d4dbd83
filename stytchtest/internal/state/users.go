package state

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth/stytch"
)

// DefaultRole is the role that every session of a consumer project has.
const DefaultRole = "stytch_user"

const (
	// hashRounds is far below what a stored password needs, because hashes are
	// not stored and tests should be fast.
	hashRounds = 1000

	// minPasswordLength is the minimum number of characters. It is an
	// assumption, because Stytch measures the strength of a password instead.
	minPasswordLength = 8
)

// NewUser describes a user to add. Its fields have the same meaning as those of
// stytchtest.User.
type NewUser struct {
	ID                string
	ExternalID        string
	Email             string
	Password          string
	Name              stytch.Name
	Roles             []string
	RequiresReset     bool
	TrustedMetadata   map[string]any
	UntrustedMetadata map[string]any
}

// users holds the users of a project.
type users struct {
	env     *environment
	byID    map[string]*user
	byEmail map[string]*user // by folded e-mail address
}

// A user is a user of the project.
type user struct {
	id, externalID     string
	name               stytch.Name
	email, emailID     string
	verified           bool     // whether the e-mail address is verified
	roles              []string // explicit roles
	passwordID         string   // empty if the user has no password
	password           hash
	mustReset          bool
	lock               lock
	trusted, untrusted Object
	createdAt          time.Time
}

// build returns a new user for add. It hashes the password, which is slow, so
// the caller must not hold a lock.
func (us *users) build(u NewUser, verified bool) *user {
	made := &user{
		id:         u.ID,
		externalID: u.ExternalID,
		name:       u.Name,
		email:      u.Email,
		verified:   verified,
		roles:      slices.Clone(u.Roles),
		trusted:    copyObject(u.TrustedMetadata),
		untrusted:  copyObject(u.UntrustedMetadata),
		createdAt:  us.env.now(),
		mustReset:  u.RequiresReset,
	}
	if made.id == "" {
		made.id = us.env.newID("user")
	}
	if made.email != "" {
		made.emailID = us.env.newID("email")
	}
	if u.Password != "" {
		made.passwordID, made.password = us.env.newID("password"), newHash(u.Password)
	}
	return made
}

// add adds a user. The id, external id and e-mail address must not be in use.
func (us *users) add(u *user) {
	us.byID[u.id] = u
	if u.email != "" {
		us.byEmail[fold(u.email)] = u
	}
}

// find returns the user with this id or external id, or nil.
func (us *users) find(id string) *user {
	if u := us.byID[id]; u != nil {
		return u
	}
	for _, u := range us.byID {
		if id != "" && u.externalID == id {
			return u
		}
	}
	return nil
}

// findEmail returns the user with this e-mail address, or nil.
func (us *users) findEmail(email string) *user { return us.byEmail[fold(email)] }

// fold returns the same string for all spellings of an e-mail address. That
// Stytch ignores letter case is an assumption.
func fold(email string) string { return strings.ToLower(email) }

// admit decides a sign-in by password and counts it. If the e-mail address is
// unknown, u is nil. A correct password that must be reset neither counts as
// wrong nor resets the count. This is an assumption.
func (us *users) admit(u *user, correct bool) error {
	switch {
	case u == nil:
		return ErrEmailNotFound
	case u.passwordID == "":
		return ErrNoUserPassword
	case u.lock.holds(us.env.now()):
		return ErrUserLocked
	case !correct:
		u.lock.fail(us.env)
		return ErrUnauthorizedCredentials
	case u.mustReset:
		return ErrResetPassword
	}
	u.lock = lock{}
	return nil
}

// allRoles returns the roles of the user's sessions without duplicates: the
// default role and the explicit roles.
func (u *user) allRoles() []string {
	all := []string{DefaultRole}
	for _, role := range u.roles {
		if !slices.Contains(all, role) {
			all = append(all, role)
		}
	}
	return all
}

// object returns the user in the form of the API at a given time, with every
// member that the API documents.
// See https://stytch.com/docs/api/user-object.
func (u *user) object(at time.Time) Object {
	emails := []Object{}
	if u.email != "" {
		emails = append(emails, Object{"email_id": u.emailID, "email": u.email, "verified": u.verified})
	}
	var shown lock // the zero lock if the user is not locked
	if u.lock.holds(at) {
		shown = u.lock
	}
	return Object{
		"user_id": u.id,
		"status":  "active",
		"name": Object{
			"first_name":  u.name.FirstName,
			"middle_name": u.name.MiddleName,
			"last_name":   u.name.LastName,
		},
		"emails":                  emails,
		"phone_numbers":           []Object{},
		"webauthn_registrations":  []Object{},
		"providers":               []Object{},
		"totps":                   []Object{},
		"crypto_wallets":          []Object{},
		"biometric_registrations": []Object{},
		"roles":                   u.allRoles(),
		"password":                u.passwordObject(),
		"external_id":             stringOrNull(u.externalID),
		"trusted_metadata":        copyObject(u.trusted),
		"untrusted_metadata":      copyObject(u.untrusted),
		"created_at":              timestamp(u.createdAt),
		"is_locked":               u.lock.holds(at),
		"lock_created_at":         timestampOrNull(shown.created),
		"lock_expires_at":         timestampOrNull(shown.expires),
	}
}

func (u *user) passwordObject() Object {
	if u.passwordID == "" {
		return nil
	}
	return Object{"password_id": u.passwordID, "requires_reset": u.mustReset}
}

// A lock counts the wrong passwords of a user and locks the user after too
// many.
type lock struct {
	failures         int // consecutive failures
	created, expires time.Time
}

// holds reports whether the user is locked at a given time.
func (l *lock) holds(at time.Time) bool { return at.Before(l.expires) }

// fail counts a wrong password. The call that reaches the threshold still
// reports a wrong password, and the next one reports the lock. This is an
// assumption.
func (l *lock) fail(env *environment) {
	settings := env.settings()
	l.failures++
	if settings.LockThreshold > 0 && l.failures >= settings.LockThreshold {
		at := env.now()
		*l = lock{created: at, expires: at.Add(settings.LockDuration)}
	}
}

// A hash is a salted hash of a password. The zero hash matches no password, but
// the comparison takes the same time.
type hash struct {
	salt [16]byte
	key  []byte
}

func newHash(password string) hash {
	var h hash
	_, _ = rand.Read(h.salt[:]) // rand.Read never returns an error
	h.key = h.derive(password)
	return h
}

func (h hash) derive(password string) []byte {
	key, err := pbkdf2.Key(sha256.New, password, h.salt[:], hashRounds, sha256.Size)
	if err != nil {
		panic("stytchtest: cannot hash a password: " + err.Error())
	}
	return key
}

func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.key, h.derive(password)) == 1
}

func strong(password string) bool { return utf8.RuneCountInString(password) >= minPasswordLength }
