package main

const (
	jwt    = "./internal/sessionjwt ./internal/attacktest ."
	remote = "./internal/remote ./internal/sessionjwt ."
	root   = ". ./internal/attacktest ./internal/outagetest"
)

// lenient is a strictjson.Object that takes repeated names and other nonsense.
const lenient = `func(b []byte, members []strictjson.Member) ([]strictjson.Member, error) {
	for name, value := range strictjson.Members(b) {
		members = append(members, strictjson.Member{Name: name, Value: value})
	}
	return members, nil
}($1, $2)`

// Each check that keeps an attacker out has a mutant. A new check needs one too.
var jwtMutants = []mutant{
	// The form of a JWT.
	{"the size of a JWT", "internal/sessionjwt parseCompact", never("MaxSize"), jwt},
	{"line feeds in a JWT", "internal/sessionjwt parseCompact", dropOr(`'\n'`), jwt},
	{"carriage returns in a JWT", "internal/sessionjwt parseCompact", dropOr(`'\r'`), jwt},
	{"trailing bits of base64", "internal/sessionjwt base64url", call("Strict", "$r"), jwt},
	{"base64 of the header", "internal/sessionjwt parseCompact", dropOrAt(0, 3), jwt},
	{"base64 of the payload", "internal/sessionjwt parseCompact", dropOrAt(1, 3), jwt},
	{"base64 of the signature", "internal/sessionjwt parseCompact", dropOrAt(2, 3), jwt},
	{"strict JSON of the header", "internal/sessionjwt parseHeader", call("strictjson.Object", lenient), jwt},
	{"strict JSON of the payload", "internal/sessionjwt Verifier.Verify", call("strictjson.Object", lenient), jwt},

	// The header.
	{"alg", "internal/sessionjwt parseHeader", comparison(`$x == ""`, `"RS256"`), jwt},
	{"a missing kid", "internal/sessionjwt parseHeader", dropOr(`""`, "=="), jwt},
	{"a long kid", "internal/sessionjwt parseHeader", dropOr("256"), jwt},
	{"typ", "internal/sessionjwt parseHeader", never(`"JWT"`), jwt},
	{"crit", "internal/sessionjwt parseHeader", dropCase(`"crit"`), jwt},
	{"b64", "internal/sessionjwt parseHeader", dropCase(`"b64"`), jwt},
	{"zip", "internal/sessionjwt parseHeader", dropCase(`"zip"`), jwt},
	{"cty", "internal/sessionjwt parseHeader", dropCase(`"cty"`), jwt},

	// The signature.
	{"the signature", "internal/sessionjwt compact.verify", never("SigningMethodRS256"), jwt},
	{"the error of the signature", "internal/sessionjwt Verifier.Verify", never("verify"), jwt},

	// The claims.
	{"types of claims", "internal/sessionjwt parseClaims", dropAndAt(1, 2), jwt},
	{"the session claim", "internal/sessionjwt claims.checkKind", comparison(`func() bool {
		if $x == nil {
			$x = &stytch.Session{ID: "s"}
		}
		return false
	}()`, "session", "nil", "=="), jwt},
	{"the kind of subject", "internal/sessionjwt claims.checkKind", never(`"user-"`), jwt},
	{"characters of the subject", "internal/sessionjwt claims.checkKind", never("isIdentifier"), jwt},
	{"exp is required", "internal/sessionjwt parseClaims", dropOr("expiresAt"), jwt},
	{"iat is required", "internal/sessionjwt parseClaims", dropOr("issuedAt"), jwt},
	{"scope and client_id", "internal/sessionjwt claims.checkKind", never("scope", "clientID"), jwt},
	{"the sessions of members", "internal/sessionjwt claims.checkKind", never(`"member-"`), jwt},
	{"the tokens of machines", "internal/sessionjwt claims.checkKind", never(`"m2m-client-"`), jwt},
	{"client_id alone", "internal/sessionjwt claims.isUndecided", dropOr("clientID"), jwt},
	{"scope with another mark of an access token", "internal/sessionjwt claims.isUndecided", dropOr("scope"), jwt},
	{"scope and jti", "internal/sessionjwt claims.isUndecided", dropOr("jti", "-scope"), jwt},
	{"scope and a long life", "internal/sessionjwt claims.isUndecided", dropOr("sessionLifetime", "-scope"), jwt},
	{"a session claim that cannot be read", "internal/sessionjwt claims.isUndecided", dropOr("unreadable"), jwt},
	{"what stands in a session claim that cannot be read", "internal/sessionjwt parseSession", never("unreadable"), jwt},
	{"Stytch's own keys among custom claims", "internal/sessionjwt isCustom", call("strings.HasPrefix", "false"), jwt},
	{"strict JSON outside of custom claims", "internal/sessionjwt Verifier.Verify", call("strictjson.Object", "strictjson.Object($1, $2, func([]byte) bool { return true })"), jwt},
	{"a bound for each user of an unreadable claim", ". query.refreshing", call("cmp.Or", "cmp.Or($1)"), root},
	{"exact names of custom claims", "stytch Session.Claims", call("strictjson.Unmarshal", `func() error {
		_ = strictjson.MaxDepth
		return json.Unmarshal($1, $2)
	}()`), "./stytch"},
	{"strict JSON outside of metadata", "stytch Client.call", call("strictjson.CheckAnswer", "strictjson.CheckAnswer($1, func([]byte) bool { return true })"), "./stytch"},
	{"dates beyond the year 9999", "internal/sessionjwt numericDate", dropAnd("endOfYear9999"), jwt},
	{"dates before 1970", "internal/sessionjwt numericDate", dropAnd("0"), jwt},
	{"fractions out of range", "internal/sessionjwt numericDate", both(dropOr("1"), dropOr("endOfYear9999")), jwt},
	{"the session's id", "internal/sessionjwt parseSession", call("isIdentifier", "true"), jwt},
	{"types inside the session", "internal/sessionjwt parseSession", dropOr("valid"), jwt},
	{"iss", "internal/sessionjwt Verifier.validateClaims", never("Issuers"), jwt},
	{"aud", "internal/sessionjwt Verifier.validateClaims", never("Audience"), jwt},
	{"exp before iat", "internal/sessionjwt Verifier.validateClaims", dropOr("<="), jwt},
	{"an hour of life", "internal/sessionjwt Verifier.validateClaims", dropOr("maxLifetime"), jwt},
	{"iat in the future", "internal/sessionjwt Verifier.validateClaims", dropOr("issuedAt"), jwt},
	{"nbf", "internal/sessionjwt Verifier.validateClaims", dropOr("notBefore"), jwt},

	// The key set.
	{"the size of a key set", "internal/sessionjwt parseKeySet", dropOr("maxKeySetSize"), jwt},
	{"strict JSON of a key set", "internal/sessionjwt parseKeySet", dropOr("CheckObject"), jwt},
	{"the number of keys", "internal/sessionjwt parseKeySet", dropOr("maxKeys"), jwt},
	{"repeated key ids", "internal/sessionjwt parseKeySet", dropOr("keyID", "!="), jwt},
	{"an empty key set", "internal/sessionjwt parseKeySet", never("len", "0", "=="), jwt},
	{"the kind of key", "internal/sessionjwt jwk.rsa", dropOr(`"RSA"`), jwt},
	{"the algorithm of a key", "internal/sessionjwt jwk.rsa", dropOr(`"RS256"`), jwt},
	{"the use of a key", "internal/sessionjwt jwk.rsa", dropOr(`"sig"`), jwt},
	{"the operations of a key", "internal/sessionjwt jwk.rsa", dropOr(`"verify"`), jwt},
	{"published private keys", "internal/sessionjwt parseJWK", inCase(name("false", "true"), `"d"`), jwt},
	{"small exponents", "internal/sessionjwt jwk.rsa", dropOr("65537"), jwt},
	{"even exponents", "internal/sessionjwt jwk.rsa", dropOr("%"), jwt},
	{"short moduli", "internal/sessionjwt jwk.rsa", dropOr("2048"), jwt},
	{"long moduli", "internal/sessionjwt jwk.rsa", dropOr("8192"), jwt},
	{"factorable moduli", "internal/sessionjwt jwk.rsa", dropOr("isROCA"), jwt},
	{"a withdrawn key", "internal/sessionjwt Verifier.Trusts", dropAnd("Value"), jwt},

	// A verified JWT in the cache.
	{"a copy of the payload without the signature", "internal/sessionjwt Verifier.Verify", call("strings.Clone", "$1", "payload"), root},
	{"a copy of the header without the signature", "internal/sessionjwt Verifier.Verify", call("strings.Clone", "$1", "header"), root},
	{"the header of a JWT with a known signature", "internal/sessionjwt Token.Matches", dropAnd("header"), jwt},
	{"the payload of a JWT with a known signature", "internal/sessionjwt Token.Matches", dropAnd("payload", "-len"), jwt},

	// Values that are fetched and kept.
	{"30 seconds between fetches", "internal/remote Value.start", never("Before"), remote},
	{"30 seconds between refreshes in the background", "internal/remote Value.start", dropOr("background"), remote},
	{"the number of fetches", "internal/remote Value.start", never("isUsable"), remote},
	{"a snapshot that has been replaced meanwhile", "internal/remote Value.start", never("seen"), remote},
	{"the first fetch in the number of fetches", "internal/remote Value.finish", never("isUsable"), remote},
	{"the pause after a failure", "internal/remote Value.allowedAt", never("Before"), remote},
	{"a key set that was fetched before the token arrived", "internal/sessionjwt Verifier.keySetFor", always("isConclusive", "-nil"), remote},
	{"a day without a key set", "internal/remote Value.Usable", dropOr("Passed"), remote},
}
