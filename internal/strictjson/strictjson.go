// Package strictjson checks and reads JSON from untrusted sources. It accepts
// only texts that all parsers read in the same way.
//
// encoding/json is more lenient. It uses the last of several members with the
// same name, sets the struct field Sub from a member "ſUB", and replaces
// invalid UTF-8 with U+FFFD. Two readers of one signed text could then see
// different claims. RFC 7519, section 4, allows a reader to refuse repeated
// names. RFC 8259, sections 4 and 8, describes how parsers differ.
//
// Check a whole text with [Check] or [CheckObject] before you read it with
// [Members], [Elements] and [String]. [Object] both checks and reads. Names are
// returned unchanged, so that callers can compare them byte for byte.
package strictjson

import (
	"errors"
	"iter"
)

// MaxDepth is the maximum number of nested arrays and objects. The text [[]] has
// two levels, the text 1 has none. The scanner recurses once per level, so the
// limit also bounds its stack.
const MaxDepth = 100

// maxAnswerDepth is the maximum nesting for CheckAnswer.
const maxAnswerDepth = 4096

// Errors returned by the checks. They contain nothing of the text, so they are
// safe to log. If a text has several errors, the first one is returned.
var (
	// ErrSyntax means that the text is not exactly one RFC 8259 value. A byte
	// order mark and anything after the value are syntax errors.
	ErrSyntax = errors.New("strictjson: not one JSON text")
	// ErrUTF8 means that a string is not valid UTF-8 or contains an escaped lone
	// surrogate.
	ErrUTF8 = errors.New("strictjson: string is not valid UTF-8")
	// ErrDuplicateName means that two members of one object have the same name
	// after unescaping.
	ErrDuplicateName = errors.New("strictjson: member name repeated in one object")
	// ErrDepth means that the text is nested more deeply than MaxDepth, or than
	// 4096 levels for CheckAnswer.
	ErrDepth = errors.New("strictjson: nested too deeply")
	// ErrNotObject means that the text is strict JSON but not an object.
	ErrNotObject = errors.New("strictjson: not an object")
)

// Check returns nil if data is exactly one JSON text (RFC 8259), with optional
// white space around it, that is valid UTF-8 without a byte order mark, repeats
// no name within an object, contains no lone surrogate and nests at most MaxDepth
// levels. Numbers may have any size; only their grammar is checked.
//
// The time is linear in the length of data. Check allocates memory only if a name
// contains a backslash, or if the objects that enclose one point have more than
// 64 names in total.
func Check(data []byte) error { return check(&scanner{data: data, max: MaxDepth}, nil) }

func check(s *scanner, yield func(name, value []byte) bool) error {
	if err := s.value(&names{}, yield); err != nil {
		return err
	}
	if s.peek(); s.i != len(s.data) {
		return ErrSyntax
	}
	return nil
}

// CheckObject is like Check and also requires that data is an object. It returns
// ErrNotObject for other values.
func CheckObject(data []byte) error {
	return checkObject(&scanner{data: data, max: MaxDepth}, nil)
}

// An Opaque function reports whether the value of the member with this name is
// opaque, which means that it is data of an application that the caller passes
// on without reading it. In an opaque value, names may be repeated and strings
// may contain escaped lone surrogates, which JavaScript produces when it cuts a
// string. The syntax, the UTF-8 encoding and the nesting are checked
// everywhere. If the Opaque is nil, no value is opaque.
type Opaque func(name []byte) bool

// A Member is a member of an object: the unescaped name and the raw value.
type Member struct{ Name, Value []byte }

// Object is CheckObject and Members in one pass. It appends the members of data
// to list. If the check fails, it returns nil and the error. opaque applies
// only to the members of data itself.
func Object(data []byte, list []Member, opaque Opaque) ([]Member, error) {
	s := scanner{data: data, max: MaxDepth, opaque: opaque, topOnly: true}
	err := checkObject(&s, func(name, value []byte) bool {
		list = append(list, Member{name, value})
		return true
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// CheckAnswer is like CheckObject, but allows 4096 levels of nesting and
// applies opaque to members at any level. It is for responses of a trusted API
// that contain users' metadata. 4 KB of metadata can have 2,000 levels of
// nesting, and must not make the response about its user unreadable.
func CheckAnswer(data []byte, opaque Opaque) error {
	return checkObject(&scanner{data: data, max: maxAnswerDepth, opaque: opaque}, nil)
}

func checkObject(s *scanner, yield func(name, value []byte) bool) error {
	if err := check(s, yield); err != nil {
		return err
	}
	first := scanner{data: s.data}
	if first.peek() != '{' {
		return ErrNotObject
	}
	return nil
}

// Members returns an iterator over the members of object, in order: the
// unescaped name, and the raw value without surrounding white space. Both may
// be sub-slices of object and must not be changed. For an array, Members yields
// nothing.
//
// object must be a text that a check has accepted, or a part of one. Otherwise
// the members are unspecified.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		s := scanner{data: object, max: 1, lenient: true} // nested values are skipped, not scanned
		if s.peek() == '{' {
			_ = s.value(nil, yield) // CheckObject has already reported any error
		}
	}
}

// Elements returns an iterator over the raw elements of array, in order. The
// rules of Members apply. For an object, Elements yields nothing.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		s := scanner{data: array, max: 1, lenient: true} // as in Members
		if s.peek() == '[' {
			_ = s.value(nil, func(_, value []byte) bool { return yield(value) })
		}
	}
}

// String decodes a raw JSON string value, including its quotes. It returns
// false if raw is not a string, or if Check would not accept it.
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
