package stytch

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// A Session is the session of a signed-in user. It comes from a response of the
// API or from a session JWT.
// See https://stytch.com/docs/api/session-object.
//
// Times are in UTC. A time that the source does not contain is the zero time.
// Some session JWTs do not contain ExpiresAt.
type Session struct {
	ID             string    `json:"session_id"`                // begins with "session-"
	UserID         string    `json:"user_id"`                   // begins with "user-"
	Roles          []string  `json:"roles"`                     // ids of RBAC roles, including "stytch_user"; may be empty in a session JWT
	StartedAt      time.Time `json:"started_at,omitzero"`       // when the user signed in
	LastAccessedAt time.Time `json:"last_accessed_at,omitzero"` // when the session was last authenticated
	ExpiresAt      time.Time `json:"expires_at,omitzero"`       // when the session ends; a session JWT expires earlier

	Attributes *Attributes            `json:"attributes"`             // nil if there are none
	Factors    []AuthenticationFactor `json:"authentication_factors"` // how the user authenticated

	// CustomClaims contains the custom claims. If nil, there are none. Use
	// Claims to decode them, because json.Unmarshal ignores the case of names.
	CustomClaims Object `json:"custom_claims,omitempty"`
}

// An Object is the text of a JSON object. A nil Object represents an absent
// object or null. The application controls the contents: names may be repeated,
// and strings may contain lone surrogates, for which encoding/json returns
// U+FFFD.
type Object []byte

// MarshalJSON returns o, or null if o is nil.
func (o Object) MarshalJSON() ([]byte, error) { return json.RawMessage(o).MarshalJSON() }

// UnmarshalJSON sets *o to a copy of data. It returns an error if data is neither an
// object nor null.
func (o *Object) UnmarshalJSON(data []byte) error {
	*o = nil
	if string(data) == "null" {
		return nil
	}
	if !bytes.HasPrefix(data, []byte("{")) {
		return errors.New("stytch: not a JSON object")
	}
	*o = slices.Clone(data)
	return nil
}

// Claims decodes the custom claims of the session into v. It works like
// json.Unmarshal, except that a claim sets a struct field only if its name is
// exactly the name of the field. json.Unmarshal would also set the field
// is_admin from a claim IS_ADMIN or iſ_admin. The exact match applies to nested
// structs, too, but not within a type that has an UnmarshalJSON method. If
// there are no custom claims, Claims does not change v. The error contains no
// values of the claims.
func (s *Session) Claims(v any) error {
	if len(s.CustomClaims) == 0 {
		return nil
	}
	if err := strictjson.Unmarshal(s.CustomClaims, v); err != nil {
		// The error of encoding/json may quote a value, so it is not wrapped.
		return errors.New("stytch: custom claims do not match the type")
	}
	return nil
}

// LastFactorAt returns the latest LastAuthenticatedAt of the session's factors,
// or the zero time if there are no factors. The factor of an impersonator does
// not count, because it proves nothing about the user.
func (s *Session) LastFactorAt() time.Time {
	var newest time.Time
	for i := range s.Factors {
		if at := s.Factors[i].LastAuthenticatedAt; s.Factors[i].Type != FactorImpersonated && at.After(newest) {
			newest = at
		}
	}
	return newest
}

// Attributes describes the client that started the session. Both fields are
// empty unless the application passed them to Stytch.
type Attributes struct {
	IPAddress string `json:"ip_address"`
	UserAgent string `json:"user_agent"`
}

