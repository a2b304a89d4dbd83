package attacktest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func TestRequest_Credential(t *testing.T) {
	for _, row := range []struct {
		name   string
		fields string
		want   authtest.Answer
		calls  int
	}{
		{"0 a JWT in the header", "Authorization: Bearer {ada.jwt}", passAs("ada"), 0},
		{"0 a token in the header", "Authorization: Bearer {ada.token}", passAs("ada"), 1},
		{"0 a JWT in a cookie", "Cookie: stytch_session_jwt={ada.jwt}", passAs("ada"), 0},
		{"0 a token in a cookie", "Cookie: stytch_session={ada.token}", passAs("ada"), 1},
		{"0 both in cookies", "Cookie: stytch_session={ada.token}; stytch_session_jwt={ada.jwt}", passAs("ada"), 1},
		{"0 a JWT with another signature in the header", "Authorization: Bearer {bad.jwt}", want401i, 0},
		{"0 a JWT with another signature in a cookie", "Cookie: stytch_session_jwt={bad.jwt}", want401i, 0},
		{"0 a JWT with another signature, and a good token", "Cookie: stytch_session={ada.token}; stytch_session_jwt={bad.jwt}", passAs("ada"), 1},
		{"0 an unknown token in the header", "Authorization: Bearer {unknown}", want401i, 1},
		{"0 an unknown token in a cookie", "Cookie: stytch_session={unknown}", want401i, 1},

		{"1 no credential", "", want401n, 0},
		{"4 an empty Authorization", "Authorization: ", want401n, 0},
		{"5 an empty token cookie", "Cookie: stytch_session=", want401n, 0},
		{"5 an empty JWT cookie", "Cookie: stytch_session_jwt=", want401n, 0},
		{"5 a token cookie without =", "Cookie: stytch_session", want401n, 0},
		{"6 an empty quoted token cookie", `Cookie: stytch_session=""`, want401n, 0},
		{"6 an empty quoted JWT cookie", `Cookie: stytch_session_jwt=""`, want401n, 0},
		{"7 Bearer alone", "Authorization: Bearer", want400r, 0},
		{"8 Bearer and a space", "Authorization: Bearer ", want400r, 0},
		{"8 Bearer and three spaces", "Authorization: Bearer    ", want400r, 0},
		{"9 no space before the token", "Authorization: Bearer{ada.token}", want400r, 0},
		{"9 no space before the JWT", "Authorization: bearer{ada.jwt}", want400r, 0},
		{"9 a scheme that begins with Bearer", "Authorization: Bearer: {ada.token}", want400r, 0},
		{"9 another scheme that begins with Bearer", "Authorization: BEARERX {ada.jwt}", want400r, 0},
		{"10 a tab before the token", "Authorization: Bearer\t{ada.token}", want400r, 0},
		{"10 a space and a tab before the token", "Authorization: Bearer \t{ada.token}", want400r, 0},
		{"11 two spaces before the token", "Authorization: Bearer  {ada.token}", passAs("ada"), 1},
		{"11 two spaces before the JWT", "Authorization: Bearer  {ada.jwt}", passAs("ada"), 0},
		{"12 bearer", "Authorization: bearer {ada.jwt}", passAs("ada"), 0},
		{"12 BEARER", "Authorization: BEARER {ada.token}", passAs("ada"), 1},
		{"13 a long s in the scheme", "Authorization: beaſer {ada.jwt}", want401n, 0},
		{"13 a full-width B", "Authorization: Ｂearer {ada.jwt}", want401n, 0},
		{"14 a token without scheme", "Authorization: {ada.token}", want400r, 0},
		{"14 a JWT without scheme", "Authorization: {ada.jwt}", want400r, 0},
		{"15 Token", "Authorization: Token {ada.token}", want401n, 0},
		{"15 JWT", "Authorization: JWT {ada.jwt}", want401n, 0},
		{"15 DPoP", "Authorization: DPoP {ada.jwt}", want401n, 0},
		{"15 Negotiate", "Authorization: Negotiate {ada.token}", want401n, 0},
		{"15 Digest", `Authorization: Digest username="ada", response="{ada.token}"`, want401n, 0},
		{"16 Basic with the token as password", "Authorization: Basic {basic}", want401n, 0},
		{"17 two tokens joined by a comma", "Authorization: Bearer {ada.token}, Bearer {bob.token}", want400r, 0},
		{"17 two JWTs joined by a comma", "Authorization: Bearer {ada.jwt},{bob.jwt}", want400r, 0},
		{"18 a trailing comma, token", "Authorization: Bearer {ada.token},", want400r, 0},
		{"18 a trailing comma, JWT", "Authorization: Bearer {ada.jwt},", want400r, 0},
		{"19 a quoted token", `Authorization: Bearer "{ada.token}"`, want400r, 0},
		{"20 a quoted parameter", `Authorization: Bearer token="{ada.token}"`, want400r, 0},
		{"20 a bare parameter", "Authorization: Bearer token={ada.token}", want400r, 0},
		{"21 Bearer twice", "Authorization: Bearer Bearer {ada.token}", want400r, 0},
		{"22 two fields, both good", "Authorization: Bearer {ada.jwt}\nAuthorization: Bearer {ada.jwt}", want400r, 0},
		{"23 two fields, good then bad", "Authorization: Bearer {ada.jwt}\nAuthorization: Bearer {bad.jwt}", want400r, 0},
		{"24 two fields, bad then good", "Authorization: Bearer {unknown}\nAuthorization: Bearer {ada.token}", want400r, 0},
		{"25 two fields, good then Basic", "Authorization: Bearer {ada.jwt}\nAuthorization: Basic eDp5", want400r, 0},
		{"25 two fields, Basic then good", "Authorization: Basic eDp5\nAuthorization: Bearer {ada.jwt}", want400r, 0},
		{"25 two fields, empty then good", "Authorization: \nAuthorization: Bearer {ada.jwt}", want400r, 0},
		{"25 two fields, and a good cookie", "Authorization: Basic eDp5\nAuthorization: Basic eDp5\nCookie: stytch_session_jwt={ada.jwt}", want400r, 0},

		{"30 Connection names the header", "Connection: Authorization\nAuthorization: Bearer {ada.jwt}", passAs("ada"), 0},
		{"30 Connection names the cookie", "Connection: Cookie\nCookie: stytch_session_jwt={ada.jwt}", passAs("ada"), 0},
		{"35 the user agent of a health check", "User-Agent: kube-probe/1.33", want401n, 0},
		{"35 the user agent of a load balancer", "User-Agent: ELB-HealthChecker/2.0", want401n, 0},
		{"36 a method override", "X-HTTP-Method-Override: OPTIONS", want401n, 0},
		{"37 an upgrade", "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13", want401n, 0},

		{"38 a cookie in other case", "Cookie: Stytch_Session={ada.token}; STYTCH_SESSION_JWT={ada.jwt}", want401n, 0},
		{"38 a cookie with $", "Cookie: $stytch_session={ada.token}", want401n, 0},
		{"38 a cookie with []", "Cookie: stytch_session[]={ada.token}", want401n, 0},
		{"38 a cookie with %5F", "Cookie: stytch%5Fsession={ada.token}", want401n, 0},
		{"38 a cookie with a suffix", "Cookie: stytch_session_={ada.token}; stytch_session.1={ada.token}", want401n, 0},
		{"38 a token in the JWT cookie", "Cookie: stytch_session_jwt={ada.token}", want401i, 0},
		{"38 a JWT in the token cookie", "Cookie: stytch_session={ada.jwt}", want401i, 0},
		{"39 __Host- where the plain name is configured", "Cookie: __Host-stytch_session={ada.token}", want401n, 0},
		{"40 U+2000 before the name", "Cookie: \u2000stytch_session={ada.token}", want401n, 0},
		{"40 U+0085 before the name", "Cookie: \u0085stytch_session={ada.token}", want401n, 0},
		{"41 $Version and a quoted value over a semicolon", `Cookie: $Version=1; stytch_session="{ada.token}; x=y"`, want401n, 0},
		{"41 $Version has no meaning", "Cookie: $Version=1; stytch_session={ada.token}; $Path=/", passAs("ada"), 1},
		{"42 a nameless cookie", "Cookie: =stytch_session={ada.token}", want401n, 0},
		{"43 a quoted token", `Cookie: stytch_session="{ada.token}"`, passAs("ada"), 1},
		{"43 a quoted JWT", `Cookie: stytch_session_jwt="{ada.jwt}"`, passAs("ada"), 0},
		{"44 Bearer in the token cookie", "Cookie: stytch_session=Bearer {ada.token}", want401i, 0},
		{"44 Bearer in the JWT cookie", "Cookie: stytch_session_jwt=Bearer {ada.jwt}", want401i, 0},
		{"45 a trailing comma, token", "Cookie: stytch_session={ada.token},", want401i, 0},
		{"45 a trailing comma, JWT", "Cookie: stytch_session_jwt={ada.jwt},", want401i, 0},
		{"45 a trailing backslash", `Cookie: stytch_session={ada.token}\`, want401n, 0}, // net/http drops this cookie
		{"45 half a quote", `Cookie: stytch_session="{ada.token}`, want401n, 0},         // net/http drops this cookie too

		{"46 good token, then an unknown one", "Cookie: stytch_session={ada.token}; stytch_session={unknown}", passAs("ada"), 2},
		{"46 unknown token, then the good one", "Cookie: stytch_session={unknown}; stytch_session={ada.token}", passAs("ada"), 2},
		{"46 good JWT, then a bad one", "Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt={bad.jwt}", passAs("ada"), 0},
		{"46 bad JWT, then the good one", "Cookie: stytch_session_jwt={bad.jwt}; stytch_session_jwt={ada.jwt}", passAs("ada"), 0},
		{"46 malformed token, then the good one", "Cookie: stytch_session=x; stytch_session={ada.token}", passAs("ada"), 1},
		{"46 in two Cookie fields", "Cookie: stytch_session={unknown}\nCookie: stytch_session={ada.token}", passAs("ada"), 2},
		{"46 two bad JWTs and a good token", "Cookie: stytch_session_jwt={bad.jwt}; stytch_session_jwt=x; stytch_session={ada.token}", passAs("ada"), 1},
		{"46 two values, both bad", "Cookie: stytch_session={unknown}; stytch_session=x", want401i, 1},
		{"46 four values", "Cookie: stytch_session=a; stytch_session=b; stytch_session=c; stytch_session={ada.token}", passAs("ada"), 1},
		{"46 five values", "Cookie: stytch_session=a; stytch_session=b; stytch_session=c; stytch_session=d; stytch_session={ada.token}", want400r, 0},
		{"46 five values of two names", "Cookie: stytch_session=a; stytch_session=b; stytch_session={ada.token}; stytch_session_jwt=c; stytch_session_jwt={ada.jwt}", want400r, 0},
		{"47 tokens of two users", "Cookie: stytch_session={ada.token}; stytch_session={bob.token}", want400r, 2},
		{"47 JWTs of two users", "Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt={bob.jwt}", want400r, 0},
		{"47 a repeated JWT cookie of one user and the token of another", "Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt=x; stytch_session={bob.token}", want400r, 1},
		{"48 one token twice", "Cookie: stytch_session={ada.token}; stytch_session={ada.token}", passAs("ada"), 1},
		{"48 one JWT twice", "Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt={ada.jwt}", passAs("ada"), 0},
		{"48 one JWT twice, the second quoted", `Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt="{ada.jwt}"`, passAs("ada"), 0},
		{"48 four values, the first twice", "Cookie: stytch_session=a; stytch_session=a; stytch_session=b; stytch_session=c; stytch_session={ada.token}", passAs("ada"), 1},
		{"49 an empty token cookie, then a good one", "Cookie: stytch_session=; stytch_session={ada.token}", passAs("ada"), 1},
		{"49 a good token cookie, then an empty one", "Cookie: stytch_session={ada.token}; stytch_session=", passAs("ada"), 1},
		{"49 an empty JWT cookie, then a good one", `Cookie: stytch_session_jwt=""; stytch_session_jwt={ada.jwt}`, passAs("ada"), 0},

		{"52 a bad JWT in the header, a good cookie", "Authorization: Bearer {bad.jwt}\nCookie: stytch_session_jwt={ada.jwt}", want401i, 0},
		{"52 an unknown token in the header, a good cookie", "Authorization: Bearer {unknown}\nCookie: stytch_session={ada.token}", want401i, 1},
		{"52 a short token in the header, a good cookie", "Authorization: Bearer x\nCookie: stytch_session={ada.token}", want401i, 0},
		{"53 garbage in the header, a good cookie", "Authorization: garbage\nCookie: stytch_session_jwt={ada.jwt}", want400r, 0},
		{"53 a malformed token in the header, a good cookie", "Authorization: Bearer ???\nCookie: stytch_session_jwt={ada.jwt}", want400r, 0},
		{"54 a good header, a bad cookie", "Authorization: Bearer {ada.jwt}\nCookie: stytch_session_jwt={bad.jwt}", passAs("ada"), 0},
		{"55 a header of Ada, a cookie of Bob", "Authorization: Bearer {ada.jwt}\nCookie: stytch_session_jwt={bob.jwt}", passAs("ada"), 0},
		{"55 a token of Bob in the header, cookies of Ada", "Authorization: Bearer {bob.token}\nCookie: stytch_session={ada.token}; stytch_session_jwt={ada.jwt}", passAs("bob"), 1},
		{"56 Basic, and a good cookie", "Authorization: Basic eDp5\nCookie: stytch_session_jwt={ada.jwt}", passAs("ada"), 0},
		{"56 an empty header, and a good cookie", "Authorization: \nCookie: stytch_session_jwt={ada.jwt}", passAs("ada"), 0},
		{"57 a token of Bob, a fresh JWT of Ada", "Cookie: stytch_session={bob.token}; stytch_session_jwt={ada.jwt}", want400r, 1},
	} {
		// The default extractor has its own code path, so the rows also run with an explicit
		// extractor.
		for _, way := range []struct {
			name   string
			change func(*sessionauth.Config)
		}{
			{"", func(*sessionauth.Config) {}},
			{", by FirstOf", func(c *sessionauth.Config) {
				c.Extractor = sessionauth.FirstOf(sessionauth.FromBearer, sessionauth.FromCookies("stytch_session", "stytch_session_jwt"))
			}},
		} {
			t.Run(row.name+way.name, func(t *testing.T) {
				s := newScene(t, way.change)
				s.wantFirst(s.Do(s.request("GET", "/", "", row.fields)), row.want, row.calls)
			})
		}
	}
}

func TestRequest_OtherFields(t *testing.T) {
	for _, row := range []struct{ name, value string }{
		{"29 Proxy-Authorization", "Bearer {ada.jwt}"},
		{"29 X-Authorization", "Bearer {ada.jwt}"},
		{"29 X-Forwarded-Authorization", "Bearer {ada.jwt}"},
		{"29 X-Original-Authorization", "Bearer {ada.jwt}"},
		{"29 Authentication", "Bearer {ada.jwt}"},
		{"29 X-Access-Token", "{ada.token}"},
		{"29 X-Auth-Token", "{ada.token}"},
		{"29 X-Session-Token", "{ada.token}"},
		{"29 X-Stytch-Session-JWT", "{ada.jwt}"},
		{"29 X-Api-Key", "{ada.token}"},
		{"29 Set-Cookie", "stytch_session={ada.token}"},
		{"34 X-Forwarded-User", "ada"},
		{"34 X-Forwarded-Email", "ada@example.com"},
		{"34 X-Forwarded-Preferred-Username", "ada"},
		{"34 X-Forwarded-Groups", "admin"},
		{"34 X-Forwarded-Access-Token", "{ada.jwt}"},
		{"34 X-Forwarded-For", "127.0.0.1"},
		{"34 X-Forwarded-Host", "localhost"},
		{"34 X-Forwarded-Proto", "https"},
		{"34 X-Real-IP", "127.0.0.1"},
		{"34 Forwarded", "for=127.0.0.1;host=localhost"},
		{"34 X-Auth-Request-User", "ada"},
		{"34 X-Auth-Request-Email", "ada@example.com"},
		{"34 X-User", "ada"},
		{"34 X-User-ID", "ada"},
		{"34 X_User_Id", "ada"},
		{"34 X-Email", "ada@example.com"},
		{"34 X-Roles", "admin"},
		{"34 X-WebAuth-User", "ada"},
		{"34 Remote-User", "ada"},
		{"34 X-Remote-User", "ada"},
		{"34 Remote_User", "ada"},
		{"34 X-Stytch-User-ID", "ada"},
		{"34 X-Original-URL", "/health"},
		{"34 X-Rewrite-URL", "/health"},
		{"34 X-Client-Cert", "ada"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			_, name, _ := strings.Cut(row.name, " ")
			s.wantFirst(s.Do(s.request("GET", "/", "", name+": "+row.value)), want401n, 0)
		})
	}
}

