package attacktest

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth"
)

// The grammar of RFC 6750, section 2.1, as regular expressions. anyValue matches values that are
// too long to be parsed.
var (
	anyValue     = regexp.MustCompile(`(?s)^[Bb][Ee][Aa][Rr][Ee][Rr] +([^ ].*)$`)
	bearerValue  = regexp.MustCompile(`^[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)$`)
	beginsBearer = regexp.MustCompile(`^[Bb][Ee][Aa][Rr][Ee][Rr]`)
)

func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer a", "bearer a.b.c", "BEARER  a=", "Bearer a, Bearer b", "Bearer\ta", "Beaſer a",
		"Basic dXNlcjpwYXNz", "Token x", "a.b.c", `Bearer "a"`, "Bearer Bearer a", "Bearer a==", "Bearer =", "Bearera b", " Bearer a",
	} {
		f.Add(seed, false)
	}
	f.Add("Bearer a", true)
	f.Add("Bearer "+strings.Repeat(",", maxJWT), false)
	f.Add("Bearer "+strings.Repeat(",", maxJWT+1), false)
	auth, err := sessionauth.New(sessionauth.Config{
		ProjectID: "project-test-11111111-1111-4111-8111-111111111111", Secret: "secret", Extractor: sessionauth.FromBearer,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string, twice bool) {
		r := &http.Request{Header: http.Header{"Authorization": {value}}}
		if twice {
			r.Header.Add("Authorization", value)
		}
		got, err := auth.Credential(r)
		parts := bearerValue.FindStringSubmatch(value)
		if any := anyValue.FindStringSubmatch(value); any != nil && len(any[1]) > maxJWT {
			parts = any
		}
		switch {
		case twice:
			if !errors.Is(err, sessionauth.ErrInvalidRequest) {
				t.Fatalf("%q twice: got %v, want %v", value, err, sessionauth.ErrInvalidRequest)
			}
		case parts != nil:
			want := sessionauth.Credential{Token: parts[1], Header: true}
			if strings.Contains(parts[1], ".") {
				want = sessionauth.Credential{JWT: parts[1], Header: true}
			}
			if err != nil || got.Token != want.Token || got.JWT != want.JWT || !got.Header {
				t.Fatalf("%q: got %q, %q, header %v, %v", value, got.Token, got.JWT, got.Header, err)
			}
		default:
			want := sessionauth.ErrNoCredential
			if value != "" && (!strings.Contains(value, " ") || beginsBearer.MatchString(value)) {
				want = sessionauth.ErrInvalidRequest
			}
			if !errors.Is(err, want) || got.Token+got.JWT != "" {
				t.Fatalf("%q: got %v, want %v", value, err, want)
			}
		}
	})
}

func FuzzCookies(f *testing.F) {
	for _, seed := range []string{
		"", "s=a", "j=b", "s=a; j=b", "s=a; s=a", "s=a; s=c", "j=a; j=b; s=c", "s=; s=a", `s="a"`, "S=a", "$s=a", "s=a;;; j=b", "s=1; s=2; s=3; s=4; s=5",
	} {
		f.Add(seed)
	}
	extract := sessionauth.FromCookies("s", "j")
	f.Fuzz(func(t *testing.T, field string) {
		r := &http.Request{Header: http.Header{"Cookie": {field}}}
		values := map[string][]string{} // distinct values that are not empty, by cookie name
		for _, c := range r.Cookies() {
			if c.Value != "" && !slices.Contains(values[c.Name], c.Value) {
				values[c.Name] = append(values[c.Name], c.Value)
			}
		}
		tokens, jwts := values["s"], values["j"]
		got, err := extract(r)
		switch n := len(tokens) + len(jwts); {
		case n == 0:
			if !errors.Is(err, sessionauth.ErrNoCredential) {
				t.Fatalf("%q: got %v, want none", field, err)
			}
		case len(tokens) <= 1 && len(jwts) <= 1:
			if err != nil || got.Header || got.Token != strings.Join(tokens, "") || got.JWT != strings.Join(jwts, "") {
				t.Fatalf("%q: got %q, %q, %v, want %q, %q", field, got.Token, got.JWT, err, tokens, jwts)
			}
		case n > 4:
			if !errors.Is(err, sessionauth.ErrInvalidRequest) {
				t.Fatalf("%q: got %v, want %v", field, err, sessionauth.ErrInvalidRequest)
			}
		default: // there are several values, and none is chosen yet
			if err != nil || got.Token+got.JWT != "" {
				t.Fatalf("%q: got %q, %q, %v, want candidates", field, got.Token, got.JWT, err)
			}
		}
	})
}
