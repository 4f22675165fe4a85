// Package terminal keeps text that came from events from doing anything to a terminal.
package terminal

import (
	"fmt"
	"strings"
)

// Hostile reports whether a terminal would obey a character, or be led astray by it: control characters but newline and
// tab, C1 ones included, line and paragraph separators, and those that turn the direction of writing.
func Hostile(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0, r == 0x200e || r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// Line returns s for one line of output: hostile characters, newline and tab are written \uXXXX.
func Line(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return Hostile(r) || r == '\n' || r == '\t' }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if Hostile(r) || r == '\n' || r == '\t' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
