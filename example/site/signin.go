package site

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/login"
)

// A signIn is the content of the sign-in page and of the step-up page.
type signIn struct {
	Email    string
	ReturnTo string
	Accounts []account
}

// signInPage is not behind Optional. Optional refuses a browser that has the cookies of two users,
// and such a browser must be able to sign in, which replaces the cookies.
func (a *app) signInPage(w http.ResponseWriter, r *http.Request) {
	p := page{Body: signIn{ReturnTo: login.ReturnTo(r), Accounts: a.accounts}}
	if id, err := a.auth.Authenticate(r); err == nil {
		p.User = authorOf(id).Name
	}
	show(w, r, http.StatusOK, "login", p)
}

func (a *app) stepUpPage(w http.ResponseWriter, r *http.Request) {
	show(w, r, http.StatusOK, "step-up", page{Body: signIn{ReturnTo: login.ReturnTo(r), Accounts: a.accounts}})
}

// keepForm copies the form into r.PostForm for signInFailed. It restores the body,
// which package login reads and validates.
func keepForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1)) // one byte more than allowed, so that package login still detects a body that is too large
		if err != nil {
			writeError(w, errCutOff)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			r.PostForm, _ = url.ParseQuery(string(body)) // invalid fields are not shown again
		}
		next.ServeHTTP(w, r)
	})
}

// signInFailed shows the form again, without the password, and with the same status
// as the API.
func (a *app) signInFailed(w http.ResponseWriter, r *http.Request, err error) {
	text := failure(err)
	if r.PostForm == nil || text == "" { // the body is JSON, or the user cannot solve the problem in the form
		a.auth.Reject(w, r, err)
		return
	}
	name := "login"
	if r.URL.Path == "/step-up" {
		name = "step-up"
	}
	// Package login validates return_to when the form is sent again.
	if name == "step-up" && errors.Is(err, sessionauth.ErrSignIn) {
		text = "Wrong password." // the step-up form has no field for an e-mail address
	}
	form := signIn{Email: r.PostForm.Get("email"), ReturnTo: r.PostForm.Get("return_to"), Accounts: a.accounts}
	show(w, r, statusOf(w, r, err), name, page{Error: text, Body: form})
}

// failure returns the message for a failed sign-in, or an empty string if the form
// cannot solve the problem.
func failure(err error) string {
	switch {
	case errors.Is(err, sessionauth.ErrSignIn):
		return "Wrong e-mail address or password."
	case errors.Is(err, sessionauth.ErrResetPassword):
		return "You must reset your password before you can sign in."
	case errors.Is(err, sessionauth.ErrTooManyAttempts):
		return "Too many attempts. Try again later."
	case errors.Is(err, sessionauth.ErrUnavailable):
		return "Stytch cannot be reached at the moment. Try again in a few seconds."
	}
	return ""
}
