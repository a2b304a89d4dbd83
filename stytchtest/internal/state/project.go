// Package state implements the project that package stytchtest serves: its
// users, sessions, signing keys, policy and clock. It executes the calls to
// Stytch and returns results in the JSON of the Stytch API. It does not depend
// on HTTP.
//
// Project is the only exported type with behaviour. Each of its methods is
// atomic: other goroutines see all of its effects or none. The other types do
// not lock.
package state

import (
	"crypto/rsa"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// A Project is the state of one Stytch project. It is safe for concurrent use
// by multiple goroutines. Its methods panic on a mistake in the test, such as
// an unknown user, except the methods that implement a call.
type Project struct {
	env environment

	// mu guards the fields below. It is not held while a password is hashed, a
	// JWT is signed or a response is encoded.
	mu       sync.Mutex
	users    users
	sessions sessions
	keys     keys
	policy   policy
	other    *user // the result of OtherUser; nil before its first call
}

// New returns a project without users. Its policy contains only the default
// role. New calls settings whenever it needs a setting.
func New(settings func() Settings) *Project {
	p := &Project{env: environment{read: settings}}
	p.users = users{env: &p.env, byID: map[string]*user{}, byEmail: map[string]*user{}}
	p.sessions = sessions{env: &p.env, byID: map[string]*session{}, byToken: map[string]*session{}}
	p.keys = newKeys(&p.env)
	p.policy = newPolicy(stytch.Policy{Roles: []stytch.Role{{ID: DefaultRole}}})
	return p
}

// NewID returns a new id of this kind, such as "user".
func (p *Project) NewID(kind string) string { return p.env.newID(kind) }

// SetClock sets how far the project's clock is ahead.
func (p *Project) SetClock(offset time.Duration) { p.env.ahead.Store(int64(offset)) }

// SetPolicy replaces the policy.
func (p *Project) SetPolicy(to stytch.Policy) {
	made := newPolicy(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = made
}

// AddUser adds a user with a verified e-mail address and returns the user in
// the form of the API.
func (p *Project) AddUser(u NewUser) Object {
	added := p.users.build(u, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken(added) {
		panic("stytchtest: a user with this id, external id or e-mail address exists")
	}
	p.users.add(added)
	return added.object(added.createdAt)
}

// SetRoles replaces the explicit roles of a user.
func (p *Project) SetRoles(userID string, roles []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.mustUser(userID)
	if u.id == sandboxUserID {
		panic("stytchtest: the sandbox user cannot be changed")
	}
	u.roles = slices.Clone(roles)
}

// NewSession describes a session to start. Its fields have the same meaning as
// those of stytchtest.SessionOptions.
type NewSession struct {
	Duration     time.Duration
	CustomClaims map[string]any
	Factors      []stytch.AuthenticationFactor
}

// A Started holds the ids and credentials of a session that StartSession
// started.
type Started struct{ ID, UserID, Token, JWT string }

// StartSession starts a session of a user.
func (p *Project) StartSession(userID string, n NewSession) Started {
	claims, err := mergeClaims(nil, n.CustomClaims)
	if err != nil {
		panic("stytchtest: SessionOptions.CustomClaims: " + err.Error())
	}
	factors := []factor{passwordFactor(p.env.now())}
	if n.Factors != nil {
		factors = factorsOf(n.Factors, p.env.now())
	}
	if n.Duration == 0 {
		n.Duration = defaultSessionDuration
	}
	started, jwt := p.start(userID, n.Duration, claims, factors)
	started.JWT = jwt.compact()
	return started
}

func (p *Project) start(userID string, d time.Duration, claims Object, factors []factor) (Started, jws) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sess := p.sessions.start(p.mustUser(userID), d, claims, factors)
	return Started{ID: sess.id, UserID: sess.user.id, Token: sess.token}, p.keys.mint(sess)
}

// EndSession revokes a session, which may have ended already.
func (p *Project) EndSession(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mustSession(id).revoked = true
}

// AddFactor adds a factor to a session. If the session has the factor already,
// AddFactor updates its times.
func (p *Project) AddFactor(sessionID string, f stytch.AuthenticationFactor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sess := p.mustSession(sessionID)
	at := p.env.now()
	sess.prove(factorsOf([]stytch.AuthenticationFactor{f}, at)[0])
	sess.accessedAt = at
}

// JWT returns a new JWT of a session, which may have ended.
func (p *Project) JWT(sessionID string) string { return p.mint(sessionID).compact() }

func (p *Project) mint(sessionID string) jws {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys.mint(p.mustSession(sessionID))
}

// Claims returns the payload of a new JWT of a session, which may have ended.
func (p *Project) Claims(sessionID string) Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys.claims(p.mustSession(sessionID))
}

// Header returns the header of a new JWT.
func (p *Project) Header() Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys.header()
}

// Sign returns the compact form of a JWS with this header and payload.
func (p *Project) Sign(header, payload []byte) string {
	return jws{p.Key(), header, payload}.compact()
}

// Key returns the current key.
func (p *Project) Key() *rsa.PrivateKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys.current.private
}

// KeyID returns the kid of the current key.
func (p *Project) KeyID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys.kid(p.keys.current)
}

// RotateKeys replaces the current key and returns the kid of the new one. The
// old key stays in the key set.
func (p *Project) RotateKeys() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.rotate()
	return p.keys.kid(p.keys.current)
}

// WithdrawKey removes a key from the key set.
func (p *Project) WithdrawKey(kid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.withdraw(kid)
}

// findUser returns the user with this id or external id, or nil. The caller
// must hold p.mu.
func (p *Project) findUser(id string) *user {
	if u := p.users.find(id); u != nil {
		return u
	}
	if id == sandboxUserID && p.env.hasSandbox() {
		return sandboxUser()
	}
	return nil
}

// mustUser is like findUser, for an id from the test: it panics if there is no
// such user. The caller must hold p.mu.
func (p *Project) mustUser(id string) *user {
	u := p.findUser(id)
	if u == nil {
		panic("stytchtest: no user has the id " + strconv.Quote(id))
	}
	return u
}

// taken reports whether another user has the id, external id or e-mail address
// of u. The caller must hold p.mu.
func (p *Project) taken(u *user) bool {
	return p.findUser(u.id) != nil || p.findUser(u.externalID) != nil ||
		p.users.findEmail(u.email) != nil || p.env.isSandboxEmail(u.email)
}

// findSession returns the live session with this id or token, or nil. The other
// argument is empty. The caller must hold p.mu.
func (p *Project) findSession(id, token string) *session {
	sess := p.sessions.byID[id]
	if token != "" {
		sess = p.sessions.byToken[token]
	}
	if sess == nil && p.env.hasSandbox() && (id == sandboxSessionID || token == sandboxToken) {
		sess = sandboxSession(p.env.now())
	}
	if sess == nil || !p.sessions.alive(sess) {
		return nil
	}
	return sess
}

// mustSession returns the session with an id from the test, which may have
// ended. It panics if there is no such session. The caller must hold p.mu.
func (p *Project) mustSession(id string) *session {
	sess := p.sessions.byID[id]
	if sess == nil {
		panic("stytchtest: no session has the id " + strconv.Quote(id))
	}
	return sess
}
