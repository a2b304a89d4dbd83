package strictjson_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

type plan struct {
	Name string `json:"name"`
	Seat *seat  `json:"seat"`
}

type seat struct{ Row, Place int }

type base struct {
	Admin bool `json:"is_admin"`
	Level int
}

type raw struct{ text string }

func (r *raw) UnmarshalJSON(b []byte) error { r.text = string(b); return nil }

type upper string

func (u *upper) UnmarshalText(b []byte) error { *u = upper(strings.ToUpper(string(b))); return nil }

type claims struct {
	base
	*Ref
	Plan    plan
	Plans   []plan            `json:"plans"`
	Pair    [2]plan           `json:"pair"`
	ByName  map[string]plan   `json:"by_name"`
	Any     any               `json:"any"`
	Raw     raw               `json:"raw"`
	Message json.RawMessage   `json:"message"`
	At      time.Time         `json:"at"`
	Upper   upper             `json:"upper"`
	Names   map[string]string `json:"names"`
	Number  int               `json:"number,string"`
	Skipped string            `json:"-"`
	//lint:ignore SA5008 such tags are the question
	Dash string `json:"-,"`
	//lint:ignore SA5008 such tags are the question
	Bad     string `json:"b\"ad"`
	private string
}

type Ref struct {
	ID string `json:"ref"`
}

func TestUnmarshal_FoldedNames(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"long s", `{"is_admin":false,"iſ_admin":true}`, `{"is_admin":false}`},
		{"long s, first", `{"iſ_admin":true,"is_admin":false}`, `{"is_admin":false}`},
		{"long s alone", `{"iſ_admin":true}`, `{}`},
		{"long s, escaped", `{"i\u017f_admin":true}`, `{}`},
		{"capitals", `{"is_admin":false,"IS_ADMIN":true}`, `{"is_admin":false}`},
		{"name without a tag", `{"plan":{"name":"x"},"Level":1,"level":2}`, `{"Level":1}`},
		{"nested", `{"Plan":{"name":"free","NAME":"gold"}}`, `{"Plan":{"name":"free"}}`},
		{"behind a pointer", `{"Plan":{"seat":{"Row":1,"row":9,"place":9}}}`, `{"Plan":{"seat":{"Row":1}}}`},
		{"in a slice", `{"plans":[{"name":"a","Name":"b"},{"NAME":"c"}]}`, `{"plans":[{"name":"a"},{}]}`},
		{"in an array", `{"pair":[{"name":"a","Name":"b"}]}`, `{"pair":[{"name":"a"}]}`},
		{"in a map", `{"by_name":{"X":{"name":"a","Name":"b"},"x":{}}}`, `{"by_name":{"X":{"name":"a"},"x":{}}}`},
		{"in an embedded pointer", `{"ref":"a","REF":"b"}`, `{"ref":"a"}`},
		{"in an interface", `{"any":{"a":1,"A":2}}`, `{"any":{"a":1,"A":2}}`},
		{"names of a map", `{"names":{"a":"1","A":"2","ſ":"3"}}`, `{"names":{"a":"1","A":"2","ſ":"3"}}`},
		{"UnmarshalJSON sees everything", `{"raw":{"a":1,"A":2}}`, `{"raw":{"a":1,"A":2}}`},
		{"RawMessage sees everything", `{"message":{"a":1,"A":2}}`, `{"message":{"a":1,"A":2}}`},
		{"UnmarshalText", `{"upper":"x"}`, `{"upper":"x"}`},
		{"time", `{"at":"2025-11-12T10:35:49Z"}`, `{"at":"2025-11-12T10:35:49Z"}`},
		{"a number in a string", `{"number":"7"}`, `{"number":"7"}`},
		{"skipped field", `{"Skipped":"x","-":"y"}`, `{"-":"y"}`},
		{"tag that is no name", `{"Bad":"x","bad":"y"}`, `{"Bad":"x"}`},
		{"unexported field", `{"private":"x"}`, `{}`},
		{"name twice", `{"is_admin":true,"is_admin":false}`, `{"is_admin":false}`},
		{"lone surrogate", `{"any":"\ud800"}`, `{"any":"\ud800"}`},
		{"null", `null`, `null`},
		{"white space", " {\n\"Level\" : 1 , \"level\":2 } ", `{"Level":1}`},
		{"object for a slice", `{"plans":{}}`, `{"plans":{}}`},
		{"array for a struct", `{"Plan":[]}`, `{"Plan":[]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, want := claims{private: "p"}, claims{private: "p"}
			err := strictjson.Unmarshal([]byte(row.text), &got)
			if wantErr := json.Unmarshal([]byte(row.want), &want); (err == nil) != (wantErr == nil) {
				t.Errorf("got %v, want %v", err, wantErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// If a value already exists, Unmarshal decodes into it, as encoding/json does.
func TestUnmarshal_ExistingValues(t *testing.T) {
	var p plan
	var holder any = &p
	var nested struct {
		Any  any
		List []any
	}
	var q, r plan
	nested.Any, nested.List = &q, []any{&r}
	for text, v := range map[string]any{
		`{"name":"free","NAME":"gold"}`: &holder,
		`{"Any":{"name":"free","NAME":"gold"},"List":[{"name":"free","NAME":"gold"}]}`: &nested,
	} {
		if err := strictjson.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	for _, got := range []plan{p, q, r} {
		if got.Name != "free" {
			t.Errorf("got name %q, want free", got.Name)
		}
	}
	var self any
	self = &self
	_ = strictjson.Unmarshal([]byte(`{"a":1}`), &self) // must end, although the value contains itself
}

// If encoding/json does not set a field because its name is ambiguous, Unmarshal does not set it
// for a name in another case either.
func TestUnmarshal_AmbiguousFields(t *testing.T) {
	type A struct{ Name, Deep string }
	type B struct{ Name string }
	type C struct {
		Tagged string `json:"Deep"`
	}
	var v struct {
		A
		B
		C
		NAME string
	}
	if err := strictjson.Unmarshal([]byte(`{"Name":"x","NAME":"y","Deep":"z"}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.A.Name != "" || v.B.Name != "" || v.NAME != "y" || v.Tagged != "z" || v.A.Deep != "" {
		t.Errorf("got %+v, want NAME y, Tagged z and nothing else", v)
	}
	var twice struct {
		A
		Inner struct{ A }
	}
	if err := strictjson.Unmarshal([]byte(`{"Name":"x","Inner":{"Name":"y","name":"z"}}`), &twice); err != nil {
		t.Fatal(err)
	}
	if twice.Name != "x" || twice.Inner.Name != "y" {
		t.Errorf("got %+v, want x and y", twice)
	}
}

