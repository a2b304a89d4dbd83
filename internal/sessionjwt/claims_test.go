package sessionjwt

import (
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

func TestNumericDate(t *testing.T) {
	for _, row := range []struct {
		text string
		want time.Time // zero if refused
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
			got, ok := numericDate([]byte(row.text))
			if ok != !row.want.IsZero() || ok && !got.Equal(row.want) {
				t.Errorf("got %v, %t, want %v", got, ok, row.want)
			}
			if ok && got.Location() != time.UTC {
				t.Errorf("got a time in %v, want UTC", got.Location())
			}
		})
	}
}

// The reason says which claim was wrong.
func TestParseClaims(t *testing.T) {
	replaced := func(old, by string) string {
		if !strings.Contains(fuzzClaims, old) {
			t.Fatalf("got no %s, want one", old)
		}
		return strings.Replace(fuzzClaims, old, by, 1)
	}
	for _, row := range []struct{ name, payload, want string }{
		{"Stytch's own", fuzzClaims, "ok"},
		{"iss a number", replaced(`"stytch.com/project-test-1"`, "1"), "bad_claims"},
		{"iss null", replaced(`"stytch.com/project-test-1"`, "null"), "bad_claims"},
		{"aud a number", replaced(`["project-test-1"]`, "1"), "bad_claims"},
		{"aud ours and null", replaced(`["project-test-1"]`, `["project-test-1",null]`), "bad_claims"},
		{"aud nested", replaced(`["project-test-1"]`, `[["project-test-1"]]`), "bad_claims"},
		{"sub a number", replaced(`"user-test-1"`, "1"), "bad_claims"},
		{"sub a list", replaced(`"user-test-1"`, `["user-test-1"]`), "bad_claims"},
		{"sub a member", replaced(`"user-test-1"`, `"member-test-1"`), "bad_claims"},
		{"sub a client", replaced(`"user-test-1"`, `"m2m-client-test-1"`), "bad_claims"},
		{"sub with user- inside", replaced(`"user-test-1"`, `"x-user-test-1"`), "bad_claims"},
		{"sub with a slash", replaced(`"user-test-1"`, `"user-test/1"`), "bad_claims"},
		{"sub with a dot", replaced(`"user-test-1"`, `"user-test.1"`), "bad_claims"},
		{"sub with a colon", replaced(`"user-test-1"`, `"user-test:1"`), "bad_claims"},
		{"sub with a letter of another alphabet", replaced(`"user-test-1"`, `"user-tеst-1"`), "bad_claims"},
		{"sub with an underscore", replaced(`"user-test-1"`, `"user-test_1"`), "ok"},
		{"exp a word", replaced(`1762944049`, `"x"`), "bad_claims"},
		{"exp missing", replaced(`"exp"`, `"exp2"`), "bad_time"},
		{"iat a word", replaced(`"iat":1762943749`, `"iat":"x"`), "bad_claims"},
		{"iat missing", replaced(`"iat"`, `"iat2"`), "bad_time"},
		{"nbf a word", replaced(`"nbf":1762943749`, `"nbf":"x"`), "bad_claims"},
		{"nbf missing", replaced(`"nbf"`, `"nbf2"`), "ok"},
		{"session claim missing", replaced(`stytch.com/session"`, `stytch.com/sessions"`), "bad_claims"},
		{"session id a number", replaced(`"session-test-1"`, "1"), "bad_claims"},
		{"session id with a slash", replaced(`"session-test-1"`, `"session/test-1"`), "bad_claims"},
		{"roles of numbers", replaced(`"admin"`, "1"), "bad_claims"},
	} {
		t.Run(row.name, func(t *testing.T) {
			payload, err := strictjson.Object([]byte(row.payload), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseClaims(payload)
			if verdictOf(err) != row.want || (got.session != nil) != (err == nil) {
				t.Errorf("got session %v and %s, want %s", got.session, verdictOf(err), row.want)
			}
		})
	}
}

// What Verify refuses says why, in the order of the checks.
func TestVerifyReason(t *testing.T) {
	p := newProject(t)
	p.want(p.good(), "ok")
	bent := func(name string, value any) string {
		claims := p.Claims(p.session.ID)
		claims[name] = value
		return p.Sign(p.header(), asJSON(claims))
	}
	now := time.Now().Unix()
	for _, row := range []struct {
		name, token string
		want        Reason
	}{
		{"iss another", bent("iss", "stytch.com/x"), WrongIssuer},
		{"iss empty", bent("iss", ""), WrongIssuer},
		{"aud another", bent("aud", []string{"x"}), WrongAudience},
		{"aud empty", bent("aud", []string{}), WrongAudience},
		{"exp before iat", bent("exp", now-1), BadTime},
		{"exp two hours on", bent("exp", now+7200), BadTime},
		{"iat in an hour", bent("iat", now+3600), BadTime},
		{"nbf in an hour", bent("nbf", now+3600), BadTime},
		{"sub a member", bent("sub", "member-test-1"), BadClaims},
		{"a token with a letter behind", p.good() + "A", BadSignature},
		{"a payload that is not JSON", p.Sign(p.header(), []byte("x")), Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := p.verify(row.token)
			if reasonOf(err) != row.want || got != nil {
				t.Errorf("got %v and %v, want %s", got, err, row.want)
			}
		})
	}
}
