package archtest

import (
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sessionauth/sessionauth/internal/golist"
)

const repository = "../.."

var nested = flag.Bool("nested", false, "check the nested modules too; their dependencies must be available")

// load loads the root module once.
var load = sync.OnceValues(func() (*golist.Module, error) { return golist.Load(repository) })

func rootModule(t *testing.T) *golist.Module {
	t.Helper()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// eachModule runs a test for the root module and, with -nested, for the others.
func eachModule(t *testing.T, test func(t *testing.T, m *golist.Module)) {
	t.Run(root, func(t *testing.T) { test(t, rootModule(t)) })
	if !*nested {
		return
	}
	dirs, err := golist.Nested(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(dir, func(t *testing.T) {
			m, err := golist.Load(filepath.Join(repository, dir))
			if err != nil {
				t.Fatal(err)
			}
			test(t, m)
		})
	}
}

func TestRepository_ReferenceCycles(t *testing.T) {
	eachModule(t, func(t *testing.T, m *golist.Module) {
		for _, p := range m.Packages {
			c, err := check(m, p)
			if err != nil {
				t.Fatal(err)
			}
			report(t, c.cycles())
		}
	})
}

func TestRepository_Sizes(t *testing.T) {
	eachModule(t, func(t *testing.T, m *golist.Module) {
		for _, p := range m.Packages {
			report(t, sizes(m, p))
		}
	})
}

func TestRepository_Imports(t *testing.T) { report(t, imports(rootModule(t), allowedImports)) }

func TestRepository_RootPackage(t *testing.T) {
	m := rootModule(t)
	problems, err := counts(repository)
	if err != nil {
		t.Fatal(err)
	}
	report(t, problems)
	p, err := check(m, m.Package(root))
	if err != nil {
		t.Fatal(err)
	}
	report(t, p.methods("Authenticator"))
}

func TestRepository_DenylistQueries(t *testing.T) {
	if !hasDenylist(repository) {
		t.Skip("there is no " + denylistDir)
	}
	m := rootModule(t)
	p, err := check(m, m.Package(root))
	if err != nil {
		t.Fatal(err)
	}
	callers := p.queries(m.Path+"/"+denylistDir, denylistType, denylistOthers)
	if len(callers) > maxQueries {
		t.Errorf("got %d functions that query the denylist, at most %d may: %q", len(callers), maxQueries, callers)
	}
	if len(callers) == 0 {
		t.Error("got no function that queries the denylist: are denylistType and denylistOthers up to date?")
	}
}

// The pictures in docs must match the code. To update them, run make picture.
func TestRepository_Picture(t *testing.T) {
	files, err := pictures(repository)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not up to date: run make picture", name)
		}
	}
	for _, name := range missing(rootModule(t)) {
		t.Errorf("the way of a request in the picture names %s, which does not exist", name)
	}
}
