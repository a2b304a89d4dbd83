package attacktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A JWT that may be an access token is accepted only if Stytch accepts it.
func TestJWT_OnlyStytchCanJudge(t *testing.T) {
	for name, claims := range map[string]map[string]any{
		"client_id":                {"client_id": "x"},
		"scope and jti":            {"scope": "x", "jti": "x"},
		"scope for six minutes":    {"scope": "x", "exp": time.Date(2000, 1, 1, 0, 6, 0, 0, time.UTC).Unix()},
		"roles of an unknown form": {sessionClaimName: map[string]any{"roles": map[string]any{"admin": true}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := authtest.New(t)
				jwt := s.SignJWT(func(_, c map[string]any) {
					if session, ok := claims[sessionClaimName].(map[string]any); ok {
						session["id"] = s.Session.ID
					}
					maps.Copy(c, claims)
				})
				s.Want(s.Get(authtest.Bearer(jwt)), 200)
				s.WantCalls(authtest.PathAuthenticate, 1)
				time.Sleep(31 * time.Second)
				s.RevokeSession(s.Session.ID)
				s.Want(s.Get(authtest.Bearer(jwt)), 401)
				s.Want(s.Get(authtest.Bearer(jwt)), 401)
				s.WantCalls(authtest.PathAuthenticate, 2)
				// The rejection of an access token does not sign the session out.
				s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200)
				s.WantCalls(authtest.PathAuthenticate, 2)
			})
		})
	}
}

// A JWT that may be an access token is not refreshed before it has expired, because checking the
// new JWT would need a call again.
func TestJWT_OnlyStytchCanJudge_WriteBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t, authtest.WriteBack)
		jwt := s.SignJWT(func(_, c map[string]any) { c["client_id"] = "x" })
		for range 20 {
			resp := s.Get(authtest.JWTCookie(jwt))
			s.Want(resp, 200)
			if got := resp.Cookies(); len(got) != 0 {
				t.Errorf("got %v, want no cookie", got)
			}
		}
		s.WantCalls(authtest.PathAuthenticate, 1)
		s.Expire()
		resp := s.Get(authtest.JWTCookie(jwt))
		s.Want(resp, 200)
		if got := resp.Cookies(); len(got) != 1 {
			t.Errorf("got %v, want the new JWT", got)
		}
	})
}

// A session JWT with a custom claim named scope is verified without a call to Stytch.
func TestJWT_CustomClaimScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t, authtest.SessionOnly)
		s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200) // fetches the key set
		s.SetFault("", stytchtest.Fault{Status: 503})
		jwt := s.SignJWT(func(_, c map[string]any) { c["scope"] = "read:documents" })
		for range 3 {
			s.Want(s.Get(authtest.Bearer(jwt)), 200)
		}
		s.WantCalls(authtest.PathAuthenticate, 0)
		id := s.Authenticate(authtest.Bearer(jwt))
		if got := string(id.Session.CustomClaims); got != `{"scope":"read:documents"}` {
			t.Errorf("got custom claims %s, want scope", got)
		}
	})
}

