package sessionjwt_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/sessionjwt"
	"github.com/sessionauth/sessionauth/internal/strictjson"
)

func TestNumericDate(t *testing.T) {
	for _, row := range []struct {
		text string
		want time.Time // the zero time if the claims are refused
	}{
		{"1", time.Unix(1, 0)},
		{"1762944049", time.Unix(1762944049, 0)},
		{"1762944049.5", time.Unix(1762944049, 5e8)},
		{"1.762944049e9", time.Unix(1762944049, 0)},
		{"1762944049E0", time.Unix(1762944049, 0)},
		{"1762944049000e-3", time.Unix(1762944049, 0)},
		{"253402300799", time.Unix(253402300799, 0)},
		{"253402300800", time.Time{}},
		{"253402300800.0", time.Time{}},
		{"2.534023008e11", time.Time{}},
		{"0", time.Time{}},
		{"-0", time.Time{}},
		{"-1", time.Time{}},
		{"-1762944049", time.Time{}},
		{"0.5", time.Time{}},
		{"-1.5", time.Time{}},
		{"1e-300", time.Time{}},
		{"1e-400", time.Time{}},
		{"1e400", time.Time{}},
		{"-1e400", time.Time{}},
		{"9223372036854775807", time.Time{}},
		{"9223372036854775808", time.Time{}},
		{"-9223372036854775809", time.Time{}},
		{"18446744073709551617", time.Time{}},
		{`"1762944049"`, time.Time{}},
		{"null", time.Time{}},
		{"true", time.Time{}},
		{"[1762944049]", time.Time{}},
		{"{}", time.Time{}},
	} {
		t.Run(row.text, func(t *testing.T) {
			got, ok := sessionjwt.NumericDate([]byte(row.text))
			if ok != !row.want.IsZero() || ok && !got.Equal(row.want) {
				t.Errorf("got %v, %t, want %v", got, ok, row.want)
			}
			if ok && got.Location() != time.UTC {
				t.Errorf("got a time in %v, want UTC", got.Location())
			}
		})
	}
}

