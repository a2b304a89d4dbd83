package archtest

import (
	"fmt"
	"go/token"
	"maps"
	"slices"
	"strings"

	"github.com/sessionauth/sessionauth/internal/golist"
)

type positioned interface{ Pos() token.Pos }

// root is the folder of the root package.
const root = "."

// allowedImports is the table of the walls: for each package of the root module
// the packages of the module that it may import. A new package needs a row.
var allowedImports = map[string][]string{
	// At the bottom: no knowledge of requests or sessions.
	"internal/strictjson": {},
	"internal/deadline":   {},
	"internal/lru":        {},
	"internal/remote":     {"internal/deadline"},
	"internal/denylist":   {"internal/deadline"},

	// The API of Stytch.
	"stytch":              {"internal/strictjson"},
	"internal/upstream":   {"internal/deadline", "stytch"},
	"internal/sessionjwt": {"internal/deadline", "internal/remote", "internal/strictjson", "stytch"},

	// The middleware.
	root: {
		"internal/deadline", "internal/denylist", "internal/lru", "internal/remote",
		"internal/sessionjwt", "internal/strictjson", "internal/upstream", "stytch",
	},

	// What applications add to it.
	"guard": {root},
	"login": {root, "internal/strictjson", "stytch"},

	// For tests. No package above imports these.
	"stytchtest":                {"stytch", "stytchtest/internal/api", "stytchtest/internal/state", "stytchtest/internal/wire"},
	"stytchtest/internal/api":   {"stytch", "stytchtest/internal/state", "stytchtest/internal/wire"},
	"stytchtest/internal/state": {"stytch"},
	"stytchtest/internal/wire":  {},
	"stytchtest/cmd/stytchtest": {"stytch", "stytchtest"},
	"internal/authtest":         {root, "stytch", "stytchtest"},

	// The example.
	"example":      {"example/site"},
	"example/site": {root, "guard", "login", "stytch", "stytchtest"},

	// Tools for work on this repository.
	"internal/golist":        {},
	"internal/archtest":      {"internal/golist"},
	"internal/archtest/draw": {"internal/archtest"},
	"internal/mutants":       {"internal/golist"},

	// Tests only.
	"docs":                {},
	"internal/attacktest": {},
	"internal/outagetest": {},
}

// imports reports imports that the table does not allow, and rows without a
// package. Go itself refuses import cycles.
func imports(m *golist.Module, allowed map[string][]string) []string {
	var problems []string
	for _, dir := range sortedKeys(allowed) {
		if m.Package(dir) == nil {
			problems = append(problems, fmt.Sprintf("allowedImports has a row for %s, which does not exist", dir))
		}
	}
	for _, p := range m.Packages {
		may, ok := allowed[p.Dir]
		if !ok {
			problems = append(problems, fmt.Sprintf("%s has no row in allowedImports", p.Dir))
			continue
		}
		for _, dir := range m.Internal(p) {
			if !slices.Contains(may, dir) {
				problems = append(problems, fmt.Sprintf("%s imports %s, allowed are: %s", p.Dir, dir, strings.Join(may, " ")))
			}
		}
	}
	return problems
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
