package stytch

import "time"

// A User is a user of the project. In responses of the API, lists without elements
// are empty and not nil.
// See https://stytch.com/docs/api/user-object.
type User struct {
	ID     string   `json:"user_id"` // begins with "user-"
	Status string   `json:"status"`  // "active", or "pending" before the user first verifies an e-mail address or phone number
	Name   Name     `json:"name"`
	Emails []Email  `json:"emails"`
	Roles  []string `json:"roles"` // assigned and default roles; for authorization use Session.Roles

	PhoneNumbers           []PhoneNumber           `json:"phone_numbers"`
	WebAuthnRegistrations  []WebAuthnRegistration  `json:"webauthn_registrations"`
	Providers              []OAuthProvider         `json:"providers"`
	TOTPs                  []TOTP                  `json:"totps"`
	CryptoWallets          []CryptoWallet          `json:"crypto_wallets"`
	BiometricRegistrations []BiometricRegistration `json:"biometric_registrations"`
	Password               *Password               `json:"password"` // nil if the user has none

	// TrustedMetadata can be changed only by the application's server.
	// UntrustedMetadata can also be changed by the user's browser. Both are nil
	// if absent. If you decode them into a struct, encoding/json ignores the
	// case of names; if you decode them into a map, it does not.
	TrustedMetadata   Object `json:"trusted_metadata,omitempty"`
	UntrustedMetadata Object `json:"untrusted_metadata,omitempty"`

	CreatedAt     time.Time  `json:"created_at,omitzero"`
	ExternalID    *string    `json:"external_id"`     // id chosen by the application; nil if not set
	IsLocked      bool       `json:"is_locked"`       // locked after too many failed attempts
	LockCreatedAt *time.Time `json:"lock_created_at"` // nil if not locked
	LockExpiresAt *time.Time `json:"lock_expires_at"` // nil if not locked
}

// Name is the name of a user. Unknown parts are empty.
type Name struct {
	FirstName  string `json:"first_name"`
	MiddleName string `json:"middle_name"`
	LastName   string `json:"last_name"`
}

// Email is an e-mail address of a user.
type Email struct {
	ID       string `json:"email_id"`
	Email    string `json:"email"`
	Verified bool   `json:"verified"` // the user has received a message at this address
}

// PhoneNumber is a phone number of a user, in E.164 format.
type PhoneNumber struct {
	ID          string `json:"phone_id"`
	PhoneNumber string `json:"phone_number"` // such as "+14155550123"
	Verified    bool   `json:"verified"`
}

// WebAuthnRegistration is a passkey or a security key of a user.
type WebAuthnRegistration struct {
	ID                string `json:"webauthn_registration_id"`
	Domain            string `json:"domain"`
	UserAgent         string `json:"user_agent"`
	Verified          bool   `json:"verified"`
	AuthenticatorType string `json:"authenticator_type"` // "platform", "cross-platform" or empty
	Name              string `json:"name"`
}

// OAuthProvider is an OAuth provider with which a user has signed in.
type OAuthProvider struct {
	ProviderType            string `json:"provider_type"` // "Google", "Github", …
	ProviderSubject         string `json:"provider_subject"`
	ProfilePictureURL       string `json:"profile_picture_url"`
	Locale                  string `json:"locale"`
	OAuthUserRegistrationID string `json:"oauth_user_registration_id"`
}

// TOTP is an authenticator app of a user.
type TOTP struct {
	ID       string `json:"totp_id"`
	Verified bool   `json:"verified"`
}

// CryptoWallet is a crypto wallet of a user.
type CryptoWallet struct {
	ID       string `json:"crypto_wallet_id"`
	Address  string `json:"crypto_wallet_address"`
	Type     string `json:"crypto_wallet_type"`
	Verified bool   `json:"verified"`
}

// BiometricRegistration is a biometric registration of a mobile device.
type BiometricRegistration struct {
	ID       string `json:"biometric_registration_id"`
	Verified bool   `json:"verified"`
}

// Password describes the password of a user, but does not contain it.
type Password struct {
	ID            string `json:"password_id"`
	RequiresReset bool   `json:"requires_reset"` // the user must set a new password before the next sign-in
}
