package stytch

import "slices"

// Clone returns a deep copy of s, which shares no memory with s. It returns nil if s
// is nil.
func (s *Session) Clone() *Session {
	if s == nil {
		return nil
	}
	c := *s
	c.Roles = slices.Clone(s.Roles)
	c.Attributes = clone(s.Attributes)
	c.CustomClaims = slices.Clone(s.CustomClaims)
	c.Factors = slices.Clone(s.Factors)
	for i := range c.Factors {
		c.Factors[i].detach()
	}
	return &c
}

// detach replaces each pointer of f, a shallow copy, by a pointer to a copy.
func (f *AuthenticationFactor) detach() {
	f.EmailFactor = clone(f.EmailFactor)
	f.PhoneNumberFactor = clone(f.PhoneNumberFactor)
	f.WebAuthnFactor = clone(f.WebAuthnFactor)
	f.BiometricFactor = clone(f.BiometricFactor)
	f.AuthenticatorAppFactor = clone(f.AuthenticatorAppFactor)
	f.RecoveryCodeFactor = clone(f.RecoveryCodeFactor)
	f.CryptoWalletFactor = clone(f.CryptoWalletFactor)
	f.EmbeddableMagicLinkFactor = clone(f.EmbeddableMagicLinkFactor)
	f.SAMLSSOFactor = clone(f.SAMLSSOFactor)
	f.OIDCSSOFactor = clone(f.OIDCSSOFactor)
	f.ImpersonatedFactor = clone(f.ImpersonatedFactor)
	f.OAuthAccessTokenExchangeFactor = clone(f.OAuthAccessTokenExchangeFactor)
	f.TrustedAuthTokenFactor = clone(f.TrustedAuthTokenFactor)
	for _, p := range []**OAuthFactor{
		&f.AmazonOAuthFactor, &f.AppleOAuthFactor, &f.BitbucketOAuthFactor, &f.CoinbaseOAuthFactor,
		&f.DiscordOAuthFactor, &f.FacebookOAuthFactor, &f.FigmaOAuthFactor, &f.GitHubOAuthFactor,
		&f.GitLabOAuthFactor, &f.GoogleOAuthFactor, &f.HubspotOAuthFactor, &f.InstagramOAuthFactor,
		&f.LinkedInOAuthFactor, &f.MicrosoftOAuthFactor, &f.SalesforceOAuthFactor, &f.ShopifyOAuthFactor,
		&f.SlackOAuthFactor, &f.SnapchatOAuthFactor, &f.SpotifyOAuthFactor, &f.SteamOAuthFactor,
		&f.TikTokOAuthFactor, &f.TwitchOAuthFactor, &f.TwitterOAuthFactor, &f.YahooOAuthFactor,
	} {
		*p = clone(*p)
	}
	for _, p := range []**OAuthExchangeFactor{
		&f.GitHubOAuthExchangeFactor, &f.GoogleOAuthExchangeFactor,
		&f.HubspotOAuthExchangeFactor, &f.SlackOAuthExchangeFactor,
	} {
		*p = clone(*p)
	}
}

// Clone returns a deep copy of u, which shares no memory with u. It returns nil if u
// is nil.
func (u *User) Clone() *User {
	if u == nil {
		return nil
	}
	c := *u
	c.Emails = slices.Clone(u.Emails)
	c.Roles = slices.Clone(u.Roles)
	c.PhoneNumbers = slices.Clone(u.PhoneNumbers)
	c.WebAuthnRegistrations = slices.Clone(u.WebAuthnRegistrations)
	c.Providers = slices.Clone(u.Providers)
	c.TOTPs = slices.Clone(u.TOTPs)
	c.CryptoWallets = slices.Clone(u.CryptoWallets)
	c.BiometricRegistrations = slices.Clone(u.BiometricRegistrations)
	c.Password = clone(u.Password)
	c.TrustedMetadata = slices.Clone(u.TrustedMetadata)
	c.UntrustedMetadata = slices.Clone(u.UntrustedMetadata)
	c.ExternalID = clone(u.ExternalID)
	c.LockCreatedAt = clone(u.LockCreatedAt)
	c.LockExpiresAt = clone(u.LockExpiresAt)
	return &c
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
