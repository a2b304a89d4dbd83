package main

const (
	guards = ". ./guard"
	guard  = "./guard"
)

// Mutants of the root package, and of the packages that only it uses.
var rootMutants = []mutant{
	// What a request carries.
	{"two Authorization fields", ". FromBearer", never("len", ">", "1"), root},
	{"the form of a bearer token", ". Authenticator.settle", never("hasHeaderSyntax"), root},
	{"the form of a bearer token, for others", ". Authenticator.Credential", never("hasHeaderSyntax"), root},
	{"the form of an opaque token", ". isSessionToken", call("isOf", `$1 != ""`), root},
	{"the length of an opaque token", ". isSessionToken", never("maxToken"), root},
	{"repeated cookies", ". FromCookies", never("others"), root},
	{"four candidates", ". candidates", never("maxCandidates"), root},
	{"a bad header before a cookie", ". FirstOf", dropOr("ErrNoCredential"), root},
	{"a bad header before a cookie, by default", ". Authenticator.find", comparison("$x != nil", "ErrNoCredential"), root},
	{"other origins", ". Authenticator.find", never("isCrossOrigin"), root},
	{"other origins for all but headers", ". Authenticator.find", dropAnd("Header"), root},
	{"upgrades of other origins", ". Authenticator.isCrossOrigin", never(`"Upgrade"`), root},

	// The decision.
	{"the end of what is cached", ". Authenticator.holds", dropAnd("Passed"), root},
	{"revocation of what is cached", ". Authenticator.holds", dropAnd("isRevoked"), root},
	{"the key of what is cached", ". Authenticator.holds", dropAnd("Trusts"), root},
	{"the denylist before its floor", ". Authenticator.isRevoked", swapOr("has", "predates"), root},
	{"a withdrawn key of a verified JWT", ". Authenticator.verifyJWT", dropAnd("Trusts"), root},
	{"the end of a JWT's session", ". Authenticator.verifyJWT", never("Session.ExpiresAt"), root},
	{"a revoked JWT", ". Authenticator.verifyJWT", never("Session.ID"), root},
	{"staleness", ". Authenticator.decideOne", never("isStale"), root},
	{"other kinds of token", ". Authenticator.isStale", dropOr("ThirdParty"), root},
	{"the end of a JWT", ". Authenticator.isStale", dropOr("jwtEnd"), root},
	{"MaxTokenAge", ". Authenticator.jwtEnd", never("MaxTokenAge"), root},
	{"an answer about another session", ". Authenticator.refresh", never("isSameSession", "-holds", "-stale"), root},
	{"an answer about another user", ". isSameSession", dropAnd("UserID"), root},
	{"cookies of two users", ". Authenticator.decideAmong", never("UserID"), root},
	{"an undecided cookie", ". Authenticator.decideAmong", condition("$0 && best == nil", "undecided"), root},
	{"revocation during a call", ". Authenticator.checkAnswer", never("session.ID"), root},
	{"the end of the session in an answer", ". Authenticator.checkAnswer", never("session.ExpiresAt"), root},
	{"remembered rejections", ". caches.isRejected", call("Passed", "!$0"), root},
	{"another user than requested", ". Authenticator.user", never("ID"), root},
	{"errors that reject a session", ". isNo", addCase("TypeSessionNotFound", "stytch.TypeUnauthorizedCredentials"), root},
	{"the result of another Authenticator", ". Authenticator.decidedBefore", comparison("$x != nil", "auth"), root},
	{"a refused cookie behind Optional", ". decided.passes", dropAnd("optional"), root},
	{"a panic", ". Authenticator.settle", drop("panicError"), root},
	{"an anonymous request of an outer Optional", ". Authenticator.handler", never("err", "optional"), root},
	{"a refused header in Optional", ". decided.isAnonymous", dropAnd("Header"), root},

	// Revocation.
	{"a JWT signed out without a key set", ". revokedList.hasCredential", comparison("false", "signedOut"), root},
	{"entries that are counted before they are set", ". revokedList.put", both(drop("count"), statement("$0; l.count(m, 1)", "marks", "key")), root},
	{"a token of a revoked session", ". Authenticator.decideToken", never("session.ID"), root},
	{"a retry by the token that was signed out", ". Authenticator.decideToken", drop("retryRevocations"), root},
	{"a sign-out that is not stored", ". Authenticator.SignOut", never("errNotKept"), root},
	{"revocations behind one that fails", ". Authenticator.retryRevocations", statement("return", "break"), root},
	{"room beside Live", ". lanes.enter", never("live", "2"), guard},
	{"a cookie for a revoked session", ". Authenticator.setCookie", never("ID"), root},

	// The clock.
	{"a wall clock that was set", "internal/deadline Clock.Now", dropAnd("readAfter"), "./internal/deadline"},
	{"a reading ahead of the clock", "internal/deadline Clock.Now", dropAnd("0"), "./internal/deadline"},
	{"the monotonic clock of a reading", "internal/deadline Clock.Now", call("Add", "$r.Round(0).Add($1)"), "./internal/deadline"},

	// Guards.
	{"an identity of NewContext", ". decision", dropOr("auth"), guards},
	{"roles", ". CheckRole", statement("return nil", "ReasonRole"), guards},
	{"permissions", ". CheckPermission", never("Allows"), guards},
	{"the session of the answer to a guard", ". Authenticator.vouched", never("UserID"), guards},
	{"a token with a JWT, in a guard", ". Authenticator.gone", dropAnd("along"), guards},
	{"a JWT of another kind, in a guard", ". Authenticator.gone", dropAnd("foreign"), guards},
	{"a token without a JWT, in a guard", ". Credential.toAskWith", inCase(name("false", "true"), "JWT", `""`), guard},
	{"values added to a repeated cookie, in a guard", ". Credential.toAskWith", never("candidates"), guards},
	{"the credential of a guard's call", ". Credential.toAskWith", never("isSessionToken"), guards},
	{"a repeated cookie, in a guard", ". carried.question", never("sent", `""`), guards},
	{"an answer that has just come from Stytch", ". checkSession", never("Stytch"), guards},
	{"the decider: a JWT", ". entry.by", never("token"), guards},
	{"the decider: a cache", ". entry.by", never("cached"), guards},
	{"fresh factors", ". CheckFresh", comparison("$y > 0", "<="), guards},
}
