package session

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"unicode/utf8"
)

// Settings of a Cleaner.
type Settings struct {
	MaxLine int  // columns of one line; a longer one is cut into parts that end with CutMark. 0: 4096; at least 16
	Screens bool // yield what full-screen programs show, roughly, instead of a mark
}

// CutMark ends each part but the last of a line that was too long.
const CutMark = " [line goes on]"

const (
	defaultMaxLine = 4096
	minMaxLine     = 16
	blockSize      = 4 << 10
)

// Cleaner turns what a terminal was sent into lines that are safe to show: each is valid UTF-8 without control
// characters (C0, DEL, C1), line and paragraph separators, and characters that are invisible or turn the direction of
// writing; such characters stand as \uXXXX, other than in escape sequences, which are obeyed or dropped. Lines come
// without line ends.
//
// It is a stream: text may be written in any pieces, and the lines are those of the whole. It takes time in proportion
// to the text and memory in proportion to Settings.MaxLine. It is not safe for concurrent use.
//
// What is obeyed are redraws of one line, as progress bars and the line editors of shells do them: carriage return,
// backspace, tab, cursor moves, insert and delete, erase. What a later write covers is gone, as it was from the screen.
// Approximated are:
//
//   - A move to another line ends the line, so what is drawn over earlier lines stands below them once more. Rows of one
//     long command are an exception: bash tells how wide the terminal is when such a command is typed, and from then on
//     moves within these rows are obeyed.
//   - Text that the SSM agent streams has lost its carriage returns: redraws stand behind one another there.
//   - What is shown on the alternate screen (vim, less, tmux), or while the cursor is hidden by a program that places it
//     itself (top), becomes one line `[full screen program, 123 bytes]`.
//   - Lines that are mostly unprintable become one line `[123 bytes of binary data]`.
//   - Titles, clipboard and other control strings are dropped. One that does not end within its line is no such string,
//     or hides something: its text is shown.
//   - Combining marks, and characters shown as \uXXXX, count as one column. Line-drawing character sets are not
//     translated.
type Cleaner struct {
	settings Settings
	out      framer
	parser   parser
	held     []byte // begin of a character whose rest is still to come
	begun    bool   // something was written: a byte order mark is no longer one
	line     line
	wrap     wrap
	noise    noise
	screen   screen
	buf      []byte // for finished lines
}

// NewCleaner returns a cleaner that gives each line to yield.
func NewCleaner(s Settings, yield func(line string)) *Cleaner {
	if s.MaxLine <= 0 {
		s.MaxLine = defaultMaxLine
	}
	s.MaxLine = max(s.MaxLine, minMaxLine)
	return &Cleaner{settings: s, out: framer{yield: yield}, line: line{limit: s.MaxLine}}
}

// Clean yields the cleaned lines of a session's logs, which come in their order.
func Clean(logs iter.Seq[Log]) iter.Seq[string] {
	return CleanText(func(yield func(string) bool) {
		for l := range logs {
			for text := range l.Text() {
				if !yield(text) {
					return
				}
			}
		}
	})
}

// CleanText yields the cleaned lines of a session's text, which comes in pieces of any size.
func CleanText(pieces iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		var ready []string
		c := NewCleaner(Settings{}, func(line string) { ready = append(ready, line) })
		pass := func() bool {
			for _, line := range ready {
				if !yield(line) {
					return false
				}
			}
			ready = ready[:0]
			return true
		}
		for text := range pieces {
			c.writeString(text)
			if !pass() {
				return
			}
		}
		c.Close()
		pass()
	}
}

// Frame returns what the recorder of the session wrote around the text, as far as it was read.
func (c *Cleaner) Frame() Frame { return c.out.frame }

// Write cleans text. It never fails and does not keep p.
func (c *Cleaner) Write(p []byte) (int, error) {
	n := len(p)
	for len(c.held) > 0 && len(p) > 0 {
		var buf [utf8.UTFMax]byte
		k := copy(buf[copy(buf[:], c.held):], p)
		joined := buf[:len(c.held)+k]
		switch used := c.step(joined); {
		case used == 0: // all of p is in joined, since four bytes never lack a rest
			c.held = append(c.held, p...)
			return n, nil
		case used < len(c.held):
			c.held = c.held[used:]
		default:
			p = p[used-len(c.held):]
			c.held = c.held[:0]
		}
	}
	for len(p) > 0 {
		used := c.step(p)
		if used == 0 {
			c.held = append(c.held[:0], p...)
			break
		}
		p = p[used:]
	}
	return n, nil
}