// An AuthenticationFactor describes how the user authenticated, for example
// with a password, a passkey or a one-time code. Type and DeliveryMethod may
// have values that are not listed here. At most one of the pointers is set. For
// a password, all pointers are nil.
type AuthenticationFactor struct {
	Type                string    `json:"type"`            // "password", "otp", "totp", "webauthn", "oauth", …
	DeliveryMethod      string    `json:"delivery_method"` // "knowledge", "sms", "authenticator_app", …
	LastAuthenticatedAt time.Time `json:"last_authenticated_at,omitzero"`
	CreatedAt           time.Time `json:"created_at,omitzero"` // zero if the source is a JWT
	UpdatedAt           time.Time `json:"updated_at,omitzero"` // zero if the source is a JWT

	EmailFactor                    *EmailFactor                    `json:"email_factor,omitempty"`
	PhoneNumberFactor              *PhoneNumberFactor              `json:"phone_number_factor,omitempty"`
	WebAuthnFactor                 *WebAuthnFactor                 `json:"webauthn_factor,omitempty"`
	BiometricFactor                *BiometricFactor                `json:"biometric_factor,omitempty"`
	AuthenticatorAppFactor         *AuthenticatorAppFactor         `json:"authenticator_app_factor,omitempty"`
	RecoveryCodeFactor             *RecoveryCodeFactor             `json:"recovery_code_factor,omitempty"`
	CryptoWalletFactor             *CryptoWalletFactor             `json:"crypto_wallet_factor,omitempty"`
	EmbeddableMagicLinkFactor      *EmbeddableMagicLinkFactor      `json:"embeddable_magic_link_factor,omitempty"`
	SAMLSSOFactor                  *SSOFactor                      `json:"saml_sso_factor,omitempty"`
	OIDCSSOFactor                  *SSOFactor                      `json:"oidc_sso_factor,omitempty"`
	ImpersonatedFactor             *ImpersonatedFactor             `json:"impersonated_factor,omitempty"`
	OAuthAccessTokenExchangeFactor *OAuthAccessTokenExchangeFactor `json:"oauth_access_token_exchange_factor,omitempty"`
	TrustedAuthTokenFactor         *TrustedAuthTokenFactor         `json:"trusted_auth_token_factor,omitempty"`

	AmazonOAuthFactor     *OAuthFactor `json:"amazon_oauth_factor,omitempty"`
	AppleOAuthFactor      *OAuthFactor `json:"apple_oauth_factor,omitempty"`
	BitbucketOAuthFactor  *OAuthFactor `json:"bitbucket_oauth_factor,omitempty"`
	CoinbaseOAuthFactor   *OAuthFactor `json:"coinbase_oauth_factor,omitempty"`
	DiscordOAuthFactor    *OAuthFactor `json:"discord_oauth_factor,omitempty"`
	FacebookOAuthFactor   *OAuthFactor `json:"facebook_oauth_factor,omitempty"`
	FigmaOAuthFactor      *OAuthFactor `json:"figma_oauth_factor,omitempty"`
	GitHubOAuthFactor     *OAuthFactor `json:"github_oauth_factor,omitempty"`
	GitLabOAuthFactor     *OAuthFactor `json:"git_lab_oauth_factor,omitempty"`
	GoogleOAuthFactor     *OAuthFactor `json:"google_oauth_factor,omitempty"`
	HubspotOAuthFactor    *OAuthFactor `json:"hubspot_oauth_factor,omitempty"`
	InstagramOAuthFactor  *OAuthFactor `json:"instagram_oauth_factor,omitempty"`
	LinkedInOAuthFactor   *OAuthFactor `json:"linked_in_oauth_factor,omitempty"`
	MicrosoftOAuthFactor  *OAuthFactor `json:"microsoft_oauth_factor,omitempty"`
	SalesforceOAuthFactor *OAuthFactor `json:"salesforce_oauth_factor,omitempty"`
	ShopifyOAuthFactor    *OAuthFactor `json:"shopify_oauth_factor,omitempty"`
	SlackOAuthFactor      *OAuthFactor `json:"slack_oauth_factor,omitempty"`
	SnapchatOAuthFactor   *OAuthFactor `json:"snapchat_oauth_factor,omitempty"`
	SpotifyOAuthFactor    *OAuthFactor `json:"spotify_oauth_factor,omitempty"`
	SteamOAuthFactor      *OAuthFactor `json:"steam_oauth_factor,omitempty"`
	TikTokOAuthFactor     *OAuthFactor `json:"tik_tok_oauth_factor,omitempty"`
	TwitchOAuthFactor     *OAuthFactor `json:"twitch_oauth_factor,omitempty"`
	TwitterOAuthFactor    *OAuthFactor `json:"twitter_oauth_factor,omitempty"`
	YahooOAuthFactor      *OAuthFactor `json:"yahoo_oauth_factor,omitempty"`

	GitHubOAuthExchangeFactor  *OAuthExchangeFactor `json:"github_oauth_exchange_factor,omitempty"`
	GoogleOAuthExchangeFactor  *OAuthExchangeFactor `json:"google_oauth_exchange_factor,omitempty"`
	HubspotOAuthExchangeFactor *OAuthExchangeFactor `json:"hubspot_oauth_exchange_factor,omitempty"`
	SlackOAuthExchangeFactor   *OAuthExchangeFactor `json:"slack_oauth_exchange_factor,omitempty"`
}

