// Package strictjson decides whether a text a stranger may have written is
// JSON that every parser reads in the same way.
//
// encoding/json is not enough to decide that. Of two members with one name it
// keeps the last, it fills the struct field Sub from a member "ſUB", and it
// replaces what is not UTF-8 with U+FFFD. Each of these lets two readers of a
// signed text see different claims. RFC 7519, section 4, lets a reader refuse
// repeated names, and RFC 8259, sections 4 and 8, says why one should not trust
// readers to agree.
//
// A text is first checked whole, with [Check] or [CheckObject], and only then
// read, with [Members], [Elements] and [String]; [Object] does both. Reading compares names byte
// for byte.
package strictjson

import (
	"errors"
	"iter"
)

// MaxDepth is how many arrays and objects may be open at once. The text [[]]
// has two levels, the text 1 has none. The scanner recurses once a level, so
// the limit also bounds its stack.
const MaxDepth = 100

// deepest is the limit of CheckAnswer.
const deepest = 4096

// The reasons to refuse a text. They carry nothing of the text itself, so they
// may be logged. Of several reasons the one met first in the text is returned.
var (
	// ErrSyntax says that the text is not exactly one RFC 8259 value. A byte
	// order mark and anything after the value count as syntax errors.
	ErrSyntax = errors.New("strictjson: not one JSON text")
	// ErrUTF8 says that a string is not valid UTF-8, or would not be once
	// unescaped: it holds half a surrogate pair.
	ErrUTF8 = errors.New("strictjson: string is not valid UTF-8")
	// ErrDuplicateName says that two members of one object have the same name,
	// however the name is escaped.
	ErrDuplicateName = errors.New("strictjson: member name repeated in one object")
	// ErrDepth says that the text nests deeper than MaxDepth.
	ErrDepth = errors.New("strictjson: nested too deeply")
	// ErrNotObject says that the text is strict JSON but no object.
	ErrNotObject = errors.New("strictjson: not an object")
)

// Check reports whether data is exactly one JSON text (RFC 8259), white space
// around it allowed. It must be valid UTF-8 without a byte order mark, no
// object in it may repeat a name, no string may hold a lone surrogate, and at
// most MaxDepth levels may be open. Numbers may have any size: only their
// grammar is checked.
//
// The time is linear in the length of data. Nothing is allocated unless a name
// holds a backslash or the objects open at one point have more than 64 names.
func Check(data []byte) error { return check(data, MaxDepth, nil) }

func check(data []byte, maxDepth int, yield func(name, value []byte) bool) error {
	s := scanner{data: data, max: maxDepth}
	if err := s.value(&names{}, yield); err != nil {
		return err
	}
	if s.peek(); s.i != len(data) {
		return ErrSyntax
	}
	return nil
}

// CheckObject is Check for a text that must be an object.
func CheckObject(data []byte) error { return checkObject(data, MaxDepth, nil) }

// A Member is a member of an object: its name, unescaped, and its raw value.
type Member struct{ Name, Value []byte }

// Object is CheckObject and Members in one pass. It appends the members to list,
// so that a caller who expects few needs no heap for them. With an error it
// returns none.
func Object(data []byte, list []Member) ([]Member, error) {
	err := checkObject(data, MaxDepth, func(name, value []byte) bool {
		list = append(list, Member{name, value})
		return true
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// CheckAnswer is CheckObject for a text of an API that we trust but for what
// its users wrote into it: 4 KB of metadata can hold 2,000 levels, and must not
// make the answer about them unreadable.
func CheckAnswer(data []byte) error { return checkObject(data, deepest, nil) }

func checkObject(data []byte, maxDepth int, yield func(name, value []byte) bool) error {
	if err := check(data, maxDepth, yield); err != nil {
		return err
	}
	s := scanner{data: data}
	if s.peek() != '{' {
		return ErrNotObject
	}
	return nil
}

// Members ranges over the members of an object that CheckObject has accepted,
// in order: the name, unescaped, and the raw value without surrounding white
// space. Values are sub-slices of object, and so are names without a backslash;
// neither may be changed.
//
// Of an array it yields nothing. Of a text that no check has accepted what it
// yields means nothing.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		s := scanner{data: object, max: 1} // what is inside is skipped
		if s.peek() == '{' {
			_ = s.value(nil, yield) // to report an error is for CheckObject
		}
	}
}

// Elements does for an array what Members does for an object. The array must
// be, or be part of, a text that Check has accepted.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		s := scanner{data: array, max: 1} // what is inside is skipped
		if s.peek() == '[' {
			_ = s.value(nil, func(_, value []byte) bool { return yield(value) }) // as in Members
		}
	}
}

// String decodes a raw JSON string value, quotes included. It returns false
// when raw is no string, or none that Check accepts.
func String(raw []byte) (s string, ok bool) {
	sc := scanner{data: raw}
	if sc.peek() != '"' {
		return "", false
	}
	text, err := sc.text()
	if sc.peek(); err != nil || sc.i != len(raw) {
		return "", false
	}
	return string(text), true
}
