package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
)

// Unmarshal is like json.Unmarshal, but sets a struct field only from a member
// with exactly its name. encoding/json would also set the field is_admin from a
// member "iſ_admin" or "IS_ADMIN". Unmarshal applies this rule to structs at
// any depth, except in a type with an UnmarshalJSON method. As in an opaque
// value, data may contain lone surrogates and repeated names. The last of
// several repeated names counts.
func Unmarshal(data []byte, v any) error {
	if err := check(&scanner{data: data, max: maxAnswerDepth, lenient: true}, nil); err != nil {
		return err
	}
	if target := reflect.ValueOf(v); target.Kind() == reflect.Pointer {
		data = exact(nil, data, target.Type(), target)
	}
	return json.Unmarshal(data, v)
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// exact appends value to out without the members that match no field of the
// struct into which encoding/json will decode them. value will be decoded into
// v, which has type t. If encoding/json will create the value, v is the zero
// Value.
func exact(out, value []byte, t reflect.Type, v reflect.Value) []byte {
	first := (&scanner{data: value}).peek()
	for range maxAnswerDepth { // limited, because a pointer may point to itself
		if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
			return append(out, value...)
		}
		v = follow(v)
		if v.IsValid() && t.Kind() == reflect.Interface {
			t = v.Type()
		} else if t.Kind() == reflect.Pointer {
			t = t.Elem()
		} else {
			break
		}
	}
	switch kind := t.Kind(); {
	case kind == reflect.Struct && first == '{':
		return exactStruct(out, value, t, v)
	case kind == reflect.Map && first == '{':
		out = append(out, '{')
		for name, member := range Members(value) {
			out = exact(appendName(out, name), member, t.Elem(), reflect.Value{})
		}
		return append(out, '}')
	case (kind == reflect.Slice || kind == reflect.Array) && first == '[':
		out = append(out, '[')
		i := 0
		for element := range Elements(value) {
			var to reflect.Value
			if v.IsValid() && i < v.Len() {
				to = v.Index(i)
			}
			out = exact(appendComma(out), element, t.Elem(), to)
			i++
		}
		return append(out, ']')
	}
	return append(out, value...)
}

// follow returns the target of a pointer, or the pointer in an interface,
// because encoding/json decodes into both. It returns other values unchanged.
// For nil, and for an interface that does not hold a pointer, it returns the
// zero Value.
func follow(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		return v.Elem()
	case reflect.Interface:
		if e := v.Elem(); e.Kind() == reflect.Pointer && !e.IsNil() {
			return e
		}
		return reflect.Value{}
	}
	return v
}

func exactStruct(out, value []byte, t reflect.Type, v reflect.Value) []byte {
	fields := fieldsOf(t)
	out = append(out, '{')
	for name, member := range Members(value) {
		f, ok := fields[string(name)]
		if !ok || f.ambiguous {
			continue
		}
		var to reflect.Value
		if v.IsValid() {
			to, _ = v.FieldByIndexErr(f.index) // the zero Value below a nil pointer
		}
		out = exact(appendName(out, name), member, f.typ, to)
	}
	return append(out, '}')
}

func appendName(out, name []byte) []byte {
	quoted, _ := json.Marshal(string(name)) // never fails for a string
	return append(append(appendComma(out), quoted...), ':')
}

// appendComma appends a comma unless out ends with an opening bracket.
func appendComma(out []byte) []byte {
	if last := out[len(out)-1]; last == '{' || last == '[' {
		return out
	}
	return append(out, ',')
}

// A structField is a field into which encoding/json decodes a member.
type structField struct {
	typ       reflect.Type
	index     []int
	tagged    bool
	ambiguous bool // another field has the same precedence for the name, so neither is set
}

// fieldsOf returns the fields of a struct type by JSON name, including those of
// embedded structs. It follows the rules of encoding/json: if two fields have
// the same name, the less deeply embedded one counts, and at the same depth the
// one with a tag.
func fieldsOf(t reflect.Type) map[string]structField {
	fields := map[string]structField{}
	visited := map[reflect.Type]bool{}
	for level := []structField{{typ: t}}; len(level) > 0; {
		var next []structField
		for _, embedding := range level {
			// If a type is embedded twice at one level, it is visited twice, so
			// that its fields become ambiguous.
			visited[embedding.typ] = true
			for i := range embedding.typ.NumField() {
				sf := embedding.typ.Field(i)
				index := append(append([]int(nil), embedding.index...), i)
				name, tagged, embedded := jsonName(sf)
				switch {
				case name != "":
					addField(fields, name, structField{typ: sf.Type, index: index, tagged: tagged})
				case embedded != nil && !visited[embedded]:
					next = append(next, structField{typ: embedded, index: index})
				}
			}
		}
		level = next
	}
	return fields
}

func addField(fields map[string]structField, name string, f structField) {
	old, known := fields[name]
	switch {
	case !known, len(old.index) == len(f.index) && f.tagged && !old.tagged:
		fields[name] = f
	case len(old.index) == len(f.index) && f.tagged == old.tagged:
		old.ambiguous = true
		fields[name] = old
	}
}

// jsonName returns the JSON name of a field and whether a tag sets it. If the
// field is an embedded struct whose fields are promoted, jsonName returns only
// its type. If encoding/json ignores the field, it returns neither.
func jsonName(f reflect.StructField) (name string, tagged bool, embedded reflect.Type) {
	tag := f.Tag.Get("json")
	if tag == "-" {
		return "", false, nil
	}
	name, _, _ = strings.Cut(tag, ",")
	t := f.Type
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	isEmbedded := f.Anonymous && t.Kind() == reflect.Struct
	switch {
	case !f.IsExported() && !isEmbedded:
		return "", false, nil
	case isTag(name):
		return name, true, nil
	case isEmbedded:
		return "", false, t
	}
	return f.Name, false, nil
}

// isTag reports whether encoding/json accepts name as the name in a tag.
func isTag(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return name != ""
}