func TestUnmarshal_Errors(t *testing.T) {
	var v claims
	for text, want := range map[string]error{
		``: strictjson.ErrSyntax, `{`: strictjson.ErrSyntax, `{}x`: strictjson.ErrSyntax, "{\"a\":\"\xff\"}": strictjson.ErrUTF8,
		nested(5000): strictjson.ErrDepth,
	} {
		if err := strictjson.Unmarshal([]byte(text), &v); !errors.Is(err, want) {
			t.Errorf("%.20q: got %v, want %v", text, err, want)
		}
	}
	for _, bad := range []any{nil, v, (*claims)(nil)} {
		if err := strictjson.Unmarshal([]byte(`{}`), bad); err == nil {
			t.Errorf("%T: got nil, want an error", bad)
		}
	}
}

// If all names in a text are exact names of fields, Unmarshal decodes the text as encoding/json
// does.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{
		`{"is_admin":true,"Level":3,"ref":"x","Plan":{"name":"n","seat":{"Row":1,"Place":2}}}`,
		`{"plans":[{"name":"a"},null],"pair":[{},{},{}],"by_name":{"\ud800":{"name":"x"}}}`,
		`{"any":[{"a":{}}],"raw":{"x":1},"message":[1, 2],"at":"2025-11-12T10:35:49Z","names":{"":""}}`,
		`{"is_admin":true,"IS_ADMIN":false,"iſ_admin":false}`, `null`, `[]`, `{"a":1,"a":{}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got claims
		err := strictjson.Unmarshal(data, &got)
		if err == nil && !json.Valid(data) {
			t.Fatal("got nil for a text that is not JSON")
		}
		if !json.Valid(data) || strictjson.CheckAnswer(data, nil) != nil {
			return
		}
		// encoding/json matches the keys of a map exactly.
		var exact map[string]json.RawMessage
		if json.Unmarshal(data, &exact) != nil {
			return
		}
		if _, named := exact["is_admin"]; !named && got.Admin {
			t.Fatal("got is_admin from another name")
		}
		if _, named := exact["ref"]; !named && got.Ref != nil {
			t.Fatal("got ref from another name")
		}
		var want claims
		wantErr := json.Unmarshal(data, &want)
		if wantErr == nil && err != nil {
			t.Fatalf("got %v, want nil as from encoding/json", err)
		}
	})
}
