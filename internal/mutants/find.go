package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A place is a node that an edit may change. The words of the edit are searched for in head if it
// is set, and in the node itself otherwise.
type place struct {
	node ast.Node
	head []ast.Node
}

// A finder returns the places of one kind below a node.
type finder func(ast.Node) []place

// mentions reports whether a place contains every word. A word is an identifier, a literal as
// written, an operator, or a selector such as Session.ID, whose beginning may be missing. If a word
// is listed twice, it must occur twice. A word after a minus sign must not occur.
func (p place) mentions(words []string) bool {
	nodes := p.head
	if nodes == nil {
		nodes = []ast.Node{p.node}
	}
	seen := map[string]int{}
	for _, n := range nodes {
		ast.Inspect(n, func(n ast.Node) bool {
			for _, word := range names(n) {
				seen[word]++
			}
			return true
		})
	}
	for _, word := range words {
		if not, ok := strings.CutPrefix(word, "-"); ok && not != "" {
			if seen[not] > 0 {
				return false
			}
			continue
		}
		if seen[word]--; seen[word] < 0 {
			return false
		}
	}
	return true
}

// names returns the words that a node itself matches.
func names(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return []string{n.Op.String()}
	case *ast.UnaryExpr:
		return []string{n.Op.String()}
	case *ast.BranchStmt:
		return []string{n.Tok.String()}
	case *ast.ReturnStmt:
		return []string{"return"}
	case *ast.SelectorExpr:
		var list []string
		chain := n.Sel.Name
		for x := n.X; ; {
			switch next := x.(type) {
			case *ast.SelectorExpr:
				chain, x = next.Sel.Name+"."+chain, next.X
				list = append(list, chain)
				continue
			case *ast.Ident:
				list = append(list, next.Name+"."+chain)
			}
			return list
		}
	case nil:
		return nil
	}
	if t := text(n); t != "" {
		return []string{t}
	}
	return nil
}

// text returns an identifier or a literal as written.
func text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		return n.Name
	case *ast.BasicLit:
		return n.Value
	}
	return ""
}

// conditions returns the conditions of if statements and of the cases of a switch without a tag.
// For an if, the words may also occur in the statement before the condition.
func conditions(n ast.Node) []place {
	var found []place
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			found = append(found, place{n.Cond, heads(n)})
		case *ast.SwitchStmt:
			if n.Tag != nil {
				break
			}
			for _, clause := range n.Body.List {
				for _, e := range clause.(*ast.CaseClause).List {
					found = append(found, place{node: e})
				}
			}
		}
		return true
	})
	return found
}

// ifs returns the bodies of if statements.
func ifs(n ast.Node) []place {
	var found []place
	ast.Inspect(n, func(n ast.Node) bool {
		if n, ok := n.(*ast.IfStmt); ok {
			found = append(found, place{n.Body, heads(n)})
		}
		return true
	})
	return found
}

// ifStatements returns whole if statements.
func ifStatements(n ast.Node) []place {
	var found []place
	ast.Inspect(n, func(n ast.Node) bool {
		if n, ok := n.(*ast.IfStmt); ok {
			found = append(found, place{n, heads(n)})
		}
		return true
	})
	return found
}

func heads(n *ast.IfStmt) []ast.Node {
	if n.Init == nil {
		return []ast.Node{n.Cond}
	}
	return []ast.Node{n.Init, n.Cond}
}

// cases returns the bodies of cases.
func cases(n ast.Node) []place {
	var found []place
	ast.Inspect(n, func(n ast.Node) bool {
		c, ok := n.(*ast.CaseClause)
		if !ok || len(c.List) == 0 {
			return true
		}
		var list []ast.Node
		for _, e := range c.List {
			list = append(list, e)
		}
		found = append(found, place{&ast.BlockStmt{List: c.Body}, list})
		return true
	})
	return found
}

// chains returns the operands of each longest chain of an operator.
func chains(n ast.Node, op token.Token) [][]ast.Expr {
	var found [][]ast.Expr
	inner := map[ast.Node]bool{}
	ast.Inspect(n, func(n ast.Node) bool {
		b, ok := n.(*ast.BinaryExpr)
		if !ok || b.Op != op || inner[b] {
			return true
		}
		var chain []ast.Expr
		var flatten func(ast.Expr)
		flatten = func(e ast.Expr) {
			if b, ok := e.(*ast.BinaryExpr); ok && b.Op == op {
				inner[b] = true
				flatten(b.X)
				flatten(b.Y)
				return
			}
			chain = append(chain, e)
		}
		flatten(b)
		found = append(found, chain)
		return true
	})
	return found
}

func operands(op token.Token) finder {
	return func(n ast.Node) []place {
		var found []place
		for _, chain := range chains(n, op) {
			for _, e := range chain {
				found = append(found, place{node: e})
			}
		}
		return found
	}
}

func comparisons(n ast.Node) []place {
	var found []place
	ast.Inspect(n, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && b.Op != token.LAND && b.Op != token.LOR {
			found = append(found, place{node: b})
		}
		return true
	})
	return found
}

// calls returns the calls of a function or method, which is given by its name or by a selector.
func calls(name string) finder {
	return func(n ast.Node) []place {
		var found []place
		ast.Inspect(n, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			callee := names(c.Fun)
			if sel, ok := c.Fun.(*ast.SelectorExpr); ok {
				callee = append(callee, sel.Sel.Name)
			}
			if slices.Contains(callee, name) {
				found = append(found, place{node: c})
			}
			return true
		})
		return found
	}
}

// statements returns the simple statements of blocks. If a statement contains a function literal,
// only the words outside the literal select it.
func statements(n ast.Node) []place {
	var found []place
	add := func(list []ast.Stmt) {
		for _, s := range list {
			switch s.(type) {
			case *ast.AssignStmt, *ast.ExprStmt, *ast.ReturnStmt, *ast.BranchStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
				found = append(found, place{node: s, head: withoutLiterals(s)})
			}
		}
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			add(n.List)
		case *ast.CaseClause:
			add(n.Body)
		case *ast.CommClause:
			add(n.Body)
		}
		return true
	})
	return found
}

// withoutLiterals returns the parts of a statement that are outside its function literals.
func withoutLiterals(s ast.Stmt) []ast.Node {
	hasLiteral := false
	ast.Inspect(s, func(n ast.Node) bool {
		_, ok := n.(*ast.FuncLit)
		hasLiteral = hasLiteral || ok
		return true
	})
	if !hasLiteral {
		return nil
	}
	parts := []ast.Node{} // not nil, because for nil the statement itself would be searched
	ast.Inspect(s, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.Ident, *ast.BasicLit:
			parts = append(parts, n)
		}
		return true
	})
	return parts
}

// caseOf returns the only case that has a value in its list, and the index of the value. A value is
// a word, or a selector as written.
func caseOf(s scope, value string) (*ast.CaseClause, int, error) {
	var clause *ast.CaseClause
	index, count := 0, 0
	ast.Inspect(s.node, func(n ast.Node) bool {
		c, ok := n.(*ast.CaseClause)
		if !ok {
			return true
		}
		for i, e := range c.List {
			if text(e) == value || strings.HasSuffix(s.text(e), "."+value) {
				clause, index = c, i
				count++
			}
		}
		return true
	})
	if count != 1 {
		return nil, 0, fmt.Errorf("%d cases with %s, want 1", count, value)
	}
	return clause, index, nil
}
