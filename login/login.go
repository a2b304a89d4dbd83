// Package login provides HTTP handlers that sign users in and out with an e-mail
// address and a password.
//
//	h, err := login.New(login.Config{Auth: auth})
//	…
//	r.Post("/login", h.Login)
//	r.Post("/logout", h.Logout)
//	r.With(auth.Require).Post("/step-up", h.StepUp)
//
// Login and StepUp accept JSON or an HTML form of at most 8 KiB with the fields
// email, password and, for forms only, return_to. White space around the e-mail
// address is ignored, as browsers do in a field of type email. The response to JSON is
// the session and the user as JSON; the response to a form is a redirect with status
// 303 to return_to. Requests that use another method than POST, and cross-origin
// requests, are refused. Every response has Cache-Control: no-store.
//
// Login and Logout work whatever cookies a browser sends, also where Require answers
// 400 because they belong to two users. RedirectTo leads such a browser to the
// sign-in page. Do not mount these handlers and that page behind Require or Optional.
package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/internal/requestlog"
	"github.com/sessionauth/sessionauth/stytch"
)

// Config configures Handlers. Cookies, trusted origins, the extractor and error
// responses are those of Auth.
type Config struct {
	// Auth is the Authenticator that signs users in and accepts their sessions. It
	// is required, and its Cookies.WriteBack must be set: without it the session
	// JWT is not renewed and browsers are signed out after 5 minutes.
	Auth *sessionauth.Authenticator

	// SessionDuration is the duration of new sessions, counted from sign-in, and
	// of sessions that StepUp extends, counted from step-up. It must be whole
	// minutes, from 5 minutes to 366 days. If zero, sessions last one hour.
	SessionDuration time.Duration

	// Claims returns the custom claims of a new session, at most 4096 bytes as
	// JSON. Setting them takes a second call to Stytch. If nil, or if the result is
	// empty, new sessions have no custom claims.
	Claims func(*http.Request, *stytch.User) map[string]any

	// OnSignIn is called after each successful sign-in, before the cookies are
	// set. If it returns an error, the new session is revoked and OnFailure is
	// called with the error. Errors of package sessionauth keep their status; the
	// status of other errors is 500. If nil, every sign-in is accepted.
	OnSignIn func(*http.Request, *sessionauth.Identity) error

	// OnFailure writes the response to a failed sign-in or step-up, for example
	// the form with a message. It is not called for requests with an invalid
	// method, origin or body. If nil, the ErrorHandler of Auth writes the response.
	OnFailure func(http.ResponseWriter, *http.Request, error)

	// AfterLogout is the path to which Logout redirects after a form. If empty,
	// "/".
	AfterLogout string
}

// Handlers provides the HTTP handlers. Its methods may be called by several
// goroutines at once. Use New to create Handlers; the zero value is not usable.
type Handlers struct {
	config Config
}

// New returns Handlers for c. Its errors name the invalid field.
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
	if err := deadline.CheckUnit(c.SessionDuration); err != nil {
		return nil, fmt.Errorf("login: SessionDuration %w", err)
	}
	if err := stytch.CheckSessionDuration(c.SessionDuration); err != nil {
		return nil, fmt.Errorf("login: SessionDuration %w", err)
	}
	if c.AfterLogout == "" {
		c.AfterLogout = "/"
	}
	if localPath(c.AfterLogout) != c.AfterLogout {
		return nil, errors.New("login: AfterLogout must be an absolute path on the same origin")
	}
	answer := c.OnFailure
	c.OnFailure = c.Auth.Reject
	if answer != nil {
		c.OnFailure = func(w http.ResponseWriter, r *http.Request, err error) {
			c.Auth.ObserveRefusal(requestlog.With(r.Context(), r), err)
			answer(w, r, err)
		}
	}
	return &Handlers{c}, nil
}

// Login signs a user in and sets the session cookies.
//
// Login always starts a new session: it does not send an existing session of the
// browser to Stytch. After the sign-in it revokes the session of every cookie that
// the browser sent, as Logout does. An attacker can therefore not fix the session of
// a user who signs in, and a cookie that an attacker planted does not stay in force.
//
// A wrong password and an unknown e-mail address cause the same error,
// sessionauth.ErrSignIn, and the response to both is delayed to a multiple of 500
// milliseconds after the end of the request. If the client hangs up before, the error
// is sessionauth.ErrUnavailable, as it is while Stytch has not answered.
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

// StepUp authenticates the password of the signed-in user again, so that the
// session has a fresh factor: see guard.Fresh. Use it behind Require. If the field
// email is empty, StepUp uses the first e-mail address of the user, unless
// Config.SessionOnly of Auth is set.
//
// StepUp accepts only the password of the session's own user. It extends the
// session by Config.SessionDuration and renews its cookies, unless the credential
// came in a header.
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
	// A client that sends a header does not use cookies, so none are set.
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

