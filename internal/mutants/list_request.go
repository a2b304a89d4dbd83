package main

// Mutants of what belongs to one request: its credential, its two cookies, its
// context and its response.
var requestMutants = []mutant{
	// The credential of a request and of its context.
	{"another credential than that of the context", ". requestState.isOf", never("wasPresentedAs"), root},
	{"a revocation since the context was made", ". requestState.isOf", statement("return true", "check"), root},
	{"no credential in the context of another", ". requestState.isOf", dropAnd("s.err"), root},
	{"a bad credential in an anonymous context", ". requestState.isOf", dropAnd("err", "-s.err"), root},
	{"another credential, in CheckRequest", ". CheckRequest", never("wasPresentedAs"), guards},
	{"another credential, in a guard", "guard guard", call("sessionauth.CheckRequest", "error(nil)"), guard},
	{"another credential, in Credential", ". Authenticator.Credential", dropAnd("wasPresentedAs"), root},
	{"another token than presented", ". Credential.wasPresentedAs", dropAnd("c.Token"), root},
	{"another JWT than presented", ". Credential.wasPresentedAs", dropAnd("c.JWT"), root},
	{"a header as the credential of cookies", ". Credential.wasPresentedAs", dropAnd("Header"), root},
	{"other values of a repeated cookie", ". Credential.wasPresentedAs", dropAnd("EqualFunc"), root},
	{"other tokens of a repeated cookie", ". Credential.wasPresentedAs", dropAnd("x.Token", "-EqualFunc"), root},
	{"other JWTs of a repeated cookie", ". Credential.wasPresentedAs", dropAnd("x.JWT", "-EqualFunc"), root},
	{"what was presented besides what was accepted", ". Credential.wasPresentedAs", never("presented"), guards},

	// A long request.
	{"another session after a renewal", ". requestState.renewed", never("isAbout"), root},
	{"a revocation in the grace of a request", ". requestState.check", dropAnd("errStale"), root},
	{"the end of the grace of a request", ". requestState.check", dropAnd("requestGrace"), root},
	{"a withdrawn key in the grace of a request", ". requestState.check", dropAnd("Passed", "-requestGrace"), root},

	// Two cookies.
	{"two cookies that are not bound", ". sessions.authenticatePair", never("isBound"), root},
	{"what binds two cookies", ". sessions.isBound", dropAnd("isAbout"), root},
	{"two cookies without __Host-", ". sessions.authenticate", dropAnd("hostOnly"), root},
	{"__Host- of the token", ". FromCookies", dropAnd("HasPrefix", "token"), root},
	{"__Host- of the JWT", ". FromCookies", dropAnd("HasPrefix", "jwt"), root},
	{"a JWT that cannot be trusted beside a token", ". sessions.authenticateTokenOf", drop("reduceTo"), root},
	{"a planted token beside a JWT that cannot be checked", ". sessions.authenticateTokenOf", dropOr("isOfAnother"), root},
	{"a third-party JWT beside a live token", ". sessions.authenticatePair", never("e.thirdParty"), root},
	{"a malformed token beside a JWT", ". sessions.authenticatePair", inCase(drop("reduceTo"), "isSessionToken"), root},
	{"another session of the token", ". sessions.authenticateUnbound", never("isAbout"), root},
	{"a dead token beside a JWT", ". sessions.authenticateUnbound", never("ErrInvalidSession"), root},
	{"a dead token, in the request", ". sessions.authenticateUnbound", inCase(drop("reduceTo"), "ErrInvalidSession"), root},
	{"an outage for two cookies", ". sessions.authenticateUnbound", dropAnd("isOutage"), root},
	{"two cookies during an outage", ". sessions.authenticateUnbound", never("isOutage"), root},
	{"an old JWT of two cookies during an outage", ". sessions.authenticateUnbound", condition("isOutage(err)", "isOutage"), root},
	{"the token of an outage, in the request", ". sessions.authenticateUnbound", inCase(drop("reduceTo"), "isOutage"), root},
	{"an answer about a token that replaces a third-party JWT", ". sessions.store", always("thirdParty", "q.jwt"), root},
	{"the bound of two cookies", ". sessions.authenticateUnbound", statement("q.subject, q.bound = sessionKey(cmp.Or(e.session.ID, e.session.UserID)), upstream.NoBound", "BoundCalls"), root},
	{"two users in two cookies", ". sessions.decideBetween", never("UserID"), root},
	{"an undecided JWT beside another token", ". sessions.decideBetween", never("ErrInvalidSession"), root},
	{"the newer session of a token", ". sessions.decideBetween", never("StartedAt"), root},
	{"the newer session of a JWT", ". sessions.decideBetween", always("StartedAt"), root},
	{"the JWT of another session, in the request", ". sessions.decideBetween", drop("reduceTo", "cred.Token"), root},
	{"the token of another session, in the request", ". sessions.decideBetween", drop("reduceTo", "cred.JWT"), root},
	{"a stale or purged JWT beside a token", ". sessions.continueWithJWT", always("err"), root},

	// Answers for a JWT.
	{"another session of an answer", ". entry.isAbout", dropAnd("ID", "-UserID"), root},
	{"an answer about another session in the cache", ". sessions.store", dropAnd("isAbout"), root},
	{"a stale answer about another session", ". sessions.refresh", dropAnd("isAbout", "old", "-!"), root},
	{"a rejected token that ends the session of a JWT", ". sessions.refresh", dropAnd("q.jwt"), root},
	{"a rejected access token that ends a session", ". sessions.refresh", dropAnd("ThirdParty", "-isSessionToken", "-q.jwt", "!"), root},
	{"an attacker's token beside an old JWT", ". sessions.refresh", never("q.verified"), root},
	{"the age of an answer to a guard", ". sessions.recheck", dropOr("recheckTTL"), guards},
	{"an answer about an access token, in a guard", ". sessions.recheck", always("thirdParty"), guards},
	{"what a live answer is about", ". sessions.liveEntry", drop("thirdParty"), guards},
	{"a cached JWT", ". sessions.authenticateLocally", condition("known != nil", "usable", "known"), root},
	{"a cached token", ". sessions.authenticateToken", condition("e != nil", "==", "nil"), root},

	// Upgrades and origins.
	{"upgrades to HTTP/2", ". withoutH2C", always("ContainsFunc"), root},
	{"upgrades to HTTP/2 in capital letters", ". withoutH2C", call("strings.ToLower", "$1"), root},
	{"the field that upgrades to HTTP/2", ". withoutH2C", drop("delete", `"Upgrade"`), root},
	{"the settings of HTTP/2", ". withoutH2C", drop("delete", `"Http2-Settings"`), root},
	{"a copy of the header", ". withoutH2C", call("h.Clone", "h"), root},
	{"upgrades behind Require", ". Authenticator.attach", never(`"Upgrade"`), root},
	{"another host than the origin's", ". isCrossOrigin", dropOr("Check"), "./internal/attacktest"},
	{"the default port of https", ". normalHost", name(`":443"`, `":80"`), "./internal/attacktest"},
	{"the default port of http", ". normalHost", name(`":80"`, `":443"`), "./internal/attacktest"},
	{"the origin of what came in no header", ". Authenticator.AttachContext", never("Header"), root},

	// The response.
	{"the moment of a late cookie", ". cookieWriter.late", statement("l.leave(); return l", "return", "l"), root},
	{"late cookies that the handler set", ". lateCookies.leave", dropAnd("setsCookie"), root},
	{"late cookies of a body", ". lateCookies.Write", drop("leave"), root},
	{"the form of a refreshed JWT", ". cookieWriter.late", dropAnd("isSessionJWT"), root},
	{"WriteBack", ". Authenticator.attach", dropAnd("WriteBack"), root},
	{"the size of a cookie", ". cookieWriter.set", never("maxCookie"), root},
	{"a cookie for a session that has ended", ". cookieWriter.set", never("Second"), root},
	{"no-store with a cookie", ". put", drop(`"Cache-Control"`), root},
	{"responses in shared caches", ". Authenticator.attach", drop("markPrivate", "s.header"), root},
	{"refusals in shared caches", ". Authenticator.attach", inIf(drop("markPrivate"), "isAnonymous"), root},

	// Factors.
	{"impersonated factors", ". hasFactor", dropAnd("FactorImpersonated"), guards},
	{"the type of a factor", ". hasFactor", dropAnd("slices.Contains"), guards},
	{"the age of a factor of a type", ". hasFactor", dropAnd("IsZero"), guards},
	{"the time of an impersonated factor", "stytch Session.LastFactorAt", dropAnd("FactorImpersonated"), "./stytch ./guard ."},
	{"impersonation", ". CheckNotImpersonated", never("impersonated"), guards},
	{"a negative age", ". oldestFresh", dropOr("maxAge"), guards},

	// What a sign-out revokes.
	{"the origin of a sign-out", ". Authenticator.SignOutCredential", never("isCrossOrigin"), signOuts},
	{"the form of a header that signs out", ". Authenticator.SignOutCredential", never("hasHeaderSyntax"), signOuts},
	{"the sign-out of too many cookies", ". Authenticator.SignOutCredential", never("tooMany"), signOuts},
	{"the cookies beside a header that signs out", ". Authenticator.SignOutCredential", drop("addCookies"), signOuts},
	{"the number of cookies of a sign-out", ". cookieSource.addValue", never("maxSignOutValues"), signOuts},
	{"repeated values of a sign-out", ". cookieSource.addValue", dropOr("Contains"), signOuts},
	{"cookies that are not revoked", ". cookieSource.addValue", drop("s.more"), signOuts},
	{"more cookies than net/http reads", ". cookieSource.addCookies", never("3000"), signOuts},
	{"cookies that are no tokens, in a sign-out", ". cookieSource.addCredential", always("isSessionToken"), signOuts},
	{"cookies that are no JWTs, in a sign-out", ". cookieSource.addCredential", always("isSessionJWT"), signOuts},
	{"the sign-out of what was not accepted", ". sessions.signOut", never("presented"), signOuts},

	// Sign-in.
	{"a password for an unproven session", ". sessions.signInCall", always("provenSession"), signOuts},
	{"the session of another Authenticator, in a step-up", ". sessions.provenSession", dropAnd("state.auth.sessions"), signOuts},
	{"claims of another session", ". Authenticator.SetClaims", dropAnd("ID"), signOuts},
}
