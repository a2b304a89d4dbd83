package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sessionauth/sessionauth/internal/golist"
)

// The grid of the picture, in pixels.
const (
	width   = 1280
	column  = 200 // distance from one column to the next
	left    = 40  // left edge of the first column
	boxW    = 178 // width of the box of a package, or of a file on the path of a request
	fileH   = 40
	packH   = 84
	smallW  = 122 // width of the box of another file; these have smallCols columns from right on
	smallH  = 26
	right   = 856
	top     = 82 // top edge of the first row
	between = 40 // gap between two rows

	pillW = 96 // width of something outside the code
	pillH = 30
)

const smallCols = 3

// A spot is a position in the grid of columns and rows inside the root package.
type spot struct{ column, row int }

// The files of the root package that a request passes through.
var wayFiles = map[string]spot{
	"middleware.go":   {0, 0},
	"extractor.go":    {1, 0},
	"authenticate.go": {2, 0},
	"context.go":      {3, 0},
	"cache.go":        {1, 1},
	"introspect.go":   {3, 1},
}

// The columns of packages. Packages that are not listed take the free columns.
var wayPackages = map[string]int{
	"login":               2,
	"guard":               3,
	"internal/sessionjwt": 2,
	"internal/upstream":   3,
	"internal/remote":     1,
	"internal/deadline":   1,
	"stytch":              3,
	"internal/strictjson": 2,
}

// A step is a line from one box to another on the path of a request.
type step struct {
	class    string
	from, to string
}

// The path of a request. The classes are those of the legend.
var way = []step{
	{"all", "request", "middleware.go"},
	{"all", "middleware.go", "extractor.go"},
	{"all", "extractor.go", "authenticate.go"},
	{"hit", "authenticate.go", "cache.go"},
	{"jwt", "authenticate.go", "internal/sessionjwt"},
	{"ask", "authenticate.go", "introspect.go"},
	{"ask", "introspect.go", "internal/upstream"},
	{"ask", "internal/upstream", "stytch"},
	{"ask", "stytch", "Stytch"},
	{"all", "authenticate.go", "context.go"},
	{"all", "context.go", "guard"},
	{"all", "guard", "handler"},
}

// A box is a rectangle of the picture.
type box struct{ x, y, w, h int }

// A picture is a picture under construction.
type picture struct {
	m     *golist.Module
	boxes map[string]box
	back  strings.Builder // lines, drawn behind the boxes
	front strings.Builder
	under strings.Builder // the box of the root package, drawn behind the lines
	low   int             // bottom edge of the lowest box
}

// Picture draws an SVG with the packages of the root module, the files of its root package and the
// path of a request. nested are the folders of the other modules.
func Picture(m *golist.Module, nested []string, dark bool) []byte {
	p := &picture{m: m, boxes: map[string]box{}}
	dirs := product(m)
	p.others(dirs, nested)
	p.pill("request", left+(boxW-pillW)/2, top+packH-pillH)
	p.pill("handler", left+3*column+(boxW-pillW)/2, top-pillH-26)
	bottom := p.drawRoot()
	p.drawPackages(dirs, bottom)
	if b, ok := p.boxes["stytch"]; ok {
		p.pill("Stytch", b.x+(boxW-pillW)/2, b.y+packH+between)
	}
	p.legend(bottom + between)
	for _, dir := range dirs {
		for _, to := range direct(m, dir) {
			p.arrow("import", dir, to)
		}
	}
	for _, s := range way {
		p.arrow(s.class, s.from, s.to)
	}
	return p.svg(dark)
}

// missing returns the names on the path of a request that do not exist in the code.
func missing(m *golist.Module) []string {
	var names []string
	for name := range wayFiles {
		isFile := func(f *golist.File) bool { return f.Name == name }
		if !slices.ContainsFunc(m.Package(root).Files, isFile) {
			names = append(names, name)
		}
	}
	for dir := range wayPackages {
		if m.Package(dir) == nil {
			names = append(names, dir)
		}
	}
	slices.Sort(names)
	return names
}

// others draws the packages that applications do not import.
func (p *picture) others(dirs, nested []string) {
	p.text("group", right, top-22, "For tests and for work on the repository")
	n := 0
	for _, pkg := range p.m.Packages {
		testsOfDocs := len(pkg.Files) == 0 && !strings.HasPrefix(pkg.Dir, "internal/")
		if slices.Contains(dirs, pkg.Dir) || p.isInside(pkg.Dir) || testsOfDocs {
			continue
		}
		p.small(pkg.Dir, strings.TrimPrefix(pkg.Dir, "internal/"), top-10, n)
		n++
	}
	for _, dir := range nested {
		p.small(dir, dir, top-10, n)
		n++
	}
}

