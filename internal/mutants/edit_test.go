package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// body wraps statements into a file. Edits search for their places in these statements.
func body(t *testing.T, text string) (scope, string, string) {
	t.Helper()
	const head, tail = "package p\n\nfunc f() {\n", "\n}\n"
	source := head + text + tail
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	return scope{fset, []byte(source), file.Decls[0]}, head, tail
}

func TestEdit(t *testing.T) {
	rows := []struct {
		name      string
		edit      edit
		old, want string
	}{
		{"never, by a constant", never("Max"), "if len(a) > Max { g() }; if b { h() }", "if false && (len(a) > Max) { g() }; if b { h() }"},
		{"never, by a call before the condition", never("check"), "if err := c.check(a); err != nil { g() }", "if err := c.check(a); false && (err != nil) { g() }"},
		{"never, of an else if", never("B"), "if A { g() } else if B { h() }", "if A { g() } else if false && (B) { h() }"},
		{"never, of a case", never("B"), "switch { case A: g(); case B: h() }", "switch { case A: g(); case false && (B): h() }"},
		{"never, of one of several cases", never("B"), "switch { case A, B: g() }", "switch { case A, false && (B): g() }"},
		{"never, not of a case with a tag", never("B"), "switch x { case B: g() }; if B { h() }", "switch x { case B: g() }; if false && (B) { h() }"},
		{"always", always("A"), "if A == 1 { g() }", "if true || (A == 1) { g() }"},
		{"condition", condition("$0 && ok", "A"), "if A { g() }", "if A && ok { g() }"},
		{"the first operand of ||", dropOr("a"), "x = a == 1 || b || c", "x = (false && (a == 1)) || b || c"},
		{"the middle operand of ||", dropOr("b"), "x = a || b || c", "x = a || (false && (b)) || c"},
		{"an operand of || with && inside", dropOr(`"RS256"`), `x = k.t != "" || k.alg != "" && k.alg != "RS256"`, `x = k.t != "" || (false && (k.alg != "" && k.alg != "RS256"))`},
		{"an operand of &&", dropAnd("b"), "x = a || b && c", "x = a || (true || (b)) && c"},
		{"an operand in parentheses", dropOr("c"), "x = a && (b || c)", "x = a && (b || (false && (c)))"},
		{"an operand by its place", dropOrAt(1, 3), "x = a || b; y = !a || !b || !c", "x = a || b; y = !a || (false && (!b)) || !c"},
		{"comparison", comparison("$x != nil", "End"), "x = err == End && n == 1", "x = err != nil && n == 1"},
		{"comparison, by an operator", comparison("$y > 0", "<="), "x = a <= b && c < b", "x = b > 0 && c < b"},
		{"call, the receiver only", call("Strict", "$r"), "x = base64.Raw.Strict()", "x = base64.Raw"},
		{"call, the argument only", call("strings.Clone", "$1", "b"), "x = strings.Clone(a.b); y = strings.Clone(a.c)", "x = a.b; y = strings.Clone(a.c)"},
		{"call, another function", call("g", "h($2, $1)"), "g(a, b)", "h(b, a)"},
		{"name", name("true", "false"), "x = true; y = trueish", "x = false; y = trueish"},
		{"drop", drop("h"), "g(); h(); i()", "g(); ; i()"},
		{"drop, inside a literal", drop("h"), "go func() { g(); h() }()", "go func() { g();  }()"},
		{"drop, around a literal", drop("i"), "i(func() { g(); h() }); h()", "; h()"},
		{"statement", statement("return nil", "Role"), "if a { return nil }; return E{Role}", "if a { return nil }; return nil"},
		{"statement, by its keyword", statement("return", "break"), "for { g(); break }", "for { g(); return }"},
		{"the first value of a case", dropCase(`"a"`), `switch x { case "a", "b", "c": g() }`, `switch x { case "b", "c": g() }`},
		{"the last value of a case", dropCase(`"c"`), `switch x { case "a", "b", "c": g() }`, `switch x { case "a", "b": g() }`},
		{"a selector in a case", dropCase("B"), "switch x { case p.A, p.B: g() }", "switch x { case p.A: g() }"},
		{"another value of a case", addCase("B", "p.C"), "switch x { case p.A, p.B: g() }", "switch x { case p.A, p.B, p.C: g() }"},
		{"inCase", inCase(name("true", "false"), `"b"`), `switch x { case "a": y = true; case "b": y = true }`, `switch x { case "a": y = true; case "b": y = false }`},
		{"inIf", inIf(drop("g"), "B"), "if A { g() }; if B { g() }", "if A { g() }; if B {  }"},
		{"swap", swap("g", "h"), "g(1); i(); h(2)", "h(2); i(); g(1)"},
		{"swapIfs", swapIfs("a", "b"), "if a { g() }; if b { h() }", "if b { h() }; if a { g() }"},
		{"both", both(dropOr("a"), dropOr("c")), "x = a || b || c", "x = (false && (a)) || b || (false && (c))"},
		{"a selector, by its end", never("session.ID"), "if e.session.ID == x { g() }; if e.user.ID == x { h() }", "if false && (e.session.ID == x) { g() }; if e.user.ID == x { h() }"},
		{"a word that must not be there", never("ID", "-kept"), "if kept.ID { g() }; if e.ID { h() }", "if kept.ID { g() }; if false && (e.ID) { h() }"},
		{"a word that must be there twice", never("a", "a"), "if a == b { g() }; if a == a { h() }", "if a == b { g() }; if false && (a == a) { h() }"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s, head, tail := body(t, row.old)
			changes, err := row.edit(s)
			if err != nil {
				t.Fatal(err)
			}
			source, err := apply(s.source, changes)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.TrimSuffix(strings.TrimPrefix(string(source), head), tail)
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestEdit_NotOnePlace(t *testing.T) {
	rows := []struct {
		name string
		edit edit
		text string
	}{
		{"no condition", never("Max"), "if a { g() }"},
		{"two conditions", never("Max"), "if Max > 1 { g() }; if Max > 2 { g() }"},
		{"the word is in the body only", never("Max"), "if a { g(Max) }"},
		{"two operands", dropOr("a"), "x = a == 1 || a == 2"},
		{"no chain of that length", dropOrAt(0, 3), "x = a || b"},
		{"two chains of that length", dropOrAt(0, 2), "x = a || b; y = a || b"},
		{"two calls", call("g", "h()"), "g(); g()"},
		{"two names", name("true", "false"), "x = true; y = true"},
		{"no case", dropCase(`"a"`), `switch x { case "b", "c": g() }`},
		{"two cases", addCase(`"a"`, `"b"`), `switch x { case "a": g() }; switch y { case "a": g() }`},
		{"the only value of a case", dropCase(`"a"`), `switch x { case "a": g() }`},
		{"no scope", inIf(drop("g"), "B"), "if A { g() }"},
		{"two places in the scope", inIf(drop("g"), "A"), "if A { g(1); g(2) }"},
		{"one statement for both", swap("g", "h"), "g(h)"},
		{"the second edit of two", both(dropOr("a"), dropOr("d")), "x = a || b || c"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s, _, _ := body(t, row.text)
			if changes, err := row.edit(s); err == nil {
				t.Errorf("got %v, want an error", changes)
			}
		})
	}
}

func TestApply_Overlap(t *testing.T) {
	s, _, _ := body(t, "x = a || b")
	changes, err := both(dropOr("a"), name("a", "c"))(s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := apply(s.source, changes); err == nil {
		t.Errorf("got %s, want an error", got)
	}
}

func TestMutant_Mutated(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.25\n",
		"m.go": `package m

type Box[T any] struct{ n int }

const Max = 3

func (b *Box[T]) full() bool { return b.n > Max || b.n < 0 }

func small(n int) bool {
	if n > Max {
		return false
	}
	return true
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	module, err := golist.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name string
		in   string
		edit edit
		want string // text in the edited source, or in the error
	}{
		{"a function", ". small", never("Max"), "if false && (n > Max) {"},
		{"a method of a generic type", ". Box.full", dropOr("Max"), "return (false && (b.n > Max)) || b.n < 0"},
		{"a variable of the package", ". Max", name("3", "4"), "const Max = 4"},
		{"no such function", ". large", never("Max"), "declares no large"},
		{"no such package", "m small", never("Max"), "no package in m"},
		{"no such place", ". small", never("Min"), "0 places"},
		{"a type error", ". small", condition(`"x"`, "Max"), "does not compile"},
		{"a syntax error", ". small", condition(`)`, "Max"), "expected"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, source, err := mutant{row.name, row.in, row.edit, "."}.mutated(module)
			got := string(source)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, row.want) {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}
