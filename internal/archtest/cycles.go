package archtest

import (
	"fmt"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// references returns the files of the package that each file refers to. A file refers to another if
// it uses a package-level name, a method or a field that the other file declares.
func (p *typed) references() map[string][]string {
	to := map[string][]string{}
	for id, object := range p.info.Uses {
		if object.Pkg() != p.pkg || !object.Pos().IsValid() || isLocal(object, p.pkg) {
			continue
		}
		from, where := p.file(id), p.file(object)
		if from != where && !slices.Contains(to[from], where) {
			to[from] = append(to[from], where)
		}
	}
	for _, names := range to {
		slices.Sort(names)
	}
	return to
}

// isLocal reports whether a name is declared inside a function, where no other
// file can use it.
func isLocal(object types.Object, pkg *types.Package) bool {
	v, ok := object.(*types.Var)
	return ok && !v.IsField() && object.Parent() != pkg.Scope()
}

// file returns the name of the file that contains a node.
func (p *typed) file(node positioned) string {
	return filepath.Base(p.module.Fset.Position(node.Pos()).Filename)
}

// cycles reports reference cycles that contain too many files.
func (p *typed) cycles() []string {
	var problems []string
	for _, c := range components(p.references()) {
		if len(c) > maxCycle {
			problems = append(problems, fmt.Sprintf("%s: %d files refer to each other in a cycle, at most %d may: %s", p.Dir, len(c), maxCycle, strings.Join(c, " ")))
		}
	}
	return problems
}

// components returns the strongly connected components of a graph. It uses the algorithm of Tarjan.
// The order of the result depends only on the graph.
func components(edges map[string][]string) [][]string {
	t := tarjan{edges: edges, index: map[string]int{}, low: map[string]int{}, open: map[string]bool{}}
	for _, node := range sortedKeys(edges) {
		if t.index[node] == 0 {
			t.visit(node)
		}
	}
	return t.found
}

type tarjan struct {
	edges      map[string][]string
	index, low map[string]int // numbers from 1, in the order of the visits
	open       map[string]bool
	stack      []string
	found      [][]string
}

func (t *tarjan) visit(node string) {
	n := len(t.index) + 1
	t.index[node], t.low[node] = n, n
	t.stack, t.open[node] = append(t.stack, node), true
	for _, next := range t.edges[node] {
		if t.index[next] == 0 {
			t.visit(next)
			t.low[node] = min(t.low[node], t.low[next])
		} else if t.open[next] {
			t.low[node] = min(t.low[node], t.index[next])
		}
	}
	if t.low[node] != t.index[node] {
		return
	}
	start := slices.Index(t.stack, node)
	c := slices.Sorted(slices.Values(t.stack[start:]))
	t.stack = t.stack[:start]
	for _, member := range c {
		t.open[member] = false
	}
	t.found = append(t.found, c)
}
