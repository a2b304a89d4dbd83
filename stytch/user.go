package stytch

import "time"

// A User is a person who can sign in, as GET /v1/users/{user_id} gives it.
// See https://stytch.com/docs/api/user-object. Lists are empty, never null, in
// Stytch's answers.
type User struct {
	ID     string   `json:"user_id"`
	Status string   `json:"status"` // "active", or "pending" until something is verified
	Name   Name     `json:"name"`
	Emails []Email  `json:"emails"`
	Roles  []string `json:"roles"` // explicit and default roles; decide on Session.Roles instead

	PhoneNumbers           []PhoneNumber           `json:"phone_numbers"`
	WebAuthnRegistrations  []WebAuthnRegistration  `json:"webauthn_registrations"`
	Providers              []OAuthProvider         `json:"providers"`
	TOTPs                  []TOTP                  `json:"totps"`
	CryptoWallets          []CryptoWallet          `json:"crypto_wallets"`
	BiometricRegistrations []BiometricRegistration `json:"biometric_registrations"`
	Password               *Password               `json:"password"` // nil if the user has none

	// TrustedMetadata is written by the app's back end only, UntrustedMetadata
	// also by the user's browser. Both are JSON objects; nil if not stated.
	TrustedMetadata   Object `json:"trusted_metadata,omitempty"`
	UntrustedMetadata Object `json:"untrusted_metadata,omitempty"`

	CreatedAt     time.Time  `json:"created_at,omitzero"`
	ExternalID    *string    `json:"external_id"` // the app's own id of the user, nil if not set
	IsLocked      bool       `json:"is_locked"`   // too many wrong passwords
	LockCreatedAt *time.Time `json:"lock_created_at"`
	LockExpiresAt *time.Time `json:"lock_expires_at"`
}

// Name is the user's name; parts not given are empty.
type Name struct {
	FirstName  string `json:"first_name"`
	MiddleName string `json:"middle_name"`
	LastName   string `json:"last_name"`
}

// Email is one of a user's e-mail addresses.
type Email struct {
	ID       string `json:"email_id"`
	Email    string `json:"email"`
	Verified bool   `json:"verified"`
}

// PhoneNumber is one of a user's phone numbers, in E.164 form.
type PhoneNumber struct {
	ID          string `json:"phone_id"`
	PhoneNumber string `json:"phone_number"`
	Verified    bool   `json:"verified"`
}

// WebAuthnRegistration is a passkey or security key of the user.
type WebAuthnRegistration struct {
	ID                string `json:"webauthn_registration_id"`
	Domain            string `json:"domain"`
	UserAgent         string `json:"user_agent"`
	Verified          bool   `json:"verified"`
	AuthenticatorType string `json:"authenticator_type"` // "platform", "cross-platform" or empty
	Name              string `json:"name"`
}

// OAuthProvider is a provider the user has signed in with.
type OAuthProvider struct {
	ProviderType            string `json:"provider_type"` // "Google", "Github", …
	ProviderSubject         string `json:"provider_subject"`
	ProfilePictureURL       string `json:"profile_picture_url"`
	Locale                  string `json:"locale"`
	OAuthUserRegistrationID string `json:"oauth_user_registration_id"`
}

// TOTP is an authenticator app of the user.
type TOTP struct {
	ID       string `json:"totp_id"`
	Verified bool   `json:"verified"`
}

// CryptoWallet is a wallet of the user.
type CryptoWallet struct {
	ID       string `json:"crypto_wallet_id"`
	Address  string `json:"crypto_wallet_address"`
	Type     string `json:"crypto_wallet_type"`
	Verified bool   `json:"verified"`
}

// BiometricRegistration is a mobile device's biometric registration.
type BiometricRegistration struct {
	ID       string `json:"biometric_registration_id"`
	Verified bool   `json:"verified"`
}

// Password is what may be known of a user's password.
type Password struct {
	ID            string `json:"password_id"`
	RequiresReset bool   `json:"requires_reset"`
}
