package state

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const (
	claimNamespace = "https://stytch.com/" // prefix of the claims that only Stytch sets
	sessionClaim   = claimNamespace + "session"

	// maxCustomClaims is the maximum size of the custom claims after merging,
	// in bytes of JSON. Stytch documents 4 KB. How Stytch measures the size is
	// an assumption.
	maxCustomClaims = 4096

	defaultSessionDuration = time.Hour
)

// reservedClaims are ignored in custom claims, as the API reference says. The
// guide says that they cause an error.
var reservedClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// SessionParams are the parameters about a session that several calls have.
type SessionParams struct {
	// Token and JWT are the credential of an existing session. At most one is
	// set.
	Token, JWT string

	// Duration is the time from now to the end of the session. If zero, the end
	// of an existing session does not change.
	Duration time.Duration

	// CustomClaims are merged into the session's custom claims. If nil, the
	// claims do not change.
	CustomClaims Object
}

func (p SessionParams) hasCredential() bool { return p.Token != "" || p.JWT != "" }

// sessions holds all sessions of a project, including ended ones.
type sessions struct {
	env     *environment
	byID    map[string]*session
	byToken map[string]*session
}

// A session is a session of a user.
type session struct {
	id, token    string
	user         *user
	startedAt    time.Time
	accessedAt   time.Time
	expiresAt    time.Time
	revoked      bool
	claims       Object // custom claims
	factors      []factor
	noAttributes bool // attributes are null in the API
}

// start starts a session.
func (ss *sessions) start(u *user, d time.Duration, claims Object, factors []factor) *session {
	at := ss.env.now()
	sess := &session{
		id: ss.env.newID("session"), token: newToken(), user: u,
		startedAt: at, accessedAt: at, expiresAt: at.Add(d),
		claims: claims, factors: factors,
	}
	ss.byID[sess.id] = sess
	ss.byToken[sess.token] = sess
	return sess
}

// alive reports whether a session is live: it is neither revoked nor expired.
func (ss *sessions) alive(sess *session) bool {
	return !sess.revoked && ss.env.clock().Before(sess.expiresAt)
}

// live returns the live sessions of a user, oldest first.
func (ss *sessions) live(u *user) []*session {
	var live []*session
	for _, sess := range ss.byID {
		if sess.user == u && ss.alive(sess) {
			live = append(live, sess)
		}
	}
	slices.SortFunc(live, func(a, b *session) int {
		return cmp.Or(a.startedAt.Compare(b.startedAt), strings.Compare(a.id, b.id))
	})
	return live
}

// touch makes the changes that a successful call makes to a session. If the
// custom claims are rejected, it changes nothing.
func (ss *sessions) touch(sess *session, p SessionParams) error {
	claims, err := mergeClaims(sess.claims, p.CustomClaims)
	if err != nil {
		return err
	}
	sess.claims = claims
	sess.accessedAt = ss.env.now()
	if p.Duration != 0 {
		sess.expiresAt = sess.accessedAt.Add(p.Duration)
	}
	return nil
}

// prove adds a factor to the session. If the session has the factor already,
// prove updates its times.
func (sess *session) prove(f factor) {
	i := slices.IndexFunc(sess.factors, func(old factor) bool {
		return old.kind == f.kind && old.method == f.method && old.sameDetails(f)
	})
	if i < 0 {
		sess.factors = append(sess.factors, f)
		return
	}
	sess.factors[i].updated, sess.factors[i].lastAuthenticatedAt = f.updated, f.lastAuthenticatedAt
}

// attributes returns the session's attributes. They are always empty, because
// this server ignores the member in which calls send them.
func (sess *session) attributes() Object {
	if sess.noAttributes {
		return nil
	}
	return Object{"ip_address": "", "user_agent": ""}
}

// object returns the session in the form of the API.
// See https://stytch.com/docs/api/session-object.
func (sess *session) object() Object {
	factors := []Object{}
	for _, f := range sess.factors {
		factors = append(factors, f.object())
	}
	return Object{
		"session_id":             sess.id,
		"user_id":                sess.user.id,
		"started_at":             timestamp(sess.startedAt),
		"last_accessed_at":       timestamp(sess.accessedAt),
		"expires_at":             timestamp(sess.expiresAt),
		"attributes":             sess.attributes(),
		"authentication_factors": factors,
		"roles":                  sess.user.allRoles(),
		"custom_claims":          copyObject(sess.claims),
	}
}

