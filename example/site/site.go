// Package site is the application of the example: notes that belong to the user who
// is signed in, as pages for browsers and as an API.
package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// Options configure a Site.
type Options struct {
	CacheTTL    time.Duration // how long a response of Stytch is reused; see sessionauth.Config
	MaxTokenAge time.Duration // age at which a session JWT is checked with Stytch; see sessionauth.Config
	Fresh       time.Duration // maximum time since the password was entered, for deleting all notes
	JWTLifetime time.Duration // lifetime of JWTs of the in-memory Stytch; if zero, five minutes
	Loopback    bool          // true if only this machine can reach the server, so that cookies work without TLS
	Logger      *slog.Logger  // receives one line for each authentication
}

// A Site serves the example. Make one with New.
type Site struct {
	// Stytch is the in-memory Stytch. It is nil if the site uses a real project.
	Stytch *stytchtest.Server

	handler http.Handler
	guide   func(base, stytchURL string) string
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Guide returns a text that says how to try the site at the address base.
// stytchURL is the address of the in-memory Stytch.
func (s *Site) Guide(base, stytchURL string) string { return s.guide(base, stytchURL) }

// New returns a site that uses the Stytch project named by STYTCH_PROJECT_ID,
// STYTCH_SECRET and STYTCH_BASE_URL, or an in-memory Stytch with demo users if these
// variables are not set. getenv reads them, like os.Getenv.
func New(ctx context.Context, o Options, getenv func(string) string) (*Site, error) {
	config, err := configFrom(getenv)
	if err != nil {
		return nil, err
	}
	config.Cookies.WriteBack = true // refreshed JWTs must be written as cookies, because the site does not use the browser SDK of Stytch
	config.CacheTTL, config.MaxTokenAge = o.CacheTTL, o.MaxTokenAge
	config.ErrorHandler = refuse
	config.Logger = o.Logger
	config.Observe = logTo(o.Logger)
	if config.ProjectID == "" {
		config.Cookies.AllowHTTP = o.Loopback
		return newDemo(ctx, o, config)
	}
	if o.JWTLifetime != 0 {
		return nil, errors.New("-jwt-lifetime needs the in-memory Stytch: a real project has its own lifetime")
	}
	auth, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	handler, err := (&app{auth: auth, notes: &notebook{}, fresh: o.Fresh}).routes()
	if err != nil {
		return nil, err
	}
	return &Site{
		handler: handler,
		guide:   func(base, _ string) string { return projectGuide(base, auth.Client()) },
	}, nil
}

// configFrom reads the configuration from the environment. If no project is set, the Config is
// empty.
func configFrom(getenv func(string) string) (sessionauth.Config, error) {
	config := sessionauth.Config{
		ProjectID: getenv("STYTCH_PROJECT_ID"),
		Secret:    getenv("STYTCH_SECRET"),
		BaseURL:   getenv("STYTCH_BASE_URL"),
	}
	const choice = "set both to use a Stytch project, or neither to use the in-memory Stytch"
	switch {
	case config.ProjectID == "" && config.Secret != "":
		return config, errors.New("STYTCH_PROJECT_ID is not set, but STYTCH_SECRET is: " + choice)
	case config.ProjectID != "" && config.Secret == "":
		return config, errors.New("STYTCH_SECRET is not set, but STYTCH_PROJECT_ID is: " + choice)
	case config.ProjectID == "" && config.BaseURL != "":
		return config, fmt.Errorf("STYTCH_BASE_URL is set, but neither STYTCH_PROJECT_ID nor STYTCH_SECRET is: %s", choice)
	}
	return config, nil
}

// newDemo returns a site that uses an in-memory Stytch. Below /outage the site also serves the API
// without a connection to Stytch.
func newDemo(ctx context.Context, o Options, config sessionauth.Config) (*Site, error) {
	d := startDemo(o.JWTLifetime)
	config.ProjectID, config.Secret, config.BaseURL = d.stytch.ProjectID, d.stytch.Secret, d.stytch.URL
	config.HTTPClient = d.stytch.Client()
	auth, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	if err := auth.Revoke(ctx, d.revoked.ID); err != nil {
		return nil, err
	}
	notes := &notebook{}
	n, err := notes.add(author{d.user.ID, nameOf(&d.user)}, "Delete me")
	if err != nil {
		return nil, err
	}
	d.noteID = n.ID

	config.HTTPClient = &http.Client{Transport: outage{}}
	offline, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	handler, err := (&app{auth: auth, notes: notes, fresh: o.Fresh, accounts: accounts}).routes()
	if err != nil {
		return nil, err
	}
	handler.Route("/outage", (&app{auth: offline, notes: notes}).api)
	return &Site{handler: handler, guide: d.guide, Stytch: d.stytch}, nil
}

// logTo returns an observer that writes one line for each authentication. Only this log shows why a
// request was rejected; clients never see the reason.
func logTo(logger *slog.Logger) func(context.Context, sessionauth.Event) {
	return func(ctx context.Context, e sessionauth.Event) {
		logger.LogAttrs(ctx, slog.LevelInfo, "authentication",
			slog.Any("outcome", e.Outcome), slog.Any("reason", e.Reason),
			slog.Any("by", e.Decider), slog.Duration("in", e.Latency))
	}
}
