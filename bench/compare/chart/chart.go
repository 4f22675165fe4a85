// Package chart draws a comparison as an SVG image: bars that are readable on light and on dark pages, texts as text.
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"github.com/trailcast/trailcast/bench/compare/figures"
)

// Sizes in pixels.
const (
	width    = 760
	margin   = 16
	names    = 150 // column of the contenders' names
	numbers  = 190 // column of the figures
	bar      = 16
	line     = 24 // from one bar to the next
	heading  = 40
	footing  = 20 // from one line below the bars to the next
	maxBar   = width - 2*margin - names - numbers
	rounding = 2
)

// The colours of texts, of bars of others and of bars of trailcast, on light pages and on dark ones.
const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .quiet { fill: #59636e; }
  .number { font-variant-numeric: tabular-nums; }
  .other { fill: #8c959f; }
  .ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .other { fill: #6e7681; }
    .ours { fill: #4493f8; }
  }
`

// SVG draws the rates of each workload, the longest bar being its fastest contender, and ratios to its reference. Contenders
// and workloads without figures are left out.
func SVG(r *figures.Report) []byte {
	var d drawing
	d.y = margin
	for i := range r.Workloads {
		d.workload(&r.Workloads[i])
	}
	d.footing(r)
	height := d.y + margin

	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&out, "<title>Records in a second</title>\n<style>%s</style>\n", style)
	out.Write(d.out.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

type drawing struct {
	out bytes.Buffer
	y   int // where the next element begins
}

func (d *drawing) workload(w *figures.Workload) {
	var best float64
	for _, c := range w.Contenders {
		best = max(best, c.Records.Median)
	}
	if best == 0 {
		return
	}
	d.y += heading
	d.text(margin, d.y-margin, "title", w.Name)
	d.text(margin+names, d.y-margin, "quiet", w.Title)
	for _, c := range w.Contenders {
		if c.Records.Median > 0 {
			d.contender(&c, w.Reference, best)
		}
	}
}

func (d *drawing) contender(c *figures.Contender, reference string, best float64) {
	class := "other"
	if c.Ours {
		class = "ours"
	}
	length := max(1, c.Records.Median/best*maxBar)
	fmt.Fprintf(&d.out, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="%d"/>`+"\n",
		class, margin+names, d.y, length, bar, rounding)
	baseline := d.y + bar - 3
	d.text(margin, baseline, "", c.Name)
	number := figures.Thousands(c.Records.Median) + " records/s"
	if c.Ratio != nil && c.Name != reference {
		number += " · " + times(c.Ratio.Median)
	}
	d.text(margin+names+int(length)+8, baseline, "number", number)
	d.y += line
}

func (d *drawing) footing(r *figures.Report) {
	for _, line := range []string{
		fmt.Sprintf("%s, %d cores, %s; %s records, medians of %d rounds.",
			r.Machine.CPU, r.Machine.Cores, r.Machine.Go, figures.Thousands(float64(r.Records)), r.Rounds),
		"By seconds of CPU time on one core, by wall time on several; × is to the reference of each job.",
	} {
		d.y += footing
		d.text(margin, d.y, "quiet", line)
	}
}

// times is a ratio: ×0.42, ×3.10, ×23.
func times(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("×%.0f", ratio)
	}
	return fmt.Sprintf("×%.2f", ratio)
}

func (d *drawing) text(x, y int, class, content string) {
	if class != "" {
		class = fmt.Sprintf(` class="%s"`, class)
	}
	fmt.Fprintf(&d.out, `<text x="%d" y="%d"%s>%s</text>`+"\n", x, y, class, escape(content))
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // writing to memory does not fail
	return b.String()
}
