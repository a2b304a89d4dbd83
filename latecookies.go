package sessionauth

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/sessionauth/sessionauth/stytch"
)

// lateCookies is the ResponseWriter of a request whose response sets a session
// cookie. It sets the cookie when the header leaves: the session may have been
// revoked until then, and a response that sets it is never stored by a cache,
// whatever the handler says. Requests without such a cookie keep their
// ResponseWriter.
type lateCookies struct {
	http.ResponseWriter
	cookies *cookieWriter
	session *stytch.Session
	token   cookieValue
	jwt     cookieValue
	left    bool
}

// A cookieValue is a cookie to set; none if the name is empty.
type cookieValue struct{ name, value string }

// late returns a ResponseWriter that sets the cookies that are due after an
// authentication with a refreshed JWT, or nil if there are none: the JWT goes
// where the old one came from, and the token only gets a new life.
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

// leave sets the cookies, once. A cookie that the handler has set itself stays.
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

// WriteHeader sets the cookies unless status is informational.
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

// ReadFrom keeps sendfile.
func (l *lateCookies) ReadFrom(r io.Reader) (int64, error) {
	l.leave()
	return io.Copy(l.ResponseWriter, r)
}

// Flush implements http.Flusher.
func (l *lateCookies) Flush() { _ = l.FlushError() }

// FlushError is Flush for http.ResponseController.
func (l *lateCookies) FlushError() error {
	l.leave()
	return http.NewResponseController(l.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. The caller writes the header, so no cookie is
// set.
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

// Unwrap is for http.ResponseController.
func (l *lateCookies) Unwrap() http.ResponseWriter { return l.ResponseWriter }
