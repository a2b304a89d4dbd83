package main

import (
	"sync"
	"testing"

	"github.com/sessionauth/sessionauth/internal/golist"
)

var load = sync.OnceValues(func() (*golist.Module, error) { return golist.Load("../..") })

// The code changes; the lists must follow at once, and not when the mutants run.
func TestMutants_HavePlaceAndCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a moment; run go test without -short")
	}
	module, err := load()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range all() {
		if names[m.name] {
			t.Errorf("two mutants have the name %q", m.name)
		}
		names[m.name] = true
		f, source, err := m.mutated(module)
		if err != nil {
			t.Errorf("%s: %s: %v", m.in, m.name, err)
		} else if string(source) == string(f.Source) {
			t.Errorf("%s: %s: nothing is changed", m.in, m.name)
		}
	}
}
