package stytch_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const requestID = "request-id-test-4f1d7a20-6b3c-4e58-9d02-8a7c5e19b3f6"

// failure is the body of an error with this type and request id, which may contain
// JSON escapes.
func failure(typ, requestID string) string {
	return `{"status_code":404,"request_id":"` + requestID + `","error_type":"` + typ + `","error_message":"hunter2 was wrong.","error_url":"https://stytch.com/docs/api/errors/404#` + "x" + `"}`
}

// failed makes a call that gets this answer and returns the error.
func failed(t *testing.T, rt http.RoundTripper) *stytch.Error {
	t.Helper()
	got, err := newClient(t, rt).AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
	var se *stytch.Error
	if !errors.As(err, &se) {
		t.Fatalf("got %v, want a *stytch.Error", err)
	}
	if got != nil {
		t.Error("got a response beside the error, want none")
	}
	return se
}

func TestError_Decoding(t *testing.T) {
	const url = "https://stytch.com/docs/api/errors/404#x"
	full := stytch.Error{StatusCode: 404, Type: "session_not_found", Message: "hunter2 was wrong.", RequestID: requestID, URL: url}
	only := func(status int) stytch.Error { return stytch.Error{StatusCode: status} }
	long := strings.Repeat("a", 10<<10)
	tests := []struct {
		name   string
		status int
		body   string
		want   stytch.Error
		text   string
	}{
		{"in full", 404, failure("session_not_found", requestID), full, "stytch: status 404 session_not_found (" + requestID + ")"},
		{"with details", 404, `{"error_details":{"a":[1]},` + failure("session_not_found", requestID)[1:], full, "stytch: status 404 session_not_found (" + requestID + ")"},
		{"the status is HTTP's, not the body's", 503, failure("session_not_found", requestID), stytch.Error{StatusCode: 503, Type: full.Type, Message: full.Message, RequestID: requestID, URL: url}, "stytch: status 503 session_not_found (" + requestID + ")"},
		{"an unknown type", 418, `{"error_type":"teapot","request_id":"r"}`, stytch.Error{StatusCode: 418, Type: "teapot", RequestID: "r"}, "stytch: status 418 teapot (r)"},
		{"a type alone", 400, `{"error_type":"bad_request"}`, stytch.Error{StatusCode: 400, Type: "bad_request"}, "stytch: status 400 bad_request"},
		{"a request id alone", 400, `{"request_id":"r"}`, stytch.Error{StatusCode: 400, RequestID: "r"}, "stytch: status 400 (r)"},
		{"HTML", 502, "<html><body>Bad Gateway</body></html>", only(502), "stytch: status 502"},
		{"nothing", 500, "", only(500), "stytch: status 500"},
		{"text", 429, "slow down", only(429), "stytch: status 429"},
		{"null", 500, "null", only(500), "stytch: status 500"},
		{"a list", 500, `["error_type"]`, only(500), "stytch: status 500"},
		{"JSON that was cut off", 500, failure("session_not_found", requestID)[:100], only(500), "stytch: status 500"},
		{"JSON with something after it", 404, failure("session_not_found", requestID) + "x", only(404), "stytch: status 404"},
		{"half a surrogate pair in the message", 404, `{"error_type":"session_not_found","error_message":"\ud800"}`, stytch.Error{StatusCode: 404, Type: "session_not_found"}, "stytch: status 404 session_not_found"},
		{"a repeated name in the details", 404, `{"error_type":"session_not_found","error_details":{"a":1,"a":2}}`, stytch.Error{StatusCode: 404, Type: "session_not_found"}, "stytch: status 404 session_not_found"},
		{"half a surrogate pair elsewhere", 404, `{"error_type":"session_not_found","x":"\ud800"}`, only(404), "stytch: status 404"},
		{"a repeated type", 404, `{"error_type":"bad_request","error_type":"session_not_found"}`, only(404), "stytch: status 404"},
		{"bytes that are not UTF-8", 404, "{\"error_type\":\"session_not_found\",\"error_message\":\"\xff\"}", only(404), "stytch: status 404"},
		{"a type that is a number", 404, `{"error_type":1}`, only(404), "stytch: status 404"},
		{"a type in a member in capitals", 404, `{"ERROR_TYPE":"session_not_found"}`, only(404), "stytch: status 404"},
		{"a type in a member that only folds to the name", 404, `{"requeſt_id":"r","error_type":"bad_request"}`, stytch.Error{StatusCode: 404, Type: "bad_request"}, "stytch: status 404 bad_request"},
		{"a type with a line break", 404, failure(`session_not_found\nlevel=ERROR`, "r"), stytch.Error{StatusCode: 404, Message: full.Message, RequestID: "r", URL: url}, "stytch: status 404 (r)"},
		{"a type with a carriage return", 404, failure(`session_not_found\r`, "r"), stytch.Error{StatusCode: 404, Message: full.Message, RequestID: "r", URL: url}, "stytch: status 404 (r)"},
		{"a type with a space", 404, failure("session not found", "r"), stytch.Error{StatusCode: 404, Message: full.Message, RequestID: "r", URL: url}, "stytch: status 404 (r)"},
		{"a type with an escape sequence", 404, failure(`\u001b[2J`, "r"), stytch.Error{StatusCode: 404, Message: full.Message, RequestID: "r", URL: url}, "stytch: status 404 (r)"},
		{"a type of 10 kB", 404, failure(long, "r"), stytch.Error{StatusCode: 404, Message: full.Message, RequestID: "r", URL: url}, "stytch: status 404 (r)"},
		{"a request id with a line break", 404, failure("bad_request", `r\nx`), stytch.Error{StatusCode: 404, Type: "bad_request", Message: full.Message, URL: url}, "stytch: status 404 bad_request"},
		{"a request id that is not ASCII", 404, failure("bad_request", `r\u2028`), stytch.Error{StatusCode: 404, Type: "bad_request", Message: full.Message, URL: url}, "stytch: status 404 bad_request"},
		{"a request id of 10 kB", 404, failure("bad_request", long), stytch.Error{StatusCode: 404, Type: "bad_request", Message: full.Message, URL: url}, "stytch: status 404 bad_request"},
		{"a success without a body", 204, "", only(204), "stytch: status 204"},
		{"a success that is a part", 206, goodSession, only(206), "stytch: status 206"},
		{"an acceptance", 202, goodSession, only(202), "stytch: status 202"},
		{"a cached answer", 304, "", only(304), "stytch: status 304"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := failed(t, answering(test.status, test.body))
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("got %#v, want %#v", *got, test.want)
			}
			if got.Error() != test.text {
				t.Errorf("got %q, want %q", got, test.text)
			}
		})
	}
}

