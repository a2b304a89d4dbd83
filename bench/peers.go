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
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
	clerkjwks "github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-chi/jwtauth/v5"
	echojwt "github.com/labstack/echo-jwt/v5"
	"github.com/labstack/echo/v5"
	jwtv2 "github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// A peer is another library, configured as its README or its documentation says. Each peer checks
// the signature with a key that it already has and the expiry. It checks the issuer and the
// audience where its configuration allows. None of them decodes the session claim: they leave that
// to the handler, and these handlers are empty.
type peer struct {
	name, module string
	wire         func(*provider) (http.Handler, error)
	fetches      bool // whether it fetches the key set itself
}

var peers = []peer{
	{"echo-jwt", "github.com/labstack/echo-jwt/v5", wireEchoJWT, false},
	{"jwtauth", "github.com/go-chi/jwtauth/v5", wireJWTAuth, false},
	{"jwx", jwxModule, wireJWX, false},
	{"go-oidc", "github.com/coreos/go-oidc/v3", wireOIDC, true},
	{"go-jwt-middleware", "github.com/auth0/go-jwt-middleware/v3", wireJWTMiddleware, true},
	{"Clerk", "github.com/clerk/clerk-sdk-go/v2", wireClerk, true},
}

// These peers are also named in other code. jwtauth builds on jwtauthJWXModule, go-jwt-middleware
// on jwxModule.
const (
	scsModule        = "github.com/alexedwards/scs/v2"
	jwxModule        = "github.com/lestrrat-go/jwx/v3"
	jwtauthJWXModule = "github.com/lestrrat-go/jwx/v2"
)

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
	e.GET("/", func(*echo.Context) error { return nil })
	return e, nil
}

func wireJWTAuth(p *provider) (http.Handler, error) {
	auth := jwtauth.New("RS256", nil, &p.stytch.Key().PublicKey,
		jwtv2.WithIssuer(p.issuer()), jwtv2.WithAudience(p.stytch.ProjectID))
	return jwtauth.Verifier(auth)(jwtauth.Authenticator(auth)(empty)), nil
}

// wireJWX adds what jwx leaves to its users: it writes the status of a rejection and stores the
// result in the context of the request.
func wireJWX(p *provider) (http.Handler, error) {
	key, err := jwk.Import(&p.stytch.Key().PublicKey)
	if err != nil {
		return nil, err
	}
	type tokenKey struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := jwt.ParseRequest(r, jwt.WithKey(jwa.RS256(), key),
			jwt.WithIssuer(p.issuer()), jwt.WithAudience(p.stytch.ProjectID))
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		empty.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
	}), nil
}

// wireOIDC adds what go-oidc leaves to its users: it reads the token from the header and stores the
// result in the context of the request. It uses a remote key set, which caches the keys, because a
// static key set would parse the token a second time.
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
	provider, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuer), jwks.WithCustomJWKSURI(keys), jwks.WithCacheTTL(time.Hour))
	if err != nil {
		return nil, err
	}
	v, err := validator.New(validator.WithKeyFunc(provider.KeyFunc), validator.WithAlgorithm(validator.RS256),
		validator.WithIssuer(p.issuer()), validator.WithAudience(p.stytch.ProjectID))
	if err != nil {
		return nil, err
	}
	m, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		return nil, err
	}
	return m.CheckJWT(empty), nil
}

// wireClerk configures the Clerk client to fetch the key set from the provider. The client caches
// it for an hour. The alternative option takes a key, but parses that key again for every request.
func wireClerk(p *provider) (http.Handler, error) {
	client := clerkjwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		URL: clerk.String(p.socket.URL), Key: clerk.String("sk_test_bench"),
	}})
	return clerkhttp.RequireHeaderAuthorization(
		clerkhttp.JWKSClient(client),
		clerkhttp.ProxyURL(p.issuer()), // the issuer it accepts
	)(empty), nil
}

// scsCase returns the case of a session with one value in the in-memory store of scs. Like Require,
// its handler refuses a request without a session.
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
		return workload{}, fmt.Errorf("scs: a request without a session passes")
	}
	return serving(scsCookie, h, 200, get("Cookie", "session="+token)), nil
}
