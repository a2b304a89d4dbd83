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

// allowedImports lists, for each package of the root module, the packages of the module that it may
// import. A new package needs a row.
var allowedImports = map[string][]string{
	// The lowest packages. They know nothing of requests or sessions.
	"internal/strictjson": {},
	"internal/deadline":   {},
	"internal/lru":        {},
	"internal/remote":     {"internal/deadline"},
	"internal/denylist":   {"internal/deadline"},
	"internal/requestlog": {},

	// The packages for the API of Stytch.
	"stytch":              {"internal/deadline", "internal/strictjson"},
	"internal/upstream":   {"internal/deadline", "stytch"},
	"internal/sessionjwt": {"internal/deadline", "internal/remote", "internal/strictjson", "stytch"},

	// The packages of the middleware.
	root: {
		"internal/deadline", "internal/denylist", "internal/lru", "internal/remote",
		"internal/requestlog", "internal/sessionjwt", "internal/strictjson", "internal/upstream", "stytch",
	},

	// Packages that applications add to the middleware.
	"guard": {root, "internal/deadline", "internal/requestlog"},
	"login": {root, "internal/deadline", "internal/requestlog", "internal/strictjson", "stytch"},

	// Packages for tests. None of the packages listed above imports them.
	"stytchtest":                {"stytch", "stytchtest/internal/api", "stytchtest/internal/state", "stytchtest/internal/wire"},
	"stytchtest/internal/api":   {"stytch", "stytchtest/internal/state", "stytchtest/internal/wire"},
	"stytchtest/internal/state": {"stytch"},
	"stytchtest/internal/wire":  {},
	"stytchtest/cmd/stytchtest": {"stytch", "stytchtest"},
	"internal/authtest":         {root, "stytch", "stytchtest"},

	// The packages of the example.
	"example":      {"example/site"},
	"example/site": {root, "guard", "login", "stytch", "stytchtest"},

	// Tools for work on this repository.
	"internal/golist":        {},
	"internal/archtest":      {"internal/golist"},
	"internal/archtest/draw": {"internal/archtest"},
	"internal/mutants":       {"internal/golist"},

	// Packages that contain only tests.
	"docs":                {},
	"internal/attacktest": {},
	"internal/outagetest": {},
}

// imports reports imports that the table does not allow, and rows for packages that do not exist.
// Import cycles need no check, because the compiler refuses them.
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
