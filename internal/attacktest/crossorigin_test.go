package attacktest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/internal/authtest"
)

const (
	adasCookie   = "Cookie: stytch_session_jwt={ada.jwt}\n"
	adasHeader   = "Authorization: Bearer {ada.jwt}\n"
	crossSite    = "Sec-Fetch-Site: cross-site\n"
	sameSite     = "Sec-Fetch-Site: same-site\n"
	sameOrigin   = "Sec-Fetch-Site: same-origin\n"
	ourOrigin    = "Origin: https://app.example.com\n"
	evilOrigin   = "Origin: https://evil.example\n"
	upgrade      = "Connection: Upgrade\nUpgrade: websocket\n"
	overridePOST = "X-HTTP-Method-Override: POST\nX-Method-Override: POST\n"
)

// A crossOriginRow is a request to https://app.example.com/.
type crossOriginRow struct {
	name   string
	method string
	fields string
	want   authtest.Answer
}

func runCrossOriginRows(t *testing.T, rows []crossOriginRow, changes ...func(*sessionauth.Config)) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t, changes...)
			s.wantFirst(s.Do(s.request(row.method, "/", "", row.fields)), row.want, 0)
			if row.want == want403c {
				s.WantCalls("", 0)
			}
		})
	}
}

func TestCrossOrigin_Require(t *testing.T) {
	runCrossOriginRows(t, []crossOriginRow{
		{"176 POST from another site", "POST", adasCookie + crossSite, want403c},
		{"176 POST from a sibling subdomain", "POST", adasCookie + sameSite, want403c},
		{"176 POST from another site that claims our origin", "POST", adasCookie + crossSite + ourOrigin, want403c},
		{"176 POST with an unknown Sec-Fetch-Site", "POST", adasCookie + "Sec-Fetch-Site: Same-Origin\n", want403c},
		{"176 PUT from another site", "PUT", adasCookie + crossSite, want403c},
		{"176 PATCH from another site", "PATCH", adasCookie + crossSite, want403c},
		{"176 DELETE from another site", "DELETE", adasCookie + crossSite, want403c},
		{"176 CONNECT from another site", "CONNECT", adasCookie + crossSite, want403c},
		{"176 TRACE from another site", "TRACE", adasCookie + crossSite, want403c},
		{"176 an unknown method", "PURGE", adasCookie + crossSite, want403c},
		{"176 get in small letters is not GET", "get", adasCookie + crossSite, want403c},
		{"176 POST with a token in the cookie", "POST", "Cookie: stytch_session={ada.token}\n" + crossSite, want403c},
		{"176 POST with both cookies", "POST", "Cookie: stytch_session={ada.token}; stytch_session_jwt={ada.jwt}\n" + crossSite, want403c},
		{"176 POST with repeated cookies", "POST", "Cookie: stytch_session_jwt={ada.jwt}; stytch_session_jwt=x\n" + crossSite, want403c},
		{"176 POST with a bad cookie", "POST", "Cookie: stytch_session_jwt={bad.jwt}\n" + crossSite, want403c},
		{"176 POST without credential", "POST", crossSite, want401n},
		{"177 POST from another origin", "POST", adasCookie + evilOrigin, want403c},
		{"177 POST from the null origin", "POST", adasCookie + "Origin: null\n", want403c},
		{"177 POST from the origin of a sibling subdomain", "POST", adasCookie + "Origin: https://api.example.com\n", want403c},
		{"177 POST from an origin that begins like this one", "POST", adasCookie + "Origin: https://app.example.com.evil.example\n", want403c},
		{"177 POST from another port of this host", "POST", adasCookie + "Origin: https://app.example.com:8443\n", want403c},
		{"177 POST from an origin with this host as user name", "POST", adasCookie + "Origin: https://app.example.com@evil.example\n", want403c},
		{"177 X-Forwarded-Host does not change the host", "POST", adasCookie + evilOrigin + "X-Forwarded-Host: evil.example\n", want403c},
		{"178 POST from this origin", "POST", adasCookie + sameOrigin, passAs("ada")},
		{"178 POST from this origin, with Origin", "POST", adasCookie + sameOrigin + ourOrigin, passAs("ada")},
		{"178 POST by the user", "POST", adasCookie + "Sec-Fetch-Site: none\n", passAs("ada")},
		{"178 POST from this origin by an old browser", "POST", adasCookie + ourOrigin, passAs("ada")},
		{"178 POST without a browser", "POST", adasCookie, passAs("ada")},
		{"178 GET from another site", "GET", adasCookie + crossSite + evilOrigin, passAs("ada")},
		{"178 HEAD from another site", "HEAD", adasCookie + crossSite, passAs("ada")},
		{"178 OPTIONS from another site", "OPTIONS", adasCookie + crossSite, passAs("ada")},
		{"179 POST with Bearer from another site", "POST", adasHeader + crossSite + evilOrigin, passAs("ada")},
		{"179 POST with Bearer and the cookie of Bob from another site", "POST", adasHeader + "Cookie: stytch_session_jwt={bob.jwt}\n" + crossSite, passAs("ada")},
		{"179 DELETE with Bearer from the null origin", "DELETE", adasHeader + "Origin: null\n", passAs("ada")},
		{"180 a cookie and Basic, from another site", "POST", adasCookie + "Authorization: Basic eDp5\n" + crossSite, want403c},
		{"180 a cookie and an empty Authorization, from another site", "POST", adasCookie + "Authorization: \n" + crossSite, want403c},
		{"180 a cookie and a dummy Bearer, from another site", "POST", adasCookie + "Authorization: Bearer dummy\n" + crossSite, want401i},
		{"180 a cookie and Bearer alone, from another site", "POST", adasCookie + "Authorization: Bearer\n" + crossSite, want400r},
		{"180b an upgrade from another origin", "GET", adasCookie + upgrade + evilOrigin, want403c},
		{"180b an upgrade from the null origin", "GET", adasCookie + upgrade + "Origin: null\n", want403c},
		{"180b an upgrade from another site", "GET", adasCookie + upgrade + crossSite, want403c},
		{"180b an upgrade from a sibling subdomain", "GET", adasCookie + upgrade + sameSite, want403c},
		{"180b an upgrade to something else", "GET", adasCookie + "Upgrade: h2c\n" + sameSite, want403c},
		{"180b an empty upgrade", "GET", adasCookie + "Upgrade: \n" + sameSite, want403c},
		{"180b HEAD with an upgrade", "HEAD", adasCookie + upgrade + sameSite, want403c},
		{"180b an upgrade from this origin", "GET", adasCookie + upgrade + sameOrigin + ourOrigin, passAs("ada")},
		{"180b an upgrade without a browser", "GET", adasCookie + upgrade, passAs("ada")},
		{"180b an upgrade with Bearer from another origin", "GET", adasHeader + upgrade + evilOrigin, passAs("ada")},
		{"181 GET that overrides its method", "GET", adasCookie + overridePOST + crossSite, passAs("ada")},
		{"181 POST that overrides its method", "POST", adasCookie + "X-HTTP-Method-Override: GET\n" + crossSite, want403c},
	})
}

