package sessionauth_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
	"github.com/sessionauth/sessionauth/stytchtest"
)

// A configRow changes a valid Config of a test project.
type configRow struct {
	name   string
	change func(*sessionauth.Config)
}

func goodConfig() sessionauth.Config {
	return sessionauth.Config{ProjectID: "project-test-1", Secret: "secret-test-1"}
}

func cookies(c sessionauth.Cookies) func(*sessionauth.Config) {
	return func(config *sessionauth.Config) { config.Cookies = c }
}

// live sets a live project and a secret of it.
func live(c *sessionauth.Config) { c.ProjectID, c.Secret = "project-live-1", "secret-live-1" }

func baseURL(u string) func(*sessionauth.Config) {
	return func(c *sessionauth.Config) { c.BaseURL = u }
}

func TestNew_Refuses(t *testing.T) {
	const domain = "example.com"
	for _, row := range []struct {
		field string // which the error must name
		configRow
	}{
		{"ProjectID", configRow{"none", func(c *sessionauth.Config) { c.ProjectID = "" }}},
		{"ProjectID", configRow{"of another environment", func(c *sessionauth.Config) { c.ProjectID = "project-prod-1" }}},
		{"ProjectID", configRow{"in other case", func(c *sessionauth.Config) { c.ProjectID = "Project-Test-1" }}},
		{"ProjectID", configRow{"a prefix alone", func(c *sessionauth.Config) { c.ProjectID = "project-test-" }}},
		{"ProjectID", configRow{"with a slash", func(c *sessionauth.Config) { c.ProjectID = "project-test-1/../2" }}},
		{"ProjectID", configRow{"with a question mark", func(c *sessionauth.Config) { c.ProjectID = "project-test-1?a=b" }}},
		{"ProjectID", configRow{"with a newline", func(c *sessionauth.Config) { c.ProjectID = "project-test-1\n" }}},
		{"ProjectID", configRow{"with a colon, which separates the password in Basic", func(c *sessionauth.Config) { c.ProjectID = "project-test-1:2" }}},
		{"ProjectID", configRow{"with a letter beyond ASCII", func(c *sessionauth.Config) { c.ProjectID = "project-test-é" }}},
		{"Secret", configRow{"none", func(c *sessionauth.Config) { c.Secret = "" }}},
		{"Secret", configRow{"with a newline", func(c *sessionauth.Config) { c.Secret = "secret-test-1\n" }}},
		{"Secret", configRow{"with a space", func(c *sessionauth.Config) { c.Secret = " secret-test-1" }}},
		{"Secret", configRow{"with a letter beyond ASCII", func(c *sessionauth.Config) { c.Secret = "secret-test-é" }}},
		{"Secret", configRow{"with a line break at its end", func(c *sessionauth.Config) { c.Secret = "secret-test-1\r\n" }}},
		{"BaseURL", configRow{"no URL", baseURL("::")}},
		{"BaseURL", configRow{"a host alone", baseURL("api.example.com")}},
		{"BaseURL", configRow{"a path alone", baseURL("/stytch")}},
		{"BaseURL", configRow{"relative to a scheme", baseURL("//api.example.com")}},
		{"BaseURL", configRow{"opaque", baseURL("https:api.example.com")}},
		{"BaseURL", configRow{"without host", baseURL("https://")}},
		{"BaseURL", configRow{"with a port and no host", baseURL("https://:443")}},
		{"BaseURL", configRow{"with a path", baseURL("https://api.example.com/v1")}},
		{"BaseURL", configRow{"with a query", baseURL("https://api.example.com?a=b")}},
		{"BaseURL", configRow{"with an empty query", baseURL("https://api.example.com?")}},
		{"BaseURL", configRow{"with a fragment", baseURL("https://api.example.com#a")}},
		{"BaseURL", configRow{"with a user", baseURL("https://ada@api.example.com")}},
		{"BaseURL", configRow{"with a user and a password", baseURL("https://ada:hunter2@api.example.com")}},
		{"BaseURL", configRow{"http to another machine", baseURL("http://api.example.com")}},
		{"BaseURL", configRow{"http to another address", baseURL("http://192.168.0.1")}},
		{"BaseURL", configRow{"http to every address", baseURL("http://0.0.0.0")}},
		{"BaseURL", configRow{"http to a name that begins like loopback", baseURL("http://127.0.0.1.example.com")}},
		{"BaseURL", configRow{"http to a name that begins like localhost", baseURL("http://localhost.example.com")}},
		{"BaseURL", configRow{"ftp", baseURL("ftp://localhost")}},
		{"BaseURL", configRow{"with a newline", baseURL("https://api.example.com\n")}},
		{"Issuers", configRow{"an empty one", func(c *sessionauth.Config) { c.Issuers = []string{"https://login.example.com", ""} }}},
		{"Issuers", configRow{"one with a space", func(c *sessionauth.Config) { c.Issuers = []string{"https://login.example.com "} }}},
		{"Issuers", configRow{"one with a newline", func(c *sessionauth.Config) { c.Issuers = []string{"https://login.example.com\n"} }}},
		{"TrustedOrigins", configRow{"with a path", func(c *sessionauth.Config) { c.TrustedOrigins = []string{"https://app.example.com/"} }}},
		{"TrustedOrigins", configRow{"without scheme", func(c *sessionauth.Config) { c.TrustedOrigins = []string{"app.example.com"} }}},
		{"TrustedOrigins", configRow{"with a query", func(c *sessionauth.Config) { c.TrustedOrigins = []string{"https://app.example.com?a"} }}},
		{"TrustedOrigins", configRow{"empty", func(c *sessionauth.Config) { c.TrustedOrigins = []string{""} }}},
		{"TrustedOrigins", configRow{"null", func(c *sessionauth.Config) { c.TrustedOrigins = []string{"null"} }}},
		{"TrustedOrigins", configRow{"a star", func(c *sessionauth.Config) { c.TrustedOrigins = []string{"*"} }}},
		{"Leeway", configRow{"more than a minute", func(c *sessionauth.Config) { c.Leeway = time.Minute + 1 }}},
		{"SessionDuration", configRow{"4 minutes", func(c *sessionauth.Config) { c.SessionDuration = 4 * time.Minute }}},
		{"SessionDuration", configRow{"90 seconds", func(c *sessionauth.Config) { c.SessionDuration = 90 * time.Second }}},
		{"SessionDuration", configRow{"5 minutes and a half", func(c *sessionauth.Config) { c.SessionDuration = 330 * time.Second }}},
		{"SessionDuration", configRow{"367 days", func(c *sessionauth.Config) { c.SessionDuration = 367 * 24 * time.Hour }}},
		{"CacheSize", configRow{"negative", func(c *sessionauth.Config) { c.CacheSize = -1 }}},
		{"MaxInFlight", configRow{"negative", func(c *sessionauth.Config) { c.MaxInFlight = -1 }}},
		{"MaxInFlight", configRow{"too few", func(c *sessionauth.Config) { c.MaxInFlight = 3 }}},
		{"Timeout", configRow{"negative", func(c *sessionauth.Config) { c.Timeout = -1 }}},
		{"PolicyMaxAge", configRow{"less than a minute", func(c *sessionauth.Config) { c.PolicyMaxAge = time.Minute - 1 }}},
		{"Cookies.Token", configRow{"the same name twice", cookies(sessionauth.Cookies{Token: "a", JWT: "a"})}},
		{"Cookies.JWT", configRow{"the same name twice", cookies(sessionauth.Cookies{Token: "a", JWT: "a"})}},
		{"Cookies.Token", configRow{"the default of the other", cookies(sessionauth.Cookies{Token: "stytch_session_jwt"})}},
		{"Cookies.Token", configRow{"with a space", cookies(sessionauth.Cookies{Token: "a b"})}},
		{"Cookies.Token", configRow{"with a semicolon", cookies(sessionauth.Cookies{Token: "a;b"})}},
		{"Cookies.Token", configRow{"with =", cookies(sessionauth.Cookies{Token: "a=b"})}},
		{"Cookies.JWT", configRow{"with a newline", cookies(sessionauth.Cookies{JWT: "a\nSet-Cookie: b"})}},
		{"Cookies.JWT", configRow{"with a letter beyond ASCII", cookies(sessionauth.Cookies{JWT: "é"})}},
		{"Cookies.AllowHTTP", configRow{"with a live project", func(c *sessionauth.Config) { live(c); c.Cookies.AllowHTTP = true }}},
		{"AllowHTTP", configRow{"with __Host-", cookies(sessionauth.Cookies{Token: "__Host-a", AllowHTTP: true})}},
		{"AllowHTTP", configRow{"with __Secure-", cookies(sessionauth.Cookies{JWT: "__Secure-a", AllowHTTP: true})}},
		{"AllowHTTP", configRow{"with __secure-, which browsers treat like __Secure-", cookies(sessionauth.Cookies{JWT: "__secure-a", AllowHTTP: true})}},
		{"Cookies.AllowHTTP", configRow{"with SameSite=None", cookies(sessionauth.Cookies{SameSite: http.SameSiteNoneMode, AllowHTTP: true})}},
		{"Cookies.Token", configRow{"__Host- with Domain", cookies(sessionauth.Cookies{Token: "__Host-a", Domain: domain})}},
		{"Cookies.JWT", configRow{"__Host- with Domain", cookies(sessionauth.Cookies{JWT: "__Host-a", Domain: domain})}},
		{"Cookies.JWT", configRow{"__HOST- with Domain", cookies(sessionauth.Cookies{JWT: "__HOST-a", Domain: domain})}},
		{"Cookies.Token", configRow{"__Host- with Path", cookies(sessionauth.Cookies{Token: "__Host-a", Path: "/app"})}},
		{"Cookies.Path", configRow{"without slash", cookies(sessionauth.Cookies{Path: "app"})}},
		{"Cookies.Path", configRow{"with a semicolon", cookies(sessionauth.Cookies{Path: "/; Domain=example.com"})}},
		{"Cookies.Path", configRow{"with a newline", cookies(sessionauth.Cookies{Path: "/\n"})}},
		{"Cookies.SameSite", configRow{"99", cookies(sessionauth.Cookies{SameSite: 99})}},
		{"Cookies.SameSite", configRow{"without a value", cookies(sessionauth.Cookies{SameSite: http.SameSiteDefaultMode})}},
		{"Cookies.Domain", configRow{"with a space", cookies(sessionauth.Cookies{Domain: "exa mple.com"})}},
		{"Cookies.Domain", configRow{"with a semicolon", cookies(sessionauth.Cookies{Domain: "example.com; Path=/"})}},
		{"Cookies.Domain", configRow{"a URL", cookies(sessionauth.Cookies{Domain: "https://example.com"})}},
	} {
		t.Run(row.field+" "+row.name, func(t *testing.T) {
			config := goodConfig()
			row.change(&config)
			auth, err := sessionauth.New(config)
			if err == nil || auth != nil {
				t.Fatalf("got %v, %v, want nil and an error", auth, err)
			}
			if !strings.HasPrefix(err.Error(), "sessionauth: ") || !strings.Contains(err.Error(), row.field) {
				t.Errorf("got error %q, want one that begins with %q and names %s", err, "sessionauth: ", row.field)
			}
			for _, secret := range []string{"secret-test", "hunter2"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("got error %q, want none that holds the secret", err)
				}
			}
		})
	}
}

