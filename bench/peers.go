package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
	clerkjwks "github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-chi/jwtauth/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

// A peer is another library, set up as its README or its documentation says. Each
// checks the signature with a key it holds already, the expiry, and, where its
// configuration can, issuer and audience. None decodes the session claim: that
// is left to the handler, and the handlers here are empty.
type peer struct {
	name, module string
	wire         func(*provider) (http.Handler, error)
	fetches      bool // fetches the key set by itself
}

var peers = []peer{
	{"echo-jwt", "github.com/labstack/echo-jwt/v4", wireEchoJWT, false},
	{"jwtauth", "github.com/go-chi/jwtauth/v5", wireJWTAuth, false},
	{"go-oidc", "github.com/coreos/go-oidc/v3", wireOIDC, true},
	{"go-jwt-middleware", "github.com/auth0/go-jwt-middleware/v2", wireJWTMiddleware, true},
	{"Clerk", "github.com/clerk/clerk-sdk-go/v2", wireClerk, true},
}

func (p *peer) caseName() string       { return p.name + ": JWT" }
func (p *peer) forgedCaseName() string { return p.name + ": forged JWT" }

func peerCases(p *provider, session string) ([]workload, error) {
	var all, refusals []workload
	for _, peer := range peers {
		h, err := peer.wire(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", peer.name, err)
		}
		all = append(all, inParallel(serving(peer.caseName(), h, 200, bearer(session))))
		refusals = append(refusals, serving(peer.forgedCaseName(), h, 401, bearer(forge(session))))
	}
	scs, err := scsCase(p.user.ID)
	if err != nil {
		return nil, err
	}
	return append(append(all, refusals...), scs), nil
}

func wireEchoJWT(p *provider) (http.Handler, error) {
	e := echo.New()
	e.Use(echojwt.WithConfig(echojwt.Config{
		SigningKeys:   map[string]any{p.stytch.KeyID(): &p.stytch.Key().PublicKey},
		SigningMethod: "RS256",
	}))
	e.GET("/", func(echo.Context) error { return nil })
	return e, nil
}

func wireJWTAuth(p *provider) (http.Handler, error) {
	auth := jwtauth.New("RS256", nil, &p.stytch.Key().PublicKey,
		jwt.WithIssuer(p.issuer()), jwt.WithAudience(p.stytch.ProjectID))
	return jwtauth.Verifier(auth)(jwtauth.Authenticator(auth)(empty)), nil
}

// wireOIDC adds what go-oidc leaves to its users: finding the token and handing
// on the result. A remote key set keeps the keys, and saves parsing the token a
// second time, which a static one does not.
func wireOIDC(p *provider) (http.Handler, error) {
	keys := oidc.NewRemoteKeySet(context.Background(), p.jwksURL())
	verifier := oidc.NewVerifier(p.issuer(), keys, &oidc.Config{ClientID: p.stytch.ProjectID})
	type tokenKey struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token, err := verifier.Verify(r.Context(), raw)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		empty.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
	}), nil
}

func wireJWTMiddleware(p *provider) (http.Handler, error) {
	issuer, err := url.Parse(p.socket.URL)
	if err != nil {
		return nil, err
	}
	keys, err := url.Parse(p.jwksURL())
	if err != nil {
		return nil, err
	}
	provider := jwks.NewCachingProvider(issuer, time.Hour, jwks.WithCustomJWKSURI(keys))
	v, err := validator.New(provider.KeyFunc, validator.RS256, p.issuer(), []string{p.stytch.ProjectID})
	if err != nil {
		return nil, err
	}
	return jwtmiddleware.New(v.ValidateToken).CheckJWT(empty), nil
}

// wireClerk lets Clerk's client fetch the key set from us; it keeps it for an
// hour. The option that takes a key instead parses that key for each request.
func wireClerk(p *provider) (http.Handler, error) {
	client := clerkjwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		URL: clerk.String(p.socket.URL), Key: clerk.String("sk_test_bench"),
	}})
	return clerkhttp.RequireHeaderAuthorization(
		clerkhttp.JWKSClient(client),
		clerkhttp.ProxyURL(p.issuer()), // the issuer it accepts
	)(empty), nil
}

// scsCase is a session of one value in scs's in-memory store, and a handler that
// refuses who has none, as Require does.
func scsCase(userID string) (workload, error) {
	sessions := scs.New()
	ctx, err := sessions.Load(context.Background(), "")
	if err != nil {
		return workload{}, err
	}
	sessions.Put(ctx, "user_id", userID)
	token, _, err := sessions.Commit(ctx)
	if err != nil {
		return workload{}, err
	}
	h := sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sessions.GetString(r.Context(), "user_id") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		empty.ServeHTTP(w, r)
	}))
	anonymous := httptest.NewRecorder()
	if h.ServeHTTP(anonymous, get("", "")); anonymous.Code != http.StatusUnauthorized {
		return workload{}, fmt.Errorf("scs: lets through who has no session")
	}
	return serving(scsCookie, h, 200, get("Cookie", "session="+token)), nil
}
