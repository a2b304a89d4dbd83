package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// An app is what is served, and what to print about it.
type app struct {
	handler http.Handler
	guide   func(base, stytchURL string) string // how to try it, for servers at these addresses
	stytch  *stytchtest.Server                  // the in-memory one; nil if there is a real one
}

// newApp makes the app on Stytch if the environment names a project, or else on
// an in-memory one. loopback says that nobody else can reach it.
func newApp(ctx context.Context, o options, loopback bool, getenv func(string) string, logger *slog.Logger) (*app, error) {
	config, err := configure(getenv)
	if err != nil {
		return nil, err
	}
	config.Cookies.WriteBack = true // the site signs in by itself, without Stytch's browser SDK
	config.CacheTTL, config.MaxTokenAge = o.cacheTTL, o.maxTokenAge
	config.ErrorHandler = refuse
	config.Logger = logger
	config.Observe = logDecisions(logger)
	if config.ProjectID == "" {
		// Without TLS; what is sent does not leave this machine.
		config.Cookies.AllowHTTP = loopback
		return newDemo(ctx, o, config)
	}
	if o.jwtLifetime != 0 {
		return nil, errors.New("-jwt-lifetime is for the in-memory Stytch: on a project, Stytch decides")
	}
	auth, err := sessionauth.New(config)
	if err != nil {
		return nil, err
	}
	handler, err := newSite(&site{auth: auth, notes: &notebook{}, fresh: o.fresh})
	if err != nil {
		return nil, err
	}
	return &app{
		handler: handler,
		guide:   func(base, _ string) string { return stytchGuide(base, auth.Client()) },
	}, nil
}

// configure reads the environment. Without a project the Config is empty.
func configure(getenv func(string) string) (sessionauth.Config, error) {
	config := sessionauth.Config{
		ProjectID: getenv("STYTCH_PROJECT_ID"),
		Secret:    getenv("STYTCH_SECRET"),
		BaseURL:   getenv("STYTCH_BASE_URL"),
	}
	const choice = "set both to talk to Stytch, or neither for the in-memory one"
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

// logDecisions writes a line for every request that was decided about. A client
// is not told why it was refused; this is where to see it.
func logDecisions(logger *slog.Logger) func(context.Context, sessionauth.Event) {
	return func(ctx context.Context, e sessionauth.Event) {
		logger.LogAttrs(ctx, slog.LevelInfo, "decided",
			slog.Any("outcome", e.Outcome), slog.Any("reason", e.Reason),
			slog.Any("by", e.Decider), slog.Duration("in", e.Latency))
	}
}
