package main

// Mutants of the limits of calls, of what is remembered about revocations, and of
// Forget.
var limitMutants = []mutant{
	// Calls.
	{"the pause of a subject", "internal/upstream limits.observe", never("Subject"), upstreams},
	{"the pause of a class", "internal/upstream limits.check", never("After"), upstreams},
	{"a pause of a class for one subject", "internal/upstream pause.add", never("pauseAfter"), upstreams},
	{"a pause of a class for one subject again", "internal/upstream pause.add", dropOr("subject"), upstreams},
	{"a pause of a class for old answers", "internal/upstream pause.add", dropOr("pausePeriod"), upstreams},
	{"a pause for the address of another", "internal/upstream limits.observe", dropOr("Personal"), upstreams},
	{"the bound of calls that have ended", "internal/upstream limits.check", comparison("true", "boundPeriod"), upstreams},
	{"the bound of calls that have ended, of guards", "internal/upstream limits.check", dropOr("boundCalls"), upstreams},
	{"the bound of calls under way", "internal/upstream limits.check", dropOr("underWay"), upstreams},
	{"calls that count", "internal/upstream capacity.leave", drop("add"), upstreams},
	{"rejections that count", "internal/upstream isCounted", dropOr("isAnswered"), upstreams},
	{"successes that count", "internal/upstream isCounted", name("true", "false"), upstreams},
	{"an outage that counts", "internal/upstream isCounted", never("isFault"), upstreams},
	{"the number of subjects", "internal/upstream recentMap.put", dropOr("max"), upstreams},
	{"garbage about one subject", "internal/upstream breaker.leave", never("Contains"), upstreams},
	{"the place of a token never seen", ". sessions.tokenQuery", statement("return &query{token: token, key: key, verified: true, subject: key}", "return", "-verified"), root},
	{"the bound of a proven session", ". query.refreshing", never("q.verified"), root},
	{"the bound of access tokens", ". query.refreshing", statement("q.answerKey = key", "BoundCalls"), root},
	{"the answer about an access token", ". query.refreshing", statement("bound = upstream.BoundCalls", "BoundCalls"), root},

	// The key set.
	{"a burst of fetches", "internal/remote Value.allowedAt", call("max", "1000"), remote},
	{"fetches that count", "internal/remote Value.count", drop("interval"), remote},
	{"the time without fetches", "internal/remote Value.count", never("Before"), remote},

	// Revocations.
	{"what was vouched for before a purge", "internal/denylist List.Check", never("purged"), denylists},
	{"a purge by a clock behind that of Stytch", ". sessions.usable", drop("asOf.Add"), root},
	{"the moment of a purge", "internal/denylist List.makeRoom", statement("_ = moment", "Store"), denylists},
	{"room for confirmed revocations", "internal/denylist List.makeRoom", always("maxConfirmed"), denylists},
	{"the reserve for sessions, in entries", "internal/denylist List.DenyCredential", dropOr("maxCredentials"), denylists},
	{"the reserve for sessions, in bytes", "internal/denylist List.DenyCredential", dropOr("maxCredentialBytes"), denylists},
	{"a later denial of a user", "internal/denylist List.DenyUserBefore", drop("old.before"), denylists},
	{"how long a revocation is kept for a clock ahead", ". newSessions", comparison("$x", "max", "Leeway"), root},
	{"how long a revocation is kept for a cache", ". newSessions", call("max", "$1"), root},

	// Forget.
	{"JWTs, in Forget", ". caches.forget", drop("jwts"), root},
	{"tokens, in Forget", ". caches.forget", drop("tokens"), root},
	{"answers, in Forget", ". caches.forget", drop("answers"), root},
	{"users, in Forget", ". caches.forget", drop("users"), root},
	{"the ids of a Forget", ". forgotten.record", statement("_ = id", "digestOf"), root},
	{"the ids of an earlier Forget", ". forgotten.since", call("max", "$1"), root},
	{"a Forget of others", ". forgotten.since", dropAnd("max"), root},
}
