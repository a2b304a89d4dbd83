package sessionauth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/denylist"
	"github.com/sessionauth/sessionauth/stytch"
)

// Cookies configures the names and attributes of the session's cookies.
type Cookies struct {
	// Token and JWT are the names of the cookies. If empty, they are those of
	// Stytch's SDKs: stytch_session and stytch_session_jwt.
	Token, JWT string

	// Domain and Path are attributes of the cookies. If Domain is empty, the
	// cookies are for this host only. If Path is empty, it is "/".
	Domain, Path string

	// SameSite is Lax, Strict or None. If zero, Lax.
	SameSite http.SameSite

	// WriteBack writes a refreshed JWT to the cookie that the old one came from.
	// Leave it off where Stytch's browser SDK runs: it refreshes the cookies by
	// itself, and cannot overwrite one that is HttpOnly.
	WriteBack bool

	// ScriptReadable omits HttpOnly, for Stytch's browser SDK. Every script on
	// the page can then read the session.
	ScriptReadable bool

	// AllowHTTP omits Secure, for development without TLS. New refuses it for a
	// live project, with a __Host- or __Secure- name, and with SameSite=None.
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

// checkName checks a name against the rules of its prefix (RFC 6265bis, section
// 4.1.3). Browsers ignore the case of the prefix.
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

// cookie returns a cookie that lives for maxAge; zero is until the browser ends.
func (c Cookies) cookie(name, value string, maxAge time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Domain: c.Domain, Path: c.Path,
		MaxAge: int(maxAge / time.Second), HttpOnly: !c.ScriptReadable, Secure: !c.AllowHTTP, SameSite: c.SameSite,
	}
}

// A cookieWriter writes the session's cookies.
type cookieWriter struct {
	Cookies
	denied *denylist.List
}

// set writes one cookie that lives as long as the session. It writes nothing
// for a session that has ended, or that was revoked here meanwhile.
func (c *cookieWriter) set(w http.ResponseWriter, s *stytch.Session, name, value string) {
	now := time.Now()
	life := time.Duration(0)
	if !s.ExpiresAt.IsZero() {
		if life = s.ExpiresAt.Sub(now); life < time.Second {
			return
		}
	}
	if c.denied.Check(s.ID, s.UserID, denylist.Key{}, now, now) == denylist.Denied {
		return
	}
	http.SetCookie(w, c.cookie(name, value, life))
	w.Header().Set("Cache-Control", "no-store")
}

// clear removes both cookies from the browser.
func (c *cookieWriter) clear(w http.ResponseWriter) {
	for _, name := range []string{c.Token, c.JWT} {
		removed := c.cookie(name, "", 0)
		removed.MaxAge = -1
		http.SetCookie(w, removed)
	}
	w.Header().Set("Cache-Control", "no-store")
}

// writeBack writes a refreshed JWT to the cookie that the old one came from.
func (c *cookieWriter) writeBack(w http.ResponseWriter, cred *Credential, s *stytch.Session, refreshed string) {
	if !c.WriteBack || refreshed == "" || cred.cookies == nil || cred.cookies.jwtCookie == "" {
		return
	}
	if isSessionJWT(refreshed) && strings.Count(refreshed, ".") == 2 {
		c.set(w, s, cred.cookies.jwtCookie, refreshed)
	}
}