// EmailFactor describes a magic link or a one-time code sent by e-mail.
type EmailFactor struct {
	EmailID      string `json:"email_id"`
	EmailAddress string `json:"email_address"`
}

// PhoneNumberFactor describes a one-time code sent by SMS or WhatsApp.
type PhoneNumberFactor struct {
	PhoneID     string `json:"phone_id"`
	PhoneNumber string `json:"phone_number"`
}

// WebAuthnFactor describes a passkey or a security key.
type WebAuthnFactor struct {
	WebAuthnRegistrationID string `json:"webauthn_registration_id"`
	Domain                 string `json:"domain"`
	UserAgent              string `json:"user_agent,omitempty"`
}

// BiometricFactor describes a biometric registration of a mobile device.
type BiometricFactor struct {
	BiometricRegistrationID string `json:"biometric_registration_id"`
}

// AuthenticatorAppFactor describes a time-based one-time code (TOTP).
type AuthenticatorAppFactor struct {
	TOTPID string `json:"totp_id"`
}

// RecoveryCodeFactor describes a recovery code of a TOTP registration.
type RecoveryCodeFactor struct {
	TOTPRecoveryCodeID string `json:"totp_recovery_code_id"`
}

// CryptoWalletFactor describes a signature by a crypto wallet.
type CryptoWalletFactor struct {
	CryptoWalletID      string `json:"crypto_wallet_id"`
	CryptoWalletAddress string `json:"crypto_wallet_address"`
	CryptoWalletType    string `json:"crypto_wallet_type"`
}

// EmbeddableMagicLinkFactor describes a magic link that the application delivered
// itself.
type EmbeddableMagicLinkFactor struct {
	EmbeddedID string `json:"embedded_id"`
}

// SSOFactor describes a sign-in through a SAML or OpenID Connect connection.
type SSOFactor struct {
	ID         string `json:"id"`
	ProviderID string `json:"provider_id"`
	ExternalID string `json:"external_id"`
}

// ImpersonatedFactor means that another person, such as an administrator, acts as
// the user.
type ImpersonatedFactor struct {
	ImpersonatorID           string `json:"impersonator_id"`
	ImpersonatorEmailAddress string `json:"impersonator_email_address"`
}

// OAuthAccessTokenExchangeFactor describes an access token of a Connected App that
// was exchanged for a session.
type OAuthAccessTokenExchangeFactor struct {
	ClientID string `json:"client_id"`
}

// TrustedAuthTokenFactor describes a trusted token of another issuer.
type TrustedAuthTokenFactor struct {
	TokenID string `json:"token_id"`
}

// OAuthFactor describes a sign-in with an OAuth provider.
type OAuthFactor struct {
	ID              string `json:"id"`
	ProviderSubject string `json:"provider_subject"`
	EmailID         string `json:"email_id,omitempty"`
}

// OAuthExchangeFactor describes a token of an OAuth provider that was exchanged for
// a session.
type OAuthExchangeFactor struct {
	EmailID string `json:"email_id"`
}
