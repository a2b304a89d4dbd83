package authtest_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytch"
)

// 208: every Env has a LeakCheck. This test shows that the LeakCheck finds each kind of secret.
func TestLeakCheck_FindsALeak(t *testing.T) {
	jwt := func(s *authtest.Env) string { return authtest.Bearer(s.Session.JWT) }
	token := func(s *authtest.Env) string { return authtest.Bearer(s.Session.Token) }
	for _, row := range []struct {
		name  string
		field func(*authtest.Env) string
		leak  func(*authtest.Env) string
	}{
		{"208 a token in the header", token, func(s *authtest.Env) string { return s.Session.Token }},
		{"208 a token in a cookie", func(s *authtest.Env) string { return authtest.TokenCookie(s.Session.Token) }, func(s *authtest.Env) string { return s.Session.Token[9:25] }},
		{"208 the signature of a JWT in the header", jwt, func(s *authtest.Env) string { return s.Session.JWT[len(s.Session.JWT)-authtest.ShortestLeak:] }},
		{"208 the payload of a JWT in a cookie", func(s *authtest.Env) string { return authtest.JWTCookie(s.Session.JWT) }, func(s *authtest.Env) string { return strings.Split(s.Session.JWT, ".")[1][100:140] }},
		{"208 an unknown token", func(*authtest.Env) string { return authtest.Bearer(authtest.InventedToken) }, func(*authtest.Env) string { return authtest.InventedToken[20:] }},
		{"208 a JWT with another signature", func(s *authtest.Env) string { return authtest.JWTCookie(authtest.OtherSignature(s.Session.JWT)) }, func(s *authtest.Env) string { return authtest.OtherSignature(s.Session.JWT)[300:] }},
		{"208 the refreshed JWT", jwt, func(s *authtest.Env) string { return s.Authenticate(authtest.Bearer(s.Session.JWT)).Refreshed.JWT }},
		{"208 the secret", token, func(s *authtest.Env) string { return s.Secret }},
		{"208 the Authorization of a call", token, func(s *authtest.Env) string {
			return base64.StdEncoding.EncodeToString([]byte(s.ProjectID + ":" + s.Secret))[20:]
		}},
		{"208 an email address", token, func(*authtest.Env) string { return "ada@example.com" }},
		{"208 a password", token, func(*authtest.Env) string { return authtest.Password }},
		{"208 the message of Stytch", func(*authtest.Env) string { return authtest.Bearer(authtest.InventedToken) }, func(s *authtest.Env) string {
			_, err := s.Auth.Client().AuthenticateSession(s.T.Context(), stytch.AuthenticateSessionParams{SessionToken: authtest.InventedToken})
			var said *stytch.Error
			if !errors.As(err, &said) || len(said.Message) < authtest.ShortestLeak {
				s.T.Fatalf("got %v, want a message", err)
			}
			return said.Message
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := authtest.New(t)
				s.Expire() // Require sends the expired JWT to Stytch, which answers with a new one
				s.Get(row.field(s))
				leak := row.leak(s)
				if s.Leaks.Find("level=DEBUG msg=cache key="+leak+" hit=true") == nil {
					t.Errorf("got nothing found in a log with %q, want the leak", leak)
				}
				if got := s.Leaks.Find(s.Leaks.Output()); got != nil {
					t.Errorf("got %q in a log without it, want nothing", got)
				}
			})
		})
	}
}
