package attacktest

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

// project returns a value that is computed from the project ID.
func project(make func(id string) any) fromEnv {
	return func(s *authtest.Env) any { return make(s.ProjectID) }
}

// inTime returns the NumericDate (as JSON) of a time from now.
func inTime(d time.Duration) jsonText {
	return jsonText(strconv.FormatInt(time.Now().Add(d).Unix(), 10))
}

// lived returns the time claims of a JWT that was issued some time ago and is valid for 5 minutes.
func lived(ago time.Duration) []any {
	return []any{"iat", inTime(-ago), "nbf", inTime(-ago), "exp", inTime(5*time.Minute - ago)}
}

// unknownSession signs a JWT for a session that does not exist.
func unknownSession(pairs ...any) func(*authtest.Env) string {
	id := map[string]any{"id": "session-test-00000000-0000-4000-8000-000000000000"}
	return bentClaims(append([]any{sessionClaimName, id}, pairs...)...)
}

func TestJWT_IssuerAndAudience(t *testing.T) {
	iss := func(make func(id string) any) func(*authtest.Env) string { return bentClaims("iss", project(make)) }
	aud := func(make func(id string) any) func(*authtest.Env) string { return bentClaims("aud", project(make)) }
	runJWTRows(t, []jwtRow{
		{"111 iss missing", bentClaims("iss", absent), jwtRefused},
		{"111 iss null", bentClaims("iss", nil), jwtRefused},
		{"111 iss a number", bentClaims("iss", 1), jwtRefused},
		{"111 iss a list", iss(func(id string) any { return []string{"stytch.com/" + id} }), jwtRefused},
		{"111 iss an object", iss(func(id string) any { return map[string]any{"stytch.com/" + id: 1} }), jwtRefused},
		{"111 iss empty", bentClaims("iss", ""), jwtRefused},
		{"111 iss equal to the configured base URL", bentClaims("iss", fromEnv(func(s *authtest.Env) any { return s.Config.BaseURL })), jwtPasses},
		{"112 iss another project", bentClaims("iss", "stytch.com/project-test-00000000-0000-4000-8000-000000000000"), jwtRefused},
		{"112 iss a prefix", iss(func(id string) any { return "stytch.com/" + id[:len(id)-1] }), jwtRefused},
		{"112 iss without the project", bentClaims("iss", "stytch.com/"), jwtRefused},
		{"112 iss with a prefix", iss(func(id string) any { return "evil.stytch.com/" + id }), jwtRefused},
		{"112 iss with a suffix", iss(func(id string) any { return "stytch.com/" + id + "x" }), jwtRefused},
		{"112 iss with a trailing slash", iss(func(id string) any { return "stytch.com/" + id + "/" }), jwtRefused},
		{"112 iss with https", iss(func(id string) any { return "https://stytch.com/" + id }), jwtRefused},
		{"112 iss in upper case", iss(func(id string) any { return "STYTCH.COM/" + id }), jwtRefused},
		{"112 iss with a trailing space", iss(func(id string) any { return "stytch.com/" + id + " " }), jwtRefused},
		{"112 iss with a leading space", iss(func(id string) any { return " stytch.com/" + id }), jwtRefused},
		{"112 iss with NUL", iss(func(id string) any { return "stytch.com/" + id + "\x00" }), jwtRefused},
		{"112 iss with traversal", iss(func(id string) any { return "stytch.com/x/../" + id }), jwtRefused},
		{"112 iss the base URL with a trailing slash", bentClaims("iss", fromEnv(func(s *authtest.Env) any { return s.Config.BaseURL + "/" })), jwtRefused},
		{"113 aud missing", bentClaims("aud", absent), jwtRefused},
		{"113 aud null", bentClaims("aud", nil), jwtRefused},
		{"113 aud a number", bentClaims("aud", 1), jwtRefused},
		{"113 aud a bool", bentClaims("aud", true), jwtRefused},
		{"113 aud an object", aud(func(id string) any { return map[string]any{id: id} }), jwtRefused},
		{"113 aud []", bentClaims("aud", []string{}), jwtRefused},
		{`113 aud [""]`, bentClaims("aud", []string{""}), jwtRefused},
		{"113 aud [null]", bentClaims("aud", []any{nil}), jwtRefused},
		{"113 aud the project and null", aud(func(id string) any { return []any{id, nil} }), jwtRefused},
		{"113 aud a nested list", aud(func(id string) any { return []any{[]any{id}} }), jwtRefused},
		{"114 aud another project", bentClaims("aud", []string{"project-test-00000000-0000-4000-8000-000000000000"}), jwtRefused},
		{"114 aud a prefix", aud(func(id string) any { return []string{id[:len(id)-1]} }), jwtRefused},
		{"114 aud with a suffix", aud(func(id string) any { return []string{id + "x"} }), jwtRefused},
		{"114 aud in upper case", aud(func(id string) any { return []string{strings.ToUpper(id)} }), jwtRefused},
		{"114 aud with a space", aud(func(id string) any { return []string{id + " "} }), jwtRefused},
		{"114 aud *", bentClaims("aud", []string{"*"}), jwtRefused},
		{"114 aud of two IDs in one string", aud(func(id string) any { return "x," + id }), jwtRefused},
		{"115 aud of 10001 names", aud(func(id string) any { return append(make([]string, 10000), id) }), jwtRefused},
		{"116 aud one string", aud(func(id string) any { return id }), jwtPasses},
		{"116 aud of two, the project last", aud(func(id string) any { return []string{"x", id} }), jwtPasses},
		{"116 aud of two, the project first", aud(func(id string) any { return []string{id, "x"} }), jwtPasses},
	})
}

