package attacktest

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/authtest"
)

func TestJWT_Names(t *testing.T) {
	past := lived(7 * time.Minute)
	future := `"EXP":` + string(inTime(time.Hour/2))
	runJWTRows(t, []jwtRow{
		{"129 only EXP", renamedClaim("exp", "EXP"), jwtRefused},
		{"129 only AUD", renamedClaim("aud", "AUD"), jwtRefused},
		{"129 only Iss", renamedClaim("iss", "Iss"), jwtRefused},
		{"129 only Sub", renamedClaim("sub", "Sub"), jwtRefused},
		{"129 only Iat", renamedClaim("iat", "Iat"), jwtRefused},
		{"129 only SESSION", renamedClaim(sessionClaimName, "https://stytch.com/SESSION"), jwtRefused},
		{"129 only ID in the session claim", bentSession("id", absent, "ID", "session-test-x"), jwtRefused},
		{"129 session claim with a trailing slash", renamedClaim(sessionClaimName, sessionClaimName+"/"), jwtRefused},
		{"130 exp past, then EXP future", bentThenEdited(putAfter(future), past...), jwtCalled},
		{"130 EXP future, then exp past", bentThenEdited(putBefore(future), past...), jwtCalled},
		{"131 aud wrong, AUD right", bentClaims("aud", "x", "AUD", project(func(id string) any { return id })), jwtRefused},
		{"131 iss wrong, ISS right", bentClaims("iss", "x", "ISS", project(func(id string) any { return "stytch.com/" + id })), jwtRefused},
		{"131 nbf wrong, NBF right", bentClaims("nbf", inTime(time.Hour), "NBF", 1), jwtRefused},
		{"131 sub wrong, SUB right", bentClaims("sub", "x", "SUB", fromEnv(func(s *authtest.Env) any { return s.Session.UserID })), jwtRefused},
		{"131 sub right, SUB wrong", bentClaims("SUB", "user-test-x"), jwtPasses},
		{"132 iſs", renamedClaim("iss", "iſs"), jwtRefused},
		{"132 ſub", renamedClaim("sub", "ſub"), jwtRefused},
		{"132 ſub beside sub", bentClaims("ſub", "user-test-x"), jwtPasses},
		{"132 Kelvin Kid", bentHeader("kid", absent, "\u212aid", fromEnv(func(s *authtest.Env) any { return s.KeyID() })), jwtRefused},
		{"132 Kelvin kid beside kid", bentHeader("\u212aid", "x"), jwtPasses},
		{"133 exp twice, wrong first", editedClaims(putBefore(`"exp":1`)), jwtRefused},
		{"133 exp twice, wrong last", editedClaims(putAfter(`"exp":1`)), jwtRefused},
		{"133 exp twice, the same", editedClaims(func(text string) string { return putAfter(`"exp":` + string(inTime(time.Minute)))(text) }), jwtRefused},
		{"133 aud twice, wrong first", editedClaims(putBefore(`"aud":"x"`)), jwtRefused},
		{"133 aud twice, wrong last", editedClaims(putAfter(`"aud":"x"`)), jwtRefused},
		{"133 iss twice, wrong first", editedClaims(putBefore(`"iss":"x"`)), jwtRefused},
		{"133 iss twice, wrong last", editedClaims(putAfter(`"iss":"x"`)), jwtRefused},
		{"134 sub twice", editedClaims(putAfter(`"sub":"user-test-x"`)), jwtRefused},
		{"134 session claim twice", editedClaims(putAfter(`"` + sessionClaimName + `":{"id":"session-test-x"}`)), jwtRefused},
		{"134 roles twice inside the session claim", editedClaims(putFor(`"roles":`, `"roles":["admin"],"roles":`)), jwtRefused},
		{"134 id twice inside the session claim", editedClaims(putFor(`"id":`, `"id":"session-test-x","id":`)), jwtRefused},
		{"134 sub twice, once escaped", editedClaims(putBefore(`"su\u0062":"user-test-x"`)), jwtRefused},
		{"134 custom claim twice", editedClaims(putAfter(`"plan":1,"plan":2`)), jwtRefused},
		{"134 name twice inside a custom claim", editedClaims(putAfter(`"plan":{"x":[{"y":1,"y":2}]}`)), jwtPasses},
		{"134 sub escaped, once", editedClaims(putFor(`"sub":`, `"\u0073ub":`)), jwtPasses},
	})
}

