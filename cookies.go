package sessionauth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Cookies says how the session's cookies are named and set. Nothing in a
// request changes any of it.
type Cookies struct {
	// Token and JWT are the cookies' names. If empty, Stytch's own:
	// stytch_session and stytch_session_jwt.
	Token, JWT string

	// Domain and Path are set with the cookies. If empty, this host only, and "/".
	Domain, Path string

	// SameSite is Lax, Strict or None. If zero, Lax.
	SameSite http.SameSite

	// WriteBack writes a refreshed JWT back to the cookie the old one came from.
	// Off by default: Stytch's browser SDK refreshes by itself, and cannot
	// overwrite an HttpOnly cookie.
	WriteBack bool

	// ScriptReadable drops HttpOnly, for Stytch's browser SDK. Any script on the
	// page can then read the session.
	ScriptReadable bool

	// AllowHTTP drops Secure, for development without TLS. New refuses it with a
	// live project, a __Host- or __Secure- name, or SameSite=None.
	AllowHTTP bool
}

func (c Cookies) withDefaults() Cookies {
	if c.Token == "" {
		c.Token = "stytch_session"
	}
	if c.JWT == "" {
		c.JWT = "stytch_session_jwt"
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	return c
}

func (c Cookies) check(live bool) error {
	c = c.withDefaults()
	if c.Token == c.JWT {
		return errors.New("Cookies.Token and Cookies.JWT are the same name")
	}
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode:
	default:
		return errors.New("Cookies.SameSite must be Lax, Strict or None")
	}
	if !strings.HasPrefix(c.Path, "/") {
		return errors.New("Cookies.Path must begin with /")
	}
	if c.AllowHTTP && live {
		return errors.New("Cookies.AllowHTTP with a live project: its sessions would travel in clear")
	}
	if c.AllowHTTP && c.SameSite == http.SameSiteNoneMode {
		return errors.New("Cookies.AllowHTTP with SameSite=None: browsers refuse such cookies")
	}
	if err := c.checkName("Token", c.Token); err != nil {
		return err
	}
	if err := c.checkName("JWT", c.JWT); err != nil {
		return err
	}
	if c.cookie(c.Token, "x", 0).Valid() != nil {
		return errors.New("Cookies.Domain or Cookies.Path is not valid in a cookie")
	}
	return nil
}

// checkName holds a name against the rules of its prefix (RFC 6265bis, section
// 4.1.3), which browsers compare without case.
func (c Cookies) checkName(field, name string) error {
	if !isToken(name) {
		return errors.New("Cookies." + field + " is not a cookie name")
	}
	lower := strings.ToLower(name)
	host := strings.HasPrefix(lower, "__host-")
	if (host || strings.HasPrefix(lower, "__secure-")) && c.AllowHTTP {
		return errors.New("Cookies." + field + " with a __Host- or __Secure- prefix excludes AllowHTTP")
	}
	if host && (c.Domain != "" || c.Path != "/") {
		return errors.New("Cookies." + field + " with a __Host- prefix excludes Domain and any Path but /")
	}
	return nil
}

// cookie makes a cookie that lives for maxAge; zero is for the browser session.
func (c Cookies) cookie(name, value string, maxAge time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Domain: c.Domain, Path: c.Path,
		MaxAge: int(maxAge / time.Second), HttpOnly: !c.ScriptReadable, Secure: !c.AllowHTTP, SameSite: c.SameSite,
	}
}

// SetCookies sets the cookies of a session: for the token and the JWT that cred
// has, until the session ends. An empty one is never written, nor a session
// that has ended or was revoked here.
func (a *Authenticator) SetCookies(w http.ResponseWriter, s *stytch.Session, cred Credential) {
	if cred.Token != "" {
		a.setCookie(w, s, a.config.Cookies.Token, cred.Token)
	}
	if cred.JWT != "" {
		a.setCookie(w, s, a.config.Cookies.JWT, cred.JWT)
	}
}

// setCookie looks at the revoked list last: a sign-out may have come between.
func (a *Authenticator) setCookie(w http.ResponseWriter, s *stytch.Session, name, value string) {
	now := time.Now()
	life := time.Duration(0)
	if !s.ExpiresAt.IsZero() {
		if life = s.ExpiresAt.Sub(now); life < time.Second {
			return
		}
	}
	if a.revoked.has(s.ID, now) {
		return
	}
	http.SetCookie(w, a.config.Cookies.cookie(name, value, life))
	w.Header().Set("Cache-Control", "no-store")
}

// ClearCookies removes the session's cookies from the browser, with the
// attributes they were set with.
func (a *Authenticator) ClearCookies(w http.ResponseWriter) {
	for _, name := range []string{a.config.Cookies.Token, a.config.Cookies.JWT} {
		c := a.config.Cookies.cookie(name, "", 0)
		c.MaxAge = -1
		http.SetCookie(w, c)
	}
	w.Header().Set("Cache-Control", "no-store")
}

// writeBack gives a browser the JWT that Stytch refreshed, in the cookie the old
// one came from.
func (a *Authenticator) writeBack(w http.ResponseWriter, d *decided) {
	from, jwt := d.credential.cookies, d.entry.refreshed
	if !a.config.Cookies.WriteBack || from == nil || from.jwtCookie == "" || !isSessionJWT(jwt) || strings.Count(jwt, ".") != 2 {
		return
	}
	a.setCookie(w, d.entry.session, from.jwtCookie, jwt)
}
