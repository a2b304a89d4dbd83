package stytchtest

import (
	"slices"
	"strings"
)

const maxCustomClaims = 4096 // bytes, as JSON, after merging; how Stytch measures is a guess

// reservedClaims are left out of custom claims without a word: Stytch's API
// reference says "ignored", its guide "an error".
var reservedClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// mergeClaims returns the custom claims of a session after session_custom_claims
// were merged into them. Both arguments stay as they are.
func mergeClaims(claims, patch object) (object, *failure) {
	wanted := object{}
	for name, v := range copyObject(patch) {
		if strings.HasPrefix(name, claimNamespace) {
			return nil, errStytchClaims
		}
		if !slices.Contains(reservedClaims, name) {
			wanted[name] = v
		}
	}
	merged := merge(claims, wanted)
	if len(mustEncode(merged)) > maxCustomClaims {
		return nil, errClaimsTooLarge
	}
	return merged, nil
}

// merge applies a JSON Merge Patch (RFC 7396, section 2) to an object: null
// deletes a member, objects merge at any depth, anything else replaces.
func merge(target, patch object) object {
	merged := copyObject(target)
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(merged, name)
		case object:
			below, _ := merged[name].(object) // nil if it is no object: it is replaced
			merged[name] = merge(below, v)
		default:
			merged[name] = v
		}
	}
	return merged
}
