package attacktest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/authtest"
)

func TestRequest_CredentialInOtherPlaces(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded"
	for _, row := range []struct {
		name, method, target, body, fields string
		want                               authtest.Answer
	}{
		{"31 query access_token", "GET", "/?access_token={ada.jwt}", "", "", want401n},
		{"31 query token", "GET", "/?token={ada.token}", "", "", want401n},
		{"31 query jwt", "GET", "/?jwt={ada.jwt}", "", "", want401n},
		{"31 query session_jwt", "GET", "/?session_jwt={ada.jwt}", "", "", want401n},
		{"31 query session_token", "GET", "/?session_token={ada.token}", "", "", want401n},
		{"31 query with the names of the cookies", "GET", "/?stytch_session={ada.token}&stytch_session_jwt={ada.jwt}", "", "", want401n},
		{"31 query authorization", "GET", "/?Authorization=Bearer+{ada.jwt}", "", "", want401n},
		{"31 path", "GET", "/{ada.jwt}", "", "", want401n},
		{"32 bad header and good query", "GET", "/?access_token={ada.jwt}", "", "Authorization: Bearer {bad.jwt}", want401i},
		{"33 form access_token", "POST", "/", "access_token={ada.jwt}", form, want401n},
		{"33 form with the names of the cookies", "POST", "/", "stytch_session={ada.token}&stytch_session_jwt={ada.jwt}", form, want401n},
		{"33 JSON", "POST", "/", `{"session_jwt":"{ada.jwt}"}`, "Content-Type: application/json", want401n},
		{"36 OPTIONS", "OPTIONS", "/", "", "Origin: https://app.example.com\nAccess-Control-Request-Method: GET", want401n},
		{"36 POST overridden by OPTIONS", "POST", "/", "", "X-HTTP-Method-Override: OPTIONS\nX-Method-Override: OPTIONS", want401n},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.wantFirst(s.Do(s.request(row.method, row.target, row.body, row.fields)), row.want, 0)
		})
	}
}

// A line is a connection to a server that has the handler of a scene. It can send requests that the
// client of net/http refuses to send.
type line struct {
	net.Conn
	scene   *scene
	answers *bufio.Reader
}

func dial(s *scene) *line {
	s.T.Helper()
	srv := httptest.NewServer(s.Leaks.Middleware(s.Handler))
	s.T.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &line{conn, s, bufio.NewReader(conn)}
}

// send writes a request and reads the response. It replaces
// by \r
// .
func (l *line) send(raw string) *http.Response {
	l.scene.T.Helper()
	raw = strings.ReplaceAll(l.scene.words.Replace(raw), "\n", "\r\n")
	if _, err := io.WriteString(l, raw); err != nil {
		l.scene.T.Fatal(err)
	}
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(l.answers, &http.Request{Method: method})
	if err != nil {
		l.scene.T.Fatal(err)
	}
	return resp
}