// renamedClaim renames a claim.
func renamedClaim(from, to string) func(*authtest.Env) string {
	return editedClaims(putFor(string(authtest.JSON(from))+":", string(authtest.JSON(to))+":"))
}

// bentThenEdited changes the claims of a JWT for a session that does not exist, and then edits the
// payload.
func bentThenEdited(e textEdit, pairs ...any) func(*authtest.Env) string {
	return func(s *authtest.Env) string {
		claims := bendMembers(s, s.Claims(s.Session.ID), pairs)
		claims[sessionClaimName] = map[string]any{"id": "session-test-00000000-0000-4000-8000-000000000000"}
		return s.Sign([]byte(jwtHeader(s)), []byte(e(objectText(claims))))
	}
}

func TestJWT_SessionClaim(t *testing.T) {
	claim := func(v any) func(*authtest.Env) string { return bentClaims(sessionClaimName, v) }
	runJWTRows(t, []jwtRow{
		{"138 session claim missing", claim(absent), jwtRefused},
		{"138 session claim null", claim(nil), jwtRefused},
		{"138 session claim a string", claim(fromEnv(func(s *authtest.Env) any { return s.Session.ID })), jwtCalledPasses},
		{"138 session claim a list", claim(fromEnv(func(s *authtest.Env) any { return []any{map[string]any{"id": s.Session.ID}} })), jwtCalledPasses},
		{"138 session claim a number", claim(1), jwtCalled},
		{"138 session claim true", claim(true), jwtCalled},
		{"138 session claim a string, session unknown", claim("session-test-00000000-0000-4000-8000-000000000000"), jwtCalled},
		{"138 session claim a list of numbers", claim([]int{1}), jwtCalled},
		{"138 session claim {}", claim(map[string]any{}), jwtRefused},
		{"138 session claim with an id only", claim(fromEnv(func(s *authtest.Env) any { return map[string]any{"id": s.Session.ID} })), jwtPasses},
		{"139 session id missing", bentSession("id", absent), jwtRefused},
		{"139 session id empty", bentSession("id", ""), jwtRefused},
		{"139 session id a number", bentSession("id", 1), jwtRefused},
		{"139 session id null", bentSession("id", nil), jwtRefused},
		{"139 session id missing, roles of an unknown form", bentSession("id", absent, "roles", 1), jwtRefused},
		{"139 session id a list", bentSession("id", fromEnv(func(s *authtest.Env) any { return []string{s.Session.ID} })), jwtRefused},
		{"139 session id with line breaks", bentSession("id", "session-test-x\r\nX: y"), jwtRefused},
		{"139 session id with a path", bentSession("id", "../session-test-x"), jwtRefused},
		{"139 session id of 257 bytes", bentSession("id", strings.Repeat("s", 257)), jwtRefused},
		{"140 expires_at past, exp future", bentSession("expires_at", "2020-01-01T00:00:00Z"), jwtRefused},
		{"140 expires_at a moment ago", bentSession("expires_at", time.Now().UTC().Format(time.RFC3339)), jwtRefused},
		{"140 expires_at past, exp past", func(s *authtest.Env) string {
			claims := bendMembers(s, s.Claims(s.Session.ID), lived(7*time.Minute))
			claims[sessionClaimName] = map[string]any{"id": s.Session.ID, "expires_at": "2020-01-01T00:00:00Z"}
			return s.Sign([]byte(jwtHeader(s)), []byte(objectText(claims)))
		}, jwtRefused},
		{"141 expires_at garbage", bentSession("expires_at", "tomorrow"), jwtCalledPasses},
		{"141 expires_at a number", bentSession("expires_at", 4102444800), jwtCalledPasses},
		{"141 expires_at a list", bentSession("expires_at", []string{"2100-01-01T00:00:00Z"}), jwtCalledPasses},
		{"141 started_at garbage", bentSession("started_at", "yesterday"), jwtCalledPasses},
		{"141 started_at a number", bentSession("started_at", 1), jwtCalledPasses},
		{"141 last_accessed_at garbage", bentSession("last_accessed_at", "now"), jwtCalledPasses},
		{"141 expires_at garbage, session unknown", bentClaims(sessionClaimName, map[string]any{"id": "session-test-00000000-0000-4000-8000-000000000000", "expires_at": "x"}), jwtCalled},
		{"142 expires_at absent", bentSession("expires_at", absent), jwtPasses},
		{"142 expires_at empty", bentSession("expires_at", ""), jwtPasses},
		{"142 expires_at null", bentSession("expires_at", nil), jwtPasses},
		{"142 started_at and last_accessed_at null", bentSession("started_at", nil, "last_accessed_at", nil), jwtPasses},
		{"142 started_at and last_accessed_at empty", bentSession("started_at", "", "last_accessed_at", ""), jwtPasses},
		{"143 roles a string", bentSession("roles", "admin"), jwtCalledPasses},
		{"143 roles an object", bentSession("roles", map[string]any{"admin": true}), jwtCalledPasses},
		{"143 roles numbers", bentSession("roles", []int{1, 2}), jwtCalledPasses},
		{"143 roles null", bentSession("roles", nil), jwtPasses},
		{"143 roles a list in a list", bentSession("roles", []any{[]string{"admin"}}), jwtCalledPasses},
		{"143 roles 10001", bentSession("roles", make([]string, 10001)), jwtRefused},
		{"143 roles absent", bentSession("roles", absent), jwtPasses},
		{"144 factors an object", bentSession("authentication_factors", map[string]any{"type": "password"}), jwtCalledPasses},
		{"144 factors a string", bentSession("authentication_factors", "password"), jwtCalledPasses},
		{"144 time of a factor garbage", bentSession("authentication_factors", []any{map[string]any{"last_authenticated_at": "x"}}), jwtCalledPasses},
		{"144 factors of numbers", bentSession("authentication_factors", []int{1}), jwtCalledPasses},
		{"144 attributes a list", bentSession("attributes", []string{}), jwtCalledPasses},
		{"144 attributes of numbers", bentSession("attributes", map[string]any{"ip_address": 1}), jwtCalledPasses},
		{"144 factors and attributes null", bentSession("authentication_factors", nil, "attributes", nil), jwtPasses},
		{"144 factors absent", bentSession("authentication_factors", absent), jwtPasses},
		{"149 unknown claim in the namespace of Stytch", bentClaims("https://stytch.com/organization", 1), jwtPasses},
		{"149 unknown member of the session claim", bentSession("color", "red"), jwtPasses},
	})
}

