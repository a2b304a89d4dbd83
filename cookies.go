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

// Cookies configures the names and attributes of the session cookies.
type Cookies struct {
	// Token and JWT are the names of the cookies. If empty, the names are those
	// of the official Stytch SDKs: stytch_session and stytch_session_jwt.
	Token, JWT string

	// Domain and Path are attributes of the cookies. If Domain is empty,
	// browsers send the cookies to this host only. If Path is empty, it is "/".
	Domain, Path string

	// SameSite is Lax, Strict or None. If zero, it is Lax.
	SameSite http.SameSite

	// WriteBack writes a refreshed JWT to the cookie that the old one came
	// from. Do not set it if your pages use the Stytch browser SDK: the SDK
	// refreshes the cookies itself and cannot overwrite an HttpOnly cookie.
	WriteBack bool

	// ScriptReadable omits HttpOnly. The Stytch browser SDK needs it. Every
	// script on the page can then read the credentials of the session.
	ScriptReadable bool

	// Partitioned sets the Partitioned attribute (CHIPS): the browser stores
	// the cookies separately for each top-level site that embeds this one. It
	// cannot be combined with AllowHTTP.
	Partitioned bool

	// Old lists the domains and paths of cookies that earlier deployments set.
	// Responses that set or remove a session cookie also remove these old
	// cookies, because a browser would send them in addition to the current
	// ones.
	Old []Cookie

	// AllowHTTP omits Secure, for development without TLS. New returns an error
	// if it is set for a live project, with a __Host- or __Secure- name, or
	// with SameSite=None.
	AllowHTTP bool
}

// A Cookie holds the attributes of a cookie that an earlier deployment set.
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

// checkName checks a name against the rules for its prefix (RFC 6265bis,
// section 4.1.3). Browsers ignore the case of the prefix.
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

// cookie returns a cookie that expires after maxAge. If maxAge is zero, it is a
// session cookie of the browser.
func (c Cookies) cookie(name, value string, maxAge time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Domain: c.Domain, Path: c.Path,
		MaxAge: int(maxAge / time.Second), HttpOnly: !c.ScriptReadable, Secure: !c.AllowHTTP, SameSite: c.SameSite, Partitioned: c.Partitioned,
	}
}

// A cookieWriter sets and removes the session cookies.
type cookieWriter struct {
	Cookies
	denied *denylist.List
	renews bool // Config.SessionDuration is set, so a refresh extends the session and its cookies
}

// maxCookie is the greatest length of name and value together that browsers
// accept. They ignore a longer Set-Cookie and keep the existing cookie (RFC
// 6265bis, section 5.6).
const maxCookie = 4096

// set writes one cookie that expires with the session. If the session has
// expired, or was revoked by this process, set writes nothing. If the value is
// too large for a browser, set removes the cookie instead, because the existing
// cookie may belong to another session.
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

// removeOld removes the cookies that earlier deployments set.
func (c *cookieWriter) removeOld(w http.ResponseWriter, name string) {
	for _, old := range c.Old {
		removed := c.cookie(name, "", 0)
		removed.Domain, removed.Path, removed.MaxAge = old.Domain, old.Path, -1
		if removed.Domain != c.Domain || removed.Path != c.Path {
			put(w, removed)
		}
	}
}

// put sets a cookie. It replaces a cookie with the same name, domain and path
// in the response, and forbids caches to store the response.
func put(w http.ResponseWriter, cookie *http.Cookie) {
	h := w.Header()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		other, err := http.ParseSetCookie(line)
		return err == nil && other.Name == cookie.Name && other.Domain == cookie.Domain && other.Path == cookie.Path
	})
	http.SetCookie(w, cookie)
	h.Set("Cache-Control", "no-store")
}

// setsCookie reports whether the response already sets a cookie with this name.
func setsCookie(h http.Header, name string) bool {
	return slices.ContainsFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, name+"=") })
}