// Tokens of other kinds that a key of the project signed are refused without a call. The reason
// says what they are. If the request also has a session token, Require uses that.
func TestJWT_TokensOfOtherKinds(t *testing.T) {
	const session, organization = sessionClaimName, "https://stytch.com/organization"
	for _, row := range []struct {
		name string
		edit func(claims map[string]any)
		want sessionauth.Reason
	}{
		{"access token", func(c map[string]any) {
			c["scope"], c["client_id"], c["jti"] = "openid", "connected-app-test-1", "x"
			delete(c, session)
		}, sessionauth.ReasonAccessToken},
		{"access token with a session claim", func(c map[string]any) { c["scope"], c["client_id"] = "openid", "connected-app-test-1" }, sessionauth.ReasonAccessToken},
		{"access token with an unreadable session claim", func(c map[string]any) {
			c["scope"], c["client_id"], c[session] = "openid", "connected-app-test-1", "session-test-1"
		}, sessionauth.ReasonAccessToken},
		{"access token of a member", func(c map[string]any) {
			c["scope"], c["client_id"], c["sub"] = "openid", "connected-app-test-1", "member-test-1"
		}, sessionauth.ReasonAccessToken},
		{"member session", func(c map[string]any) {
			c["sub"], c[organization] = "member-test-1", map[string]any{"organization_id": "organization-test-1"}
		}, sessionauth.ReasonMember},
		{"machine token", func(c map[string]any) { c["sub"], c["scope"] = "m2m-client-test-1", "read:users"; delete(c, session) }, sessionauth.ReasonMachine},
		{"machine token with a session claim", func(c map[string]any) { c["sub"], c["scope"] = "m2m-client-test-1", "read:users" }, sessionauth.ReasonMachine},
		{"ID token", func(c map[string]any) { c["aud"] = []string{"connected-app-test-1"}; delete(c, session) }, sessionauth.ReasonBadClaims},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := authtest.New(t)
				jwt := s.SignJWT(func(_, c map[string]any) { row.edit(c) })
				for _, field := range []string{authtest.Bearer(jwt), authtest.JWTCookie(jwt)} {
					_, err := s.Auth.Authenticate(authtest.NewRequest("GET", field))
					var e *sessionauth.Error
					if !errors.As(err, &e) || e.Kind != sessionauth.ErrInvalidSession || e.Reason != row.want {
						t.Errorf("got %v, want %s", err, row.want)
					}
					s.WantAnswer(s.Get(field), authtest.InvalidToken)
				}
				s.WantCalls(authtest.PathAuthenticate, 0)
				s.Want(s.Get(authtest.BothCookies(s.Session.Token, jwt)), 200)
				s.WantPassed(1, s.Session.ID)
				_ = s.Auth.SignOut(t.Context(), sessionauth.Credential{JWT: jwt})
				s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200) // signing out with an access token does not end the session
			})
		})
	}
}

// If the session claim has an unknown form, Require calls Stytch. The answer must be about the user
// of the JWT.
func TestJWT_UnreadableSessionClaim(t *testing.T) {
	form := func(s *authtest.Env, subject string, form any) string {
		return s.SignJWT(func(_, c map[string]any) { c[sessionClaimName], c["sub"] = form, subject })
	}
	for name, of := range map[string]func(id string) any{
		"a string": func(id string) any { return id },
		"a list":   func(id string) any { return []any{id} },
		"an id, and a version": func(id string) any {
			return map[string]any{"id": id, "expires_at": map[string]any{"seconds": 4102444800}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := authtest.New(t)
				jwt := form(s, s.User.ID, of(s.Session.ID))
				for range 3 {
					s.Want(s.Get(authtest.Bearer(jwt)), 200)
				}
				s.WantPassed(3, s.Session.ID)
				s.WantCalls(authtest.PathAuthenticate, 1)
				if id := s.Authenticate(authtest.Bearer(jwt)); id.Session.ID != s.Session.ID || id.User.ID != s.User.ID {
					t.Errorf("got session %s of %s, want that of Stytch's answer", id.Session.ID, id.User.ID)
				}
				s.Want(s.Get(authtest.BothCookies(s.Session.Token, jwt)), 200)

				// A JWT with the session of another user must not pass.
				other := s.SignIn(stytchtest.SessionOptions{})
				s.Want(s.Get(authtest.Bearer(form(s, s.User.ID, of(other.ID)))), 503)
				s.WantPassed(4, s.Session.ID)

				// Signing out with the JWT ends the session.
				if err := s.Auth.SignOut(t.Context(), sessionauth.Credential{JWT: jwt}); err != nil {
					t.Error(err)
				}
				s.Want(s.Get(authtest.Bearer(jwt)), 401)
				s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 401)
				s.Want(s.Get(authtest.Bearer(other.JWT)), 200)
				s.WantPassed(5, other.ID)
			})
		})
	}
}

