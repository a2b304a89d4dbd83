package stytch

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// A Session is a signed-in user's session, as POST /v1/sessions/authenticate
// gives it or as a session JWT states it.
// See https://stytch.com/docs/api/session-object.
//
// Times are UTC. A time the source does not state is the zero time: session
// JWTs minted before Stytch put ExpiresAt into them lack it.
type Session struct {
	ID             string    `json:"session_id"`
	UserID         string    `json:"user_id"`
	Roles          []string  `json:"roles"` // RBAC role ids, "stytch_user" included; empty in JWTs older than RBAC
	StartedAt      time.Time `json:"started_at,omitzero"`
	LastAccessedAt time.Time `json:"last_accessed_at,omitzero"`
	ExpiresAt      time.Time `json:"expires_at,omitzero"` // end of the session, not of the JWT

	Attributes *Attributes            `json:"attributes"` // nil if Stytch recorded none
	Factors    []AuthenticationFactor `json:"authentication_factors"`

	// CustomClaims is the JSON object of the session's custom claims; nil if
	// there are none. Claims decodes it.
	CustomClaims Object `json:"custom_claims,omitempty"`
}

// An Object is a JSON object as Stytch sent it; nil stands for none, or null.
type Object []byte

// MarshalJSON gives the object back as it came.
func (o Object) MarshalJSON() ([]byte, error) { return json.RawMessage(o).MarshalJSON() }

// UnmarshalJSON keeps a copy of the object.
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

// Claims decodes the session's custom claims into v, as json.Unmarshal does.
// Without custom claims v is left as it is.
func (s *Session) Claims(v any) error {
	if len(s.CustomClaims) == 0 {
		return nil
	}
	if err := json.Unmarshal(s.CustomClaims, v); err != nil {
		// The error of encoding/json may quote a value; it stays out of ours.
		return errors.New("stytch: custom claims do not fit the given type")
	}
	return nil
}

// LastFactorAt returns when a factor of the session was last authenticated:
// the newest LastAuthenticatedAt, or the zero time without factors.
func (s *Session) LastFactorAt() time.Time {
	var newest time.Time
	for i := range s.Factors {
		if at := s.Factors[i].LastAuthenticatedAt; at.After(newest) {
			newest = at
		}
	}
	return newest
}

// Attributes is what the session was started with, as the app told Stytch.
// Both are often empty.
type Attributes struct {
	IPAddress string `json:"ip_address"`
	UserAgent string `json:"user_agent"`
}

// An AuthenticationFactor is one proof of identity in a session: a password, a
// passkey, a one-time code. Type and DeliveryMethod are open sets: a value this
// package has never heard of is kept as it is. At most one of the details is
// set, and a password has none.
type AuthenticationFactor struct {
	Type                string    `json:"type"`            // "password", "otp", "totp", "webauthn", "oauth", …
	DeliveryMethod      string    `json:"delivery_method"` // "knowledge", "sms", "authenticator_app", …
	LastAuthenticatedAt time.Time `json:"last_authenticated_at,omitzero"`
	CreatedAt           time.Time `json:"created_at,omitzero"` // not stated in JWTs
	UpdatedAt           time.Time `json:"updated_at,omitzero"` // not stated in JWTs

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

// EmailFactor is a magic link or one-time code sent by e-mail.
type EmailFactor struct {
	EmailID      string `json:"email_id"`
	EmailAddress string `json:"email_address"`
}

// PhoneNumberFactor is a one-time code sent by SMS or WhatsApp.
type PhoneNumberFactor struct {
	PhoneID     string `json:"phone_id"`
	PhoneNumber string `json:"phone_number"`
}

// WebAuthnFactor is a passkey or security key.
type WebAuthnFactor struct {
	WebAuthnRegistrationID string `json:"webauthn_registration_id"`
	Domain                 string `json:"domain"`
	UserAgent              string `json:"user_agent,omitempty"`
}

// BiometricFactor is a mobile device's biometric registration.
type BiometricFactor struct {
	BiometricRegistrationID string `json:"biometric_registration_id"`
}

// AuthenticatorAppFactor is a time-based one-time code (TOTP).
type AuthenticatorAppFactor struct {
	TOTPID string `json:"totp_id"`
}

// RecoveryCodeFactor is a recovery code of a TOTP registration.
type RecoveryCodeFactor struct {
	TOTPRecoveryCodeID string `json:"totp_recovery_code_id"`
}

// CryptoWalletFactor is a signature of a crypto wallet.
type CryptoWalletFactor struct {
	CryptoWalletID      string `json:"crypto_wallet_id"`
	CryptoWalletAddress string `json:"crypto_wallet_address"`
	CryptoWalletType    string `json:"crypto_wallet_type"`
}

// EmbeddableMagicLinkFactor is a magic link the app delivered by itself.
type EmbeddableMagicLinkFactor struct {
	EmbeddedID string `json:"embedded_id"`
}

// SSOFactor is a sign-in through a SAML or OpenID Connect connection.
type SSOFactor struct {
	ID         string `json:"id"`
	ProviderID string `json:"provider_id"`
	ExternalID string `json:"external_id"`
}

// ImpersonatedFactor says that somebody else acts as the user.
type ImpersonatedFactor struct {
	ImpersonatorID           string `json:"impersonator_id"`
	ImpersonatorEmailAddress string `json:"impersonator_email_address"`
}

// OAuthAccessTokenExchangeFactor is a Connected App's access token exchanged
// for a session.
type OAuthAccessTokenExchangeFactor struct {
	ClientID string `json:"client_id"`
}

// TrustedAuthTokenFactor is an attested token of another issuer.
type TrustedAuthTokenFactor struct {
	TokenID string `json:"token_id"`
}

// OAuthFactor is a sign-in with an OAuth provider.
type OAuthFactor struct {
	ID              string `json:"id"`
	ProviderSubject string `json:"provider_subject"`
	EmailID         string `json:"email_id,omitempty"`
}

// OAuthExchangeFactor is a provider's OAuth token exchanged for a session.
type OAuthExchangeFactor struct {
	EmailID string `json:"email_id"`
}
