package golist

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// write creates a module on disk from files, which are keyed by name.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := write(t, map[string]string{
		"go.mod":        "module example.com/house\n\ngo 1.25\n",
		"roof.go":       "package house\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/house/wall\"\n)\n\nvar _ = fmt.Sprint(wall.Height)\n",
		"roof_test.go":  "package house\n",
		"wall/wall.go":  "package wall\n\nconst Height = 3\n",
		"annex/go.mod":  "module example.com/annex\n\ngo 1.25\n",
		"annex/room.go": "package annex\n",
	})
	m, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Path != "example.com/house" || len(m.Packages) != 2 {
		t.Fatalf("got module %s with %d packages, want example.com/house with 2", m.Path, len(m.Packages))
	}
	root := m.Package(".")
	if got := m.Internal(root); !slices.Equal(got, []string{"wall"}) {
		t.Errorf("got imports %v of the root, want wall", got)
	}
	if len(root.Files) != 1 || root.Files[0].Name != "roof.go" {
		t.Errorf("got %d files in the root, want roof.go only", len(root.Files))
	}
	if _, _, err := m.Check(root.Dir, root.Syntax()); err != nil {
		t.Errorf("got %v when checking types, want no error", err)
	}
	if nested, err := Nested(dir); err != nil || !slices.Equal(nested, []string{"annex"}) {
		t.Errorf("got nested modules %v, %v, want annex", nested, err)
	}
}

func TestLoad_BrokenPackage(t *testing.T) {
	dir := write(t, map[string]string{
		"go.mod":  "module example.com/house\n\ngo 1.25\n",
		"roof.go": "package house\n\nvar x = y\n",
	})
	if _, err := Load(dir); err == nil {
		t.Error("got no error for a package that does not compile, want one")
	}
}
