package login_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// ways lists the paths of the three handlers and of StepUp without Require.
var ways = []string{"/login", "/step-up", "/bare", "/logout"}

func TestHandlers_Origin(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	rows := []struct {
		name, fields string // fields are header fields, one per line
		refused      bool
	}{
		{"182 from another site", "Sec-Fetch-Site: cross-site", true},
		{"182 from a sibling subdomain", "Sec-Fetch-Site: same-site", true},
		{"182 from an unknown Sec-Fetch-Site", "Sec-Fetch-Site: same-Origin", true},
		{"182 from another site that names our origin", "Sec-Fetch-Site: cross-site\nOrigin: https://app.example.com", true},
		{"182 from another origin", "Origin: https://evil.example", true},
		{"182 from the null origin", "Origin: null", true},
		{"182 from a sibling's origin", "Origin: https://api.example.com", true},
		{"182 from our host on another port", "Origin: https://app.example.com:8443", true},
		{"182 from an origin that begins like a trusted one", "Origin: https://trusted.example.evil.example", true},
		{"182 from another site, by a forged host", "Origin: https://evil.example\nX-Forwarded-Host: evil.example", true},
		{"182 our own origin", "Sec-Fetch-Site: same-origin\nOrigin: https://app.example.com", false},
		{"182 typed by the user", "Sec-Fetch-Site: none", false},
		{"182 our own origin by an old browser", "Origin: https://app.example.com", false},
		{"182 no browser", "", false},
		{"182 a trusted origin", "Sec-Fetch-Site: cross-site\nOrigin: https://trusted.example", false},
	}
	dummies := []string{"", "Authorization: Basic eDp5", "Authorization: Bearer dummy", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"}
	for _, row := range rows {
		for _, way := range ways {
			for _, dummy := range dummies {
				if !row.refused && dummy != "" {
					continue // other tests cover malformed headers
				}
				t.Run(row.name+" "+way+" "+dummy, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { testOrigin(t, way, row.fields+"\n"+dummy, row.refused) })
				})
			}
		}
	}
}

func testOrigin(t *testing.T, way, fields string, refused bool) {
	s := newEnv(t, func(c *setup) { c.auth.TrustedOrigins = []string{"https://trusted.example"} })
	session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
	s.hold(session.Token, session.JWT)
	all := []string{}
	for field := range strings.SplitSeq(fields, "\n") {
		if field != "" {
			all = append(all, field)
		}
	}
	resp := s.postForm(way, rightForm, all...)
	if !refused {
		s.want(resp, 303)
		return
	}
	// Require refuses a malformed header before the handler checks the origin.
	if strings.Contains(fields, "Bearer") && (way == "/step-up" || way == "/bare") {
		s.want(resp, 401)
	} else {
		s.wantProblem(resp, 403, "cross-origin")
	}
	s.wantUntouched(resp)
	s.WantCalls(pathPassword, 0)
	s.WantCalls(pathRevoke, 0)
	s.wantAlive(session.Token, true)
}

func TestHandlers_HeaderDoesNotExcuseAnotherOrigin(t *testing.T) {
	for _, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t)
			session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
			resp := s.postForm(way, rightForm, "Sec-Fetch-Site: cross-site", "Authorization: Bearer "+session.JWT)
			s.wantProblem(resp, 403, "cross-origin")
			s.wantUntouched(resp)
			s.wantAlive(session.Token, true)
		})
	}
}

func TestHandlers_OtherMethods(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "PROPFIND"} {
		for _, way := range ways {
			t.Run("192 "+method+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t)
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					s.hold(session.Token, session.JWT)
					resp := s.send(method, way, right, jsonType, "X-HTTP-Method-Override: POST")
					s.wantProblem(resp, 405, "invalid-request")
					if got := resp.Header.Get("Allow"); got != "POST" {
						t.Errorf("got Allow %q, want POST", got)
					}
					s.wantUntouched(resp)
					s.WantCalls(pathPassword, 0)
					s.WantCalls(pathRevoke, 0)
				})
			})
		}
	}
}

func TestHandlers_AnswersOfAnErrorHandlerAreNotCacheable(t *testing.T) {
	for _, way := range []string{"/login", "/bare", "/logout"} {
		synctest.Test(t, func(t *testing.T) {
			s := newEnv(t, func(c *setup) {
				c.auth.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusTeapot) }
			})
			resp := s.postForm(way, rightForm, "Sec-Fetch-Site: cross-site")
			if got := resp.Header.Get("Cache-Control"); resp.StatusCode != http.StatusTeapot || got != "no-store" {
				t.Errorf("%s: got %d and Cache-Control %q, want no-store", way, resp.StatusCode, got)
			}
		})
	}
}

