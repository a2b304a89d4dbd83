package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"strings"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// A mutant is a change of the source that takes one check away. It names the
// function and the syntax that it changes and not their text, so that it survives
// other changes of the code.
type mutant struct {
	name  string // what is no longer checked
	in    string // the package's folder and the function: "guard names", "stytch Client.do"
	edit  edit
	tests string // the packages whose tests must notice
}

// mutated returns the file that a mutant changes and what it becomes. It fails if
// the mutant has no place or several, or does not compile.
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

// find returns the function, or the variable of a package, that a mutant names.
func find(module *golist.Module, in string) (*golist.Package, *golist.File, ast.Node, error) {
	dir, name, _ := strings.Cut(in, " ")
	p := module.Package(dir)
	if p == nil {
		return nil, nil, nil, fmt.Errorf("there is no package in %s", dir)
	}
	for _, f := range p.Files {
		for _, decl := range f.Syntax.Decls {
			if declares(decl, name) {
				return p, f, decl, nil // Go allows one declaration of a name
			}
		}
	}
	return nil, nil, nil, fmt.Errorf("%s declares no %s", dir, name)
}

// declares reports whether a declaration is the one with a name: a function, a
// method as Type.method, or a variable.
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
