package strictjson

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner scans a text once. Each method advances i past the syntax element
// after which the method is named. After an error, i is unspecified.
type scanner struct {
	data  []byte
	i     int // index of the next byte
	depth int // number of open arrays and objects
	max   int // maximum of depth

	opaque  Opaque // may be nil
	topOnly bool   // opaque applies only to the members of the outermost object

	// lenient allows lone surrogates and repeated names. It is set within an
	// opaque value and for texts that have already been checked.
	lenient bool
}

// names records the member names of the open objects, to find repeated names.
// If the *names is nil, repeated names are not searched. It is not a field of
// scanner, because it would then escape to the heap.
type names struct {
	// few[:open] are names of the open objects, innermost last. A linear search
	// over this many is faster than a map.
	few  [64][]byte
	open int
	// many holds the names that do not fit into few, so that checking a text
	// with 60,000 names takes linear time. The names stay when their object is
	// closed, because the offset of an object is unique.
	many map[member]struct{}
}

// member identifies a name in the object whose opening brace is at offset object.
type member struct {
	object int
	name   string
}

// value scans one value. If yield is not nil, value calls it with the members or
// elements of that value, but not with those of nested values, until yield returns
// false.
func (s *scanner) value(n *names, yield func(name, value []byte) bool) error {
	switch s.peek() {
	case '"':
		_, err := s.quoted()
		return err
	case '{', '[':
		if n == nil && yield == nil {
			return s.skip()
		}
		return s.container(n, yield)
	}
	if s.word("true") || s.word("false") || s.word("null") {
		return nil
	}
	return s.number()
}

// skip scans an object or array that has already been checked, so it only
// counts the brackets outside of strings.
func (s *scanner) skip() error {
	for depth := 0; s.i < len(s.data); {
		switch s.data[s.i] {
		case '"':
			if _, err := s.quoted(); err != nil {
				return err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if s.i++; depth == 0 {
			return nil
		}
	}
	return ErrSyntax
}

// container scans an object or array.
func (s *scanner) container(n *names, yield func(name, value []byte) bool) error {
	if s.depth++; s.depth > s.max {
		return ErrDepth
	}
	object, open := s.i, 0
	if n != nil {
		open = n.open
	}
	closing := s.data[s.i] + 2 // ASCII: ']' is '[' + 2 and '}' is '{' + 2
	s.i++
	more := s.peek() != closing
	for more {
		var name []byte
		if closing == '}' {
			var err error
			if name, err = s.name(n, object, open); err != nil {
				return err
			}
		}
		s.peek()
		start := s.i
		if err := s.nested(n, name, closing == '}'); err != nil {
			return err
		}
		if yield != nil && !yield(name, s.data[start:s.i:s.i]) {
			return nil // depth need not be restored, because yield is nil for nested values
		}
		if more = s.peek() == ','; more {
			s.i++
		}
	}
	if s.peek() != closing {
		return ErrSyntax
	}
	s.i++
	s.depth--
	if n != nil {
		n.open = open
	}
	return nil
}

// nested scans a value within a container: an element, or the value of the member
// with this name.
func (s *scanner) nested(n *names, name []byte, member bool) error {
	if !member || s.lenient || s.opaque == nil || s.topOnly && s.depth > 1 || !s.opaque(name) {
		return s.value(n, nil)
	}
	s.lenient = true
	defer func() { s.lenient = false }()
	return s.value(n, nil)
}

// name scans a member name and the colon after it. The opening brace of the object
// is at offset object; its names in n.few begin at index open.
func (s *scanner) name(n *names, object, open int) ([]byte, error) {
	if s.peek() != '"' {
		return nil, ErrSyntax
	}
	name, err := s.text()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, ErrSyntax
	}
	s.i++
	if n != nil && !s.lenient && !n.add(object, open, name) {
		return nil, ErrDuplicateName
	}
	return name, nil
}

// add records a name and reports whether it is new in its object.
func (n *names) add(object, open int, name []byte) bool {
	for _, other := range n.few[open:n.open] {
		if bytes.Equal(other, name) {
			return false
		}
	}
	if n.open < len(n.few) {
		n.few[n.open] = name
		n.open++
		return true
	}
	if _, known := n.many[member{object, string(name)}]; known {
		return false
	}
	if n.many == nil {
		n.many = make(map[member]struct{})
	}
	n.many[member{object, string(name)}] = struct{}{}
	return true
}

// text scans a string and returns its unescaped value: a sub-slice of data if the
// string contains no backslash.
func (s *scanner) text() ([]byte, error) {
	start := s.i + 1
	escaped, err := s.quoted()
	if err != nil {
		return nil, err
	}
	text := s.data[start : s.i-1 : s.i-1]
	if escaped {
		text = unescape(text)
	}
	return text, nil
}

// plain contains the ASCII characters that a string may contain unescaped.
var plain = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// quoted scans a string and reports whether it contains a backslash.
func (s *scanner) quoted() (escaped bool, err error) {
	data, start := s.data, s.i+1
	ascii := true
	for i := start; i < len(data); i++ {
		if plain[data[i]] {
			continue
		}
		switch c := data[i]; {
		case c == '"':
			s.i = i + 1
			if !ascii && !utf8.Valid(data[start:i]) {
				return false, ErrUTF8
			}
			return escaped, nil
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ':
			return false, ErrSyntax
		case c == '\\':
			_, size, err := escape(data[i:])
			if err != nil && !(err == ErrUTF8 && s.lenient) {
				return false, err
			}
			escaped = true
			i += size - 1
		}
	}
	return false, ErrSyntax
}

// unescape decodes text, a string without its quotes that quoted has accepted.
func unescape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for {
		k := bytes.IndexByte(text, '\\')
		if k < 0 {
			return append(out, text...)
		}
		r, size, _ := escape(text[k:]) // quoted has checked the sequence
		out = utf8.AppendRune(append(out, text[:k]...), r)
		text = text[k+size:]
	}
}

