package main

const (
	guards         = "./guard ."
	guard          = "./guard"
	clocks         = "./internal/deadline"
	denylists      = "./internal/denylist . ./internal/attacktest"
	upstreams      = "./internal/upstream . ./internal/attacktest"
	signOuts       = ". ./login"
	upstreamGuards = "./internal/upstream ./guard"
)

// Mutants of the root package, and of the packages that only it uses.
var rootMutants = []mutant{
	// What a request carries.
	{"two Authorization fields", ". onlyValue", never("len", ">", "1"), root},
	{"the form of a bearer token", ". Authenticator.authenticate", never("hasHeaderSyntax"), root},
	{"the form of a bearer token, in Credential", ". Authenticator.Credential", never("hasHeaderSyntax"), root},
	{"the form of a session token", ". isSessionToken", call("consistsOf", `$1 != ""`), root},
	{"the length of a session token", ". isSessionToken", never("maxToken"), root},
	{"repeated cookies", ". FromCookies", never("others"), root},
	{"four candidates", ". FromCookies", never("maxCandidates"), root},
	{"a bad header before a cookie", ". FirstOf", dropOr("ErrNoCredential"), root},
	{"other origins", ". Authenticator.extract", never("isCrossOrigin"), root},
	{"other origins for all but headers", ". Authenticator.extract", dropAnd("Header"), root},
	{"upgrades of other origins", ". isCrossOrigin", never(`"Upgrade"`), root},

	// Whether an entry may be used.
	{"the end of what is cached", ". sessions.usable", dropAnd("Passed"), root},
	{"the key of what is cached", ". sessions.usable", dropAnd("Trusts"), root},
	{"the end of the session", ". sessions.usable", never("IsZero"), root},
	{"revocation of what is cached", ". sessions.usable", inCase(statement("break", "errRevoked"), "Denied"), root},
	{"revocation of what is not cached", ". sessions.usable", never("Denied"), root},
	{"entries from before a purge", ". sessions.usable", inCase(statement("break", "errPurged"), "Purged"), root},

	// The decision.
	{"a revoked or stale JWT", ". sessions.authenticateLocally", drop("usable", "time.Now"), root},
	{"a JWT that only Stytch can judge", ". sessions.authenticateLocally", never("errStale"), root},
	{"other kinds of token", ". sessions.authenticateLocally", never("ThirdParty"), root},
	{"a withdrawn key of a verified JWT", ". sessions.verify", dropAnd("Trusts"), root},
	{"the end of a JWT", ". sessions.verify", call("Add", "$r.Add(24 * time.Hour)", "ExpiresAt"), root},
	{"MaxTokenAge", ". sessions.verify", never("MaxTokenAge"), root},
	{"the end of the session of a JWT", ". sessions.verify", call("EarlierAt", "$r"), root},
	{"a revocation while the user is loaded", ". sessions.admit", never("usableNow"), root},
	{"an answer about another session", ". sessions.refresh", never("isAbout", "!"), root},
	{"an answer about another user", ". entry.isAbout", dropAnd("UserID"), root},
	{"cookies of two users", ". sessions.authenticateCandidates", never("UserID"), root},
	{"an undecided cookie", ". sessions.authenticateCandidates", condition("$0 && best == nil", "undecided"), root},
	{"a revocation during a call", ". sessions.introspectSession", drop("usableNow"), root},
	{"the end of the session in an answer", ". sessions.entryOf", call("EarlierAt", "$r", "-StaleIfError"), root},
	{"the end of a stale answer", ". sessions.stale", dropOr("Passed"), root},
	{"revocation of a stale answer", ". sessions.stale", never("errStale"), root},
	{"an outage for a stale answer", ". sessions.stale", dropOr("isOutage"), root},
	{"remembered rejections", ". caches.isRejected", call("Passed", "!$0"), root},
	{"another user than requested", ". sessions.user", never("ID"), root},
	{"errors that reject a session", "internal/upstream IsSessionRejected", addCase("TypeSessionNotFound", "stytch.TypeUnauthorizedCredentials"), upstreams},

	// Require and Optional.
	{"the result of another Authenticator", ". requestState.isOf", never("auth"), root},
	{"a refused cookie behind Require", ". Authenticator.attach", dropAnd("optional", "-isAnonymous", "-!"), root},
	{"an anonymous request of an outer Optional", ". Authenticator.attach", never("s.err", "optional"), root},
	{"a refused header behind Optional", ". authResult.isAnonymous", dropAnd("Header"), root},
	{"a panic", ". Authenticator.authenticate", drop("ErrPanic"), root},

	// Revocation.
	{"a credential that was signed out", "internal/denylist List.find", never("credentials"), denylists},
	{"a session that was revoked", "internal/denylist List.find", never("isDenied"), denylists},
	{"an answer from before a user was denied", "internal/denylist List.find", never("IsBefore"), denylists},
	{"entries before a purge", "internal/denylist List.Check", swapIfs("find", "purged"), denylists},
	{"an unconfirmed session that counts as confirmed", "internal/denylist List.IsConfirmed", call("isConfirmed", "l.isDenied($1, $2)"), denylists},
	{"room for sign-outs", "internal/denylist List.DenyCredential", never("maxCredentials"), denylists},
	{"room for revocations", "internal/denylist List.Deny", never("hasRoom"), denylists},
	{"a copy of a credential", "internal/denylist List.DenyCredential", call("Clone", "$1", "Token"), denylists},
	{"turns of what waits", "internal/denylist queue.next", drop("MoveToBack"), denylists},
	{"a client that hangs up", ". detach", call("WithoutCancel", "$1"), root},
	{"what was forgotten during a call", ". caches.store", always("since"), root},
	{"a call from before a Forget", ". introspect", dropOr("isForgotten"), root},
	{"the ids of a Forget that are too many", ". forgotten.since", never("floor"), root},
	{"the limit on the JWTs of a session", ". caches.addJWT", statement("c.jwts.Add(key, e, now)", "AddAtMost"), root},
	{"the newest JWT of a session", "internal/lru Cache.leastRecentlyUsed", dropAnd("!="), "./internal/lru"},
	{"the oldest JWT of a session", "internal/lru Cache.leastRecentlyUsed", dropAnd("<"), "./internal/lru"},
	{"an index that follows the values", "internal/lru shard.unlink", drop("index", "next"), "./internal/lru"},
	{"a retry by the token that was signed out", ". sessions.authenticateToken", drop("retryRevocations"), root},
	{"a sign-out that is not stored", ". Authenticator.SignOut", never("errNotKept"), root},
	{"a sign-out in a full class", ". sessions.signOutOne", never("ReasonOverloaded"), root},
	{"a sign-out without room", ". sessions.signOutOne", never("DenyCredential"), root},
	{"another kind of token that signs out", ". sessions.sessionIDOf", always("t", "!"), root},
	{"revocations behind one that fails", ". endsRetry", statement("return err != nil", "isRefusedByClass"), root},
	{"a revocation without room", ". sessions.revoke", never("kept"), root},
	{"a cookie for a revoked session", ". cookieWriter.set", never("Denied"), root},

	// Capacity; see also list_limits.go.
	{"places of verified sessions", "internal/upstream newCapacity", statement("c.reserved[Verified] = 0", "Verified"), upstreams},
	{"places of guards", "internal/upstream newCapacity", statement("c.reserved[Live] = 0", "Live"), upstreamGuards},
	{"places of sign-ins", "internal/upstream newCapacity", statement("c.reserved[SignIns] = 0", "SignIns"), upstreams},
	{"the number of calls", "internal/upstream capacity.hasPlace", comparison("true", "c.shared"), upstreams},
	{"the pause after a 429", "internal/upstream limits.check", never("wait"), upstreams},

	// The clocks.
	{"the wall clock of a deadline", "internal/deadline Deadline.Passed", dropOr("Round"), clocks},
	{"the monotonic clock of a deadline", "internal/deadline Deadline.Passed", dropOr("-Round"), clocks},
	{"the wall clock of a revocation", "internal/deadline Deadline.PassedByAll", dropAnd("Round"), clocks},
	{"the monotonic clock of a revocation", "internal/deadline Deadline.PassedByAll", dropAnd("-Round"), clocks},
	{"the wall clock of a compact deadline", "internal/deadline Compact.PassedByAll", dropAnd("UnixNano"), clocks},
	{"the monotonic clock of a compact deadline", "internal/deadline Compact.PassedByAll", dropAnd("Sub"), clocks},
	{"a clock that was set back, in a throttle", "internal/deadline Throttle.Allow", dropAnd("0"), clocks},

	// Guards.
	{"an identity of NewContext", ". authenticated", dropOr("auth"), guards},
	{"another Authenticator, in Allowed", ". rolesAndPolicy", dropOr("auth"), root},
	{"roles", ". CheckRole", statement("return nil", "ReasonRole"), guards},
	{"permissions", ". CheckPermission", never("Allows"), guards},
	{"fresh factors", ". CheckFresh", call("After", "($0 || true)"), guards},
	{"an answer that has just come from Stytch", ". checkSession", never("s.cached"), guards},
	{"the decider: a JWT", ". entry.decidedBy", never("token"), guards},
	{"the decider: a cache", ". entry.decidedBy", never("cached"), guards},
	{"the session of the answer to a guard", ". sessions.liveEntry", never("isAbout"), guards},
	{"a revocation during the call for another JWT", ". sessions.decideBetween", call("usableNow", "nil"), root},
	{"a revocation during the call for another cookie", ". sessions.authenticateCandidates", call("usableNow", "nil"), root},
	{"a revocation during the call about a user", ". sessions.admit", never("usableNow"), root},
	{"a revocation during a guard's call", ". sessions.liveEntry", call("usableNow", "nil"), guards},
	{"a token with a JWT, in a guard", ". sessions.goneError", dropAnd("secondary"), guards},
	{"another kind of token, in a guard", ". sessions.goneError", dropAnd("thirdParty"), guards},
	{"a token without a JWT, in a guard", ". Credential.forIntrospection", statement("return introspectionCredential{token: c.Token, key: digestOf(c.Token), secondary: true}", "secondary"), guards},
	{"the token as the credential of a guard's call", ". Credential.forIntrospection", dropAnd("isSessionToken"), guards},
	{"values added to a repeated cookie", ". sessions.authenticateCandidates", statement("_ = winner", "reduceTo"), guards},
}
