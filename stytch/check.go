package stytch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sessionauth/sessionauth/internal/deadline"
)

// checkSecret refuses what cannot be a secret of the project. Its errors do not
// contain the secret.
func checkSecret(secret, projectID string) error {
	for _, other := range []struct{ prefix, name string }{
		{"public-token-", "a public token"}, {"project-", "a project ID"},
		{"session-", "a session ID"}, {"user-", "a user ID"},
	} {
		if strings.HasPrefix(secret, other.prefix) {
			return errors.New("Secret is " + other.name + ": use a secret of the project")
		}
	}
	live := isLive(projectID)
	switch {
	case secret == "":
		return errors.New("Secret is required")
	case strings.TrimSpace(secret) != secret:
		return errors.New("Secret begins or ends with white space, such as the line break at the end of a file: trim it")
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errors.New("Secret must not contain white space, control characters or non-ASCII characters")
	case live && strings.HasPrefix(secret, "secret-test-"):
		return errors.New("Secret is one of a test project, but ProjectID is that of a live project")
	case !live && strings.HasPrefix(secret, "secret-live-"):
		return errors.New("Secret is one of a live project, but ProjectID is that of a test project")
	}
	return nil
}

func isLive(projectID string) bool { return strings.HasPrefix(projectID, "project-live-") }

func checkTimeouts(c *Config) error {
	if c.Timeout < 0 {
		return errors.New("Timeout must not be negative")
	}
	if err := deadline.CheckUnit(c.Timeout); err != nil {
		return fmt.Errorf("Timeout %w", err)
	}
	if c.HTTPClient == nil {
		return nil
	}
	if err := deadline.CheckUnit(c.HTTPClient.Timeout); err != nil {
		return fmt.Errorf("HTTPClient.Timeout %w", err)
	}
	return nil
}