// fill returns a body of the given length. Its password begins with that of Ada.
func fill(size int, before, after string) string {
	return before + strings.Repeat("x", size-len(before)-len(after)) + after
}

const email = `{"email":"` + adasEmail + `",`

func TestHandlers_Bodies(t *testing.T) {
	const json, form = jsonType, formType
	rows := []struct {
		name, contentType, body string
		want                    int // 401 if the body is accepted, because the password is wrong
	}{
		{"183 a good one", json, wrong, 401},
		{"183 exactly 8 KiB", json, fill(8192, email+`"password":"`, `"}`), 401},
		{"183 a byte more", json, fill(8193, email+`"password":"`, `"}`), 413},
		{"183 a byte more, of white space", json, wrong + strings.Repeat(" ", 8193-len(wrong)), 413},
		{"183 1 MB", json, fill(1e6, email+`"password":"`, `"}`), 413},
		{"183 1 MB of spaces", json, strings.Repeat(" ", 1e6), 413},
		{"183 a form of exactly 8 KiB", form, fill(8192, "email=ada%40example.com&password=", ""), 401},
		{"183 a form a byte longer", form, fill(8193, "email=ada%40example.com&password=", ""), 413},
		{"183 a form of 1 MB", form, fill(1e6, "email=ada%40example.com&password=", ""), 413},

		{"183 JSON with a charset", json + "; charset=utf-8", wrong, 401},
		{"183 JSON in capitals", "Content-Type: Application/JSON", wrong, 401},
		{"183 a form with a charset", form + "; charset=UTF-8", asForm(wrong), 401},
		{"183 no Content-Type", "", wrong, 415},
		{"183 an empty Content-Type", "Content-Type: ", wrong, 415},
		{"183 text", "Content-Type: text/plain", wrong, 415},
		{"183 a form for files", "Content-Type: multipart/form-data; boundary=x", wrong, 415},
		{"183 JSON for merging", "Content-Type: application/merge-patch+json", wrong, 415},
		{"183 something like JSON", "Content-Type: application/jsonp", wrong, 415},
		{"183 a malformed Content-Type", "Content-Type: application/json; =", wrong, 415},
		{"183 two in one field", "Content-Type: application/json, text/plain", wrong, 415},
		{"183 two fields", json + "\n" + form, wrong, 415},
		{"183 the same field twice", json + "\n" + json, wrong, 415},
		{"183 1 MB of another type", "Content-Type: text/plain", strings.Repeat(" ", 1e6), 415},

		{"183 no body", json, "", 400},
		{"183 white space", json, "  \n", 400},
		{"183 {}", json, "{}", 400},
		{"183 null", json, "null", 400},
		{"183 a list", json, "[" + wrong + "]", 400},
		{"183 a string", json, `"password"`, 400},
		{"183 truncated", json, wrong[:len(wrong)-1], 400},
		{"183 something after it", json, wrong + "x", 400},
		{"183 two objects", json, wrong + wrong, 400},
		{"183 a comment", json, "/**/" + wrong, 400},
		{"183 a form for JSON", json, asForm(wrong), 400},
		{"183 a byte order mark", json, "\ufeff" + wrong, 400},
		{"183 UTF-16", json, strings.Join(strings.Split(wrong, ""), "\x00") + "\x00", 400},
		{"183 invalid UTF-8", json, email + "\"password\":\"\xff\"}", 400},
		{"183 an overlong slash", json, email + "\"password\":\"\xc0\xaf\"}", 400},
		{"183 half a surrogate pair", json, email + `"password":"\ud800"}`, 400},
		{"183 4000 levels", json, email + `"password":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + "}", 400},
		{"183 no password", json, `{"email":"ada@example.com"}`, 400},
		{"183 no e-mail address", json, `{"password":"x"}`, 400},
		{"183 an empty password", json, email + `"password":""}`, 400},
		{"183 an empty e-mail address", json, `{"email":"","password":"x"}`, 400},
		{"183 a password that is a number", json, email + `"password":1}`, 400},
		{"183 a password that is null", json, email + `"password":null}`, 400},
		{"183 a password that is a list", json, email + `"password":["x"]}`, 400},
		{"183 an e-mail address that is an object", json, `{"email":{"$ne":""},"password":"x"}`, 400},
		{"183 a password twice", json, email + `"password":"x","password":"x"}`, 400},
		{"183 an e-mail address twice", json, email + `"email":"bob@example.com","password":"x"}`, 400},
		{"183 a password twice, once escaped", json, email + `"password":"x","pass\u0077ord":"y"}`, 400},
		{"183 a password in capitals", json, email + `"PASSWORD":"x"}`, 400},
		{"183 a password by a long s", json, email + `"paſſword":"x"}`, 400},
		{"183 an unknown field", json, email + `"password":"x","remember":"1"}`, 400},
		{"183 a session token", json, email + `"password":"x","session_token":"x"}`, 400},
		{"183 a session duration", json, email + `"password":"x","session_duration_minutes":5}`, 400},
		{"183 a return_to in JSON", json, email + `"password":"x","return_to":"/"}`, 400},
		{"183 an empty name", json, email + `"password":"x","":""}`, 400},

		{"183 a form without anything", form, "", 400},
		{"183 a form without password", form, "email=ada%40example.com", 400},
		{"183 a form without e-mail address", form, "password=x", 400},
		{"183 a form with an empty password", form, "email=ada%40example.com&password=", 400},
		{"183 a form with an empty e-mail address", form, "email=&password=x", 400},
		{"183 a form with a password twice", form, "email=ada%40example.com&password=x&password=y", 400},
		{"183 a form with a password twice, once escaped", form, "email=ada%40example.com&password=x&pass%77ord=x", 400},
		{"183 a form with an e-mail address twice", form, "email=ada%40example.com&email=&password=x", 400},
		{"183 a form with return_to twice", form, "email=ada%40example.com&password=x&return_to=/&return_to=/", 400},
		{"183 a form with an unknown field", form, "email=ada%40example.com&password=x&remember=1", 400},
		{"183 a form with a session token", form, "email=ada%40example.com&password=x&session_token=x", 400},
		{"183 a form with an empty name", form, "email=ada%40example.com&password=x&=", 400},
		{"183 a form with a semicolon", form, "email=ada%40example.com;password=x", 400},
		{"183 a form with half an escape", form, "email=ada%40example.com&password=%4", 400},
		{"183 a form of invalid UTF-8", form, "email=ada%40example.com&password=%ff", 400},
		{"183 a form of raw invalid UTF-8", form, "email=ada%40example.com&password=\xff", 400},
		{"183 a form with an invalid e-mail address", form, "email=ada%ff%40example.com&password=x", 400},
		{"183 JSON for a form", form, wrong, 400},
	}
	kinds := map[int]string{400: "invalid-request", 413: "invalid-request", 415: "invalid-request", 401: "sign-in-refused"}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				session := s.StartSession(s.bob.ID, stytchtest.SessionOptions{})
				s.hold(session.Token, session.JWT)
				var fields []string
				if row.contentType != "" {
					fields = strings.Split(row.contentType, "\n")
				}
				resp := s.send("POST", "/login", row.body, fields...)
				s.wantProblem(resp, row.want, kinds[row.want])
				s.wantUntouched(resp)
				s.wantAlive(session.Token, true)
				calls := 0
				if row.want == 401 {
					calls = 1
				}
				s.WantCalls(pathPassword, calls)
			})
		})
	}
}

func TestHandlers_PasswordIsSentUnchanged(t *testing.T) {
	passwords := []string{
		"correct horse battery staple", " leading and trailing ", "+%20&=;#?/\\", `"quoted" \ and 'so'`, "<script>&amp;</script>",
		"\x00\x01\x1f\x7f", "tab\tline\r\nbreak", "ünïcödé", "日本語のパスワード", "e\u0301 is not \u00e9", "🐎🔋\u200d", "\u2028\u2029\ufeff\ufffd",
		"\U0010ffff", strings.Repeat("x", 72) + "y", strings.Repeat("ü", 1000), "null", "{}", "%00", "${jndi:x}", "' OR 1=1 --",
	}
	for _, password := range passwords {
		t.Run(password, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEnv(t)
				s.AddUser(stytchtest.User{Email: "o'brien+tag@example.com", Password: password})
				asJSON, err := json.Marshal(map[string]string{"email": "o'brien+tag@example.com", "password": password})
				if err != nil {
					t.Fatal(err)
				}
				form := url.Values{"email": {"o'brien+tag@example.com"}, "password": {password}}.Encode()
				for _, resp := range []*http.Response{s.postJSON("/login", string(asJSON)), s.postForm("/login", form)} {
					if sent := s.sent(); resp.StatusCode >= 400 || sent["password"] != password || sent["email"] != "o'brien+tag@example.com" {
						t.Errorf("got %d and sent %q, want %q", resp.StatusCode, sent, password)
					}
				}
			})
		})
	}
}