func TestError_EveryMethod(t *testing.T) {
	client := newClient(t, answering(429, failure("too_many_requests", requestID), "Retry-After", "7"))
	_, session := client.AuthenticateSession(t.Context(), stytch.AuthenticateSessionParams{SessionToken: token})
	_, login := client.AuthenticatePassword(t.Context(), stytch.AuthenticatePasswordParams{Email: email, Password: password})
	_, user := client.User(t.Context(), userID)
	_, keys := client.KeySet(t.Context())
	_, policy := client.Policy(t.Context())
	revoke := client.RevokeSession(t.Context(), stytch.RevokeSessionParams{SessionID: sessionID})
	for name, err := range map[string]error{"session": session, "password": login, "user": user, "keys": keys, "policy": policy, "revoke": revoke} {
		var se *stytch.Error
		if !errors.As(err, &se) {
			t.Errorf("%s: got %v, want a *stytch.Error", name, err)
			continue
		}
		if se.StatusCode != 429 || se.Type != "too_many_requests" || se.RequestID != requestID || se.RetryAfter != 7*time.Second {
			t.Errorf("%s: got %#v, want 429 too_many_requests with its request id and 7s", name, *se)
		}
	}
}

// Every verb of package fmt prints the text of an Error and nothing else.
func TestError_PrintsNoMessage(t *testing.T) {
	err := failed(t, answering(400, `{"error_type":"bad_request","error_message":"no session `+token+` of `+email+`","error_url":"https://example.com/?`+secret+`"}`))
	texts := []string{err.Error(), fmt.Errorf("call: %w", err).Error(), string(mustMarshal(t, err)), string(mustMarshal(t, map[string]any{"err": err}))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, err), fmt.Sprintf(verb, []any{err}))
	}
	for _, text := range texts {
		wantNoSecrets(t, text)
		if strings.Contains(text, "example.com") || strings.Contains(text, "no session") {
			t.Errorf("got %q, want neither message nor URL", text)
		}
	}
}

