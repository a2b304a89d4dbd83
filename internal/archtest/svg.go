package archtest

import (
	"fmt"
	"html"
	"strings"
)

// colors lists the names in the style sheet with a light and a dark color each.
var colors = [][3]string{
	{"paper", "#ffffff", "#0d1117"},
	{"ink", "#1f2328", "#e6edf3"},
	{"faint", "#59636e", "#9198a1"},
	{"line", "#b7bfc8", "#4b535d"},
	{"card", "#ffffff", "#161b22"},
	{"house", "#f3f6fa", "#11161d"},
	{"pale", "#f6f8fa", "#161b22"},
	{"all", "#6639ba", "#b392f0"},
	{"hit", "#1a7f37", "#4cc264"},
	{"jwt", "#0969da", "#58a6ff"},
	{"ask", "#bc4c00", "#f0883e"},
}

const styleSheet = `
text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif; fill: $ink }
.name { font: 600 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
.tiny { font: 11.5px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
.key, .group, .pill { font-size: 13px; font-weight: 600 }
.about { font-size: 11.5px; fill: $faint }
rect { stroke: $line; fill: $card }
rect.root { fill: $house; stroke-width: 1.5 }
rect.small { fill: $pale }
rect.pill { fill: $ink; stroke: none }
text.pill { fill: $paper; text-anchor: middle }
text.mid { text-anchor: middle }
path { fill: none; stroke-width: 2.6; stroke-linecap: round }
.import { stroke: $line; stroke-width: 1.3 }
.all { stroke: $all } .hit { stroke: $hit } .jwt { stroke: $jwt } .ask { stroke: $ask }
marker path { stroke: none } .m-import { fill: $line }
.m-all { fill: $all } .m-hit { fill: $hit } .m-jwt { fill: $jwt } .m-ask { fill: $ask }
`

func (p *picture) svg(dark bool) []byte {
	style := styleSheet
	for _, c := range colors {
		value := c[1]
		if dark {
			value = c[2]
		}
		style = strings.ReplaceAll(style, "$"+c[0], value)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Packages of sessionauth and the way of a request">`+"\n", width, p.low+20)
	fmt.Fprintf(&b, "<style>%s</style>\n<defs>\n", style)
	for _, class := range []string{"all", "hit", "jwt", "ask", "import"} {
		fmt.Fprintf(&b, `<marker id="%s" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path class="m-%s" d="M0 0L8 4L0 8z"/></marker>`+"\n", class, class)
	}
	paper := colors[0][1]
	if dark {
		paper = colors[0][2]
	}
	fmt.Fprintf(&b, "</defs>\n"+`<rect width="%d" height="%d" style="fill:%s;stroke:none"/>`+"\n", width, p.low+20, paper)
	b.WriteString(p.under.String())
	b.WriteString(p.back.String())
	b.WriteString(p.front.String())
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// box draws a rectangle with a name and lines of text below it, and stores the rectangle under its
// key.
func (p *picture) box(key, class string, b box, name string, lines []string) {
	p.boxes[key] = b
	p.low = max(p.low, b.y+b.h)
	out := &p.front
	if class == "root" {
		out = &p.under
	}
	fmt.Fprintf(out, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="7"/>`+"\n", class, b.x, b.y, b.w, b.h)
	switch {
	case class == "root":
	case class == "small":
		p.text("tiny", b.x+9, b.y+b.h/2+4, name)
	case lines == nil:
		p.text("name mid", b.x+b.w/2, b.y+b.h/2+5, name)
	default:
		p.text("name", b.x+11, b.y+22, name)
	}
	for i, line := range lines {
		p.text("about", b.x+11, b.y+40+i*15, line)
	}
}

// pill draws something outside the code.
func (p *picture) pill(name string, x, y int) {
	b := box{x, y, pillW, pillH}
	p.boxes[name] = b
	fmt.Fprintf(&p.front, `<rect class="pill" x="%d" y="%d" width="%d" height="%d" rx="15"/>`+"\n", b.x, b.y, b.w, b.h)
	p.text("pill", b.x+b.w/2, b.y+20, name)
}

func (p *picture) text(class string, x, y int, text string) {
	fmt.Fprintf(&p.front, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, x, y, html.EscapeString(text))
}

// arrow draws a line between two boxes if both exist.
func (p *picture) arrow(class, from, to string) {
	a, okA := p.boxes[from]
	b, okB := p.boxes[to]
	if !okA || !okB {
		return
	}
	fmt.Fprintf(&p.back, `<path class="%s" d="%s" marker-end="url(#%s)"/>`+"\n", class, curve(a, b), class)
}

// curve returns a path from the nearest side of a to the nearest side of b.
func curve(a, b box) string {
	ax, bx := a.x+a.w/2, b.x+b.w/2
	if a.w > boxW { // a is the root package
		ax = bx
	}
	if b.w > boxW {
		bx = ax
	}
	switch {
	case b.y > a.y+a.h+2*between && a.w == boxW && a.h == packH: // b is more than one row below a, so the line runs between the columns
		gap := a.x - (column-boxW)/2
		if bx > ax {
			gap += column
		}
		y1, y2 := a.y+a.h, b.y-2
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %dL%d %dC%d %d %d %d %d %d",
			ax, y1, ax, y1+between/2, gap, y1, gap, y1+between, gap, y2-between, gap, y2, bx, y2-between, bx, y2)
	case b.y >= a.y+a.h: // b is below a
		return rise(ax, a.y+a.h, bx, b.y-2)
	case b.y+b.h <= a.y: // b is above a
		return rise(ax, a.y, bx, b.y+b.h+2)
	case b.x > a.x: // b is to the right of a
		return fmt.Sprintf("M%d %dL%d %d", a.x+a.w, a.y+a.h/2, b.x-2, b.y+b.h/2)
	}
	return fmt.Sprintf("M%d %dL%d %d", a.x, a.y+a.h/2, b.x+b.w+2, b.y+b.h/2)
}

// rise returns a curve that begins and ends vertically.
func rise(x1, y1, x2, y2 int) string {
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1, (y1+y2)/2, x2, (y1+y2)/2, x2, y2)
}
