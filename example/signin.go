package main

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

// A signIn is what the sign-in and the step-up page show.
type signIn struct {
	Email    string
	ReturnTo string
	Accounts []account
}

func (s *site) signInPage(w http.ResponseWriter, r *http.Request) {
	show(w, r, http.StatusOK, "login", page{Body: signIn{ReturnTo: login.ReturnTo(r), Accounts: s.accounts}})
}

func (s *site) stepUpPage(w http.ResponseWriter, r *http.Request) {
	show(w, r, http.StatusOK, "step-up", page{Body: signIn{ReturnTo: login.ReturnTo(r), Accounts: s.accounts}})
}

// stepUpURL is where to prove the password again, and come back from.
func stepUpURL(r *http.Request) string {
	return "/step-up?" + url.Values{"return_to": {r.URL.RequestURI()}}.Encode()
}

// keepForm puts what a form holds into r.PostForm, for signInFailed, and leaves
// the body to package login, which is the one to judge it.
func keepForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1)) // one more, so that too large a body stays one
		if err != nil {
			writeError(w, errCutOff)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			r.PostForm, _ = url.ParseQuery(string(body)) // what cannot be read is not shown again
		}
		next.ServeHTTP(w, r)
	})
}

// signInFailed shows a form again, with the status that the API has for it. The
// password is to be typed again.
func (s *site) signInFailed(w http.ResponseWriter, r *http.Request, err error) {
	text := failure(err)
	if r.PostForm == nil || text == "" { // JSON, or nothing that typing again would change
		s.auth.Reject(w, r, err)
		return
	}
	name := "login"
	if r.URL.Path == "/step-up" {
		name = "step-up"
	}
	// Login reads return_to from the form again, and takes only paths of our own.
	if name == "step-up" && errors.Is(err, sessionauth.ErrSignIn) {
		text = "Wrong password." // nothing else was asked for
	}
	form := signIn{Email: r.PostForm.Get("email"), ReturnTo: r.PostForm.Get("return_to"), Accounts: s.accounts}
	show(w, r, statusOf(w, r, err), name, page{Error: text, Body: form})
}

// failure says why nobody was signed in, or nothing if that is for another page
// to say.
func failure(err error) string {
	switch {
	case errors.Is(err, sessionauth.ErrSignIn):
		return "Wrong e-mail address or password."
	case errors.Is(err, sessionauth.ErrResetPassword):
		return "This password must be reset before it can be used again."
	case errors.Is(err, sessionauth.ErrTooManyAttempts):
		return "Too many attempts. Wait a while, then try again."
	case errors.Is(err, sessionauth.ErrUnavailable):
		return "Stytch cannot be asked at the moment. Try again in a few seconds."
	}
	return ""
}
