package sessionauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestFromContext_FollowsTheRequest(t *testing.T) {
	type key string
	another := func(ctx context.Context) context.Context {
		//lint:ignore SA1029 the test is about such a key
		return context.WithValue(context.WithValue(ctx, key("session"), "other"), "session", "other")
	}
	for _, row := range []struct {
		name   string
		change func(*http.Request) *http.Request // changes the request in the handler
	}{
		{"201 the same key with another value", func(r *http.Request) *http.Request { return r.WithContext(another(r.Context())) }},
		{"202 Clone", func(r *http.Request) *http.Request { return r.Clone(r.Context()) }},
		{"202 WithContext", func(r *http.Request) *http.Request { return r.WithContext(context.WithoutCancel(r.Context())) }},
		{"202 Clone with more in the context", func(r *http.Request) *http.Request { return r.Clone(another(r.Context())) }},
	} {
		for _, by := range authtest.Carriers {
			t.Run(row.name+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					next := s.Next()
					behind := s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, row.change(r)) }))
					s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						behind.ServeHTTP(w, r.WithContext(another(r.Context()))) // another value also in front of Require
					})
					s.Want(s.Get(by.Carry(bearer(s.Session.JWT))), 200)
					s.WantPassed(1, s.Session.ID)
					s.WantAnswer(s.Get(), want401n)
					s.WantCalls("", 2) // one call for the key set and one for the user
				})
			})
		}
	}
}

func TestFromContext_ReturnsACopy(t *testing.T) {
	for _, credential := range []string{"token", "jwt", "old jwt"} {
		for _, by := range authtest.Carriers {
			t.Run("163 "+credential+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { changesNothing(t, credential, by.Carry) })
			})
		}
	}
}

func changesNothing(t *testing.T, credential string, carry func(string) string) {
	s := newEnv(t)
	s.Session = s.StartSession(s.AddUser(stytchtest.User{
		Email: "grace@example.com", Roles: []string{"editor"}, TrustedMetadata: map[string]any{"plan": "basic"},
	}).ID, stytchtest.SessionOptions{
		CustomClaims: map[string]any{"tier": "basic"},
		Factors:      []stytch.AuthenticationFactor{{Type: "otp", DeliveryMethod: "email", EmailFactor: &stytch.EmailFactor{EmailID: "email-test-1"}}},
	})
	field := bearer(s.Session.JWT)
	if credential == "token" {
		field = bearer(s.Session.Token)
	}
	if credential == "old jwt" {
		s.Expire()
	}
	field = carry(field)
	want := ""
	s.Handler = s.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := sessionauth.FromContext(r.Context())
		again, _ := sessionauth.FromContext(r.Context())
		session, _ := sessionauth.SessionFromContext(r.Context())
		user, _ := sessionauth.UserFromContext(r.Context())
		if !ok || again != id || session != id.Session || user != id.User {
			t.Error("got another copy within one request")
		}
		got := string(authtest.JSON(id.Session)) + string(authtest.JSON(id.User))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		session.ID, session.UserID, session.Roles[0] = "x", "x", "admin"
		session.CustomClaims[2] = 'X'
		session.Factors[0].EmailFactor.EmailID = "x"
		session.Factors[0].Type = "x"
		session.Attributes.IPAddress = "x"
		user.ID, user.Emails[0].Email, user.Roles[0] = "x", "x", "admin"
		for i := range user.TrustedMetadata {
			user.TrustedMetadata[i] = 'x'
		}
		id.Session, id.User = nil, nil
	}))
	for range 3 {
		s.Want(s.Get(field), 200)
	}
	if id := s.Authenticate(field); id.DecidedBy != sessionauth.Cache || !strings.Contains(want, "editor") {
		t.Errorf("got %s of %s, want Cache", id.DecidedBy, want)
	}
}
