package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sessionauth/sessionauth/bench/internal/report"
)

func TestSplice(t *testing.T) {
	const document = "head\n<!-- bench:begin -->\nold\n<!-- bench:end -->\ntail\n"
	got, err := report.Splice(document, "bench", "new\n")
	const want = "head\n<!-- bench:begin -->\n\nnew\n\n<!-- bench:end -->\ntail\n"
	if err != nil || got != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
	again, err := report.Splice(got, "bench", "new\n")
	if err != nil || again != want {
		t.Errorf("second splice: got %q, %v, want the same", again, err)
	}
}

func TestSplice_OtherMarkers(t *testing.T) {
	const document = "<!-- a:begin -->1<!-- a:end --><!-- ab:begin -->2<!-- ab:end -->"
	got, err := report.Splice(document, "ab", "3")
	const want = "<!-- a:begin -->1<!-- a:end --><!-- ab:begin -->\n\n3\n\n<!-- ab:end -->"
	if err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestSplice_BadMarkers(t *testing.T) {
	const begin, end = "<!-- b:begin -->", "<!-- b:end -->"
	for _, row := range []struct{ name, document, text string }{
		{"no markers", "text", "x"},
		{"no end", begin, "x"},
		{"no begin", end, "x"},
		{"the end first", end + begin, "x"},
		{"two begins", begin + begin + end, "x"},
		{"two ends", begin + end + end, "x"},
		{"a marker in the text", begin + end, "x" + end},
	} {
		if got, err := report.Splice(row.document, "b", row.text); err == nil {
			t.Errorf("%s: got %q, want an error", row.name, got)
		}
	}
}

func TestSpliceFile_KeepsTheFileOnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte("no markers"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.SpliceFile(path, "b", "x"); err == nil {
		t.Error("got no error")
	}
	if got, _ := os.ReadFile(path); string(got) != "no markers" {
		t.Errorf("got %q, want the file unchanged", got)
	}
}

func TestTable(t *testing.T) {
	got := report.Table([]string{"path", ":µs"}, [][]string{{"a|b", "1.5"}, {"long name", "10"}, {"short row"}})
	const want = "" +
		"| path      |  µs |\n" +
		"|-----------|----:|\n" +
		"| a\\|b      | 1.5 |\n" +
		"| long name |  10 |\n" +
		"| short row |     |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