func TestRequest_ConfiguredCookieNames(t *testing.T) {
	for _, row := range []struct {
		name   string
		fields string
		want   authtest.Answer
		calls  int
	}{
		{"39 the configured names", "Cookie: __Host-session={ada.token}; __Host-jwt={ada.jwt}", passAs("ada"), 0},
		{"39 the plain names where __Host- is configured", "Cookie: session={ada.token}; jwt={ada.jwt}", want401n, 0},
		{"39 the default names where others are configured", "Cookie: stytch_session={ada.token}; stytch_session_jwt={ada.jwt}", want401n, 0},
		{"39 __host- in other case", "Cookie: __host-session={ada.token}; __HOST-jwt={ada.jwt}", want401n, 0},
		{"40 U+2000 before __Host-", "Cookie: \u2000__Host-session={ada.token}", want401n, 0},
		{"41 $Version before __Host-", `Cookie: $Version=1; x="y; __Host-session={ada.token}"`, want401n, 0},
		{"42 a nameless cookie for __Host-", "Cookie: =__Host-session={ada.token}", want401n, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t, func(c *sessionauth.Config) {
				c.Cookies = sessionauth.Cookies{Token: "__Host-session", JWT: "__Host-jwt"}
			})
			s.wantFirst(s.Do(s.request("GET", "/", "", row.fields)), row.want, row.calls)
		})
	}
}