// Each mistake is named with what to write instead.
func TestNew_NamesTheMistake(t *testing.T) {
	type config = sessionauth.Config
	duration := func(field string, set func(*config, time.Duration)) []struct {
		name   string
		change func(*config)
		want   string
	} {
		return []struct {
			name   string
			change func(*config)
			want   string
		}{
			{field + " 3", func(c *config) { set(c, 3) }, field + " is 3ns, because a number without a unit counts nanoseconds: use 3 * time.Second"},
			{field + " 3000", func(c *config) { set(c, 3000) }, field + " is 3µs, because a number without a unit counts nanoseconds: use 3000 * time.Millisecond"},
		}
	}
	rows := []struct {
		name   string
		change func(*config)
		want   string
	}{
		{"a live project with a secret of a test project", func(c *config) { c.ProjectID = "project-live-1" }, "Secret is one of a test project, but ProjectID is that of a live project"},
		{"a test project with a secret of a live project", func(c *config) { c.Secret = "secret-live-1" }, "Secret is one of a live project, but ProjectID is that of a test project"},
		{"a public token", func(c *config) { c.Secret = "public-token-test-1" }, "Secret is a public token: use a secret of the project"},
		{"the project ID as secret", func(c *config) { c.Secret = c.ProjectID }, "Secret is a project ID: use a secret of the project"},
		{"a line break after the secret", func(c *config) { c.Secret += "\n" }, "Secret begins or ends with white space, such as the line break at the end of a file: trim it"},
		{"a public token as project", func(c *config) { c.ProjectID = "public-token-test-1" }, `ProjectID must begin with "project-test-" or "project-live-"`},
		{"the host of live projects", baseURL("https://api.stytch.com"), "BaseURL is the host of live projects, but ProjectID is that of a test project"},
		{"the host of test projects", func(c *config) { live(c); c.BaseURL = "https://test.stytch.com/" }, "BaseURL is the host of test projects, but ProjectID is that of a live project"},
		{"a wildcard", origin("https://*.example.com"), `TrustedOrigins holds "https://*.example.com": there are no wildcards, list each origin`},
		{"an origin in capitals", origin("https://App.example.com"), `TrustedOrigins holds "https://App.example.com": use "https://app.example.com", as browsers send it`},
		{"an origin with a slash", origin("https://app.example.com/"), `TrustedOrigins holds "https://app.example.com/": use "https://app.example.com", as browsers send it`},
		{"an origin with a path", origin("https://app.example.com/app"), `TrustedOrigins holds "https://app.example.com/app": use "https://app.example.com", as browsers send it`},
		{"an origin with the default port", origin("https://app.example.com:443"), `TrustedOrigins holds "https://app.example.com:443": use "https://app.example.com", as browsers send it`},
		{"an origin with http and its default port", origin("http://localhost:80"), `TrustedOrigins holds "http://localhost:80": use "http://localhost", as browsers send it`},
		{"an origin without scheme", origin("app.example.com"), `TrustedOrigins holds "app.example.com": use the form https://app.example.com`},
		{"an origin in Unicode", origin("https://bücher.example"), `TrustedOrigins holds "https://bücher.example": use the ASCII form (xn--) of the host, which browsers send`},
		{"an issuer without scheme", issuer("login.example.com"), `Issuers holds "login.example.com" without a scheme: use "https://login.example.com"`},
		{"an issuer without scheme, with a slash", issuer("login.example.com/"), `Issuers holds "login.example.com/" without a scheme: use "https://login.example.com"`},
		{"an issuer with a slash", issuer("https://login.example.com/"), `Issuers holds "https://login.example.com/": use "https://login.example.com", as the iss claim has no slash at its end`},
		{"the project ID as issuer", issuer("project-test-1"), `Issuers holds "project-test-1": use "stytch.com/project-test-1"`},
	}
	for field, set := range map[string]func(*config, time.Duration){
		"Leeway":             func(c *config, d time.Duration) { c.Leeway = d },
		"MaxTokenAge":        func(c *config, d time.Duration) { c.MaxTokenAge = d },
		"SessionDuration":    func(c *config, d time.Duration) { c.SessionDuration = d },
		"CacheTTL":           func(c *config, d time.Duration) { c.CacheTTL = d },
		"StaleIfError":       func(c *config, d time.Duration) { c.StaleIfError = d },
		"PolicyMaxAge":       func(c *config, d time.Duration) { c.PolicyMaxAge = d },
		"Timeout":            func(c *config, d time.Duration) { c.Timeout = d },
		"HTTPClient.Timeout": func(c *config, d time.Duration) { c.HTTPClient = &http.Client{Timeout: d} },
	} {
		rows = append(rows, duration(field, set)...)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			config := goodConfig()
			row.change(&config)
			if _, err := sessionauth.New(config); err == nil || err.Error() != "sessionauth: "+row.want {
				t.Errorf("got %v, want %q", err, "sessionauth: "+row.want)
			}
		})
	}
}

