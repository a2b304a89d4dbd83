package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// build creates a module from files by name and loads it.
func build(t *testing.T, files map[string]string) *golist.Module {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/house\n\ngo 1.25\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := golist.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func checked(t *testing.T, m *golist.Module, dir string) *typed {
	t.Helper()
	p, err := check(m, m.Package(dir))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCycles(t *testing.T) {
	ring := map[string]string{
		"a.go": "package p\n\nfunc a() { b() }\n",
		"b.go": "package p\n\ntype t struct{ f int }\n\nfunc b() { c(t{}) }\n",
		"c.go": "package p\n\nfunc c(x any) { x.(interface{ d() }).d(); var y box; y.m() }\n",
		"d.go": "package p\n\nvar one = &t{f: 1}\n\ntype box struct{}\n\nfunc (box) m() { a() }\n",
	}
	p := checked(t, build(t, ring), root)
	if got := p.cycles(); len(got) != 1 || !strings.Contains(got[0], "a.go b.go c.go d.go") {
		t.Errorf("got %q, want one cycle of four files", got)
	}

	// Without the call in a.go, the four files form no cycle. A local variable that is used in its
	// own file is not a reference.
	ring["d.go"] = "package p\n\nvar one = &t{f: 1}\n\ntype box struct{}\n\nfunc (box) m() { a := 1; _ = a }\n"
	p = checked(t, build(t, ring), root)
	if got := p.cycles(); len(got) != 0 {
		t.Errorf("got %q, want no cycle", got)
	}
	if got := p.references()["b.go"]; !slices.Equal(got, []string{"c.go"}) {
		t.Errorf("got references %v of b.go, want c.go", got)
	}
}

func TestCycles_Fields(t *testing.T) {
	p := checked(t, build(t, map[string]string{
		"a.go": "package p\n\ntype a struct{ b *b; n int }\n",
		"b.go": "package p\n\ntype b struct{ a *a }\n\nfunc (x *b) n() int { return x.a.n }\n",
	}), root)
	if got := components(p.references()); len(got) != 1 || len(got[0]) != 2 {
		t.Errorf("got components %v, want both files in one", got)
	}
}

func TestImports(t *testing.T) {
	m := build(t, map[string]string{
		"house.go":       "package house\n\nimport _ \"example.com/house/wall\"\n",
		"wall/wall.go":   "package wall\n\nimport _ \"fmt\"\n",
		"shed/shed.go":   "package shed\n\nimport _ \"example.com/house\"\n",
		"shed/x_test.go": "package shed\n\nimport _ \"example.com/house/wall\"\n",
	})
	if got := imports(m, map[string][]string{root: {"wall"}, "wall": {}, "shed": {root}}); len(got) != 0 {
		t.Errorf("got %q, want no problem", got)
	}
	got := imports(m, map[string][]string{root: {}, "shed": {root}, "barn": {}})
	if len(got) != 3 || !strings.Contains(got[0], "row for barn") || !strings.Contains(got[1], ". imports wall") || !strings.Contains(got[2], "wall has no row") {
		t.Errorf("got %q, want the row without a package, the import of the root and the missing row", got)
	}
}

// Every design rule about the direction of an import holds in the table allowedImports.
func TestAllowedImports(t *testing.T) {
	forTests := []string{"stytchtest", "internal/authtest"}
	for dir, may := range allowedImports {
		isTest := slices.Contains(forTests, dir)
		if strings.HasPrefix(dir, "internal/") && !isTest && slices.Contains(may, root) {
			t.Errorf("%s may import the root", dir)
		}
		if isTest || strings.HasPrefix(dir, "example") || strings.HasPrefix(dir, "stytchtest/") {
			continue
		}
		for _, other := range may {
			if slices.Contains(forTests, other) {
				t.Errorf("%s may import %s, which is for tests", dir, other)
			}
		}
	}
	for _, dir := range sortedKeys(allowedImports) {
		if strings.HasPrefix(dir, "stytchtest") && slices.Contains(allowedImports[dir], root) {
			t.Errorf("%s may import the root", dir)
		}
	}
}

func TestQueries(t *testing.T) {
	p := checked(t, build(t, map[string]string{
		"deny/deny.go": "package deny\n\ntype List struct{}\n\nfunc (*List) Denies(string) bool { return false }\nfunc (*List) Add(string) {}\n\ntype Other struct{}\n\nfunc (Other) Denies() bool { return false }\n",
		"house.go": `package house

import "example.com/house/deny"

type a struct{ list *deny.List }

func (x *a) one() bool { return x.list.Denies("1") || x.list.Denies("2") }
func (x *a) two() func(string) bool { return x.list.Denies }
func (x *a) change() { x.list.Add("3"); deny.Other{}.Denies() }
`,
	}), root)
	got := p.queries("example.com/house/deny", "List", []string{"Add"})
	if want := []string{"house.go: a.one", "house.go: a.two"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := p.queries("example.com/house/deny", "List", nil); len(got) != 3 {
		t.Errorf("got %q without exceptions, want three functions", got)
	}
}

func TestSizes(t *testing.T) {
	m := build(t, map[string]string{
		"long.go":  "package p\n" + strings.Repeat("\n", maxFileLines-1),
		"file.go":  "package p\n" + strings.Repeat("\n", maxFileLines),
		"func.go":  "package p\n\nfunc fits() {" + strings.Repeat("\n", maxFuncLines-1) + "}\n\nfunc long() {" + strings.Repeat("\n", maxFuncLines) + "}\n",
		"inner.go": "package p\n\nvar f = func() {" + strings.Repeat("\n", maxFuncLines) + "}\n",
	})
	got := sizes(m, m.Package(root))
	if len(got) != 3 || !strings.Contains(got[0], "file.go has 401") || !strings.Contains(got[1], "long has 61") || !strings.Contains(got[2], "inner.go:3") {
		t.Errorf("got %q, want file.go, long and the literal of inner.go", got)
	}
}

func TestMethods(t *testing.T) {
	methods := func(n int) string {
		text := "package p\n\ntype T struct{}\n"
		for i := range n {
			text += "\nfunc (*T) m" + strings.Repeat("x", i) + "() {}\n"
		}
		return text
	}
	p := checked(t, build(t, map[string]string{"p.go": methods(maxMethods)}), root)
	if got := p.methods("T"); len(got) != 0 {
		t.Errorf("got %q for %d methods, want no problem", got, maxMethods)
	}
	p = checked(t, build(t, map[string]string{"p.go": methods(maxMethods + 1)}), root)
	if got := p.methods("T"); len(got) != 1 {
		t.Errorf("got %q for %d methods, want one problem", got, maxMethods+1)
	}
	if got := p.methods("U"); len(got) != 1 {
		t.Errorf("got %q for a type that does not exist, want one problem", got)
	}
}

func TestCounts(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFiles + 1 {
		for _, suffix := range []string{".go", "_test.go"} {
			if i == maxFiles && suffix == ".go" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, strings.Repeat("x", i+1)+suffix), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := counts(dir); err != nil || len(got) != 1 || !strings.Contains(got[0], "21 test files") {
		t.Errorf("got %q, %v, want the test files only", got, err)
	}
}