func TestRequest_CustomHeader(t *testing.T) {
	for _, row := range []struct {
		name   string
		fields string
		want   authtest.Answer
		calls  int
	}{
		{"1 no credential", "", want401n, 0},
		{"4 empty", "X-Session: ", want401n, 0},
		{"14 a JWT", "X-Session: {ada.jwt}", passAs("ada"), 0},
		{"14 a token", "X-Session: {ada.token}", passAs("ada"), 1},
		{"17 two joined by a comma", "X-Session: {ada.jwt},{bob.jwt}", want400r, 0},
		{"19 quoted", `X-Session: "{ada.jwt}"`, want400r, 0},
		{"21 with a scheme", "X-Session: Bearer {ada.jwt}", want400r, 0},
		{"22 two fields", "X-Session: {ada.jwt}\nX-Session: {ada.jwt}", want400r, 0},
		{"29 Authorization instead", "Authorization: Bearer {ada.jwt}", want401n, 0},
		{"39 cookies instead", "Cookie: stytch_session_jwt={ada.jwt}; X-Session={ada.jwt}", want401n, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t, func(c *sessionauth.Config) { c.Extractor = sessionauth.FromHeader("x-session") })
			s.wantFirst(s.Do(s.request("GET", "/", "", row.fields)), row.want, row.calls)
		})
	}
}