func TestJWT_Subject(t *testing.T) {
	runJWTRows(t, []jwtRow{
		{"117 sub missing", bentClaims("sub", absent), jwtRefused},
		{"117 sub null", bentClaims("sub", nil), jwtRefused},
		{"117 sub empty", bentClaims("sub", ""), jwtRefused},
		{"117 sub a number", bentClaims("sub", 1), jwtRefused},
		{"117 sub a list", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return []string{s.Session.UserID} })), jwtRefused},
		{"117 sub an object", bentClaims("sub", map[string]any{}), jwtRefused},
		{"117 sub a bool", bentClaims("sub", true), jwtRefused},
		{"118 sub an M2M client", bentClaims("sub", "m2m-client-test-00000000-0000-4000-8000-000000000000"), jwtRefused},
		{"118 sub a member", bentClaims("sub", "member-test-00000000-0000-4000-8000-000000000000"), jwtRefused},
		{"118 sub a user in upper case", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return strings.ToUpper(s.Session.UserID) })), jwtRefused},
		{"118 sub a user ID with a prefix", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return "x-" + s.Session.UserID })), jwtRefused},
		{"119 sub with line breaks", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return s.Session.UserID + "\r\nX: y" })), jwtRefused},
		{"119 sub with NUL", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return s.Session.UserID + "\x00" })), jwtRefused},
		{"119 sub with a space", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return s.Session.UserID + " " })), jwtRefused},
		{"119 sub with a path", bentClaims("sub", fromEnv(func(s *authtest.Env) any { return "user-x/../" + s.Session.UserID })), jwtRefused},
		{"119 sub with a slash", bentClaims("sub", "user-x/y"), jwtRefused},
		{"119 sub of 257 bytes", bentClaims("sub", "user-"+strings.Repeat("x", 252)), jwtRefused},
		{"135 M2M access token", bentClaims("sub", "m2m-client-test-1", "scope", "read:users", sessionClaimName, absent), jwtRefused},
		{"135 M2M access token with the sub of a user", bentClaims("scope", "read:users", sessionClaimName, absent), jwtRefused},
		{"135 M2M access token with a session claim", bentClaims("sub", "m2m-client-test-1", "scope", "read:users"), jwtRefused},
		{"135b custom claim scope of a live session", bentClaims("scope", "read:users"), jwtPasses},
		{"135b custom claim scope of another type", bentClaims("scope", nil), jwtPasses},
		{"135b custom claim scope, 5 min of life", bentClaims("scope", "x", "iat", inTime(0), "exp", inTime(5*time.Minute)), jwtPasses},
		{"135b custom claim scope, past exp", bentClaims(append(lived(7*time.Minute), "scope", "x")...), jwtCalledPasses},
		{"135b scope, above 5 min of life", bentClaims("scope", "x", "iat", inTime(0), "exp", inTime(5*time.Minute+time.Second)), jwtCalledPasses},
		{"135b scope, above 5 min of life, unknown session", unknownSession("scope", "x", "iat", inTime(0), "exp", inTime(5*time.Minute+time.Second)), jwtCalled},
		{"135b scope and jti of a live session", bentClaims("scope", "x", "jti", "y"), jwtCalledPasses},
		{"135b scope and jti", unknownSession("scope", "x", "jti", "y"), jwtCalled},
		{"135b client_id of a live session", bentClaims("client_id", "connected-app-test-1"), jwtCalledPasses},
		{"135b client_id", unknownSession("client_id", "connected-app-test-1"), jwtCalled},
		{"135b scope and client_id", bentClaims("scope", "openid", "client_id", "connected-app-test-1"), jwtRefused},
		{"135b scope and client_id, null", bentClaims("scope", nil, "client_id", nil), jwtRefused},
		{"136 access token of a Connected App", bentClaims("scope", "openid", "client_id", "connected-app-test-1", "jti", "x", sessionClaimName, absent), jwtRefused},
		{"136 access token of a Connected App with a session claim", bentClaims("scope", "openid", "client_id", "connected-app-test-1", "jti", "x"), jwtRefused},
		{"136 access token of a Connected App, past exp", bentClaims(append(lived(7*time.Minute), "scope", "openid", "client_id", "connected-app-test-1")...), jwtRefused},
		{"136 id_token", bentClaims("nonce", "x", "at_hash", "x", "azp", "connected-app-test-1", sessionClaimName, absent), jwtRefused},
		{"137 B2B member session", bentClaims("sub", "member-test-1", "https://stytch.com/organization", map[string]any{"organization_id": "organization-test-1"}), jwtRefused},
	})
}

