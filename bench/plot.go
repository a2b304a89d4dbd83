package main

import (
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plots have their own background, so that they look the same on a light and on a
// dark page.
var (
	paper     = color.RGBA{0xf4, 0xf5, 0xf7, 0xff}
	ink       = color.RGBA{0x24, 0x29, 0x2f, 0xff}
	faint     = color.RGBA{0xd0, 0xd4, 0xda, 0xff}
	ownTint   = color.RGBA{0x1f, 0x6f, 0xb2, 0xff}
	peerTint  = color.RGBA{0x9a, 0xa3, 0xae, 0xff}
	floorTint = color.RGBA{0xc8, 0x7a, 0x1e, 0xff}
)

// A bar is one row of a plot.
type bar struct {
	name, label string
	value       float64
	tint        color.Color
}

// bars draws horizontal bars from the left edge, the first bar at the top. The bar charts of gonum
// cannot be used, because they start at zero, which a logarithmic axis does not have.
type bars []bar

func (bs bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := text.Style{Color: ink, Font: sans(10), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
	const half = vg.Length(8)
	for i, b := range bs {
		left, right, middle := x(p.X.Min), x(b.value), y(float64(len(bs)-1-i))
		c.FillPolygon(b.tint, []vg.Point{
			{X: left, Y: middle - half}, {X: right, Y: middle - half},
			{X: right, Y: middle + half}, {X: left, Y: middle + half},
		})
		c.FillText(style, vg.Point{X: right + 4, Y: middle}, b.label)
	}
}

// draw writes bars as an SVG with a logarithmic axis.
func (bs bars) draw(path, title, axis string) error {
	p := plot.New()
	styled(p, title)
	p.X.Label.Text = axis
	least, most := math.Inf(1), 0.0
	names := make([]string, len(bs))
	for i, b := range bs {
		names[len(bs)-1-i] = b.name
		least, most = min(least, b.value), max(most, b.value)
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	p.X.Min = math.Pow(10, math.Floor(math.Log10(least)))
	if least < 1.2*p.X.Min { // otherwise the shortest bar would be invisible
		p.X.Min /= 2
	}
	p.X.Max = most * 4 // leaves room for the label of the longest bar
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.7, float64(len(bs))-0.3
	p.Y.LineStyle.Width, p.Y.Tick.LineStyle.Width = 0, 0
	p.Add(grid{}, bs)
	width, height := vg.Length(720), vg.Length(26*len(bs)+100)
	canvas := vgsvg.New(width, height)
	page := draw.NewCanvas(canvas, width, height)
	page.FillPolygon(paper, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}})
	p.Draw(draw.Crop(page, 14, -14, 12, -12))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func styled(p *plot.Plot, title string) {
	p.BackgroundColor = paper
	p.Title.Text, p.Title.Padding = title, 8
	for _, s := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		s.Color, s.Font = ink, sans(11)
	}
	p.Title.TextStyle.Font = sans(13)
	p.X.LineStyle.Color, p.Y.LineStyle.Color = ink, ink
	p.X.Tick.LineStyle.Color, p.Y.Tick.LineStyle.Color = ink, ink
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: plot.DefaultFont.Typeface, Variant: "Sans", Size: size}
}

// decades marks powers of ten with plain numbers.
type decades struct{}

func (decades) Ticks(least, most float64) []plot.Tick {
	ticks := plot.LogTicks{Prec: -1}.Ticks(least, most)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = plain(t.Value)
		}
	}
	return ticks
}

// plain formats a number without an exponent or trailing zeros.
func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// grid draws a line at each power of ten.
type grid struct{}

func (grid) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := draw.LineStyle{Color: faint, Width: 0.7}
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if t.Label != "" {
			c.StrokeLine2(style, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
		}
	}
}

// plots writes the plots of times and allocations.
func (fs figures) plots(folder string) error {
	var times, allocs bars
	add := func(name, caseName string, tint color.Color) {
		f := fs[caseName]
		µs := f.median() / 1000
		times = append(times, bar{name, short(µs) + " µs", µs, tint})
		if f.allocs >= 0.5 {
			allocs = append(allocs, bar{name, plain(math.Round(f.allocs)), f.allocs, tint})
		}
	}
	add("SHA-256 of the JWT", floorSHA, floorTint)
	add("request clone", floorClone, floorTint)
	add("bare RSA-2048", floorRSA, floorTint)
	add("sessionauth, warm JWT", warmHeader, ownTint)
	add("sessionauth, warm opaque", opaqueHeader, ownTint)
	add("sessionauth, first sight", firstSight, ownTint)
	for _, p := range peers {
		add(p.name, p.caseName(), peerTint)
	}
	add("scs, opaque, in memory", scsCookie, peerTint)
	if err := times.draw(filepath.Join(folder, "performance-time.svg"), "Time for one request", "µs, logarithmic; lower is better"); err != nil {
		return err
	}
	return allocs.draw(filepath.Join(folder, "performance-allocations.svg"), "Heap allocations for one request", "allocations, logarithmic; lower is better")
}
