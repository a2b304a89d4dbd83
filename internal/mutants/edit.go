package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A scope is the part of a file in which an edit searches for its place.
type scope struct {
	fset   *token.FileSet
	source []byte
	node   ast.Node
}

// A change replaces the bytes of a file from start to end.
type change struct {
	start, end int
	text       string
}

// An edit finds its only place in a scope by syntax and returns the changes there. It fails if
// there is no such place or more than one. Words select the place: see mentions.
type edit func(scope) ([]change, error)

// never makes a condition false. The condition belongs to an if, or to a case of a switch without a
// tag.
func never(words ...string) edit {
	return one(conditions, "condition", words, "false && ($0)")
}

// always makes a condition true.
func always(words ...string) edit {
	return one(conditions, "condition", words, "true || ($0)")
}

// condition replaces a condition.
func condition(template string, words ...string) edit {
	return one(conditions, "condition", words, template)
}

// dropOr removes an operand from a chain of ||.
func dropOr(words ...string) edit {
	return one(operands(token.LOR), "operand of ||", words, "(false && ($0))")
}

// dropAnd removes an operand from a chain of &&.
func dropAnd(words ...string) edit {
	return one(operands(token.LAND), "operand of &&", words, "(true || ($0))")
}

// dropOrAt removes the operand with this index from the only chain of || that has length operands.
func dropOrAt(index, length int) edit { return dropAt(token.LOR, index, length, "(false && ($0))") }

// dropAndAt removes the operand with this index from the only chain of && that has length operands.
func dropAndAt(index, length int) edit { return dropAt(token.LAND, index, length, "(true || ($0))") }

func dropAt(op token.Token, index, length int, template string) edit {
	find := func(n ast.Node) []place {
		var found []place
		for _, chain := range chains(n, op) {
			if len(chain) == length {
				found = append(found, place{node: chain[index]})
			}
		}
		return found
	}
	return one(find, fmt.Sprintf("chain of %d operands", length), nil, template)
}

// comparison replaces a binary expression other than && and ||. In the template, $x and $y are its
// operands.
func comparison(template string, words ...string) edit {
	return one(comparisons, "comparison", words, template)
}

// call replaces a call. In the template, $f is the function, $r is the receiver or the package, and
// $1 to $9 are the arguments.
func call(name, template string, words ...string) edit {
	return one(calls(name), "call of "+name, words, template)
}

// name replaces an identifier or a literal.
func name(old, new string) edit {
	find := func(n ast.Node) []place {
		var found []place
		ast.Inspect(n, func(n ast.Node) bool {
			if n != nil && text(n) == old {
				found = append(found, place{node: n})
			}
			return true
		})
		return found
	}
	return one(find, old, nil, new)
}

// drop deletes a simple statement.
func drop(words ...string) edit { return one(statements, "statement", words, "") }

// statement replaces a simple statement.
func statement(template string, words ...string) edit {
	return one(statements, "statement", words, template)
}

// dropCase removes a value from the list of a case.
func dropCase(value string) edit {
	return func(s scope) ([]change, error) {
		clause, index, err := caseOf(s, value)
		if err != nil {
			return nil, err
		}
		if len(clause.List) == 1 {
			return nil, fmt.Errorf("%s is the only value of its case", value)
		}
		// The comma before the value is removed too. If the value is the first one, the comma after
		// it is removed.
		start, end := clause.List[index].Pos(), clause.List[index].End()
		if index > 0 {
			start = clause.List[index-1].End()
		} else {
			end = clause.List[1].Pos()
		}
		return []change{{s.offset(start), s.offset(end), ""}}, nil
	}
}

// addCase adds a value to the list of a case, after another value.
func addCase(after, value string) edit {
	return func(s scope) ([]change, error) {
		clause, index, err := caseOf(s, after)
		if err != nil {
			return nil, err
		}
		end := s.offset(clause.List[index].End())
		return []change{{end, end, ", " + value}}, nil
	}
}