func TestJWT_Times(t *testing.T) {
	exp := func(text string) func(*authtest.Env) string { return bentClaims("exp", jsonText(text)) }
	nbf := func(text string) func(*authtest.Env) string { return bentClaims("nbf", jsonText(text)) }
	iat := func(text string) func(*authtest.Env) string { return bentClaims("iat", jsonText(text)) }
	year := 365 * 24 * time.Hour
	runJWTRows(t, []jwtRow{
		{"120 exp missing", bentClaims("exp", absent), jwtRefused},
		{"120 exp null", exp("null"), jwtRefused},
		{"120 exp 0", exp("0"), jwtRefused},
		{"120 exp -1", exp("-1"), jwtRefused},
		{"120 exp -0", exp("-0"), jwtRefused},
		{"120 exp past 2 min", unknownSession(lived(7 * time.Minute)...), jwtCalled},
		{"120 exp past 1 h", unknownSession(lived(65 * time.Minute)...), jwtCalled},
		{"120 exp past 10 y", unknownSession(lived(10 * year)...), jwtCalled},
		{"120 exp past 2 min of a live session", bentClaims(lived(7 * time.Minute)...), jwtCalledPasses},
		{"121 exp a number in quotes", exp(`"` + string(inTime(time.Minute)) + `"`), jwtRefused},
		{"121 exp a word", exp(`"never"`), jwtRefused},
		{"121 exp RFC 3339", exp(`"2100-01-01T00:00:00Z"`), jwtRefused},
		{"121 exp a bool", exp("true"), jwtRefused},
		{"121 exp a list", exp("[" + string(inTime(time.Minute)) + "]"), jwtRefused},
		{"121 exp an object", exp("{}"), jwtRefused},
		{"122 exp 1e400", exp("1e400"), jwtRefused},
		{"122 exp -1e400", exp("-1e400"), jwtRefused},
		{"122 exp 1e-300", exp("1e-300"), jwtRefused},
		{"122 exp NaN", exp("NaN"), jwtRefused},
		{"122 exp Infinity", exp("Infinity"), jwtRefused},
		{"122 exp in hex", exp("0xFFFFFFFF"), jwtRefused},
		{"122 exp with a leading zero", exp("0" + string(inTime(time.Minute))), jwtRefused},
		{"122 exp with a plus", exp("+" + string(inTime(time.Minute))), jwtRefused},
		{"122 exp with an underscore", exp("4_000_000_000"), jwtRefused},
		{"123 exp in ms", exp(string(inTime(time.Minute)) + "000"), jwtRefused},
		{"123 exp +1 d", bentClaims("exp", inTime(24*time.Hour)), jwtRefused},
		{"123 exp +10 y", bentClaims("exp", inTime(10*year)), jwtRefused},
		{"123 exp 1 h and 1 s after iat", bentClaims("iat", inTime(0), "exp", inTime(time.Hour+time.Second)), jwtRefused},
		{"123 exp 1 h after iat", bentClaims("iat", inTime(-1*time.Second), "exp", inTime(time.Hour-time.Second)), jwtPasses},
		{"123 exp 2^53+1", exp("9007199254740993"), jwtRefused},
		{"123 exp 2^63-1", exp("9223372036854775807"), jwtRefused},
		{"123 exp 2^63", exp("9223372036854775808"), jwtRefused},
		{"123 exp 2^64", exp("18446744073709551616"), jwtRefused},
		{"123 exp 1e18", exp("1e18"), jwtRefused},
		{"123 exp 1e308", exp("1e308"), jwtRefused},
		{"123 iat and exp beyond the year 9999", bentClaims("iat", jsonText("253402300800"), "exp", jsonText("253402301100")), jwtRefused},
		{"124 exp with a fraction", exp(string(inTime(4*time.Minute)) + ".75"), jwtPasses},
		{"124 exp in exponent form", exp(exponential(inTime(4 * time.Minute))), jwtPasses},
		{"124 iat with a fraction", iat(string(inTime(-time.Minute)) + ".5"), jwtPasses},
		{"126 nbf +1 h", bentClaims("nbf", inTime(time.Hour)), jwtRefused},
		{"126 nbf null", nbf("null"), jwtRefused},
		{"126 nbf a word", nbf(`"soon"`), jwtRefused},
		{"126 nbf a bool", nbf("true"), jwtRefused},
		{"126 nbf a list", nbf("[]"), jwtRefused},
		{"126 nbf an object", nbf("{}"), jwtRefused},
		{"126 nbf 1e400", nbf("1e400"), jwtRefused},
		{"126 nbf 2^63-1", nbf("9223372036854775807"), jwtRefused},
		{"126 nbf missing", bentClaims("nbf", absent), jwtPasses},
		{"127 iat missing", bentClaims("iat", absent), jwtRefused},
		{"127 iat null", iat("null"), jwtRefused},
		{"127 iat a word", iat(`"now"`), jwtRefused},
		{"127 iat a bool", iat("false"), jwtRefused},
		{"127 iat a list", iat("[1]"), jwtRefused},
		{"127 iat an object", iat("{}"), jwtRefused},
		{"127 iat +1 h", bentClaims("iat", inTime(time.Hour), "exp", inTime(time.Hour+time.Minute)), jwtRefused},
		{"127 iat -10 y", bentClaims("iat", inTime(-10*year)), jwtRefused},
		{"127 iat after exp", bentClaims("iat", inTime(2*time.Second), "exp", inTime(time.Second)), jwtRefused},
		{"127 iat is exp", bentClaims("iat", inTime(2*time.Second), "exp", inTime(2*time.Second)), jwtRefused},
		{"128 no times at all", bentClaims("exp", absent, "iat", absent, "nbf", absent), jwtRefused},
	})
}

