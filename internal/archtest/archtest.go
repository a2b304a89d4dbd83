// Package archtest checks that the code of the repository follows its architecture. It checks which
// package may import which, how files refer to each other, and the size of files, functions and the
// root package. Its tests check this repository.
package archtest

import (
	"fmt"
	"go/ast"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// The limits that the tests enforce.
const (
	maxCycle     = 3   // files of one package in a reference cycle
	maxFiles     = 20  // files in the root package; the same limit applies to its test files
	maxMethods   = 35  // methods of Authenticator
	maxQueries   = 2   // functions of the root that query the denylist
	maxFileLines = 400 // lines of a file
	maxFuncLines = 60  // lines of a function
)

// A typed is a package with its type information.
type typed struct {
	*golist.Package
	module *golist.Module
	pkg    *types.Package
	info   *types.Info
}

func check(m *golist.Module, p *golist.Package) (*typed, error) {
	pkg, info, err := m.Check(p.Dir, p.Syntax())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Dir, err)
	}
	return &typed{p, m, pkg, info}, nil
}

// sizes reports files and functions that are too long.
func sizes(m *golist.Module, p *golist.Package) []string {
	var problems []string
	for _, f := range p.Files {
		if n := strings.Count(string(f.Source), "\n"); n > maxFileLines {
			problems = append(problems, fmt.Sprintf("%s/%s has %d lines, at most %d are allowed", p.Dir, f.Name, n, maxFileLines))
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			name := "a function literal"
			switch n := n.(type) {
			case *ast.FuncDecl:
				name = n.Name.Name
			case *ast.FuncLit:
			default:
				return true
			}
			first, last := m.Fset.Position(n.Pos()), m.Fset.Position(n.End())
			if lines := last.Line - first.Line + 1; lines > maxFuncLines {
				problems = append(problems, fmt.Sprintf("%s/%s:%d: %s has %d lines, at most %d are allowed", p.Dir, f.Name, first.Line, name, lines, maxFuncLines))
			}
			return true
		})
	}
	return problems
}

// counts reports whether a folder has too many Go files, whatever their build
// tags.
func counts(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	tests := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			tests++
		}
	}
	var problems []string
	if n := len(names) - tests; n > maxFiles {
		problems = append(problems, fmt.Sprintf("%d non-test files, at most %d are allowed", n, maxFiles))
	}
	if tests > maxFiles {
		problems = append(problems, fmt.Sprintf("%d test files, at most %d are allowed", tests, maxFiles))
	}
	return problems, nil
}

// methods reports whether a type has too many methods.
func (p *typed) methods(name string) []string {
	t, ok := p.pkg.Scope().Lookup(name).(*types.TypeName)
	if !ok {
		return []string{"there is no type " + name}
	}
	if n := t.Type().(*types.Named).NumMethods(); n > maxMethods {
		return []string{fmt.Sprintf("%s has %d methods, at most %d are allowed", name, n, maxMethods)}
	}
	return nil
}

// The type that stores revocations. Each of its exported methods is a query, except the methods
// that change the list and those that count or list its entries.
const (
	denylistDir  = "internal/denylist"
	denylistType = "List"
)

var denylistOthers = []string{
	"Confirm", "Deny", "DenyCredential", "DenyUserBefore", "Remove", "RemoveCredential",
	"IsConfirmed", "Pending", "Unconfirmed", "NextSession", "NextCredential", "Format",
}

// queries returns the functions of the package that query the denylist: they call a query method of
// the type typeName of the package pkgPath.
func (p *typed) queries(pkgPath, typeName string, except []string) []string {
	var found []string
	for _, f := range p.Files {
		for _, decl := range f.Syntax.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if ok && p.isQuery(sel, pkgPath, typeName, except) {
					found = append(found, f.Name+": "+declName(decl))
				}
				return true
			})
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (p *typed) isQuery(sel *ast.SelectorExpr, pkgPath, typeName string, except []string) bool {
	method, ok := p.info.Uses[sel.Sel].(*types.Func)
	if !ok || method.Pkg() == nil || method.Pkg().Path() != pkgPath || !method.Exported() || slices.Contains(except, method.Name()) {
		return false
	}
	recv := method.Signature().Recv()
	if recv == nil {
		return false
	}
	t := recv.Type()
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == typeName
}

// declName returns the name of a declaration: Type.method, the name of a function, or the keyword
// of another declaration.
func declName(decl ast.Decl) string {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return "a declaration outside functions"
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	return types.ExprString(t) + "." + f.Name.Name
}

// hasDenylist reports whether the denylist package exists.
func hasDenylist(root string) bool {
	_, err := os.Stat(filepath.Join(root, denylistDir))
	return err == nil
}
