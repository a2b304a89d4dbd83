package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/deadline"
	"github.com/sessionauth/sessionauth/stytch"
)

// Config configures an Authenticator. ProjectID and Secret are required; the
// zero value of every other field means its default. A negative duration means
// off; a negative size is an error. New copies the Config.
type Config struct {
	ProjectID string // required, "project-test-…" or "project-live-…"
	Secret    string // required, a secret of that project

	// BaseURL is the URL of Stytch's API: https, or http to a loopback address.
	// If empty, it is Stytch's live or test host, by the prefix of ProjectID. If
	// set, it is also accepted as the issuer of JWTs, as with a custom domain.
	BaseURL string

	// Issuers lists the issuers to accept in addition to "stytch.com/<ProjectID>":
	// the custom domains that browsers sign in through, such as
	// "https://login.example.com", without a slash at the end. They are compared
	// byte by byte.
	Issuers []string

	// HTTPClient makes the calls to Stytch. If nil, a default client with the
	// proxy of the environment. Only its Transport and Timeout are used: no
	// redirect is followed and no cookie is stored.
	HTTPClient *http.Client

	// Extractor finds the credential of a request. If nil, it is
	// FirstOf(FromBearer, FromCookies(Cookies.Token, Cookies.JWT)).
	Extractor Extractor

	// Cookies configures the names and attributes of the session's cookies.
	Cookies Cookies

	// TrustedOrigins lists other origins, such as "https://app.example.com", as
	// browsers send them: in lower case, without a default port, a path or a
	// wildcard. They may send unsafe requests authenticated by a cookie. Unsafe
	// requests from any other origin, including a sibling subdomain, are answered
	// with 403. The check does not apply to credentials in a header.
	TrustedOrigins []string

	// Leeway is the clock skew allowed for exp, nbf and iat: at most 60 seconds.
	// If zero, it is 5 seconds. A JWT is accepted until its exp plus Leeway.
	Leeway time.Duration

	// MaxTokenAge is the age above which a JWT must be confirmed by Stytch. It
	// bounds how long a session that was revoked elsewhere is accepted. If zero,
	// a JWT is accepted until it expires, 5 minutes after it was issued.
	MaxTokenAge time.Duration

	// SessionDuration, if not zero, extends the session to end this long after
	// each introspection by Stytch: whole minutes, 5 minutes to 366 days.
	SessionDuration time.Duration

	// SessionOnly omits the user. A JWT that can be verified locally then needs
	// no call to Stytch.
	SessionOnly bool

	// CacheSize is the number of credentials of each kind to cache. If zero, it
	// is 10,000.
	CacheSize int

	// CacheBytes bounds the estimated memory of the caches: entries with many
	// claims or much metadata are evicted sooner. If zero, it is 96 MiB, enough
	// for the default CacheSize of sessions with one or two factors.
	CacheBytes int

	// CacheTTL is how long an answer of Stytch about a session token or a user is
	// cached. A token that was revoked elsewhere is accepted for as long. If
	// zero, it is one minute; if negative, every request calls Stytch.
	CacheTTL time.Duration

	// StaleIfError is how long after CacheTTL an answer may still be used while
	// Stytch cannot be reached. During an outage, a token that was revoked
	// elsewhere is accepted for as long. If zero, stale answers are not used:
	// requests with a session token are answered with 503 during an outage.
	StaleIfError time.Duration

	// PolicyMaxAge is how long the RBAC policy is used if it cannot be
	// refreshed: at least one minute. After that guard.Permission answers 503.
	// If zero, it is one hour.
	PolicyMaxAge time.Duration

	// Timeout bounds one call to Stytch, its retry included. If zero, it is 3
	// seconds. A negative Timeout is an error.
	Timeout time.Duration

	// MaxInFlight is the number of calls to Stytch that may be under way at one
	// time, at least 4. An eighth of them is for signed-in users only, a sixteenth
	// for guards that call Stytch on each request, and a sixteenth for sign-ins.
	// Requests that would need another one are answered with 503. If zero, it is
	// 64.
	MaxInFlight int

	// ErrorHandler answers requests that are not let in. If nil, it is
	// WriteError.
	ErrorHandler func(http.ResponseWriter, *http.Request, error)

	// Observe, if not nil, is called with each decision, on the goroutine of the
	// request. A panic in Observe is a panic of the handler.
	Observe func(context.Context, Event)

	// Logger receives rare operational events at the levels Warn and Error, such
	// as a project secret that Stytch refuses, an open circuit breaker, and panics.
	// At the level Debug it receives one line for each request that is refused: the
	// method, the route or the path without the query, the status, the Reason, the
	// cause, and the ids of the session and the user if they are known. It receives
	// no credential. If nil, it is slog.Default() at the time of the event.
	Logger *slog.Logger
}

