package session

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// noise tells binary data from text, line by line.
type noise struct {
	total int64 // bytes of the line
	bad   int64 // of which no text has: invalid UTF-8, U+FFFD, which writers of JSON put in its place, most of C0
	tail  int   // the line's column behind the last bad one
	run   int64 // bytes of the lines of binary data before this line
}

// add counts a bad byte.
func (n *noise) add(l *line) {
	n.bad++
	n.tail = l.col
}

// binary reports whether the line is binary data: three bytes in ten are bad, random ones have more than six. Within
// such data short lines are by chance better, and count too.
func (n *noise) binary() bool {
	return n.bad >= 3 && n.bad*10 >= n.total*3 || n.run > 0 && n.bad > 0 && n.bad*10 >= n.total
}

// finish yields the line under way, with mark after it, and begins a new one.
func (c *Cleaner) finish(mark string) {
	text := c.render(c.line.cells)
	if c.noise.bad > 0 && c.noise.binary() && promptEnd(text) == 0 {
		// A prompt has no line end before it: what is typed after binary data stands in its last line.
		tail := c.render(c.line.cells[min(c.noise.tail, len(c.line.cells)):])
		if !strings.ContainsAny(tail, "$#>%❯") || !strings.Contains(tail, " ") {
			tail = ""
		}
		c.noise.run += max(c.noise.total-int64(len(tail)), 1)
		if tail != "" {
			c.flushNoise()
			c.out.line(tail + mark)
		}
	} else {
		c.flushNoise()
		c.out.line(text + mark)
	}
	c.noise.total, c.noise.bad, c.noise.tail = 0, 0, 0
	c.line.clear()
	c.wrap = wrap{}
}

func (c *Cleaner) flushNoise() {
	if c.noise.run > 0 {
		c.out.line("[" + strconv.FormatInt(c.noise.run, 10) + " bytes of binary data]")
		c.noise.run = 0
	}
}

// render returns cells as text that is safe to show.
func (c *Cleaner) render(cells []rune) string {
	b := c.buf[:0]
	for _, r := range cells {
		switch {
		case r < utf8.RuneSelf:
			if r != filler {
				b = append(b, byte(r))
			}
		case invisible(r):
			b = appendEscape(b, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	c.buf = b
	return string(b)
}

// invisible reports whether a character has no shape of its own: format characters (zero-width ones, marks that turn
// the direction of writing, tags), line and paragraph separators, fillers.
func invisible(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x3164, 0xffa0:
		return true
	}
	return r < 0xa0 || r == 0xad || r >= 0x0600 && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	first := 12
	b = append(b, '\\', 'u')
	if r > 0xffff {
		b[len(b)-1] = 'U'
		first = 28
	}
	for shift := first; shift >= 0; shift -= 4 {
		b = append(b, hex[r>>shift&15])
	}
	return b
}
