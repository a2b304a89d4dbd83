// Package docs tests the documentation: its code compiles, its links resolve, and the tests that it
// names exist.
package docs

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages returns the text of each page, keyed by its path relative to the root of the module.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", ".github/*.md", ".github/*/*.md", "e2e/*.md"} {
		names, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(filepath.ToSlash(name), "../")] = string(text)
		}
	}
	if len(found) < 5 {
		t.Fatalf("got %d pages, want all", len(found))
	}
	return found
}

// imports are the packages a Go block may use without an import clause.
var imports = map[string]string{
	"chi": "github.com/go-chi/chi/v5",

	"sessionauth": "github.com/sessionauth/sessionauth",
	"guard":       "github.com/sessionauth/sessionauth/guard",
	"login":       "github.com/sessionauth/sessionauth/login",
	"stytch":      "github.com/sessionauth/sessionauth/stytch",
	"stytchtest":  "github.com/sessionauth/sessionauth/stytchtest",

	"context": "context", "errors": "errors", "fmt": "fmt", "log": "log", "slog": "log/slog", "http": "net/http",
	"httptest": "net/http/httptest", "os": "os", "testing": "testing", "time": "time",
}

// completed returns a Go block as a file. If the block has no package clause, it contains
// declarations, and completed adds the imports that it uses.
func completed(block string) string {
	if strings.HasPrefix(block, "package ") {
		return block
	}
	var b strings.Builder
	b.WriteString("package p\n")
	for name, path := range imports {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(block) {
			fmt.Fprintf(&b, "import %s %q\n", name, path)
		}
	}
	b.WriteString(block)
	if strings.Contains(block, "(hello)") {
		b.WriteString("\nvar hello http.Handler\n")
	}
	return b.String()
}

func TestGoBlocks_Compile(t *testing.T) {
	compiler := importer.ForCompiler(token.NewFileSet(), "gc", exportData(t))
	goBlock := regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	checked := 0
	for name, text := range pages(t) {
		for _, m := range goBlock.FindAllStringSubmatch(text, -1) {
			checked++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, completed(m[1]), 0)
			if err == nil {
				_, err = (&types.Config{Importer: compiler}).Check("p", fset, []*ast.File{file}, nil)
			}
			if err != nil {
				t.Errorf("%s: %v in:\n%s", name, err, m[1])
			}
		}
	}
	if checked < 5 {
		t.Errorf("got %d Go blocks, want at least the five of README.md", checked)
	}
}

// The table of reasons in operations.md has a row for each constant, and no other.
func TestOperations_ListsEachReason(t *testing.T) {
	compiler := importer.ForCompiler(token.NewFileSet(), "gc", exportData(t))
	pkg, err := compiler.Import(imports["sessionauth"])
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if ok && types.TypeString(c.Type(), types.RelativeTo(pkg)) == "Reason" {
			want[constant.StringVal(c.Val())] = true
		}
	}
	_, section, found := strings.Cut(pages(t)["docs/operations.md"], "\n### Reasons\n")
	if !found || len(want) < 20 {
		t.Fatalf("got section %t and %d reasons, want the section and all reasons", found, len(want))
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(section, -1) {
		if !want[m[1]] {
			t.Errorf("operations.md lists %s twice, or it is not a Reason", m[1])
		}
		delete(want, m[1])
	}
	for reason := range want {
		t.Errorf("operations.md does not list %s", reason)
	}
}

// exportData finds the compiled form of each package in imports.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}
	for _, path := range imports {
		args = append(args, path)
	}
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	list, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	files := map[string]string{}
	for line := range strings.Lines(string(list)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// Tests may be moved or renamed. A page must not name a test that does not exist, because the
// reader takes the test as the evidence for a promise.
func TestPages_NameExistingTests(t *testing.T) {
	declared := declaredTests(t)
	mention := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*…?`)
	for name, text := range pages(t) {
		for _, test := range mention.FindAllString(text, -1) {
			if !exists(declared, test) {
				t.Errorf("%s names %s, which does not exist", name, test)
			}
		}
	}
}

// exists reports whether a test is declared. A name that ends with … stands for
// all tests that begin with it.
func exists(declared map[string]bool, test string) bool {
	prefix, isPrefix := strings.CutSuffix(test, "…")
	for name := range declared {
		if name == test || isPrefix && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// declaredTests returns the names of all test functions below the root.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	declared := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(source, -1) {
			declared[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared
}

func TestPages_LinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)"\s]+)`)
	code := regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
	all := pages(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // a link to another site is not checked
			}
			page := name
			if target != "" {
				page = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join("..", page)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
			if anchor != "" && !hasHeading(all[page], anchor) {
				t.Errorf("%s links to %s, which is no heading of %s", name, m[1], page)
			}
		}
	}
}

// hasHeading reports whether the text has a heading whose anchor on GitHub is anchor.
func hasHeading(text, anchor string) bool {
	notInAnchor := regexp.MustCompile(`[^\w\- ]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}
