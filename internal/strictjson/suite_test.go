package strictjson_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// repeated lists the valid texts of the suite that this package refuses because they repeat a name.
var repeated = map[string]bool{
	"y_object_duplicated_key.json":           true,
	"y_object_duplicated_key_and_value.json": true,
}

// undecided lists the expected results for the texts that RFC 8259 leaves to the parser. The keys
// are prefixes of file names, and the longest prefix applies. Numbers may have any size. Strings
// must be valid UTF-8 without lone surrogates. Other encodings and byte order marks are refused.
var undecided = map[string]error{
	"i_number_":                          nil,
	"i_object_key_lone_2nd_surrogate":    strictjson.ErrUTF8,
	"i_string_":                          strictjson.ErrUTF8,
	"i_string_UTF-16LE_with_BOM":         strictjson.ErrSyntax,
	"i_string_utf16BE_no_BOM":            strictjson.ErrSyntax,
	"i_string_utf16LE_no_BOM":            strictjson.ErrSyntax,
	"i_structure_500_nested_arrays":      strictjson.ErrDepth,
	"i_structure_UTF-8_BOM_empty_object": strictjson.ErrSyntax,
}

func TestCheck_JSONTestSuite(t *testing.T) {
	paths, err := filepath.Glob("testdata/jsontestsuite/test_parsing/*.json")
	if err != nil {
		t.Fatal(err)
	}
	count := map[byte]int{}
	for _, path := range paths {
		name := filepath.Base(path)
		count[name[0]]++
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := strictjson.Check(data)
			switch {
			case repeated[name]:
				if got != strictjson.ErrDuplicateName {
					t.Errorf("got %v, want %v", got, strictjson.ErrDuplicateName)
				}
			case name[0] == 'y' && got != nil:
				t.Errorf("got %v, want nil", got)
			case name[0] == 'n' && got == nil:
				t.Error("got nil, want an error")
			case name[0] == 'i' && got != verdict(name):
				t.Errorf("got %v, want %v", got, verdict(name))
			}
		})
	}
	if count['y'] != 95 || count['n'] != 188 || count['i'] != 35 {
		t.Errorf("got %d y_, %d n_ and %d i_ texts, want 95, 188 and 35", count['y'], count['n'], count['i'])
	}
}

// verdict returns the expected result for a file name, according to undecided.
func verdict(name string) (want error) {
	best := ""
	for start, err := range undecided {
		if strings.HasPrefix(name, start) && len(start) > len(best) {
			best, want = start, err
		}
	}
	return want
}