// If the session claim cannot be read while Stytch is down, the request neither passes nor is
// rejected. Such JWTs of one user cause at most 4 calls in 5 seconds.
func TestJWT_UnreadableSessionClaimIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t)
		number := 0
		jwt := func(session stytchtest.Session) string {
			number++
			return s.SignJWT(func(_, c map[string]any) {
				c[sessionClaimName], c["sub"], c["number"] = []any{session.ID}, session.UserID, number
			})
		}
		s.Want(s.Get(authtest.Bearer(s.Session.JWT)), 200) // fetches the key set
		s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{Status: 500})
		s.Want(s.Get(authtest.Bearer(jwt(s.Session))), 503)
		s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{})
		time.Sleep(time.Minute)

		calls := s.Calls(authtest.PathAuthenticate)
		same := authtest.Bearer(jwt(s.Session))
		for _, resp := range s.Together(50, same) {
			s.Want(resp, 200)
		}
		s.WantCalls(authtest.PathAuthenticate, calls+1)
		for range 3 {
			s.Want(s.Get(authtest.Bearer(jwt(s.Session))), 200)
		}
		for range 100 {
			resp := s.Get(authtest.Bearer(jwt(s.Session)))
			s.Want(resp, 503)
			if resp.Header.Get("Retry-After") == "" {
				t.Error("got no Retry-After, want one")
			}
		}
		s.WantCalls(authtest.PathAuthenticate, calls+4)
		s.Want(s.Get(same), 200) // answered from the cache
		other := s.SignIn(stytchtest.SessionOptions{})
		s.Want(s.Get(authtest.Bearer(jwt(other))), 200) // other users are not affected
		s.WantCalls(authtest.PathAuthenticate, calls+5)
		time.Sleep(5 * time.Second)
		s.Want(s.Get(authtest.Bearer(jwt(s.Session))), 200)
	})
}

// The type of an error decides the answer, whatever the status is.
func TestServer_ErrorTypes(t *testing.T) {
	for kind, want := range map[string]struct {
		answer authtest.Answer
		reason sessionauth.Reason
	}{
		"session_not_found":           {want401i, sessionauth.ReasonRejected},
		"invalid_session_token":       {want401i, sessionauth.ReasonRejected},
		"invalid_session_token_docs":  {want401i, sessionauth.ReasonRejected},
		"unable_to_parse_session_jwt": {want401i, sessionauth.ReasonRejected},
		"incompatible_session_type":   {want401i, sessionauth.ReasonRejected},

		// The iss, the aud and the claims of the JWT agree with the configuration. If Stytch
		// disagrees, the configuration is wrong and not the credential.
		"jwt_invalid_audience": {want503r, sessionauth.ReasonStytchFailing},
		"jwt_invalid_issuer":   {want503r, sessionauth.ReasonStytchFailing},
		"jwt_invalid_claims":   {want503r, sessionauth.ReasonStytchFailing},

		"organization_suspended":               {want503r, sessionauth.ReasonMisconfigured},
		"invalid_b2b_endpoint":                 {want503r, sessionauth.ReasonMisconfigured},
		"invalid_consumer_endpoint":            {want503r, sessionauth.ReasonMisconfigured},
		"route_not_found":                      {want503r, sessionauth.ReasonStytchFailing},
		"cname_required_for_http_only_cookies": {want503r, sessionauth.ReasonMisconfigured},
		"session_not_mutable":                  {want503r, sessionauth.ReasonStytchFailing},
		"invalid_session_token_2":              {want503r, sessionauth.ReasonStytchFailing},
	} {
		for _, status := range []int{400, 401, 403, 404, 409, 500} {
			t.Run(fmt.Sprintf("%s with status %d", kind, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var last sessionauth.Event
					s := authtest.New(t, func(c *sessionauth.Config) {
						c.Observe = func(_ context.Context, e sessionauth.Event) { last = e }
					})
					s.Expire()
					s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{Status: status, ErrorType: kind})
					for _, field := range []string{authtest.Bearer(s.Session.Token), authtest.JWTCookie(s.Session.JWT)} {
						s.WantAnswer(s.Get(field), want.answer)
						if last.Reason != want.reason {
							t.Errorf("got reason %s, want %s", last.Reason, want.reason)
						}
					}
				})
			})
		}
	}
}
