package main

import (
	"fmt"
	"strings"

	"github.com/sessionauth/sessionauth/stytch"
)

// A try is a request worth making, and the answer to expect. Titles are pasted
// along, and not every shell knows comments: no quotes, no > and no ? in them.
type try struct {
	status int
	title  string
	path   string
	args   []string // curl's, in pairs of a flag and its value
}

// line is the try as a POSIX shell reads it.
func (t try) line(base string) string {
	var b strings.Builder
	b.WriteString("curl -i")
	for i := 0; i < len(t.args); i += 2 {
		b.WriteString(" " + t.args[i] + " " + quote(t.args[i+1]))
	}
	return b.String() + " " + quote(base+t.path)
}

// quote makes one word of a POSIX shell of s.
func quote(s string) string {
	if !strings.ContainsFunc(s, isSpecial) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// isSpecial holds for all but what no shell gives a meaning to.
func isSpecial(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.:/", r))
}

// tries are what there is to see, in an order that can be read.
func (d *demo) tries() []try {
	bearer := func(credential string) []string { return []string{"-H", "Authorization: Bearer " + credential} }
	posting := []string{"-H", "Content-Type: application/json", "-d", `{"text":"Hello"}`}
	tokenCookie := "stytch_session=" + d.live.Token
	token := bearer(d.live.Token)
	return []try{
		{200, "the page for everybody", "/", nil},
		{401, "no credential", "/me", nil},
		{200, "a session token: Stytch is asked, then the cache for a minute", "/me", token},
		{200, "a session JWT: verified here, without asking about the session", "/me", bearer(d.live.JWT)},
		{200, "the cookies of a browser", "/me", []string{"-b", tokenCookie + "; stytch_session_jwt=" + d.live.JWT}},
		{201, "a note is written", "/notes", append(token, posting...)},
		{200, "the notes of this user", "/notes", token},
		{204, "a note is deleted, and is not found the second time", "/notes/" + d.noteID, append([]string{"-X", "DELETE"}, token...)},
		{200, "an expired JWT, the session lives: Stytch vouches, and Set-Cookie has the new JWT", "/me",
			[]string{"-b", "stytch_session_jwt=" + d.expiredJWT(d.live.ID)}},
		{401, "an expired JWT, the session has ended", "/me", bearer(d.expiredJWT(d.ended.ID))},
		{401, "a forged JWT, with the id of another user", "/me", bearer(d.forgedJWT())},
		{401, "a JWT not yet expired of a session that this server revoked", "/me", bearer(d.revoked.JWT)},
		{400, "two words where one credential belongs", "/me", bearer("two words")},
		{403, "a page of another site writes a note with the cookie", "/notes",
			append([]string{"-b", tokenCookie, "-H", "Origin: https://evil.example"}, posting...)},
		{503, "Stytch cannot be asked: try again later, nobody is signed out", "/outage/me", token},
	}
}

func (d *demo) guide(base, stytchURL string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sessionauth example: %s\n"+
		"in-memory Stytch: %s %s %s\n\n"+
		"Open the first in a browser and sign in:\n\n", base, stytchURL, d.stytch.ProjectID, d.stytch.Secret)
	for _, a := range accounts {
		fmt.Fprintf(&b, "  %-17s  %s\n", a.Email, a.CanDo)
	}
	fmt.Fprintf(&b, "  password           %s\n", accounts[0].Password)
	b.WriteString("\nOr paste into another terminal. Each line says first which status to expect.\n" +
		"It all is in memory, and forgotten when this stops.\n\n")
	for _, t := range d.tries() {
		fmt.Fprintf(&b, "# %d: %s\n%s\n\n", t.status, t.title, t.line(base))
	}
	b.WriteString("Below, a line for each decision. Stop with Ctrl-C.\n")
	return b.String()
}

// stytchGuide says how to come by a session of a real project.
func stytchGuide(base string, client *stytch.Client) string {
	return fmt.Sprintf(`sessionauth example: %s
On sessions of %s, at %s.

Open it in a browser and sign in with a user's e-mail address and password. Or
get a session for curl, where STYTCH_PROJECT_ID and STYTCH_SECRET are set:

curl -u "$STYTCH_PROJECT_ID:$STYTCH_SECRET" -H 'Content-Type: application/json' -d '{"email":"you@example.com","password":"your password","session_duration_minutes":60}' %s

Send the session_token or session_jwt of the answer:

curl -i -H 'Authorization: Bearer SESSION_TOKEN' %s

Below, a line for each decision. Stop with Ctrl-C.
`, base, client.ProjectID(), client.BaseURL(), quote(client.BaseURL()+"/v1/passwords/authenticate"), quote(base+"/me"))
}
