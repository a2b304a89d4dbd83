package sessionauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// Config says which project's sessions to accept, and how. ProjectID and Secret
// are required; everything else may be left zero, which means its default. A
// negative duration means off, a negative size is an error. New copies it.
type Config struct {
	ProjectID string // required, "project-test-…" or "project-live-…"
	Secret    string // required

	// BaseURL is where Stytch's API is. If empty, Stytch's live or test host, by
	// the prefix of ProjectID. It is https, or http to a loopback address. If
	// set it is also accepted as issuer of JWTs, as with a custom domain.
	BaseURL string

	// Issuers are further accepted issuers, beside "stytch.com/<ProjectID>": the
	// custom domains that browsers sign in through, such as
	// "https://login.example.com". They are compared byte for byte.
	Issuers []string

	// HTTPClient calls Stytch. If nil, one of ours, with a proxy from the
	// environment. Only its Transport and Timeout count: no redirect is followed
	// and no cookie kept.
	HTTPClient *http.Client

	// Extractor finds the credential. If nil,
	// FirstOf(FromBearer, FromCookies(Cookies.Token, Cookies.JWT)).
	Extractor Extractor

	Cookies Cookies

	// TrustedOrigins may make unsafe requests that a cookie authenticates,
	// beside our own origin: "https://app.example.com". Without them another
	// origin, a sibling subdomain too, is answered with 403.
	TrustedOrigins []string

	// Leeway is the clock difference allowed for exp, nbf and iat. If zero, 5
	// seconds; at most 60. It lengthens the life of a JWT after its exp.
	Leeway time.Duration

	// MaxTokenAge makes a JWT older than this be checked with Stytch, and so
	// bounds how long a session revoked elsewhere is accepted. If zero, a JWT is
	// trusted until it expires, 5 minutes after it was minted.
	MaxTokenAge time.Duration

	// SessionDuration, if set, extends the session to this long from now with
	// each check at Stytch: whole minutes, 5 minutes to 366 days.
	SessionDuration time.Duration

	// SessionOnly loads no user. A JWT verified locally then costs no call.
	SessionOnly bool

	// CacheSize is how many credentials of each kind are kept. If zero, 10,000.
	CacheSize int

	// CacheBytes bounds the memory of all that is kept, by an estimate: entries
	// with many claims or much metadata drop out sooner. If zero, 96 MiB: enough
	// for the default CacheSize of sessions with one or two factors.
	CacheBytes int

	// CacheTTL is how long Stytch's answer for an opaque token or a user is
	// reused, and so how long a token revoked elsewhere is accepted. If zero, 1
	// minute; if negative, every request asks.
	CacheTTL time.Duration

	// StaleIfError is how long past CacheTTL an answer may be reused while
	// Stytch cannot be asked. If zero, not at all: requests with an opaque token
	// get 503 then. It lengthens what CacheTTL says of revocation, but in an
	// outage only.
	StaleIfError time.Duration

	// PolicyMaxAge is how long the RBAC policy is used when it cannot be
	// refreshed; after that guard.Permission answers 503. If zero, an hour; at
	// least a minute.
	PolicyMaxAge time.Duration

	// Timeout bounds one call to Stytch. If zero, 3 seconds. A call always has
	// an end: negative is an error.
	Timeout time.Duration

	// MaxInFlight is how many calls to Stytch may be under way at one time; what
	// would exceed it is answered with 503. If zero, 64.
	MaxInFlight int

	// ErrorHandler answers requests that do not pass. If nil, WriteError.
	ErrorHandler func(http.ResponseWriter, *http.Request, error)

	// Observe is told of every decision, on the request's goroutine. If nil,
	// nothing is observed. A panic in it is a panic of the handler.
	Observe func(context.Context, Event)

	// Logger gets rare operational events: credentials Stytch refuses, panics.
	// If nil, slog.Default() at the time of the event.
	Logger *slog.Logger
}

// withDefaults checks a configuration and completes a copy of it. Errors name
// the field.
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
	if c.CacheTTL == 0 {
		c.CacheTTL = time.Minute
	}
	c.StaleIfError = max(0, c.StaleIfError)
	c.PolicyMaxAge = orDefault(c.PolicyMaxAge, time.Hour)
	c.Timeout = orDefault(c.Timeout, 3*time.Second)
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 64
	}
	if c.ErrorHandler == nil {
		c.ErrorHandler = WriteError
	}
	return c, nil
}

// orDefault reads a duration: zero is the default, negative is off.
func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(0, d)
}

func (c *Config) check() error {
	for _, issuer := range c.Issuers {
		if issuer == "" || strings.ContainsFunc(issuer, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return errors.New("Issuers holds an empty issuer, or one with white space")
		}
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
	if c.CacheSize < 0 {
		return errors.New("CacheSize is negative")
	}
	if c.CacheBytes < 0 {
		return errors.New("CacheBytes is negative")
	}
	if c.MaxInFlight < 0 {
		return errors.New("MaxInFlight is negative")
	}
	if c.PolicyMaxAge != 0 && c.PolicyMaxAge < time.Minute {
		return errors.New("PolicyMaxAge is less than a minute")
	}
	if c.Timeout < 0 {
		return errors.New("Timeout is negative: a call to Stytch always has an end")
	}
	return c.Cookies.check(strings.HasPrefix(c.ProjectID, "project-live-"))
}
