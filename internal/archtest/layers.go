package archtest

import (
	"go/doc"
	"slices"
	"strings"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// product returns the folders of the packages that applications import directly or indirectly.
func product(m *golist.Module) []string {
	var dirs []string
	var add func(dir string)
	add = func(dir string) {
		p := m.Package(dir)
		if p == nil || slices.Contains(dirs, dir) {
			return
		}
		dirs = append(dirs, dir)
		for _, next := range m.Internal(p) {
			add(next)
		}
	}
	for _, dir := range []string{root, "guard", "login"} {
		add(dir)
	}
	slices.Sort(dirs)
	return dirs
}

// levels returns the row of each package in the picture, counted from the top. A package is one row
// below the lowest package that imports it.
func levels(m *golist.Module, dirs []string) map[string]int {
	rows := map[string]int{}
	var lower func(dir string, row int)
	lower = func(dir string, row int) {
		rows[dir] = max(rows[dir], row)
		for _, next := range m.Internal(m.Package(dir)) {
			lower(next, row+1)
		}
	}
	for _, dir := range dirs {
		lower(dir, 0)
	}
	return rows
}

// direct returns the imports of a package that it does not also import indirectly.
func direct(m *golist.Module, dir string) []string {
	all := m.Internal(m.Package(dir))
	return slices.DeleteFunc(slices.Clone(all), func(to string) bool {
		return slices.ContainsFunc(all, func(over string) bool { return over != to && reaches(m, over, to) })
	})
}

func reaches(m *golist.Module, from, to string) bool {
	return slices.ContainsFunc(m.Internal(m.Package(from)), func(next string) bool {
		return next == to || reaches(m, next, to)
	})
}

// synopsis returns the beginning of the comment of a package, up to the first full stop, colon or
// semicolon. It omits the words "Package name" and "is".
func synopsis(p *golist.Package) string {
	for _, f := range p.Files {
		if f.Syntax.Doc == nil {
			continue
		}
		text := new(doc.Package).Synopsis(f.Syntax.Doc.Text())
		text = strings.TrimPrefix(strings.TrimPrefix(text, "Package "+p.Name+" "), "is ")
		if end := strings.IndexAny(text, ".:;"); end >= 0 {
			text = text[:end]
		}
		return text
	}
	return ""
}

// wrap breaks a text into lines of at most width bytes. If there are more than limit lines, the
// last one ends with an ellipsis.
func wrap(text string, width, limit int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	lines = append(lines, line)
	if len(lines) > limit {
		lines = lines[:limit]
		last := lines[limit-1]
		for len(last)+2 > width && strings.Contains(last, " ") {
			last = last[:strings.LastIndexByte(last, ' ')]
		}
		lines[limit-1] = last + " …"
	}
	return lines
}