func origin(o string) func(*sessionauth.Config) {
	return func(c *sessionauth.Config) { c.TrustedOrigins = []string{o} }
}

func issuer(i string) func(*sessionauth.Config) {
	return func(c *sessionauth.Config) { c.Issuers = []string{i} }
}

func TestNew_Accepts(t *testing.T) {
	const off = -time.Second
	for _, row := range []configRow{
		{"only the required fields", func(*sessionauth.Config) {}},
		{"a live project", live},
		{"a live project and its host", func(c *sessionauth.Config) { live(c); c.BaseURL = "https://api.stytch.com" }},
		{"a test project and its host", baseURL("https://test.stytch.com")},
		{"a secret of another form", func(c *sessionauth.Config) { c.Secret = "s3cret" }},
		{"localhost by http", baseURL("http://localhost:1")},
		{"127.0.0.1 by http", baseURL("http://127.0.0.1:1")},
		{"another loopback address by http", baseURL("http://127.8.8.8")},
		{"::1 by http", baseURL("http://[::1]:1")},
		{"a custom domain", baseURL("https://login.example.com")},
		{"a custom domain with a slash", baseURL("https://login.example.com/")},
		{"a custom domain with a port", baseURL("https://login.example.com:8443")},
		{"issuers", func(c *sessionauth.Config) {
			c.Issuers = []string{"https://login.example.com", "stytch.com/project-test-2"}
		}},
		{"trusted origins", func(c *sessionauth.Config) {
			c.TrustedOrigins = []string{"https://app.example.com", "http://localhost:5173", "https://app.example.com:8443", "https://[::1]:1", "capacitor://localhost"}
		}},
		{"__Host- names", cookies(sessionauth.Cookies{Token: "__Host-session", JWT: "__Host-jwt"})},
		{"__Host- names and Path /", cookies(sessionauth.Cookies{Token: "__Host-session", JWT: "__Host-jwt", Path: "/"})},
		{"__Secure- names with Domain and Path", cookies(sessionauth.Cookies{Token: "__Secure-a", Domain: "example.com", Path: "/app"})},
		{"SameSite Strict", cookies(sessionauth.Cookies{SameSite: http.SameSiteStrictMode})},
		{"SameSite None", cookies(sessionauth.Cookies{SameSite: http.SameSiteNoneMode})},
		{"cookies without TLS", cookies(sessionauth.Cookies{AllowHTTP: true})},
		{"negative durations", func(c *sessionauth.Config) {
			c.Leeway, c.MaxTokenAge, c.SessionDuration, c.CacheTTL = off, off, off, off
		}},
		{"the longest leeway", func(c *sessionauth.Config) { c.Leeway = time.Minute }},
		{"the shortest session", func(c *sessionauth.Config) { c.SessionDuration = 5 * time.Minute }},
		{"the longest session", func(c *sessionauth.Config) { c.SessionDuration = 366 * 24 * time.Hour }},
		{"the shortest durations", func(c *sessionauth.Config) {
			c.Leeway, c.MaxTokenAge, c.CacheTTL, c.StaleIfError, c.Timeout = time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond
		}},
		{"the smallest sizes", func(c *sessionauth.Config) { c.CacheSize, c.MaxInFlight = 1, 4 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := goodConfig()
			var calls atomic.Int32
			config.HTTPClient = &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
				calls.Add(1)
				return nil, errors.New("no network")
			})}
			row.change(&config)
			auth, err := sessionauth.New(config)
			if err != nil || auth == nil {
				t.Fatalf("got %v, %v, want an Authenticator", auth, err)
			}
			if got := calls.Load(); got != 0 {
				t.Errorf("got %d calls to Stytch, want 0", got)
			}
		})
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// net/http would send body and secret again to the target of a 307, so a redirect
// is a failure of the call: 503, and the user stays signed in.
func TestNew_FollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var hosts []string
		client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			hosts = append(hosts, r.URL.Host)
			return authtest.Reply(status, "{}", "Location: https://evil.example/v1/sessions/authenticate"), nil
		})}
		s := newEnv(t, func(c *sessionauth.Config) { c.HTTPClient = client })
		s.Want(s.Get(bearer(s.Session.Token)), 503)
		for _, host := range hosts {
			if host != "stytch.invalid" {
				t.Errorf("%d: got a call of %s, want none", status, host)
			}
		}
		if client.CheckRedirect != nil || client.Jar != nil {
			t.Error("got a changed client, want it unchanged")
		}
	}
}