// claim returns the session claim for JWTs of the session. Its member names
// differ from those of the API.
func (sess *session) claim() Object {
	factors := []Object{}
	for _, f := range sess.factors {
		factors = append(factors, f.claim())
	}
	return Object{
		"id":                     sess.id,
		"started_at":             timestamp(sess.startedAt),
		"last_accessed_at":       timestamp(sess.accessedAt),
		"expires_at":             timestamp(sess.expiresAt),
		"attributes":             sess.attributes(),
		"authentication_factors": factors,
		"roles":                  sess.user.allRoles(),
	}
}

// A factor is an authentication factor of a session.
type factor struct {
	kind, method        string
	created, updated    time.Time
	lastAuthenticatedAt time.Time
	details             Object // at most one "…_factor"; empty for a password
}

func passwordFactor(at time.Time) factor {
	return factor{kind: "password", method: "knowledge", created: at, updated: at, lastAuthenticatedAt: at}
}

// factorsOf converts the factors that a test passes. It replaces a zero time by
// the current time. It converts the details through the JSON of
// stytch.AuthenticationFactor. This is the only place where the server uses
// names of package stytch instead of its own.
func factorsOf(from []stytch.AuthenticationFactor, now time.Time) []factor {
	made := []factor{}
	for _, g := range from {
		f := factor{
			kind: g.Type, method: g.DeliveryMethod,
			created: g.CreatedAt, updated: g.UpdatedAt, lastAuthenticatedAt: g.LastAuthenticatedAt,
		}
		for _, at := range []*time.Time{&f.lastAuthenticatedAt, &f.created, &f.updated} {
			if at.IsZero() {
				*at = now
			}
		}
		if err := Decode(mustEncode(g), &f.details); err != nil {
			panic("stytchtest: an authentication factor has no JSON form: " + err.Error())
		}
		maps.DeleteFunc(f.details, func(name string, _ any) bool {
			return slices.Contains([]string{"type", "delivery_method", "last_authenticated_at", "created_at", "updated_at"}, name)
		})
		made = append(made, f)
	}
	return made
}

// claim returns the factor in the form of session JWTs.
func (f factor) claim() Object {
	o := copyObject(f.details)
	o["type"], o["delivery_method"] = f.kind, f.method
	o["last_authenticated_at"] = timestamp(f.lastAuthenticatedAt)
	return o
}

// object returns the factor in the form of the API.
func (f factor) object() Object {
	o := f.claim()
	o["created_at"], o["updated_at"] = timestamp(f.created), timestamp(f.updated)
	return o
}

func (f factor) sameDetails(g factor) bool {
	// Compare copies, because details without members may be nil or empty.
	return bytes.Equal(mustEncode(copyObject(f.details)), mustEncode(copyObject(g.details)))
}

// mergeClaims returns the custom claims of a session after merging
// session_custom_claims into them. It changes neither argument.
func mergeClaims(claims, patch Object) (Object, error) {
	wanted := Object{}
	for name, v := range copyObject(patch) {
		if strings.HasPrefix(name, claimNamespace) {
			return nil, ErrStytchClaims
		}
		if !slices.Contains(reservedClaims, name) {
			wanted[name] = v
		}
	}
	merged := merge(claims, wanted)
	if len(mustEncode(merged)) > maxCustomClaims {
		return nil, ErrClaimsTooLarge
	}
	return merged, nil
}

// merge applies a JSON Merge Patch (RFC 7396, section 2) to an object. A null
// deletes a member, objects are merged at any depth, and any other value
// replaces the member.
func merge(target, patch Object) Object {
	merged := copyObject(target)
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(merged, name)
		case Object:
			below, _ := merged[name].(Object) // nil for any other value; v then replaces it
			merged[name] = merge(below, v)
		default:
			merged[name] = v
		}
	}
	return merged
}

// newToken returns a new session token of 44 characters of the URL-safe base64
// alphabet.
func newToken() string {
	var b [33]byte
	_, _ = rand.Read(b[:]) // rand.Read never returns an error
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// isToken reports whether a string has the form of a session token. Stytch
// documents 44 characters. The limits here are an assumption.
func isToken(token string) bool {
	text := strings.TrimRight(token, "=")
	if len(token) < 16 || len(token) > 256 || len(token)-len(text) > 2 {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
