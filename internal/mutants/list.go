package main

const (
	jwt  = "./internal/sessionjwt ."
	root = "."
)

// list names every check that keeps somebody out. Whoever adds a check adds it
// here.
var list = []mutant{
	// The form of a JWT.
	{"the size of a JWT", "internal/sessionjwt/jws.go", "if len(raw) > MaxSize {", "if false {", jwt},
	{"line feeds in a JWT", "internal/sessionjwt/jws.go", `strings.IndexByte(raw, '\n') >= 0 || `, "", jwt},
	{"carriage returns in a JWT", "internal/sessionjwt/jws.go", ` || strings.IndexByte(raw, '\r') >= 0`, "", jwt},
	{"trailing bits of base64", "internal/sessionjwt/jws.go", "base64.RawURLEncoding.Strict()", "base64.RawURLEncoding", jwt},
	{"base64 of the header", "internal/sessionjwt/jws.go", "if !ok1 || !ok2 || !ok3 {", "if _ = ok1; !ok2 || !ok3 {", jwt},
	{"base64 of the payload", "internal/sessionjwt/jws.go", "if !ok1 || !ok2 || !ok3 {", "if _ = ok2; !ok1 || !ok3 {", jwt},
	{"base64 of the signature", "internal/sessionjwt/jws.go", "if !ok1 || !ok2 || !ok3 {", "if _ = ok3; !ok1 || !ok2 {", jwt},
	{"strict JSON of the header", "internal/sessionjwt/jws.go", "members, err := strictjson.Object(header, few[:0])\n	if err != nil {", "members, err := strictjson.Object(header, few[:0])\n	for name, value := range strictjson.Members(header) {\n		members, err = append(members, strictjson.Member{Name: name, Value: value}), nil\n	}\n	if err != nil {", jwt},
	{"strict JSON of the payload", "internal/sessionjwt/verifier.go", "payload, err := strictjson.Object(c.payload, few[:0])\n	if err != nil {", "payload, err := strictjson.Object(c.payload, few[:0])\n	for name, value := range strictjson.Members(c.payload) {\n		payload, err = append(payload, strictjson.Member{Name: name, Value: value}), nil\n	}\n	if err != nil {", jwt},

	// The header.
	{"alg", "internal/sessionjwt/jws.go", `alg != "RS256" || `, `alg == "" || `, jwt},
	{"a missing kid", "internal/sessionjwt/jws.go", `keyID == "" || `, "", jwt},
	{"a long kid", "internal/sessionjwt/jws.go", ` || len(keyID) > 256`, "", jwt},
	{"typ", "internal/sessionjwt/jws.go", `typ != "JWT"`, "typ == typ+typ+\"x\"", jwt},
	{"crit", "internal/sessionjwt/jws.go", `case "crit", "b64", "zip", "cty":`, `case "b64", "zip", "cty":`, jwt},
	{"b64", "internal/sessionjwt/jws.go", `case "crit", "b64", "zip", "cty":`, `case "crit", "zip", "cty":`, jwt},
	{"zip", "internal/sessionjwt/jws.go", `case "crit", "b64", "zip", "cty":`, `case "crit", "b64", "cty":`, jwt},
	{"cty", "internal/sessionjwt/jws.go", `case "crit", "b64", "zip", "cty":`, `case "crit", "b64", "zip":`, jwt},

	// The signature.
	{"the signature", "internal/sessionjwt/jws.go", "if jwt.SigningMethodRS256.Verify(c.signed, c.signature, key) != nil {", "if jwt.SigningMethodRS256.Verify(c.signed, c.signature, key) == jwt.ErrTokenMalformed {", jwt},
	{"the error of the signature", "internal/sessionjwt/verifier.go", "if err := c.verify(key); err != nil {", "if err := c.verify(key); err == context.Canceled {", jwt},

	// The claims.
	{"types of claims", "internal/sessionjwt/claims.go", "ok = ok && valid", "_ = valid", jwt},
	{"the session claim", "internal/sessionjwt/claims.go", "if !ok || c.session == nil || ", "if c.session == nil { c.session = &stytch.Session{ID: \"s\"} }\n\tif !ok || ", jwt},
	{"the kind of subject", "internal/sessionjwt/claims.go", `!strings.HasPrefix(subject, "user-") || `, "", jwt},
	{"characters of the subject", "internal/sessionjwt/claims.go", " || !isIdentifier(subject)", "", jwt},
	{"exp is required", "internal/sessionjwt/claims.go", "c.expiresAt.IsZero() || ", "", jwt},
	{"iat is required", "internal/sessionjwt/claims.go", " || c.issuedAt.IsZero()", "", jwt},
	{"scope and client_id", "internal/sessionjwt/claims.go", "c.foreign = true", "c.foreign = false", jwt},
	{"Stytch's own keys among custom claims", "internal/sessionjwt/claims.go", "if !strings.HasPrefix(string(name), stytchPrefix) {", "if true {", jwt},
	{"dates beyond the year 9999", "internal/sessionjwt/claims.go", "0 < n && n < endOfYear9999", "0 < n", jwt},
	{"dates before 1970", "internal/sessionjwt/claims.go", "0 < n && n < endOfYear9999", "n < endOfYear9999", jwt},
	{"fractions out of range", "internal/sessionjwt/claims.go", "err != nil || f < 1 || f >= endOfYear9999", "err != nil", jwt},
	{"the session's id", "internal/sessionjwt/session.go", "return s, isIdentifier(s.ID)", "return s, true", jwt},
	{"types inside the session", "internal/sessionjwt/session.go", "		if !valid {\n			return nil, false\n		}\n	}\n	return s,", "	_ = valid\n	}\n	return s,", jwt},
	{"iss", "internal/sessionjwt/verifier.go", "if !slices.Contains(v.Issuers, c.issuer) {", "if false {", jwt},
	{"aud", "internal/sessionjwt/verifier.go", "if !slices.Contains(c.audience, v.Audience) {", "if false {", jwt},
	{"exp before iat", "internal/sessionjwt/verifier.go", "lifetime <= 0 || ", "", jwt},
	{"an hour of life", "internal/sessionjwt/verifier.go", "lifetime > maxLifetime || ", "", jwt},
	{"iat in the future", "internal/sessionjwt/verifier.go", "c.issuedAt.After(latest) || ", "", jwt},
	{"nbf", "internal/sessionjwt/verifier.go", " || c.notBefore.After(latest)", "", jwt},

	// The key set.
	{"the size of a key set", "internal/sessionjwt/jwk.go", "len(document) > maxKeySetSize || ", "", jwt},
	{"strict JSON of a key set", "internal/sessionjwt/jwk.go", " || strictjson.CheckObject(document) != nil", "", jwt},
	{"the number of keys", "internal/sessionjwt/jwk.go", "count > maxKeys || ", "", jwt},
	{"repeated key ids", "internal/sessionjwt/jwk.go", " || seen[k.keyID] {", " {", jwt},
	{"an empty key set", "internal/sessionjwt/jwk.go", "if len(usable) == 0 {", "if false {", jwt},
	{"the kind of key", "internal/sessionjwt/jwk.go", `k.keyType != "RSA" ||`, "false ||", jwt},
	{"the algorithm of a key", "internal/sessionjwt/jwk.go", `k.alg != "" && k.alg != "RS256" ||`, "false ||", jwt},
	{"the use of a key", "internal/sessionjwt/jwk.go", `k.use != "" && k.use != "sig" ||`, "false ||", jwt},
	{"the operations of a key", "internal/sessionjwt/jwk.go", `k.keyOps != nil && !slices.Contains(k.keyOps, "verify")`, `slices.Contains(k.keyOps, "nothing")`, jwt},
	{"published private keys", "internal/sessionjwt/jwk.go", "ok = false // a private", "ok = true // a private", jwt},
	{"small exponents", "internal/sessionjwt/jwk.go", "exponent < 65537 || ", "", jwt},
	{"even exponents", "internal/sessionjwt/jwk.go", "exponent%2 == 0 ||", "false ||", jwt},
	{"short moduli", "internal/sessionjwt/jwk.go", "modulus.BitLen() < 2048 || ", "", jwt},
	{"long moduli", "internal/sessionjwt/jwk.go", "modulus.BitLen() > 8192 || ", "", jwt},
	{"factorable moduli", "internal/sessionjwt/jwk.go", "		isROCA(modulus) {", "		modulus.Sign() == 0 {", jwt},
	{"a copy of the payload, without the signature beside it", "internal/sessionjwt/verifier.go", "strings.Clone(c.sent.Payload)", "c.sent.Payload", root},
	{"a copy of the header, without the signature beside it", "internal/sessionjwt/verifier.go", "strings.Clone(c.sent.Header)", "strings.TrimSpace(c.sent.Header)", root},
	{"the header of a JWT whose signature is known", "internal/sessionjwt/verifier.go", "t.payload == p.Payload && t.header == p.Header", "t.payload == p.Payload", root},
	{"the payload of a JWT whose signature is known", "internal/sessionjwt/verifier.go", "t.payload == p.Payload && t.header == p.Header", "t.header == p.Header", root},
	{"a withdrawn key", "internal/sessionjwt/verifier.go", "set != nil && (set == t.set || set.Value[t.keyID] == t.key)", "set != nil", jwt},
	{"a withdrawn key of a JWT that is known", "verify.go", "known != nil && a.verifier.Trusts(known.token, time.Now())", "known != nil", root},
	{"a JWT signed out while no key set was to be had", "revocation.go", "l.signedOut.Load() > 0 && l.hasDigest(digestOf(credential), now)", "false && l.hasDigest(digestOf(credential), now)", root},
	{"marks that are counted before they are set", "revocation.go", "	l.count(m, 1)\n	l.drop(key)\n	l.marks[key] = m", "	l.drop(key)\n	l.marks[key] = m\n	l.count(m, 1)", root},
	{"the list before its floor", "verify.go", "a.revoked.has(e.session.ID, now) || a.revoked.predates(e.vouchedAt, a.skew(e.token))", "a.revoked.predates(e.vouchedAt, a.skew(e.token)) || a.revoked.has(e.session.ID, now)", root},
	{"30 s between fetches", "internal/kept/kept.go", "if now.Before(v.next) {", "if false {", "./internal/kept ./internal/sessionjwt ."},
	{"a day without a key set", "internal/kept/kept.go", "if s == nil || s.end.Passed(now) {\n		return nil\n	}\n	if s.refresh", "if s == nil {\n		return nil\n	}\n	if s.refresh", "./internal/kept ./internal/sessionjwt ."},

	// What a request carries.
	{"two Authorization fields", "extractor.go", "	values := r.Header[\"Authorization\"]\n	if len(values) > 1 {", "	values := r.Header[\"Authorization\"]\n	if false {", root},
	{"the form of a bearer token", "middleware.go", "if isMalformed(err) && !cred.hasHeaderSyntax() {", "if false {", root},
	{"the form of a bearer token, for others", "credential.go", "if err == nil && !cred.hasHeaderSyntax() {", "if false {", root},
	{"the form of an opaque token", "credential.go", "return isOf(strings.TrimSuffix(strings.TrimSuffix(s, \"=\"), \"=\"), notBase64URL)", "return strings.TrimSuffix(s, \"=\") != \"\"", root},
	{"the length of an opaque token", "credential.go", "if len(s) < 16 || len(s) > maxToken {", "if false {", root},
	{"repeated cookies", "extractor.go", "if len(tokens.others)+len(jwts.others) > 0 {", "if false {", root},
	{"four candidates", "extractor.go", "if len(list) > maxCandidates {", "if false {", root},
	{"a bad header before a cookie", "extractor.go", "if err == nil || !errors.Is(err, ErrNoCredential) {", "if err == nil || !errors.Is(err, ErrNoCredential) && err == nil {", root},
	{"a bad header before a cookie, by default", "credential.go", "err == ErrNoCredential {\n		cred", "err != nil {\n		cred", root},
	{"other origins", "credential.go", "if !cred.Header && a.isCrossOrigin(r) {", "if false {", root},
	{"other origins for all but headers", "credential.go", "if !cred.Header && a.isCrossOrigin(r) {", "if cred.Header && a.isCrossOrigin(r) {", root},
	{"upgrades of other origins", "credential.go", `if len(r.Header["Upgrade"]) > 0 {`, "if false {", root},

	// The decision.
	{"the end of what is cached", "verify.go", "return !e.end.Passed(now) && !a.isRevoked(e, now) &&", "return !a.isRevoked(e, now) &&", root},
	{"revocation of what is cached", "verify.go", "return !e.end.Passed(now) && !a.isRevoked(e, now) &&", "return !e.end.Passed(now) &&", root},
	{"the key of what is cached", "verify.go", "(e.token == nil || a.verifier.Trusts(e.token, now))", "true", root},
	{"the end of a JWT's session", "verify.go", "if end := t.Session.ExpiresAt; !end.IsZero() && !now.Before(end) {", "if end := t.Session.ExpiresAt; end.IsZero() && !now.Before(end) && false {", root},
	{"a revoked JWT", "verify.go", "	if a.revoked.has(t.Session.ID, now) {\n		return nil, errRevoked", "	if false {\n		return nil, errRevoked", root},
	{"staleness", "verify.go", "if a.isStale(t, time.Now()) {", "if false {", root},
	{"other kinds of token", "verify.go", "return t.Foreign || ", "return ", root},
	{"the end of a JWT", "verify.go", " || a.jwtEnd(t, now).Passed(now)", "", root},
	{"MaxTokenAge", "verify.go", "if a.config.MaxTokenAge > 0 {\n		end", "if false {\n		end", root},
	{"an answer about another session", "verify.go", "	if !isSameSession(e, t) {\n		return nil, false, a.otherSession(q)", "	if false {\n		return nil, false, a.otherSession(q)", root},
	{"another user's answer", "verify.go", "return e.session.ID == t.Session.ID && e.session.UserID == t.Session.UserID", "return e.session.ID == t.Session.ID", root},
	{"two users' cookies", "verify.go", "case best != nil && best.session.UserID != e.session.UserID:", "case false:", root},
	{"an undecided cookie", "verify.go", "	if undecided != nil {\n		return nil, false, undecided", "	if undecided != nil && best == nil {\n		return nil, false, undecided", root},
	{"revocation while a call is under way", "ask.go", "	if a.revoked.has(e.session.ID, now) {\n		return errRevoked", "	if false {\n		return errRevoked", root},
	{"the session's end in an answer", "ask.go", "if end := e.session.ExpiresAt; !end.IsZero() && !now.Before(end) {", "if end := e.session.ExpiresAt; end.IsZero() && !now.Before(end) && false {", root},
	{"remembered rejections", "cache.go", "	end, ok := c.rejected.get(k, now)\n	return ok && !end.Passed(now)", "	end, ok := c.rejected.get(k, now)\n	return ok && end.Passed(now)", root},
	{"another user than asked for", "ask.go", "if user.ID != id { // the", "if false { // the", root},
	{"what is no is no", "upstream.go", "case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeUnableToParseSessionJWT:\n		return true", "case stytch.TypeSessionNotFound, stytch.TypeInvalidSessionToken, stytch.TypeUnableToParseSessionJWT, stytch.TypeUnauthorizedCredentials:\n		return true", root},
	{"what NewContext made", "check.go", "if c == nil || c.auth == nil {", "if c == nil {", ". ./guard"},
	{"another Authenticator's decision", "middleware.go", "c != nil && c.auth == a {", "c != nil && c.auth != nil {", root},
	{"a refused cookie behind Optional", "middleware.go", "d.err == nil || optional && d.isAnonymous()", "d.err == nil || d.isAnonymous()", root},
	{"who is anonymous further out", "middleware.go", "if c.err != nil && !optional {", "if false {", root},
	{"a refused header in Optional", "middleware.go", " && !d.credential.Header", "", root},
	{"a token of a revoked session", "verify.go", "	if ok && a.revoked.has(e.session.ID, now) {", "	if false {", root},
	{"a retry by the token that was signed out", "verify.go", "		a.retryRevocations() // this", "		// this", root},
	{"what is not kept of a sign-out", "signout.go", "	if errors.Is(err, errNotKept) {", "	if false {", root},
	{"who waits behind a revocation that fails", "signout.go", "				break\n", "				return\n", root},
	{"room beside Live", "lanes.go", "which == live && l.inFlight[live] >= max(1, l.max/2),", "false,", "./guard"},
	{"revoked sessions get no cookie", "cookies.go", "if a.revoked.has(s.ID, now) {", "if false {", root},

	// The clock.
	{"a wall clock that was set", "internal/deadline/deadline.go", "since < readAfter {", "true {", "./internal/deadline"},
	{"a reading ahead of the clock", "internal/deadline/deadline.go", "0 <= since && ", "", "./internal/deadline"},
	{"the monotonic clock of a reading", "internal/deadline/deadline.go", "return read.Add(since)", "return read.Round(0).Add(since)", "./internal/deadline"},

	// Guards.
	{"roles", "check.go", "return &Error{Kind: ErrForbidden, Reason: ReasonRole}", "return nil", ". ./guard"},
	{"permissions", "check.go", "if !p.Value.Allows(c.entry.session.Roles, resource, action) {", "if false {", ". ./guard"},
	{"who the answer to a guard is about", "check.go", "if answer.Session.ID != c.entry.session.ID || answer.Session.UserID != c.entry.session.UserID {", "if false {", ". ./guard"},
	{"a token that came along, in a guard", "check.go", "isNotFound(err) && !c.along && ", "isNotFound(err) && ", ". ./guard"},
	{"a JWT of another kind, in a guard", "check.go", " && !c.entry.foreign {", " {", "./guard"},
	{"a repeated cookie, in a guard", "check.go", `case c.sent == "":`, "case false:", ". ./guard"},
	{"what a guard asks with", "check.go", "		return c.Token, true\n	}", "	}", ". ./guard"},
	{"what Stytch itself just said", "check.go", "if c.entry.by(c.cached) == Stytch {", "if false {", ". ./guard"},
	{"who decided: a JWT", "cache.go", "	case e.token != nil:\n		return Local", "	case false:\n		return Local", ". ./guard"},
	{"who decided: a cache", "cache.go", "	case cached:\n", "	case false:\n", ". ./guard"},
	{"fresh factors", "check.go", "return !last.IsZero() && time.Since(last) <= maxAge", "return maxAge > 0 || last.IsZero()", ". ./guard"},

	// Sign-in.
	{"a step-up by somebody else", "login/login.go", "if answer.UserID != id.Session.UserID || answer.Session.ID != id.Session.ID {", "if false {", "./login"},
	{"the origin of a sign-in", "login/input.go", "return h.config.Auth.CheckOrigin(r)", "return nil", "./login"},
	{"backslashes in return_to", "login/redirect.go", "r < ' ' || r == 0x7f || r == '\\\\'", "r < ' ' || r == 0x7f", "./login"},
	{"hosts in return_to", "login/redirect.go", ` || strings.HasPrefix(s, "//")`, "", "./login"},
	{"two slashes in return_to", "login/redirect.go", `strings.Contains(u.Path, "//") || `, "", "./login"},

	// The client.
	{"ids in an answer", "stytch/calls.go", `case s.ID == "":`, "case false:", "./stytch"},
	{"users in an answer", "stytch/calls.go", "case u.ID != s.UserID:", "case false:", "./stytch"},
	{"the verdict", "stytch/calls.go", "(answer.Verdict == nil || !answer.Verdict.Authorized)", "false", "./stytch"},
	{"strict JSON of an answer", "stytch/client.go", "if err := strictjson.CheckAnswer(raw); err != nil {", "if err := strictjson.CheckAnswer(raw); err == strictjson.ErrNotObject {", "./stytch"},
	{"the size of an answer", "stytch/client.go", "if int64(len(raw)) > limit {", "if false {", "./stytch"},
	{"plain http to other hosts", "stytch/client.go", `u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname()))`, `u.Scheme != "https" && u.Scheme != "http"`, ". ./stytch"},
}