func TestCrossOrigin_TrustedOrigins(t *testing.T) {
	const trusted = "Origin: https://www.example.com\n"
	origins := []string{"https://www.example.com", "http://localhost:5173"}
	runCrossOriginRows(t, []crossOriginRow{
		{"177 POST from a trusted origin by an old browser", "POST", adasCookie + trusted, passAs("ada")},
		{"177 POST from a trusted sibling", "POST", adasCookie + trusted + sameSite, passAs("ada")},
		{"177 POST from a trusted other site", "POST", adasCookie + "Origin: http://localhost:5173\n" + crossSite, passAs("ada")},
		{"177 an upgrade from a trusted origin", "GET", adasCookie + upgrade + trusted + sameSite, passAs("ada")},
		{"177 another scheme than the trusted one", "POST", adasCookie + "Origin: http://www.example.com\n" + sameSite, want403c},
		{"177 another port than the trusted one", "POST", adasCookie + "Origin: https://www.example.com:8443\n" + sameSite, want403c},
		{"177 a subdomain of the trusted one", "POST", adasCookie + "Origin: https://x.www.example.com\n" + sameSite, want403c},
		{"177 an origin that begins like the trusted one", "POST", adasCookie + "Origin: https://www.example.com.evil.example\n" + crossSite, want403c},
		{"177 the null origin", "POST", adasCookie + "Origin: null\n" + crossSite, want403c},
		{"177 a sibling without Origin", "POST", adasCookie + sameSite, want403c},
		{"177 this origin still passes", "POST", adasCookie + ourOrigin, passAs("ada")},
	}, func(c *sessionauth.Config) { c.TrustedOrigins = origins })
}

func TestCrossOrigin_TrustedOriginsAreCopied(t *testing.T) {
	origins := []string{"https://www.example.com"}
	s := newScene(t, func(c *sessionauth.Config) { c.TrustedOrigins = origins })
	origins[0] = "https://evil.example"
	s.wantFirst(s.Do(s.request("POST", "/", "", adasCookie+evilOrigin)), want403c, 0)
}

