package e2e_test

import (
	"slices"
	"strings"

	"github.com/chromedp/chromedp"
)

// addNote adds a note on the notes page.
func (tb *tab) addNote(text string) {
	tb.t.Helper()
	tb.fill("form#add [name=text]", text)
	wantStatus(tb.t, "adding a note", tb.click("form#add button"), 200)
	tb.wantAt("/app/notes")
	if !slices.Contains(tb.notes(), text) {
		tb.t.Fatalf("got the notes %q, want %q among them", tb.notes(), text)
	}
}

// notes returns the texts of the notes on the page.
func (tb *tab) notes() []string {
	tb.t.Helper()
	return tb.texts("ul#notes > li .text")
}

func notes(s *env) {
	tb := s.newBrowser()
	tb.signIn(ada, "/app/notes")
	before := tb.notes()

	const markup = `<b onclick="alert(1)">bold</b> & "quoted" ü 漢`
	tb.addNote("buy milk")
	tb.addNote(markup)
	if n := len(tb.notes()); n != len(before)+2 {
		s.Fatalf("got %d notes, want %d", n, len(before)+2)
	}
	run(tb, chromedp.Reload())
	if n := len(tb.notes()); n != len(before)+2 {
		s.Errorf("got %d notes after reloading the page, want %d", n, len(before)+2)
	}
	if tb.has("ul#notes b") {
		s.Error("markup in a note becomes markup of the page")
	}
	other := tb.another()
	other.open("/app/notes")
	if !slices.Contains(other.notes(), "buy milk") {
		s.Errorf("got %q in another tab, want the new note among them", other.notes())
	}

	tb.deleteNote("buy milk")
	if got := tb.notes(); slices.Contains(got, "buy milk") || !slices.Contains(got, markup) || len(got) != len(before)+1 {
		s.Errorf("got %q after deleting one, want the other notes", got)
	}

	// The other tab still shows the deleted note.
	other.clickNote("buy milk")
	if got := other.content(); strings.Contains(got, "problem+json") || !other.has("main") {
		s.Errorf("deleting a note twice: got no page: %s", got)
	}
}

// deleteNote clicks the delete button of a note.
func (tb *tab) deleteNote(text string) {
	tb.t.Helper()
	wantStatus(tb.t, "deleting a note", tb.clickNote(text), 200)
	tb.wantAt("/app/notes")
}

func (tb *tab) clickNote(text string) (status int64) {
	tb.t.Helper()
	for i, t := range tb.notes() {
		if t == text {
			return tb.click(nth("ul#notes > li", i) + " form.delete button")
		}
	}
	tb.t.Fatalf("got the notes %q, want %q among them", tb.notes(), text)
	return 0
}

func othersNotes(s *env) {
	alice, admin := s.newBrowser(), s.newBrowser()
	alice.signIn(ada, "/app/notes")
	alice.addNote("a note of Ada's")
	admin.signIn(grace, "/app/notes")
	admin.addNote("a note of Grace's")

	alice.open("/app/notes")
	if slices.Contains(alice.notes(), "a note of Grace's") {
		s.Error("a user who is not an admin sees a note of another user")
	}
	// Ada's page has no delete button for that note, so the test changes the address of a form.
	path := admin.deletePath("a note of Grace's")
	run(alice, chromedp.SetAttributeValue(chromedp.CSS("ul#notes > li form.delete"), "action", path))
	if status := alice.click("ul#notes > li form.delete button"); status != 403 && status != 404 {
		s.Errorf("deleting a note of another user: got %d, want 403 or 404", status)
	}
	admin.open("/app/notes")
	if !slices.Contains(admin.notes(), "a note of Grace's") {
		s.Fatal("a user who is not an admin deleted a note of another user")
	}

	admin.deleteNote("a note of Ada's")
	alice.open("/app/notes")
	if slices.Contains(alice.notes(), "a note of Ada's") {
		s.Error("the note that the admin deleted still exists")
	}
}

// deletePath returns the path that the delete button of a note posts to.
func (tb *tab) deletePath(text string) string {
	tb.t.Helper()
	i := slices.Index(tb.notes(), text)
	if i < 0 {
		tb.t.Fatalf("got the notes %q, want %q among them", tb.notes(), text)
	}
	form := chromedp.CSS(nth("ul#notes > li", i) + " form.delete")
	return run(tb, chromedp.AttributeValue(form, "action")).Value
}
