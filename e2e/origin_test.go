package e2e_test

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
)

// foreignPage is a page whose form posts the fields of the query to the site.
var foreignPage = template.Must(template.New("").Parse(`<!doctype html><title>Win a prize</title>
<form method="post" action="{{.Action}}">
{{range $name, $values := .Fields}}<input type="hidden" name="{{$name}}" value="{{index $values 0}}">{{end}}
<button>Win</button></form>`))

// foreign serves foreignPage at another port of 127.0.0.1. A browser treats this as another origin
// of the same site, so it sends cookies.
func foreign(s *env) (address string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = foreignPage.Execute(w, map[string]any{"Action": s.url + r.URL.Path, "Fields": r.URL.Query()})
	}))
	s.Cleanup(srv.Close)
	return srv.URL
}

// attacks returns the forms that a malicious page might send.
func attacks(tb *tab, note string) []string {
	signIn := url.Values{"email": {grace}, "password": {password}, "return_to": {"/"}}
	return []string{
		"/app/notes?text=planted",
		tb.deletePath(note),
		"/app/notes/delete-all",
		"/step-up?" + url.Values{"password": {password}, "return_to": {"/"}}.Encode(),
		"/login?" + signIn.Encode(),
		"/logout",
	}
}

func otherOrigin(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	tb.addNote("mine")
	attack(s, tb, foreign(s), func(path string, status int64) {
		if status != 403 {
			s.Errorf("%s: got %d, want 403", path, status)
		}
	})
}

// For a page on localhost, 127.0.0.1 is another site, so the browser sends no cookies with
// SameSite. Sign-in and sign-out need no cookies, so their cross-origin check must answer 403.
func otherSite(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	tb.addNote("mine")
	attack(s, tb, strings.Replace(foreign(s), "127.0.0.1", "localhost", 1), func(path string, status int64) {
		signsIn := strings.HasPrefix(path, "/login") || path == "/logout"
		if status != 403 && (signsIn || status != 401) {
			s.Errorf("%s: got %d, want 403, or 401 without cookies", path, status)
		}
	})
}

// attack sends each form from a page of another origin and checks that nothing
// changes.
func attack(s *env, tb *tab, origin string, check func(path string, status int64)) {
	s.Helper()
	cookies, before := tb.cookies(), tb.notes()
	for _, path := range attacks(tb, "mine") {
		tb.visit(origin + path)
		check(path, tb.click("button"))
		if strings.HasPrefix(tb.path(), "http") {
			s.Fatalf("%s: the form was not sent", path)
		}
		for name, c := range tb.cookies() {
			if cookies[name] == nil || cookies[name].Value != c.Value {
				s.Errorf("%s: the cookie %s changed", path, name)
			}
		}
		tb.open("/app/notes")
		tb.wantAt("/app/notes")
		if got := tb.notes(); !slices.Equal(got, before) {
			s.Errorf("%s: got the notes %q, want %q", path, got, before)
		}
		if got := tb.text("#user"); got != "Ada Lovelace" {
			s.Errorf("%s: got %q signed in, want Ada Lovelace", path, got)
		}
	}
	// The same form works on the site itself, so only the origin was the reason for the refusal.
	tb.addNote("planted")
}