func TestCrossOrigin_Optional(t *testing.T) {
	for _, row := range []crossOriginRow{
		{"176 POST from another site", "POST", adasCookie + crossSite, want403c},
		{"176 POST with a stale cookie from another site", "POST", "Cookie: stytch_session_jwt={bad.jwt}\n" + crossSite, want403c},
		{"176 POST without credential from another site", "POST", crossSite, passAs("nobody")},
		{"177 POST from the null origin", "POST", adasCookie + "Origin: null\n", want403c},
		{"178 GET from another site", "GET", adasCookie + crossSite, passAs("ada")},
		{"179 POST with Bearer from another site", "POST", adasHeader + crossSite, passAs("ada")},
		{"180 a cookie and Basic, from another site", "POST", adasCookie + "Authorization: Basic eDp5\n" + crossSite, want403c},
		{"180 a cookie and a dummy Bearer, from another site", "POST", adasCookie + "Authorization: Bearer dummy\n" + crossSite, want401i},
		{"180b an upgrade from a sibling subdomain", "GET", adasCookie + upgrade + sameSite, want403c},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.Handler = s.Auth.Optional(s.Next())
			s.wantFirst(s.Do(s.request(row.method, "/", "", row.fields)), row.want, 0)
		})
	}
}

// An extractor that does not set Credential.Header makes Require apply the cross-origin check,
// whatever the extractor reads.
func TestCrossOrigin_OtherExtractors(t *testing.T) {
	const fields = "X-Session: {ada.jwt}\n" + crossSite
	careless := func(r *http.Request) (sessionauth.Credential, error) {
		return sessionauth.Credential{JWT: r.Header.Get("X-Session")}, nil
	}
	for _, row := range []struct {
		name      string
		extractor sessionauth.Extractor
		want      authtest.Answer
	}{
		{"179 a custom header", sessionauth.FromHeader("X-Session"), passAs("ada")},
		{"176 an extractor that leaves Header false", careless, want403c},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t, func(c *sessionauth.Config) { c.Extractor = row.extractor })
			s.wantFirst(s.Do(s.request("POST", "/", "", fields)), row.want, 0)
		})
	}
}

func TestCrossOrigin_WithoutMiddleware(t *testing.T) {
	s := newScene(t)
	r := s.request("POST", "/", "", adasCookie+crossSite)
	if _, err := s.Auth.Authenticate(r); !errors.Is(err, sessionauth.ErrCrossOrigin) {
		t.Errorf("Authenticate: got %v, want %v", err, sessionauth.ErrCrossOrigin)
	}
	cred, err := s.Auth.Credential(r)
	if !errors.Is(err, sessionauth.ErrCrossOrigin) {
		t.Errorf("Credential: got %v, want %v", err, sessionauth.ErrCrossOrigin)
	}
	if cred.JWT != "" || cred.Token != "" {
		t.Error("Credential: got a credential with its error, want none")
	}
	s.WantCalls("", 0)
}

// A host is compared without case, and the default port of its scheme may be omitted (RFC 9110,
// section 4.2.3). Proxies use both forms.
func TestCrossOrigin_HostIsNormalized(t *testing.T) {
	env := authtest.New(t)
	for _, row := range []struct {
		name, host, origin string
		status             int
	}{
		{"178 the default port of https", "app.example.com:443", "https://app.example.com", 200},
		{"178 the default port of http", "app.example.com:80", "http://app.example.com", 200},
		{"178 capitals", "APP.Example.com", "https://app.example.com", 200},
		{"178 capitals and a port", "App.Example.com:443", "https://app.example.com", 200},
		{"178 a port that is named in both", "app.example.com:8443", "https://app.example.com:8443", 200},
		{"177 the default port of the other scheme", "app.example.com:80", "https://app.example.com", 403},
		{"177 another port", "app.example.com:8443", "https://app.example.com", 403},
		{"177 another host on the default port", "app.example.com:443", "https://evil.example", 403},
		{"177 an origin that ends in the port", "app.example.com:443", "https://evil.example:443", 403},
		{"177 a longer host", "app.example.com:443:443", "https://app.example.com", 403},
		{"177 the null origin", "app.example.com:443", "null", 403},
	} {
		for _, upgrade := range []string{"", "Upgrade: websocket"} {
			t.Run(row.name+" "+upgrade, func(t *testing.T) {
				method, fields := http.MethodPost, []string{authtest.JWTCookie(env.Session.JWT), "Origin: " + row.origin}
				if upgrade != "" {
					method, fields = http.MethodGet, append(fields, upgrade, "Connection: Upgrade")
				}
				r := authtest.NewRequest(method, fields...)
				r.Host = row.host
				env.Want(env.Do(r), row.status)
			})
		}
	}
}
