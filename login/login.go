// Package login signs users in and out with e-mail address and password: three
// handlers to mount beside the routes that sessionauth protects.
//
//	h, err := login.New(login.Config{Auth: auth})
//	…
//	r.Post("/login", h.Login)
//	r.Post("/logout", h.Logout)
//	r.With(auth.Require).Post("/step-up", h.StepUp)
//
// Login and StepUp take JSON or an HTML form with the fields email, password
// and return_to (forms only), at most 8 KiB. JSON is answered with the session
// and the user as JSON, a form with a redirect (303) to return_to. All three
// take POST only and refuse other origins' pages.
package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytch"
)

// Config says how users sign in. Cookies, trusted origins, extractor and error
// answers are those of Auth: nothing is configured twice.
type Config struct {
	// Auth decides about the sessions that begin here. Required, with
	// Cookies.WriteBack: the browser is to stay signed in without Stytch's SDK.
	Auth *sessionauth.Authenticator

	// SessionDuration is the length of a session, and what step-up extends it
	// to: whole minutes, 5 minutes to 366 days. If zero, an hour.
	SessionDuration time.Duration

	// Claims gives custom claims for a new session, at most 4 KB as JSON. It
	// costs a second call to Stytch at sign-in. If nil, there are none.
	Claims func(*http.Request, *stytch.User) map[string]any

	// OnSignIn is told of every sign-in before the cookies are set. If it
	// returns an error the new session is revoked and the error answered: one
	// of sessionauth's as what it is, any other as 500. If nil, nothing is
	// told.
	OnSignIn func(*http.Request, *sessionauth.Identity) error

	// OnFailure answers a failed sign-in or step-up, such as by showing the form
	// again. If nil, Auth's ErrorHandler does.
	OnFailure func(http.ResponseWriter, *http.Request, error)

	// AfterLogout is where a form's sign-out leads: a path of our own. If empty,
	// "/".
	AfterLogout string
}

// Handlers sign users in and out. Make them with New.
type Handlers struct {
	config Config
}

// New checks the configuration; errors name the field.
func New(c Config) (*Handlers, error) {
	if c.Auth == nil {
		return nil, errors.New("login: Auth is required")
	}
	if !c.Auth.Cookies().WriteBack {
		return nil, errors.New("login: Auth needs Cookies.WriteBack: without it browsers are signed out after 5 minutes")
	}
	if c.SessionDuration == 0 {
		c.SessionDuration = time.Hour
	}
	if err := stytch.CheckSessionDuration(c.SessionDuration); err != nil {
		return nil, fmt.Errorf("login: SessionDuration %w", err)
	}
	if c.AfterLogout == "" {
		c.AfterLogout = "/"
	}
	if localPath(c.AfterLogout) != c.AfterLogout {
		return nil, errors.New("login: AfterLogout is not a path of our own origin")
	}
	answer := c.OnFailure
	c.OnFailure = c.Auth.Reject
	if answer != nil {
		c.OnFailure = func(w http.ResponseWriter, r *http.Request, err error) {
			c.Auth.ObserveRefusal(r.Context(), err)
			answer(w, r, err)
		}
	}
	return &Handlers{c}, nil
}

// Login signs a user in and sets the session's cookies. The session the browser
// came with is never sent along, and revoked after success, so that nobody can
// plant theirs.
func (h *Handlers) Login(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, true, func(in input) (*stytch.AuthenticatePasswordResponse, error) {
		if in.email == "" || in.password == "" {
			return nil, errMissing
		}
		answer, err := h.config.Auth.SignIn(r.Context(), stytch.AuthenticatePasswordParams{
			Email: in.email, Password: in.password, SessionDuration: h.config.SessionDuration,
		})
		if err != nil {
			return nil, err
		}
		if err := h.begin(r, answer); err != nil {
			h.discard(r, answer.Session.ID)
			return nil, err
		}
		h.endOld(r)
		return answer, nil
	})
}

// StepUp lets the signed-in user prove the password again, so that the session
// has a fresh factor. It stands behind Require. The e-mail address may be left
// out where the user is loaded.
func (h *Handlers) StepUp(w http.ResponseWriter, r *http.Request) {
	id, err := h.config.Auth.Authenticate(r)
	var cred sessionauth.Credential
	if err == nil {
		cred, err = h.config.Auth.Credential(r)
	}
	if err != nil {
		noStore(w)
		h.config.Auth.Reject(w, r, err)
		return
	}
	// What came in a header no browser holds, and none shall.
	h.answer(w, r, !cred.Header, func(in input) (*stytch.AuthenticatePasswordResponse, error) {
		if in.email == "" && id.User != nil && len(id.User.Emails) > 0 {
			in.email = id.User.Emails[0].Email
		}
		if in.email == "" || in.password == "" {
			return nil, errMissing
		}
		return h.stepUp(r, id, cred, in)
	})
}

