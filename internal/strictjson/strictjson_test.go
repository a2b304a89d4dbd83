package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// nested returns a text with n levels.
func nested(n int) string {
	return strings.Repeat("[", n) + strings.Repeat("]", n)
}

// members returns n members. Their names are the numbers from 0 in this format.
func members(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i) + ":0"
	}
	return strings.Join(list, ",")
}

var checks = []struct {
	name string
	text string
	want error
}{
	{"nothing", ``, strictjson.ErrSyntax},
	{"white space only", " \t\r\n", strictjson.ErrSyntax},
	{"white space everywhere", "\r\n\t { \"a\" : [ 1 , { } , [ ] ] ,\n\"b\" : null } \n", nil},
	{"form feed as white space", "\f1", strictjson.ErrSyntax},
	{"no-break space as white space", "\u00a01", strictjson.ErrSyntax},
	{"NUL as white space", "\x001", strictjson.ErrSyntax},
	{"true", `true`, nil},
	{"false", `false`, nil},
	{"null", `null`, nil},
	{"word in capitals", `True`, strictjson.ErrSyntax},
	{"word cut short", `tru`, strictjson.ErrSyntax},
	{"word run on", `nullnull`, strictjson.ErrSyntax},
	{"unquoted word", `yes`, strictjson.ErrSyntax},

	{"trailing white space", "{}\n", nil},
	{"trailing NUL", "{}\x00", strictjson.ErrSyntax},
	{"trailing comma after the text", `{},`, strictjson.ErrSyntax},
	{"trailing bracket", `{}}`, strictjson.ErrSyntax},
	{"two objects", `{}{}`, strictjson.ErrSyntax},
	{"two objects on two lines", "{}\n{}", strictjson.ErrSyntax},
	{"comment before", `/**/{}`, strictjson.ErrSyntax},
	{"comment after", `{}//`, strictjson.ErrSyntax},
	{"comment within", `{/**/}`, strictjson.ErrSyntax},
	{"byte order mark", "\ufeff{}", strictjson.ErrSyntax},
	{"byte order mark at the end", "{}\ufeff", strictjson.ErrSyntax},
	{"byte order mark in a string", "\"\ufeff\"", nil},
	{"UTF-16, big endian", "\x00{\x00}", strictjson.ErrSyntax},
	{"UTF-16, little endian", "{\x00}\x00", strictjson.ErrSyntax},
	{"gzip", "\x1f\x8b\x08\x00", strictjson.ErrSyntax},
	{"XML", `<a/>`, strictjson.ErrSyntax},
	{"YAML", "a: 1", strictjson.ErrSyntax},

	{"empty array", `[]`, nil},
	{"array, not closed", `[1`, strictjson.ErrSyntax},
	{"array, cut after the comma", `[1,`, strictjson.ErrSyntax},
	{"array with a trailing comma", `[1,]`, strictjson.ErrSyntax},
	{"array with a leading comma", `[,1]`, strictjson.ErrSyntax},
	{"array with two commas", `[1,,2]`, strictjson.ErrSyntax},
	{"array without a comma", `[1 2]`, strictjson.ErrSyntax},
	{"array closed by a brace", `[1}`, strictjson.ErrSyntax},
	{"array with a colon", `["a":1]`, strictjson.ErrSyntax},
	{"array with a bad element", `[1,x]`, strictjson.ErrSyntax},
	{"array, closed twice", `[]]`, strictjson.ErrSyntax},

	{"empty object", `{}`, nil},
	{"object, not closed", `{"a":1`, strictjson.ErrSyntax},
	{"object, cut after the brace", `{`, strictjson.ErrSyntax},
	{"object, cut in the name", `{"a`, strictjson.ErrSyntax},
	{"object, cut after the name", `{"a"`, strictjson.ErrSyntax},
	{"object, cut after the colon", `{"a":`, strictjson.ErrSyntax},
	{"object, cut after the comma", `{"a":1,`, strictjson.ErrSyntax},
	{"object with a trailing comma", `{"a":1,}`, strictjson.ErrSyntax},
	{"object with a leading comma", `{,"a":1}`, strictjson.ErrSyntax},
	{"object with two commas", `{"a":1,,"b":2}`, strictjson.ErrSyntax},
	{"object without a comma", `{"a":1 "b":2}`, strictjson.ErrSyntax},
	{"object without a colon", `{"a" 1}`, strictjson.ErrSyntax},
	{"object with a comma for a colon", `{"a",1}`, strictjson.ErrSyntax},
	{"object with two colons", `{"a"::1}`, strictjson.ErrSyntax},
	{"object without a value", `{"a":}`, strictjson.ErrSyntax},
	{"object without a name", `{:1}`, strictjson.ErrSyntax},
	{"object closed by a bracket", `{"a":1]`, strictjson.ErrSyntax},
	{"object with an unquoted name", `{a:1}`, strictjson.ErrSyntax},
	{"object with a number for a name", `{1:1}`, strictjson.ErrSyntax},
	{"object with half a quoted name", `{a":1}`, strictjson.ErrSyntax},
	{"object with single quotes", `{'a':1}`, strictjson.ErrSyntax},

	{"0", `0`, nil},
	{"-0", `-0`, nil},
	{"10", `10`, nil},
	{"-12.50e+07", `-12.50e+07`, nil},
	{"1E-1", `1E-1`, nil},
	{"0e0", `0e0`, nil},
	{"0.0", `0.0`, nil},
	{"number of 300 kB", strings.Repeat("9", 300_000), nil},
	{"exponent of any size", `1e999999999999`, nil},
	{"number in an array", `[1,-2]`, nil},
	{"minus alone", `-`, strictjson.ErrSyntax},
	{"two minus signs", `--1`, strictjson.ErrSyntax},
	{"plus", `+1`, strictjson.ErrSyntax},
	{"minus apart", `- 1`, strictjson.ErrSyntax},
	{"leading zero", `01`, strictjson.ErrSyntax},
	{"leading zero, negative", `-01`, strictjson.ErrSyntax},
	{"leading zero in an array", `[00]`, strictjson.ErrSyntax},
	{"no digit before the point", `.5`, strictjson.ErrSyntax},
	{"no digit before the point, negative", `-.5`, strictjson.ErrSyntax},
	{"no digit after the point", `1.`, strictjson.ErrSyntax},
	{"no digit between point and exponent", `1.e1`, strictjson.ErrSyntax},
	{"two points", `1.2.3`, strictjson.ErrSyntax},
	{"no digit in the exponent", `1e`, strictjson.ErrSyntax},
	{"no digit after the sign", `1e+`, strictjson.ErrSyntax},
	{"two signs in the exponent", `1e+-1`, strictjson.ErrSyntax},
	{"two exponents", `1e1e1`, strictjson.ErrSyntax},
	{"fraction in the exponent", `1e1.5`, strictjson.ErrSyntax},
	{"hexadecimal", `0x1`, strictjson.ErrSyntax},
	{"underscore", `1_0`, strictjson.ErrSyntax},
	{"NaN", `NaN`, strictjson.ErrSyntax},
	{"-Infinity", `-Infinity`, strictjson.ErrSyntax},
	{"digits of another script", `١`, strictjson.ErrSyntax},

	{"empty string", `""`, nil},
	{"string, not closed", `"abc`, strictjson.ErrSyntax},
	{"quote alone", `"`, strictjson.ErrSyntax},
	{"every escape", `"\"\\\/\b\f\n\r\t\u00e4\uABCD\uabcd"`, nil},
	{"escape with a capital U", `"\U0041"`, strictjson.ErrSyntax},
	{"escape cut after the backslash", `"\`, strictjson.ErrSyntax},
	{"escaped closing quote", `"\"`, strictjson.ErrSyntax},
	{"escaped backslash, then the closing quote", `"\\"`, nil},
	{"escape cut after u", `"\u`, strictjson.ErrSyntax},
	{"escape cut after three digits", `"\u004`, strictjson.ErrSyntax},
	{"escape with three digits", `"\u004"`, strictjson.ErrSyntax},
	{"escape with a sign", `"\u+041"`, strictjson.ErrSyntax},
	{"escape with an underscore", `"\u0_41"`, strictjson.ErrSyntax},
	{"escape with a prefix", `"\u0x41"`, strictjson.ErrSyntax},
	{"escape with a letter past f", `"\u004g"`, strictjson.ErrSyntax},
	{"escape with braces", `"\u{41}"`, strictjson.ErrSyntax},
	{"control character", "\"\x1f\"", strictjson.ErrSyntax},
	{"newline in a string", "\"\n\"", strictjson.ErrSyntax},
	{"NUL in a string", "\"\x00\"", strictjson.ErrSyntax},
	{"escaped NUL", `"\u0000"`, nil},
	{"DEL in a string", "\"\x7f\"", nil},
	{"line separators in a string", "\"\u2028\u2029\"", nil},

	{"two, three and four bytes", `"é€𝄞"`, nil},
	{"U+FFFD written out", "\"\ufffd\"", nil},
	{"U+FFFD escaped", `"\ufffd"`, nil},
	{"U+10FFFF", "\"\U0010ffff\"", nil},
	{"past U+10FFFF", "\"\xf4\x90\x80\x80\"", strictjson.ErrUTF8},
	{"Latin-1", "\"\xe9\"", strictjson.ErrUTF8},
	{"Latin-1 in a name", "{\"\xe9\":1}", strictjson.ErrUTF8},
	{"Latin-1 next to an escape", "\"\\n\xe9\"", strictjson.ErrUTF8},
	{"continuation byte alone", "\"\x80\"", strictjson.ErrUTF8},
	{"sequence cut by the closing quote", "\"\xe2\x82\"", strictjson.ErrUTF8},
	{"overlong slash", "\"\xc0\xaf\"", strictjson.ErrUTF8},
	{"overlong NUL", "\"\xc0\x80\"", strictjson.ErrUTF8},
	{"surrogate in UTF-8", "\"\xed\xa0\x80\"", strictjson.ErrUTF8},
	{"pair of surrogates in UTF-8", "\"\xed\xa0\xb4\xed\xb4\x9e\"", strictjson.ErrUTF8},
	{"byte outside a string", "{\xff}", strictjson.ErrSyntax},
	{"surrogate pair", `"\ud834\udd1e"`, nil},
	{"surrogate pair in capitals", `"\uD834\uDD1E"`, nil},
	{"first and last pair", `"\ud800\udc00\udbff\udfff"`, nil},
	{"just outside the surrogates", `"\ud7ff\ue000"`, nil},
	{"high surrogate alone", `"\ud800"`, strictjson.ErrUTF8},
	{"high surrogate, then text", `"\ud800abcdef"`, strictjson.ErrUTF8},
	{"high surrogate, then an escape", `"\ud800\n"`, strictjson.ErrUTF8},
	{"high surrogate twice", `"\ud800\ud800\udc00"`, strictjson.ErrUTF8},
	{"high surrogate, then no surrogate", `"\ud800\u0041"`, strictjson.ErrUTF8},
	{"high surrogate, then a low one without its backslash", `"\ud800 udc00"`, strictjson.ErrUTF8},
	{"high surrogate, then a low one without its u", `"\ud800\ndc00"`, strictjson.ErrUTF8},
	{"high surrogate, then a low one cut short", `"\ud800\udc0`, strictjson.ErrUTF8},
	{"high surrogate, then an escaped backslash", `"\ud800\\udc00"`, strictjson.ErrUTF8},
	{"high surrogate at the end of the text", `"\ud800`, strictjson.ErrUTF8},
	{"low surrogate alone", `"\udc00"`, strictjson.ErrUTF8},
	{"surrogates in the wrong order", `"\udd1e\ud834"`, strictjson.ErrUTF8},
	{"low surrogate after a pair", `"\ud834\udd1e\udd1e"`, strictjson.ErrUTF8},
	{"lone surrogate in a name", `{"\udc00":0}`, strictjson.ErrUTF8},
	{"escaped backslash before what looks like a surrogate", `"\\ud800"`, nil},

	{"name twice", `{"a":1,"a":2}`, strictjson.ErrDuplicateName},
	{"name twice, same value", `{"a":1,"a":1}`, strictjson.ErrDuplicateName},
	{"name twice, not next to each other", `{"a":1,"b":{"c":1},"a":2}`, strictjson.ErrDuplicateName},
	{"empty name twice", `{"":1,"":2}`, strictjson.ErrDuplicateName},
	{"name twice, second escaped", `{"a":1,"\u0061":2}`, strictjson.ErrDuplicateName},
	{"name twice, first escaped", `{"\u0061":1,"a":2}`, strictjson.ErrDuplicateName},
	{"name twice, both escaped", `{"\u0061":1,"\u0061":2}`, strictjson.ErrDuplicateName},
	{"slash, two spellings", `{"a/b":1,"a\/b":2}`, strictjson.ErrDuplicateName},
	{"newline, two spellings", `{"\n":1,"\u000A":2}`, strictjson.ErrDuplicateName},
	{"pair, two spellings", `{"x𝄞y":1,"x\ud834\uDD1Ey":2}`, strictjson.ErrDuplicateName},
	{"U+FFFD, two spellings", `{"` + "\ufffd" + `":1,"\uFFFD":2}`, strictjson.ErrDuplicateName},
	{"name twice in an inner object", `{"x":{"a":1,"a":2}}`, strictjson.ErrDuplicateName},
	{"name twice in an array's object", `[0,[{"a":1,"a":2}]]`, strictjson.ErrDuplicateName},
	{"name twice around an inner object", `{"a":{"a":{"a":1}},"b":2,"a":3}`, strictjson.ErrDuplicateName},
	{"name twice before a syntax error", `{"a":1,"a":2,`, strictjson.ErrDuplicateName},
	{"same name at two levels", `{"a":{"a":{"a":1}}}`, nil},
	{"same name in two objects", `[{"a":1},{"a":1},{"b":{"a":1},"c":{"a":1}}]`, nil},
	{"names in another case", `{"sub":1,"SUB":2,"Sub":3}`, nil},
	{"names that encoding/json matches to one field", `{"iss":1,"iſs":2}`, nil},
	{"names before and after normalisation", `{"é":1,"e\u0301":2}`, nil},
	{"escaped backslash before what looks like an escape", `{"a":1,"\\u0061":2}`, nil},
	{"name that begins another", `{"a":1,"ab":2,"":3}`, nil},
	{"64 names", `{` + members(64, `"%d"`) + `}`, nil},
	{"65 names", `{` + members(65, `"%d"`) + `}`, nil},
	{"first of 65 names again", `{` + members(64, `"%d"`) + `,"0":0}`, strictjson.ErrDuplicateName},
	{"last of 65 names again", `{` + members(65, `"%d"`) + `,"64":0}`, strictjson.ErrDuplicateName},
	{"one of 1000 names again", `{` + members(1000, `"%d"`) + `,"777":0}`, strictjson.ErrDuplicateName},
	{"one of 1000 names again, escaped", `{` + members(1000, `"%d"`) + `,"77\u0037":0}`, strictjson.ErrDuplicateName},
	{"many names, then those of another object", `[{` + members(99, `"%d"`) + `},{` + members(99, `"%d"`) + `}]`, nil},
	{"many names at two levels", `{` + members(99, `"%d"`) + `,"x":{` + members(99, `"%d"`) + `}}`, nil},
	{"many names around an inner object", `{"a":{` + members(99, `"%d"`) + `},` + members(99, `"%d"`) + `,"b":{"a":0},"a":0}`, strictjson.ErrDuplicateName},
	{"small object inside a large one", `{` + members(99, `"%d"`) + `,"x":{"0":0,"98":0}}`, nil},
	{"small object inside a large one, name twice", `{` + members(99, `"%d"`) + `,"x":{"a":0,"a":0}}`, strictjson.ErrDuplicateName},

	{"100 arrays", nested(100), nil},
	{"101 arrays", nested(101), strictjson.ErrDepth},
	{"100 objects", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat(`}`, 100), nil},
	{"101 objects", strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat(`}`, 101), strictjson.ErrDepth},
	{"objects and arrays, 102 in all", strings.Repeat(`[{"a":`, 51) + "1" + strings.Repeat(`}]`, 51), strictjson.ErrDepth},
	{"1000 arrays side by side", `[` + strings.Repeat(`[],{},`, 500) + `0]`, nil},
	{"100 levels twice", `[` + nested(99) + `,` + nested(99) + `]`, nil},
	{"100 levels, then 101", `[` + nested(99) + `,` + nested(100) + `]`, strictjson.ErrDepth},
}

func TestCheck(t *testing.T) {
	for _, test := range checks {
		t.Run(test.name, func(t *testing.T) {
			data := slices.Clip([]byte(test.text)) // clipped, so that reading past the end panics
			if got := strictjson.Check(data); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			want := test.want
			if want == nil && strings.TrimLeft(test.text, " \t\r\n")[0] != '{' {
				want = strictjson.ErrNotObject
			}
			if got := strictjson.CheckObject(data); got != want {
				t.Errorf("as an object: got %v, want %v", got, want)
			}
		})
	}
}

// Check and encoding/json agree about each byte: alone, in a string, and after a backslash. The
// only exception is invalid UTF-8, which encoding/json accepts.
func TestCheck_EveryByte(t *testing.T) {
	for c := range 256 {
		for _, text := range []string{"%s", "1%s", "[%s]", `"%s"`, `"\%s"`, `{%s"a":1}`, `{"a"%s1}`} {
			data := []byte(strings.Replace(text, "%s", string([]byte{byte(c)}), 1))
			want := json.Valid(data) && utf8.Valid(data)
			if got := strictjson.Check(data); (got == nil) != want {
				t.Errorf("%q: got %v, want accepted %v", data, got, want)
			}
		}
	}
}

// Check takes linear time for every text, so that an attacker cannot make it slow.
func TestCheck_LinearTime(t *testing.T) {
	tests := []struct {
		name string
		text string
		want error
	}{
		{"20000 arrays deep", nested(20_000), strictjson.ErrDepth},
		{"60000 arrays deep", nested(60_000), strictjson.ErrDepth},
		{"60000 objects deep", strings.Repeat(`{"a":`, 60_000), strictjson.ErrDepth},
		{"60000 members", `{` + members(60_000, `"%d"`) + `}`, nil},
		{"60000 members, the last a duplicate", `{` + members(60_000, `"%d"`) + `,"0":0}`, strictjson.ErrDuplicateName},
		{"60000 members of the same length", `{` + members(60_000, `"%05d"`) + `}`, nil},
		{"10000 objects of 16 members", `[` + strings.Repeat(`{`+members(16, `"%x"`)+`},`, 10_000) + `0]`, nil},
		{"60000 objects inside one of 64 members", `{` + members(64, `"%d"`) + `,"x":[` + strings.Repeat(`{"a":0},`, 60_000) + `0]}`, nil},
		{"string of 300 kB in escapes", `"` + strings.Repeat(`\u0061`, 50_000) + `"`, nil},
		{"number of 300 kB", strings.Repeat("9", 300_000), nil},
		{"300 kB of white space", strings.Repeat(" ", 300_000) + "1", nil},
	}
	limit := 500 * time.Millisecond // about 10 ms is usual; quadratic time takes seconds
	if raced() {
		limit *= 10 // the race detector makes it about 15 times slower
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := []byte(test.text)
			// The best of five runs counts, because tests of other packages run at the same time.
			best := time.Hour
			for i := 0; i < 5 && best > limit; i++ {
				start := time.Now()
				if got := strictjson.Check(data); got != test.want {
					t.Fatalf("got %v, want %v", got, test.want)
				}
				best = min(best, time.Since(start))
			}
			if best > limit {
				t.Errorf("got %v, want at most %v", best, limit)
			}
		})
	}
}

