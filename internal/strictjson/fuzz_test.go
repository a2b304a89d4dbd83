package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

func FuzzCheck(f *testing.F) {
	for _, test := range checks {
		if len(test.text) < 2000 {
			f.Add([]byte(test.text))
		}
	}
	paths, err := filepath.Glob("testdata/jsontestsuite/test_parsing/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil && len(data) < 2000 {
			f.Add(data)
		}
	}
	f.Add([]byte(payload))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		err := strictjson.Check(data)
		broken := rules(data)
		if err == nil && len(broken) > 0 {
			t.Fatalf("got nil, want one of %v", broken)
		}
		if err != nil && !slices.Contains(broken, err) {
			t.Fatalf("got %v, want one of %v", err, broken)
		}
		sameMembers(t, data, err == nil)
		sameObject(t, data)
		sameOpaque(t, data)
		sameElements(t, data, err == nil)
		sameString(t, data, err == nil)
		if !bytes.Equal(data, before) {
			t.Fatalf("got %q, want the text unchanged: %q", data, before)
		}
	})
}

// rules is a slow implementation of Check that shares no code with it. It returns all errors of the
// text. If encoding/json refuses the text, any error is allowed.
func rules(data []byte) (broken []error) {
	if !json.Valid(data) {
		return []error{strictjson.ErrSyntax, strictjson.ErrUTF8, strictjson.ErrDuplicateName, strictjson.ErrDepth}
	}
	if !utf8.Valid(data) || loneSurrogate(string(data)) {
		broken = append(broken, strictjson.ErrUTF8)
	}
	repeated, depth := walk(data)
	if repeated {
		broken = append(broken, strictjson.ErrDuplicateName)
	}
	if depth > strictjson.MaxDepth {
		broken = append(broken, strictjson.ErrDepth)
	}
	return broken
}

var (
	pair      = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
	surrogate = regexp.MustCompile(`(?i)\\ud[89a-f]`)
)

// loneSurrogate removes escaped backslashes and surrogate pairs from a valid text. It reports
// whether a surrogate is left.
func loneSurrogate(text string) bool {
	text = strings.ReplaceAll(text, `\\`, "?")
	return surrogate.MatchString(pair.ReplaceAllString(text, "?"))
}

// walk reads a valid text token by token.
func walk(data []byte) (repeated bool, deepest int) {
	type level struct {
		names map[string]bool // nil for an array
		value bool            // true if the next token of an object is a value
	}
	levels := []level{{}}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number may be too large for a float64
	for {
		token, err := d.Token()
		if err != nil {
			return repeated, deepest
		}
		top := &levels[len(levels)-1]
		if name, ok := token.(string); ok && top.names != nil && !top.value {
			repeated = repeated || top.names[name]
			top.names[name], top.value = true, true
			continue
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
			levels[len(levels)-1].value = false
		default:
			top.value = false
		}
		deepest = max(deepest, len(levels)-1)
	}
}

// sameMembers compares Members with encoding/json. For a text that Check refuses, it checks only
// that the iteration ends.
func sameMembers(t *testing.T, data []byte, accepted bool) {
	t.Helper()
	got := map[string][]byte{}
	for name, value := range strictjson.Members(data) {
		got[string(name)] = value
	}
	if !accepted {
		return
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal(data, &want); err != nil {
		want = nil // not an object
	}
	if len(got) != len(want) {
		t.Fatalf("got %d members, want %d", len(got), len(want))
	}
	for name, value := range want {
		if !bytes.Equal(got[name], bytes.TrimSpace(value)) {
			t.Fatalf("member %q: got %q, want %q", name, got[name], value)
		}
	}
}

// sameObject compares Object with CheckObject and Members.
func sameObject(t *testing.T, data []byte) {
	t.Helper()
	before := []strictjson.Member{{Name: []byte("before")}}
	got, err := strictjson.Object(data, before, nil)
	if want := strictjson.CheckObject(data); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if err != nil {
		if got != nil {
			t.Fatalf("got %d members together with %v, want none", len(got), err)
		}
		return
	}
	want := before
	for name, value := range strictjson.Members(data) {
		want = append(want, strictjson.Member{Name: name, Value: value})
	}
	if !slices.EqualFunc(got, want, func(a, b strictjson.Member) bool {
		return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
	}) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// sameOpaque checks Object and CheckAnswer with opaque members. It compares them with Check of the
// same text in which each opaque value is replaced.
func sameOpaque(t *testing.T, data []byte) {
	t.Helper()
	opaque := func(name []byte) bool { return len(name) > 0 && name[0] == 'o' }
	members, err := strictjson.Object(data, nil, opaque)
	if strictjson.CheckObject(data) == nil && err != nil {
		t.Fatalf("got %v with opaque members, want nil as without", err)
	}
	if err != nil {
		return
	}
	if !json.Valid(data) || !utf8.Valid(data) {
		t.Fatal("got nil for a text that is not JSON or not UTF-8")
	}
	if err := strictjson.CheckAnswer(data, opaque); err != nil {
		t.Fatalf("got %v from CheckAnswer, want nil as from Object", err)
	}
	var others [][]byte
	for _, m := range members {
		name, _ := json.Marshal(string(m.Name))
		value := m.Value
		if opaque(m.Name) {
			value = []byte("0")
		}
		others = append(others, slices.Concat(name, []byte(":"), value))
	}
	if rest := slices.Concat([]byte("{"), bytes.Join(others, []byte(",")), []byte("}")); strictjson.Check(rest) != nil {
		t.Fatalf("got nil, want %v of the other members", strictjson.Check(rest))
	}
}

// sameElements is like sameMembers, for Elements.
func sameElements(t *testing.T, data []byte, accepted bool) {
	t.Helper()
	var got [][]byte
	for value := range strictjson.Elements(data) {
		got = append(got, value)
	}
	if !accepted {
		return
	}
	var want []json.RawMessage
	if err := json.Unmarshal(data, &want); err != nil {
		want = nil // not an array
	}
	if len(got) != len(want) {
		t.Fatalf("got %d elements, want %d", len(got), len(want))
	}
	for i, value := range want {
		if !bytes.Equal(got[i], bytes.TrimSpace(value)) {
			t.Fatalf("element %d: got %q, want %q", i, got[i], value)
		}
	}
}

// sameString compares String with encoding/json. String must also refuse null.
func sameString(t *testing.T, data []byte, accepted bool) {
	t.Helper()
	var want any
	if accepted {
		if err := json.Unmarshal(data, &want); err != nil {
			// not a string, but a number that is too large for encoding/json
			want = nil
		}
	}
	wanted, ok := want.(string)
	if got, is := strictjson.String(data); got != wanted || is != ok {
		t.Fatalf("got %q, %v, want %q, %v", got, is, wanted, ok)
	}
}