// 142: without expires_at, an identity expires at the exp of its JWT.
func TestJWT_WithoutExpiresAt(t *testing.T) {
	s := authtest.New(t, authtest.SessionOnly)
	exp := time.Now().Add(time.Minute).Truncate(time.Second)
	claims := bendMembers(s, s.Claims(s.Session.ID), []any{"exp", exp.Unix(), sessionClaimName, map[string]any{"id": s.Session.ID}})
	if id := identityOf(s, s.Sign([]byte(jwtHeader(s)), []byte(objectText(claims)))); !id.ExpiresAt.Equal(exp) || !id.Session.ExpiresAt.IsZero() {
		t.Errorf("got an identity until %v, the session until %v, want %v and none", id.ExpiresAt, id.Session.ExpiresAt, exp)
	}
}

// 143: only the exact role name admin counts as the role admin.
func TestJWT_Roles(t *testing.T) {
	for name, roles := range map[string]any{"absent": absent, "empty": []string{}, "other": []string{"admin ", "Admin", ""}} {
		t.Run("143 roles "+name, func(t *testing.T) {
			s := authtest.New(t, authtest.SessionOnly)
			for _, role := range identityOf(s, bentSession("roles", roles)(s)).Session.Roles {
				if role == "admin" {
					t.Errorf("got role %q, want none of that name", role)
				}
			}
		})
	}
}