func (h *Handlers) stepUp(r *http.Request, id *sessionauth.Identity, cred sessionauth.Credential, in input) (*stytch.AuthenticatePasswordResponse, error) {
	p := stytch.AuthenticatePasswordParams{
		Email: in.email, Password: in.password, SessionDuration: h.config.SessionDuration,
		SessionToken: cred.Token, SessionJWT: cred.JWT,
	}
	if p.SessionToken != "" {
		p.SessionJWT = "" // Stytch takes one
	}
	if p.SessionToken == "" && p.SessionJWT == "" {
		return nil, errAmbiguous // a repeated cookie: nobody can say which is meant
	}
	answer, err := h.config.Auth.SignIn(r.Context(), p)
	if errors.Is(err, sessionauth.ErrInvalidSession) {
		return nil, errSignIn // somebody else's password with this session: that is no reason to sign out
	}
	if err != nil {
		return nil, err
	}
	if answer.UserID != id.Session.UserID || answer.Session.ID != id.Session.ID {
		// Somebody else's password: their session is not ours to hand out.
		if answer.Session.ID != id.Session.ID {
			h.discard(r, answer.Session.ID)
		}
		return nil, errSignIn
	}
	h.config.Auth.Forget(id.Session.ID, id.Session.UserID)
	return answer, nil
}

// begin gives a new session its claims and tells the application of it.
func (h *Handlers) begin(r *http.Request, answer *stytch.AuthenticatePasswordResponse) error {
	auth := h.config.Auth
	if h.config.Claims != nil {
		claims := h.config.Claims(r, answer.User.Clone())
		if len(claims) > 0 {
			if err := auth.SetClaims(r.Context(), answer, claims); err != nil {
				return err
			}
		}
	}
	if h.config.OnSignIn == nil {
		return nil
	}
	now := time.Now()
	return h.config.OnSignIn(r, &sessionauth.Identity{
		Session: answer.Session.Clone(), User: answer.User.Clone(),
		DecidedBy: sessionauth.Stytch, VerifiedAt: now, ExpiresAt: answer.Session.ExpiresAt,
	})
}

// endOld revokes the session the browser came with. That Stytch cannot be asked
// is no reason to refuse the new one: it is refused here, and revoked later.
func (h *Handlers) endOld(r *http.Request) {
	if cred, err := h.config.Auth.Credential(r); err == nil && !cred.Header {
		_ = h.config.Auth.SignOut(context.WithoutCancel(r.Context()), cred)
	}
}

// discard revokes a session that nobody will be given. It is refused here even
// if Stytch cannot be asked.
func (h *Handlers) discard(r *http.Request, sessionID string) {
	_ = h.config.Auth.Revoke(context.WithoutCancel(r.Context()), sessionID)
}

// answer is the way of Login and StepUp: origin, body, sign-in, cookies.
func (h *Handlers) answer(w http.ResponseWriter, r *http.Request, cookies bool, signIn func(input) (*stytch.AuthenticatePasswordResponse, error)) {
	noStore(w)
	arrived := time.Now()
	in, err := h.read(w, r)
	if err != nil {
		h.config.Auth.Reject(w, r, err)
		return
	}
	answer, err := signIn(in)
	if err != nil {
		if errors.Is(err, sessionauth.ErrSignIn) {
			waitEvenly(r.Context(), arrived)
		}
		h.config.OnFailure(w, r, err)
		return
	}
	if cookies {
		h.config.Auth.SetCookies(w, answer.Session, sessionauth.Credential{Token: answer.SessionToken, JWT: answer.SessionJWT})
	}
	if in.form {
		http.Redirect(w, r, in.returnTo, http.StatusSeeOther)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"session": answer.Session, "user": answer.User})
}

// evenStep is what the time of a refusal is rounded up to.
const evenStep = 500 * time.Millisecond

// waitEvenly hides whether Stytch looked up a password: an unknown e-mail
// address is answered sooner than a wrong password.
func waitEvenly(ctx context.Context, arrived time.Time) {
	timer := time.NewTimer(evenStep - time.Since(arrived)%evenStep)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Logout revokes the session at Stytch, refuses it here at once, and clears
// both cookies: 204, or 202 while Stytch cannot be asked and the revocation is
// tried again later; 503, with the cookies left as they are, where there is no
// room to remember a session never seen here. Without a session there is nothing to revoke, and the
// cookies are cleared all the same. A form is answered with a redirect.
func (h *Handlers) Logout(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	auth := h.config.Auth
	if err := h.checkRequest(w, r); err != nil {
		auth.Reject(w, r, err)
		return
	}
	cred, err := auth.Credential(r)
	if err == nil {
		// The user's decision holds even if the page is closed at this moment.
		err = auth.SignOut(context.WithoutCancel(r.Context()), cred)
	}
	var refused *sessionauth.Error
	if errors.As(err, &refused) && refused.Reason == sessionauth.ReasonNotKept {
		auth.Reject(w, r, err) // nothing was revoked, nor will be: the browser needs its cookies to try again
		return
	}
	auth.ClearCookies(w)
	switch {
	case errors.Is(err, sessionauth.ErrInvalidRequest):
		auth.Reject(w, r, err)
	case isForm(r):
		http.Redirect(w, r, h.config.AfterLogout, http.StatusSeeOther)
	case err != nil && !errors.Is(err, sessionauth.ErrNoCredential):
		writeJSON(w, http.StatusAccepted, map[string]string{"status": "revocation pending"})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "Internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
