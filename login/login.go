// Package login provides HTTP handlers that sign users in and out. Users sign in
// with an e-mail address and a password.
//
//	h, err := login.New(login.Config{Auth: auth})
//	…
//	r.Post("/login", h.Login)
//	r.Post("/logout", h.Logout)
//	r.With(auth.Require).Post("/step-up", h.StepUp)
//
// Login and StepUp accept JSON or an HTML form of at most 8 KiB with the fields
// email, password and, for forms only, return_to. White space around the e-mail
// address is ignored, as in an HTML field of type email. The response to
// JSON is the session and the user as JSON. The response to a form is a
// redirect to return_to with status 303. The handlers refuse cross-origin
// requests and methods other than POST. Every response has Cache-Control:
// no-store.
//
// Login and Logout work with any cookies that a browser sends, even if Require
// responds with 400 because the cookies belong to two users. RedirectTo
// redirects such a browser to the sign-in page. Do not mount Login, Logout or
// the sign-in page behind Require or Optional.
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
	// Auth is the Authenticator that signs users in and accepts their sessions.
	// It is required, and its Cookies.WriteBack must be set. Without WriteBack
	// the session JWT is not renewed, and browsers are signed out after 5
	// minutes.
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
	// it is "/".
	AfterLogout string
}

// Handlers provides the HTTP handlers. Its methods are safe for concurrent use
// by multiple goroutines. Use New to create Handlers; the zero value is not
// usable.
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
// Login always starts a new session. It does not send an existing session of
// the browser to Stytch. After the sign-in, it revokes the session of every
// cookie that the browser sent, as Logout does. This prevents session fixation:
// the session of a cookie that an attacker planted ends with the sign-in.
//
// A wrong password and an unknown e-mail address cause the same error,
// sessionauth.ErrSignIn. The response to both is delayed to a multiple of 500
// milliseconds after the end of the request. If the client disconnects before
// that, the error is sessionauth.ErrUnavailable, as it would be if Stytch had
// not responded yet.
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
// session has a fresh factor (see guard.Fresh). Use it behind Require. If the
// field email is empty, StepUp uses the first e-mail address of the user,
// unless Config.SessionOnly of Auth is set.
//
// StepUp accepts only the password of the session's own user. It extends the
// session by Config.SessionDuration. It renews the cookies of the session,
// unless the credential came in a header.
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
		return nil, errAmbiguous // a repeated cookie: the session is unknown
	}
	answer, err := h.config.Auth.SignIn(r.Context(), p)
	if errors.Is(err, sessionauth.ErrInvalidSession) {
		return nil, errSignIn // the password of another user: the session itself stays valid
	}
	if err != nil {
		return nil, err
	}
	if answer.UserID != id.Session.UserID || answer.Session.ID != id.Session.ID {
		// This is the password of another user, whose session must not reach
		// this browser.
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

// endOld revokes the sessions of the cookies that the browser sent with a
// sign-in. It ignores errors: if a session could not be revoked at Stytch, this
// process denies it and retries the revocation later.
func (h *Handlers) endOld(r *http.Request) {
	cred, _, _ := h.config.Auth.SignOutCredential(r)
	if cred.Header { // the client does not use cookies
		cred.Token, cred.JWT = "", ""
	}
	_ = h.config.Auth.SignOut(context.WithoutCancel(r.Context()), cred)
}

// discard revokes a session that will not be used. It ignores errors for the same
// reason as endOld.
func (h *Handlers) discard(r *http.Request, sessionID string) {
	_ = h.config.Auth.Revoke(context.WithoutCancel(r.Context()), sessionID)
}

// answer implements Login and StepUp. It reads the request, calls signIn, sets
// the cookies if cookies is true, and writes the response.
func (h *Handlers) answer(w http.ResponseWriter, r *http.Request, cookies bool, signIn func(input) (*stytch.AuthenticatePasswordResponse, error)) {
	noStore(w)
	in, err := h.read(w, r)
	if err != nil {
		h.config.Auth.Reject(w, r, err)
		return
	}
	// Start the clock after the body was read. Otherwise a client that delays
	// the body could choose how much of the first step remains for the call to
	// Stytch.
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
// responds faster for an unknown e-mail address than for a wrong password, and
// the wait hides the difference. It returns false if ctx was done first.
//
// A client that closes only its half of a connection cancels ctx and still
// reads the response. The response must then be the same as if Stytch had not
// responded yet.
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

// Logout revokes the session at Stytch and clears both cookies. This process
// denies the session immediately, even if the call to Stytch fails. If a cookie
// is repeated, which a sibling domain can cause, Logout revokes the session of
// each value. Without a session, Logout only clears the cookies.
//
// The response to a form is a redirect to Config.AfterLogout with status 303.
// The response to any other request has status 204 if the revocation is
// complete, and 202 otherwise. The body of a 202 contains the reason in the
// member status:
//
//   - "revocation pending": Stytch could not be reached, and the revocation will
//     be retried.
//   - "revocation incomplete": the request carries more than 16 session cookies,
//     and Logout revoked the sessions of 16.
//
// In both cases the header field Sign-Out is set to pending or incomplete, also
// in the response to a form.
//
// The status is 503 if Stytch could not be reached and there is no room to
// record the session for a retry. The cookies are then not cleared. The status
// is 400 if a header is malformed or repeated. Logout has then revoked the
// sessions of the cookies and cleared the cookies.
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
		auth.Reject(w, r, err) // not everything was revoked, and the browser needs the cookies to try again
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