// Claims of a wrong type are refused. Tokens of other kinds are refused too.
func TestVerify_Claims(t *testing.T) {
	replaced := func(old, by string) string {
		if !strings.Contains(fixedClaims, old) {
			t.Fatalf("got no %s in the claims, want one", old)
		}
		return strings.Replace(fixedClaims, old, by, 1)
	}
	e := newFixedEnv()
	for _, row := range []struct{ name, payload, want string }{
		{"claims of a session JWT", fixedClaims, "ok"},
		{"iss a number", replaced(`"stytch.com/project-test-1"`, "1"), "bad_claims"},
		{"iss null", replaced(`"stytch.com/project-test-1"`, "null"), "bad_claims"},
		{"aud a number", replaced(`["project-test-1"]`, "1"), "bad_claims"},
		{"aud with the project and null", replaced(`["project-test-1"]`, `["project-test-1",null]`), "bad_claims"},
		{"aud nested", replaced(`["project-test-1"]`, `[["project-test-1"]]`), "bad_claims"},
		{"sub a number", replaced(`"user-test-1"`, "1"), "bad_claims"},
		{"sub a list", replaced(`"user-test-1"`, `["user-test-1"]`), "bad_claims"},
		{"sub a member", replaced(`"user-test-1"`, `"member-test-1"`), "member_session"},
		{"sub a client", replaced(`"user-test-1"`, `"m2m-client-test-1"`), "machine_token"},
		{"sub that contains user-", replaced(`"user-test-1"`, `"x-user-test-1"`), "bad_claims"},
		{"sub with a slash", replaced(`"user-test-1"`, `"user-test/1"`), "bad_claims"},
		{"sub with a dot", replaced(`"user-test-1"`, `"user-test.1"`), "bad_claims"},
		{"sub with a colon", replaced(`"user-test-1"`, `"user-test:1"`), "bad_claims"},
		{"sub with a Cyrillic letter", replaced(`"user-test-1"`, `"user-tеst-1"`), "bad_claims"},
		{"sub with an underscore", replaced(`"user-test-1"`, `"user-test_1"`), "ok"},
		{"exp a word", replaced(`1762944049`, `"x"`), "bad_claims"},
		{"exp missing", replaced(`"exp"`, `"exp2"`), "bad_time"},
		{"iat a word", replaced(`"iat":1762943749`, `"iat":"x"`), "bad_claims"},
		{"iat missing", replaced(`"iat"`, `"iat2"`), "bad_time"},
		{"nbf a word", replaced(`"nbf":1762943749`, `"nbf":"x"`), "bad_claims"},
		{"nbf missing", replaced(`"nbf"`, `"nbf2"`), "ok"},
		{"sub twice", replaced(`"sub"`, `"sub":"user-test-2","sub"`), "malformed"},
		{"sub twice, once escaped", replaced(`"sub"`, `"s\u0075b":"user-test-2","sub"`), "malformed"},
		{"text after the claims", fixedClaims + "{}", "malformed"},
		{"session claim missing", replaced(`stytch.com/session"`, `stytch.com/sessions"`), "bad_claims"},
		{"session id a number", replaced(`"session-test-1"`, "1"), "bad_claims"},
		{"session id with a slash", replaced(`"session-test-1"`, `"session/test-1"`), "bad_claims"},
		{"session id null", replaced(`"session-test-1"`, "null"), "bad_claims"},
		{"scope and client_id", replaced(`"email"`, `"client_id":"c","scope"`), "access_token"},
		{"scope and client_id, both null", replaced(`"email":"a@example.com"`, `"client_id":null,"scope":null`), "access_token"},
		{"scope and client_id of a member", strings.Replace(replaced(`"email"`, `"client_id":"c","scope"`), "user-test-1", "member-test-1", 1), "access_token"},
		{"scope and client_id without a session claim", strings.Replace(replaced(`"email"`, `"client_id":"c","scope"`), "com/session", "com/x", 1), "access_token"},
		{"scope without a session claim", strings.Replace(replaced(`"email"`, `"scope"`), "com/session", "com/x", 1), "bad_claims"},
		{"sub a client, scope and no session claim", strings.NewReplacer(`"email"`, `"scope"`, "com/session", "com/x", "user-test-1", "m2m-client-test-1").Replace(fixedClaims), "machine_token"},
		{"sub a member with an organization", replaced(`"sub":"user-test-1"`, `"sub":"member-test-1","https://stytch.com/organization":{"organization_id":"o"}`), "member_session"},
		{"sub a member, and a claim of the wrong type", strings.Replace(replaced(`"user-test-1"`, `"member-test-1"`), "1762943749,", `"x",`, 1), "bad_claims"},
		{"custom claim with a name twice inside", replaced(`"a@example.com"`, `{"a":1,"a":2}`), "ok"},
		{"custom claim with a lone surrogate", replaced(`"a@example.com"`, `"\ud800"`), "ok"},
		{"custom claim twice", replaced(`"email"`, `"email":1,"email"`), "malformed"},
		{"custom claim named by a lone surrogate", replaced(`"email"`, `"\ud800"`), "malformed"},
		{"custom claim in Latin-1", replaced("a@example.com", "\xe9"), "malformed"},
		{"iss twice after a custom claim", replaced(`"iss"`, `"iss":"x","iss"`), "malformed"},
		{"session id twice", replaced(`"id":"session-test-1"`, `"id":"session-test-2","id":"session-test-1"`), "malformed"},
		{"role with a lone surrogate", replaced(`"admin"`, `"\ud800"`), "malformed"},
		{"name twice in the namespace of Stytch", replaced(`"email":"a@example.com"`, `"https://stytch.com/x":{"a":1,"a":2}`), "malformed"},
		{"name twice in jti", replaced(`"email":"a@example.com"`, `"jti":{"a":1,"a":2}`), "malformed"},
	} {
		t.Run(row.name, func(t *testing.T) { e.want(t, e.sign(fixedHeader, row.payload), row.want) })
	}
}

// Claims that neither RFC 7519, section 4.1, nor Stytch defines become custom claims.
func TestVerify_CustomClaims(t *testing.T) {
	e := newFixedEnv()
	for _, row := range []struct {
		name, member, want string
		thirdParty         bool
	}{
		{"a string", `"email":"a@example.com"`, `{"email":"a@example.com"}`, false},
		{"several", `"b":[1, 2],"a":{"x":null}`, `{"b":[1, 2],"a":{"x":null}}`, false},
		{"a name with escapes", `"a\"\u0001é":1`, `{"a\"\u0001é":1}`, false},
		{"a registered name in capitals", `"EXP":1`, `{"EXP":1}`, false},
		{"jti", `"jti":"x"`, ``, false},
		{"another claim of Stytch", `"https://stytch.com/organization":{"slug":"x"}`, ``, false},
		{"scope", `"scope":"read"`, `{"scope":"read"}`, false},
		{"scope null", `"scope":null`, `{"scope":null}`, false},
		{"scope with a name twice inside", `"scope":{"a":1,"a":2}`, `{"scope":{"a":1,"a":2}}`, false},
		{"scope and jti", `"jti":"x","scope":"read"`, `{"scope":"read"}`, true},
		{"SCOPE and jti", `"jti":"x","SCOPE":"read"`, `{"SCOPE":"read"}`, false},
		{"client_id and jti", `"client_id":"c","jti":"x"`, `{"client_id":"c"}`, true},
		{"a lone surrogate", `"a":{"\ud800":"\udc00"}`, `{"a":{"\ud800":"\udc00"}}`, false},
		{"client_id", `"client_id":"c"`, `{"client_id":"c"}`, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := e.want(t, e.sign(fixedHeader, strings.Replace(fixedClaims, `"email":"a@example.com"`, row.member, 1)), "ok")
			if token == nil {
				return
			}
			if got := string(token.Session.CustomClaims); got != row.want {
				t.Errorf("got custom claims %s, want %s", got, row.want)
			}
			if token.ThirdParty != row.thirdParty {
				t.Errorf("got ThirdParty %t, want %t", token.ThirdParty, row.thirdParty)
			}
		})
	}
}

