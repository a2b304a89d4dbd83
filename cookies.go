package sessionauth

import (
	"errors"
	"net/http"
	"slices"
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

	// Partitioned sets the attribute of that name: the cookies are kept apart for
	// each site that embeds this one (CHIPS). It excludes AllowHTTP.
	Partitioned bool

	// Old lists the domains and paths of cookies that earlier deployments set.
	// Sign-in and sign-out remove them: a browser would send them beside the
	// current ones.
	Old []Cookie

	// AllowHTTP omits Secure, for development without TLS. New refuses it for a
	// live project, with a __Host- or __Secure- name, and with SameSite=None.
	AllowHTTP bool
}

// A Cookie names the attributes of a cookie that an earlier deployment set.
type Cookie struct {
	Domain string // if empty, this host only
	Path   string // if empty, "/"
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
	c.Old = slices.Clone(c.Old)
	for i := range c.Old {
		if c.Old[i].Path == "" {
			c.Old[i].Path = "/"
		}
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
	if c.Partitioned && c.AllowHTTP {
		return errors.New("Cookies.Partitioned with AllowHTTP: browsers refuse such cookies")
	}
	for _, old := range c.Old {
		if !strings.HasPrefix(old.Path, "/") || (&http.Cookie{Name: "x", Domain: old.Domain, Path: old.Path}).Valid() != nil {
			return errors.New("Cookies.Old has a Domain or Path that is not valid in a cookie")
		}
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
	if (strings.HasPrefix(lower, "__http-") || strings.HasPrefix(lower, "__host-http-")) && (c.ScriptReadable || c.AllowHTTP) {
		return errors.New("Cookies." + field + " with a __Http- or __Host-Http- prefix excludes ScriptReadable and AllowHTTP")
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
		MaxAge: int(maxAge / time.Second), HttpOnly: !c.ScriptReadable, Secure: !c.AllowHTTP, SameSite: c.SameSite, Partitioned: c.Partitioned,
	}
}

// A cookieWriter writes the session's cookies.
type cookieWriter struct {
	Cookies
	denied *denylist.List
	renews bool // Config.SessionDuration extends sessions, and so the life of their cookies
}

// maxCookie is the length of name and value above which browsers ignore a
// Set-Cookie, and keep the cookie they have (RFC 6265bis, section 5.6).
const maxCookie = 4096

// set writes one cookie that lives as long as the session. It writes nothing
// for a session that has ended, or that was revoked here meanwhile. A value that
// is too large for a browser removes the cookie instead: it might be that of
// another session.
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
	cookie := c.cookie(name, value, life)
	if len(name)+len(value) > maxCookie {
		cookie.Value, cookie.MaxAge = "", -1
	}
	put(w, cookie)
	c.removeOld(w, name)
}

// clear removes both cookies from the browser.
func (c *cookieWriter) clear(w http.ResponseWriter) {
	for _, name := range []string{c.Token, c.JWT} {
		removed := c.cookie(name, "", 0)
		removed.MaxAge = -1
		put(w, removed)
		c.removeOld(w, name)
	}
}

// removeOld removes the cookies of earlier deployments.
func (c *cookieWriter) removeOld(w http.ResponseWriter, name string) {
	for _, old := range c.Old {
		removed := c.cookie(name, "", 0)
		removed.Domain, removed.Path, removed.MaxAge = old.Domain, old.Path, -1
		if removed.Domain != c.Domain || removed.Path != c.Path {
			put(w, removed)
		}
	}
}

// put sets a cookie in place of one that the response sets already, and forbids
// any cache to store the response.
func put(w http.ResponseWriter, cookie *http.Cookie) {
	h := w.Header()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		other, err := http.ParseSetCookie(line)
		return err == nil && other.Name == cookie.Name && other.Domain == cookie.Domain && other.Path == cookie.Path
	})
	http.SetCookie(w, cookie)
	h.Set("Cache-Control", "no-store")
}

// setsCookie reports whether a response sets a cookie of this name already.
func setsCookie(h http.Header, name string) bool {
	return slices.ContainsFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, name+"=") })
}