// escape decodes the escape sequence at the beginning of text and returns its
// length in bytes. A surrogate pair is one sequence. For a lone surrogate the error
// is ErrUTF8, and r is U+FFFD as in encoding/json.
func escape(text []byte) (r rune, size int, err error) {
	if len(text) < 2 {
		return 0, 0, ErrSyntax
	}
	if text[1] != 'u' {
		k := strings.IndexByte(`"\/bfnrt`, text[1])
		if k < 0 {
			return 0, 0, ErrSyntax
		}
		return rune("\"\\/\b\f\n\r\t"[k]), 2, nil
	}
	if r = codeUnit(text); r < 0 {
		return 0, 0, ErrSyntax
	}
	if !utf16.IsSurrogate(r) {
		return r, 6, nil
	}
	if r = utf16.DecodeRune(r, codeUnit(text[6:])); r == utf8.RuneError {
		return utf8.RuneError, 6, ErrUTF8
	}
	return r, 12, nil
}

// codeUnit decodes \u and four hex digits at the beginning of text. It returns -1
// if text begins with something else.
func codeUnit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// word scans word and reports whether it was next.
func (s *scanner) word(word string) bool {
	if !bytes.HasPrefix(s.data[s.i:], []byte(word)) {
		return false
	}
	s.i += len(word)
	return true
}

// number scans a number (RFC 8259, section 6). It stops before a character that
// must not follow, such as a digit after a leading zero; the caller does not
// expect that character and fails.
func (s *scanner) number() error {
	s.accept("-")
	if !s.accept("0") && !s.digits() || s.accept(".") && !s.digits() {
		return ErrSyntax
	}
	if !s.accept("eE") {
		return nil
	}
	if s.accept("+-"); !s.digits() {
		return ErrSyntax
	}
	return nil
}

// digits scans decimal digits and reports whether there was at least one.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.data) && '0' <= s.data[s.i] && s.data[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// accept scans one byte if it is in set, and reports whether it was.
func (s *scanner) accept(set string) bool {
	if s.i == len(s.data) || strings.IndexByte(set, s.data[s.i]) < 0 {
		return false
	}
	s.i++
	return true
}

// peek scans white space and returns the byte after it without scanning that. At
// the end of the text it returns 0, with which no JSON token begins.
func (s *scanner) peek() byte {
	const space uint64 = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'
	for ; s.i < len(s.data); s.i++ {
		if c := s.data[s.i]; space>>c&1 == 0 {
			return c
		}
	}
	return 0
}
