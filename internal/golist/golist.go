// Package golist loads the packages of a module with their syntax and types. It
// runs the go command and uses only the standard library.
package golist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Module is a module on disk. Its packages are sorted by import path.
type Module struct {
	Path     string // the module path
	Dir      string
	Fset     *token.FileSet
	Packages []*Package

	importer types.Importer
}

// A Package is a package of a module without its tests.
type Package struct {
	Dir     string   // path relative to the folder of the module, with slashes; "." for the root
	Name    string   // the package name
	Imports []string // import paths of its imports
	Files   []*File  // sorted by name
}

// A File is one non-test file.
type File struct {
	Name   string // name without the folder
	Path   string // absolute path
	Source []byte
	Syntax *ast.File
}

// listed is the part of the output of go list that Load reads.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles, Imports              []string
	Module                        *struct{ Path, Dir string }
	Error                         *struct{ Err string }
}

// Load loads the module whose go.mod is in dir. The dependencies of the module
// must be available and its packages must compile.
func Load(dir string) (*Module, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	all, err := list(dir)
	if err != nil {
		return nil, err
	}
	m := &Module{Dir: dir, Fset: token.NewFileSet()}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.ImportPath] = l.Export
		if l.Module == nil || l.Module.Dir != dir {
			continue
		}
		m.Path = l.Module.Path
		p, err := m.parse(l)
		if err != nil {
			return nil, err
		}
		m.Packages = append(m.Packages, p)
	}
	slices.SortFunc(m.Packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	m.importer = importer.ForCompiler(m.Fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(exports[path])
	})
	return m, nil
}

// list runs go list on the packages of a module and their dependencies.
func list(dir string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,GoFiles,Imports,Module,Error", "./...")
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", dir, err, stderr.Bytes())
	}
	var all []listed
	for decoder := json.NewDecoder(&stdout); ; {
		var l listed
		switch err := decoder.Decode(&l); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case l.Error != nil:
			return nil, errors.New(l.Error.Err)
		}
		all = append(all, l)
	}
}

func (m *Module) parse(l listed) (*Package, error) {
	dir, err := filepath.Rel(m.Dir, l.Dir)
	if err != nil {
		return nil, err
	}
	p := &Package{Dir: filepath.ToSlash(dir), Name: l.Name, Imports: l.Imports}
	for _, name := range l.GoFiles {
		f := &File{Name: name, Path: filepath.Join(l.Dir, name)}
		if f.Source, err = os.ReadFile(f.Path); err != nil {
			return nil, err
		}
		if f.Syntax, err = parser.ParseFile(m.Fset, f.Path, f.Source, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		p.Files = append(p.Files, f)
	}
	return p, nil
}

// Package returns the package in a folder of the module, or nil.
func (m *Module) Package(dir string) *Package {
	for _, p := range m.Packages {
		if p.Dir == dir {
			return p
		}
	}
	return nil
}

// Internal returns the folders of the module's own packages that p imports.
func (m *Module) Internal(p *Package) []string {
	var dirs []string
	for _, path := range p.Imports {
		if path == m.Path {
			dirs = append(dirs, ".")
		} else if dir, ok := strings.CutPrefix(path, m.Path+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Check type-checks files as the package in the given folder. The files are those
// of a Package or a changed version of them, parsed with the FileSet of m.
func (m *Module) Check(dir string, files []*ast.File) (*types.Package, *types.Info, error) {
	info := &types.Info{
		Defs:       map[*ast.Ident]types.Object{},
		Uses:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	path := m.Path
	if dir != "." {
		path += "/" + dir
	}
	config := types.Config{Importer: m.importer}
	pkg, err := config.Check(path, m.Fset, files, info)
	return pkg, info, err
}

// Syntax returns the syntax trees of the files of a package.
func (p *Package) Syntax() []*ast.File {
	files := make([]*ast.File, len(p.Files))
	for i, f := range p.Files {
		files[i] = f.Syntax
	}
	return files
}

// Nested returns the folders of the modules below root. The folders are relative to root, and root
// itself is not included.
func Nested(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.Name() != "go.mod" || filepath.Dir(path) == filepath.Clean(root) {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		dirs = append(dirs, filepath.ToSlash(dir))
		return err
	})
	return dirs, err
}