func TestNew_CopiesHTTPClient(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	srv := stytchtest.NewServer()
	client := &http.Client{Jar: jar, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("Cookie"))
		resp, err := srv.Client().Transport.RoundTrip(r)
		if err == nil {
			resp.Header.Set("Set-Cookie", "a=b; Path=/")
		}
		return resp, err
	})}
	auth, err := sessionauth.New(sessionauth.Config{ProjectID: srv.ProjectID, Secret: srv.Secret, BaseURL: srv.URL, HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	client.Transport = transportFunc(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("changed after New")
	})
	user := srv.AddUser(stytchtest.User{})
	for range 2 {
		session := srv.StartSession(user.ID, stytchtest.SessionOptions{})
		if _, err := auth.Verify(t.Context(), sessionauth.Credential{Token: session.Token}); err != nil {
			t.Errorf("got error %v, want none", err)
		}
	}
	if len(sent) != 2 || sent[0] != "" || sent[1] != "" {
		t.Errorf("got calls with the cookies %q, want 2 without", sent)
	}
}

func TestNew_CopiesIssuers(t *testing.T) {
	issuers := []string{"https://login.example.com"}
	s := newEnv(t, func(c *sessionauth.Config) { c.Issuers = issuers })
	issuers[0] = "https://evil.example"
	jwt := s.SignJWT(func(_, claims map[string]any) { claims["iss"] = "https://evil.example" })
	s.Want(s.Get(bearer(jwt)), 401)
	jwt = s.SignJWT(func(_, claims map[string]any) { claims["iss"] = "https://login.example.com" })
	s.Want(s.Get(bearer(jwt)), 200)
}