// stepUp authenticates the password of in for the session of id.
func (h *Handlers) stepUp(r *http.Request, id *sessionauth.Identity, cred sessionauth.Credential, in input) (*stytch.AuthenticatePasswordResponse, error) {
	p := stytch.AuthenticatePasswordParams{
		Email: in.email, Password: in.password, SessionDuration: h.config.SessionDuration,
		SessionToken: cred.Token, SessionJWT: cred.JWT,
	}
	if p.SessionToken != "" {
		p.SessionJWT = "" // Stytch accepts only one of the two
	}
	if p.SessionToken == "" && p.SessionJWT == "" {
		return nil, errAmbiguous // a repeated cookie: the session is ambiguous
	}
	answer, err := h.config.Auth.SignIn(r.Context(), p)
	if errors.Is(err, sessionauth.ErrInvalidSession) {
		return nil, errSignIn // the password of another user: the session itself stays valid
	}
	if err != nil {
		return nil, err
	}
	if answer.UserID != id.Session.UserID || answer.Session.ID != id.Session.ID {
		// The password of another user: their session must not reach this browser.
		if answer.Session.ID != id.Session.ID {
			h.discard(r, answer.Session.ID)
		}
		return nil, errSignIn
	}
	h.config.Auth.Forget(id.Session.ID, id.Session.UserID)
	return answer, nil
}

// begin sets the custom claims of a new session and calls OnSignIn.
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

// endOld revokes the sessions of the cookies that the browser had before. It
// ignores errors: a session that could not be revoked at Stytch is denied by this
// process and revoked later.
func (h *Handlers) endOld(r *http.Request) {
	cred, _, _ := h.config.Auth.SignOutCredential(r)
	if cred.Header { // of a client that does not use cookies
		cred.Token, cred.JWT = "", ""
	}
	_ = h.config.Auth.SignOut(context.WithoutCancel(r.Context()), cred)
}

// discard revokes a session that will not be used. It ignores errors for the same
// reason as endOld.
func (h *Handlers) discard(r *http.Request, sessionID string) {
	_ = h.config.Auth.Revoke(context.WithoutCancel(r.Context()), sessionID)
}

// answer implements Login and StepUp: it reads the request, calls signIn, sets the
// cookies if cookies is true, and writes the response.
func (h *Handlers) answer(w http.ResponseWriter, r *http.Request, cookies bool, signIn func(input) (*stytch.AuthenticatePasswordResponse, error)) {
	noStore(w)
	in, err := h.read(w, r)
	if err != nil {
		h.config.Auth.Reject(w, r, err)
		return
	}
	// Not before the body was read: a client that delays it would choose how much of
	// the first step remains for the call to Stytch.
	began := time.Now()
	answer, err := signIn(in)
	if errors.Is(err, sessionauth.ErrSignIn) && !waitEvenly(r.Context(), began) {
		err = errCanceled
	}
	if err != nil {
		h.config.OnFailure(w, r, err)
		return
	}
	if cookies {
		h.config.Auth.SetCookies(w, answer.Session, sessionauth.Credential{Token: answer.SessionToken, JWT: answer.SessionJWT})
	}
	if in.form {
		seeOther(w, in.returnTo)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"session": answer.Session, "user": answer.User})
}

// evenStep is the unit to which waitEvenly rounds up the duration of a sign-in.
const evenStep = 500 * time.Millisecond

// waitEvenly waits until a multiple of evenStep has passed since began. Stytch
// answers faster for an unknown e-mail address than for a wrong password; the wait
// hides the difference. It reports false if ctx was done first.
//
// A client that closes only its half of a connection ends ctx and still reads the
// response. The response must then be the same as if Stytch had not answered yet.
func waitEvenly(ctx context.Context, began time.Time) bool {
	timer := time.NewTimer(evenStep - time.Since(began)%evenStep)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Logout revokes the session at Stytch and clears both cookies. This process denies
// the session immediately, even if the call to Stytch fails. If a cookie is repeated,
// as a sibling domain can make it, Logout revokes the session of each value.
//
// The response to a form is a redirect with status 303 to Config.AfterLogout. The
// status of other responses is 204, or 202 with the reason in the member status of
// the body: "revocation pending" if Stytch could not be reached and the revocation
// will be retried, "revocation incomplete" if the request carries more than 16
// session cookies, of which Logout revokes 16. The header field Sign-Out is then
// pending or incomplete, with forms too.
//
// The status is 503, and the cookies stay, if Stytch could not be reached and the
// session cannot be recorded for a retry. It is 400 if a header is malformed or
// repeated, after the sessions of the cookies have been revoked and the cookies
// cleared. Without a session, Logout only clears the cookies.
func (h *Handlers) Logout(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	auth := h.config.Auth
	if err := h.checkRequest(w, r); err != nil {
		auth.Reject(w, r, err)
		return
	}
	cred, more, invalid := auth.SignOutCredential(r)
	// The sign-out continues if the browser closes the connection.
	err := auth.SignOut(context.WithoutCancel(r.Context()), cred)
	var refused *sessionauth.Error
	if errors.As(err, &refused) && refused.Reason == sessionauth.ReasonNotKept {
		auth.Reject(w, r, err) // something was not revoked: the browser needs the cookies for another attempt
		return
	}
	auth.ClearCookies(w)
	status := ""
	switch {
	case errors.Is(invalid, sessionauth.ErrInvalidRequest):
		auth.Reject(w, r, invalid)
		return
	case more:
		status = "incomplete"
	case err != nil && !errors.Is(err, sessionauth.ErrNoCredential):
		status = "pending"
	}
	if status != "" {
		w.Header().Set("Sign-Out", status)
	}
	switch {
	case isForm(r):
		seeOther(w, h.config.AfterLogout)
	case status != "":
		writeJSON(w, http.StatusAccepted, map[string]string{"status": "revocation " + status})
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
