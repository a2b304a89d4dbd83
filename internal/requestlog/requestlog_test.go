package requestlog

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAttrs(t *testing.T) {
	long := "/" + strings.Repeat("a", maxText-2) + "é"
	for _, row := range []struct {
		name, target, pattern, want string
	}{
		{"a path", "https://app.example.com/notes/1", "", "[method=GET path=/notes/1]"},
		{"a path with a query", "https://app.example.com/notes?code=secret", "", "[method=GET path=/notes]"},
		{"a pattern", "https://app.example.com/reset/secret", "GET /reset/{code}", "[method=GET route=GET /reset/{code}]"},
		{"a token in the path", "https://app.example.com/reset/WJtR5BCy38Szd5AfoDpf0iqF/now", "", "[method=GET path=/reset/…/now]"},
		{"an e-mail address in the path", "https://app.example.com/users/ada@example.com", "", "[method=GET path=/users/…]"},
		{"a long name and a short id", "https://app.example.com/account-settings-of-users/4711", "", "[method=GET path=/account-settings-of-users/4711]"},
		{"a long path, cut within a character", "https://app.example.com" + long + "/more", "", "[method=GET path=" + strings.TrimSuffix(long, "é") + "…]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, row.target, nil)
			r.Pattern = row.pattern
			for _, got := range []string{fmt.Sprint(Attrs(t.Context(), r)), fmt.Sprint(Attrs(With(t.Context(), r), nil))} {
				if got != row.want {
					t.Errorf("got %s, want %s", got, row.want)
				}
			}
		})
	}
	if got := Attrs(t.Context(), nil); got != nil {
		t.Errorf("got %v without a request, want nothing", got)
	}
	if got := fmt.Sprint(Attrs(t.Context(), &http.Request{Method: strings.Repeat("X", 1000)})); len(got) > maxText+20 {
		t.Errorf("got %d bytes for a long method, want at most %d", len(got), maxText+20)
	}
}