// raced reports whether the race detector is on.
func raced() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestMembers_Allocations(t *testing.T) {
	data, names := []byte(payload), []byte(`[{`+members(64, `"%d"`)+`}]`)
	var audience []byte
	tests := []struct {
		name string
		read func()
	}{
		{"CheckObject", func() { _ = strictjson.CheckObject(data) }},
		{"Check with 64 names", func() { _ = strictjson.Check(names) }},
		{"Members", func() {
			for name, value := range strictjson.Members(data) {
				if string(name) == "aud" {
					audience = value
				}
			}
		}},
		{"Elements", func() {
			for range strictjson.Elements(audience) {
			}
		}},
	}
	if err := strictjson.CheckObject(data); err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	for _, test := range tests {
		if got := testing.AllocsPerRun(100, test.read); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", test.name, got)
		}
	}
}

func TestCheckObject_ErrorsContainNoText(t *testing.T) {
	for _, text := range []string{`secret`, `{"secret":1,"secret":2}`, "\"secret\xff\"", `["secret"]`, nested(101)} {
		err := strictjson.CheckObject([]byte(text))
		if err == nil || errors.Unwrap(err) != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.20s: got %v, want a plain sentinel", text, err)
		}
	}
}

func TestMembers(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"none", `{}`, nil},
		{"one", `{"a":1}`, []string{"a=1"}},
		{"in order", `{"b":1,"a":2,"c":3}`, []string{"b=1", "a=2", "c=3"}},
		{"white space is not part of a value", " {\n\"a\" :\t[ 1 ] , \"b\" : \"x\" \r} ", []string{"a=[ 1 ]", `b="x"`}},
		{"nested values not yielded", `{"a":{"b":{"c":1}},"d":[{"e":2}]}`, []string{`a={"b":{"c":1}}`, `d=[{"e":2}]`}},
		{"names unescaped, values not", `{"\u0061\n\ud834\udd1e":"\u0061"}`, []string{"a\n𝄞=" + `"\u0061"`}},
		{"empty name", `{"":null}`, []string{"=null"}},

		// The text is not an object.
		{"nothing", ``, nil},
		{"array", `[1]`, nil},
		{"string", `"a"`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for name, value := range strictjson.Members([]byte(test.text)) {
				got = append(got, string(name)+"="+string(value))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestElements(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"none", `[]`, nil},
		{"one", `[1]`, []string{"1"}},
		{"in order", `[3,"a",null,true]`, []string{"3", `"a"`, "null", "true"}},
		{"white space is not part of a value", " [\n1 ,\t{ } ] ", []string{"1", "{ }"}},
		{"nested values not yielded", `[[1,[2]],{"a":[3]}]`, []string{"[1,[2]]", `{"a":[3]}`}},

		// The text is not an array.
		{"nothing", ``, nil},
		{"object", `{"a":1}`, nil},
		{"string", `"[1]"`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for value := range strictjson.Elements([]byte(test.text)) {
				got = append(got, string(value))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMembers_Break(t *testing.T) {
	var got []string
	for name := range strictjson.Members([]byte(`{"a":1,"b":2,"c":3}`)) {
		if got = append(got, string(name)); len(got) == 2 {
			break
		}
	}
	for value := range strictjson.Elements([]byte(`[1,2,3]`)) {
		got = append(got, string(value))
		break
	}
	if want := []string{"a", "b", "1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The iterators yield slices of the text. Their capacity ends where they end, so that appending to
// one does not overwrite the text.
func TestMembers_SubSlices(t *testing.T) {
	text := []byte(`{"name":[1,"x"]}`)
	for name, value := range strictjson.Members(text) {
		if &name[0] != &text[2] || &value[0] != &text[8] {
			t.Error("got a copy, want a sub-slice")
		}
		for element := range strictjson.Elements(value) {
			_ = append(element, "!!!"...)
		}
		_, _ = append(name, "!!!"...), append(value, "!!!"...)
	}
	if want := []byte(`{"name":[1,"x"]}`); !bytes.Equal(text, want) {
		t.Errorf("got %s, want %s", text, want)
	}
}

func TestString(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		want string
		ok   bool
	}{
		{"empty", `""`, "", true},
		{"plain", `"abc"`, "abc", true},
		{"not ASCII", `"é€𝄞"`, "é€𝄞", true},
		{"every escape", `"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t", true},
		{"escapes between text", `"a\u00e9b\u20acc\ud834\udd1ed"`, "aéb€c𝄞d", true},
		{"escaped NUL", `"\u0000"`, "\x00", true},
		{"escaped backslash", `"\\u0061"`, `\u0061`, true},
		{"white space around", " \"a\"\n", "a", true},
		{"nothing", ``, "", false},
		{"number", `1`, "", false},
		{"null", `null`, "", false},
		{"array", `["a"]`, "", false},
		{"object", `{"a":"a"}`, "", false},
		{"quote alone", `"`, "", false},
		{"not closed", `"abc`, "", false},
		{"escaped closing quote", `"\"`, "", false},
		{"two strings", `"a""b"`, "", false},
		{"more after it", `"a",`, "", false},
		{"bad escape", `"\x"`, "", false},
		{"lone surrogate", `"\ud800"`, "", false},
		{"invalid UTF-8", "\"\xff\"", "", false},
		{"control character", "\"\n\"", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := strictjson.String([]byte(test.raw)); got != test.want || ok != test.ok {
				t.Errorf("got %q, %v, want %q, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func TestCheckAnswer_Depth(t *testing.T) {
	for _, test := range []struct {
		name  string
		depth int
		want  error
	}{
		{"the limit of Check", strictjson.MaxDepth, nil},
		{"4 KB of metadata", 2048, nil},
		{"the limit", 4096, nil},
		{"one level above the limit", 4097, strictjson.ErrDepth},
		{"much deeper", 100_000, strictjson.ErrDepth},
	} {
		text := []byte(`{"a":` + strings.Repeat("[", test.depth-1) + strings.Repeat("]", test.depth-1) + "}")
		if got := strictjson.CheckAnswer(text, nil); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// opaqueChecks are texts whose members named data are opaque.
var opaqueChecks = []struct {
	name string
	text string
	top  error // result of Object, for which only members at the top level are opaque
	all  error // result of CheckAnswer, for which members at any level are opaque
}{
	{"name twice inside", `{"data":{"a":1,"a":2}}`, nil, nil},
	{"name twice deep inside", `{"data":[{"x":{"a":1,"a":2}}]}`, nil, nil},
	{"lone surrogate inside", `{"data":"\ud800"}`, nil, nil},
	{"lone surrogate deep inside", `{"data":{"a":["\udc00"]}}`, nil, nil},
	{"lone surrogate in a name inside", `{"data":{"\udc00":0,"\udc00":0}}`, nil, nil},
	{"high surrogate, then no surrogate, inside", `{"data":"\ud800\u0041"}`, nil, nil},
	{"high surrogate, then a bad escape, inside", `{"data":"\ud800\u00"}`, strictjson.ErrSyntax, strictjson.ErrSyntax},
	{"bad escape inside", `{"data":"\x"}`, strictjson.ErrSyntax, strictjson.ErrSyntax},
	{"not UTF-8 inside", "{\"data\":\"\xff\"}", strictjson.ErrUTF8, strictjson.ErrUTF8},
	{"not UTF-8 next to a lone surrogate inside", "{\"data\":\"\\ud800\xff\"}", strictjson.ErrUTF8, strictjson.ErrUTF8},
	{"syntax error inside", `{"data":{"a":1,}}`, strictjson.ErrSyntax, strictjson.ErrSyntax},
	{"bracket in a string inside", `{"data":["]"]}`, nil, nil},
	{"nested too deeply inside", `{"data":` + nested(4096) + `}`, strictjson.ErrDepth, strictjson.ErrDepth},

	{"name twice outside", `{"a":{"b":1,"b":2},"data":{}}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"name twice after it", `{"data":{"a":1,"a":2},"b":1,"b":2}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"name twice around it", `{"b":1,"data":{"a":1,"a":2},"b":2}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"name twice in a value after it", `{"data":{"a":1,"a":2},"b":{"c":1,"c":2}}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"the opaque member twice", `{"data":{},"data":{}}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"the opaque member twice, once escaped", `{"data":{},"d\u0061ta":{}}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"the opaque member escaped", `{"d\u0061ta":{"a":1,"a":2}}`, nil, nil},
	{"lone surrogate outside", `{"a":"\ud800","data":{}}`, strictjson.ErrUTF8, strictjson.ErrUTF8},
	{"lone surrogate after it", `{"data":"\ud800","a":"\ud800"}`, strictjson.ErrUTF8, strictjson.ErrUTF8},
	{"lone surrogate in a name next to it", `{"data":{},"\ud800":1}`, strictjson.ErrUTF8, strictjson.ErrUTF8},
	{"name in another case", `{"Data":{"a":1,"a":2}}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
	{"member of a nested object", `{"x":{"data":{"a":1,"a":2}}}`, strictjson.ErrDuplicateName, nil},
	{"member of an object in an array", `{"x":[{"data":"\ud800"}]}`, strictjson.ErrUTF8, nil},
	{"string of that name in an array", `{"x":["data",{"a":1,"a":2}]}`, strictjson.ErrDuplicateName, strictjson.ErrDuplicateName},
}

func isData(name []byte) bool { return string(name) == "data" }

func TestObject_Opaque(t *testing.T) {
	for _, test := range opaqueChecks {
		t.Run(test.name, func(t *testing.T) {
			data := slices.Clip([]byte(test.text))
			got, err := strictjson.Object(data, nil, isData)
			if err != test.top {
				t.Fatalf("got %v, want %v", err, test.top)
			}
			if _, err := strictjson.Object(data, nil, nil); test.top != nil && err == nil {
				t.Error("without opaque members: got nil, want an error")
			}
			var names []string
			for name := range strictjson.Members(data) {
				names = append(names, string(name))
			}
			if err == nil && len(names) != len(got) {
				t.Errorf("got members %q, want the %d of Object", names, len(got))
			}
		})
	}
}

func TestCheckAnswer_Opaque(t *testing.T) {
	for _, test := range opaqueChecks {
		t.Run(test.name, func(t *testing.T) {
			if got := strictjson.CheckAnswer(slices.Clip([]byte(test.text)), isData); got != test.all {
				t.Errorf("got %v, want %v", got, test.all)
			}
		})
	}
}

// If an opaque value contains a lone surrogate, the iteration continues with the members after it.
func TestMembers_LoneSurrogate(t *testing.T) {
	text := []byte(`{"data":{"\ud800":["\udc00","}"]},"b":"x"}`)
	if _, err := strictjson.Object(text, nil, isData); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, value := range strictjson.Members(text) {
		got = append(got, string(name)+"="+string(value))
		for inner, v := range strictjson.Members(value) {
			got = append(got, string(inner)+"="+string(v))
			for element := range strictjson.Elements(v) {
				got = append(got, string(element))
			}
		}
	}
	want := []string{`data={"\ud800":["\udc00","}"]}`, "\ufffd=" + `["\udc00","}"]`, `"\udc00"`, `"}"`, `b="x"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
