package sessionjwt_test

import (
	"strings"
	"testing"
)

// Matches compares the header and the payload byte for byte, including their lengths and the dot
// between them.
func TestToken_Matches(t *testing.T) {
	e := newEnv(t)
	jwt := e.valid()
	token := e.want(jwt, "ok")
	input := jwt[:strings.LastIndexByte(jwt, '.')]
	dot := strings.IndexByte(input, '.')
	header, payload := input[:dot], input[dot+1:]
	changed := func(s string) string { // changes the last byte and keeps the length
		last := "A"
		if strings.HasSuffix(s, last) {
			last = "B"
		}
		return s[:len(s)-1] + last
	}
	for _, row := range []struct {
		name, input string
		want        bool
	}{
		{"the same", strings.Clone(input), true},
		{"another header", changed(header) + "." + payload, false},
		{"another payload", header + "." + changed(payload), false},
		{"another byte for the dot", header + "," + payload, false},
		{"no dot", header + payload, false},
		{"a dot elsewhere", header[:dot-1] + "." + header[dot-1:] + payload, false},
		{"a shorter payload", input[:len(input)-1], false},
		{"a longer payload", input + "A", false},
		{"a third segment", input + ".", false},
		{"the header only", header, false},
		{"empty", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := token.Matches(row.input); got != row.want {
				t.Errorf("got %t, want %t", got, row.want)
			}
		})
	}
	if got, want := token.Size(), len(header)+len(payload); got != want {
		t.Errorf("got size %d, want %d", got, want)
	}
}
