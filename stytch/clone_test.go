package stytch_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

// fill sets every field in v, including fields that are added later. It fails the
// test for a kind that it does not know.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 0).UTC()))
		return
	case v.Type() == reflect.TypeFor[stytch.Object]():
		v.SetBytes(fmt.Appendf(nil, `{"n":%d}`, *n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 4))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	default:
		t.Fatalf("got a %s, which this test cannot fill: teach it", v.Type())
	}
}

// memory calls see with the path and the address of each pointer, slice and map in v.
func memory(v reflect.Value, path string, see func(path string, address uintptr)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			see(path, v.Pointer())
			memory(v.Elem(), path, see)
		}
	case reflect.Slice:
		if v.Cap() > 0 {
			see(path, v.Pointer())
		}
		for i := range v.Len() {
			memory(v.Index(i), fmt.Sprintf("%s[%d]", path, i), see)
		}
	case reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
		see(path+": a kind that Clone may not have", 0)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return // a time.Time points to its Location, which never changes
		}
		for i := range v.NumField() {
			memory(v.Field(i), path+"."+v.Type().Field(i).Name, see)
		}
	}
}

// shared returns the paths in b that lead to memory of a.
func shared(a, b any) (paths []string) {
	seen := map[uintptr]bool{0: true}
	memory(reflect.ValueOf(a), "", func(_ string, address uintptr) { seen[address] = true })
	memory(reflect.ValueOf(b), "", func(path string, address uintptr) {
		if seen[address] {
			paths = append(paths, path)
		}
	})
	return paths
}

func TestSessionClone_SharesNoMemory(t *testing.T) {
	var s stytch.Session
	fill(t, reflect.ValueOf(&s).Elem(), new(int))
	c := s.Clone()
	if !reflect.DeepEqual(*c, s) {
		t.Errorf("got %+v, want %+v", *c, s)
	}
	if got := shared(&s, c); got != nil {
		t.Errorf("got shared %q, want none", got)
	}
}

func TestUserClone_SharesNoMemory(t *testing.T) {
	var u stytch.User
	fill(t, reflect.ValueOf(&u).Elem(), new(int))
	c := u.Clone()
	if !reflect.DeepEqual(*c, u) {
		t.Errorf("got %+v, want %+v", *c, u)
	}
	if got := shared(&u, c); got != nil {
		t.Errorf("got shared %q, want none", got)
	}
}

// The two tests above need shared to find a shallow copy. This test shows that it does.
func TestShared_FindsSharedMemory(t *testing.T) {
	var s stytch.Session
	fill(t, reflect.ValueOf(&s).Elem(), new(int))
	copied := s
	// A shallow copy shares the attributes, the roles, the claims, the list of factors, and each
	// detail of two factors.
	if got, want := len(shared(&s, &copied)), 4+2*len(details); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if got, want := len(shared(&s, &s)), 1+4+2*len(details); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestClone_NilAndEmpty(t *testing.T) {
	for _, s := range []*stytch.Session{
		nil,
		{},
		{Roles: []string{}, Factors: []stytch.AuthenticationFactor{}, CustomClaims: stytch.Object{}},
		{Factors: []stytch.AuthenticationFactor{{}}, Attributes: &stytch.Attributes{}},
	} {
		if got := s.Clone(); !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, want %+v", got, s)
		}
	}
	for _, u := range []*stytch.User{nil, {}, {Emails: []stytch.Email{}, Roles: []string{}, TrustedMetadata: stytch.Object{}}} {
		if got := u.Clone(); !reflect.DeepEqual(got, u) {
			t.Errorf("got %+v, want %+v", got, u)
		}
	}
}

func TestSessionClone_ChangedClone(t *testing.T) {
	s := &stytch.Session{Factors: []stytch.AuthenticationFactor{{PhoneNumberFactor: &stytch.PhoneNumberFactor{PhoneNumber: "+14155550123"}}}}
	c := s.Clone()
	c.Factors[0].PhoneNumberFactor.PhoneNumber = "changed"
	c.Factors[0].Type = "changed"
	if got, want := s.Factors[0].PhoneNumberFactor.PhoneNumber, "+14155550123"; got != want || s.Factors[0].Type != "" {
		t.Errorf("got %s, want %s", got, want)
	}
}
