package attacktest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rowID returns the number at the beginning of the name of a subtest, or "" if there is none.
func rowID(name string) string {
	if m := regexp.MustCompile(`^(\d{1,3}b?) `).FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}

// TestHostile_EveryRowHasATest checks that every row of hostile.md has a subtest, and that every
// numbered subtest has a row.
func TestHostile_EveryRowHasATest(t *testing.T) {
	text, err := os.ReadFile("hostile.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n## 3. ")
	list, after, found := strings.Cut(after, "\n## 4. ")
	elsewhere, _, _ := strings.Cut(after, "\n## 5. ")
	if !found {
		t.Fatal("got a hostile.md without sections 3 and 4")
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+b?) \|`).FindAllStringSubmatch(list, -1) {
		if rows[m[1]] {
			t.Errorf("got row %s twice", m[1])
		}
		rows[m[1]] = true
	}
	if len(rows) < 200 {
		t.Fatalf("got %d rows, want the 200 and more of section 3", len(rows))
	}
	here, outside := namedRows(t, "."), namedRows(t, "../..")
	outside["210"] = true // row 210 is shown by the program internal/mutants
	other := rowsElsewhere(t, elsewhere)
	for id := range here {
		if !rows[id] {
			t.Errorf("got a subtest of row %s, which hostile.md does not list", id)
		}
	}
	for id := range other {
		if !rows[id] || !outside[id] {
			t.Errorf("got row %s in section 4, want a row of section 3 that a test elsewhere names", id)
		}
	}
	for id := range rows {
		if !here[id] && !other[id] {
			t.Errorf("got no subtest of row %s", id)
		}
	}
}

// rowsElsewhere returns the rows that section 4 lists. The section contains numbers and ranges of
// numbers.
func rowsElsewhere(t *testing.T, section string) map[string]bool {
	t.Helper()
	found := map[string]bool{"210": true}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d[^|]*) \|`).FindAllStringSubmatch(section, -1) {
		for part := range strings.SplitSeq(m[1], ", ") {
			from, to, isRange := strings.Cut(part, "–")
			if !isRange {
				found[part] = true
				continue
			}
			first, err1 := strconv.Atoi(from)
			last, err2 := strconv.Atoi(to)
			if err1 != nil || err2 != nil {
				t.Errorf("got %q in section 4, want numbers", part)
			}
			for id := first; id <= last; id++ {
				found[strconv.Itoa(id)] = true
			}
		}
	}
	return found
}

// namedRows returns the numbers that begin a string in the tests of a folder. Unless the folder is
// this one, it includes the folders below.
func namedRows(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (root == "." || d.Name() == "attacktest" || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if name, err := strconv.Unquote(lit.Value); err == nil && rowID(name) != "" {
					found[rowID(name)] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