// A token with a scope counts as an access token if its lifetime is longer than that of any session
// JWT.
func TestVerify_ScopeAndLifetime(t *testing.T) {
	e := newFixedEnv()
	for exp, thirdParty := range map[string]bool{
		"1762944048": false, "1762944049": false, "1762944049.5": true, "1762944050": true, "1762947349": true, "1.76294404900000001e9": false,
	} {
		text := strings.Replace(strings.Replace(fixedClaims, "1762944049", exp, 1), `"email"`, `"scope"`, 1)
		if token := e.want(t, e.sign(fixedHeader, text), "ok"); token != nil && token.ThirdParty != thirdParty {
			t.Errorf("exp %s: got ThirdParty %t, want %t", exp, token.ThirdParty, thirdParty)
		}
		text = strings.Replace(fixedClaims, "1762944049", exp, 1)
		if token := e.want(t, e.sign(fixedHeader, text), "ok"); token != nil && token.ThirdParty {
			t.Errorf("exp %s without scope: got ThirdParty true, want false", exp)
		}
	}
}

func TestIsIdentifier(t *testing.T) {
	for length, want := range map[int]bool{0: false, 1: true, 2: true, 255: true, 256: true, 257: false, 10_000: false} {
		for _, c := range []string{"a", "Z", "0", "-", "_"} {
			if got := sessionjwt.IsIdentifier(strings.Repeat(c, length)); got != want {
				t.Errorf("%d times %s: got %t, want %t", length, c, got, want)
			}
		}
	}
	for _, c := range []string{".", "/", ":", "%", " ", "\x00", "\n", "é", "=", "+"} {
		for _, s := range []string{c, "session-" + c, c + "session", "ses" + c + "sion"} {
			if sessionjwt.IsIdentifier(s) {
				t.Errorf("%q: got true, want false", s)
			}
		}
	}
}

// Verify also refuses a token without exp or iat because of its lifetime, so this test calls the
// parser directly.
func TestParseClaims_RequiredTimes(t *testing.T) {
	for _, name := range []string{"exp", "iat"} {
		payload, err := strictjson.Object([]byte(strings.Replace(fixedClaims, `"`+name+`"`, `"x"`, 1)), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sessionjwt.ParseClaims(payload); reasonOf(err) != sessionjwt.BadTime {
			t.Errorf("without %s: got %v, want %s", name, err, sessionjwt.BadTime)
		}
	}
}

func TestVerify_Reason(t *testing.T) {
	e := newEnv(t)
	e.want(e.valid(), "ok")
	withAll := func(changes map[string]any) string {
		claims := e.Claims(e.session.ID)
		maps.Copy(claims, changes)
		return e.Sign(e.header(), asJSON(claims))
	}
	with := func(name string, value any) string { return withAll(map[string]any{name: value}) }
	now := time.Now().Unix()
	for _, row := range []struct {
		name, token string
		want        sessionjwt.Reason
	}{
		{"iss of another project", with("iss", "stytch.com/x"), sessionjwt.WrongIssuer},
		{"iss empty", with("iss", ""), sessionjwt.WrongIssuer},
		{"aud of another project", with("aud", []string{"x"}), sessionjwt.WrongAudience},
		{"aud empty", with("aud", []string{}), sessionjwt.WrongAudience},
		{"exp before iat", with("exp", now-1), sessionjwt.BadTime},
		{"exp in two hours", with("exp", now+7200), sessionjwt.BadTime},
		{"iat in an hour", with("iat", now+3600), sessionjwt.BadTime},
		{"iat and exp in an hour", withAll(map[string]any{"iat": now + 3600, "exp": now + 3900}), sessionjwt.BadTime},
		{"nbf in an hour", with("nbf", now+3600), sessionjwt.BadTime},
		{"sub a member", with("sub", "member-test-1"), sessionjwt.Member},
		{"sub a machine", with("sub", "m2m-client-test-1"), sessionjwt.Machine},
		{"an access token", withAll(map[string]any{"scope": "openid", "client_id": "connected-app-test-1"}), sessionjwt.AccessToken},
		{"a token with another letter at the end", e.valid() + "A", sessionjwt.BadSignature},
		{"a payload that is not JSON", e.Sign(e.header(), []byte("x")), sessionjwt.Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := e.verify(row.token)
			if reasonOf(err) != row.want || got != nil {
				t.Errorf("got %v and %v, want %s", got, err, row.want)
			}
		})
	}
}