func (c *Cleaner) writeString(s string) {
	var buf [blockSize]byte
	for len(s) > 0 {
		n := copy(buf[:], s)
		c.Write(buf[:n])
		s = s[n:]
	}
}

// Close ends the text: what is still held is yielded. It never fails.
func (c *Cleaner) Close() error {
	for _, b := range c.held {
		c.invalid(b)
	}
	c.held = nil
	c.parser.stop(c)
	c.leaveScreen()
	if len(c.line.cells) > 0 || c.noise.total > 0 {
		c.finish("")
	}
	c.flushNoise()
	c.out.close()
	return nil
}

// step takes the next character of p, or a run of plain ones; it returns how many bytes these are, 0 where p ends
// within a character.
func (c *Cleaner) step(p []byte) int {
	if c.parser.state == ground {
		if n := c.plain(p); n > 0 {
			return n
		}
		if n := colours(p); n > 0 {
			c.begun = true
			c.count(n)
			return n
		}
	}
	used := 1
	switch b := p[0]; {
	case b < utf8.RuneSelf:
		c.count(1)
		c.parser.feed(c, rune(b))
	case !utf8.FullRune(p):
		return 0
	default:
		var r rune
		if r, used = utf8.DecodeRune(p); r == utf8.RuneError && used == 1 {
			c.invalid(b)
			break
		}
		c.count(used)
		if r != '\ufeff' || c.begun {
			c.parser.feed(c, r)
		}
	}
	c.begun = true
	return used
}

func (c *Cleaner) count(n int) {
	c.noise.total += int64(n)
	c.screen.bytes += int64(n)
}

// invalid takes a byte that is no UTF-8. Those that begin or end sequences of 8-bit terminals do so.
func (c *Cleaner) invalid(b byte) {
	c.count(1)
	switch b {
	case 0x90, 0x98, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f:
		c.noise.add(&c.line)
		c.parser.feed(c, rune(b))
	default:
		c.parser.feed(c, utf8.RuneError)
	}
}

// plain takes the printable ASCII that p begins with. A whole line of it, the common case, never meets the line model.
func (c *Cleaner) plain(p []byte) int {
	n := printable(p)
	if n <= c.settings.MaxLine && c.noise.total == 0 && !c.screen.hides() && len(c.line.cells) == 0 && c.line.col == 0 &&
		!c.line.insert {
		end := 0
		if n < len(p) && p[n] == '\n' {
			end = n + 1
		} else if n+1 < len(p) && p[n] == '\r' && p[n+1] == '\n' {
			end = n + 2
		}
		if end > 0 {
			c.begun = true
			c.line.clear()
			c.flushNoise()
			c.out.line(string(p[:n]))
			return end
		}
	}
	if n > 0 {
		c.begun = true
		c.print(p[:n])
	}
	return n
}

// print writes printable ASCII to the line.
func (c *Cleaner) print(p []byte) {
	if c.screen.hides() {
		c.count(len(p))
		return
	}
	for len(p) > 0 {
		n := min(len(p), c.settings.MaxLine-c.line.col)
		if n <= 0 {
			c.finish(CutMark)
			continue
		}
		if c.wrap.open {
			c.count(1)
			c.put(rune(p[0]))
			p = p[1:]
			continue
		}
		c.count(n)
		c.line.text(p[:n])
		p = p[n:]
	}
}

// put writes a character to the line.
func (c *Cleaner) put(r rune) {
	if c.screen.hides() {
		return
	}
	if c.wrap.open && c.wrap.put(&c.line, r) {
		return
	}
	if c.line.col >= c.settings.MaxLine-1 {
		c.finish(CutMark)
	}
	c.line.put(r)
}

// colours returns how long the sequence is that p begins with if it only sets colours (SGR); else 0. These sequences are
// so frequent that they do not go through the parser.
func colours(p []byte) int {
	if len(p) < 3 || p[0] != 0x1b || p[1] != '[' {
		return 0
	}
	for i, b := range p[2:] {
		switch {
		case b == 'm':
			return i + 3
		case b < '0' || b > ';':
			return 0
		}
	}
	return 0
}

// printable returns how many bytes from 0x20 to 0x7e p begins with. It looks at eight at once: a top bit of stop is set
// for each other byte; borrows may set further ones above the lowest, which is exact.
func printable(p []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		del := w ^ ones*0x7f
		if stop := (w | (w - ones*0x20) | (del-ones)&^del) & tops; stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
	}
	for i < len(p) && p[i] >= 0x20 && p[i] < 0x7f {
		i++
	}
	return i
}
