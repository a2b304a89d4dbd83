// Package report writes results as Markdown tables between markers, and describes
// the machine they were measured on.
package report

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

// Splice returns document with text in place of everything between the markers
// <!-- name:begin --> and <!-- name:end -->, which it keeps. It fails unless each
// marker occurs exactly once, in this order.
func Splice(document, name, text string) (string, error) {
	begin, end := "<!-- "+name+":begin -->", "<!-- "+name+":end -->"
	if n := strings.Count(document, begin); n != 1 {
		return "", fmt.Errorf("the marker %s occurs %d times, want once", begin, n)
	}
	if n := strings.Count(document, end); n != 1 {
		return "", fmt.Errorf("the marker %s occurs %d times, want once", end, n)
	}
	if strings.Contains(text, begin) || strings.Contains(text, end) {
		return "", fmt.Errorf("the text for %s contains a marker", name)
	}
	before, rest, _ := strings.Cut(document, begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("the marker %s precedes %s", end, begin)
	}
	return before + begin + "\n\n" + strings.Trim(text, "\n") + "\n\n" + end + after, nil
}

// SpliceFile applies Splice to an existing file.
func SpliceFile(path, name, text string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := Splice(string(document), name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}

// Table returns a Markdown table with padded columns, so that its source is
// readable. A heading that begins with a colon aligns its column to the right; the
// colon is not printed.
func Table(head []string, rows [][]string) string {
	lines := append([][]string{plain(head)}, rows...)
	widths := make([]int, len(head))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(escape(cell)))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		b.WriteString("|")
		for i := range head {
			cell := ""
			if i < len(line) {
				cell = escape(line[i])
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if isRight(head[i]) {
				b.WriteString(" " + pad + cell + " |")
			} else {
				b.WriteString(" " + cell + pad + " |")
			}
		}
		b.WriteString("\n")
		if n == 0 {
			b.WriteString(rule(head, widths))
		}
	}
	return b.String()
}

func rule(head []string, widths []int) string {
	var b strings.Builder
	b.WriteString("|")
	for i, h := range head {
		if isRight(h) {
			b.WriteString(strings.Repeat("-", widths[i]+1) + ":|")
		} else {
			b.WriteString(strings.Repeat("-", widths[i]+2) + "|")
		}
	}
	b.WriteString("\n")
	return b.String()
}

func isRight(heading string) bool { return strings.HasPrefix(heading, ":") }

func plain(head []string) []string {
	names := make([]string, len(head))
	for i, h := range head {
		names[i] = strings.TrimPrefix(h, ":")
	}
	return names
}

func escape(cell string) string { return strings.ReplaceAll(cell, "|", `\|`) }