// 118: a JWT of a user who does not exist is refused.
func TestJWT_UnknownUser(t *testing.T) {
	s := authtest.New(t)
	token := bentClaims("sub", "user-test-00000000-0000-4000-8000-000000000000")(s)
	for range 3 {
		s.WantAnswer(s.Get(authtest.Bearer(token)), want401i)
		s.WantAnswer(s.Get(authtest.JWTCookie(token)), want401i)
	}
	s.WantPassed(0, "")
	s.WantCalls(authtest.PathUser, 1)
	s.WantCalls(authtest.PathAuthenticate, 0)
}

// exponential writes a number of ten digits with an exponent.
func exponential(n jsonText) string { return string(n[:1]) + "." + string(n[1:]) + "e9" }

// 120: a rejection is cached, so each credential causes one call.
func TestJWT_ExpiredCausesOneCall(t *testing.T) {
	s := authtest.New(t)
	for n := range 3 {
		token := unknownSession(append(lived(7*time.Minute), "n", n)...)(s)
		for range 3 {
			s.WantAnswer(s.Get(authtest.Bearer(token)), want401i)
			s.WantAnswer(s.Get(authtest.JWTCookie(token)), want401i)
		}
	}
	// Stytch rejected the session and not only the JWT, so another JWT of the session causes no
	// call.
	s.WantCalls(authtest.PathAuthenticate, 1)
	other := map[string]any{"id": "session-test-00000000-0000-4000-8000-000000000001"}
	s.Want(s.Get(authtest.Bearer(bentClaims(append(lived(7*time.Minute), sessionClaimName, other)...)(s))), 401)
	s.WantCalls(authtest.PathAuthenticate, 2)
	s.WantPassed(0, "")
}