func TestJWT_Payload(t *testing.T) {
	runJWTRows(t, []jwtRow{
		{"145 payload a list", editedClaims(func(text string) string { return "[" + text + "]" }), jwtRefused},
		{"145 payload a string", editedClaims(quotedText), jwtRefused},
		{"145 payload null", editedClaims(putInstead("null")), jwtRefused},
		{"145 payload a number", editedClaims(putInstead("1")), jwtRefused},
		{"145 payload true", editedClaims(putInstead("true")), jwtRefused},
		{"145 payload empty", editedClaims(putInstead("")), jwtRefused},
		{"145 payload {}", editedClaims(putInstead("{}")), jwtRefused},
		{"145 payload truncated", editedClaims(func(text string) string { return text[:len(text)-1] }), jwtRefused},
		{"145 payload with trailing text", editedClaims(func(text string) string { return text + "x" }), jwtRefused},
		{"145 payload with a trailing comma", editedClaims(func(text string) string { return text[:len(text)-1] + ",}" }), jwtRefused},
		{"145 payload two objects", editedClaims(func(text string) string { return text + text }), jwtRefused},
		{"145 payload with a comment", editedClaims(func(text string) string { return "// x\n" + text }), jwtRefused},
		{"145 payload with a BOM", editedClaims(func(text string) string { return "\ufeff" + text }), jwtRefused},
		{"145 payload in UTF-16", editedClaims(utf16Text), jwtRefused},
		{"145 payload in gzip", editedClaims(gzipped), jwtRefused},
		{"145 payload XML", editedClaims(putInstead("<claims><sub>user-test-x</sub></claims>")), jwtRefused},
		{"145 payload YAML", editedClaims(putInstead("sub: user-test-x\n")), jwtRefused},
		{"145 payload with trailing NUL", editedClaims(func(text string) string { return text + "\x00" }), jwtRefused},
		{"145 payload with white space around", editedClaims(func(text string) string { return "\r\n\t " + text + " \n" }), jwtPasses},
		{"146 sub not UTF-8", bentClaims("sub", jsonText("\"user-test-\xff\"")), jwtRefused},
		{"146 sub overlong", bentClaims("sub", jsonText("\"user-test-\xc0\xaf\"")), jwtRefused},
		{"146 sub with a lone surrogate", bentClaims("sub", jsonText(`"user-test-\ud800"`)), jwtRefused},
		{"146 custom claim not UTF-8", bentClaims("x", jsonText("\"\xff\"")), jwtRefused},
		{"146 custom claim with a lone surrogate", bentClaims("x", jsonText(`"\udc00"`)), jwtPasses},
		{"146 custom claim with a lone surrogate inside", bentClaims("x", jsonText(`{"\udc00":["\ud800"]}`)), jwtPasses},
		{"146 custom claim with a bad escape", bentClaims("x", jsonText(`"\ud80"`)), jwtRefused},
		{"146 name of a custom claim a lone surrogate", editedClaims(putAfter(`"\ud800":1`)), jwtRefused},
		{"146 iss with a lone surrogate", bentClaims("iss", jsonText(`"\ud800"`)), jwtRefused},
		{"146 role with a lone surrogate", bentSession("roles", jsonText(`["\ud800"]`)), jwtRefused},
		{"146 name of a custom claim not UTF-8", editedClaims(putAfter("\"\xff\":1")), jwtRefused},
		{"147 payload nested 2000 deep", bentClaims("x", jsonText(nestedLists(2000))), jwtRefused},
		{"147 payload nested to the limit", bentClaims("x", jsonText(nestedLists(99))), jwtPasses},
		{"147 payload nested beyond the limit", bentClaims("x", jsonText(nestedLists(100))), jwtRefused},
		{"147 session claim nested beyond the limit", bentSession("x", jsonText(nestedLists(99))), jwtRefused},
		{"148 300 members", editedClaims(putAfter(manyMembers(300))), jwtPasses},
		{"148 300 members, the last again", editedClaims(putAfter(manyMembers(300) + `,"m299":0`)), jwtRefused},
		{"148 custom claim a number of 3 kB", bentClaims("x", jsonText(strings.Repeat("9", 3000))), jwtPasses},
		{"148 exp a number of 3 kB", bentClaims("exp", jsonText(strings.Repeat("9", 3000))), jwtRefused},
		{"148 exp a fraction of 3 kB", bentClaims("exp", jsonText("0."+strings.Repeat("9", 3000))), jwtRefused},
		{"148 exp an exponent of 3 kB", bentClaims("exp", jsonText("1e"+strings.Repeat("9", 3000))), jwtRefused},
	})
}

// 150: no text of JSONTestSuite passes as a payload. 188 texts are invalid JSON, 95 are valid JSON
// without the claims of a session, and about 35 are left to the parser.
func TestJWT_PayloadOfJSONTestSuite(t *testing.T) {
	authtest.SkipIfShort(t)
	files, err := filepath.Glob("../strictjson/testdata/jsontestsuite/test_parsing/*.json")
	if err != nil || len(files) != 318 {
		t.Fatalf("got %d texts and %v, want 318", len(files), err)
	}
	var rows []jwtRow
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, jwtRow{"150 " + filepath.Base(file), editedClaims(putInstead(string(text))), jwtRefused})
	}
	runJWTRows(t, rows)
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}
