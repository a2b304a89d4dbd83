package upstream

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

func TestUpstream_Misconfigured(t *testing.T) {
	refused := &stytch.Error{StatusCode: 401, Type: stytch.TypeUnauthorizedCredentials, Message: "a secret"}
	wrongStack := &stytch.Error{StatusCode: 400, Type: "wrong_stack_live"}
	type result struct {
		call Call
		err  error
	}
	rows := []struct {
		name string
		do   []result
		want string // Misconfigured, or "" for nil
		ever bool   // EverAccepted
	}{
		{"nothing", nil, "", false},
		{"accepted", []result{{Introspect, nil}}, "", true},
		{"a session was rejected", []result{{Introspect, &stytch.Error{StatusCode: 404, Type: stytch.TypeSessionNotFound}}}, "", true},
		{"refused", []result{{Introspect, refused}}, refused.Error(), false},
		{"refused, and the key set is there", []result{{Introspect, refused}, {LoadKeySet, nil}}, refused.Error(), false},
		{"refused, then accepted", []result{{Introspect, refused}, {LoadPolicy, nil}}, "", true},
		{"accepted, then refused", []result{{LoadPolicy, nil}, {Introspect, refused}}, refused.Error(), true},
		{"refused, then unreachable", []result{{Introspect, refused}, {Introspect, err500}}, refused.Error(), false},
		{"no key set for this project", []result{{LoadKeySet, wrongStack}}, wrongStack.Error(), false},
		{"a key set again", []result{{LoadKeySet, wrongStack}, {LoadKeySet, nil}}, "", false},
		{"a wrong password", []result{{SignIn, refused}}, "", false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				for _, r := range row.do {
					_ = u.do(r.call, r.err)
				}
				got := ""
				if err := u.Misconfigured(); err != nil {
					got = err.Error()
					var se *stytch.Error
					if errors.As(err, &se) && se.Message != "" {
						t.Errorf("got the message %q, want none: it may be about one user", se.Message)
					}
				}
				if got != row.want || u.EverAccepted() != row.ever {
					t.Errorf("got %q and ever accepted %t, want %q and %t", got, u.EverAccepted(), row.want, row.ever)
				}
			})
		})
	}
}

func TestUpstream_Failing(t *testing.T) {
	html := &stytch.Error{StatusCode: 403}
	typed := &stytch.Error{StatusCode: 400, Type: "feature_disabled"}
	rows := []struct {
		name string
		call Call
		err  error
		n    int
		want []string
	}{
		{"a proxy refuses", Introspect, html, failingAfter, []string{"sessions"}},
		{"a proxy refuses, but not often", Introspect, html, failingAfter - 1, nil},
		{"an unknown type of error", LoadUser, typed, failingAfter, []string{"users"}},
		{"a call without a breaker", LoadKeySet, err500, failingAfter, []string{"key set"}},
		{"a call with a breaker, which is open", Introspect, err500, failingAfter, nil},
		{"429", Introspect, &stytch.Error{StatusCode: 429}, failingAfter, nil},
		{"invented tokens", IntrospectUnverified, &stytch.Error{StatusCode: 404, Type: stytch.TypeSessionNotFound}, failingAfter, nil},
		{"wrong passwords", SignIn, &stytch.Error{StatusCode: 401, Type: stytch.TypeUnauthorizedCredentials}, failingAfter, nil},
		{"wrong addresses", SignIn, &stytch.Error{StatusCode: 400, Type: stytch.TypeInvalidEmail}, failingAfter, nil},
		{"sign-ins behind a proxy that refuses", SignIn, html, failingAfter, []string{"passwords"}},
		{"wrong session ids", Revoke, &stytch.Error{StatusCode: 400, Type: stytch.TypeInvalidSessionID}, failingAfter, nil},
		{"missing permissions", IntrospectLive, &stytch.Error{StatusCode: 403, Type: stytch.TypeSessionAuthorization}, failingAfter, nil},
		{"garbage about one user", LoadUser.About(Subject{1}, NoBound), &stytch.InvalidAnswerError{Garbled: true}, failingAfter, nil},
		{"invalid parameters", LoadUser, &stytch.ParamError{Field: "user_id"}, failingAfter, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, u *testUpstream) {
				for range row.n {
					_ = u.do(row.call, row.err)
				}
				if got := u.Failing(); !slices.Equal(got, row.want) {
					t.Errorf("got %q, want %q", got, row.want)
				}
				if row.want != nil {
					u.want(u.do(row.call, nil), nil)
					if got := u.Failing(); got != nil {
						t.Errorf("got %q after a success, want none", got)
					}
				}
			})
		})
	}
}

func TestBreaker_Cause(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		u.fail(Introspect, openAfter)
		u.wantLogged("cause=\"stytch: status 500\"", 1)
		var open *Error
		err := u.do(Introspect, nil)
		if !errors.As(err, &open) || open.Cause == nil || open.Cause.Error() != err500.Error() {
			t.Errorf("got %v, want an error with the cause %v", err, err500)
		}
		if errors.As(err, new(*stytch.Error)) {
			t.Error("got an error that is a *stytch.Error, want none: it is not about this call")
		}
	})
}

func TestUpstream_LogsFailuresOfRareCalls(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for range 3 {
			_ = u.do(LoadKeySet, err500)
		}
		u.wantLogged("level=WARN msg=\"sessionauth: call failed\" endpoint=\"key set\" cause=\"stytch: status 500\"", 1)
	})
}

func TestUpstream_Paused(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, u *testUpstream) {
		for i := range byte(pauseAfter) {
			if got := u.Paused(time.Now()); got != nil {
				t.Errorf("got %q after %d, want none", got, i)
			}
			_ = u.do(Introspect.About(Subject{i + 1}, NoBound), err429(2*time.Second))
		}
		if got := u.Paused(time.Now()); !slices.Equal(got, []string{"sessions"}) {
			t.Errorf("got %q, want sessions", got)
		}
		if got := u.Paused(time.Now().Add(2 * time.Second)); got != nil {
			t.Errorf("got %q after the pause, want none", got)
		}
	})
}
