package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The checks move; the list has to follow, and not only when somebody has a
// quarter of an hour to run it.
func TestEveryMutantHasItsPlace(t *testing.T) {
	for _, m := range list {
		source, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.old); n != 1 {
			t.Errorf("%s: its text stands %d times in %s, want once: %s", m.name, n, m.file, m.old)
		}
	}
}
