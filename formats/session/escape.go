package session

import "unicode/utf8"

// state of the parser, after the one of Paul Williams for DEC's terminals (vt100.net/emu/dec_ansi_parser).
type state byte

const (
	ground       state = iota
	escape             // after ESC
	intermediate       // after ESC and a character of 0x20 to 0x2f
	csi                // in a control sequence
	str                // in a control string: OSC, DCS, SOS, PM, APC, or a title of screen (ESC k)
	strEscape          // after ESC in one
)

const (
	maxParams = 16
	maxParam  = 9999
	maxString = 4096 // bytes of a control string that are kept, in case that it is none
)

// parser recognises escape sequences. It keeps to ECMA-48 and terminals, with two differences, so that nothing hides
// text from a reader: a line end ends every sequence, and a control string that is not ended properly is shown.
type parser struct {
	state   state
	params  [maxParams]int
	nparams int
	private rune // a character of 0x3c to 0x3f before the parameters
	other   bool // the sequence has intermediate characters: none of these matters here
	kept    []byte
	lost    int // bytes of a control string that were not kept
}

// feed takes one character. Bytes from 0x80 to 0x9f stand for C1 controls as their code points do.
func (p *parser) feed(c *Cleaner, r rune) {
	switch p.state {
	case str, strEscape:
		p.string(c, r)
		return
	}
	switch {
	case r == 0x1b:
		p.state = escape
	case r == 0x18 || r == 0x1a: // CAN and SUB cancel a sequence
		p.state = ground
	case r < 0x20 || r == 0x7f:
		if r == '\n' || r == '\v' || r == '\f' {
			p.state = ground
		}
		c.control(r)
	case r >= 0x80 && r < 0xa0:
		p.c1(c, r)
	case p.state == ground || r >= 0xa0:
		p.state = ground
		c.put(r)
		if r == utf8.RuneError {
			c.noise.add(&c.line)
		}
	case p.state == escape:
		p.escape(c, r)
	case p.state == intermediate:
		if r >= 0x30 {
			p.state = ground
		}
	default:
		p.csi(c, r)
	}
}

func (p *parser) c1(c *Cleaner, r rune) {
	p.state = ground
	switch r {
	case 0x84, 0x85: // IND, NEL
		c.newline()
	case 0x8d: // RI
		c.breakLine()
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f: // DCS, SOS, OSC, PM, APC
		p.begin(str)
	case 0x9b:
		p.begin(csi)
	}
}

func (p *parser) begin(s state) {
	*p = parser{state: s, kept: p.kept[:0]}
}

func (p *parser) escape(c *Cleaner, r rune) {
	p.state = ground
	switch {
	case r == '[':
		p.begin(csi)
	case r == ']' || r == 'P' || r == 'X' || r == '^' || r == '_' || r == 'k':
		p.begin(str)
	case r < 0x30:
		p.state = intermediate
	case r == '7':
		c.line.saved = c.line.col
	case r == '8':
		c.restore()
	case r == 'D' || r == 'E':
		c.newline()
	case r == 'M':
		c.breakLine()
	case r == 'c': // reset
		c.screenMode(0, false)
		c.breakLine()
		c.line.insert = false
	}
}

func (p *parser) csi(c *Cleaner, r rune) {
	switch {
	case r >= '0' && r <= '9':
		if p.nparams == 0 {
			p.nparams = 1
		}
		if i := p.nparams - 1; i < maxParams {
			p.params[i] = min(p.params[i]*10+int(r-'0'), maxParam)
		}
	case r == ';' || r == ':':
		p.nparams = min(max(p.nparams, 1)+1, maxParams+1)
	case r >= '<' && r <= '?':
		p.private = r
	case r < 0x30:
		p.other = true
	default:
		p.state = ground
		if !p.other {
			c.sequence(p, r)
		}
	}
}

// param returns a parameter; 0 and an absent one are def.
func (p *parser) param(i, def int) int {
	if i >= min(p.nparams, maxParams) || p.params[i] == 0 {
		return def
	}
	return p.params[i]
}

// string takes a character in a control string.
func (p *parser) string(c *Cleaner, r rune) {
	if p.state == strEscape {
		switch r {
		case '\\':
			p.state = ground
		case 0x1b: // tmux doubles it in what it passes on
			p.state = str
		default:
			p.show(c)
			p.state = escape
			p.feed(c, r)
		}
		return
	}
	switch r {
	case 0x07, 0x9c: // BEL, ST
		p.state = ground
	case 0x1b:
		p.state = strEscape
	case '\n':
		p.show(c)
		p.feed(c, r)
	case 0x18, 0x1a:
		p.show(c)
	default:
		if len(p.kept) < maxString {
			p.kept = utf8.AppendRune(p.kept, r)
		} else {
			p.lost += utf8.RuneLen(r)
		}
	}
}

// show writes a control string that was none as text.
func (p *parser) show(c *Cleaner) {
	p.state = ground
	for _, r := range string(p.kept) {
		if r >= 0x20 && r != 0x7f && (r < 0x80 || r >= 0xa0) {
			c.put(r)
		}
	}
	if p.lost > 0 {
		c.note(p.lost, "more bytes")
	}
	p.kept, p.lost = p.kept[:0], 0
}

// stop ends the text.
func (p *parser) stop(c *Cleaner) {
	if p.state == str || p.state == strEscape {
		p.show(c)
	}
	p.state = ground
}
