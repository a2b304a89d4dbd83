package sessionauth

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/sessionauth/sessionauth/stytch"
)

// lateCookies is the ResponseWriter of a request whose response must set a
// session cookie. It sets the cookie only when the header is written, because
// until then the session may be revoked, and because the handler must not
// replace the Cache-Control that forbids caches to store the cookie. If no
// cookie must be set, the handler gets the original ResponseWriter.
type lateCookies struct {
	http.ResponseWriter
	cookies *cookieWriter
	session *stytch.Session
	token   cookieValue
	jwt     cookieValue
	left    bool
}

// A cookieValue is a cookie to set. If name is empty, there is none.
type cookieValue struct{ name, value string }

// late returns a ResponseWriter that sets the cookies of r, whose JWT was
// refreshed, or nil if it has no cookie to set. The new JWT replaces the cookie
// of the old one. The token cookie keeps its value and gets a new expiry.
func (c *cookieWriter) late(w http.ResponseWriter, r *authResult) *lateCookies {
	source, refreshed := r.credential.cookies, r.entry.refreshed
	if source == nil {
		return nil
	}
	l := &lateCookies{ResponseWriter: w, cookies: c, session: r.entry.session}
	if r.credential.hadJWT() && isSessionJWT(refreshed) && strings.Count(refreshed, ".") == 2 {
		l.jwt = cookieValue{source.jwtCookie, refreshed}
	}
	if r.credential.Token != "" && c.renews {
		l.token = cookieValue{source.tokenCookie, r.credential.Token}
	}
	if l.jwt.name == "" && l.token.name == "" {
		return nil
	}
	return l
}

// leave sets the cookies once. It does not replace a cookie that the handler
// has set.
func (l *lateCookies) leave() {
	if l.left {
		return
	}
	l.left = true
	for _, due := range []cookieValue{l.token, l.jwt} {
		if due.name != "" && !setsCookie(l.Header(), due.name) {
			l.cookies.set(l.ResponseWriter, l.session, due.name, due.value)
		}
	}
}

// WriteHeader implements http.ResponseWriter. An informational status does not
// set the cookies.
func (l *lateCookies) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		l.leave()
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *lateCookies) Write(p []byte) (int, error) {
	l.leave()
	return l.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that sendfile can be used.
func (l *lateCookies) ReadFrom(r io.Reader) (int64, error) {
	l.leave()
	return io.Copy(l.ResponseWriter, r)
}

// Flush implements http.Flusher.
func (l *lateCookies) Flush() { _ = l.FlushError() }

// FlushError implements flushing for http.ResponseController.
func (l *lateCookies) FlushError() error {
	l.leave()
	return http.NewResponseController(l.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. It sets no cookie, because the caller then
// writes the header itself.
func (l *lateCookies) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(l.ResponseWriter).Hijack()
}

// Push implements http.Pusher.
func (l *lateCookies) Push(target string, opts *http.PushOptions) error {
	if p, ok := l.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap supports http.ResponseController.
func (l *lateCookies) Unwrap() http.ResponseWriter { return l.ResponseWriter }