func TestRequest_TwoSessionsOfOneUser(t *testing.T) {
	for _, row := range []struct{ name, fields string }{
		{"46 tokens, the later session first", "Cookie: stytch_session=%s; stytch_session={ada.token}"},
		{"46 tokens, the later session last", "Cookie: stytch_session={ada.token}; stytch_session=%s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				time.Sleep(time.Minute)
				later := s.StartSession(s.Session.UserID, stytchtest.SessionOptions{})
				s.Do(s.request("GET", "/", "", fmt.Sprintf(row.fields, later.Token)))
				s.WantPassed(1, later.ID) // the session that started later
				s.WantCalls(authtest.PathAuthenticate, 2)
			})
		})
	}
}

// If a sibling domain has planted a cookie, it must not take precedence while the cookie of the
// user cannot be verified.
func TestRequest_PlantedCookieInAnOutage(t *testing.T) {
	for _, row := range []struct{ name, fields string }{
		{"46 planted first", "Cookie: stytch_session_jwt={bob.jwt}; stytch_session_jwt=x; stytch_session={ada.token}"},
		{"46 planted last", "Cookie: stytch_session={ada.token}; stytch_session_jwt=x; stytch_session_jwt={bob.jwt}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.SetFault(authtest.PathAuthenticate, stytchtest.Fault{Status: 400})
			s.wantFirst(s.Do(s.request("GET", "/", "", row.fields)), want503r, 1)
		})
	}
}

func TestRequest_TokenAndJWTOfTwoSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		time.Sleep(6 * time.Minute) // the JWT has expired
		resp := s.Do(s.request("GET", "/", "", "Cookie: stytch_session={bob.token}; stytch_session_jwt={ada.jwt}"))
		s.wantFirst(resp, want400r, 2)
		resp = s.Do(s.request("GET", "/", "", "Cookie: stytch_session={ada.token}; stytch_session_jwt={ada.jwt}"))
		s.wantFirst(resp, passAs("ada"), 3)
	})
}
