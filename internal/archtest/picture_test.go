package archtest

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// house is a module with layers. guard imports the root, the root imports stytch and wall, and
// these import floor.
func house(t *testing.T) *golist.Module {
	return build(t, map[string]string{
		"middleware.go":      "// Package house is a house with <walls>: and more.\npackage house\n\nimport (\n\t_ \"example.com/house/floor\"\n\t_ \"example.com/house/stytch\"\n\t_ \"example.com/house/wall\"\n)\n",
		"extractor.go":       "package house\n",
		"door.go":            "package house\n",
		"guard/guard.go":     "package guard\n\nimport _ \"example.com/house\"\n",
		"stytch/stytch.go":   "package stytch\n",
		"wall/wall.go":       "package wall\n\nimport _ \"example.com/house/floor\"\n",
		"floor/floor.go":     "package floor\n",
		"shed/shed.go":       "package shed\n\nimport _ \"example.com/house\"\n",
		"shed/inner/room.go": "package inner\n",
	})
}

func TestProduct(t *testing.T) {
	if got, want := product(house(t)), []string{".", "floor", "guard", "stytch", "wall"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLevels(t *testing.T) {
	m := house(t)
	want := map[string]int{"guard": 0, root: 1, "stytch": 2, "wall": 2, "floor": 3}
	if got := levels(m, product(m)); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDirect(t *testing.T) {
	if got, want := direct(house(t), root), []string{"stytch", "wall"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v without floor, which follows from wall", got, want)
	}
}

func TestSynopsis(t *testing.T) {
	m := house(t)
	if got, want := synopsis(m.Package(root)), "a house with <walls>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := synopsis(m.Package("wall")); got != "" {
		t.Errorf("got %q of a package without a comment, want nothing", got)
	}
}

func TestWrap(t *testing.T) {
	rows := []struct {
		text string
		want []string
	}{
		{"one two", []string{"one two"}},
		{"one two three", []string{"one two", "three"}},
		{"one two three four", []string{"one two", "three …"}},
		{"one two threefour five", []string{"one two", "threefour …"}},
	}
	for _, row := range rows {
		if got := wrap(row.text, 9, 2); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.text, got, row.want)
		}
	}
}

func TestPicture(t *testing.T) {
	m := house(t)
	light, dark := Picture(m, []string{"annex"}, false), Picture(m, []string{"annex"}, true)
	if string(light) == string(dark) {
		t.Error("got the same picture, want other colors for a dark background")
	}
	if again := Picture(m, []string{"annex"}, false); string(again) != string(light) {
		t.Error("got another picture of the same code")
	}
	for _, svg := range [][]byte{light, dark} {
		text := string(svg)
		for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{">middleware.go<", ">door.go<", ">guard<", ">wall<", ">shed<", ">annex<", "a house with &lt;walls&gt;"} {
			if !strings.Contains(text, want) {
				t.Errorf("got no %s in the picture", want)
			}
		}
		for _, other := range []string{"$", "inner", "introspect.go"} {
			if strings.Contains(text, other) {
				t.Errorf("got %s in the picture", other)
			}
		}
	}
}

func TestMissing(t *testing.T) {
	got := missing(house(t))
	if slices.Contains(got, "extractor.go") || slices.Contains(got, "stytch") {
		t.Errorf("got %v, want neither extractor.go nor stytch, which exist", got)
	}
	if !slices.Contains(got, "context.go") || !slices.Contains(got, "internal/upstream") {
		t.Errorf("got %v, want context.go and internal/upstream, which do not exist", got)
	}
}