func TestError_RetryAfter(t *testing.T) {
	for _, test := range []struct {
		name, header string
		want         time.Duration
	}{
		{"none", "", 0},
		{"seconds", "7", 7 * time.Second},
		{"no seconds", "0", 0},
		{"seconds with white space", " 7 ", 7 * time.Second},
		{"a day", "86400", 24 * time.Hour},
		{"more than one can wait for", "1000000000", 1e9 * time.Second},
		{"more than a Duration holds", "10000000000", 0},
		{"more than an integer holds", strings.Repeat("9", 100), 0},
		{"a negative number", "-7", 0},
		{"a number with a sign", "+7", 0},
		{"a fraction", "1.5", 0},
		{"a number in hexadecimal", "0x7", 0},
		{"a number with a unit", "7s", 0},
		{"a word", "soon", 0},
		{"a date", "Sat, 01 Jan 2000 00:01:30 GMT", 90 * time.Second},
		{"a date in RFC 850 form", "Saturday, 01-Jan-00 00:01:30 GMT", 90 * time.Second},
		{"a date in asctime form", "Sat Jan  1 00:01:30 2000", 90 * time.Second},
		{"now", "Sat, 01 Jan 2000 00:00:00 GMT", 0},
		{"a date that has passed", "Fri, 31 Dec 1999 23:59:59 GMT", 0},
		{"a date of another form", "2000-01-01T00:01:30Z", 0},
		{"no date", "Sat, 99 Jan 2000 00:00:00 GMT", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // in a bubble, the time is midnight of 1 January 2000, UTC
				for _, body := range []string{failure("too_many_requests", requestID), "<html>"} {
					header := []string{"Retry-After", strings.TrimSpace(test.header)}
					if test.header == "" {
						header = nil
					}
					if got := failed(t, answering(429, body, header...)).RetryAfter; got != test.want {
						t.Errorf("got %v, want %v", got, test.want)
					}
				}
			})
		})
	}
}

func TestError_RetryAfterInTheFarFuture(t *testing.T) {
	if got := failed(t, answering(503, "", "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")).RetryAfter; got <= 0 {
		t.Errorf("got %v, want more than 0", got)
	}
}

func TestError_Misconfigured(t *testing.T) {
	for _, test := range []struct {
		typ  string
		want bool
	}{
		{"unauthorized_credentials", true},
		{"unauthorized_credentials_homepage", true},
		{"invalid_project_id_authentication", true},
		{"invalid_secret_authentication", true},
		{"invalid_authorization_header", true},
		{"unauthorized_project_id_live", true},
		{"unauthorized_project_id_test", true},
		{"wrong_stack_live", true},
		{"wrong_stack_test", true},
		{"live_id_used_in_test_environment", true},
		{"test_id_used_in_live_environment", true},
		{"invalid_consumer_endpoint", true},
		{"invalid_b2b_endpoint", true},
		{"organization_suspended", true},
		{"route_not_found", false},
		{"cname_required_for_http_only_cookies", true},
		{"cname_invalid_for_http_only_cookies", true},
		{"use_https", true},
		{"invalid_session_token_docs", false},
		{"incompatible_session_type", false},
		{"jwt_invalid_audience", false},
		{"jwt_invalid_issuer", false},
		{"jwt_invalid_claims", false},
		{"organization_not_found", false},
		{"session_not_found", false},
		{"invalid_session_token", false},
		{"unable_to_parse_session_jwt", false},
		{"user_not_found", false},
		{"consumer_session_authorization_error", false},
		{"too_many_requests", false},
		{"internal_server_error", false},
		{"unauthorized", false},
		{"Unauthorized_Credentials", false},
		{"", false},
	} {
		// The type decides, because the documentation does not list the statuses of these errors.
		for _, status := range []int{400, 401, 403, 500} {
			err := failed(t, answering(status, failure(test.typ, requestID)))
			if got := err.Misconfigured(); got != test.want {
				t.Errorf("%d %s: got %v, want %v", status, test.typ, got, test.want)
			}
		}
	}
}
