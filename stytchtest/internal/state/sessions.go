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
	claimNamespace = "https://stytch.com/" // of the claims that only Stytch sets
	sessionClaim   = claimNamespace + "session"

	// maxCustomClaims is in bytes of JSON after merging. Stytch documents 4 KB;
	// how it measures them is an assumption.
	maxCustomClaims = 4096

	defaultSessionDuration = time.Hour
)

// reservedClaims are silently left out of custom claims, as the API
// reference says. The guide says that they are an error.
var reservedClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// SessionParams are the parameters about a session that several calls share.
type SessionParams struct {
	// Token and JWT are the credential of an existing session. At most one is
	// not empty.
	Token, JWT string

	// Duration is the time from now to the end of the session. If zero, an
	// existing session keeps its end.
	Duration time.Duration

	// CustomClaims are merged into the session's custom claims. If nil, they
	// stay as they are.
	CustomClaims Object
}

func (p SessionParams) hasCredential() bool { return p.Token != "" || p.JWT != "" }

// sessions are the sessions of a project, ended ones included.
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
	noAttributes bool // attributes are null
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

// alive reports whether a session is live: neither revoked nor expired.
func (ss *sessions) alive(sess *session) bool {
	return !sess.revoked && ss.env.clock().Before(sess.expiresAt)
}

// live returns the live sessions of a user, the oldest first.
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

// touch makes the changes that a successful call makes to a session. It changes
// nothing if the custom claims are rejected.
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

// prove adds a factor to the session, or updates the times of the same factor.
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

// attributes returns the session's attributes. They are always empty: calls
// state them in a member that this server ignores.
func (sess *session) attributes() Object {
	if sess.noAttributes {
		return nil
	}
	return Object{"ip_address": "", "user_agent": ""}
}

// object returns the session as the API shows it.
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

// claim returns the session claim of the session's JWTs. The session has other
// names there than in the API.
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
	details             Object // at most one "…_factor"; a password has none
}

func passwordFactor(at time.Time) factor {
	return factor{kind: "password", method: "knowledge", created: at, updated: at, lastAuthenticatedAt: at}
}

// factorsOf converts the factors that a test passes. A zero time stands for
// now. The details go through the JSON of stytch.AuthenticationFactor: the one
// place where this server does not spell the API's names itself.
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

// claim returns the factor as session JWTs show it.
func (f factor) claim() Object {
	o := copyObject(f.details)
	o["type"], o["delivery_method"] = f.kind, f.method
	o["last_authenticated_at"] = timestamp(f.lastAuthenticatedAt)
	return o
}

// object returns the factor as the API shows it.
func (f factor) object() Object {
	o := f.claim()
	o["created_at"], o["updated_at"] = timestamp(f.created), timestamp(f.updated)
	return o
}

func (f factor) sameDetails(g factor) bool {
	// Copies, because details without members may be nil or empty.
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

// merge applies a JSON Merge Patch (RFC 7396, section 2) to an object: null
// deletes a member, objects merge at any depth, and any other value replaces.
func merge(target, patch Object) Object {
	merged := copyObject(target)
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(merged, name)
		case Object:
			below, _ := merged[name].(Object) // nil for any other value, which v replaces
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
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// isToken reports whether a string has the form of a session token. Stytch
// documents 44 characters; the bounds here are an assumption.
func isToken(token string) bool {
	text := strings.TrimRight(token, "=")
	if len(token) < 16 || len(token) > 256 || len(token)-len(text) > 2 {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
