package login_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// A lateBody is a request body that arrives after a delay. It records when its end was read.
type lateBody struct {
	io.Reader
	delay time.Duration
	end   *time.Time
}

func (b *lateBody) Read(p []byte) (int, error) {
	time.Sleep(b.delay)
	b.delay = 0
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		*b.end = time.Now()
	}
	return n, err
}

func (b *lateBody) Close() error { return nil }

// accounts lists sign-ins whose responses must not differ. Each has a plausible delay of the answer
// from Stytch, which verifies a password only if the user has one.
var accounts = []struct {
	body  string
	delay time.Duration
}{
	{wrong, 300 * time.Millisecond},
	{`{"email":"nobody@example.com","password":"not Ada's password"}`, 10 * time.Millisecond},
	{`{"email":"` + evesEmail + `","password":"not Ada's password"}`, 40 * time.Millisecond},
}

func TestLogin_ClientDelaysItsBody(t *testing.T) {
	for _, path := range []string{"/login", "/step-up", "/bare"} {
		for _, form := range []bool{false, true} {
			for _, delay := range []time.Duration{0, 190 * time.Millisecond, 360 * time.Millisecond, 499 * time.Millisecond, 1360 * time.Millisecond} {
				for _, account := range accounts {
					synctest.Test(t, func(t *testing.T) {
						s := newEnv(t)
						session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
						s.hold(session.Token, session.JWT)
						s.SetFault(pathPassword, stytchtest.Fault{Delay: account.delay})
						body, contentType := account.body, jsonType
						if form {
							body, contentType = asForm(body), formType
						}
						var end time.Time
						r := newRequest("POST", path, "", contentType)
						r.Body = &lateBody{strings.NewReader(body), delay, &end}
						s.wantProblem(s.do(r), 401, "sign-in-refused")
						if took := time.Since(end); took != 500*time.Millisecond {
							t.Errorf("%s: %s, form: %t, body delayed by %v: got a response %v after the body, want 500ms for every account", path, body, form, delay, took)
						}
					})
				}
			}
		}
	}
}

// A client that closes its half of the connection cancels the context of the request but can still
// read the response.
func TestLogin_ClientThatHangsUp(t *testing.T) {
	for _, ownPage := range []bool{false, true} {
		for _, after := range []time.Duration{5, 100, 200, 299, 301, 499} {
			var first string
			for _, account := range accounts {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t, func(c *setup) {
						if ownPage {
							c.login.OnFailure = func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), http.StatusTeapot) }
						}
					})
					s.want(s.other().postJSON("/login", right), 200) // shows that the secret is valid; the policy is not loaded
					s.SetFault(pathPassword, stytchtest.Fault{Delay: account.delay})
					ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
					defer cancel()
					began := time.Now()
					resp := s.do(newRequest("POST", "/login", account.body, jsonType).WithContext(ctx))
					if took := time.Since(began); took != after*time.Millisecond {
						t.Errorf("got a response after %v, want %v", took, after*time.Millisecond)
					}
					dump, err := httputil.DumpResponse(resp, true)
					if err != nil {
						t.Fatal(err)
					}
					if first == "" {
						first = string(dump)
					}
					if string(dump) != first {
						t.Errorf("%s, closed after %dms: got\n%s\nwant, as for another account,\n%s", account.body, after, dump, first)
					}
				})
			}
		}
	}
}

func TestLogin_TrimsTheAddress(t *testing.T) {
	const ada = adasEmail
	for _, row := range []struct {
		name, email string
		want, form  int
	}{
		{"a space after it", ada + " ", 200, 303},
		{"a space before it", " " + ada, 200, 303},
		{"every ASCII white space", "\t\n\f\r " + ada + " \r\n\f\t", 200, 303},
		{"a space within it", "ada @example.com", 401, 401},
		{"a no-break space", ada + "\u00a0", 401, 401},
		{"a vertical tab", ada + "\v", 401, 401},
		{"nothing but white space", " \t", 400, 400},
	} {
		for _, path := range []string{"/login", "/step-up"} {
			t.Run(row.name+" "+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newEnv(t, func(c *setup) { c.auth.SessionOnly = true }) // with SessionOnly, StepUp does not fill in a missing address
					session := s.StartSession(s.ada.ID, stytchtest.SessionOptions{})
					s.hold(session.Token, session.JWT)
					fields := map[string]string{"email": row.email, "password": adasPassword}
					s.want(s.postJSON(path, string(asJSON(fields))), row.want)
					s.want(s.postForm(path, url.Values{"email": {row.email}, "password": {adasPassword}}.Encode()), row.form)
					if sent := s.sent(); row.want == 200 && sent["email"] != ada {
						t.Errorf("got the address %q sent, want %q", sent["email"], ada)
					}
				})
			})
		}
	}
}

func TestLogin_DoesNotTrimThePassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newEnv(t)
		s.AddUser(stytchtest.User{Email: "mallory@example.com", Password: " a password with spaces "})
		s.want(s.postJSON("/login", `{"email":"mallory@example.com ","password":" a password with spaces "}`), 200)
		s.want(s.postJSON("/login", `{"email":"mallory@example.com","password":"a password with spaces"}`), 401)
	})
}
