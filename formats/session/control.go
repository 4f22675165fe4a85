package session

import "strconv"

// control obeys a C0 control.
func (c *Cleaner) control(r rune) {
	switch r {
	case '\n', '\v', '\f':
		c.newline()
	case '\r':
		if !c.screen.hides() {
			c.wrap.cr(&c.line)
		}
	case '\b':
		c.cursor(func(l *line) { l.move(-1) })
	case '\t':
		c.cursor(func(l *line) { l.tab(1) })
	case 0x07, 0x05, 0x0e, 0x0f, 0x7f: // BEL, ENQ, character sets, DEL: text may have them
	default:
		c.noise.add(&c.line)
	}
}

// cursor does something to the line that ends a doubt about how wide the terminal is.
func (c *Cleaner) cursor(do func(*line)) {
	if c.screen.hides() {
		return
	}
	c.wrap.undo(&c.line)
	do(&c.line)
}

// newline ends the line. Where the line has a row below the cursor's the cursor goes there: so does bash, to come from
// within a long command to its end.
func (c *Cleaner) newline() {
	if c.screen.hides() {
		return
	}
	c.wrap.undo(&c.line)
	if c.line.below() && c.line.up(-1) {
		return
	}
	c.finish("")
}

// breakLine ends the line if there is something in it, and begins another: the cursor went elsewhere. The column that it
// went to does not matter, since the rest of that line is not known.
func (c *Cleaner) breakLine() {
	if c.screen.hides() {
		return
	}
	c.wrap.undo(&c.line)
	if len(c.line.cells) > 0 {
		c.finish("")
	}
	c.line.clear()
}

// rows moves the cursor up n rows, down for less than 0.
func (c *Cleaner) rows(n int) {
	if c.screen.hides() {
		return
	}
	c.wrap.accept()
	if !c.line.up(n) {
		c.breakLine()
	}
}

func (c *Cleaner) restore() {
	c.cursor(func(l *line) { l.col, l.pending = min(l.saved, len(l.cells)+maxReach), false })
}

// note writes a remark on n of something to the line.
func (c *Cleaner) note(n int, what string) {
	for _, r := range "[" + strconv.Itoa(n) + " " + what + "]" {
		c.put(r)
	}
}

// sequence obeys a control sequence, named by its final character (ECMA-48, chapter 8.3; private modes: xterm's).
func (c *Cleaner) sequence(p *parser, final rune) {
	if final == 'h' || final == 'l' {
		c.modes(p, final == 'h')
		return
	}
	if p.private != 0 && final != 'J' && final != 'K' {
		return
	}
	n := p.param(0, 1)
	switch final {
	case 'A':
		c.rows(n)
	case 'B', 'e':
		c.rows(-n)
	case 'E', 'F':
		c.breakLine()
	case 'C', 'a':
		c.cursor(func(l *line) { l.move(n) })
	case 'D':
		c.cursor(func(l *line) { l.move(-n) })
	case 'G', '`':
		c.cursor(func(l *line) { l.to(n - 1) })
	case 'H', 'f', 'd':
		c.place()
	case 'I':
		c.cursor(func(l *line) { l.tab(n) })
	case 'Z':
		c.cursor(func(l *line) { l.backTab(n) })
	case 'J':
		c.cursor(func(l *line) { l.eraseScreen(p.param(0, 0)) })
	case 'K':
		c.cursor(func(l *line) { l.eraseRow(p.param(0, 0)) })
	case 'P':
		c.cursor(func(l *line) { l.remove(n) })
	case 'X':
		c.cursor(func(l *line) { l.blank(l.col, l.col+n) })
	case '@':
		c.cursor(func(l *line) { l.open(n) })
	case 's':
		c.line.saved = c.line.col
	case 'u':
		c.restore()
	}
}

// place moves the cursor anywhere on the screen.
func (c *Cleaner) place() {
	if c.screen.hidden && !c.screen.alternate && !c.screen.placed {
		c.enterScreen()
		c.screen.placed = true
	}
	c.breakLine()
}

func (c *Cleaner) modes(p *parser, on bool) {
	for i := range min(max(p.nparams, 1), maxParams) {
		switch mode := p.param(i, 0); p.private {
		case '?':
			if mode != 0 {
				c.screenMode(mode, on)
			}
		case 0:
			if mode == 4 {
				c.line.insert = on
			}
		}
	}
}