// 125: a JWT is accepted as long as now < exp + Leeway, whether or not it is cached.
func TestJWT_EndsToTheNanosecond(t *testing.T) {
	for _, leeway := range []time.Duration{0, 20 * time.Second, -1} {
		for _, by := range authtest.Carriers {
			t.Run("125 Leeway "+leeway.String()+"/"+by.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { endsToTheNanosecond(t, leeway, by.Carry) })
			})
		}
	}
}

func endsToTheNanosecond(t *testing.T, leeway time.Duration, carry func(string) string) {
	s := authtest.New(t, func(c *sessionauth.Config) { c.Leeway, c.SessionOnly = leeway, true })
	token := carry(authtest.Bearer(unknownSession("exp", inTime(5*time.Minute))(s)))
	end := 5*time.Minute + max(0, leeway)
	if leeway == 0 {
		end += 5 * time.Second // the default of Leeway
	}
	cold := func(want authtest.Answer) {
		warm := s.Handler
		s.Handler = s.Fresh()
		s.WantAnswer(s.Get(token), want)
		s.Handler = warm
	}
	pass := authtest.Answer{Status: 200}
	s.Want(s.Get(token), 200)
	time.Sleep(end - time.Millisecond)
	s.Want(s.Get(token), 200)
	cold(pass)
	time.Sleep(time.Millisecond - time.Nanosecond)
	s.Want(s.Get(token), 200)
	cold(pass)
	s.WantCalls(authtest.PathAuthenticate, 0)
	time.Sleep(time.Nanosecond)
	s.WantAnswer(s.Get(token), want401i)
	cold(want401i)
	s.WantCalls(authtest.PathAuthenticate, 2)
}

// iat and nbf may be ahead of the clock by Leeway.
func TestJWT_FromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := authtest.New(t, authtest.SessionOnly)
		s.Want(s.Get(authtest.Bearer(bentClaims("iat", inTime(5*time.Second), "nbf", inTime(5*time.Second))(s))), 200)
		s.Want(s.Get(authtest.Bearer(bentClaims("iat", inTime(6*time.Second))(s))), 401)
		s.Want(s.Get(authtest.Bearer(bentClaims("nbf", inTime(6*time.Second))(s))), 401)
		s.WantCalls(authtest.PathAuthenticate, 0)
	})
}

func TestJWT_Identity(t *testing.T) {
	s := authtest.New(t)
	id := identityOf(s, bentClaims("plan", "gold", "https://stytch.com/other", "secret", "jti", "x")(s))
	if id.Session.ID != s.Session.ID || id.Session.UserID != s.Session.UserID || id.User.ID != s.Session.UserID {
		t.Errorf("got session %s of %s and user %s, want %s of %s", id.Session.ID, id.Session.UserID, id.User.ID, s.Session.ID, s.Session.UserID)
	}
	if id.DecidedBy != sessionauth.Local {
		t.Errorf("got decided by %s, want %s", id.DecidedBy, sessionauth.Local)
	}
	// 149: a claim whose name begins with https://stytch.com/ is not a custom claim.
	custom := map[string]any{}
	if err := json.Unmarshal(id.Session.CustomClaims, &custom); err != nil {
		t.Fatal(err)
	}
	if len(custom) != 1 || custom["plan"] != "gold" {
		t.Errorf("got custom claims %v, want only plan: gold", custom)
	}
}
