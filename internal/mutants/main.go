// Command mutants takes the checks of the verifier and of the decision away, one
// at a time, and demands that a test notices: `make mutants`.
//
// It changes nothing on disk: go test reads each mutant through an overlay.
// With arguments it runs only the mutants whose name contains one of them.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A mutant is a change of the source that makes it wrong.
type mutant struct {
	name     string // what is no longer checked
	file     string // below the module's root
	old, new string // old stands in the file exactly once
	tests    string // the packages that must notice
}

func main() {
	root, err := os.Getwd()
	if err != nil {
		fail(err)
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		fail(err)
	}
	defer os.RemoveAll(temp)
	ran, survivors := 0, 0
	for _, m := range list {
		if !chosen(m.name, os.Args[1:]) {
			continue
		}
		ran++
		began := time.Now()
		verdict, err := run(root, temp, m)
		if err != nil {
			os.RemoveAll(temp)
			fail(fmt.Errorf("%s: %w", m.name, err))
		}
		if verdict != "killed" {
			survivors++
		}
		fmt.Printf("%-9s %5.1fs  %s: %s\n", verdict, time.Since(began).Seconds(), m.file, m.name)
	}
	fmt.Printf("%d mutants, %d survived\n", ran, survivors)
	if survivors > 0 || ran == 0 {
		os.RemoveAll(temp)
		os.Exit(1)
	}
}

func chosen(name string, words []string) bool {
	for _, w := range words {
		if strings.Contains(name, w) {
			return true
		}
	}
	return len(words) == 0
}

// run tests one mutant. Only failing tests kill it: a mutant that does not
// compile says nothing of the tests.
func run(root, temp string, m mutant) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return "", fmt.Errorf("the text to change stands %d times in %s, want once", n, m.file)
	}
	mutated := filepath.Join(temp, filepath.Base(m.file))
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): mutated}})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return "", err
	}
	flags := []string{"-overlay", overlayFile}
	packages := strings.Fields(m.tests)
	if out, err := exec.Command("go", append(append([]string{"vet"}, flags...), packages...)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %s", out)
	}
	args := append([]string{"test", "-short", "-failfast", "-count=1", "-timeout=120s"}, flags...)
	for _, p := range packages {
		if exec.Command("go", append(args, p)...).Run() != nil {
			return "killed", nil
		}
	}
	return "SURVIVED", nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mutants:", err)
	os.Exit(2)
}
