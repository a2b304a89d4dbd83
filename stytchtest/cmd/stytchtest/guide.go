package main

import (
	"encoding/json"
	"io"
	"strings"
	"text/template"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// guide is the text that the command prints when it starts. A POSIX shell can
// run its curl commands from top to bottom.
var guide = template.Must(template.New("guide").Parse(`stytchtest: an in-memory Stytch for tests and offline work.
Unofficial and independent of Stytch. All state is lost when it stops.

  project id  {{.ProjectID}}
  secret      {{.Secret}}
  URL         {{.URL}}
  demo user   {{.Email}}  password: {{.Password}}

Point a client at it:

  sessionauth  sessionauth.New(sessionauth.Config{ProjectID: projectID, Secret: secret, BaseURL: "{{.URL}}"})
  Go           stytchapi.NewClient(projectID, secret, stytchapi.WithBaseURI("{{.URL}}"))
  Node         new stytch.Client({ project_id, secret, env: "{{.URL}}/" })
  Ruby         Stytch::Client.new(project_id: project_id, secret: secret, env: "{{.URL}}")
  Python       stytch.Client(project_id=project_id, secret=secret, environment="{{.URL}}/")
  Java         new StytchClient(projectId, secret, new OptionalClientConfig("{{.URL}}"))

Try it with curl:

# sign in by password
ANSWER=$(curl -sS -u {{.Auth}} -H 'Content-Type: application/json' -d {{.SignIn}} {{.URL}}/v1/passwords/authenticate)
printf '%s\n' "$ANSWER"
TOKEN=$(printf '%s\n' "$ANSWER" | sed -n 's/.*"session_token":"\([^"]*\)".*/\1/p')
JWT=$(printf '%s\n' "$ANSWER" | sed -n 's/.*"session_jwt":"\([^"]*\)".*/\1/p')

# authenticate by token
curl -sS -u {{.Auth}} -H 'Content-Type: application/json' -d '{"session_token":"'"$TOKEN"'"}' {{.URL}}/v1/sessions/authenticate; echo

# authenticate by JWT
curl -sS -u {{.Auth}} -H 'Content-Type: application/json' -d '{"session_jwt":"'"$JWT"'"}' {{.URL}}/v1/sessions/authenticate; echo

# revoke
curl -sS -u {{.Auth}} -H 'Content-Type: application/json' -d '{"session_token":"'"$TOKEN"'"}' {{.URL}}/v1/sessions/revoke; echo

# key set
curl -sS {{.URL}}/v1/sessions/jwks/{{.ProjectID}}; echo

# policy
curl -sS -u {{.Auth}} {{.URL}}/v1/rbac/policy; echo

Stop with Ctrl-C.
`))

func printGuide(w io.Writer, srv *stytchtest.Server, o options) error {
	// These values always have a JSON form.
	signIn, _ := json.Marshal(map[string]any{
		"email": o.email, "password": o.password, "session_duration_minutes": 60,
	})
	return guide.Execute(w, map[string]string{
		"ProjectID": srv.ProjectID,
		"Secret":    srv.Secret,
		"URL":       srv.URL,
		"Email":     o.email,
		"Password":  o.password,
		"Auth":      quote(srv.ProjectID + ":" + srv.Secret),
		"SignIn":    quote(string(signIn)),
	})
}

// quote returns s as one word for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
