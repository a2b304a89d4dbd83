package state

import "strings"

// Policy returns the policy.
func (p *Project) Policy() Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policy.shown
}

// KeySet returns the key set.
func (p *Project) KeySet() []Object {
	p.mu.Lock()
	served := p.keys.served
	p.mu.Unlock()
	return p.keys.jwks(served)
}

// User returns the user with this id or external id.
func (p *Project) User(id string) (Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.findUser(id)
	if u == nil {
		return nil, ErrUserNotFound
	}
	return u.object(p.env.now()), nil
}

// Sessions returns the live sessions of a user, oldest first.
func (p *Project) Sessions(userID string) ([]Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.findUser(userID)
	if u == nil {
		return nil, ErrUserNotFound
	}
	shown := []Object{}
	for _, sess := range p.sessions.live(u) {
		shown = append(shown, sess.object())
	}
	return shown, nil
}

// AuthenticateSession authenticates a session and applies params to it. If
// check is not nil and the user's roles do not allow it, nothing changes.
func (p *Project) AuthenticateSession(params SessionParams, check *Check) (Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sess, err := p.authenticate(params.Token, params.JWT)
	if err != nil {
		return nil, err
	}
	var granting []string
	if check != nil {
		granting = p.policy.granting(sess.user.allRoles(), *check)
		if len(granting) == 0 {
			return nil, ErrNotPermitted
		}
	}
	if err := p.sessions.touch(sess, params); err != nil {
		return nil, err
	}
	answer := p.credentials(sess)
	if check != nil {
		answer["verdict"] = Object{"authorized": true, "granting_roles": granting}
	}
	return answer, nil
}

