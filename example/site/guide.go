package site

import (
	"fmt"
	"strings"

	"github.com/sessionauth/sessionauth/stytch"
)

// A try is a request to send and the status to expect. Users may paste the title
// into a shell without comments, so it must not contain special characters.
type try struct {
	status int
	title  string
	path   string
	args   []string // arguments of curl, in pairs of a flag and its value
}

// line returns the curl command for a POSIX shell.
func (t try) line(base string) string {
	var b strings.Builder
	b.WriteString("curl -i")
	for i := 0; i < len(t.args); i += 2 {
		b.WriteString(" " + t.args[i] + " " + quote(t.args[i+1]))
	}
	return b.String() + " " + quote(base+t.path)
}

// quote returns s as one word of a POSIX shell.
func quote(s string) string {
	if !strings.ContainsFunc(s, isSpecial) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// isSpecial reports whether r may have a meaning in a shell.
func isSpecial(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.:/", r))
}

// tries returns the requests in the order in which they are printed.
func (d *demo) tries() []try {
	bearer := func(credential string) []string { return []string{"-H", "Authorization: Bearer " + credential} }
	posting := []string{"-H", "Content-Type: application/json", "-d", `{"text":"Hello"}`}
	tokenCookie := "stytch_session=" + d.live.Token
	token := bearer(d.live.Token)
	return []try{
		{200, "the home page needs no credential", "/", nil},
		{401, "the API without a credential", "/me", nil},
		{200, "a session token: the first request calls Stytch, later ones use the cache", "/me", token},
		{200, "a session JWT: verified without a call to Stytch", "/me", bearer(d.live.JWT)},
		{200, "both session cookies, as a browser sends them", "/me", []string{"-b", tokenCookie + "; stytch_session_jwt=" + d.live.JWT}},
		{201, "create a note", "/notes", append(token, posting...)},
		{200, "list the notes of the user", "/notes", token},
		{204, "delete a note: a second request gets 404", "/notes/" + d.noteID, append([]string{"-X", "DELETE"}, token...)},
		{200, "an expired JWT of an active session: Set-Cookie contains a new JWT", "/me",
			[]string{"-b", "stytch_session_jwt=" + d.expiredJWT(d.live.ID)}},
		{401, "an expired JWT of a session that has ended", "/me", bearer(d.expiredJWT(d.ended.ID))},
		{401, "a forged JWT with the id of another user", "/me", bearer(d.forgedJWT())},
		{401, "a JWT that has not expired, of a session that this server revoked", "/me", bearer(d.revoked.JWT)},
		{400, "a malformed Authorization header", "/me", bearer("two words")},
		{403, "a request from a page of another site, with the session cookie", "/notes",
			append([]string{"-b", tokenCookie, "-H", "Origin: https://evil.example"}, posting...)},
		{503, "Stytch is down: the session cannot be verified, but does not end", "/outage/me", token},
	}
}

// guide returns a text that says how to try the site.
func (d *demo) guide(base, stytchURL string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sessionauth example: %s\n"+
		"in-memory Stytch: %s %s %s\n\n"+
		"Open the first address in a browser and sign in:\n\n", base, stytchURL, d.stytch.ProjectID, d.stytch.Secret)
	for _, a := range accounts {
		fmt.Fprintf(&b, "  %-17s  %s\n", a.Email, a.CanDo)
	}
	fmt.Fprintf(&b, "  password           %s\n", accounts[0].Password)
	b.WriteString("\nOr paste these commands into another terminal. The line above each command has the\n" +
		"expected status. All data is in memory and is lost when this program stops.\n\n")
	for _, t := range d.tries() {
		fmt.Fprintf(&b, "# %d: %s\n%s\n\n", t.status, t.title, t.line(base))
	}
	b.WriteString("The log below has one line for each authentication. Stop with Ctrl-C.\n")
	return b.String()
}

// projectGuide says how to get a session of a real project.
func projectGuide(base string, client *stytch.Client) string {
	return fmt.Sprintf(`sessionauth example: %s
Stytch project: %s at %s

Open the address in a browser and sign in with the e-mail address and password of
a user. Or start a session with curl, in a shell where STYTCH_PROJECT_ID and
STYTCH_SECRET are set:

curl -u "$STYTCH_PROJECT_ID:$STYTCH_SECRET" -H 'Content-Type: application/json' -d '{"email":"you@example.com","password":"your password","session_duration_minutes":60}' %s

Then send the session_token or session_jwt from the response:

curl -i -H 'Authorization: Bearer SESSION_TOKEN' %s

The log below has one line for each authentication. Stop with Ctrl-C.
`, base, client.ProjectID(), client.BaseURL(), quote(client.BaseURL()+"/v1/passwords/authenticate"), quote(base+"/me"))
}