func TestWire_Requests(t *testing.T) {
	authtest.SkipIfShort(t)
	const get = "GET / HTTP/1.1\nHost: app.example.com\n"
	const chunks = "0\n\n"
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	for _, row := range []struct {
		name string
		raw  string
		want authtest.Answer
	}{
		{"0 a JWT in the header", get + "Authorization: Bearer {ada.jwt}\n\n", passAs("ada")},
		{"2 no credential, HEAD", "HEAD / HTTP/1.1\nHost: app.example.com\n\n", want401n},
		{"3 no credential, HTTP/1.0", "GET / HTTP/1.0\n\n", want401n},
		{"3 a JWT, HTTP/1.0", "GET / HTTP/1.0\nAuthorization: Bearer {ada.jwt}\n\n", passAs("ada")},
		{"4 an Authorization of blanks", get + "Authorization:  \t \n\n", want401n},
		{"7 Bearer alone", get + "Authorization: Bearer\n\n", want400r},
		{"8 Bearer and a space", get + "Authorization: Bearer \n\n", want400r},
		{"12 the field name in other case", get + "aUTHORIZATION:Bearer {ada.jwt}\n\n", passAs("ada")},
		{"18 a trailing space", get + "Authorization: Bearer {ada.jwt} \n\n", passAs("ada")},
		{"22 two fields, both good", get + "Authorization: Bearer {ada.jwt}\nAuthorization: Bearer {ada.jwt}\n\n", want400r},
		{"22 two fields, names in other case", get + "Authorization: Bearer {ada.jwt}\nauthorization: Bearer {ada.jwt}\n\n", want400r},
		{"23 two fields, good then bad", get + "Authorization: Bearer {ada.jwt}\nAuthorization: Bearer {bad.jwt}\n\n", want400r},
		{"24 two fields, bad then good", get + "Authorization: Bearer {bad.jwt}\nAuthorization: Bearer {ada.jwt}\n\n", want400r},
		{"25 two fields, good then Basic", get + "Authorization: Bearer {ada.jwt}\nAuthorization: Basic eDp5\n\n", want400r},
		{"26 a fold before the JWT", get + "Authorization: Bearer\n {ada.jwt}\n\n", passAs("ada")},
		{"27 a fold after the JWT, inside the value", get + "Authorization: Bearer {ada.jwt}\n\t{ada.jwt}\n\n", want400r},
		{"28 a space before the colon", get + "Authorization : Bearer {ada.jwt}\n\n", net400},
		{"29 a trailer", "POST / HTTP/1.1\nHost: app.example.com\nTransfer-Encoding: chunked\nTrailer: Authorization\n\n0\nAuthorization: Bearer {ada.jwt}\n\n", want401n},
		{"46 cookies in two fields", get + "Cookie: stytch_session_jwt={bad.jwt}\nCookie: stytch_session_jwt={ada.jwt}\n\n", passAs("ada")},
		{"50 2999 cookies, then a good one", get + "Cookie: " + many(2999, "a=b; ") + "stytch_session_jwt={ada.jwt}\n\n", passAs("ada")},
		{"50 3001 cookies, then a good one", get + "Cookie: " + many(3001, "a=b; ") + "stytch_session_jwt={ada.jwt}\n\n", want401n},
		{"51 100,000 semicolons", get + "Cookie: " + many(100_000, ";") + "\n\n", want401n},
		{"51 100,000 semicolons, then a good cookie", get + "Cookie: " + many(100_000, ";") + "stytch_session_jwt={ada.jwt}\n\n", want401n},
		{"205 two Content-Length", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 6\nAuthorization: Bearer {ada.jwt}\n\nhello", net400},
		{"205 a Transfer-Encoding of another name", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\nAuthorization: Bearer {ada.jwt}\n\n" + chunks, authtest.Answer{Status: 501}},
		{"205 Content-Length and Transfer-Encoding", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\n\n" + chunks, want401n},
		{"205 Content-Length, Transfer-Encoding and a JWT", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\nAuthorization: Bearer {ada.jwt}\n\n" + chunks, passAs("ada")}, // net/http ignores the length (RFC 9112, section 6.3)
		{"205 two Host fields", "GET / HTTP/1.1\nHost: a\nHost: b\nAuthorization: Bearer {ada.jwt}\n\n", net400},
		{"205 no Host field", "GET / HTTP/1.1\nAuthorization: Bearer {ada.jwt}\n\n", net400},
		{"205 NUL in a field", get + "X-Note: a\x00b\nAuthorization: Bearer {ada.jwt}\n\n", net400},
		{"205 NUL in the credential", get + "Authorization: Bearer \x00{ada.jwt}\n\n", net400},
		{"205 NUL in a cookie", get + "Cookie: stytch_session_jwt={ada.jwt}\x00\n\n", net400},
		{"205 CR in a field", get + "Authorization: Bearer {ada.jwt}\rX: y\n\n", net400},
		{"205 two Content-Length and a cookie", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 6\nCookie: stytch_session_jwt={ada.jwt}\n\nhello", net400},
		{"205 Content-Length, Transfer-Encoding and a cookie", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\nCookie: stytch_session_jwt={ada.jwt}\n\n" + chunks, passAs("ada")},
		{"205 two Host fields and a cookie", "GET / HTTP/1.1\nHost: a\nHost: b\nCookie: stytch_session_jwt={ada.jwt}\n\n", net400},
		{"205 CR in a cookie", get + "Cookie: stytch_session_jwt={ada.jwt}\rX: y\n\n", net400},
		{"206 a header of 900 kB", get + "X-Note: " + many(900_000, "a") + "\n\n", want401n},
		{"206 a credential of 900 kB", get + "Authorization: Bearer " + many(900_000, "a") + "\n\n", want401i},
		{"206 a JWT of 900 kB", get + "Authorization: Bearer a.b." + many(900_000, "a") + "\n\n", want401i},
		{"206 a token cookie of 900 kB", get + "Cookie: stytch_session=" + many(900_000, "a") + "\n\n", want401i},
		{"206 a JWT cookie of 900 kB", get + "Cookie: stytch_session_jwt=a.b." + many(900_000, "a") + "\n\n", want401i},
		{"206 20,000 Cookie fields", get + many(20_000, "Cookie: a=b\n") + "Cookie: stytch_session_jwt={ada.jwt}\n\n", want401n},
		{"206 900 kB of dots", get + "Authorization: Bearer " + many(900_000, ".") + "\n\n", want401i},
		{"206 20,000 fields", get + many(20_000, "X-Note: a\n") + "\n", want401n},
		{"206 20,000 Authorization fields", get + many(20_000, "Authorization: Bearer x\n") + "\n", want400r},
		{"206 a header of 1.1 MB", get + "Authorization: Bearer {ada.jwt}\nX-Note: " + many(1_100_000, "a") + "\n\n", authtest.Answer{Status: 431}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.wantFirst(dial(s).send(row.raw), row.want, 0)
		})
	}
}

// 51: a long Cookie field takes little time.
func TestRequest_SemicolonsInTime(t *testing.T) {
	limit := 50 * time.Millisecond
	if authtest.UnderRace() {
		limit = 500 * time.Millisecond
	}
	for _, row := range []struct{ name, cookies string }{
		{"51 100,000 semicolons", strings.Repeat(";", 100_000)},
		{"51 100,000 semicolons, then a good cookie", strings.Repeat(";", 100_000) + "stytch_session_jwt={ada.jwt}"},
		{"51 100,000 semicolons and blanks", strings.Repeat("; ", 100_000)},
		{"51 100,000 cookies of the configured name", strings.Repeat("stytch_session;", 100_000)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			best := time.Hour
			for range 3 { // the best of three, because another process may delay one of them
				began := time.Now()
				resp := s.Do(s.request("GET", "/", "", "Cookie: "+row.cookies))
				best = min(best, time.Since(began))
				s.wantFirst(resp, want401n, 0)
			}
			if best > limit {
				t.Errorf("got %v, want at most %v", best, limit)
			}
		})
	}
}

// After a refusal, the next request on a connection is not read as the rest of the refused request.
func TestWire_NextRequest(t *testing.T) {
	const good = "GET / HTTP/1.1\nHost: a\nAuthorization: Bearer {ada.jwt}\n\n"
	for _, row := range []struct {
		name string
		raw  string
		want authtest.Answer
	}{
		{"2 HEAD is answered without a body", "HEAD / HTTP/1.1\nHost: a\n\n", want401n},
		{"37 an upgrade without credential is not hijacked", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n", want401n},
		{"33 a body that is not read", "POST / HTTP/1.1\nHost: a\nContent-Length: 28\n\nGET /x HTTP/1.1\nHost: a\n\n", want401n},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			l := dial(s)
			s.wantFirst(l.send(row.raw), row.want, 0)
			s.wantFirst(l.send(good), passAs("ada"), 0)
		})
	}
}