// RevokeSession revokes a live session. Exactly one of id, token and jwt is
// set. That revoking an ended session is an error is an assumption.
func (p *Project) RevokeSession(id, token, jwt string) error {
	if id != "" && !strings.HasPrefix(id, "session-"+p.env.name()+"-") {
		return ErrInvalidSessionID
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sess, err := p.named(id, token, jwt)
	if err != nil {
		return err
	}
	sess.revoked = true
	return nil
}

// named returns a live session by its id, or if the id is empty, by its
// credential. The caller must hold p.mu.
func (p *Project) named(id, token, jwt string) (*session, error) {
	if id == "" {
		return p.authenticate(token, jwt)
	}
	sess := p.findSession(id, "")
	if sess == nil {
		return nil, ErrSessionNotFound
	}
	return sess, nil
}

// SignIn authenticates a user by password. If params has a duration, it starts
// a session. If params has the credential of a session of the user, it adds the
// password to that session. It accepts the sandbox address with any password.
func (p *Project) SignIn(email, password string, params SessionParams) (Object, error) {
	if p.env.isSandboxEmail(email) {
		return p.sandboxSignIn(params), nil
	}
	u, err := p.checkPassword(email, password)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signIn(u, params)
}

// CreateUser adds a user whose e-mail address is not verified. If params has a
// duration, it starts a session. It ignores the session credential. For the
// sandbox address, it adds nothing.
func (p *Project) CreateUser(u NewUser, params SessionParams) (Object, error) {
	if p.env.isSandboxEmail(u.Email) {
		answer := p.sandboxSignIn(params)
		answer["email_id"] = sandboxEmailID
		return answer, nil
	}
	if !strong(u.Password) {
		return nil, ErrWeakPassword
	}
	params.Token, params.JWT = "", ""
	made := p.users.build(u, false)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken(made) {
		return nil, ErrDuplicateEmail
	}
	answer, err := p.signIn(made, params)
	if err != nil {
		return nil, err
	}
	p.users.add(made)
	answer["email_id"] = made.emailID
	return answer, nil
}

// checkPassword returns the user with this e-mail address and password. An
// unknown address and a locked user take the same time as a wrong password.
func (p *Project) checkPassword(email, password string) (*user, error) {
	p.mu.Lock()
	u := p.users.findEmail(email)
	var stored hash
	if u != nil {
		stored = u.password // the zero hash if the user has no password
	}
	p.mu.Unlock()
	correct := stored.matches(password)
	p.mu.Lock()
	defer p.mu.Unlock()
	return u, p.users.admit(u, correct)
}

// sandboxSignIn returns the response to a call with the sandbox address.
func (p *Project) sandboxSignIn(params SessionParams) Object {
	var sess *session
	if params.Duration != 0 || params.hasCredential() {
		sess = sandboxSession(p.env.now())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signedIn(sandboxUser(), sess)
}

// signIn applies the parameters of a call with a correct password and returns
// the response. The caller must hold p.mu.
func (p *Project) signIn(u *user, params SessionParams) (Object, error) {
	sess, err := p.sessionOfSignIn(u, params)
	if err != nil {
		return nil, err
	}
	return p.signedIn(u, sess), nil
}

// sessionOfSignIn returns the session to which a sign-in adds the password. The
// session may be new. If the call names and starts no session, the result is
// nil. The caller must hold p.mu.
func (p *Project) sessionOfSignIn(u *user, params SessionParams) (*session, error) {
	if !params.hasCredential() {
		if params.Duration == 0 {
			return nil, nil // Stytch ignores the custom claims
		}
		claims, err := mergeClaims(nil, params.CustomClaims)
		if err != nil {
			return nil, err
		}
		return p.sessions.start(u, params.Duration, claims, []factor{passwordFactor(p.env.now())}), nil
	}
	sess, err := p.authenticate(params.Token, params.JWT)
	if err != nil {
		return nil, err
	}
	if sess.user.id != u.id {
		return nil, ErrSessionNotFound // that the user has no such session is an assumption
	}
	if err := p.sessions.touch(sess, params); err != nil {
		return nil, err
	}
	sess.prove(passwordFactor(p.env.now()))
	return sess, nil
}

// signedIn returns the response to a correct password. sess may be nil. The
// caller must hold p.mu.
func (p *Project) signedIn(u *user, sess *session) Object {
	answer := Object{"session": nil, "session_token": "", "session_jwt": "", "user": u.object(p.env.now())}
	if sess != nil {
		answer = p.credentials(sess)
	}
	answer["user_id"] = u.id
	answer["user_device"] = nil
	return answer
}

// authenticate returns the live session of a credential. Exactly one argument
// is set. A credential of the wrong form has an error of its own. The caller
// must hold p.mu.
func (p *Project) authenticate(token, jwt string) (*session, error) {
	id := ""
	if jwt != "" {
		ok := false
		if id, ok = p.keys.verify(jwt); !ok {
			return nil, ErrUnparsableJWT
		}
	} else if !isToken(token) {
		return nil, ErrInvalidSessionToken
	}
	sess := p.findSession(id, token)
	if sess == nil {
		return nil, ErrSessionNotFound
	}
	return sess, nil
}

// credentials returns the members that all responses with a session have. The
// caller must hold p.mu.
func (p *Project) credentials(sess *session) Object {
	return Object{
		"session":       sess.object(),
		"session_token": sess.token,
		"session_jwt":   p.keys.mint(sess),
		"user":          sess.user.object(p.env.now()),
	}
}

// OtherUser returns the id of a user that no test has added. The first call
// adds the user.
func (p *Project) OtherUser() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.other == nil {
		p.other = p.users.build(NewUser{Email: newUUID() + "@stytchtest.invalid"}, true)
		p.users.add(p.other)
	}
	return p.other.id
}

// SessionOf returns the members that responses with a session have, for a live
// session of a user. If there is none, it starts one.
func (p *Project) SessionOf(userID string) Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.credentials(p.another(p.mustUser(userID), nil))
}

// OtherSession is like SessionOf, for another session of the same user. If the
// session with this id is not live, it returns nil.
func (p *Project) OtherSession(id string) Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	sess := p.findSession(id, "")
	if sess == nil {
		return nil
	}
	return p.credentials(p.another(sess.user, sess))
}

// another returns a live session of u other than than, which may be nil. The
// caller must hold p.mu.
func (p *Project) another(u *user, than *session) *session {
	for _, sess := range p.sessions.live(u) {
		if sess != than {
			return sess
		}
	}
	return p.sessions.start(u, defaultSessionDuration, Object{}, []factor{passwordFactor(p.env.now())})
}

// FixedKeySet returns the fixed keys as a key set, whether or not this project
// has served them.
func (p *Project) FixedKeySet() []Object { return p.keys.jwks(fixedKeys()) }
