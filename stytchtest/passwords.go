package stytchtest

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/mail"
	"time"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth/stytch"
)

const (
	// hashRounds is far below what a stored password needs: nothing is stored,
	// and tests should not wait.
	hashRounds = 1000

	minPassword = 8 // characters; Stytch measures the strength itself
)

// authenticatePassword answers POST /v1/passwords/authenticate. Without
// session_duration_minutes and session it proves the password and no more.
// See https://stytch.com/docs/api/password-authenticate.
func (s *Server) authenticatePassword(c *call) (object, *failure) {
	email, password := c.emailAndPassword()
	f, fail := c.sessionFields(false)
	switch {
	case fail != nil:
		return nil, fail
	case !emailForm(email):
		return nil, errInvalidEmail
	case password == "":
		return nil, errBadRequest
	}
	if s.isSandbox(email) {
		return s.sandboxSignIn(f), nil
	}
	u, fail := s.checkPassword(email, password)
	if fail != nil {
		return nil, fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signIn(u, f)
}

// createPassword answers POST /v1/passwords: a new user with an address that is
// not verified. See https://stytch.com/docs/api/password-create.
func (s *Server) createPassword(c *call) (object, *failure) {
	email, password := c.emailAndPassword()
	u := c.userFields()
	f, fail := c.sessionFields(false)
	switch {
	case fail != nil:
		return nil, fail
	case !emailForm(email):
		return nil, errInvalidEmail
	case s.isSandbox(email):
		answer := s.sandboxSignIn(f)
		answer["email_id"] = sandboxEmailID
		return answer, nil
	case utf8.RuneCountInString(password) < minPassword:
		return nil, errWeakPassword
	}
	f.token, f.jwt = "", "" // this call knows no sessions but the one it starts
	u.Email, u.Password = email, password
	made := s.newUser(u, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken(made) {
		return nil, errDuplicateEmail
	}
	answer, fail := s.signIn(made, f)
	if fail != nil {
		return nil, fail
	}
	s.keep(made)
	answer["email_id"] = made.emailID
	return answer, nil
}

// signIn gives the session fields of a call about a proved password their
// effect, and makes the answer. s.mu is held.
func (s *Server) signIn(u *user, f sessionFields) (object, *failure) {
	sess, fail := s.signInSession(u, f)
	if fail != nil {
		return nil, fail
	}
	return s.signedIn(u, sess), nil
}

// signedIn makes the answer to a proved password; sess may be nil. s.mu is held.
func (s *Server) signedIn(u *user, sess *session) object {
	answer := object{"session": nil, "session_token": "", "session_jwt": "", "user": u.object(s.now())}
	if sess != nil {
		answer = s.credentials(sess)
	}
	answer["user_id"] = u.id
	answer["user_device"] = nil
	return answer
}

// signInSession returns the session that gains the password, a new one, or nil.
// s.mu is held.
func (s *Server) signInSession(u *user, f sessionFields) (*session, *failure) {
	if f.token == "" && f.jwt == "" {
		if f.minutes == 0 {
			return nil, nil // custom claims are dropped with the session there is none of
		}
		claims, fail := mergeClaims(nil, f.claims)
		if fail != nil {
			return nil, fail
		}
		return s.start(u, time.Duration(f.minutes)*time.Minute, claims, []factor{passwordFactor(s.now())}), nil
	}
	sess, fail := s.present(f.token, f.jwt)
	if fail != nil {
		return nil, fail
	}
	if sess.user.id != u.id {
		return nil, errSessionNotFound // a guess: the user has no such session
	}
	if fail := s.touch(sess, f); fail != nil {
		return nil, fail
	}
	sess.prove(passwordFactor(s.now()))
	return sess, nil
}

// checkPassword finds the user whom e-mail address and password belong to. An
// unknown address, and a locked user, cost as much time as a wrong password.
func (s *Server) checkPassword(email, password string) (*user, *failure) {
	s.mu.Lock()
	u := s.emails[fold(email)]
	var stored hash
	if u != nil {
		stored = u.password // the zero hash if there is none
	}
	s.mu.Unlock()
	right := stored.matches(password)
	s.mu.Lock()
	defer s.mu.Unlock()
	return u, s.judge(u, right)
}

// judge says what is wrong with a sign-in, nil if nothing is, and counts it. u
// is nil for an unknown address. A password that is right but must be reset
// neither locks nor clears: a guess. s.mu is held.
func (s *Server) judge(u *user, right bool) *failure {
	switch {
	case u == nil:
		return errEmailNotFound
	case u.passwordID == "":
		return errNoUserPassword
	case u.lock.holds(s.now()):
		return errUserLocked
	case !right:
		s.fail(&u.lock)
		return errUnauthorizedCredentials
	case u.mustReset:
		return errResetPassword
	}
	u.lock = lock{}
	return nil
}

func (c *call) emailAndPassword() (email, password string) {
	c.read("email", &email)
	c.read("password", &password)
	return email, password
}

// userFields reads what a call may say of the user it creates.
func (c *call) userFields() (u User) {
	var name map[string]string
	c.read("name", &name)
	c.read("trusted_metadata", &u.TrustedMetadata)
	c.read("untrusted_metadata", &u.UntrustedMetadata)
	u.Name = stytch.Name{FirstName: name["first_name"], MiddleName: name["middle_name"], LastName: name["last_name"]}
	return u
}

func emailForm(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email
}

// A hash is a salted password. The zero hash matches nothing, at full cost.
type hash struct {
	salt [16]byte
	key  []byte
}

func newHash(password string) hash {
	var h hash
	_, _ = rand.Read(h.salt[:]) // never fails, says its documentation
	h.key = h.derive(password)
	return h
}

func (h hash) derive(password string) []byte {
	key, err := pbkdf2.Key(sha256.New, password, h.salt[:], hashRounds, sha256.Size)
	if err != nil {
		panic("stytchtest: hashing a password: " + err.Error())
	}
	return key
}

func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.key, h.derive(password)) == 1
}

// newToken makes a session token as Stytch's are: 44 characters.
func newToken() string {
	var b [33]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}
