package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"strings"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// A mutant is a change of the source that removes one check. It names the function and the syntax
// that it changes instead of their text, so that it remains valid when other code changes.
type mutant struct {
	name  string // the check that is removed
	in    string // folder of the package, and the function: "guard names", "stytch Client.do"
	edit  edit
	tests string // packages whose tests must fail
}

// mutated returns the file that a mutant changes, and its new contents. It fails if the mutant has
// no place, if it has more than one, or if the result does not compile.
func (m mutant) mutated(module *golist.Module) (*golist.File, []byte, error) {
	p, f, node, err := find(module, m.in)
	if err != nil {
		return nil, nil, err
	}
	changes, err := m.edit(scope{module.Fset, f.Source, node})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	source, err := apply(f.Source, changes)
	if err != nil {
		return nil, nil, err
	}
	syntax, err := parser.ParseFile(module.Fset, f.Path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	files := p.Syntax()
	for i := range files {
		if p.Files[i] == f {
			files[i] = syntax
		}
	}
	if _, _, err := module.Check(p.Dir, files); err != nil {
		return nil, nil, fmt.Errorf("does not compile: %w", err)
	}
	return f, source, nil
}

// find returns the function or the package-level variable that a mutant names.
func find(module *golist.Module, in string) (*golist.Package, *golist.File, ast.Node, error) {
	dir, name, _ := strings.Cut(in, " ")
	p := module.Package(dir)
	if p == nil {
		return nil, nil, nil, fmt.Errorf("there is no package in %s", dir)
	}
	for _, f := range p.Files {
		for _, decl := range f.Syntax.Decls {
			if declares(decl, name) {
				return p, f, decl, nil // a name is declared only once
			}
		}
	}
	return nil, nil, nil, fmt.Errorf("%s declares no %s", dir, name)
}

// declares reports whether a declaration has this name: a function, a method as Type.method, or a
// variable.
func declares(decl ast.Decl, name string) bool {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		return funcName(decl) == name
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok && v.Names[0].Name == name {
				return true
			}
		}
	}
	return false
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	switch generic := t.(type) {
	case *ast.IndexExpr:
		t = generic.X
	case *ast.IndexListExpr:
		t = generic.X
	}
	return types.ExprString(t) + "." + f.Name.Name
}