// inCase applies an edit in the body of a case. Words in the list of the case select it.
func inCase(e edit, words ...string) edit { return inside(cases, "case", e, words) }

// inIf applies an edit in the body of an if. Words in its condition select it.
func inIf(e edit, words ...string) edit { return inside(ifs, "if", e, words) }

func inside(find finder, kind string, e edit, words []string) edit {
	return func(s scope) ([]change, error) {
		p, err := only(s, find, kind, words)
		if err != nil {
			return nil, err
		}
		return e(scope{s.fset, s.source, p.node})
	}
}

// swap exchanges two simple statements. One word selects each of them.
func swap(first, second string) edit { return exchange(statements, "statement", first, second) }

// swapIfs exchanges two if statements. One word in its condition selects each of them.
func swapIfs(first, second string) edit { return exchange(ifStatements, "if", first, second) }

func exchange(find finder, kind, first, second string) edit {
	return func(s scope) ([]change, error) {
		a, err := only(s, find, kind, []string{first})
		if err != nil {
			return nil, err
		}
		b, err := only(s, find, kind, []string{second})
		if err != nil {
			return nil, err
		}
		if a.node == b.node {
			return nil, fmt.Errorf("%s and %s are in the same %s", first, second, kind)
		}
		return []change{s.replace(a.node, s.text(b.node)), s.replace(b.node, s.text(a.node))}, nil
	}
}

// both applies several edits in the same scope.
func both(edits ...edit) edit {
	return func(s scope) ([]change, error) {
		var changes []change
		for _, e := range edits {
			c, err := e(s)
			if err != nil {
				return nil, err
			}
			changes = append(changes, c...)
		}
		return changes, nil
	}
}

// one is an edit that replaces the only place of a kind that mentions the words.
func one(find finder, kind string, words []string, template string) edit {
	return func(s scope) ([]change, error) {
		p, err := only(s, find, kind, words)
		if err != nil {
			return nil, err
		}
		return []change{s.replace(p.node, s.expand(template, p.node))}, nil
	}
}

func only(s scope, find finder, kind string, words []string) (place, error) {
	var found []place
	for _, p := range find(s.node) {
		if p.mentions(words) {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	var lines []string
	for _, p := range found {
		lines = append(lines, fmt.Sprint(s.fset.Position(p.node.Pos()).Line))
	}
	return place{}, fmt.Errorf("%d places for %s with %q, want 1: lines %s", len(found), kind, words, strings.Join(lines, ", "))
}

func (s scope) offset(p token.Pos) int { return s.fset.Position(p).Offset }

func (s scope) text(n ast.Node) string {
	return string(s.source[s.offset(n.Pos()):s.offset(n.End())])
}

func (s scope) replace(n ast.Node, text string) change {
	return change{s.offset(n.Pos()), s.offset(n.End()), text}
}

// expand fills a template with the parts of the node that it replaces.
func (s scope) expand(template string, n ast.Node) string {
	parts := []string{"$0", s.text(n)}
	switch n := n.(type) {
	case *ast.BinaryExpr:
		parts = append(parts, "$x", s.text(n.X), "$y", s.text(n.Y))
	case *ast.CallExpr:
		parts = append(parts, "$f", s.text(n.Fun))
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
			parts = append(parts, "$r", s.text(sel.X))
		}
		for i, arg := range n.Args {
			parts = append(parts, fmt.Sprintf("$%d", i+1), s.text(arg))
		}
	}
	return strings.NewReplacer(parts...).Replace(template)
}

// apply makes the changes, which must not overlap.
func apply(source []byte, changes []change) ([]byte, error) {
	slices.SortFunc(changes, func(a, b change) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, c := range changes {
		if c.start < at {
			return nil, fmt.Errorf("two changes of the same text")
		}
		out = append(append(out, source[at:c.start]...), c.text...)
		at = c.end
	}
	return append(out, source[at:]...), nil
}