// withDefaults checks a Config and returns a completed copy. Errors name the
// field.
func (c Config) withDefaults() (Config, error) {
	if err := c.check(); err != nil {
		return Config{}, err
	}
	c.Issuers = append([]string{"stytch.com/" + c.ProjectID}, c.Issuers...)
	c.Cookies = c.Cookies.withDefaults()
	c.Leeway = orDefault(c.Leeway, 5*time.Second)
	c.MaxTokenAge = max(0, c.MaxTokenAge)
	c.SessionDuration = max(0, c.SessionDuration)
	if c.CacheSize == 0 {
		c.CacheSize = 10_000
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 96 << 20
	}
	c.CacheTTL = orDefault(c.CacheTTL, time.Minute)
	c.StaleIfError = max(0, c.StaleIfError)
	c.PolicyMaxAge = orDefault(c.PolicyMaxAge, time.Hour)
	c.Timeout = orDefault(c.Timeout, 3*time.Second)
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 64
	}
	if c.Extractor == nil {
		c.Extractor = FirstOf(FromBearer, FromCookies(c.Cookies.Token, c.Cookies.JWT))
	}
	if c.ErrorHandler == nil {
		c.ErrorHandler = WriteError
	}
	return c, nil
}

// orDefault returns the default for zero, and zero for a negative duration.
func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(0, d)
}

func (c *Config) check() error {
	for _, issuer := range c.Issuers {
		if err := checkIssuer(issuer); err != nil {
			return fmt.Errorf("Issuers %w", err)
		}
	}
	for _, origin := range c.TrustedOrigins {
		if err := checkOrigin(origin); err != nil {
			return fmt.Errorf("TrustedOrigins %w", err)
		}
	}
	if err := c.checkDurations(); err != nil {
		return err
	}
	if c.CacheSize < 0 {
		return errors.New("CacheSize is negative")
	}
	if c.CacheBytes < 0 {
		return errors.New("CacheBytes is negative")
	}
	if c.MaxInFlight != 0 && c.MaxInFlight < 4 {
		return errors.New("MaxInFlight is less than 4: each class of calls needs a place of its own")
	}
	return c.Cookies.check(strings.HasPrefix(c.ProjectID, "project-live-"))
}

// checkIssuer refuses an issuer that no JWT of Stytch can have: iss is
// stytch.com/ and the project ID, or the base URL of a custom domain, which has a
// scheme and no slash at its end.
func checkIssuer(issuer string) error {
	switch {
	case issuer == "" || strings.ContainsFunc(issuer, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("holds an empty issuer, or one with white space")
	case strings.HasPrefix(issuer, "stytch.com/project-"):
		return nil
	case strings.HasPrefix(issuer, "project-"):
		return fmt.Errorf("holds %q: use %q", issuer, "stytch.com/"+issuer)
	case !strings.Contains(issuer, "://"):
		return fmt.Errorf("holds %q without a scheme: use %q", issuer, "https://"+strings.TrimSuffix(issuer, "/"))
	case strings.HasSuffix(issuer, "/"):
		return fmt.Errorf("holds %q: use %q, as the iss claim has no slash at its end", issuer, strings.TrimRight(issuer, "/"))
	}
	return nil
}

// checkOrigin refuses an origin that a browser never sends (RFC 6454, section
// 6.2). net/http compares origins byte by byte.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("holds %q: use the form https://app.example.com", origin)
	}
	sent := strings.ToLower(u.Scheme) + "://" + normalHost(u.Host, strings.ToLower(u.Scheme)+"://")
	switch {
	case strings.Contains(u.Host, "*"):
		return fmt.Errorf("holds %q: there are no wildcards, list each origin", origin)
	case u.User != nil:
		return errors.New("holds an origin with a user: browsers send none")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r >= 0x80 }):
		return fmt.Errorf("holds %q: use the ASCII form (xn--) of the host, which browsers send", origin)
	case sent != origin:
		return fmt.Errorf("holds %q: use %q, as browsers send it", origin, sent)
	}
	return nil
}

func (c *Config) checkDurations() error {
	if err := c.checkUnits(); err != nil {
		return err
	}
	if c.Leeway > time.Minute {
		return errors.New("Leeway is more than 60 seconds: expired JWTs would live too long")
	}
	if c.SessionDuration > 0 {
		if err := stytch.CheckSessionDuration(c.SessionDuration); err != nil {
			return fmt.Errorf("SessionDuration %w", err)
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"CacheTTL", c.CacheTTL}, {"StaleIfError", c.StaleIfError}, {"MaxTokenAge", c.MaxTokenAge}, {"PolicyMaxAge", c.PolicyMaxAge}, {"Timeout", c.Timeout}} {
		if d.value > 24*time.Hour {
			return errors.New(d.field + " is more than 24 hours")
		}
	}
	if c.PolicyMaxAge != 0 && c.PolicyMaxAge < time.Minute {
		return errors.New("PolicyMaxAge is less than a minute")
	}
	if c.Timeout < 0 {
		return errors.New("Timeout is negative: a call to Stytch always has an end")
	}
	return nil
}

// checkUnits refuses durations that were probably written without a unit.
func (c *Config) checkUnits() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"Leeway", c.Leeway}, {"MaxTokenAge", c.MaxTokenAge}, {"SessionDuration", c.SessionDuration},
		{"CacheTTL", c.CacheTTL}, {"StaleIfError", c.StaleIfError}, {"PolicyMaxAge", c.PolicyMaxAge}, {"Timeout", c.Timeout},
	} {
		if err := deadline.CheckUnit(d.value); err != nil {
			return fmt.Errorf("%s %w", d.field, err)
		}
	}
	return nil
}

// logger returns the Logger at the time of an event.
func (c *Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}
