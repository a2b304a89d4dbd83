// Command mutants removes one security check at a time from the code and requires that a test fails
// each time. Run it with `make mutants`.
//
// It changes nothing on disk, because go test reads each mutant through an overlay. If there are
// arguments, it runs only the mutants whose name contains one of them.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/internal/golist"
)

func main() {
	module, err := golist.Load(".")
	if err != nil {
		fail(err)
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		fail(err)
	}
	defer os.RemoveAll(temp)
	mutants := chosen(os.Args[1:])
	if err := check(module, mutants); err != nil {
		os.RemoveAll(temp)
		fail(err)
	}
	survivors := 0
	for _, m := range mutants {
		began := time.Now()
		verdict, err := run(module, temp, m)
		if err != nil {
			os.RemoveAll(temp)
			fail(fmt.Errorf("%s: %w", m.name, err))
		}
		if verdict == survived {
			survivors++
		}
		fmt.Printf("%-9s %5.1fs  %s: %s\n", verdict, time.Since(began).Seconds(), m.in, m.name)
	}
	fmt.Printf("%d mutants, %d survived\n", len(mutants), survivors)
	if survivors > 0 || len(mutants) == 0 {
		os.RemoveAll(temp)
		os.Exit(1)
	}
}

// all returns the mutants of every list.
func all() []mutant {
	return slices.Concat(jwtMutants, libraryMutants, rootMutants, requestMutants, limitMutants)
}

// chosen returns the mutants whose names contain one of the words. If there are no words, it
// returns all mutants.
func chosen(words []string) []mutant {
	return slices.DeleteFunc(all(), func(m mutant) bool {
		contained := func(word string) bool { return strings.Contains(m.name, word) }
		return len(words) > 0 && !slices.ContainsFunc(words, contained)
	})
}

// check runs the tests without a mutant, because a test that always fails would kill every mutant.
func check(module *golist.Module, mutants []mutant) error {
	var packages []string
	for _, m := range mutants {
		packages = append(packages, strings.Fields(m.tests)...)
	}
	slices.Sort(packages)
	for _, p := range slices.Compact(packages) {
		if out, err := test(module, p).CombinedOutput(); err != nil {
			return fmt.Errorf("the tests fail without a mutant: %w\n%s", err, out)
		}
	}
	return nil
}

// test returns the command that tests a package.
func test(module *golist.Module, p string, flags ...string) *exec.Cmd {
	args := append([]string{"test", "-failfast", "-count=1", "-timeout=300s", "-vet=off"}, flags...)
	cmd := exec.Command("go", append(args, p)...)
	cmd.Dir = module.Dir
	return cmd
}

// The verdicts. If a mutant makes a test hang, it counts as found. A busy machine makes every
// mutant hang, so run those again.
const (
	killed   = "killed"
	hung     = "hung"
	survived = "SURVIVED"
)

// run tests a mutant. The mutant compiles, so only a failing test can kill it.
func run(module *golist.Module, temp string, m mutant) (verdict string, err error) {
	file, source, err := m.mutated(module)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(temp, file.Name)
	if err := os.WriteFile(changed, source, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file.Path: changed}})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return "", err
	}
	// The short tests run first, because they kill most mutants.
	packages := strings.Fields(m.tests)
	for _, short := range []string{"-short", "-short=false"} {
		for _, p := range packages {
			out, err := test(module, p, short, "-overlay", overlayFile).CombinedOutput()
			switch {
			case err != nil && bytes.Contains(out, []byte("panic: test timed out")):
				return hung, nil
			case err != nil:
				return killed, nil
			}
		}
	}
	return survived, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mutants:", err)
	os.Exit(2)
}
