package redact

import (
	"strings"
	"unicode/utf8"
)

// view is the text of a line as it reads when nothing of it moves the cursor: without escape sequences, control characters
// and invisible characters. A secret that is broken by colours, or was typed with corrections, stands in one piece there.
type view struct {
	text  string
	at    []int32 // where each byte of text stands in the line; nil: at the same place
	parts []span  // what control strings hold, such as a window's title that repeats the command
	moves bool    // something in the line may move the cursor or erase: it may read differently
}

const (
	escape    = 0x1b
	backspace = 0x08
)

// isPlain reports whether a line is its own view: printable ASCII and tabs.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

func viewOf(s string) view {
	if isPlain(s) {
		return view{text: s}
	}
	v := view{at: make([]int32, 0, len(s))}
	text := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if n := v.skip(s, i); n > 0 {
			i += n
			continue
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		for ; n > 0; n-- {
			text, v.at = append(text, s[i]), append(v.at, int32(i))
			i++
		}
	}
	v.text = string(text)
	return v
}

// skip returns how many bytes at i do not belong to the view.
func (v *view) skip(s string, i int) int {
	switch c := s[i]; {
	case c == escape:
		return v.sequence(s, i, i+1)
	case c == ' ':
		return v.wrap(s, i)
	case c == '\t' || c > ' ' && c < 0x7f:
		return 0
	case c == backspace:
		v.moves = true
		return 1 + rubbed(s[i+1:])
	case c < 0x80:
		v.moves = v.moves || c != 0x07 && c != 0x00 && !(c == '\r' && i == len(s)-1)
		return 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	switch {
	case r == 0x9b:
		return v.control(s, i, i+n)
	case r >= 0x80 && r < 0xa0 || invisible(r):
		v.moves = v.moves || r < 0xa0
		return n
	}
	return 0
}

// wrap is a space and a carriage return inside of a line: the line editor of bash writes them where a long command goes on
// in the next row of the terminal.
func (v *view) wrap(s string, i int) int {
	if i+2 < len(s) && s[i+1] == '\r' && s[i+2] != '\r' && s[i+2] != '\n' {
		v.moves = true
		return 2
	}
	return 0
}

// rubbed returns how many spaces stand between two backspaces: the terminal rubs characters out with them.
func rubbed(s string) int {
	n := 0
	for n < len(s) && s[n] == ' ' {
		n++
	}
	if n > 0 && n < len(s) && s[n] == backspace {
		return n
	}
	return 0
}

// sequence returns how long the escape sequence is that begins at i; at is behind its ESC (ECMA-48, chapter 5).
func (v *view) sequence(s string, i, at int) int {
	if at == len(s) {
		return 1
	}
	switch c := s[at]; c {
	case '[':
		return v.control(s, i, at+1)
	case ']', 'P', 'X', '^', '_', 'k':
		return v.controlString(s, i, at+1)
	}
	v.moves = true
	for at < len(s) && s[at] >= 0x20 && s[at] < 0x30 {
		at++
	}
	if at < len(s) && s[at] >= 0x30 && s[at] < 0x7f {
		at++
	}
	return at - i
}

// control is a control sequence: parameters, intermediate characters, a final one. Colours (m) and most private modes (h
// and l), such as bracketed paste around each prompt, leave the line as it is.
func (v *view) control(s string, i, at int) int {
	for at < len(s) && s[at] >= 0x20 && s[at] < 0x40 {
		at++
	}
	if at == len(s) {
		return at - i
	}
	if c := s[at]; c >= 0x40 && c < 0x7f {
		quiet := c == 'm' || (c == 'h' || c == 'l') && strings.HasPrefix(s[i:], "\x1b[?2004")
		v.moves = v.moves || !quiet
		return at + 1 - i
	}
	return at - i
}

// controlString is one that BEL or ST ends. Without an end it is none, and its text is shown.
func (v *view) controlString(s string, i, at int) int {
	for k := at; k < len(s); k++ {
		switch {
		case s[k] == 0x07:
			v.parts = append(v.parts, span{at, k})
			return k + 1 - i
		case s[k] == escape && k+1 < len(s) && s[k+1] == '\\':
			v.parts = append(v.parts, span{at, k})
			return k + 2 - i
		}
	}
	return at - i
}

// invisible characters have no width, or turn the direction of writing.
func invisible(r rune) bool {
	switch {
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r == 0xad,
		r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x180e, r == 0x3164, r >= 0xfe00 && r <= 0xfe0f, r == 0xffa0,
		r >= 0xe0000 && r <= 0xe01ef:
		return true
	}
	return false
}

// raw returns the part of the line that a part of the view came from, with what was hidden in it.
func (v *view) raw(s span) span {
	if v.at == nil {
		return s
	}
	return span{int(v.at[s.from]), int(v.at[s.to-1]) + 1}
}