// isInside reports whether a folder is below that of a package other than the root.
func (p *picture) isInside(dir string) bool {
	for dir = path.Dir(dir); dir != "."; dir = path.Dir(dir) {
		if p.m.Package(dir) != nil {
			return true
		}
	}
	return false
}

// small draws a small box. It is number n of a group that begins at y.
func (p *picture) small(key, name string, y, n int) {
	p.box(key, "small", box{right + n%smallCols*(smallW+8), y + n/smallCols*(smallH+8), smallW, smallH}, name, nil)
}

// drawRoot draws the root package with its files and returns its bottom edge.
func (p *picture) drawRoot() int {
	y := top + packH + between
	content := y + 48
	bottom := content + 2*fileH + between + 20
	pkg := p.m.Package(root)
	others := len(pkg.Files)
	for _, f := range pkg.Files {
		if _, ok := wayFiles[f.Name]; ok {
			others--
		}
	}
	rows := (others + smallCols - 1) / smallCols
	bottom = max(bottom, content+rows*(smallH+8)+12)
	p.box(root, "root", box{left - 20, y, width - 2*(left-20), bottom - y}, "", nil)
	p.text("name", left+boxW/2+20, y+26, pkg.Name)
	p.text("about", left+boxW/2+122, y+26, synopsis(pkg))
	n := 0
	for _, f := range pkg.Files {
		if at, ok := wayFiles[f.Name]; ok {
			p.box(f.Name, "file", box{left + at.column*column, content + at.row*(fileH+between), boxW, fileH}, f.Name, nil)
			continue
		}
		p.small(f.Name, f.Name, content, n)
		n++
	}
	return bottom
}

// drawPackages draws the other packages in rows. Each package is above those that it imports.
func (p *picture) drawPackages(dirs []string, rootBottom int) {
	rows := levels(p.m, dirs)
	used := map[spot]bool{}
	place := func(dir string, at int) {
		row := rows[dir] - rows[root]
		used[spot{at, row}] = true
		y := top
		if row > 0 {
			y = rootBottom + between + (row-1)*(packH+between)
		}
		p.box(dir, "package", box{left + at*column, y, boxW, packH}, dir, wrap(synopsis(p.m.Package(dir)), 25, 3))
	}
	for _, dir := range dirs {
		if at, ok := wayPackages[dir]; ok {
			place(dir, at)
		}
	}
	for _, dir := range dirs {
		if _, ok := wayPackages[dir]; ok || dir == root {
			continue
		}
		at := 0
		for used[spot{at, rows[dir] - rows[root]}] {
			at++
		}
		place(dir, at)
	}
}

// legend explains the lines.
func (p *picture) legend(y int) {
	lines := []struct{ class, name, text string }{
		{"all", "Every request", "Require extracts the credential and authenticates it."},
		{"hit", "Cache hit", "A JWT or token that was authenticated before: no call."},
		{"jwt", "Local verification", "A new JWT is verified with the key set."},
		{"ask", "Call to Stytch", "A new token, or a JWT that is not fresh."},
		{"import", "Import", "Imports that follow from others are not drawn."},
	}
	x := right
	for i, l := range lines {
		at := y + 22 + i*44
		fmt.Fprintf(&p.front, `<path class="%s" d="M%d %dh34" marker-end="url(#%s)"/>`+"\n", l.class, x, at-5, l.class)
		p.text("key", x+50, at, l.name)
		p.text("about", x+50, at+16, l.text)
		p.low = max(p.low, at+26)
	}
}

// The files of the pictures, relative to the root of the repository.
const (
	lightFile = "docs/architecture.svg"
	darkFile  = "docs/architecture-dark.svg"
)

// Draw writes the pictures of the repository with this root.
func Draw(repository string) error {
	files, err := pictures(repository)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(repository, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pictures returns the contents of both files, keyed by name.
func pictures(repository string) (map[string][]byte, error) {
	m, err := golist.Load(repository)
	if err != nil {
		return nil, err
	}
	nested, err := golist.Nested(repository)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{lightFile: Picture(m, nested, false), darkFile: Picture(m, nested, true)}, nil
}
